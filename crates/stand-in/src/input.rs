//! Standard input, recorded when it has something to read, and never waited for unless the script says so.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use api_simulator_sys as sys;
use api_simulator_sys::Interest;

use crate::call::CallFile;
use crate::script::CHUNK;

/// What one look takes at most, so that an endless writer cannot hold up the script.
const MAX_CAPTURE: usize = 16 * CHUNK;

/// What is known of standard input.
pub(crate) struct Input {
    pub(crate) is_open: bool,
    pub(crate) is_file: bool,
}

impl Input {
    pub(crate) fn new() -> io::Result<Input> {
        let status = sys::standard_stream(0).metadata()?;
        let kind = status.file_type();
        let is_open = !kind.is_char_device() || may_be_read(status.rdev())?;
        Ok(Input {
            is_open,
            is_file: kind.is_file(),
        })
    }

    /// Record what can be read now.
    pub(crate) fn capture(&mut self, call: &mut CallFile) -> io::Result<()> {
        let mut taken = 0;
        while self.is_open
            && (self.is_file || (taken < MAX_CAPTURE && sys::is_ready(Interest::Readable(0))))
        {
            taken += self.read(call)?;
        }
        Ok(())
    }

    /// Record what there is and return how many bytes that is.
    pub(crate) fn read(&mut self, call: &mut CallFile) -> io::Result<usize> {
        let mut chunk = vec![0; CHUNK];
        let got = loop {
            match sys::standard_stream(0).read(&mut chunk) {
                Ok(got) => break got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(_) => break 0,
            }
        };
        if got == 0 {
            self.is_open = false;
            call.add(&[("stdin-end", b"")])?;
        } else {
            call.add(&[("stdin", &chunk[..got])])?;
        }
        Ok(got)
    }
}

/// Whether a character device may be read: not /dev/null, and no terminal that is in other hands.
fn may_be_read(device: u64) -> io::Result<bool> {
    // Reading the controlling terminal from the background stops the process (SIGTTIN).
    Ok(device != fs::metadata("/dev/null")?.rdev() && sys::is_in_foreground(0).unwrap_or(true))
}
