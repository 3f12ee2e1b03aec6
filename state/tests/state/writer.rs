//! The writer: what waits together is committed together, and a failure is the last word.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use flowctl_state::LogError;
use flowctl_state::event::{Envelope, Event, Seq};
use flowctl_state::log::{Append, EventLog, Visit};
use flowctl_state::memory_log::{Fault, MemoryLog};
use flowctl_state::writer::LogWriter;
use flowctl_workflows::RunId;

use crate::support::{moment, run, started, step};

/// A log whose every commit says how many appends it has, and then waits for leave.
struct Slow {
    memory: MemoryLog,
    sizes: Mutex<Sender<usize>>,
    leave: Mutex<Receiver<()>>,
}

impl EventLog for Slow {
    fn commit(&self, appends: Vec<Append>) -> Vec<Result<Vec<Envelope>, LogError>> {
        self.sizes.lock().unwrap().send(appends.len()).unwrap();
        self.leave.lock().unwrap().recv().unwrap();
        self.memory.commit(appends)
    }
    fn records(&self, run: &RunId, from: Seq, visit: Visit<'_>) -> Result<(), LogError> {
        self.memory.records(run, from, visit)
    }
    fn heads(&self) -> Result<Vec<(RunId, Seq)>, LogError> {
        self.memory.heads()
    }
    fn restore(&self, run: &RunId, records: Vec<Vec<u8>>) -> Result<(), LogError> {
        self.memory.restore(run, records)
    }
}

fn append(run: &RunId, expected: Seq, events: Vec<Event>) -> Append {
    Append {
        run: run.clone(),
        expected,
        at: moment(0),
        events,
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn appends_that_wait_share_the_next_commit() {
    let (sizes, committed) = channel();
    let (leave, leaves) = channel();
    let log = Arc::new(Slow {
        memory: MemoryLog::new(),
        sizes: Mutex::new(sizes),
        leave: Mutex::new(leaves),
    });
    let writer = LogWriter::start(log.clone()).unwrap();
    let names: Vec<RunId> = (0..40).map(|n| run(&format!("r{n}"))).collect();
    let mut waiting: Vec<_> = names
        .iter()
        .map(|run| Box::pin(writer.append(append(run, 0, vec![started()]))))
        .collect();
    // Polled once, an append stands in the queue.
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting[0].as_mut().poll(&mut context).is_pending());
    assert_eq!(
        committed.recv().unwrap(),
        1,
        "the first does not wait for others"
    );
    for append in &mut waiting[1..] {
        assert!(append.as_mut().poll(&mut context).is_pending());
    }
    leave.send(()).unwrap();
    assert_eq!(committed.recv().unwrap(), 39, "all that came meanwhile");
    leave.send(()).unwrap();
    for append in waiting {
        assert_eq!(block_on(append).unwrap().len(), 1);
    }
    assert_eq!(log.runs().unwrap().len(), 40);
}

#[test]
fn an_append_nobody_waits_for_any_more_is_done_all_the_same() {
    let log = Arc::new(MemoryLog::new());
    let writer = LogWriter::start(log.clone()).unwrap();
    let a = run("a");
    {
        let mut append = Box::pin(writer.append(append(&a, 0, vec![started()])));
        let _: Poll<_> = append
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
    }
    drop(writer);
    assert_eq!(
        log.read(&a).unwrap().len(),
        1,
        "dropping the last handle waits for the queue"
    );
}

#[test]
fn after_a_failure_nothing_more_is_written() {
    for fault in [Fault::Refuse, Fault::Tear, Fault::Crash] {
        for here in [[true, true], [false, false], [true, false], [false, true]] {
            let log = Arc::new(MemoryLog::new().failing(2, fault));
            let writer = LogWriter::start(log.clone()).unwrap();
            let a = run("a");
            let mut turns = here.iter().cycle();
            // By the caller's thread, by the writer's, by both in turn: they share what stopped them.
            let mut append = |expected, name: &str| {
                let append = append(&a, expected, vec![step(name, 1), step(name, 2)]);
                match turns.next() {
                    Some(true) => writer.append_here(append),
                    _ => block_on(writer.append(append)),
                }
            };
            append(0, "one").unwrap();
            assert!(
                matches!(append(7, "early"), Err(LogError::Conflict { .. })),
                "concerns itself alone"
            );
            assert!(
                matches!(append(2, "two"), Err(LogError::Io { .. })),
                "{fault:?}"
            );
            assert!(
                matches!(append(2, "three"), Err(LogError::Stopped { .. })),
                "{fault:?}"
            );
            assert!(
                matches!(append(4, "three"), Err(LogError::Stopped { .. })),
                "{fault:?}"
            );
            let stored = log.reopened().read(&a).unwrap().len();
            assert_eq!(
                stored,
                match fault {
                    Fault::Refuse => 2,
                    Fault::Tear => 3,
                    Fault::Crash => 4,
                }
            );
        }
    }
}

#[test]
fn a_reader_sees_what_was_acknowledged() {
    let writer = LogWriter::start(Arc::new(MemoryLog::new())).unwrap();
    let a = run("a");
    let written = block_on(writer.append(append(&a, 0, vec![started()]))).unwrap();
    let mut seen = Vec::new();
    writer
        .log()
        .replay(&a, 0, &mut |envelope| {
            seen.push(envelope);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen, written);
}
