//! Which servers want Python's attention: one queue for all, so that one Python thread serves them all.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The queue.
#[derive(Default)]
pub struct Runtime {
    ready: Mutex<VecDeque<u64>>,
    changed: Condvar,
}

/// Lock, also behind a thread that panicked: the data are whole between two statements of the critical sections.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runtime {
    /// Say that the server *number* has something for Python; 0 only ends a wait.
    pub fn signal(&self, number: u64) {
        lock(&self.ready).push_back(number);
        self.changed.notify_one();
    }

    /// Block until a server wants attention and return its number; `None` after *timeout*.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<u64> {
        let deadline = Instant::now() + timeout;
        let mut ready = lock(&self.ready);
        loop {
            if let Some(number) = ready.pop_front() {
                return Some(number);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            ready = self
                .changed
                .wait_timeout(ready, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
