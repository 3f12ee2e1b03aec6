//! The event log: what it promises, whoever keeps it.
//!
//! Owns the contract. Acknowledged means durable; the events of one append are stored all or none;
//! nothing unacknowledged is ever read; what is read was checked against the chain. It never
//! interprets an event.

use std::ops::{ControlFlow, Deref};

use flowctl_workflows::RunId;
use sha2::Sha256;

use crate::chain::{Chain, Head};
use crate::codec;
use crate::error::LogError;
use crate::event::{Envelope, Event, Seq};

/// A request to add events to the end of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// Which run.
    pub run: RunId,
    /// The place of the first event; the append is refused if the run does not end just before it.
    pub expected: Seq,
    /// When it happened.
    pub at: jiff::Timestamp,
    /// What happened.
    pub events: Vec<Event>,
}

/// What a list of runs shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummaryRow {
    /// Which run.
    pub run: RunId,
    /// The place of its last event.
    pub last: Seq,
    /// When it started; `None` if its first record cannot be read.
    pub started: Option<jiff::Timestamp>,
}

/// A record as stored. Whoever had to put it together has its hash already.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    bytes: &'a [u8],
    made: Option<&'a Sha256>,
}

impl<'a> Record<'a> {
    /// A record that ends in the checksum which was made of it just now, with the hash of all of it.
    pub(crate) fn made(bytes: &'a [u8], hash: &'a Sha256) -> Self {
        Self {
            bytes,
            made: Some(hash),
        }
    }

    /// The hash of all of it, to be finished, if its checksum needs no check.
    pub(crate) fn hash(&self) -> Option<&Sha256> {
        self.made
    }
}

impl<'a, B: AsRef<[u8]> + ?Sized> From<&'a B> for Record<'a> {
    fn from(bytes: &'a B) -> Self {
        Self {
            bytes: bytes.as_ref(),
            made: None,
        }
    }
}

impl Deref for Record<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

/// Looks at one stored record; `Break` ends the reading.
pub type Visit<'a> = &'a mut dyn FnMut(Seq, Record<'_>) -> ControlFlow<()>;

/// Keeps the events of runs.
pub trait EventLog: Send + Sync {
    /// Stores several appends with one wait for the disk, in the order given. Returns when all of
    /// them are durable, with one answer for each.
    ///
    /// A [`LogError::Conflict`] or [`LogError::Unstorable`] concerns its append alone. Any other error
    /// is given to all of them, and to every later append: it is not known what reached the disk.
    fn commit(&self, appends: Vec<Append>) -> Vec<Result<Vec<Envelope>, LogError>>;

    /// Shows the acknowledged records of a run from `from` on, as stored and unchecked, in order.
    ///
    /// # Errors
    /// [`LogError::UnknownRun`], or what the store says.
    fn records(&self, run: &RunId, from: Seq, visit: Visit<'_>) -> Result<(), LogError>;

    /// The runs with the place of their last event, in no order.
    ///
    /// # Errors
    /// What the store says.
    fn heads(&self) -> Result<Vec<(RunId, Seq)>, LogError>;

    /// How far a run is known to have come from elsewhere than from its records, if it is known.
    fn noted(&self, _run: &RunId) -> Option<Head> {
        None
    }

    /// The runs of which that is known, also those whose records are gone.
    fn noted_runs(&self) -> Vec<RunId> {
        Vec::new()
    }

    /// Stores the records of a run that is not here yet, exactly as given. All or nothing; the caller
    /// has followed their chain.
    ///
    /// # Errors
    /// [`LogError::Conflict`] if there is such a run already.
    fn restore(&self, run: &RunId, records: Vec<Vec<u8>>) -> Result<(), LogError>;

    /// Adds events to the end of a run. Returns when they are durable.
    ///
    /// # Errors
    /// As for [`EventLog::commit`].
    fn append(
        &self,
        run: &RunId,
        expected: Seq,
        at: jiff::Timestamp,
        events: Vec<Event>,
    ) -> Result<Vec<Envelope>, LogError> {
        let append = Append {
            run: run.clone(),
            expected,
            at,
            events,
        };
        self.commit(vec![append])
            .pop()
            .unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Shows the events of a run from `from` on, each checked against the chain, without holding
    /// more than one of them.
    ///
    /// # Errors
    /// [`LogError::Damaged`] and [`LogError::Newer`] at the first event that cannot be trusted, after
    /// those before it were shown; [`LogError::UnknownRun`]; or what the store says.
    fn replay(
        &self,
        run: &RunId,
        from: Seq,
        visit: &mut dyn FnMut(Envelope) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        let noted = self.noted(run);
        let mut chain = None;
        let mut failure = None;
        let mut ended = true;
        let shown = self.records(run, from.saturating_sub(1), &mut |seq, record| {
            let chain =
                chain.get_or_insert_with(|| Chain::starting(run.clone(), seq, from, &record));
            if seq < from {
                return ControlFlow::Continue(());
            }
            let flow = match chain.accept(seq, record).and_then(|envelope| {
                chain.confirm(noted.as_ref())?;
                Ok(envelope)
            }) {
                Ok(envelope) => visit(envelope),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            };
            ended = flow.is_continue();
            flow
        });
        match (shown, &noted) {
            (Err(LogError::UnknownRun { .. }), Some(noted)) => return Err(lost(run, 0, noted)),
            (shown, _) => shown?,
        }
        let next = chain.map_or(from, |chain| chain.next());
        match (failure, noted) {
            (Some(failure), _) => Err(failure),
            (None, Some(noted)) if ended && noted.last >= next => Err(lost(run, next, &noted)),
            (None, _) => Ok(()),
        }
    }

    /// All events of a run, checked.
    ///
    /// # Errors
    /// As for [`EventLog::replay`].
    fn read(&self, run: &RunId) -> Result<Vec<Envelope>, LogError> {
        let mut envelopes = Vec::new();
        self.replay(run, 0, &mut |envelope| {
            envelopes.push(envelope);
            ControlFlow::Continue(())
        })?;
        Ok(envelopes)
    }

    /// The runs, the newest first.
    ///
    /// # Errors
    /// What the store says. A run whose first record is damaged is listed, as the oldest.
    fn runs(&self) -> Result<Vec<RunSummaryRow>, LogError> {
        let mut rows = Vec::new();
        for (run, last) in self.heads()? {
            let mut started = None;
            self.records(&run, 0, &mut |seq, record| {
                if seq == 0 {
                    started = codec::decode_header(&record).ok().map(|header| header.at);
                }
                ControlFlow::Break(())
            })?;
            rows.push(RunSummaryRow { run, last, started });
        }
        rows.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| b.run.cmp(&a.run)));
        Ok(rows)
    }
}

fn lost(run: &RunId, seq: Seq, noted: &Head) -> LogError {
    let what = format!(
        "events up to {} were acknowledged, but the log ends before it",
        noted.last
    );
    LogError::Damaged {
        run: run.clone(),
        seq,
        what,
    }
}
