//! The log, written anew without what nobody wants any more.
//!
//! The store gives room back to itself, but not to the file system: after a removal its file is as long
//! as before. And a removal of many records at once is the one change in which a power cut can catch
//! sled (`docs/decisions/0011-power-loss.md`). So what stays is copied, and the copy takes the log's
//! place. Owns the copy, and when it is worth the work.

use std::ops::ControlFlow;
use std::path::Path;

use flowctl_workflows::RunId;

use crate::error::LogError;
use crate::event::Epoch;
use crate::exchange::{exchange, unfinished};
use crate::hold::Hold;
use crate::log::EventLog;
use crate::sled_log::SledLog;

/// A log that is not longer than this is not worth the work.
const SMALL: u64 = 4 * 1024 * 1024;

/// Whether the log is so much longer than its records that it should be written anew.
pub(crate) fn is_loose(log: &Path, live: u64) -> Result<bool, LogError> {
    let db = log.join("db");
    let about = std::fs::metadata(&db).map_err(|error| LogError::io("look at", &db, error))?;
    Ok(about.len() > SMALL.max(4 * live))
}

/// Writes the log anew without these runs. What is returned keeps others out when the state is let go.
pub(crate) fn without(hold: &Hold, runs: &[RunId]) -> Result<SledLog, LogError> {
    let path = hold.directory().log();
    let Some(epoch) = hold.epoch() else {
        return Err(LogError::ReadingOnly { path });
    };
    let heads = hold.log().heads()?.into_iter().map(|(run, _)| run);
    let staying: Vec<RunId> = heads.filter(|run| !runs.contains(run)).collect();
    let made = unfinished(&path)?;
    let fresh = copy(hold.log(), &staying, made.path(), epoch)?;
    hold.log().retire();
    exchange(made, &path)?;
    Ok(fresh)
}

/// Copies these runs, and compares.
fn copy(from: &SledLog, runs: &[RunId], to: &Path, epoch: Epoch) -> Result<SledLog, LogError> {
    let copied = SledLog::open(to)?.writing_as(epoch);
    for run in runs {
        copied.restore(run, records(from, run)?)?;
    }
    // Asked for the ends of the runs, it notes them when it is closed.
    copied.heads()?;
    drop(copied);
    let copied = SledLog::open(to)?;
    for run in runs {
        if records(from, run)? != records(&copied, run)? {
            return Err(LogError::Store {
                path: to.into(),
                what: format!("the copy of run {run} is not what was copied"),
            });
        }
    }
    Ok(copied)
}

fn records(log: &SledLog, run: &RunId) -> Result<Vec<Vec<u8>>, LogError> {
    let mut records = Vec::new();
    log.records(run, 0, &mut |_, record| {
        records.push(record.to_vec());
        ControlFlow::Continue(())
    })?;
    Ok(records)
}
