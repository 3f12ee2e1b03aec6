//! What a resume opens again, and why. Pure: the plans, the state and what the probes saw come in, one event comes out.

use std::collections::{BTreeMap, HashSet};

use flowctl_state::crash::{self, Mutant};
use flowctl_state::event::{Event, ReopenReason, RunOutcome};
use flowctl_state::run_state::{Phase, RunState, StepRecord, StepState, UndoState};
use flowctl_workflows::StepId;
use flowctl_workflows::plan::{Plan, PlanStep};

use crate::dag::Dag;

/// How a run is taken up again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resume {
    /// How many steps may run at once; `None`: as before.
    pub jobs: Option<u32>,
    /// Finished checkpoints are taken as they were left, without a probe.
    pub trust: bool,
    /// Only these run, also when they are done; what they need is taken as done.
    pub only: Vec<StepId>,
    /// These run again, with all that depends on them.
    pub from: Vec<StepId>,
    /// Steps whose definition, or what goes into it, has changed, and what differs.
    pub changed: BTreeMap<StepId, Vec<String>>,
}

/// Why a run cannot go on with another plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What the step changed can only be put back by the definition that changed it.
    #[error("`{step}` is not in the workflow any more, and what it changed is not put back")]
    NotPutBack {
        /// The step.
        step: StepId,
    },
    /// An attempt can only be found again by the definition that began it.
    #[error("`{step}` has changed, and an attempt of its former definition was under way")]
    UnderWay {
        /// The step.
        step: StepId,
    },
}

impl Resume {
    /// Whether more than what did not succeed shall run.
    #[must_use]
    pub fn asks_for_more(&self) -> bool {
        !(self.only.is_empty() && self.from.is_empty() && self.changed.is_empty())
    }

    /// What is opened whatever the probes say, in the plan's order.
    fn named(&self, step: &PlanStep) -> Option<ReopenReason> {
        if self
            .only
            .iter()
            .chain(&self.from)
            .any(|name| step.id.is_meant_by(name))
        {
            return Some(ReopenReason::Named);
        }
        let what = self.changed.get(&step.id)?.clone();
        Some(ReopenReason::Changed { what })
    }
}

/// Whether a run may go on with this plan in place of its own.
///
/// # Errors
/// [`Refusal`], with the first step that is in the way.
pub fn check_replacement(
    state: &RunState,
    plan: &Plan,
    changed: &BTreeMap<StepId, Vec<String>>,
) -> Result<(), Refusal> {
    let pending: HashSet<&StepId> = super::pending_undos(state).map(|step| &step.id).collect();
    let kept: HashSet<&StepId> = plan.steps.iter().map(|step| &step.id).collect();
    for (step, record) in state.steps() {
        let gone = !kept.contains(&step.id);
        let step = &step.id;
        if gone && pending.contains(step) {
            return Err(Refusal::NotPutBack { step: step.clone() });
        }
        let under_way = matches!(record.state, StepState::Running { .. });
        if under_way && (gone || changed.contains_key(step)) {
            return Err(Refusal::UnderWay { step: step.clone() });
        }
    }
    Ok(())
}

/// Whether all main steps had succeeded and the run was left in its teardown: what was put back was put back because they
/// had, so there is nothing to do but the rest of it. A step that an edited workflow has added is more.
#[must_use]
pub fn is_in_teardown(state: &RunState) -> bool {
    let succeeded = Phase::TearingDown {
        outcome: RunOutcome::Succeeded,
    };
    let new = |(step, record): (&PlanStep, &StepRecord)| {
        let put_back = matches!(record.undo, UndoState::Done { .. });
        !step.teardown && record.state == StepState::Waiting && !put_back
    };
    state.phase == succeeded && !state.steps().any(new) && !crash::is(Mutant::RerunPutBack)
}

/// Which steps run again whatever a probe of them would say, so that none is probed. With `only`, what they need is
/// taken as done, so nothing is; nor is what stands because only the teardown goes on.
#[must_use]
pub fn is_forced(dag: &Dag, state: &RunState, resume: &Resume) -> Vec<bool> {
    let stands = is_in_teardown(state) && !resume.asks_for_more();
    let mut forced = vec![stands || !resume.only.is_empty() || resume.trust; dag.len()];
    for (place, (step, record)) in state.steps().enumerate() {
        let built_on = step.needs.iter().any(|need| forced[need.step as usize]);
        forced[place] |= resume.named(step).is_some() || was_put_back(record) || built_on;
    }
    forced
}

