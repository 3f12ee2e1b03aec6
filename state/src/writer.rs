//! The one writer of a log, for asynchronous callers.
//!
//! Owns a thread and a queue: appends that wait while the disk is busy are committed together, so
//! many steps that end at once share one wait for the disk. After the first failure nothing more is
//! written, because what reached the disk is then unknown.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::error::LogError;
use crate::event::Envelope;
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
    gate: Arc<Mutex<Gate>>,
    thread: Option<Arc<Thread>>,
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
        let gate = Arc::default();
        let (owned, shared) = (Arc::clone(&log), Arc::clone(&gate));
        let handle = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || write(owned.as_ref(), &shared, &queue))
            .map_err(|error| {
                LogError::io("start a thread for", std::path::Path::new("the log"), error)
            })?;
        let thread = Thread {
            requests: Some(requests),
            handle: Some(handle),
        };
        Ok(Self {
            log,
            gate,
            thread: Some(Arc::new(thread)),
        })
    }

    /// A writer without a thread, that always writes while it is called. For tests under paused time, which would run on
    /// while another thread works; not for a log that waits for a disk.
    #[must_use]
    pub fn in_place(log: Arc<dyn EventLog>) -> Self {
        Self {
            log,
            gate: Arc::default(),
            thread: None,
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
    pub async fn append(&self, append: Append) -> Answer {
        let Some(thread) = &self.thread else {
            return self.append_here(append);
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

    /// The same on the caller's own thread, which waits for the disk: two wakings less, for a caller with nothing else
    /// to do meanwhile. An append of the same run must not be under way.
    ///
    /// # Errors
    /// As for [`LogWriter::append`].
    pub fn append_here(&self, append: Append) -> Answer {
        commit(self.log.as_ref(), &self.gate, vec![append])
            .pop()
            .unwrap_or_else(gone)
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

fn write(log: &dyn EventLog, gate: &Mutex<Gate>, queue: &Receiver<Request>) {
    while let Ok(first) = queue.recv() {
        let (appends, answers): (Vec<_>, Vec<_>) = std::iter::once(first)
            .chain(queue.try_iter())
            .take(TOGETHER)
            .map(|request| (request.append, request.answer))
            .unzip();
        for (answer, result) in answers.into_iter().zip(commit(log, gate, appends)) {
            // Whoever asked may be gone; the events are stored all the same.
            let _ = answer.send(result);
        }
    }
}

fn commit(log: &dyn EventLog, gate: &Mutex<Gate>, appends: Vec<Append>) -> Vec<Answer> {
    let mut gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
    gate.commit(log, appends)
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
