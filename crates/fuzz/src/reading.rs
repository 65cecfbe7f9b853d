//! A connection without a socket: requests out of pieces, one after the other, as `engine::connection` takes them.

use api_simulator_engine::chunked::ChunkReader;
use api_simulator_engine::http1::{Framing, Head, HeadReader, MAX_FIELDS, MAX_LINE_BYTES, Refusal};

/// A request and where it was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    start: usize,
    head: Head,
    body: Vec<u8>,
    end: usize,
}

#[derive(Debug)]
enum Next {
    Head,
    Body,
    Nothing,
    // Shown in a finding.
    Refused(#[allow(dead_code)] Refusal),
}

/// Everything read so far.
pub(crate) struct Reading {
    pub(crate) messages: Vec<Message>,
    next: Next,
    buffer: Vec<u8>,
    pub(crate) start: usize,
    begun: bool,
    head_reader: HeadReader,
    chunks: ChunkReader,
    pub(crate) open: Option<Message>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            next: Next::Head,
            buffer: Vec::new(),
            start: 0,
            begun: false,
            head_reader: HeadReader::default(),
            chunks: ChunkReader::default(),
            open: None,
        }
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} read, then {:?} at {}",
            self.messages.len(),
            self.next,
            self.start
        )
    }
}

impl Reading {
    /// Take the next *piece*.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
        loop {
            let moved = match self.next {
                Next::Head => self.read_head(),
                Next::Body => self.read_body(),
                Next::Nothing | Next::Refused(_) => Ok(false),
            };
            match moved {
                Ok(true) => {}
                Ok(false) => return,
                Err(refusal) => {
                    assert!(!refusal.is_empty() && refusal.len() < 4096, "{refusal}");
                    self.next = Next::Refused(refusal);
                }
            }
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.next, Next::Refused(_))
    }

    fn read_head(&mut self) -> Result<bool, Refusal> {
        if !self.begun {
            let rest = &self.buffer[self.start..];
            let blank = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            self.start += rest.iter().take_while(blank).count();
            self.begun = self.start < self.buffer.len();
        }
        let Some(head) = self.head_reader.read(&self.buffer[self.start..])? else {
            return Ok(false);
        };
        let start = self.start;
        self.start += head.end;
        self.open = Some(Message {
            start,
            head,
            body: Vec::new(),
            end: self.start,
        });
        self.next = Next::Body;
        Ok(true)
    }

    fn read_body(&mut self) -> Result<bool, Refusal> {
        let Some(message) = &mut self.open else {
            unreachable!("a body is read after a head");
        };
        let rest = &self.buffer[self.start..];
        let (used, done) = match message.head.framing {
            Framing::Chunked => self.chunks.read(rest, &mut message.body)?,
            Framing::Length(length) => {
                let left = usize::try_from(length).unwrap_or(usize::MAX) - message.body.len();
                let used = left.min(rest.len());
                message.body.extend_from_slice(&rest[..used]);
                (used, used == left)
            }
        };
        assert!(used <= rest.len(), "no more is used than is there");
        self.start += used;
        message.end = self.start;
        if !done {
            return Ok(false);
        }
        self.next = if message.head.keep_alive {
            Next::Head
        } else {
            Next::Nothing
        };
        self.messages.extend(self.open.take());
        (self.head_reader, self.chunks) = (HeadReader::default(), ChunkReader::default());
        self.begun = false;
        Ok(true)
    }

    /// Check what must hold of the whole of what was read, which was *data*.
    pub(crate) fn check(&self, data: &[u8]) {
        assert_eq!(self.buffer, data, "nothing is lost and nothing added");
        let mut before = 0;
        // Of a body that is refused nobody asks how much of it was good.
        let open = self.open.as_ref().filter(|_| !self.is_refused());
        for message in self.messages.iter().chain(open) {
            let between = &data[before..message.start];
            assert!(
                between.iter().all(|byte| b"\r\n".contains(byte)),
                "only blank lines are read over"
            );
            check_message(message, data);
            before = message.end;
        }
        assert!(before <= self.start && self.start <= data.len());
    }
}

fn check_message(message: &Message, data: &[u8]) {
    let Message {
        start, head, body, ..
    } = message;
    let bytes = &data[*start..*start + head.end];
    assert!(bytes.ends_with(b"\r\n\r\n"), "a head ends in a blank line");
    let (method, target) = (&bytes[head.method.clone()], &bytes[head.target.clone()]);
    assert!(!method.is_empty() && !method.iter().any(|byte| byte.is_ascii_whitespace()));
    assert!(!target.is_empty() && !target.iter().any(u8::is_ascii_control));
    let line = [method, b" ", target, b" HTTP/1.", &[b'0' + head.version[1]]].concat();
    assert!(bytes.starts_with(&line), "the request line is its parts");
    let lines = bytes[..bytes.len() - 4].split(|byte| *byte == b'\n');
    let mut fields = 0;
    for line in lines {
        assert!(line.len() <= MAX_LINE_BYTES + 1, "a line keeps its limit");
        fields += 1;
    }
    assert!(fields - 1 <= MAX_FIELDS, "a head keeps its limit");
    let framed = message.end - start - head.end;
    match head.framing {
        Framing::Length(length) => assert!(body.len() == framed && framed as u64 <= length),
        // Every byte of it is there, in this order, between the sizes.
        Framing::Chunked => {
            let mut rest = data[start + head.end..message.end].iter();
            assert!(body.iter().all(|byte| rest.any(|other| other == byte)));
        }
    }
}
