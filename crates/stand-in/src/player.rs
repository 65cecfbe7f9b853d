//! One invocation: what each step does. `_player.py` is the other one that does this, and says more of the reasons.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use api_simulator_sys as sys;
use api_simulator_sys::{Interest, Waited};

use crate::call::{CallFile, count, wake_waiters};
use crate::cases::{Invocation, choose};
use crate::input::Input;
use crate::script::{Answer, CHUNK, Script, Word};
use crate::{BROKEN_EXIT, give_up};

/// As a shell's for a program that it does not find.
const REFUSED_EXIT: i32 = 127;

/// Why a step is left before its end.
enum Left {
    /// A signal came that ends the wait.
    NextStep,
    /// It cannot be played.
    Broken(String),
}

impl From<io::Error> for Left {
    fn from(error: io::Error) -> Left {
        Left::Broken(error.to_string())
    }
}

pub(crate) struct Player {
    stage: PathBuf,
    argv: Vec<Vec<u8>>,
    cwd: Vec<u8>,
    environ: Vec<u8>,
    call: CallFile,
    stdin: Input,
    broken_pipe_exit: i32,
    on_signals: [Option<Answer>; 65],
    lines: u64,
    has_begun: bool,
    is_called_on: bool,
}

impl Player {
    /// Play a plain `script` that is at its first line; ends the process.
    pub(crate) fn play(stage: PathBuf, argv: Vec<Vec<u8>>, mut script: Script) -> ! {
        let mut player = match Player::new(stage, argv) {
            Ok(player) => player,
            Err(error) => give_up(&error.to_string()),
        };
        match player
            .hold_leash()
            .map_err(Left::from)
            .and_then(|()| player.play_all(&mut script))
        {
            Ok(()) | Err(Left::NextStep) => player.finish(0),
            Err(Left::Broken(text)) => player.end_broken(&text),
        }
    }

    fn new(stage: PathBuf, argv: Vec<Vec<u8>>) -> io::Result<Player> {
        let cwd = env::current_dir().map_or_else(
            |_| Vec::new(),
            |cwd| cwd.into_os_string().into_encoded_bytes(),
        );
        let call = CallFile::create(&stage)?;
        Ok(Player {
            stage,
            argv,
            cwd,
            environ: environment(),
            call,
            stdin: Input::new()?,
            broken_pipe_exit: BROKEN_EXIT,
            on_signals: [None; 65],
            lines: 0,
            has_begun: false,
            is_called_on: false,
        })
    }

    fn hold_leash(&self) -> io::Result<()> {
        let leash = OpenOptions::new()
            .read(true)
            .custom_flags(sys::O_NONBLOCK)
            .open(self.stage.join("leash"))?;
        sys::hold_leash(leash)
    }

    fn play_all(&mut self, script: &mut Script) -> Result<(), Left> {
        let mut word = script.word()?;
        if let Some(Word::Case { script: first }) = word {
            let arguments = self.argv.get(1..).unwrap_or_default();
            let invocation = Invocation {
                stage: &self.stage,
                arguments,
                environ: &self.environ,
            };
            if !choose(script, first, &invocation)? {
                return Err(Left::Broken(
                    "ValueError('no case of the script fits')".into(),
                ));
            }
            word = script.word()?;
        }
        while let Some(setting) = word {
            match setting {
                Word::OnSignal { number, answer } => {
                    self.on_signals[usize::try_from(number).unwrap_or(0)] = Some(answer);
                    sys::catch(number)?;
                }
                Word::OnBrokenPipe { code } => {
                    self.broken_pipe_exit = code.into();
                    sys::set_ignored(sys::SIGPIPE)?;
                }
                Word::LeaveStdin => self.stdin.is_open = false,
                _ => break,
            }
            word = script.word()?;
        }
        // Not before the signals are set: who waits for the call may send one the next moment.
        self.begin()?;
        self.answer_signals()?;
        while let Some(step) = word {
            match self.play_step(script, step) {
                Ok(()) | Err(Left::NextStep) => {}
                broken => return broken,
            }
            self.answer_signals()?;
            word = script.word()?;
        }
        Ok(())
    }

