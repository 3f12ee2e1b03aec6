//! A flowctl that holds the state and does not work: stopped by a signal, or hung. Told from one that works, and ended
//! by exactly the process that it is.

use std::time::Duration;

use flowctl_state::LogError;
use flowctl_state::directory::StateDirectory;
use flowctl_state::holder::{Condition, Holder};
use flowctl_steps::child::proc::Process;
use rustix::process::Signal;

use super::Cx;
use super::error::Error;
use super::output;
use crate::server::{Client, ClientError};

/// How often a holder is asked before it counts as hung; each time it has the time of a hello.
const ASKED: u32 = 2;
/// A killed process is waited for: this often, and this long each time.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

/// Says at once who holds the state when that process is stopped: it would not answer.
pub(super) fn refuse_if_stopped(directory: &StateDirectory) -> Result<(), Error> {
    match Holder::read(&directory.holder()) {
        Some(holder) if holder.condition() == Condition::Stopped => Err(LogError::Held {
            path: directory.path().into(),
            holder: Some(Box::new(holder)),
            stopped: true,
        }
        .into()),
        _ => Ok(()),
    }
}

/// What is said of a holder that was asked and did not answer.
pub(super) fn silent(directory: &StateDirectory) -> Error {
    let holder = Holder::read(&directory.holder());
    let named = holder
        .as_ref()
        .map_or_else(|| "another process".to_owned(), ToString::to_string);
    Error::Silent(named)
}

/// Ends the process that holds the state, if it is stopped or hung. One that answers is left alone, and that is an
/// error: what it does is steered by `flowctl cancel`.
pub(super) async fn end_holder(cx: &Cx) -> Result<(), Error> {
    let Some(directory) = StateDirectory::existing(&cx.state_directory()?)? else {
        return Ok(());
    };
    let Some(holder) = Holder::read(&directory.holder()) else {
        return Ok(());
    };
    let what = match holder.condition() {
        Condition::Gone => return Ok(()),
        Condition::Elsewhere => {
            return Err(Error::usage_with_help(
                format!("{holder} holds the state, and it is on another machine"),
                "end it there; a process can only be ended where it runs",
            ));
        }
        Condition::Stopped => "is stopped",
        Condition::Runs => match hangs(&directory).await? {
            Some(true) => "does not answer",
            Some(false) => {
                return Err(Error::usage_with_help(
                    format!("{holder} holds the state and works, so it is not taken over"),
                    "stop it with `flowctl cancel`; --take-over is for a holder that is stopped or hung",
                ));
            }
            // It reads, or has only just begun: it is waited for like any other.
            None => return Ok(()),
        },
    };
    end(&holder).await?;
    output::note(&format!(
        "{holder} {what}, so it was ended; the state is taken over"
    ));
    Ok(())
}

/// Whether the holder leaves its socket unanswered; `None`: it has none.
async fn hangs(directory: &StateDirectory) -> Result<Option<bool>, Error> {
    for _ in 0..ASKED {
        match Client::connect(directory).await {
            Ok(Some(_)) => return Ok(Some(false)),
            Ok(None) => return Ok(None),
            Err(ClientError::Silent) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(true))
}

/// Kills it by process id and start time, and waits until it is gone: nothing that it began to write is left to come.
async fn end(holder: &Holder) -> Result<(), Error> {
    let pid = i32::try_from(holder.pid)
        .map_err(|_| Error::usage(format!("holder.json names no process: {}", holder.pid)))?;
    let process = Process {
        start_time: holder.start_ticks,
        pid,
    };
    process.signal(Signal::KILL);
    for _ in 0..TRIES {
        if !process.lives() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::usage_with_help(
        format!("{holder} cannot be ended"),
        "it may belong to another user, or wait for a disk that does not answer",
    ))
}
