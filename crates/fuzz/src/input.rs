//! What an input means: how the bytes are cut, and the bytes, with the long runs that a fuzzer would not write out.

use api_simulator_engine::http1::{MAX_FIELDS, MAX_LINE_BYTES};

/// Stands for a run of letters that nearly fills a line.
const LONG: u8 = 0x80;
/// Stands for nearly as many fields as a head may have.
const MANY: u8 = 0x81;

/// Return the seed of the cuts, and the bytes that the rest of *input* stands for.
pub(crate) fn expanded(input: &[u8]) -> (u64, Vec<u8>) {
    let (seed, written) = input.split_at(input.len().min(2));
    let cuts = seed
        .iter()
        .fold(0, |cuts, byte| cuts << 8 | u64::from(*byte));
    let mut data = Vec::new();
    // Each at most twice: limits are met, and an input is still quick.
    let (mut longs, mut many) = (2, 2);
    for byte in written {
        match *byte {
            LONG if longs > 0 => {
                longs -= 1;
                data.extend(std::iter::repeat_n(b'a', MAX_LINE_BYTES - 16));
            }
            MANY if many > 0 => {
                many -= 1;
                data.extend(b"a:b\r\n".repeat(MAX_FIELDS - 2));
            }
            byte => data.push(byte),
        }
    }
    (cuts, data)
}

/// Cut *data* into pieces of very different lengths, the same for the same *cuts*.
pub(crate) fn pieces(data: &[u8], cuts: u64) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    let mut state = cuts.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    std::iter::from_fn(move || {
        // Marsaglia's xorshift: any cheap source will do.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Short pieces at the ends of the bytes, where limits and line ends are; long ones between.
        let inside = rest.len() + 64 <= data.len() && rest.len() > 64;
        let room = if inside {
            (state % (1 << (state >> 32 & 15))).min(rest.len() as u64 - 64)
        } else {
            state % 4
        };
        let length = rest.len().min(1 + usize::try_from(room).unwrap_or(0));
        let (piece, after) = rest.split_at(length);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
