//! One connection on one thread: read a request, have it decided, carry the answer out.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::chunked::ChunkReader;
use crate::http1::{Framing, Head, HeadReader, Refusal};
use crate::log::{Kind, Record};
use crate::platform::{Waker, Watch, handle};
use crate::program::{Program, SENT_AT_ONCE_BYTES, Step};
use crate::runtime::lock;
use crate::server::{Arrival, Noted, Parking, Server, Verdict};
use crate::table::Form;

const READ_BYTES: usize = 16 * 1024;
/// So much is read ahead of what is being answered; more stays with the kernel.
const AHEAD_BYTES: usize = 256 * 1024;
const KEPT_MALFORMED_BYTES: usize = 64 * 1024;
/// How long a connection that is closed inside an upload goes on reading, so that its client gets the answer.
const LINGER: Duration = Duration::from_secs(1);
/// A write that takes longer has found the kernel's buffer full: the answer is not out.
const WRITE_TICK: Duration = Duration::from_millis(20);
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a connection shares with whoever stops it.
pub(crate) struct Shared {
    pub(crate) stream: TcpStream,
    pub(crate) busy: AtomicBool,
    pub(crate) writing: AtomicBool,
    pub(crate) stopped: AtomicBool,
    // Made for the first request that is handed off.
    pub(crate) waker: OnceLock<Arc<Waker>>,
}

impl Shared {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let flag = || AtomicBool::new(false);
        Self {
            stream,
            busy: flag(),
            writing: flag(),
            stopped: flag(),
            waker: OnceLock::new(),
        }
    }
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// As the answer says.
    Done,
    /// The client, or the server, went away.
    Gone,
}

/// What is left to do after an answer was played.
enum Played {
    Whole,
    ReadOn,
}

struct Connection<'a> {
    server: &'a Server,
    shared: &'a Shared,
    number: u64,
    index: u32,
    accepted_ns: i64,
    // Received and not used up: from `start` to `end`. What is behind has been zeroed once and is not for each read.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    head: Vec<u8>,
    body: Vec<u8>,
}

/// Serve a connection until it ends.
pub(crate) fn serve(server: &Server, shared: &Shared, number: u64, accepted_ns: i64) {
    // Errors here show at the first read.
    let _ = shared.stream.set_nodelay(true);
    let _ = shared.stream.set_write_timeout(Some(WRITE_TICK));
    let (buffer, head, body) = (Vec::new(), Vec::new(), Vec::new());
    let mut connection = Connection {
        server,
        shared,
        number,
        index: 0,
        accepted_ns,
        buffer,
        start: 0,
        end: 0,
        head,
        body,
    };
    let delay = server.settings.accept_delay_ms.load(Ordering::Acquire);
    if delay > 0
        && connection
            .sleep(Duration::from_millis(u64::from(delay)))
            .is_err()
    {
        return;
    }
    while connection.next_request().is_ok() {}
    connection.read_what_is_there();
}