/// The event that takes a run up again: the rest of its teardown, if that is all that is left and no more was asked for.
/// Otherwise what failed, was cancelled or was skipped is opened, what was asked for, what no longer holds or was put
/// back, and what was built on one of these. What succeeded otherwise stays. `rechecked` are the events of the probes.
#[must_use]
pub fn resumed(dag: &Dag, state: &RunState, rechecked: &[Event], resume: &Resume) -> Event {
    if is_in_teardown(state) && !resume.asks_for_more() {
        return rest_of_teardown(state, resume);
    }
    let fallen: HashSet<u32> = rechecked
        .iter()
        .filter_map(|event| match event {
            Event::StepRechecked {
                step, holds: false, ..
            } => state.place(step.as_str()),
            _ => None,
        })
        .collect();
    let only = !resume.only.is_empty();
    let mut again = vec![false; dag.len()];
    let (mut reopened, mut because) = (Vec::new(), Vec::new());
    for (place, (step, record)) in (0u32..).zip(state.steps()) {
        // Its own event has opened it: the probe's, or that of its undo.
        if fallen.contains(&place) || !only && was_put_back(record) {
            again[place as usize] = true;
            continue;
        }
        let reason = match resume.named(step) {
            Some(reason) => Some(reason),
            None if only => teardown(step, record),
            None => built_on(dag, step, &again).or_else(|| unfinished(step, record)),
        };
        let Some(reason) = reason else { continue };
        again[place as usize] = matches!(
            reason,
            ReopenReason::Named | ReopenReason::Changed { .. } | ReopenReason::After { .. }
        );
        if may_open(record, &reason) {
            reopened.push(step.id.clone());
            because.push(reason);
        }
    }
    Event::RunResumed {
        jobs: resume.jobs.unwrap_or(state.jobs),
        reopened,
        because,
        trusted: resume.trust,
        only: only.then(|| resume.only.clone()),
        teardown: false,
    }
}

/// What of `finally:` did not succeed is tried again, as everywhere else; what did is not.
fn rest_of_teardown(state: &RunState, resume: &Resume) -> Event {
    let (mut reopened, mut because) = (Vec::new(), Vec::new());
    for (step, record) in state.steps().filter(|(step, _)| step.teardown) {
        if let Some(reason) = ended_badly(record) {
            reopened.push(step.id.clone());
            because.push(reason);
        }
    }
    Event::RunResumed {
        jobs: resume.jobs.unwrap_or(state.jobs),
        reopened,
        because,
        trusted: resume.trust,
        only: (!state.only.is_empty()).then(|| state.only.clone()),
        teardown: true,
    }
}

/// What waits is open already. An attempt that was under way is taken up, unless what it was built on runs again or it
/// belongs to `finally:`.
fn may_open(record: &StepRecord, reason: &ReopenReason) -> bool {
    match &record.state {
        StepState::Waiting => false,
        StepState::Running { .. } | StepState::Backoff { .. } => {
            matches!(reason, ReopenReason::After { .. } | ReopenReason::Teardown)
        }
        StepState::Succeeded | StepState::Failed | StepState::Skipped(_) | StepState::Cancelled => {
            true
        }
    }
}

/// Put back, or about to be: an undo that was under way is taken up before anything else.
fn was_put_back(record: &StepRecord) -> bool {
    match record.undo {
        UndoState::Done { .. } => record.state == StepState::Waiting,
        UndoState::Running { .. } => {
            matches!(record.state, StepState::Waiting | StepState::Succeeded)
        }
        UndoState::None | UndoState::Requested | UndoState::Failed { .. } => false,
    }
}

fn built_on(dag: &Dag, step: &PlanStep, again: &[bool]) -> Option<ReopenReason> {
    let need = step.needs.iter().find(|need| again[need.step as usize])?;
    Some(ReopenReason::After {
        step: dag.step(need.step).id.clone(),
    })
}

fn unfinished(step: &PlanStep, record: &StepRecord) -> Option<ReopenReason> {
    if record.state == StepState::Succeeded && crash::is(Mutant::RerunFinished) {
        return Some(ReopenReason::Named);
    }
    ended_badly(record).or_else(|| teardown(step, record))
}

fn ended_badly(record: &StepRecord) -> Option<ReopenReason> {
    match &record.state {
        StepState::Failed => Some(ReopenReason::Failed),
        StepState::Cancelled => Some(ReopenReason::Cancelled),
        StepState::Skipped(_) => Some(ReopenReason::Skipped),
        StepState::Succeeded
        | StepState::Running { .. }
        | StepState::Backoff { .. }
        | StepState::Waiting => None,
    }
}

/// Also where an attempt was under way: it belongs to the end of what was before, and the new end needs its own.
fn teardown(step: &PlanStep, record: &StepRecord) -> Option<ReopenReason> {
    (step.teardown && record.state != StepState::Waiting).then_some(ReopenReason::Teardown)
}
