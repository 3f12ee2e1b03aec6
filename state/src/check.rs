//! Is the state whole?
//!
//! Owns the examination of every run, event by event, and of the evidence that the events refer to.
//! It changes nothing and repairs nothing.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use flowctl_workflows::RunId;

use crate::error::LogError;
use crate::event::{Event, Seq};
use crate::evidence::EvidenceStore;
use crate::log::EventLog;

/// What was found out about one run.
#[derive(Debug)]
pub struct RunCheck {
    /// Which run.
    pub run: RunId,
    /// How many events, from the first, can be read and trusted.
    pub readable: u64,
    /// What is wrong with the event after those; `None`: they are all.
    pub damage: Option<LogError>,
    /// How many references to evidence were followed.
    pub references: u64,
    /// Evidence that is missing or damaged, with the first event that refers to it.
    pub evidence: Vec<(Seq, LogError)>,
}

impl RunCheck {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damage.is_none() && self.evidence.is_empty()
    }
}

/// Examines every run of the log, and every run that is known to have been there.
///
/// # Errors
/// What the log says if it cannot even list its runs.
pub fn check(log: &dyn EventLog, evidence: &EvidenceStore) -> Result<Vec<RunCheck>, LogError> {
    let mut runs: BTreeSet<RunId> = log.heads()?.into_iter().map(|(run, _)| run).collect();
    runs.extend(log.noted_runs());
    let mut known = HashMap::new();
    Ok(runs
        .into_iter()
        .map(|run| check_run(log, evidence, run, &mut known))
        .collect())
}

fn check_run(
    log: &dyn EventLog,
    evidence: &EvidenceStore,
    run: RunId,
    known: &mut HashMap<String, Option<LogError>>,
) -> RunCheck {
    let mut readable = 0;
    let mut references = 0;
    let mut problems: Vec<(Seq, LogError)> = Vec::new();
    let mut reported = BTreeSet::new();
    let replayed = log.replay(&run, 0, &mut |envelope| {
        readable += 1;
        for hash in evidence_of(&envelope.event) {
            references += 1;
            let examined = known
                .entry(hash.to_owned())
                .or_insert_with(|| evidence.get(hash).err());
            if let Some(error) = examined
                && reported.insert(hash.to_owned())
            {
                problems.push((envelope.seq, error.clone()));
            }
        }
        ControlFlow::Continue(())
    });
    RunCheck {
        run,
        readable,
        damage: replayed.err(),
        references,
        evidence: problems,
    }
}

/// The hashes of the raw records that an event refers to.
pub fn evidence_of(event: &Event) -> Vec<&str> {
    match event {
        Event::RunStarted { plan, .. } | Event::PlanReplaced { plan } => {
            plan.files.iter().map(|file| file.sha256.as_str()).collect()
        }
        Event::StepSucceeded {
            findings, evidence, ..
        } => {
            let found = findings
                .iter()
                .flat_map(|finding| &finding.evidence)
                .map(String::as_str);
            evidence
                .iter()
                .map(|evidence| evidence.sha256.as_str())
                .chain(found)
                .collect()
        }
        Event::StepFailed { evidence, .. } | Event::StepCancelled { evidence, .. } => evidence
            .iter()
            .map(|evidence| evidence.sha256.as_str())
            .collect(),
        Event::RunResumed { .. }
        | Event::UndoRequested { .. }
        | Event::StepStarted { .. }
        | Event::StepCheckpointed { .. }
        | Event::StepSkipped { .. }
        | Event::StepRechecked { .. }
        | Event::ApprovalGranted { .. }
        | Event::UndoStarted { .. }
        | Event::StepUndone { .. }
        | Event::UndoFailed { .. }
        | Event::CancelRequested { .. }
        | Event::TeardownStarted { .. }
        | Event::RunFinished { .. } => Vec::new(),
    }
}
