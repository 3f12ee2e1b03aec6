//! Who waits for the disk: the loop itself when nothing of the run is under way, and otherwise the log's writer.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::thread::{ThreadId, current};

use flowctl_state::LogError;
use flowctl_state::event::{Envelope, Seq};
use flowctl_state::log::{Append, EventLog, Record};
use flowctl_state::memory_log::MemoryLog;
use flowctl_state::writer::LogWriter;
use flowctl_workflows::RunId;
use flowctl_workflows::plan::PlanStep;
use serde_json::json;

use super::scripted::{Silent, environment, plan, step};
use crate::executor::Executor;

/// Notes on which thread each commit is.
struct Watched {
    log: Arc<MemoryLog>,
    threads: Mutex<Vec<ThreadId>>,
}

impl EventLog for Watched {
    fn commit(&self, appends: Vec<Append>) -> Vec<Result<Vec<Envelope>, LogError>> {
        self.threads.lock().unwrap().push(current().id());
        self.log.commit(appends)
    }
    fn records(
        &self,
        run: &RunId,
        from: Seq,
        visit: &mut dyn FnMut(Seq, Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        self.log.records(run, from, visit)
    }
    fn heads(&self) -> Result<Vec<(RunId, Seq)>, LogError> {
        self.log.heads()
    }
    fn restore(&self, run: &RunId, records: Vec<Vec<u8>>) -> Result<(), LogError> {
        self.log.restore(run, records)
    }
}

/// For each commit after the run's first event, whether the loop made it itself.
async fn by_the_loop(run: &str, steps: Vec<PlanStep>) -> Vec<bool> {
    let directory = tempfile::tempdir().unwrap();
    let log = Arc::new(MemoryLog::new());
    let watched = Arc::new(Watched {
        log: Arc::clone(&log),
        threads: Mutex::default(),
    });
    let mut environment =
        Arc::into_inner(environment(&log, run, directory.path())).expect("nobody else has it");
    environment.log = LogWriter::start(Arc::clone(&watched) as Arc<dyn EventLog>).unwrap();
    let id = RunId::new(run).unwrap();
    let executor = Executor::start(Arc::new(environment), id, plan(steps), 8, vec![])
        .await
        .unwrap();
    executor.run(&mut Silent).await.unwrap();
    let threads = watched.threads.lock().unwrap();
    let own = current().id();
    threads.iter().skip(1).map(|id| *id == own).collect()
}

#[tokio::test(start_paused = true)]
async fn a_chain_is_stored_by_the_loop() {
    let chain = vec![step("a", &[], json!({})), step("b", &[0], json!({}))];
    assert_eq!(
        by_the_loop("writing-chain", chain).await,
        [true, true, true]
    );
}

#[tokio::test(start_paused = true)]
async fn what_ends_while_another_step_goes_on_keeps_nobody_waiting() {
    let both = vec![
        step("a", &[], json!({"takes": 1})),
        step("b", &[], json!({"takes": 2})),
    ];
    assert_eq!(
        by_the_loop("writing-both", both).await,
        [true, false, true],
        "the starts, the end of the first, the end of the second"
    );
}
