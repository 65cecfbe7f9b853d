//! Reading heads of requests: RFC 9112, as strict as the reference engine's parser.
//!
//! Incremental and pure: it is given the bytes that are there and says what it found or what is wrong. A line is
//! judged as soon as it has ended, and a first line as far as it has come, so that a client which speaks something
//! else gets its answer at once.

use std::ops::Range;

/// A line may be this long.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// A head may have so many fields, and a chunked body so many trailers.
pub const MAX_FIELDS: usize = 1000;

/// What is wrong with bytes that are no request, for the answer and the report.
pub type Refusal = String;

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// What the head of a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Where its method is.
    pub method: Range<usize>,
    /// Where its target is.
    pub target: Range<usize>,
    /// The digits of its version.
    pub version: [u8; 2],
    /// How its body is framed.
    pub framing: Framing,
    /// Whether another request may follow.
    pub keep_alive: bool,
    /// Whether the client waits for an interim answer.
    pub expects_continue: bool,
    /// Where it ends.
    pub end: usize,
}

/// Reads one head.
#[derive(Default)]
pub struct HeadReader {
    line_start: usize,
    searched: usize,
    method: Range<usize>,
    target: Range<usize>,
    version: [u8; 2],
    fields: Fields,
}

#[derive(Default)]
struct Fields {
    count: usize,
    seen: [bool; SINGLETONS.len()],
    length: Option<u64>,
    coding: bool,
    close: bool,
    keep_alive: bool,
    upgrade_token: bool,
    upgrade: bool,
    expects_continue: bool,
}

// RFC 9110 gives these one value; two are refused, because two readers may take different ones.
const SINGLETONS: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "content-type",
    "content-location",
    "content-range",
    "etag",
    "max-forwards",
    "server",
    "user-agent",
];

/// Bytes of `sec-websocket-key1`, the longest name that is looked for.
const LONGEST_NAME: usize = 18;

impl HeadReader {
    /// Look at *data*, which begins with the head; `None` until it is complete. The same data, longer, each time.
    ///
    /// # Errors
    ///
    /// If it is no HTTP.
    pub fn read(&mut self, data: &[u8]) -> Result<Option<Head>, Refusal> {
        while let Some(found) = data
            .get(self.searched..)
            .and_then(|rest| rest.iter().position(|byte| *byte == b'\n'))
        {
            let end = self.searched + found;
            let line = data[self.line_start..end]
                .strip_suffix(b"\r")
                .ok_or_else(|| {
                    format!(
                        "a line must end in CR LF: {}",
                        shown(&data[self.line_start..end])
                    )
                })?;
            check_length(line)?;
            let start = self.line_start;
            self.line_start = end + 1;
            self.searched = end + 1;
            if self.method.is_empty() {
                self.read_request_line(line, start)?;
            } else if line.is_empty() {
                return self.finish(data).map(Some);
            } else {
                self.fields.read(line)?;
            }
        }
        self.searched = data.len();
        let begun = data.get(self.line_start..).unwrap_or_default();
        check_begun_length(begun)?;
        if self.method.is_empty() && !trimmed(begun).is_empty() {
            check_begun_line(begun)?;
        }
        Ok(None)
    }

    fn read_request_line(&mut self, line: &[u8], start: usize) -> Result<(), Refusal> {
        check_begun_line(line)?;
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let (Some(method), Some(target), Some(version)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(format!(
                "a request line is method, target and version: {}",
                shown(line)
            ));
        };
        let minor = match version {
            b"HTTP/1.0" => 0,
            b"HTTP/1.1" => 1,
            _ => {
                return Err(format!(
                    "the version is HTTP/1.0 or HTTP/1.1: {}",
                    shown(line)
                ));
            }
        };
        check_target(method, target)?;
        self.version = [1, minor];
        self.method = start..start + method.len();
        self.target = self.method.end + 1..self.method.end + 1 + target.len();
        Ok(())
    }

    fn finish(&self, data: &[u8]) -> Result<Head, Refusal> {
        let fields = &self.fields;
        if self.version == [1, 1] && !fields.seen[0] {
            return Err("the field Host is missing".into());
        }
        if fields.coding && self.version == [1, 0] {
            return Err("Transfer-Encoding in a request of HTTP/1.0".into());
        }
        if fields.coding && fields.length.is_some() {
            return Err(
                "Content-Length and Transfer-Encoding: the length can be read in two ways".into(),
            );
        }
        // RFC 9112 9.3: 1.1 keeps the connection unless told otherwise, 1.0 closes it unless told otherwise.
        let kept = !fields.close && (fields.keep_alive || self.version > [1, 0]);
        let connects = data[self.method.clone()].eq_ignore_ascii_case(b"CONNECT");
        let upgrades = fields.upgrade_token && fields.upgrade;
        Ok(Head {
            method: self.method.clone(),
            target: self.target.clone(),
            version: self.version,
            framing: if fields.coding {
                Framing::Chunked
            } else {
                Framing::Length(fields.length.unwrap_or(0))
            },
            // What comes after an upgrade is another protocol, which nobody speaks here.
            keep_alive: kept && !upgrades && !connects,
            // RFC 9110 10.1.1: an expectation in HTTP/1.0 is ignored.
            expects_continue: fields.expects_continue && self.version >= [1, 1],
            end: self.line_start,
        })
    }
}

