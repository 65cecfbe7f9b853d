//! One listener: its connections, its table, its log, and the requests that wait for Python.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::connection::{self, Shared};
use crate::log::{Kind, Log, Place, Record, Segment};
use crate::platform::{Platform, Waker, Watch, handle};
use crate::program::Program;
use crate::runtime::{Runtime, lock};
use crate::table::{Form, Table};

/// Parsing and playing need little: the buffers are on the heap.
const STACK_BYTES: usize = 256 * 1024;
/// Ending a connection takes microseconds; after so long something is wrong, and a test must not hang for it.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// Freeing more than this is another thread's work: a reset returns at once.
const FREED_AT_ONCE: usize = 16;
/// Malformed input that lies in the log without Python having been told.
const QUIET_MALFORMED: u32 = 100;

/// What a connection looks at before there is a request.
#[derive(Default)]
pub struct Settings {
    /// Milliseconds for which nothing is read from a new connection.
    pub accept_delay_ms: AtomicU32,
    /// Bytes of bodies read in a second; 0 for as fast as they come.
    pub upload_bytes_per_s: AtomicU64,
    /// Whether a route may answer before the body is there.
    pub early: AtomicBool,
    /// Whether Python wants to know of everything at once.
    pub watch: AtomicBool,
}

/// A part of an answer that Python gave.
pub(crate) struct Part {
    pub(crate) program: Arc<Program>,
    pub(crate) last: bool,
    pub(crate) noted_by_python: bool,
}

/// A request that waits for Python.
#[derive(Default)]
pub(crate) struct Parking {
    pub(crate) parts: Mutex<VecDeque<Part>>,
}

struct Parked {
    parking: Arc<Parking>,
    waker: Arc<Waker>,
}

struct State {
    generation: u64,
    sequence: u64,
    table: Table,
    log: Log,
    parked: HashMap<u64, Parked>,
}

#[derive(Default)]
struct Connections {
    open: HashMap<u64, Arc<Shared>>,
    last: u64,
    before_reset: u64,
    // Threads that have not given everything back yet.
    threads: usize,
}

/// A request as its connection has it.
pub(crate) struct Arrival<'a> {
    pub(crate) record: Record<'a>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) form: Form,
    pub(crate) head_only: bool,
}

/// What becomes of a request.
pub(crate) enum Verdict {
    Plain(Arc<Program>, Noted),
    Parked(Arc<Parking>, Noted),
}

/// Where a request is noted, and whether its end is.
pub(crate) struct Noted {
    pub(crate) sequence: u64,
    place: Place,
    pub(crate) answered: bool,
}

/// A listener being served.
pub struct Server {
    number: u64,
    runtime: Arc<Runtime>,
    platform: Arc<dyn Platform>,
    /// What may be changed at any time.
    pub settings: Settings,
    generation: AtomicU64,
    signalled: AtomicBool,
    malformed: AtomicU32,
    stopping: AtomicBool,
    state: Mutex<State>,
    connections: Mutex<Connections>,
    ended: Condvar,
    acceptor: Mutex<Option<(JoinHandle<()>, Arc<TcpListener>)>>,
}

impl Server {
    /// Serve *listener* until [`Server::close`].
    ///
    /// # Errors
    ///
    /// If there are no descriptors or threads left.
    pub fn start(
        listener: TcpListener,
        number: u64,
        (max_requests, max_body_bytes): (usize, usize),
        runtime: Arc<Runtime>,
        platform: Arc<dyn Platform>,
    ) -> io::Result<Arc<Self>> {
        listener.set_nonblocking(true)?;
        let state = State {
            generation: 0,
            sequence: 0,
            table: Table::default(),
            log: Log::new(max_requests, max_body_bytes),
            parked: HashMap::new(),
        };
        let server = Arc::new(Self {
            number,
            runtime,
            platform,
            settings: Settings::default(),
            generation: AtomicU64::new(0),
            signalled: AtomicBool::new(false),
            malformed: AtomicU32::new(0),
            stopping: AtomicBool::new(false),
            state: Mutex::new(state),
            connections: Mutex::new(Connections::default()),
            ended: Condvar::new(),
            acceptor: Mutex::new(None),
        });
        let accepting = Arc::clone(&server);
        let listener = Arc::new(listener);
        let accepted_from = Arc::clone(&listener);
        let name = "api-sim-accept".to_owned();
        let acceptor = thread::Builder::new()
            .name(name)
            .stack_size(STACK_BYTES)
            .spawn(move || accepting.accept(&accepted_from))?;
        *lock(&server.acceptor) = Some((acceptor, listener));
        Ok(server)
    }