    fn play_step(&mut self, script: &mut Script, step: Word) -> Result<(), Left> {
        match step {
            Word::Write { stream, size } => self.write(script, stream, size),
            Word::Repeat {
                stream,
                times,
                size,
            } => {
                let payload = script.payload(size)?;
                self.repeat(stream, times, &payload)
            }
            Word::Wait { ms } => self.wait(ms),
            Word::ReadStdin => {
                while self.stdin.is_open {
                    self.wait_for_input(None)?;
                }
                Ok(())
            }
            Word::Hang => loop {
                self.wait_for_input(None)?;
            },
            Word::FailFirst {
                counter,
                times,
                code,
                size,
            } => {
                let text = script.payload(size)?;
                if count(&self.stage.join("counts").join(counter.to_string()))? <= times {
                    self.put(2, &text)?;
                    self.finish(code.into());
                }
                Ok(())
            }
            Word::Refuse { size } => {
                let text = script.payload(size)?;
                self.refuse(&text)
            }
            Word::Exit { code } => self.finish(code.into()),
            Word::Die { number } => self.die(number),
            // `plain` lets no other word through.
            other => Err(Left::Broken(format!("{other:?} is no step"))),
        }
    }

    // Steps

    fn write(&mut self, script: &mut Script, stream: i32, size: u64) -> Result<(), Left> {
        let mut left = size;
        while left > 0 {
            let piece = script.piece(left)?;
            left -= piece.len() as u64;
            self.put(stream, piece)?;
        }
        script.end_payload()?;
        Ok(self.stdin.capture(&mut self.call)?)
    }

    fn repeat(&mut self, stream: i32, times: u64, data: &[u8]) -> Result<(), Left> {
        if data.is_empty() {
            return Ok(());
        }
        let in_block = (CHUNK / data.len()).max(1) as u64;
        let block = data.repeat(usize::try_from(in_block.min(times)).unwrap_or(1));
        for _ in 0..times / in_block {
            self.put(stream, &block)?;
            self.stdin.capture(&mut self.call)?;
        }
        let rest = usize::try_from(times % in_block).unwrap_or(0);
        self.put(stream, &data.repeat(rest))?;
        Ok(self.stdin.capture(&mut self.call)?)
    }

    fn wait(&mut self, ms: u64) -> Result<(), Left> {
        let deadline_ns = sys::monotonic_ns().saturating_add(ms.saturating_mul(1_000_000));
        loop {
            match deadline_ns.saturating_sub(sys::monotonic_ns()) {
                0 => return Ok(()),
                left_ns => self.wait_for_input(Some(Duration::from_nanos(left_ns)))?,
            }
        }
    }

