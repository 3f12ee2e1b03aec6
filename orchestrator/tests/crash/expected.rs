//! What a run comes to. A death costs no attempt, with three exceptions, which are flowctl's rules for a resume:
//! what failed for good is tried anew, what was put back runs again with all that was built on it, and so does
//! `finally:`. A run that died in its teardown after all had succeeded has none of the last two.

use std::collections::{BTreeMap, BTreeSet};

use flowctl_state::event::{Envelope, Event, RunOutcome};
use flowctl_state::run_state::{Phase, RunState, StepRecord, StepState, UndoState};

use crate::check::{Findings, Part};
use crate::flowctl::Place;
use crate::shape::{ORIGINAL, Shape, Step, TRIES};

/// How often each step will have been tried.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    attempts: BTreeMap<&'static str, u32>,
    /// Attempts of `finally:` that a resume leaves as they are: they may have had their effect or not.
    left: BTreeSet<String>,
}

impl Expected {
    /// What becomes of it when the process dies and the run goes on from `state`, or from nothing.
    pub(crate) fn after(mut self, shape: Shape, failing: u32, state: Option<&RunState>) -> Self {
        self.attempts = attempts(shape, failing, state);
        if state.is_some_and(stands) {
            return self;
        }
        for step in shape.steps().iter().filter(|step| step.teardown) {
            let record = state.and_then(|state| state.record(step.id));
            if let Some(StepState::Running { attempt, .. }) = record.map(|record| &record.state) {
                self.left.insert(format!("{}/{attempt}", step.id));
            }
        }
        self
    }
}

/// Whether all main steps had succeeded, so that only the teardown goes on.
fn stands(state: &RunState) -> bool {
    let outcome = RunOutcome::Succeeded;
    state.phase == Phase::TearingDown { outcome }
}

fn attempts(shape: Shape, failing: u32, state: Option<&RunState>) -> BTreeMap<&'static str, u32> {
    let mut again: BTreeMap<&str, bool> = BTreeMap::new();
    let mut attempts = BTreeMap::new();
    for step in shape.steps() {
        let fresh = StepRecord::default();
        let record = state
            .and_then(|state| state.record(step.id))
            .unwrap_or(&fresh);
        let stands = state.is_some_and(stands);
        let put_back = !stands
            && (matches!(record.undo, UndoState::Running { .. })
                || record.state == StepState::Waiting
                    && matches!(record.undo, UndoState::Done { .. }));
        let built_on = step.needs.iter().any(|need| again[need]);
        again.insert(step.id, put_back || built_on);
        let open = matches!(record.state, StepState::Failed | StepState::Waiting);
        let reopened = if stands {
            step.teardown && open
        } else {
            put_back || built_on || step.teardown || open
        };
        let more = if step.skipped {
            0
        } else if reopened {
            from_the_start(step, failing, record)
        } else {
            from_here(step, failing, record)
        };
        attempts.insert(step.id, record.attempts + more);
    }
    attempts
}

fn from_the_start(step: &Step, failing: u32, record: &StepRecord) -> u32 {
    if step.breaks {
        TRIES
    } else if step.fan_in {
        1
    } else {
        // The first attempts fail, however they are spread over resumes.
        (failing + 1).saturating_sub(record.attempts).max(1)
    }
}

fn from_here(step: &Step, failing: u32, record: &StepRecord) -> u32 {
    match record.state {
        StepState::Running { .. } | StepState::Backoff { .. } if step.breaks => {
            // A mutant may have tried more often than it should.
            TRIES.saturating_sub(record.tries)
        }
        StepState::Running { .. } | StepState::Backoff { .. } => {
            (failing + 1).saturating_sub(record.attempts)
        }
        StepState::Waiting
        | StepState::Succeeded
        | StepState::Failed
        | StepState::Skipped(_)
        | StepState::Cancelled => 0,
    }
}

/// A run in words that do not depend on when it was stopped.
pub(crate) fn summary(state: &RunState) -> Vec<String> {
    let mut lines = vec![format!("{:?}", state.phase)];
    for (step, record) in state.steps() {
        let undo = match &record.undo {
            UndoState::Done { detail } => format!("put back: {detail}"),
            other => format!("{other:?}"),
        };
        let output = record.result.as_ref().map(|result| &result.output);
        lines.push(format!(
            "{}: {:?}, {undo}, {output:?}",
            step.id, record.state
        ));
    }
    lines
}

