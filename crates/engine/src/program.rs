//! What is to be done for one request: a finite list of steps, made by Python once.
//!
//! As bytes: each step is an operation (one byte) and an argument (four bytes, little endian): the number of bytes
//! that follow for [`Step::Send`], milliseconds for [`Step::Wait`], nothing for the others.

use std::sync::Arc;

/// Sends up to this size are noted as answered before they leave: they fit into the kernel's buffer.
pub const SENT_AT_ONCE_BYTES: usize = 64 * 1024;

/// One step.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Put these bytes on the wire.
    Send(Box<[u8]>),
    /// Let at least so many milliseconds pass.
    Wait(u32),
    /// Close in order (FIN).
    Close,
    /// Abort (RST).
    Reset,
    /// Close the sending side, read and drop the rest.
    HalfClose,
    /// Do nothing until somebody ends the connection.
    Hang,
    /// Read the body first; then ask again. Only for a request that was handed off by its head.
    ReadOn,
}

/// The steps of one answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// In order.
    pub steps: Vec<Step>,
    /// Whether it is nothing but one send that is done when it is begun.
    pub at_once: bool,
}

/// What a [`Program`] was to be read from cannot be one.
#[derive(Debug, PartialEq, Eq)]
pub struct NoProgram;

impl Program {
    /// Read one.
    ///
    /// # Errors
    ///
    /// If an operation is unknown, or bytes are missing.
    pub fn parse(mut data: &[u8]) -> Result<Arc<Self>, NoProgram> {
        let mut steps = Vec::new();
        while !data.is_empty() {
            let (head, rest) = data.split_at_checked(5).ok_or(NoProgram)?;
            let argument = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
            data = rest;
            steps.push(match head[0] {
                1 => {
                    let (bytes, rest) =
                        data.split_at_checked(argument as usize).ok_or(NoProgram)?;
                    data = rest;
                    Step::Send(bytes.into())
                }
                2 => Step::Wait(argument),
                3 => Step::Close,
                4 => Step::Reset,
                5 => Step::HalfClose,
                6 => Step::Hang,
                7 => Step::ReadOn,
                _ => return Err(NoProgram),
            });
        }
        let at_once =
            matches!(&steps[..], [Step::Send(bytes)] if bytes.len() <= SENT_AT_ONCE_BYTES);
        Ok(Arc::new(Self { steps, at_once }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_in_order() {
        let program = Program::parse(b"\x02\x0a\0\0\0\x01\x02\0\0\0hi\x03\0\0\0\0").unwrap();

        assert_eq!(
            program.steps,
            [Step::Wait(10), Step::Send(b"hi"[..].into()), Step::Close]
        );
        assert!(!program.at_once);
    }

    #[test]
    fn one_short_send_is_done_at_once() {
        assert!(Program::parse(b"\x01\x02\0\0\0hi").unwrap().at_once);
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_refused() {
        for data in [&b"\x01"[..], b"\x01\x03\0\0\0hi", b"\x09\0\0\0\0"] {
            assert_eq!(Program::parse(data), Err(NoProgram));
        }
    }
}
