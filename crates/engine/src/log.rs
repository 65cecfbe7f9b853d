//! The journal's near end: what happened, as bytes in order, until Python takes it.
//!
//! Requests are written once, into segments of a quarter of a mebibyte, in the form in which Python reads them; a
//! segment is handed over whole. When nobody asks, the oldest requests are dropped and only counted, as the journal
//! in Python would do.

use std::collections::{HashMap, VecDeque};

/// Bytes in front of each record: the same fields for every kind, so that one layout describes all.
pub const HEADER_BYTES: usize = 104;
const SEGMENT_BYTES: usize = 256 * 1024;

const KIND: usize = 4;
const INDEX: usize = 32;
const ENTRY: usize = 36;
const ANSWERED: usize = 88;
const ABORTED: usize = 96;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A request that a plain route answered.
    Plain = 1,
    /// A request that Python must answer.
    HandOff = 2,
    /// The last byte of an answer was given to the operating system (at no time: it was not, after all).
    Answered = 3,
    /// The client went away.
    Aborted = 4,
    /// Bytes that were no request: `head` holds them, `body` says why.
    Malformed = 5,
    /// A part of an answer is out, the next may come.
    PartDone = 6,
    /// The body of a request that was answered by its head; empty if it did not come.
    Body = 7,
    /// Requests that were dropped: `entry`, how many (`sequence`), how many on a connection that was there (`index`).
    Dropped = 8,
}

/// One record, borrowed from where it is made.
#[derive(Clone, Copy, Default)]
pub struct Record<'a> {
    /// Bit 0: the connection is kept. Bit 1: handed off by its head, the body is still to come.
    pub flags: u8,
    /// The digits of the HTTP version.
    pub version: [u8; 2],
    /// Number of the request on this server.
    pub sequence: u64,
    /// The reset it came after.
    pub generation: u64,
    /// Number of the connection.
    pub connection: u64,
    /// Place of the request on it.
    pub index: u32,
    /// The entry of the table, for a plain request.
    pub entry: u32,
    /// Which answer of the route.
    pub answer: u32,
    /// Bytes of the method, at the beginning of `head`.
    pub method_bytes: u32,
    /// Bytes of the target, after the method and a space.
    pub target_bytes: u32,
    /// Line and fields as received.
    pub head: &'a [u8],
    /// The body without framing.
    pub body: &'a [u8],
    /// Stamps, 0 for none.
    pub accepted_ns: i64,
    /// When the head was there.
    pub head_ns: i64,
    /// When the body was there.
    pub received_ns: i64,
    /// When the answer was out.
    pub answered_ns: i64,
    /// When the client was gone.
    pub aborted_ns: i64,
}

/// Where a record is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    segment: u64,
    offset: usize,
}

/// Bytes of records, whole ones only.
#[derive(Default)]
pub struct Segment {
    bytes: Vec<u8>,
    requests: usize,
    plain: usize,
    body_bytes: usize,
    others: bool,
}

impl Segment {
    /// The records.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What happened and was not taken yet.
pub struct Log {
    segments: VecDeque<Segment>,
    // Number of the first of them: a place in an earlier one has been taken.
    first: u64,
    requests: usize,
    plain: usize,
    body_bytes: usize,
    max_requests: usize,
    max_body_bytes: usize,
    dropped: HashMap<u32, (u64, u32)>,
    // What dropped segments held besides requests: it comes before everything else.
    kept: Segment,
}

impl Log {
    /// Make an empty one that keeps at most so many requests and bytes of bodies, and a segment more.
    #[must_use]
    pub fn new(max_requests: usize, max_body_bytes: usize) -> Self {
        Self {
            segments: VecDeque::new(),
            first: 0,
            requests: 0,
            plain: 0,
            body_bytes: 0,
            max_requests,
            max_body_bytes,
            dropped: HashMap::new(),
            kept: Segment::default(),
        }
    }

