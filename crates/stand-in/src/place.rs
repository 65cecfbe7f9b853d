//! Where this copy of the program belongs: written behind its end by the stage that made it.
//!
//! Behind the end, because it goes where the file goes: a copy or a link of a fake program elsewhere plays the same
//! script. The kernel and the linker look at what the file's header names, not at what follows.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use api_simulator_sys as sys;

/// Ends a file that has a place: the two paths, parted by a zero byte, their length in eight bytes, and this.
const MARK: &[u8] = b"\napi-simulator-stage 1\n";

const LENGTH_BYTES: usize = 8;

/// Two paths of the greatest length that Linux takes, and what follows them.
const MAX_TAIL: u64 = 2 * 4096 + 1 + 8 + 23;

/// A stage, and what plays its scripts that are not plain.
pub(crate) struct Place {
    pub(crate) stage: PathBuf,
    pub(crate) launcher: PathBuf,
}

impl Place {
    /// Return the place of this program, none if it is not on a stage.
    pub(crate) fn of_this_program() -> io::Result<Option<Place>> {
        // The path only where /proc is missing: it may be relative to a folder that is gone, or a file that was replaced.
        let file = File::open("/proc/self/exe").or_else(|error| {
            let path = sys::invoked_path().ok_or(error)?;
            File::open(OsString::from_vec(path))
        })?;
        let size = file.metadata()?.len();
        let mut tail = vec![0; usize::try_from(size.min(MAX_TAIL)).unwrap_or(0)];
        file.read_exact_at(&mut tail, size - size.min(MAX_TAIL))?;
        Ok(Place::parse(&tail))
    }

    fn parse(tail: &[u8]) -> Option<Place> {
        let rest = tail.strip_suffix(MARK)?;
        let (rest, length) = rest.split_at_checked(rest.len().checked_sub(LENGTH_BYTES)?)?;
        let length = usize::try_from(u64::from_be_bytes(length.try_into().ok()?)).ok()?;
        let paths = rest.get(rest.len().checked_sub(length)?..)?;
        let (stage, launcher) =
            paths.split_at_checked(paths.iter().position(|&byte| byte == 0)?)?;
        Some(Place {
            stage: path(stage),
            launcher: path(&launcher[1..]),
        })
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(paths: &[u8], length: u64) -> Vec<u8> {
        [b"\x7fELF...", paths, &length.to_be_bytes(), MARK].concat()
    }

    #[test]
    fn both_paths_are_found_behind_whatever_comes_before() {
        let place = Place::parse(&tail(b"/tmp/\xff stage\0/tmp/python/tool", 29)).unwrap();

        assert_eq!(place.stage, path(b"/tmp/\xff stage"));
        assert_eq!(place.launcher, path(b"/tmp/python/tool"));
    }

    #[test]
    fn a_file_without_a_mark_or_with_a_wrong_length_has_no_place() {
        assert!(Place::parse(b"").is_none());
        assert!(Place::parse(MARK).is_none());
        assert!(Place::parse(&tail(b"/a\0/b", 5)[1..]).is_some());
        assert!(Place::parse(&tail(b"/a\0/b", 5000)).is_none());
        assert!(Place::parse(&tail(b"/a\0/b", u64::MAX)).is_none());
        assert!(Place::parse(&tail(b"no zero byte", 12)).is_none());
    }

    #[test]
    fn the_longest_tail_is_read_whole() {
        assert_eq!(
            MAX_TAIL,
            2 * 4096 + 1 + LENGTH_BYTES as u64 + MARK.len() as u64
        );
    }
}
