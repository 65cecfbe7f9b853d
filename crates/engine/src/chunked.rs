//! Reading chunked bodies: RFC 9112 7.1, as strict as the reference engine's parser.
//!
//! Incremental and pure, as [`crate::http1`] is. Every line is judged as far as it has come: a client that waits for an
//! answer to a broken chunk sends no more.

use crate::http1::{MAX_FIELDS, Refusal, check_begun_field, check_length, field, is_token, shown};

/// Reads a chunked body.
#[derive(Default)]
pub struct ChunkReader {
    state: ChunkState,
    trailers: usize,
}

#[derive(Clone, Copy, Default)]
enum ChunkState {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

impl ChunkReader {
    /// Move what is complete of *data* into *body*; returns how many bytes are used up, and whether it is the end.
    ///
    /// # Errors
    ///
    /// If it is no chunked body.
    pub fn read(&mut self, data: &[u8], body: &mut Vec<u8>) -> Result<(usize, bool), Refusal> {
        let mut used = 0;
        loop {
            let rest = &data[used..];
            match self.state {
                ChunkState::Data(0) => self.state = ChunkState::DataEnd,
                ChunkState::Data(left) => {
                    let count = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    body.extend_from_slice(&rest[..count]);
                    used += count;
                    self.state = ChunkState::Data(left - count as u64);
                    if count == 0 {
                        return Ok((used, false));
                    }
                }
                ChunkState::DataEnd => match rest {
                    [] | [b'\r'] => return Ok((used, false)),
                    [b'\r', b'\n', ..] => {
                        used += 2;
                        self.state = ChunkState::Size;
                    }
                    _ => {
                        return Err(format!(
                            "a chunk does not end where its size says: {}",
                            shown(rest)
                        ));
                    }
                },
                ChunkState::Size | ChunkState::Trailers => {
                    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                        self.check_begun(rest)?;
                        return Ok((used, false));
                    };
                    let line = rest[..end].strip_suffix(b"\r").ok_or_else(|| {
                        format!(
                            "a line of a chunked body must end in CR LF: {}",
                            shown(&rest[..end])
                        )
                    })?;
                    used += end + 1;
                    if self.read_line(line)? {
                        return Ok((used, true));
                    }
                }
            }
        }
    }

    /// Judge a line that has begun; its end may have come by half.
    fn check_begun(&self, begun: &[u8]) -> Result<(), Refusal> {
        let (line, is_whole) = match begun.strip_suffix(b"\r") {
            Some(line) => (line, true),
            None => (begun, false),
        };
        check_length(line)?;
        match self.state {
            ChunkState::Size if is_whole => chunk_size(line).map(drop),
            ChunkState::Size if line.is_empty() => Ok(()),
            ChunkState::Size => begun_chunk_size(line).map(drop),
            _ if is_whole && line.is_empty() => Ok(()),
            _ if is_whole => field(line).map(drop),
            _ => check_begun_field(line),
        }
    }

    /// Take a size or a trailer; returns whether the line is the end of the body.
    fn read_line(&mut self, line: &[u8]) -> Result<bool, Refusal> {
        check_length(line)?;
        if matches!(self.state, ChunkState::Size) {
            self.state = match chunk_size(line)? {
                0 => ChunkState::Trailers,
                size => ChunkState::Data(size),
            };
        } else if line.is_empty() {
            return Ok(true);
        } else {
            self.trailers += 1;
            if self.trailers > MAX_FIELDS {
                return Err(format!("more than {MAX_FIELDS} trailers"));
            }
            field(line)?;
        }
        Ok(false)
    }
}

/// Read the line of a chunk's size.
fn chunk_size(line: &[u8]) -> Result<u64, Refusal> {
    let (size, place) = begun_chunk_size(line)?;
    if matches!(place, Place::Extension | Place::Quoted | Place::QuotedPair) {
        return Err(no_extension(line));
    }
    Ok(size)
}

