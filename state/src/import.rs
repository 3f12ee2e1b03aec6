//! An export becomes part of a state again.
//!
//! Owns the rules: a run comes in whole or not at all, after its chain was followed, and never
//! replaces one that is here. A line that cannot be read stops the whole import, because it cannot be
//! trusted to say which run it belongs to.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::ops::ControlFlow;
use std::path::Path;

use flowctl_workflows::RunId;

use crate::chain::Chain;
use crate::codec::{self, Unreadable};
use crate::error::LogError;
use crate::event::Epoch;
use crate::log::EventLog;

/// What came of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// The runs that are in the state now and were not before, with the number of their events.
    pub runs: Vec<(RunId, u64)>,
    /// Runs of the export that were here already, the same to the byte.
    pub present: Vec<RunId>,
    /// All that is wrong with the export, in the order of its lines.
    pub problems: Vec<Problem>,
    /// The greatest epoch among the events: later holders must be counted from there.
    pub epoch: Epoch,
}

/// Something wrong with an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The run that is not imported for it; `None`: nothing is.
    pub run: Option<RunId>,
    /// What is wrong.
    pub what: String,
}

#[derive(Debug)]
struct Incoming {
    first_line: usize,
    chain: Chain,
    records: Vec<Vec<u8>>,
    sound: bool,
}

/// Reads an export and stores its runs.
///
/// # Errors
/// What the log or the reader says. What is wrong with the export itself is in
/// [`Imported::problems`].
pub fn import(log: &dyn EventLog, mut reader: &mut dyn BufRead) -> Result<Imported, LogError> {
    let mut imported = Imported::default();
    let runs = read(&mut reader, &mut imported)?;
    if imported
        .problems
        .iter()
        .any(|problem| problem.run.is_none())
    {
        return Ok(imported);
    }
    for (run, incoming) in runs {
        if !incoming.sound {
            continue;
        }
        match difference(log, &run, &incoming.records)? {
            Difference::NotHere => {
                let events = incoming.records.len() as u64;
                log.restore(&run, incoming.records)?;
                imported.runs.push((run, events));
            }
            Difference::None => imported.present.push(run),
            Difference::At(seq) => imported.problems.push(Problem {
                line: incoming.first_line,
                what: format!("run {run} is here already, and differs from event {seq} on"),
                run: Some(run),
            }),
        }
    }
    imported.problems.sort_by_key(|problem| problem.line);
    Ok(imported)
}

fn read(
    reader: &mut &mut dyn BufRead,
    imported: &mut Imported,
) -> Result<BTreeMap<RunId, Incoming>, LogError> {
    let mut runs: BTreeMap<RunId, Incoming> = BTreeMap::new();
    for line in 1.. {
        let mut record = Vec::new();
        // Two more than the longest record: the newline, and one to see that it is too long.
        let limit = codec::LONGEST as u64 + 2;
        let length = reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut record)
            .map_err(|error| LogError::io("read", Path::new("the import"), error))?;
        if length == 0 {
            break;
        }
        let whole = record.pop_if(|last| *last == b'\n').is_some();
        let problem = |run: Option<RunId>, what: String| Problem { line, run, what };
        if !whole && length as u64 == limit {
            imported.problems.push(problem(
                None,
                format!("the line has more than {} bytes", codec::LONGEST),
            ));
            break;
        }
        let envelope = match codec::decode(&record) {
            Ok(envelope) => envelope,
            Err(Unreadable::Damaged(what)) => {
                imported.problems.push(problem(None, what));
                continue;
            }
            Err(Unreadable::Newer(format)) => {
                let what = format!("it was written by a newer flowctl, in format {format}");
                imported.problems.push(problem(None, what));
                continue;
            }
        };
        imported.epoch = imported.epoch.max(envelope.epoch);
        let incoming = runs
            .entry(envelope.run.clone())
            .or_insert_with(|| Incoming {
                first_line: line,
                chain: Chain::new(envelope.run.clone()),
                records: Vec::new(),
                sound: true,
            });
        if !incoming.sound {
            continue;
        }
        match incoming.chain.accept(envelope.seq, &record) {
            Ok(_) => incoming.records.push(record),
            Err(error) => {
                incoming.sound = false;
                incoming.records = Vec::new();
                imported
                    .problems
                    .push(problem(Some(envelope.run), error.to_string()));
            }
        }
    }
    Ok(runs)
}

enum Difference {
    NotHere,
    None,
    At(u64),
}

/// Where the stored run and the incoming one part.
fn difference(
    log: &dyn EventLog,
    run: &RunId,
    incoming: &[Vec<u8>],
) -> Result<Difference, LogError> {
    let mut same = 0;
    let mut longer = false;
    let compared = log.records(run, 0, &mut |_, record| match incoming.get(same) {
        Some(other) if **other == *record => {
            same += 1;
            ControlFlow::Continue(())
        }
        _ => {
            longer = true;
            ControlFlow::Break(())
        }
    });
    match compared {
        Err(LogError::UnknownRun { .. }) => Ok(Difference::NotHere),
        Err(error) => Err(error),
        Ok(()) if same == incoming.len() && !longer => Ok(Difference::None),
        Ok(()) => Ok(Difference::At(same as u64)),
    }
}