/// The finished run and its world are those of a run that was not stopped, with the attempts that its deaths explain.
pub(crate) fn is_same(
    place: &Place,
    shape: Shape,
    events: &[Envelope],
    undisturbed: &[String],
    expected: &Expected,
    findings: &mut Findings,
) {
    let Some(state) = fold(events, findings) else {
        return;
    };
    findings.expect(
        Part::Same,
        matches!(state.phase, Phase::Finished { .. }),
        || "the run is not over".to_owned(),
    );
    let came_to = summary(&state);
    findings.expect(Part::Same, came_to == undisturbed, || {
        format!("it came to {came_to:?}, undisturbed to {undisturbed:?}")
    });
    let effects = place.effects();
    let mut wanted: Vec<String> = Vec::new();
    for step in shape.steps() {
        let tried = state.record(step.id).map_or(0, |record| record.attempts);
        let attempts = expected.attempts[step.id];
        findings.expect(Part::Same, tried == attempts, || {
            format!("{} was tried {tried} times, not {attempts}", step.id)
        });
        if !step.fan_in {
            let names = (1..=attempts).map(|attempt| format!("{}/{attempt}", step.id));
            wanted.extend(
                names.filter(|name| !expected.left.contains(name) || effects.contains(name)),
            );
        }
        if step.changes {
            undone_once(step, &effects, events, findings);
        }
    }
    let mut happened: Vec<&String> = effects
        .iter()
        .filter(|effect| !effect.starts_with("undo "))
        .collect();
    happened.sort();
    wanted.sort();
    findings.expect(Part::Same, happened.iter().copied().eq(&wanted), || {
        format!("the world has {happened:?}, not {wanted:?}")
    });
    for (step, value) in place.values() {
        findings.expect(Part::Same, value == ORIGINAL, || {
            format!("the value of {step} is {value} in the end")
        });
    }
}

/// Putting back may be repeated, but only where the log could not know that it was done.
fn undone_once(step: &Step, effects: &[String], events: &[Envelope], findings: &mut Findings) {
    let mut lines = effects.to_vec();
    lines.dedup();
    let prefix = format!("undo {}/", step.id);
    let happened = lines
        .iter()
        .filter(|line| line.starts_with(&prefix))
        .count();
    let recorded = events
        .iter()
        .filter(|envelope| {
            matches!(&envelope.event, Event::StepUndone { step: id, .. } if id.as_str() == step.id)
        })
        .count();
    findings.expect(Part::Same, happened == recorded && happened > 0, || {
        format!(
            "{} was put back {happened} times, by the log {recorded} times",
            step.id
        )
    });
}

pub(crate) fn fold(events: &[Envelope], findings: &mut Findings) -> Option<RunState> {
    let run = &events.first()?.run;
    match RunState::replay(run, events) {
        Ok(state) => Some(state),
        Err(error) => {
            findings.note(Part::Same, error.to_string());
            None
        }
    }
}

/// Whatever was killed: a step has its effect only on what is in place, it is put back only when nothing that was
/// built on it is in place, and `finally:` finds everything put back.
pub(crate) fn is_in_order(shape: Shape, effects: &[String], findings: &mut Findings) {
    let mut in_place: BTreeMap<&str, bool> = BTreeMap::new();
    let is_in_place = |in_place: &BTreeMap<&str, bool>, id: &str| in_place.get(id) == Some(&true);
    for effect in effects {
        let undo = effect.strip_prefix("undo ");
        let name = undo.unwrap_or(effect);
        let Some(step) = shape
            .steps()
            .iter()
            .find(|step| name.rsplit_once('/').is_some_and(|(id, _)| id == step.id))
        else {
            findings.note(
                Part::Rules,
                format!("{effect} is no effect of this workflow"),
            );
            continue;
        };
        let amiss = if undo.is_some() {
            let above = |other: &&Step| other.changes && other.needs.contains(&step.id);
            shape
                .steps()
                .iter()
                .filter(above)
                .find(|other| is_in_place(&in_place, other.id))
                .map(|other| format!("{effect} although {} is built on it", other.id))
        } else if step.teardown {
            shape
                .steps()
                .iter()
                .find(|other| other.changes && is_in_place(&in_place, other.id))
                .map(|other| format!("{effect} before {} was put back", other.id))
        } else {
            step.needs
                .iter()
                .filter(|need| {
                    !shape
                        .steps()
                        .iter()
                        .any(|other| other.id == **need && other.fan_in)
                })
                .find(|need| !is_in_place(&in_place, need))
                .map(|need| format!("{effect} although {need} is not in place"))
        };
        if let Some(amiss) = amiss {
            findings.note(Part::Rules, amiss);
        }
        in_place.insert(step.id, undo.is_none());
    }
}
