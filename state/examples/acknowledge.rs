//! Appends marked events and says when each is acknowledged, for `tests/fdatasync.sh` to watch.
//!
//! `acknowledge DIRECTORY APPENDS AT_ONCE` lets so many tasks append at the same time. Every third
//! record is so long that the log cuts it.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use flowctl_state::directory::StateDirectory;
use flowctl_state::disk_log::DiskLog;
use flowctl_state::event::{Event, Seq};
use flowctl_state::hold::Hold;
use flowctl_state::log::Append;
use flowctl_state::writer::LogWriter;
use flowctl_workflows::{RunId, StepId};
use serde_json::json;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, appends, at_once] = arguments.as_slice() else {
        return Err("usage: acknowledge DIRECTORY APPENDS AT_ONCE".into());
    };
    let (appends, at_once): (u64, u64) = (appends.parse()?, at_once.parse()?);
    let directory = StateDirectory::create(Path::new(directory))?;
    let hold = Hold::to_write(&directory, "acknowledge", jiff::Timestamp::UNIX_EPOCH)?;
    let writer = LogWriter::start(Arc::<DiskLog>::clone(hold.log()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let tasks: Vec<_> = (0..at_once)
        .map(|task| {
            runtime.spawn(append(
                writer.clone(),
                task,
                appends / at_once,
                at_once == 1,
            ))
        })
        .collect();
    for task in tasks {
        runtime.block_on(task)??;
    }
    Ok(())
}

async fn append(writer: LogWriter, task: u64, appends: Seq, alone: bool) -> Result<(), Failure> {
    let run = RunId::new(format!("run-{task}"))?;
    for seq in 0..appends {
        let mark = format!("{task:03}_{seq:05}");
        let length = if seq % 3 == 2 { 20_000 } else { 50 };
        // The marks stand at both ends of the record.
        let event = Event::StepSucceeded {
            step: StepId::new(format!("head_{mark}"))?,
            attempt: 1,
            output: json!(format!("{}tail_{mark}", "x".repeat(length))),
            findings: Vec::new(),
            evidence: Vec::new(),
        };
        let append = Append {
            run: run.clone(),
            expected: seq,
            at: jiff::Timestamp::UNIX_EPOCH,
            events: vec![event],
        };
        // As a run does: who is alone waits for the disk itself.
        match alone {
            true => writer.append_here(append)?,
            false => writer.append(append).await?,
        };
        let mut out = std::io::stdout().lock();
        out.write_all(format!("acknowledged head_{mark} tail_{mark}\n").as_bytes())?;
        out.flush()?;
    }
    Ok(())
}