    // Connections

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while !self.stopping.load(Ordering::Acquire) {
            match listener.accept() {
                // What wakes this thread may be a connection of its own.
                Ok(_) if self.stopping.load(Ordering::Acquire) => {}
                Ok((stream, _)) => self.connected(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let watch = Watch {
                        handle: handle(listener),
                        readable: true,
                    };
                    self.platform.wait(Some(watch), None, None);
                }
                // No descriptors, or a client that is gone already: not the end of the server.
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn connected(self: &Arc<Self>, stream: TcpStream) {
        let accepted_ns = self.platform.now_ns();
        // Linux does not hand the listener's mode down; others do.
        if cfg!(not(target_os = "linux")) && stream.set_nonblocking(false).is_err() {
            return;
        }
        let shared = Arc::new(Shared::new(stream));
        let number = {
            let mut connections = lock(&self.connections);
            connections.last += 1;
            connections.threads += 1;
            let number = connections.last;
            connections.open.insert(number, Arc::clone(&shared));
            number
        };
        self.changed();
        let server = Arc::clone(self);
        let name = "api-sim-conn".to_owned();
        let spawned = thread::Builder::new()
            .name(name)
            .stack_size(STACK_BYTES)
            .spawn(move || {
                // Runs when the thread unwinds too.
                let ending = Ending {
                    server,
                    number,
                    shared: Some(shared),
                };
                if let Some(shared) = &ending.shared {
                    connection::serve(&ending.server, shared, number, accepted_ns);
                }
            });
        // The closure is dropped with everything in it if there is no thread; it has not begun then.
        if spawned.is_err() {
            self.disconnected(number);
        }
    }

    fn disconnected(&self, number: u64) {
        let gone = lock(&self.connections).open.remove(&number);
        drop(gone);
        self.changed();
        lock(&self.connections).threads -= 1;
        self.ended.notify_all();
    }

    /// End every connection: in order when it is idle, by RST when a request is under way. The listener stays.
    pub fn drop_connections(&self) {
        let open: Vec<_> = lock(&self.connections).open.values().cloned().collect();
        for shared in open {
            shared.stop(&*self.platform);
        }
    }

    /// Stop listening and end every connection; returns when all descriptors are closed.
    ///
    /// Returns false if something still had to be closed after ten seconds.
    pub fn close(&self) -> bool {
        self.stopping.store(true, Ordering::Release);
        let acceptor = lock(&self.acceptor).take();
        if let Some((acceptor, listener)) = acceptor {
            self.platform.stop_listening(&listener);
            let _ = acceptor.join();
        }
        let deadline = Instant::now() + END_TIMEOUT;
        loop {
            self.drop_connections();
            let connections = lock(&self.connections);
            if connections.threads == 0 {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            // Again after a while: a connection may have begun a request between the look and the stop.
            drop(
                self.ended
                    .wait_timeout(connections, Duration::from_millis(5))
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
    }

    /// Return how many connections were opened since the last reset, and how many are open.
    #[must_use]
    pub fn connection_counts(&self) -> (u64, u64) {
        let connections = lock(&self.connections);
        (
            connections.last - connections.before_reset,
            connections.open.len() as u64,
        )
    }

    // What connections call

    pub(crate) fn platform(&self) -> &dyn Platform {
        &*self.platform
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Note a request and say what becomes of it: it is in the log when this returns.
    pub(crate) fn arrive(
        &self,
        arrival: Arrival<'_>,
        waker: &OnceLock<Arc<Waker>>,
    ) -> io::Result<Verdict> {
        let mut record = arrival.record;
        let mut state = lock(&self.state);
        state.sequence += 1;
        record.sequence = state.sequence;
        let current = record.generation == state.generation;
        let turn = arrival
            .key
            .filter(|_| current)
            .and_then(|key| state.table.turn(key, arrival.form));
        if let Some(turn) = turn {
            (record.entry, record.answer) = (turn.entry, turn.answer);
            if turn.program.at_once {
                // Noted first: a client that has the answer must find it noted.
                record.answered_ns = self.platform.now_ns().max(record.received_ns + 1);
            }
            let place = state.log.push(Kind::Plain, &record);
            drop(state);
            self.changed();
            let noted = Noted {
                sequence: record.sequence,
                place,
                answered: turn.program.at_once,
            };
            return Ok(Verdict::Plain(turn.program, noted));
        }
        let waker = match waker.get() {
            Some(waker) => waker,
            None => {
                let made = Arc::new(Waker::new()?);
                waker.get_or_init(|| made)
            }
        };
        record.flags |= u8::from(arrival.head_only) << 1;
        let parking = Arc::new(Parking::default());
        let place = state.log.push(Kind::HandOff, &record);
        let parked = Parked {
            parking: Arc::clone(&parking),
            waker: Arc::clone(waker),
        };
        state.parked.insert(record.sequence, parked);
        drop(state);
        self.signal();
        Ok(Verdict::Parked(
            parking,
            Noted {
                sequence: record.sequence,
                place,
                answered: false,
            },
        ))
    }

    pub(crate) fn unpark(&self, sequence: u64) {
        lock(&self.state).parked.remove(&sequence);
    }

    /// Note that an answer is out (at no time: that it is not, after all), or that its client is gone.
    pub(crate) fn note(&self, noted: &mut Noted, kind: Kind, at_ns: i64) {
        noted.answered = kind == Kind::Answered && at_ns != 0;
        let mut state = lock(&self.state);
        if !state.log.stamp(noted.place, kind, at_ns) {
            let sequence = noted.sequence;
            let record = match kind {
                Kind::Answered => Record {
                    sequence,
                    answered_ns: at_ns,
                    ..Record::default()
                },
                _ => Record {
                    sequence,
                    aborted_ns: at_ns,
                    ..Record::default()
                },
            };
            state.log.push(kind, &record);
        }
        drop(state);
        self.changed();
    }

    /// Tell Python of something that it acts upon.
    pub(crate) fn tell(&self, kind: Kind, record: &Record<'_>) {
        lock(&self.state).log.push(kind, record);
        // Bytes that were no request are read when somebody asks; only a flood of them must not pile up.
        if kind != Kind::Malformed
            || self.malformed.fetch_add(1, Ordering::Relaxed) % QUIET_MALFORMED
                == QUIET_MALFORMED - 1
        {
            self.signal();
        } else {
            self.changed();
        }
    }

    fn changed(&self) {
        if self.settings.watch.load(Ordering::Acquire) {
            self.signal();
        }
    }

    fn signal(&self) {
        if !self.signalled.swap(true, Ordering::AcqRel) {
            self.runtime.signal(self.number);
        }
    }

    // What Python calls

    /// Take the oldest part of the log.
    pub fn take(&self) -> Option<Segment> {
        self.signalled.store(false, Ordering::Release);
        lock(&self.state).log.take()
    }

    /// Return how many requests lie in the log if all are plain ones.
    #[must_use]
    pub fn waiting_plain(&self) -> Option<u64> {
        lock(&self.state).log.waiting_plain()
    }

    /// Give a part of the answer to a parked request; false if its client is gone.
    pub fn answer(
        &self,
        sequence: u64,
        program: Arc<Program>,
        last: bool,
        noted_by_python: bool,
    ) -> bool {
        let state = lock(&self.state);
        let Some(parked) = state.parked.get(&sequence) else {
            return false;
        };
        lock(&parked.parking.parts).push_back(Part {
            program,
            last,
            noted_by_python,
        });
        parked.waker.wake();
        true
    }

    /// Do something with the table.
    pub fn with_table<T>(&self, action: impl FnOnce(&mut Table) -> T) -> T {
        action(&mut lock(&self.state).table)
    }

    /// Forget plain routes and requests; those under way are answered and belong to the time before.
    pub fn reset(&self, generation: u64) {
        let mut state = lock(&self.state);
        state.generation = generation;
        self.generation.store(generation, Ordering::Release);
        let entries = state.table.forget_all();
        let programs = state.table.retire_routes();
        let segments = state.log.clear();
        drop(state);
        let mut connections = lock(&self.connections);
        connections.before_reset = connections.last;
        drop(connections);
        if segments.len() + entries.len() / 64 > FREED_AT_ONCE {
            // Without a thread they are freed here, later than one would like.
            let _ = thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn(move || drop((entries, programs, segments)));
        }
    }
}

struct Ending {
    server: Arc<Server>,
    number: u64,
    shared: Option<Arc<Shared>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        // The stream is closed before the connection counts as ended.
        self.shared = None;
        self.server.disconnected(self.number);
    }
}

impl Shared {
    fn stop(&self, platform: &dyn Platform) {
        let busy = self.busy.load(Ordering::Acquire);
        if busy {
            platform.reset_on_close(&self.stream);
        }
        self.stopped.store(true, Ordering::Release);
        // The reading side alone wakes whoever waits, and sends nothing: the close then sends FIN or RST.
        let blocked = self.writing.load(Ordering::Acquire);
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
        let _ = self.stream.shutdown(if busy && !blocked {
            Shutdown::Read
        } else {
            Shutdown::Both
        });
    }
}
