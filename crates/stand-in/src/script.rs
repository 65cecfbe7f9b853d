//! A script file, read as it is played: a large payload is never in memory as a whole.
//!
//! Only what the stand-in plays has a [`Word`]. Anything else, and any line that is not exactly as `script.py` writes
//! it, is [`Word::Other`]: what to make of it is for the Python player to say.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What is read, and written, in one piece; as the Python player's, because a short line is one write.
pub(crate) const CHUNK: usize = 65536;

const HEADER: &[u8] = b"api-simulator-script 1\n";

/// A line of a script. `size` is the length of the payload behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Case {
        script: u64,
    },
    Args {
        how: Comparison,
        size: u64,
    },
    Env {
        size: u64,
    },
    NoEnv {
        size: u64,
    },
    Nth {
        counter: u64,
        n: u64,
    },
    Script {
        number: u64,
        size: u64,
    },
    OnSignal {
        number: i32,
        answer: Answer,
    },
    OnBrokenPipe {
        code: u8,
    },
    LeaveStdin,
    FailFirst {
        counter: u64,
        times: u64,
        code: u8,
        size: u64,
    },
    Write {
        stream: i32,
        size: u64,
    },
    Repeat {
        stream: i32,
        times: u64,
        size: u64,
    },
    Wait {
        ms: u64,
    },
    ReadStdin,
    Refuse {
        size: u64,
    },
    Hang,
    Exit {
        code: u8,
    },
    Die {
        number: i32,
    },
    Other,
}

/// How the arguments of a case are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Prefix,
    Exact,
    Among,
}

/// What a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Exit(u8),
    Ignore,
    Continue,
}

/// A script file and the place in it.
pub(crate) struct Script {
    file: File,
    size: u64,
    buffer: Vec<u8>,
    /// The place of the buffer's first byte in the file.
    start: u64,
    at: usize,
    end: u64,
}

