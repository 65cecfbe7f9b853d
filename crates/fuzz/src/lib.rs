//! The request parser of the native engine under libFuzzer: whatever the bytes are, its promises hold.
//!
//! An input is read twice, whole and in the pieces that its first bytes ask for, as a connection would receive it. A
//! broken promise is a panic, which libFuzzer reports together with the input.

mod input;
mod reading;

use reading::Reading;

/// Read *input* and panic if a promise of the parser is broken.
pub fn check(input: &[u8]) {
    let (cuts, data) = input::expanded(input);
    let mut whole = Reading::default();
    whole.feed(&data);
    whole.check(&data);
    let mut cut = Reading::default();
    for piece in input::pieces(&data, cuts) {
        cut.feed(piece);
    }
    cut.check(&data);
    // A refusal comes as early as it can and shows what was there, so its text may differ; what it is about may not.
    assert_eq!(whole.messages, cut.messages, "the same requests");
    assert_eq!(whole.is_refused(), cut.is_refused(), "{whole:?} {cut:?}");
    if !whole.is_refused() {
        assert_eq!(
            (&whole.open, whole.start),
            (&cut.open, cut.start),
            "as much of the last"
        );
    }
}

/// What libFuzzer calls.
///
/// # Safety
///
/// *data* points to *size* bytes that nobody changes meanwhile.
// SAFETY: no other symbol of this name is linked; it is libFuzzer's for exactly this function.
#[unsafe(no_mangle)]
#[allow(
    non_snake_case,
    clippy::missing_panics_doc,
    reason = "the name is libFuzzer's, and a panic is a finding"
)]
pub unsafe extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, size: usize) -> i32 {
    let input = if size == 0 {
        &[]
    } else {
        // SAFETY: libFuzzer gives so many bytes, its own until this returns; only an empty input may be null.
        unsafe { std::slice::from_raw_parts(data, size) }
    };
    check(input);
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promises_hold_for_requests_and_for_none() {
        let request = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for cuts in 0..=255 {
            for data in [&request[..], b"", b"\r\n\r\nG(", b"GET / HTTP/1.1\r\na"] {
                check(&[&[cuts, 7], data].concat());
            }
        }
    }

    #[test]
    fn the_promises_hold_at_the_limits() {
        for line in 0..=20 {
            for cuts in 0..=20 {
                let rest = vec![b'b'; line];
                let ends = &b" HTTP/1.1\r\nHost: x\r\n\r\n"[..];
                check(&[&[cuts, 1], &b"GET /\x80"[..], &rest, ends].concat());
                let field = &b"GET / HTTP/1.1\r\nHost: x\r\na:\x80"[..];
                check(&[&[cuts, 2], field, &rest, b"\r\n\r\n"].concat());
            }
        }
    }
}
