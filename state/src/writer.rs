//! The one writer of a log, for asynchronous callers.
//!
//! Owns a thread and a queue: appends that wait while the disk is busy are committed together, so
//! many steps that end at once share one wait for the disk. After the first failure nothing more is
//! written, because what reached the disk is then unknown.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use flowctl_workflows::RunId;
use tokio::sync::oneshot;

use crate::error::LogError;
use crate::event::{Envelope, Event, Seq};
use crate::log::{Append, EventLog};

/// More appends than this do not share a wait for the disk, so that the first of them is not kept
/// waiting by the rest.
const TOGETHER: usize = 1024;

type Answer = Result<Vec<Envelope>, LogError>;

struct Request {
    append: Append,
    answer: oneshot::Sender<Answer>,
}

/// A handle to the writer; clones share it. When the last one is dropped, what is queued is written
/// and the thread ends.
#[derive(Clone)]
pub struct LogWriter {
    log: Arc<dyn EventLog>,
    mode: Mode,
}

#[derive(Clone)]
enum Mode {
    InPlace(Arc<Mutex<Gate>>),
    Thread(Arc<Thread>),
}

struct Thread {
    requests: Option<Sender<Request>>,
    handle: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Starts the thread that writes to `log`.
    ///
    /// # Errors
    /// [`LogError::Io`] if the system has no thread left.
    pub fn start(log: Arc<dyn EventLog>) -> Result<Self, LogError> {
        let (requests, queue) = channel();
        let owned = Arc::clone(&log);
        let handle = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || write(owned.as_ref(), &queue))
            .map_err(|error| {
                LogError::io("start a thread for", std::path::Path::new("the log"), error)
            })?;
        let thread = Thread {
            requests: Some(requests),
            handle: Some(handle),
        };
        Ok(Self {
            log,
            mode: Mode::Thread(Arc::new(thread)),
        })
    }

    /// A writer that writes while it is called. For tests under paused time, which would run on while
    /// another thread works; not for a log that waits for a disk.
    #[must_use]
    pub fn in_place(log: Arc<dyn EventLog>) -> Self {
        Self {
            log,
            mode: Mode::InPlace(Arc::default()),
        }
    }

    /// The log, for reading.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// Adds events to the end of a run and waits until they are durable. An append that was asked for
    /// is done even if nobody waits for it any more.
    ///
    /// # Errors
    /// As for [`EventLog::commit`]; [`LogError::Stopped`] once a commit has failed.
    pub async fn append(
        &self,
        run: &RunId,
        expected: Seq,
        at: jiff::Timestamp,
        events: Vec<Event>,
    ) -> Answer {
        let append = Append {
            run: run.clone(),
            expected,
            at,
            events,
        };
        let thread = match &self.mode {
            Mode::Thread(thread) => thread,
            Mode::InPlace(gate) => {
                let mut gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
                return gate
                    .commit(self.log.as_ref(), vec![append])
                    .pop()
                    .unwrap_or_else(gone);
            }
        };
        let (answer, answered) = oneshot::channel();
        let sent = thread
            .requests
            .as_ref()
            .is_some_and(|requests| requests.send(Request { append, answer }).is_ok());
        if !sent {
            return gone();
        }
        answered.await.unwrap_or_else(|_| gone())
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(handle) = self.handle.take()
            && handle.join().is_err()
        {
            tracing::error!("the log's writer panicked");
        }
    }
}

fn write(log: &dyn EventLog, queue: &Receiver<Request>) {
    let mut gate = Gate::default();
    while let Ok(first) = queue.recv() {
        let (appends, answers): (Vec<_>, Vec<_>) = std::iter::once(first)
            .chain(queue.try_iter())
            .take(TOGETHER)
            .map(|request| (request.append, request.answer))
            .unzip();
        for (answer, result) in answers.into_iter().zip(gate.commit(log, appends)) {
            // Whoever asked may be gone; the events are stored all the same.
            let _ = answer.send(result);
        }
    }
}

/// Lets nothing through after the first failure.
#[derive(Default)]
struct Gate {
    stopped: Option<LogError>,
}

impl Gate {
    fn commit(&mut self, log: &dyn EventLog, appends: Vec<Append>) -> Vec<Answer> {
        if let Some(first) = &self.stopped {
            return vec![
                Err(LogError::Stopped {
                    first: Box::new(first.clone())
                });
                appends.len()
            ];
        }
        let answers = log.commit(appends);
        self.stopped = answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .find(|error| !error.concerns_one_append())
            .cloned();
        answers
    }
}

fn gone() -> Answer {
    let gone = std::io::Error::other("its writer is gone");
    Err(LogError::io(
        "append to",
        std::path::Path::new("the log"),
        gone,
    ))
}
