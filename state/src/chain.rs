//! The chain of a run: each record holds the hash of the one before it.
//!
//! Owns the making of records (`seal_all`) and the following of them (`Chain`), which both logs, the
//! check and the import share, so that there is one idea of what a whole run is. It never stores.

use std::collections::HashMap;

use flowctl_workflows::RunId;

use crate::codec::{self, Unreadable};
use crate::error::LogError;
use crate::event::{Envelope, Epoch, FORMAT, Seq};
use crate::log::{Append, Record};

/// The end of a run: where the next record goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The last record's place.
    pub last: Seq,
    /// SHA-256 of the last record as stored.
    pub sha256: String,
}

/// Records that may be stored, with the envelopes that they hold.
#[derive(Debug)]
pub struct Sealed {
    /// What the caller gets back once the records are durable.
    pub envelopes: Vec<Envelope>,
    /// What goes to the disk, in the same order.
    pub records: Vec<Vec<u8>>,
}

/// The ends of runs by run; `None`: nothing is stored of it.
pub type Heads = HashMap<RunId, Option<Head>>;

/// Turns appends into records that follow the runs' ends, and moves the ends in `heads` on.
/// `look_up` finds the end of a run that is not in `heads`.
///
/// Each answer is that of one append: [`LogError::Conflict`] if the run's end is not where it expected
/// it, [`LogError::Unstorable`], or what `look_up` says. An append with an error leaves no trace.
pub fn seal_all(
    appends: Vec<Append>,
    epoch: Epoch,
    heads: &mut Heads,
    look_up: impl Fn(&RunId) -> Result<Option<Head>, LogError>,
) -> Vec<Result<Sealed, LogError>> {
    let mut seal = |append: Append| {
        let run = append.run.clone();
        if !heads.contains_key(&run) {
            heads.insert(run.clone(), look_up(&run)?);
        }
        let (sealed, head) = seal(append, heads.get(&run).cloned().flatten(), epoch)?;
        heads.insert(run, head);
        Ok(sealed)
    };
    appends.into_iter().map(&mut seal).collect()
}

fn seal(
    append: Append,
    mut head: Option<Head>,
    epoch: Epoch,
) -> Result<(Sealed, Option<Head>), LogError> {
    let Append {
        run,
        expected,
        at,
        events,
    } = append;
    let found = head.as_ref().map_or(0, |head| head.last + 1);
    if expected != found {
        return Err(LogError::Conflict {
            run,
            expected,
            found,
        });
    }
    let mut sealed = Sealed {
        envelopes: Vec::new(),
        records: Vec::new(),
    };
    for (seq, event) in (expected..).zip(events) {
        let prev = head.take().map_or_else(String::new, |head| head.sha256);
        let envelope = Envelope {
            format: FORMAT,
            run: run.clone(),
            seq,
            epoch,
            at,
            prev,
            event,
        };
        let (record, sha256) = codec::encode_hashed(&envelope)?;
        head = Some(Head { last: seq, sha256 });
        sealed.records.push(record);
        sealed.envelopes.push(envelope);
    }
    Ok((sealed, head))
}

/// Follows the records of one run and finds the first that does not belong.
#[derive(Debug)]
pub struct Chain {
    run: RunId,
    next: Seq,
    prev: String,
}

impl Chain {
    /// At the beginning of a run.
    #[must_use]
    pub fn new(run: RunId) -> Self {
        Self {
            run,
            next: 0,
            prev: String::new(),
        }
    }

    /// At event `from` of a run, given the first record at hand: the one before `from`, which is
    /// trusted to be good, or, from the beginning, the first.
    #[must_use]
    pub(crate) fn starting(run: RunId, seq: Seq, from: Seq, record: &[u8]) -> Self {
        if seq < from {
            Self {
                run,
                next: seq + 1,
                prev: codec::sha256(record),
            }
        } else {
            Self {
                run,
                next: from,
                prev: String::new(),
            }
        }
    }

    /// The place of the record that comes next.
    #[must_use]
    pub fn next(&self) -> Seq {
        self.next
    }

    /// The end of the run as followed so far.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.next.checked_sub(1).map(|last| Head {
            last,
            sha256: self.prev.clone(),
        })
    }

    /// Reads the record stored at `seq` and checks that it belongs there.
    ///
    /// # Errors
    /// [`LogError::Damaged`] or [`LogError::Newer`], at the first event that cannot be trusted.
    pub fn accept<'a>(
        &mut self,
        seq: Seq,
        record: impl Into<Record<'a>>,
    ) -> Result<Envelope, LogError> {
        let damaged = |what: String| Unreadable::Damaged(what).at(&self.run, self.next);
        if seq != self.next {
            return Err(damaged(format!(
                "it is missing; the next record is that of event {seq}"
            )));
        }
        let (envelope, sha256) = codec::decode_hashed(record.into())
            .map_err(|unreadable| unreadable.at(&self.run, seq))?;
        if envelope.run != self.run {
            return Err(damaged(format!(
                "its record belongs to run {}",
                envelope.run
            )));
        }
        if envelope.seq != seq {
            return Err(damaged(format!(
                "its record says that it is event {}",
                envelope.seq
            )));
        }
        if envelope.prev != self.prev {
            return Err(damaged(
                "it does not follow from the record before it".to_owned(),
            ));
        }
        self.next += 1;
        self.prev = sha256;
        Ok(envelope)
    }

    /// Checks the last accepted record against what is known of it from elsewhere.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if it is another record than the noted one.
    pub fn confirm(&self, noted: Option<&Head>) -> Result<(), LogError> {
        match noted {
            Some(noted) if noted.last + 1 == self.next && noted.sha256 != self.prev => {
                let what = "it is not the event that was acknowledged in its place".to_owned();
                Err(Unreadable::Damaged(what).at(&self.run, noted.last))
            }
            _ => Ok(()),
        }
    }
}