    /// Record what comes within `limit`, none for ever; only wait when standard input has ended. May return early.
    fn wait_for_input(&mut self, limit: Option<Duration>) -> Result<(), Left> {
        if self.is_called_on {
            self.is_called_on = false;
            return Err(Left::NextStep);
        }
        if self.stdin.is_open && self.stdin.is_file {
            self.stdin.read(&mut self.call)?;
            return Ok(());
        }
        let interest = self.stdin.is_open.then_some(Interest::Readable(0));
        match sys::wait(interest, limit) {
            Waited::Nothing => {}
            Waited::Ready => {
                self.stdin.read(&mut self.call)?;
            }
            Waited::Signalled => {
                if self.note_signals()? {
                    return Err(Left::NextStep);
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, text: &[u8]) -> Result<(), Left> {
        self.call.add(&[("unexpected", text)])?;
        let called = self.argv.first().map(Vec::as_slice).unwrap_or_default();
        let mut message = b"api-simulator: no script of this fake fits: ".to_vec();
        message.extend_from_slice(
            called
                .rsplit(|&byte| byte == b'/')
                .next()
                .unwrap_or_default(),
        );
        // As Python joins it: the name and, behind a space, whatever the arguments are.
        message.push(b' ');
        for byte in self.argv.get(1..).unwrap_or_default().join(&b' ') {
            message.extend_from_slice(if byte == b'\n' {
                b"\\n"
            } else {
                std::slice::from_ref(&byte)
            });
        }
        message.push(b'\n');
        message.extend_from_slice(text);
        self.put(2, &message)?;
        self.finish(REFUSED_EXIT)
    }

    fn die(&mut self, number: i32) -> Result<(), Left> {
        self.record_end(-number)?;
        sys::end_by(number)?;
        sys::exit(128 + number)
    }

    // Signals

    /// Do what the script says of signals that came, while nothing is waited for.
    fn answer_signals(&mut self) -> io::Result<()> {
        let is_called_on = self.note_signals()?;
        self.is_called_on |= is_called_on;
        Ok(())
    }

    /// Put signals that came on record, exit if one says so, and return whether one ends a wait.
    fn note_signals(&mut self) -> io::Result<bool> {
        let mut ends_wait = false;
        if !sys::is_pending() {
            return Ok(false);
        }
        for number in sys::take_pending() {
            let text = number.to_string();
            match usize::try_from(number)
                .ok()
                .and_then(|index| self.on_signals[index])
            {
                Some(Answer::Exit(code)) => {
                    self.call.add(&[("signal", text.as_bytes())])?;
                    self.finish(code.into());
                }
                Some(Answer::Continue) => {
                    self.call.add(&[("caught", text.as_bytes())])?;
                    // The first ends this wait, another one the next.
                    self.is_called_on |= ends_wait;
                    ends_wait = true;
                }
                Some(Answer::Ignore) | None => self.call.add(&[("caught", text.as_bytes())])?,
            }
        }
        Ok(ends_wait)
    }

    // Output

    /// Write all of `data`.
    fn put(&mut self, fd: i32, data: &[u8]) -> Result<(), Left> {
        let mut rest = data;
        while !rest.is_empty() {
            match sys::standard_stream(fd).write(rest) {
                Ok(written) => rest = &rest[written..],
                // By the leash's timer too, so that a signal which came just before the write is seen soon.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The parent made its end's description non-blocking, and this process shares it.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let _ = sys::wait(Some(Interest::Writable(fd)), None);
                }
                // EPIPE; EIO is what a pseudo-terminal says when its other side has gone. SIGPIPE may have an answer.
                Err(_) => {
                    self.answer_signals()?;
                    self.finish(self.broken_pipe_exit)
                }
            }
            self.answer_signals()?;
        }
        if fd == 1 {
            self.lines += data.iter().filter(|&&byte| byte == b'\n').count() as u64;
        }
        Ok(())
    }

    // Record

    /// Record the invocation, and tell whoever waits for it; the second time changes nothing.
    fn begin(&mut self) -> io::Result<()> {
        if self.has_begun {
            return Ok(());
        }
        let pid = std::process::id().to_string();
        self.call.add(&[
            ("argv", &self.argv.join(&0)),
            ("cwd", &self.cwd),
            ("environ", &self.environ),
            ("pid", pid.as_bytes()),
            ("started", b""),
        ])?;
        self.has_begun = true;
        wake_waiters(&self.stage);
        self.stdin.capture(&mut self.call)
    }

    /// Record the end; a negative `code` is a signal.
    fn record_end(&mut self, code: i32) -> io::Result<()> {
        self.begin()?;
        self.stdin.capture(&mut self.call)?;
        self.call
            .add(&[("exited", format!("{code} {}", self.lines).as_bytes())])?;
        wake_waiters(&self.stage);
        Ok(())
    }

    /// Record the end and exit. Signals are not looked at from here on: one would end the call twice.
    fn finish(&mut self, code: i32) -> ! {
        match self.record_end(code) {
            Ok(()) => sys::exit(code),
            Err(error) => give_up(&error.to_string()),
        }
    }

    /// Record why it could not be played, say it, and exit.
    fn end_broken(&mut self, text: &str) -> ! {
        // First on record: nobody may be left who reads what it writes.
        let _ = self
            .begin()
            .and_then(|()| self.call.add(&[("broken", text.as_bytes())]));
        let _ = self.record_end(BROKEN_EXIT);
        give_up(text)
    }
}

/// Return the environment as it was passed, `NAME=value` joined by zero bytes.
fn environment() -> Vec<u8> {
    // Room for most environments: without it they are read in pieces of 32, 64, 128 ... bytes, as the size is not known.
    let mut passed = Vec::with_capacity(CHUNK);
    let read = File::open("/proc/self/environ").and_then(|mut file| file.read_to_end(&mut passed));
    if read.is_err() {
        let variables = env::vars_os().map(|(name, value)| {
            [name.into_encoded_bytes(), value.into_encoded_bytes()].join(&b'=')
        });
        return variables.collect::<Vec<_>>().join(&0);
    }
    let end = passed.iter().rposition(|&byte| byte != 0);
    passed.truncate(end.map_or(0, |last| last + 1));
    passed
}