impl Script {
    pub(crate) fn open(path: &Path) -> io::Result<Script> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Script {
            file,
            size,
            buffer: Vec::new(),
            start: 0,
            at: 0,
            end: size,
        })
    }

    /// Go to the beginning and past the header; return whether it names the version that is played here.
    pub(crate) fn enter(&mut self) -> io::Result<bool> {
        self.end = self.size;
        self.go_to(0);
        self.fetch(HEADER.len())?;
        let known = self.buffer[self.at..].starts_with(HEADER);
        self.at += if known { HEADER.len() } else { 0 };
        Ok(known)
    }

    /// Read the next line, none at the end of the script.
    pub(crate) fn word(&mut self) -> io::Result<Option<Word>> {
        let mut searched = 0;
        while self.place() < self.end {
            let unread = &self.buffer[self.at..];
            if let Some(found) = unread[searched..].iter().position(|&byte| byte == b'\n') {
                let line = &unread[..searched + found];
                let word = parse(line).unwrap_or(Word::Other);
                self.at += searched + found + 1;
                return Ok(Some(word));
            }
            searched = unread.len();
            // No line that is played here is so long.
            if searched > CHUNK || !self.fetch(searched + 1)? {
                return Ok(Some(Word::Other));
            }
        }
        Ok(None)
    }

    /// Read the next part of a payload of which `left` bytes are to come: all of it if it is short.
    pub(crate) fn piece(&mut self, left: u64) -> io::Result<&[u8]> {
        let wanted = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        if !self.fetch(wanted)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += wanted;
        Ok(&self.buffer[self.at - wanted..self.at])
    }

    /// Read a payload that has to be known as a whole.
    pub(crate) fn payload(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut payload = Vec::new();
        let mut left = size;
        while left > 0 {
            let piece = self.piece(left)?;
            left -= piece.len() as u64;
            payload.extend_from_slice(piece);
        }
        self.end_payload()?;
        Ok(payload)
    }

    /// Go past the newline behind a payload; return whether there is one.
    pub(crate) fn end_payload(&mut self) -> io::Result<bool> {
        let there = self.fetch(1)? && self.buffer[self.at] == b'\n';
        self.at += usize::from(there);
        Ok(there)
    }

    /// Pass over a payload; return whether it is there, with a newline behind it.
    pub(crate) fn skip(&mut self, size: u64) -> io::Result<bool> {
        match self.place().checked_add(size) {
            Some(behind) if behind < self.size => self.go_to(behind),
            _ => return Ok(false),
        }
        self.end_payload()
    }

    /// Take the next `size` bytes for the whole script, none for the rest of the file; return whether they are there.
    pub(crate) fn limit(&mut self, size: Option<u64>) -> bool {
        self.end = match size {
            None => self.size,
            Some(size) => self.place().saturating_add(size),
        };
        self.end <= self.size
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.place() == self.end
    }

    fn place(&self) -> u64 {
        self.start + self.at as u64
    }

    fn go_to(&mut self, place: u64) {
        match place
            .checked_sub(self.start)
            .and_then(|at| usize::try_from(at).ok())
        {
            Some(at) if at <= self.buffer.len() => self.at = at,
            _ => {
                self.buffer.clear();
                self.start = place;
                self.at = 0;
            }
        }
    }

    /// Have so many unread bytes in the buffer; return whether the file has them.
    fn fetch(&mut self, wanted: usize) -> io::Result<bool> {
        if self.buffer.len() - self.at >= wanted {
            return Ok(true);
        }
        self.buffer.drain(..self.at);
        self.start += self.at as u64;
        self.at = 0;
        while self.buffer.len() < wanted {
            let had = self.buffer.len();
            let place = self.start + had as u64;
            // What is in the file from here, if that is little: most scripts are one read.
            let rest = usize::try_from(self.size.saturating_sub(place)).unwrap_or(CHUNK);
            self.buffer.resize(had + rest.min(CHUNK), 0);
            let got = match self.file.read_at(&mut self.buffer[had..], place) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => return Err(error),
                Ok(0) => {
                    self.buffer.truncate(had);
                    return Ok(false);
                }
                Ok(got) => got,
            };
            self.buffer.truncate(had + got);
        }
        Ok(true)
    }
}

fn parse(line: &[u8]) -> Option<Word> {
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    Some(match words.as_slice() {
        [b"case", script] => Word::Case {
            script: number(script)?,
        },
        [b"args", how, size] => Word::Args {
            how: comparison(how)?,
            size: number(size)?,
        },
        [b"env", size] => Word::Env {
            size: number(size)?,
        },
        [b"no-env", size] => Word::NoEnv {
            size: number(size)?,
        },
        [b"nth", counter, n] => Word::Nth {
            counter: number(counter)?,
            n: number(n)?,
        },
        [b"script", name, size] => Word::Script {
            number: number(name)?,
            size: number(size)?,
        },
        [b"on-signal", name, b"exit", code] => Word::OnSignal {
            number: caught_signal(name)?,
            answer: Answer::Exit(exit_code(code)?),
        },
        [b"on-signal", name, b"ignore"] => Word::OnSignal {
            number: caught_signal(name)?,
            answer: Answer::Ignore,
        },
        [b"on-signal", name, b"continue"] => Word::OnSignal {
            number: caught_signal(name)?,
            answer: Answer::Continue,
        },
        [b"on-broken-pipe", b"exit", code] => Word::OnBrokenPipe {
            code: exit_code(code)?,
        },
        [b"leave-stdin"] => Word::LeaveStdin,
        [b"fail-first", counter, times, code, size] => Word::FailFirst {
            counter: number(counter)?,
            times: number(times)?,
            code: exit_code(code)?,
            size: number(size)?,
        },
        [b"write", to, size] => Word::Write {
            stream: stream(to)?,
            size: number(size)?,
        },
        [b"repeat", to, times, size] => Word::Repeat {
            stream: stream(to)?,
            times: number(times)?,
            size: number(size)?,
        },
        [b"wait", ms] => Word::Wait { ms: number(ms)? },
        [b"read-stdin"] => Word::ReadStdin,
        [b"refuse", size] => Word::Refuse {
            size: number(size)?,
        },
        [b"hang"] => Word::Hang,
        [b"exit", code] => Word::Exit {
            code: exit_code(code)?,
        },
        [b"die", name] => Word::Die {
            number: signal(name)?,
        },
        _ => return None,
    })
}