/// Where in the line of a chunk's size one is.
#[derive(Clone, Copy)]
enum Place {
    Size,
    // Behind a semicolon.
    Extension,
    Name,
    Value,
    Quoted,
    QuotedPair,
    QuotedEnd,
}

/// Read such a line as far as it has come, which is at least one byte.
fn begun_chunk_size(line: &[u8]) -> Result<(u64, Place), Refusal> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let (digits, extensions) = line.split_at(digits.count());
    let size = std::str::from_utf8(digits)
        .ok()
        .and_then(|text| u64::from_str_radix(text, 16).ok())
        .filter(|_| matches!(extensions.first(), None | Some(b';')))
        .ok_or_else(|| {
            format!(
                "the size of a chunk is a hexadecimal number: {}",
                shown(line)
            )
        })?;
    let place = extensions
        .iter()
        .try_fold(Place::Size, |place, byte| place.after(*byte))
        .ok_or_else(|| no_extension(line))?;
    Ok((size, place))
}

impl Place {
    /// Return where one is behind *byte*; `None` if it may not be there.
    ///
    /// As llhttp reads extensions: names and values may be empty, and the whitespace that a recipient may read over
    /// (RFC 9112 7.1.1) is refused, since no client may send it.
    fn after(self, byte: u8) -> Option<Self> {
        let text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        match (self, byte) {
            (Self::Size | Self::Extension | Self::Name | Self::Value | Self::QuotedEnd, b';') => {
                Some(Self::Extension)
            }
            (Self::Extension | Self::Name, b'=') => Some(Self::Value),
            (Self::Extension | Self::Name, _) => is_token(byte).then_some(Self::Name),
            (Self::Value, b'"') => Some(Self::Quoted),
            (Self::Value, _) => is_token(byte).then_some(Self::Value),
            (Self::Quoted, b'"') => Some(Self::QuotedEnd),
            (Self::Quoted, b'\\') => Some(Self::QuotedPair),
            (Self::Quoted | Self::QuotedPair, _) => text.then_some(Self::Quoted),
            (Self::Size | Self::QuotedEnd, _) => None,
        }
    }
}

fn no_extension(line: &[u8]) -> Refusal {
    format!(
        "the extensions of a chunk are ;name or ;name=value: {}",
        shown(line)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_the_same_however_they_are_cut() {
        let data = b"3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\nnext";
        for cut in 0..data.len() {
            let (mut reader, mut body) = (ChunkReader::default(), Vec::new());
            let (mut used, mut done) = reader.read(&data[..cut], &mut body).unwrap();
            if !done {
                let (more, end) = reader.read(&data[used..], &mut body).unwrap();
                (used, done) = (used + more, end);
            }

            assert_eq!(
                (used, done, &body[..]),
                (data.len() - 4, true, &b"abc0123456789"[..]),
                "{cut}"
            );
        }
    }

    #[test]
    fn broken_lines_are_refused_as_soon_as_they_show() {
        for data in [
            &b"x"[..],
            b"\r",
            b"3 ",
            b"3\ra",
            b"3; ",
            b"3;\r",
            b"3;a/",
            b"3;a=b c",
            b"3;a=\"b\x7f",
            b"3;a=\"b\r",
            b"3;a=\"b\\\r",
            b"3;a=\"b\"c",
            b"10000000000000000",
            b"0\r\n:",
            b"0\r\na b",
            b"0\r\na\r",
            b"0\r\na: \0",
        ] {
            let read = ChunkReader::default().read(data, &mut Vec::new());
            assert!(read.is_err(), "{}", shown(data));
        }
    }

    #[test]
    fn what_may_still_become_good_is_waited_for() {
        for data in [
            &b""[..],
            b"3",
            b"3;",
            b"3;a=",
            b"3;a=\"b c\\",
            b"3;a=\"\\\"\x80\"\r",
            b"3;;a;=b",
            b"0\r\n\r",
            b"0\r\na:\t",
        ] {
            let read = ChunkReader::default().read(data, &mut Vec::new());
            assert!(matches!(read, Ok((_, false))), "{}", shown(data));
        }
    }
}
