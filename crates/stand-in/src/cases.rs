//! Several scripts in one file: the first case all of whose conditions are met names the one that is played.

use std::io;
use std::path::Path;

use crate::call::count;
use crate::script::{Comparison, Script, Word};

/// What the conditions are about.
pub(crate) struct Invocation<'a> {
    pub(crate) stage: &'a Path,
    pub(crate) arguments: &'a [Vec<u8>],
    /// `NAME=value`, joined by zero bytes.
    pub(crate) environ: &'a [u8],
}

/// Look through all cases, and go to the script of the first that fits; return whether one does.
pub(crate) fn choose(
    script: &mut Script,
    first: u64,
    invocation: &Invocation<'_>,
) -> io::Result<bool> {
    let mut chosen = None;
    let mut counted: Vec<(u64, u64)> = Vec::new();
    let (mut name, mut fits) = (first, true);
    loop {
        match script.word()? {
            Some(Word::Nth { counter, n }) => {
                // Counted once for all cases that share a counter, also when an earlier case has been chosen.
                let known = counted
                    .iter()
                    .find(|(of, _)| *of == counter)
                    .map(|(_, number)| *number);
                let number = match known {
                    Some(number) => Some(number),
                    None if fits => {
                        let number =
                            count(&invocation.stage.join("counts").join(counter.to_string()))?;
                        counted.push((counter, number));
                        Some(number)
                    }
                    None => None,
                };
                fits = fits && number == Some(n);
            }
            Some(Word::Args { how, size }) => {
                let payload = script.payload(size)?;
                fits = fits && fits_arguments(how, &payload, invocation.arguments);
            }
            Some(Word::Env { size }) => {
                let payload = script.payload(size)?;
                fits = fits && variables(invocation).any(|entry| entry == payload);
            }
            Some(Word::NoEnv { size }) => {
                let mut beginning = script.payload(size)?;
                beginning.push(b'=');
                fits = fits && !variables(invocation).any(|entry| entry.starts_with(&beginning));
            }
            next => {
                if fits && chosen.is_none() {
                    chosen = Some(name);
                }
                match next {
                    Some(Word::Case { script }) => (name, fits) = (script, true),
                    Some(Word::Script { number, size }) => {
                        return go_to(script, chosen, number, size);
                    }
                    _ => return Ok(false),
                }
            }
        }
    }
}

fn go_to(
    script: &mut Script,
    chosen: Option<u64>,
    mut number: u64,
    mut size: u64,
) -> io::Result<bool> {
    while chosen != Some(number) {
        script.skip(size)?;
        match script.word()? {
            Some(Word::Script {
                number: next,
                size: its,
            }) => (number, size) = (next, its),
            _ => return Ok(false),
        }
    }
    Ok(script.limit(Some(size)))
}

fn variables<'a>(invocation: &Invocation<'a>) -> impl Iterator<Item = &'a [u8]> {
    invocation.environ.split(|&byte| byte == 0)
}

fn fits_arguments(how: Comparison, payload: &[u8], given: &[Vec<u8>]) -> bool {
    // A zero byte stands behind each argument, so what is behind the last one is none.
    let mut wanted: Vec<&[u8]> = payload.split(|&byte| byte == 0).collect();
    wanted.pop();
    match how {
        Comparison::Prefix => {
            given.len() >= wanted.len() && wanted.iter().zip(given).all(|(a, b)| a == b)
        }
        Comparison::Exact => {
            given.len() == wanted.len() && wanted.iter().zip(given).all(|(a, b)| a == b)
        }
        Comparison::Among => {
            let mut rest = given.iter();
            wanted
                .iter()
                .all(|argument| rest.any(|other| other == argument))
        }
    }
}