/// Digits as they are written: no sign, no zero in front, below a million million.
fn number(word: &[u8]) -> Option<u64> {
    let is_written_so = (1..=12).contains(&word.len())
        && word.iter().all(u8::is_ascii_digit)
        && (word[0] != b'0' || word.len() == 1);
    if !is_written_so {
        return None;
    }
    Some(
        word.iter()
            .fold(0, |value, digit| value * 10 + u64::from(digit - b'0')),
    )
}

fn exit_code(word: &[u8]) -> Option<u8> {
    number(word)?.try_into().ok()
}

fn stream(word: &[u8]) -> Option<i32> {
    match word {
        b"stdout" => Some(1),
        b"stderr" => Some(2),
        _ => None,
    }
}

fn comparison(word: &[u8]) -> Option<Comparison> {
    match word {
        b"prefix" => Some(Comparison::Prefix),
        b"exact" => Some(Comparison::Exact),
        b"among" => Some(Comparison::Among),
        _ => None,
    }
}

/// The C library keeps 32 and 33 (musl: and 34) for itself; what Python does with them is Python's business.
fn signal(word: &[u8]) -> Option<i32> {
    let number = i32::try_from(number(word)?).ok()?;
    matches!(number, 1..=31 | 35..=64).then_some(number)
}

/// SIGKILL and SIGSTOP cannot be caught, SIGALRM belongs to the player.
fn caught_signal(word: &[u8]) -> Option<i32> {
    signal(word).filter(|number| ![9, 14, 19].contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_script_py_writes_them() {
        let table: [(&[u8], Word); 9] = [
            (b"write stderr 6", Word::Write { stream: 2, size: 6 }),
            (
                b"repeat stdout 3 2",
                Word::Repeat {
                    stream: 1,
                    times: 3,
                    size: 2,
                },
            ),
            (b"wait 86400000", Word::Wait { ms: 86_400_000 }),
            (
                b"on-signal 15 exit 143",
                Word::OnSignal {
                    number: 15,
                    answer: Answer::Exit(143),
                },
            ),
            (
                b"on-signal 2 continue",
                Word::OnSignal {
                    number: 2,
                    answer: Answer::Continue,
                },
            ),
            (
                b"fail-first 7 2 75 4",
                Word::FailFirst {
                    counter: 7,
                    times: 2,
                    code: 75,
                    size: 4,
                },
            ),
            (
                b"args among 4",
                Word::Args {
                    how: Comparison::Among,
                    size: 4,
                },
            ),
            (
                b"script 0 17",
                Word::Script {
                    number: 0,
                    size: 17,
                },
            ),
            (b"die 9", Word::Die { number: 9 }),
        ];
        for (line, word) in table {
            assert_eq!(parse(line), Some(word), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn what_is_not_exactly_so_is_left_to_python() {
        let table: [&[u8]; 16] = [
            b"",
            b"write stdin 6",
            b"write stdout -1",
            b"write stdout +1",
            b"write stdout 01",
            b"write  stdout 1",
            b"write stdout 1 ",
            b"write stdout 99999999999999999999",
            b"exit 256",
            b"wait 1_000",
            b"on-signal 9 exit 1",
            b"on-signal 14 ignore",
            b"on-signal 0 ignore",
            b"die 33",
            b"ask 1",
            b"fill stdout 3",
        ];
        for line in table {
            assert_eq!(parse(line), None, "{}", String::from_utf8_lossy(line));
        }
    }
}