impl Fields {
    fn read(&mut self, line: &[u8]) -> Result<(), Refusal> {
        self.count += 1;
        if self.count > MAX_FIELDS {
            return Err(format!("more than {MAX_FIELDS} header fields"));
        }
        let (name, value) = field(line)?;
        // On the stack: a field for each name that a client thinks of is where most allocations would be.
        let mut room = [0; LONGEST_NAME];
        let lower = lowered(name, &mut room);
        if let Some(place) = SINGLETONS
            .iter()
            .position(|known| known.as_bytes() == lower)
        {
            if self.seen[place] {
                return Err(format!("the header field {} is there twice", shown(name)));
            }
            self.seen[place] = true;
        }
        match lower {
            b"content-length" => self.length = Some(length(value)?),
            b"transfer-encoding" => {
                let last = value
                    .rsplit(|byte| *byte == b',')
                    .next()
                    .map_or(value, trimmed);
                let lower = value.to_ascii_lowercase();
                if lower.windows(7).filter(|seven| seven == b"chunked").count() > 1 {
                    return Err("Transfer-Encoding names chunked more than once".into());
                }
                if !last.eq_ignore_ascii_case(b"chunked") {
                    return Err(format!(
                        "Transfer-Encoding must end in chunked: {}",
                        shown(value)
                    ));
                }
                self.coding = true;
            }
            b"connection" => {
                for token in value.split(|byte| *byte == b',').map(trimmed) {
                    self.close |= token.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                    self.upgrade_token |= token.eq_ignore_ascii_case(b"upgrade");
                }
            }
            b"upgrade" => self.upgrade |= !value.is_empty(),
            b"expect" => self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue"),
            // A draft of WebSockets with eight bytes behind the head that belong to no body.
            b"sec-websocket-key1" => {
                return Err("the header field Sec-WebSocket-Key1 is of a draft".into());
            }
            _ => {}
        }
        Ok(())
    }
}

/// Return *name* in lower case; empty if it is longer than every name that means something here.
fn lowered<'a>(name: &[u8], room: &'a mut [u8; LONGEST_NAME]) -> &'a [u8] {
    let Some(lower) = room.get_mut(..name.len()) else {
        return &[];
    };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    lower
}

/// Split a line into name and value.
pub(crate) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    check_begun_field(line)?;
    let colon = line.iter().position(|byte| *byte == b':');
    let colon = colon.ok_or_else(|| no_field(line))?;
    Ok((&line[..colon], trimmed(&line[colon + 1..])))
}

/// Judge the line of a field as far as it has come.
pub(crate) fn check_begun_field(line: &[u8]) -> Result<(), Refusal> {
    let end_of_name = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(end_of_name.unwrap_or(line.len()));
    if end_of_name == Some(0) || !name.iter().copied().all(is_token) {
        return Err(no_field(line));
    }
    if value.iter().any(|byte| *byte != b'\t' && is_control(*byte)) {
        return Err(format!(
            "invalid header field, a control character is in it: {}",
            shown(line)
        ));
    }
    Ok(())
}

fn no_field(line: &[u8]) -> Refusal {
    format!(
        "invalid header field, expected a name, a colon and a value: {}",
        shown(line)
    )
}

fn length(value: &[u8]) -> Result<u64, Refusal> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(value)
        .ok()
        .filter(|_| digits)
        .and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("Content-Length is a whole number: {}", shown(value)))
}

pub(crate) fn check_length(line: &[u8]) -> Result<(), Refusal> {
    if line.len() > MAX_LINE_BYTES {
        return Err(format!(
            "a line is longer than {MAX_LINE_BYTES} bytes: {}...",
            shown(&line[..100])
        ));
    }
    Ok(())
}

