//! Which scripts are played here: decided over the whole file, before anything is done that could be seen.
//!
//! One word that is not plain, anywhere in the file, and Python plays: also if the invocation would not come to it.
//! Finding out which case fits may count invocations, and nothing may be counted twice.

use std::io;

use crate::script::{Script, Word};

/// Return whether everything in the file can be played here, and go to its first line.
pub(crate) fn is_plain(script: &mut Script) -> io::Result<bool> {
    if !script.enter()? {
        return Ok(false);
    }
    let all = match script.word()? {
        Some(Word::Case { .. }) => cases_are_plain(script)?,
        first => body_is_plain(script, first)?,
    };
    Ok(all && script.enter()?)
}

fn cases_are_plain(script: &mut Script) -> io::Result<bool> {
    let mut word = script.word()?;
    loop {
        word = match word {
            Some(Word::Case { .. } | Word::Nth { .. }) => script.word()?,
            Some(Word::Args { size, .. } | Word::Env { size } | Word::NoEnv { size })
                if script.skip(size)? =>
            {
                script.word()?
            }
            Some(Word::Script { .. }) => break,
            _ => return Ok(false),
        };
    }
    while let Some(Word::Script { size, .. }) = word {
        if !script.limit(Some(size)) {
            return Ok(false);
        }
        let first = script.word()?;
        if !body_is_plain(script, first)? {
            return Ok(false);
        }
        script.limit(None);
        if !script.end_payload()? {
            return Ok(false);
        }
        word = script.word()?;
    }
    Ok(word.is_none())
}

fn body_is_plain(script: &mut Script, first: Option<Word>) -> io::Result<bool> {
    let mut word = first;
    while let Some(Word::OnSignal { .. } | Word::OnBrokenPipe { .. } | Word::LeaveStdin) = word {
        word = script.word()?;
    }
    while let Some(step) = word {
        let is_plain = match step {
            Word::Write { size, .. }
            | Word::Repeat { size, .. }
            | Word::Refuse { size }
            | Word::FailFirst { size, .. } => script.skip(size)?,
            Word::Wait { .. }
            | Word::ReadStdin
            | Word::Hang
            | Word::Exit { .. }
            | Word::Die { .. } => true,
            _ => false,
        };
        if !is_plain {
            return Ok(false);
        }
        word = script.word()?;
    }
    Ok(script.is_at_end())
}
