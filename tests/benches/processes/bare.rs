//! What the machine itself can do: the loops that no orchestrator can beat.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};

use rustix::process::{WaitOptions, wait};

use crate::Failure;

/// `COUNT BYTES FILE`: appends records one after the other, each durable before the next.
pub(crate) fn append(arguments: &[String]) -> Result<(), Failure> {
    let [count, bytes, file] = arguments else {
        return Err("usage: append COUNT BYTES FILE".into());
    };
    let (count, bytes): (usize, usize) = (count.parse()?, bytes.parse()?);
    let record = vec![b'x'; bytes];
    let mut log = OpenOptions::new().create(true).append(true).open(file)?;
    for _ in 0..count {
        log.write_all(&record)?;
        log.sync_data()?;
    }
    Ok(())
}

/// `COUNT WIDE PROGRAM ARGUMENTS…`: starts it again and again, so many at once. The standard library starts a plain
/// command by `posix_spawn`.
pub(crate) fn spawn(arguments: &[String]) -> Result<(), Failure> {
    let [count, wide, program, arguments @ ..] = arguments else {
        return Err("usage: spawn COUNT WIDE PROGRAM ARGUMENTS…".into());
    };
    let (count, wide): (usize, usize) = (count.parse()?, wide.parse()?);
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let mut running = 0;
    for _ in 0..count {
        if running == wide {
            reap()?;
            running -= 1;
        }
        drop(command.spawn()?);
        running += 1;
    }
    (0..running).try_for_each(|_| reap())
}

fn reap() -> Result<(), Failure> {
    match wait(WaitOptions::empty())? {
        Some((_, status)) if status.exit_status() == Some(0) => Ok(()),
        other => Err(format!("a child ended badly: {other:?}").into()),
    }
}