impl Connection<'_> {
    fn next_request(&mut self) -> Result<(), Over> {
        let head = self.read_head()?;
        self.shared.busy.store(true, Ordering::Release);
        let at = (self.server.platform().now_ns(), self.server.generation());
        self.head.clear();
        self.head
            .extend_from_slice(&self.buffer[self.start..self.start + head.end]);
        self.start += head.end;
        let result = self.answer(&head, at);
        if result.is_ok() {
            self.shared.busy.store(false, Ordering::Release);
            if self.shared.stopped.load(Ordering::Acquire) {
                return Err(Over::Gone);
            }
        }
        result
    }

    fn answer(&mut self, head: &Head, at: (i64, u64)) -> Result<(), Over> {
        self.body.clear();
        self.body.shrink_to(READ_BYTES);
        if self.server.settings.early.load(Ordering::Acquire) && self.body_is_to_come(head) {
            match self.decide(head, at, true)? {
                Played::Whole => return Ok(()),
                Played::ReadOn => {}
            }
        }
        self.read_body(head)?;
        self.decide(head, at, false).map(|_| ())
    }

    // Requests in

    fn read_head(&mut self) -> Result<Head, Over> {
        let mut reader = HeadReader::default();
        let mut begun = false;
        loop {
            if !begun {
                let blank = self
                    .received()
                    .iter()
                    .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                    .count();
                self.start += blank;
                begun = self.start < self.end;
            }
            match reader.read(self.received()) {
                Ok(Some(head)) => return Ok(head),
                Ok(None) => {}
                Err(refusal) => return Err(self.refuse_head(&refusal)),
            }
            if self.fill() == 0 {
                if begun && !self.received().iter().all(u8::is_ascii_whitespace) {
                    let raw = self.received().to_vec();
                    self.report_malformed(&raw, "the connection ended inside a request");
                }
                return Err(Over::Gone);
            }
        }
    }

    /// Read what has come, waiting for it; 0 at the end of the connection.
    fn fill(&mut self) -> usize {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.buffer.truncate(AHEAD_BYTES);
            self.buffer.shrink_to(AHEAD_BYTES);
        } else if self.start > AHEAD_BYTES {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        // Short requests are the rule; a long one gets more room each time.
        let room = self.end + READ_BYTES.max(self.end.min(AHEAD_BYTES));
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        let count = read(&self.shared.stream, &mut self.buffer[self.end..room]);
        self.end += count;
        count
    }

    fn received(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn body_is_to_come(&self, head: &Head) -> bool {
        let rest = self.received();
        match head.framing {
            Framing::Length(length) => (rest.len() as u64) < length,
            Framing::Chunked => !matches!(
                ChunkReader::default().read(rest, &mut Vec::new()),
                Ok((_, true)) | Err(_)
            ),
        }
    }

    fn read_body(&mut self, head: &Head) -> Result<(), Over> {
        if head.framing == Framing::Length(0) {
            return Ok(());
        }
        if head.expects_continue && self.body_is_to_come(head) {
            self.write(CONTINUE, None)?;
        }
        match self.receive_body(head) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let raw = self.request_line(head);
                self.report_malformed(&raw, "the client went away inside the body");
                Err(Over::Gone)
            }
            Err(refusal) => {
                let raw = self.request_line(head);
                Err(self.refuse(&raw, &refusal))
            }
        }
    }

    /// Read the body to its end; false if the connection ends first.
    fn receive_body(&mut self, head: &Head) -> Result<bool, Refusal> {
        let mut chunks = ChunkReader::default();
        loop {
            let limit = self
                .server
                .settings
                .upload_bytes_per_s
                .load(Ordering::Acquire);
            let there = self.end - self.start;
            let slice = if limit == 0 {
                there
            } else {
                there.min(usize::try_from(limit / 20).unwrap_or(there).max(1))
            };
            let (mut used, mut done) = self.take_body(head, &mut chunks, slice)?;
            if used == 0 && slice < there {
                // A slice without the end of a chunk's size line says nothing.
                (used, done) = self.take_body(head, &mut chunks, there)?;
            }
            if limit > 0
                && used > 0
                && self
                    .sleep(Duration::from_nanos(used as u64 * 1_000_000_000 / limit))
                    .is_err()
            {
                return Ok(false);
            }
            if done {
                return Ok(true);
            }
            if (used == 0 || self.start == self.end) && self.fill() == 0 {
                return Ok(false);
            }
        }
    }

    /// Move what belongs to the body out of the next *slice* bytes; returns how many that were, and whether it is whole.
    fn take_body(
        &mut self,
        head: &Head,
        chunks: &mut ChunkReader,
        slice: usize,
    ) -> Result<(usize, bool), Refusal> {
        let rest = &self.buffer[self.start..self.start + slice];
        let (used, done) = match head.framing {
            Framing::Chunked => chunks.read(rest, &mut self.body)?,
            Framing::Length(length) => {
                let left = length - self.body.len() as u64;
                let used = usize::try_from(left).unwrap_or(usize::MAX).min(slice);
                self.body.extend_from_slice(&rest[..used]);
                (used, used as u64 == left)
            }
        };
        self.start += used;
        Ok((used, done))
    }

    fn request_line(&self, head: &Head) -> Vec<u8> {
        self.head[head.method.start..head.target.end].to_vec()
    }

    // Decided

    fn decide(
        &mut self,
        head: &Head,
        (head_ns, generation): (i64, u64),
        head_only: bool,
    ) -> Result<Played, Over> {
        let method = &self.head[head.method.clone()];
        let target = &self.head[head.target.clone()];
        let path_bytes = target
            .iter()
            .position(|byte| *byte == b'?')
            .unwrap_or(target.len());
        let is_origin_form = target.starts_with(b"/") && target.is_ascii();
        let form = Form::from(method == b"HEAD")
            | Form::from(head.keep_alive) << 1
            | Form::from(head.version == [1, 0]) << 2;
        let record = Record {
            flags: u8::from(head.keep_alive),
            version: head.version,
            generation,
            connection: self.number,
            index: self.index,
            method_bytes: u32::try_from(method.len()).unwrap_or(u32::MAX),
            target_bytes: u32::try_from(target.len()).unwrap_or(u32::MAX),
            head: &self.head,
            body: if head_only { &[] } else { &self.body },
            accepted_ns: self.accepted_ns,
            head_ns,
            received_ns: self.server.platform().now_ns(),
            ..Record::default()
        };
        let key = &self.head[..head.target.start + path_bytes];
        let key = (is_origin_form && !head_only && head.version[0] == 1).then_some(key);
        let arrival = Arrival {
            record,
            key,
            form,
            head_only,
        };
        // No descriptor left for the hand-off: the client sees a connection that ends.
        let verdict = self
            .server
            .arrive(arrival, &self.shared.waker)
            .map_err(|_| Over::Gone)?;
        self.index += 1;
        match verdict {
            Verdict::Plain(program, mut noted) => {
                let played = self.play(&program, Some(&mut noted), true);
                self.note_end(&mut noted, played.as_ref().err());
                played
            }
            Verdict::Parked(parking, noted) => self.await_python(head, &parking, noted, head_only),
        }
    }

    /// Carry out what Python says, part by part.
    fn await_python(
        &mut self,
        head: &Head,
        parking: &Parking,
        mut noted: Noted,
        head_only: bool,
    ) -> Result<Played, Over> {
        let played = self.play_parts(parking, &mut noted);
        self.server.unpark(noted.sequence);
        if !head_only {
            return played;
        }
        match played {
            Ok(Played::ReadOn) => {
                self.index -= 1;
                Ok(Played::ReadOn)
            }
            Ok(Played::Whole) => {
                let read = self.receive_body(head);
                self.late_body(head, noted.sequence, read)
            }
            Err(over) => {
                self.server.tell(
                    Kind::Body,
                    &Record {
                        sequence: noted.sequence,
                        ..Record::default()
                    },
                );
                if over == Over::Done {
                    self.linger();
                }
                Err(over)
            }
        }
    }

    fn late_body(
        &mut self,
        head: &Head,
        sequence: u64,
        read: Result<bool, Refusal>,
    ) -> Result<Played, Over> {
        let body = if matches!(read, Ok(true)) {
            &self.body[..]
        } else {
            &[]
        };
        self.server.tell(
            Kind::Body,
            &Record {
                sequence,
                body,
                ..Record::default()
            },
        );
        match read {
            Ok(true) => Ok(Played::Whole),
            Ok(false) => Err(Over::Gone),
            Err(refusal) => {
                let raw = self.head[..head.end].to_vec();
                self.report_malformed(&raw, &refusal);
                Err(Over::Done)
            }
        }
    }

    fn play_parts(&mut self, parking: &Parking, noted: &mut Noted) -> Result<Played, Over> {
        // A client that sends no more is answered if that can be done at once, as it is by a plain route; while
        // something takes its time, it counts as gone.
        let mut begun = false;
        loop {
            let part = lock(&parking.parts).pop_front();
            let Some(part) = part else {
                if self.wait_for_part(begun).is_err() {
                    self.aborted(noted);
                    return Err(Over::Gone);
                }
                continue;
            };
            begun = true;
            let played = self.play(
                &part.program,
                Some(&mut *noted).filter(|_| !part.noted_by_python),
                part.last,
            );
            match (&played, part.last) {
                (Ok(Played::ReadOn), _) => return played,
                (Ok(Played::Whole), false) if part.program.steps.is_empty() => {}
                (Ok(Played::Whole), false) => {
                    self.server.tell(
                        Kind::PartDone,
                        &Record {
                            sequence: noted.sequence,
                            ..Record::default()
                        },
                    );
                }
                _ if part.noted_by_python => {
                    if matches!(played, Err(Over::Gone)) {
                        self.aborted(noted);
                    }
                    return played;
                }
                _ => {
                    self.note_end(noted, played.as_ref().err());
                    return played;
                }
            }
        }
    }

    /// Tell Python, which may have a task that works on the answer.
    fn aborted(&self, noted: &Noted) {
        let record = Record {
            sequence: noted.sequence,
            aborted_ns: self.server.platform().now_ns(),
            ..Record::default()
        };
        self.server.tell(Kind::Aborted, &record);
    }

    fn note_end(&self, noted: &mut Noted, over: Option<&Over>) {
        if !noted.answered {
            let kind = if over == Some(&Over::Gone) {
                Kind::Aborted
            } else {
                Kind::Answered
            };
            self.server
                .note(noted, kind, self.server.platform().now_ns());
        }
    }

    // Steps out

    fn play(
        &mut self,
        program: &Program,
        mut noted: Option<&mut Noted>,
        last: bool,
    ) -> Result<Played, Over> {
        for (place, step) in program.steps.iter().enumerate() {
            match step {
                Step::Send(bytes) => {
                    let ends = last
                        && program.steps[place + 1..]
                            .iter()
                            .all(|left| matches!(left, Step::Close | Step::HalfClose));
                    self.send(bytes, noted.as_deref_mut().filter(|_| ends))?;
                }
                Step::Wait(milliseconds) => {
                    self.wait(Duration::from_millis(u64::from(*milliseconds)))?
                }
                Step::Close => return Err(Over::Done),
                Step::Reset => {
                    self.server.platform().reset_on_close(&self.shared.stream);
                    return Err(Over::Done);
                }
                Step::HalfClose => {
                    let _ = self.shared.stream.shutdown(Shutdown::Write);
                    self.drop_input(None);
                    return Err(Over::Gone);
                }
                Step::Hang => {
                    while self.wait_once(true, None, None).is_ok() {}
                    return Err(Over::Gone);
                }
                Step::ReadOn => return Ok(Played::ReadOn),
            }
        }
        Ok(Played::Whole)
    }

    /// Send what may be the last bytes of an answer: *noted* then says when it is out.
    fn send(&mut self, bytes: &[u8], noted: Option<&mut Noted>) -> Result<(), Over> {
        let Some(noted) = noted else {
            return self.write(bytes, None);
        };
        let now_ns = || self.server.platform().now_ns();
        if bytes.len() <= SENT_AT_ONCE_BYTES && !noted.answered {
            // Noted first: a client that has the answer must find it noted.
            self.server.note(noted, Kind::Answered, now_ns());
        }
        self.write(bytes, Some(noted))?;
        if !noted.answered {
            self.server
                .note(noted, Kind::Answered, self.server.platform().now_ns());
        }
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8], mut noted: Option<&mut Noted>) -> Result<(), Over> {
        self.shared.writing.store(true, Ordering::Release);
        let mut result = Ok(());
        while !bytes.is_empty() && result.is_ok() {
            match (&self.shared.stream).write(bytes) {
                Ok(count) if count > 0 => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if let Some(noted) = noted.as_deref_mut().filter(|noted| noted.answered) {
                        self.server.note(noted, Kind::Answered, 0);
                    }
                }
                _ => result = Err(Over::Gone),
            }
            if self.shared.stopped.load(Ordering::Acquire) && !bytes.is_empty() {
                result = Err(Over::Gone);
            }
        }
        self.shared.writing.store(false, Ordering::Release);
        result
    }

    /// Wait for *duration*; the end of the connection ends it too.
    fn wait(&mut self, duration: Duration) -> Result<(), Over> {
        let deadline = Instant::now() + duration;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.wait_once(true, None, Some(left))?;
        }
    }

    /// Wait until Python has said something, or somebody may have; watching the client only if *watched*.
    fn wait_for_part(&mut self, watched: bool) -> Result<(), Over> {
        let waker = self.shared.waker.get().cloned();
        self.wait_once(watched, waker.as_deref(), None)
    }

    fn wait_once(
        &mut self,
        watched: bool,
        waker: Option<&Waker>,
        left: Option<Duration>,
    ) -> Result<(), Over> {
        if self.shared.stopped.load(Ordering::Acquire) {
            return Err(Over::Gone);
        }
        // What follows on this connection is read meanwhile, up to a point: so its end is seen.
        let readable = self.end - self.start < AHEAD_BYTES;
        let watch = watched.then(|| Watch {
            handle: handle(&self.shared.stream),
            readable,
        });
        let [stream, woken] = self
            .server
            .platform()
            .wait(watch, waker.map(Waker::watch), left);
        if let Some(waker) = waker.filter(|_| woken) {
            waker.clear();
        }
        if stream && (!readable || self.fill() == 0) {
            return Err(Over::Gone);
        }
        Ok(())
    }

    /// Let time pass and read nothing.
    fn sleep(&mut self, duration: Duration) -> Result<(), Over> {
        let deadline = Instant::now() + duration;
        let mut ended = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.shared.stopped.load(Ordering::Acquire) {
                return Err(Over::Gone);
            }
            if left.is_zero() {
                return Ok(());
            }
            if ended {
                // Its end has been seen and would be seen again at once; only the server's own end is still news.
                thread::sleep(left.min(Duration::from_millis(5)));
            } else {
                let watch = Watch {
                    handle: handle(&self.shared.stream),
                    readable: false,
                };
                [ended, _] = self.server.platform().wait(Some(watch), None, Some(left));
            }
        }
    }

    // The end

    /// Close the sending side, and drop what is still received until the client has closed too.
    fn linger(&mut self) {
        // RFC 9112 9.6: closing with bytes unread resets the connection, and the reset can overtake the answer.
        let _ = self.shared.stream.shutdown(Shutdown::Write);
        self.drop_input(Some(LINGER));
    }

    fn drop_input(&mut self, at_most: Option<Duration>) {
        let deadline = at_most.map(|at_most| Instant::now() + at_most);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if self.shared.stopped.load(Ordering::Acquire) || left == Some(Duration::ZERO) {
                return;
            }
            let watch = Watch {
                handle: handle(&self.shared.stream),
                readable: true,
            };
            let [ready, _] = self.server.platform().wait(Some(watch), None, left);
            self.start = self.end;
            if ready && self.fill() == 0 {
                return;
            }
        }
    }

    /// Read over what has come already: unread, it would turn the close into a reset.
    fn read_what_is_there(&mut self) {
        for _ in 0..64 {
            let watch = Watch {
                handle: handle(&self.shared.stream),
                readable: true,
            };
            let [ready, _] = self
                .server
                .platform()
                .wait(Some(watch), None, Some(Duration::ZERO));
            self.start = self.end;
            if !ready || self.fill() == 0 {
                return;
            }
        }
    }

    // What is no HTTP

    fn refuse_head(&mut self, refusal: &str) -> Over {
        let begun = self.received();
        let end = begun
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .map_or(begun.len(), |at| at + 4);
        let raw = begun[..end].to_vec();
        self.refuse(&raw, refusal)
    }

    fn refuse(&mut self, raw: &[u8], refusal: &str) -> Over {
        self.report_malformed(raw, refusal);
        let content = format!("400 Bad Request: {refusal}\n");
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{content}",
            content.len()
        );
        match self.write(answer.as_bytes(), None) {
            Ok(()) => Over::Done,
            Err(over) => over,
        }
    }

    fn report_malformed(&self, raw: &[u8], error: &str) {
        let record = Record {
            connection: self.number,
            head: &raw[..raw.len().min(KEPT_MALFORMED_BYTES)],
            body: error.as_bytes(),
            received_ns: self.server.platform().now_ns(),
            ..Record::default()
        };
        self.server.tell(Kind::Malformed, &record);
    }
}

fn read(mut stream: &TcpStream, buffer: &mut [u8]) -> usize {
    loop {
        match stream.read(buffer) {
            Ok(count) => return count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return 0,
        }
    }
}