    /// Add a record and return its place.
    pub fn push(&mut self, kind: Kind, record: &Record<'_>) -> Place {
        let size = HEADER_BYTES + record.head.len() + record.body.len();
        let full = self
            .segments
            .back()
            .is_none_or(|last| last.bytes.len() + size > last.bytes.capacity());
        if full {
            self.drop_oldest();
            // The first is small: most servers see a handful of requests.
            let capacity = if self.segments.is_empty() {
                4096
            } else {
                SEGMENT_BYTES
            };
            self.segments.push_back(Segment {
                bytes: Vec::with_capacity(capacity.max(size)),
                ..Segment::default()
            });
        }
        let segment = self.first + self.segments.len() as u64 - 1;
        let Some(last) = self.segments.back_mut() else {
            return Place { segment, offset: 0 };
        };
        let offset = last.bytes.len();
        write(&mut last.bytes, kind, size, record);
        last.others |= kind != Kind::Plain;
        if matches!(kind, Kind::Plain | Kind::HandOff) {
            last.requests += 1;
            last.body_bytes += record.body.len();
            self.requests += 1;
            self.body_bytes += record.body.len();
            let plain = usize::from(kind == Kind::Plain);
            last.plain += plain;
            self.plain += plain;
        }
        Place { segment, offset }
    }

    /// Stamp a record where it lies; false if it was taken already.
    pub fn stamp(&mut self, place: Place, kind: Kind, at_ns: i64) -> bool {
        let Some(segment) = place.segment.checked_sub(self.first) else {
            return false;
        };
        let Some(found) = usize::try_from(segment)
            .ok()
            .and_then(|index| self.segments.get_mut(index))
        else {
            return false;
        };
        let field = place.offset
            + if kind == Kind::Answered {
                ANSWERED
            } else {
                ABORTED
            };
        if let Some(bytes) = found.bytes.get_mut(field..field + 8) {
            bytes.copy_from_slice(&at_ns.to_le_bytes());
        }
        true
    }

    /// Take the oldest segment.
    pub fn take(&mut self) -> Option<Segment> {
        if !self.dropped.is_empty() {
            let mut bytes = Vec::new();
            for (entry, (count, reused)) in self.dropped.drain() {
                let record = Record {
                    entry,
                    sequence: count,
                    index: reused,
                    ..Record::default()
                };
                write(&mut bytes, Kind::Dropped, HEADER_BYTES, &record);
            }
            return Some(Segment {
                bytes,
                ..Segment::default()
            });
        }
        if !self.kept.bytes.is_empty() {
            let kept = std::mem::take(&mut self.kept);
            self.requests -= kept.requests;
            return Some(kept);
        }
        self.take_segment()
    }

    /// Return how many requests wait to be taken if all of them are plain, `None` if others are among them.
    #[must_use]
    pub fn waiting_plain(&self) -> Option<u64> {
        if self.requests != self.plain {
            return None;
        }
        Some(self.requests as u64 + self.dropped.values().map(|(count, _)| count).sum::<u64>())
    }

    /// Forget all requests; hand-offs stay, because their clients wait. What is returned is for somebody else to free.
    pub fn clear(&mut self) -> VecDeque<Segment> {
        let old = std::mem::take(&mut self.segments);
        self.first += old.len() as u64;
        (self.requests, self.body_bytes, self.plain) = (0, 0, 0);
        self.dropped.clear();
        let kept = std::mem::take(&mut self.kept);
        self.keep(&kept.bytes, Kind::Malformed, |_, _| ());
        // Most segments hold nothing else: they are not walked through.
        for segment in old.iter().filter(|segment| segment.others) {
            self.keep(&segment.bytes, Kind::Malformed, |_, _| ());
        }
        old
    }

    fn drop_oldest(&mut self) {
        while self.segments.len() > 1
            && (self.requests > self.max_requests || self.body_bytes > self.max_body_bytes)
        {
            let Some(oldest) = self.take_segment() else {
                return;
            };
            let mut dropped = std::mem::take(&mut self.dropped);
            self.keep(&oldest.bytes, Kind::Plain, |entry, reused| {
                let (count, reuses) = dropped.entry(entry).or_default();
                *count += 1;
                *reuses += u32::from(reused);
            });
            self.dropped = dropped;
        }
    }

    fn take_segment(&mut self) -> Option<Segment> {
        let taken = self.segments.pop_front()?;
        self.first += 1;
        self.requests -= taken.requests;
        self.plain -= taken.plain;
        self.body_bytes -= taken.body_bytes;
        Some(taken)
    }

