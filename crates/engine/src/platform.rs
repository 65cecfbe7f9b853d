//! What the standard library has no stable, safe call for: reset on close, waiting for a socket, Python's clock.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
#[cfg(windows)]
use std::os::windows::io::{AsSocket, BorrowedSocket};

/// A socket as the operating system knows it.
#[cfg(unix)]
pub type Handle<'a> = BorrowedFd<'a>;
/// A socket as the operating system knows it.
#[cfg(windows)]
pub type Handle<'a> = BorrowedSocket<'a>;

/// Return the handle of a socket.
#[cfg(unix)]
pub fn handle(socket: &impl AsFd) -> Handle<'_> {
    socket.as_fd()
}

/// Return the handle of a socket.
#[cfg(windows)]
pub fn handle(socket: &impl AsSocket) -> Handle<'_> {
    socket.as_socket()
}

/// What is waited for at a socket: its end always, something to read only if asked for.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// The socket.
    pub handle: Handle<'a>,
    /// Whether something to read ends the wait.
    pub readable: bool,
}

/// The operating system, as far as the standard library leaves it out.
pub trait Platform: Send + Sync {
    /// Return nanoseconds of the clock that Python's `time.monotonic_ns()` reads.
    fn now_ns(&self) -> i64;

    /// Make the next close of the stream send RST instead of FIN, and drop what is unsent.
    fn reset_on_close(&self, stream: &TcpStream);

    /// End a wait for connections at *listener*, and refuse further ones.
    fn stop_listening(&self, listener: &TcpListener);

    /// Block until something happens at one of the sockets, or *timeout* has passed (never: `None`).
    ///
    /// Returns for each whether something happened; may return early with nothing.
    fn wait(
        &self,
        first: Option<Watch<'_>>,
        second: Option<Watch<'_>>,
        timeout: Option<Duration>,
    ) -> [bool; 2];
}

#[cfg(unix)]
type WakeStream = UnixStream;
#[cfg(not(unix))]
type WakeStream = TcpStream;

/// Ends another thread's wait at a socket: one end is written to, the other one watched.
pub struct Waker {
    sender: WakeStream,
    receiver: WakeStream,
}

impl Waker {
    /// Make one.
    ///
    /// # Errors
    ///
    /// When the process has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let (sender, receiver) = pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        Ok(Self { sender, receiver })
    }

    /// End the wait that runs, or the next one.
    pub fn wake(&self) {
        use std::io::Write;
        // A full buffer means that a wake is on its way already.
        let _ = (&self.sender).write(&[1]);
    }

    /// Take back what [`Waker::wake`] did.
    pub fn clear(&self) {
        use std::io::Read;
        let mut bytes = [0; 64];
        while matches!((&self.receiver).read(&mut bytes), Ok(count) if count == bytes.len()) {}
    }

    /// Return what is to be watched.
    #[must_use]
    pub fn watch(&self) -> Watch<'_> {
        Watch {
            handle: handle(&self.receiver),
            readable: true,
        }
    }
}

#[cfg(unix)]
fn pair() -> io::Result<(WakeStream, WakeStream)> {
    UnixStream::pair()
}

// Not tried on Windows yet: there is no socket pair, so one is made of a connection to ourselves.
#[cfg(not(unix))]
fn pair() -> io::Result<(WakeStream, WakeStream)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let sender = TcpStream::connect(listener.local_addr()?)?;
    let (receiver, _) = listener.accept()?;
    sender.set_nodelay(true)?;
    Ok((sender, receiver))
}