/// As [`check_length`], of a line whose end may have come by half: its CR is no part of it.
pub(crate) fn check_begun_length(line: &[u8]) -> Result<(), Refusal> {
    check_length(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Judge a first line as far as it has come.
fn check_begun_line(line: &[u8]) -> Result<(), Refusal> {
    // A line that has only begun may end in the CR of its end; before a space it is a part of the method, and wrong.
    let begun = line.strip_suffix(b"\r").unwrap_or(line);
    let method = begun.split(|byte| *byte == b' ').next().unwrap_or_default();
    if line.starts_with(b"\x16\x03") {
        return Err(
            "this is TLS (HTTPS), and the server speaks plain HTTP: use http:// in the URL".into(),
        );
    }
    if !method.iter().copied().all(is_token) || line.starts_with(b" ") {
        return Err(format!("a request begins with a method: {}", shown(line)));
    }
    Ok(())
}

fn check_target(method: &[u8], target: &[u8]) -> Result<(), Refusal> {
    let refused = || {
        format!(
            "the target of the request cannot be read: {}",
            shown(target)
        )
    };
    if method.is_empty() || target.iter().copied().any(is_control) {
        return Err(refused());
    }
    let good = if method.eq_ignore_ascii_case(b"CONNECT") {
        is_authority(target)
    } else if target.starts_with(b"/") {
        true
    } else if target == b"*" {
        method.eq_ignore_ascii_case(b"OPTIONS")
    } else {
        let (scheme, rest) =
            target.split_at(target.iter().position(|byte| *byte == b':').unwrap_or(0));
        let rest = rest.strip_prefix(b"://").unwrap_or_default();
        let in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        scheme.iter().all(in_scheme)
            && is_authority(
                rest.split(|byte| matches!(byte, b'/' | b'?' | b'#'))
                    .next()
                    .unwrap_or_default(),
            )
    };
    if good { Ok(()) } else { Err(refused()) }
}

/// Say whether it is a host, with or without user and port.
fn is_authority(text: &[u8]) -> bool {
    let host_and_port = text.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let (host, port) = if let Some(inside) = host_and_port.strip_prefix(b"[") {
        let Some(end) = inside.iter().position(|byte| *byte == b']') else {
            return false;
        };
        // What the brackets hold is nobody's business here: nothing is looked up.
        (&inside[..end], &inside[end + 1..])
    } else {
        let end = host_and_port
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(host_and_port.len());
        host_and_port.split_at(end)
    };
    let port_is_good = match port.split_first() {
        None => true,
        Some((b':', digits)) => {
            digits.is_empty()
                || std::str::from_utf8(digits).is_ok_and(|text| text.parse::<u16>().is_ok())
        }
        Some(_) => false,
    };
    !host.is_empty() && !host.iter().any(|byte| matches!(byte, b'[' | b']')) && port_is_good
}

fn trimmed(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last + 1);
    &text[start..end]
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// RFC 9110 5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = bytes[..bytes.len().min(200)].escape_ascii().to_string();
    format!("'{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(data: &[u8]) -> Result<Option<Head>, Refusal> {
        HeadReader::default().read(data)
    }

    #[test]
    fn a_head_is_the_same_however_it_is_cut() {
        let data = b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
        let whole = head(data).unwrap().unwrap();
        let mut reader = HeadReader::default();

        for cut in 0..data.len() - 3 {
            assert_eq!(reader.read(&data[..cut]), Ok(None), "{cut}");
        }

        assert_eq!(reader.read(data).unwrap(), Some(whole.clone()));
        assert_eq!(
            (&data[whole.method], &data[whole.target]),
            (&b"POST"[..], &b"/a?b"[..])
        );
        assert_eq!(
            (whole.framing, whole.end),
            (Framing::Length(3), data.len() - 3)
        );
    }

    #[test]
    fn a_line_of_the_greatest_length_may_be_cut_inside_its_end() {
        let target = "a".repeat(MAX_LINE_BYTES - "GET / HTTP/1.1".len());
        let data = format!("GET /{target} HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut reader = HeadReader::default();

        assert_eq!(reader.read(&data.as_bytes()[..=MAX_LINE_BYTES]), Ok(None));
        assert!(reader.read(data.as_bytes()).unwrap().is_some());
    }

    #[test]
    fn strangers_are_refused_as_soon_as_they_show() {
        for data in [
            &b"\x16\x03\x01"[..],
            b"\0",
            b"G(",
            b" GET",
            b"GET / HTTP/1.1\n",
            b"GET\r ",
            b"GET\r / HTTP/1.1\r\nHost: x\r\n\r\n",
        ] {
            assert!(head(data).is_err(), "{}", shown(data));
        }
    }

    #[test]
    fn the_connection_is_kept_as_the_versions_say() {
        let kept = |line: &str, fields: &str| {
            head(format!("GET / {line}\r\nHost: x\r\n{fields}\r\n").as_bytes())
                .unwrap()
                .unwrap()
                .keep_alive
        };

        assert!(kept("HTTP/1.1", ""));
        assert!(!kept("HTTP/1.1", "Connection: keep-alive, Close\r\n"));
        assert!(!kept("HTTP/1.0", ""));
        assert!(kept("HTTP/1.0", "Connection: Keep-Alive\r\n"));
        assert!(!kept(
            "HTTP/1.1",
            "Connection: upgrade\r\nUpgrade: websocket\r\n"
        ));
    }

    #[test]
    fn targets_are_of_one_of_four_forms() {
        let good =
            |method: &str, target: &str| check_target(method.as_bytes(), target.as_bytes()).is_ok();

        for target in [
            "/",
            "//a",
            "/a b"[..2].into(),
            "http://x",
            "http://[::1]:80/a",
            "http://u@x?b",
        ] {
            assert!(good("GET", target), "{target}");
        }
        for target in [
            "a/b",
            "http:/x",
            "http://",
            "http://:80/",
            "http://x:y/",
            "http://[::1/",
            "*",
            "",
        ] {
            assert!(!good("GET", target), "{target}");
        }
        assert!(good("OPTIONS", "*") && good("CONNECT", "x:443") && !good("CONNECT", ":443"));
    }
}