    /// Keep the records that are neither plain requests nor of the kind *left_out*, telling *plain* of the former.
    fn keep(&mut self, bytes: &[u8], left_out: Kind, mut plain: impl FnMut(u32, bool)) {
        for record in records(bytes) {
            if record[KIND] == Kind::Plain as u8 {
                plain(number(record, ENTRY), number(record, INDEX) > 0);
            } else if record[KIND] != left_out as u8 {
                let handed_off = usize::from(record[KIND] == Kind::HandOff as u8);
                self.kept.requests += handed_off;
                self.requests += handed_off;
                self.kept.bytes.extend_from_slice(record);
            }
        }
    }
}

fn write(bytes: &mut Vec<u8>, kind: Kind, size: usize, record: &Record<'_>) {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    // A size of 0 says that it does not fit: Python then adds the lengths itself.
    bytes.extend_from_slice(&u32::try_from(size).unwrap_or(0).to_le_bytes());
    bytes.extend_from_slice(&[
        kind as u8,
        record.flags,
        record.version[0],
        record.version[1],
    ]);
    for number in [record.sequence, record.generation, record.connection] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for number in [
        record.index,
        record.entry,
        record.answer,
        record.method_bytes,
        record.target_bytes,
    ] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&length(record.head));
    bytes.extend_from_slice(&(record.body.len() as u64).to_le_bytes());
    for stamp in [
        record.accepted_ns,
        record.head_ns,
        record.received_ns,
        record.answered_ns,
        record.aborted_ns,
    ] {
        bytes.extend_from_slice(&stamp.to_le_bytes());
    }
    bytes.extend_from_slice(record.head);
    bytes.extend_from_slice(record.body);
}

fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let head = number(rest.get(..HEADER_BYTES)?, 52) as usize;
        let body = u64::from_le_bytes(rest.get(56..64)?.try_into().ok()?);
        let (record, after) =
            rest.split_at_checked(HEADER_BYTES + head + usize::try_from(body).ok()?)?;
        rest = after;
        Some(record)
    })
}

fn number(record: &[u8], at: usize) -> u32 {
    record
        .get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(log: &mut Log, entry: u32, index: u32) -> Place {
        log.push(
            Kind::Plain,
            &Record {
                entry,
                index,
                body: &[0; 1000],
                ..Record::default()
            },
        )
    }

    fn taken(log: &mut Log) -> Vec<(u8, u32)> {
        let mut found = Vec::new();
        while let Some(segment) = log.take() {
            found.extend(
                records(segment.bytes()).map(|record| (record[KIND], number(record, ENTRY))),
            );
        }
        found
    }

    #[test]
    fn records_come_out_in_the_order_in_which_they_went_in() {
        let mut log = Log::new(1000, usize::MAX);
        for entry in 0..600 {
            plain(&mut log, entry, 0);
        }

        assert_eq!(
            taken(&mut log),
            (0..600).map(|entry| (1, entry)).collect::<Vec<_>>()
        );
        assert!(log.take().is_none());
    }

    #[test]
    fn a_stamp_reaches_a_record_that_was_not_taken_yet() {
        let mut log = Log::new(10, usize::MAX);
        let place = plain(&mut log, 1, 0);

        assert!(log.stamp(place, Kind::Answered, 7));
        let segment = log.take().unwrap();
        assert_eq!(segment.bytes()[ANSWERED..ANSWERED + 8], 7_i64.to_le_bytes());
        assert!(!log.stamp(place, Kind::Answered, 8));
    }

    #[test]
    fn what_is_dropped_is_counted_and_hand_offs_are_kept() {
        let mut log = Log::new(100, usize::MAX);
        log.push(Kind::HandOff, &Record::default());
        for index in 0..2000 {
            plain(&mut log, 5, index);
        }

        let segment = log.take().unwrap();
        let dropped: Vec<_> = records(segment.bytes()).collect();
        assert_eq!(
            (dropped.len(), dropped[0][KIND], number(dropped[0], ENTRY)),
            (1, Kind::Dropped as u8, 5)
        );
        let count = u64::from_le_bytes(dropped[0][8..16].try_into().unwrap());
        let rest = taken(&mut log);
        assert_eq!(rest[0].0, Kind::HandOff as u8);
        assert_eq!(count + rest.len() as u64 - 1, 2000);
        assert!(rest.len() < 600);
    }

    #[test]
    fn clearing_keeps_those_who_wait() {
        let mut log = Log::new(100, usize::MAX);
        plain(&mut log, 1, 0);
        log.push(Kind::Malformed, &Record::default());
        log.push(Kind::HandOff, &Record::default());

        log.clear();

        assert_eq!(taken(&mut log), [(Kind::HandOff as u8, 0)]);
    }
}
