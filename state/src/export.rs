//! A run as text: one line of JSON an event, exactly as stored, so that hashes can be checked.
//!
//! Owns the writing of it; `import` reads it back.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use flowctl_workflows::RunId;

use crate::chain::Chain;
use crate::error::LogError;
use crate::log::EventLog;

/// Writes the events of a run to `out` and returns how many they are.
///
/// # Errors
/// [`LogError::Damaged`] or [`LogError::Newer`] at the first event that cannot be trusted; those before
/// it are written, which is how a damaged run is saved. [`LogError::UnknownRun`]; [`LogError::Io`].
pub fn export(log: &dyn EventLog, run: &RunId, out: &mut dyn Write) -> Result<u64, LogError> {
    let mut chain = Chain::new(run.clone());
    let mut failure = None;
    log.records(run, 0, &mut |seq, record| {
        let written = chain.accept(seq, record).and_then(|_| {
            let written = out.write_all(&record).and_then(|()| out.write_all(b"\n"));
            written.map_err(|error| LogError::io("write", Path::new("the export"), error))
        });
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    match failure {
        Some(failure) => Err(failure),
        // What is missing at the end is known to the log alone.
        None => log
            .replay(run, chain.next(), &mut |_| ControlFlow::Continue(()))
            .map(|()| chain.next()),
    }
}
