//! What the engine would otherwise count anew at every event: who waits for how many, who may start,
//! who holds which lock.
//!
//! Derived, never stored: [`Frontier::build`] makes it from a [`RunState`], and the tests hold the
//! incremental form against it. It runs ahead of the state by the events that `decide` just returned;
//! the executor acts on nothing before those are durable, and ends if they cannot be made so.

use std::collections::{BTreeMap, BTreeSet};

use flowctl_state::crash::{self, Mutant};
use flowctl_state::event::RunOutcome;
use flowctl_state::run_state::{Phase, RunState, StepRecord, StepState, UndoState};
use flowctl_workflows::plan::{PlanStep, Role};
use flowctl_workflows::policy::{OnFailure, UndoWhen};
use flowctl_workflows::result::{Finding, Outcome, Verdict};

use crate::dag::Dag;

/// Where a step stands, as far as its dependents care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Waiting,
    Running,
    Backoff,
    Ended {
        outcome: Outcome,
        /// It is a gate and a criterion of it is FAIL.
        shut: bool,
    },
}

/// Derived counts; see the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier {
    pub(super) status: Vec<Status>,
    /// For each step, how many of its needs have not ended.
    unmet: Vec<u32>,
    /// Waiting steps whose needs have all ended, not looked at yet.
    pub(super) arrived: BTreeSet<u32>,
    /// Steps whose needs are met and whose `when:` must be asked of a folded state.
    pub(super) conditional: BTreeSet<u32>,
    /// Steps that may start as soon as a job and their locks are free.
    pub(super) ready: BTreeSet<u32>,
    /// How many attempts of step kinds are under way.
    pub(super) active: u32,
    held: BTreeMap<String, u32>,
    /// Steps not ended, of the main part and of `finally:`.
    pub(super) open_main: u32,
    pub(super) open_teardown: u32,
    /// The first failed step with `on_failure: stop-run`.
    pub(super) stopped_by: Option<u32>,
    pub(super) cancelled: bool,
    pub(super) phase: Phase,
    pub(super) failed: bool,
    /// Undos not ended, in the order in which they run; the last one is next.
    pub(super) undos: Vec<u32>,
    pub(super) undoing: Option<(u32, u32)>,
    /// Steps whose undo has ended since their last attempt began, well or not.
    undo_over: BTreeSet<u32>,
    /// The time for undos and `finally:` is used up: nothing of them begins any more.
    pub(super) out_of_time: bool,
}

impl Frontier {
    /// What follows from this state.
    #[must_use]
    pub fn build(dag: &Dag, state: &RunState) -> Self {
        let mut frontier = Self {
            status: Vec::with_capacity(dag.len()),
            unmet: vec![0; dag.len()],
            arrived: BTreeSet::new(),
            conditional: BTreeSet::new(),
            ready: BTreeSet::new(),
            active: 0,
            held: BTreeMap::new(),
            open_main: 0,
            open_teardown: 0,
            stopped_by: None,
            cancelled: state.cancelled_by.is_some(),
            phase: state.phase,
            failed: false,
            undos: Vec::new(),
            undoing: None,
            undo_over: BTreeSet::new(),
            out_of_time: false,
        };
        for (place, (step, record)) in (0u32..).zip(state.steps()) {
            let status = status_of(state, step, record);
            frontier.status.push(status);
            match status {
                Status::Running => frontier.occupy(step),
                Status::Ended { outcome, .. } => frontier.note_failure(place, step, outcome),
                Status::Waiting | Status::Backoff => {}
            }
            if !matches!(status, Status::Ended { .. }) {
                *frontier.open(step.teardown) += 1;
            }
            match record.undo {
                UndoState::Running { attempt } => frontier.undoing = Some((place, attempt)),
                UndoState::Done { .. } | UndoState::Failed { .. } => {
                    frontier.undo_over.insert(place);
                }
                UndoState::None | UndoState::Requested => {}
            }
            let left = matches!(record.undo, UndoState::Failed { .. });
            frontier.failed |= left && matches!(state.phase, Phase::TearingDown { .. });
        }
        if let Phase::TearingDown { outcome } = state.phase {
            frontier.undos = due_undos(state, outcome);
            if let Some((undoing, _)) = frontier.undoing {
                frontier.undos.retain(|step| *step != undoing);
            }
        }
        for (place, step) in (0u32..).zip(&dag.plan().steps) {
            let unmet = step
                .needs
                .iter()
                .filter(|need| !frontier.has_ended(need.step))
                .count();
            frontier.unmet[place as usize] = u32::try_from(unmet).unwrap_or(u32::MAX);
            frontier.arrive_if_due(dag, place);
        }
        frontier
    }

    /// Whether a step waits for its condition to be asked of a folded state.
    #[must_use]
    pub fn has_conditional(&self) -> bool {
        !self.conditional.is_empty()
    }

    pub(super) fn has_ended(&self, place: u32) -> bool {
        matches!(self.status[place as usize], Status::Ended { .. })
    }

    /// The outcome of an ended step, and whether it is a gate that shut.
    pub(super) fn ending(&self, place: u32) -> Option<(Outcome, bool)> {
        match self.status[place as usize] {
            Status::Ended { outcome, shut } => Some((outcome, shut)),
            Status::Waiting | Status::Running | Status::Backoff => None,
        }
    }

    fn open(&mut self, teardown: bool) -> &mut u32 {
        if teardown {
            &mut self.open_teardown
        } else {
            &mut self.open_main
        }
    }

    fn note_failure(&mut self, place: u32, step: &PlanStep, outcome: Outcome) {
        if outcome == Outcome::Failed {
            self.failed = true;
            if step.on_failure == OnFailure::StopRun && !step.teardown {
                // The lowest place, so that the same is counted whatever the order of failures.
                self.stopped_by = Some(self.stopped_by.map_or(place, |first| first.min(place)));
            }
        }
    }

    /// A step kind's attempt takes a job and its locks; approvals and fan-ins take none.
    fn occupy(&mut self, step: &PlanStep) {
        if step.role.kind().is_some() {
            self.active += 1;
            for (lock, count) in &step.locks {
                *self.held.entry(lock.clone()).or_default() += count;
            }
        }
    }

    fn vacate(&mut self, step: &PlanStep) {
        if step.role.kind().is_some() {
            self.active = self.active.saturating_sub(1);
            for (lock, count) in &step.locks {
                if let Some(held) = self.held.get_mut(lock) {
                    *held = held.saturating_sub(*count);
                    if *held == 0 {
                        self.held.remove(lock);
                    }
                }
            }
        }
    }

    /// Whether a job and the step's locks are free.
    pub(super) fn admits(&self, dag: &Dag, jobs: u32, step: &PlanStep) -> bool {
        if step.role.kind().is_none() {
            return true;
        }
        self.active < jobs.max(1)
            && step.locks.iter().all(|(lock, count)| {
                let size = dag
                    .plan()
                    .locks
                    .iter()
                    .find(|(name, _)| name == lock)
                    .map_or(1, |(_, size)| *size);
                let held = self.held.get(lock).copied().unwrap_or(0);
                // A step that asks for more than there is runs alone rather than never.
                held == 0 || held + count <= size
            })
    }

    pub(super) fn start(&mut self, place: u32, step: &PlanStep) {
        self.status[place as usize] = Status::Running;
        self.undo_over.remove(&place);
        self.occupy(step);
    }

    pub(super) fn back_off(&mut self, place: u32, step: &PlanStep) {
        self.status[place as usize] = Status::Backoff;
        self.vacate(step);
    }

    /// The step has ended; its dependents may have become due.
    pub(super) fn end(&mut self, dag: &Dag, place: u32, outcome: Outcome, shut: bool) {
        let step = dag.step(place);
        if self.status[place as usize] == Status::Running {
            // What runs waits for nothing.
            self.vacate(step);
        } else {
            for set in [&mut self.arrived, &mut self.conditional, &mut self.ready] {
                set.remove(&place);
            }
        }
        self.status[place as usize] = Status::Ended { outcome, shut };
        *self.open(step.teardown) -= 1;
        self.note_failure(place, step, outcome);
        for &dependent in dag.dependents(place) {
            self.unmet[dependent as usize] -= 1;
            self.arrive_if_due(dag, dependent);
        }
    }

    fn arrive_if_due(&mut self, dag: &Dag, place: u32) {
        let step = dag.step(place);
        let due = match self.phase {
            // An undo that a resume found under way comes first: what it puts back runs again.
            Phase::Running => !step.teardown && self.undoing.is_none(),
            Phase::TearingDown { .. } => {
                let put_back = self.undos.is_empty() && self.undoing.is_none();
                step.teardown && (put_back || crash::is(Mutant::FinallyBeforeUndos))
            }
            Phase::Finished { .. } => false,
        };
        if due && self.unmet[place as usize] == 0 && self.status[place as usize] == Status::Waiting
        {
            self.arrived.insert(place);
        }
    }

    /// The main steps are over: undos first, then the steps of `finally:`.
    pub(super) fn begin_teardown(&mut self, dag: &Dag, outcome: RunOutcome, undos: Vec<u32>) {
        self.phase = Phase::TearingDown { outcome };
        self.undos = undos;
        self.release(dag);
    }

    /// Lets arrive what only an undo was in the way of.
    pub(super) fn release(&mut self, dag: &Dag) {
        (0u32..)
            .take(dag.len())
            .for_each(|place| self.arrive_if_due(dag, place));
    }

    /// The undo of a step has ended. What is asked of the state may be of before.
    pub(super) fn note_undo(&mut self, place: u32) {
        self.undo_over.insert(place);
    }

    /// The undos that are due now, in reverse order of need: the last one first to run.
    pub(super) fn due_undos(&self, state: &RunState, outcome: RunOutcome) -> Vec<u32> {
        let mut undos = due_undos(state, outcome);
        undos.retain(|place| !self.undo_over.contains(place));
        undos
    }

    /// Whether a step has succeeded and waits only for the undo that a resume found under way.
    pub(super) fn awaits_undo(&self, state: &RunState, place: u32) -> bool {
        self.status[place as usize] == Status::Waiting
            && state.step(place).state == StepState::Succeeded
            && !self.undo_over.contains(&place)
    }

    /// The effect of a step that waited for its undo is there still: the step stays what it was.
    pub(super) fn trust(&mut self, dag: &Dag, state: &RunState, place: u32) {
        if self.awaits_undo(state, place) {
            let shut = is_shut(dag.step(place), state.step(place));
            self.end(dag, place, Outcome::Succeeded, shut);
        }
    }
}

fn status_of(state: &RunState, step: &PlanStep, record: &StepRecord) -> Status {
    match &record.state {
        StepState::Waiting => {
            // An undone step is unfinished for the next resume, but not for the rest of this teardown.
            if !step.teardown && !matches!(state.phase, Phase::Running) {
                Status::Ended {
                    outcome: Outcome::Succeeded,
                    shut: is_shut(step, record),
                }
            } else {
                Status::Waiting
            }
        }
        StepState::Running { .. } => Status::Running,
        StepState::Backoff { .. } => Status::Backoff,
        // A resume found its undo under way, so it is about to be unfinished.
        StepState::Succeeded
            if state.phase == Phase::Running
                && state.cancelled_by.is_none()
                && matches!(record.undo, UndoState::Running { .. }) =>
        {
            Status::Waiting
        }
        StepState::Succeeded => Status::Ended {
            outcome: Outcome::Succeeded,
            shut: is_shut(step, record),
        },
        StepState::Failed => Status::Ended {
            outcome: Outcome::Failed,
            shut: false,
        },
        StepState::Skipped(_) => Status::Ended {
            outcome: Outcome::Skipped,
            shut: false,
        },
        StepState::Cancelled => Status::Ended {
            outcome: Outcome::Cancelled,
            shut: false,
        },
    }
}

/// Whether a step that has succeeded is a gate that shut, also when its effect was taken back since.
fn is_shut(step: &PlanStep, record: &StepRecord) -> bool {
    let result = record.came_to();
    shuts(step, result.map_or(&[], |result| &result.findings))
}

/// Whether a gate with these findings stops its dependents.
pub(super) fn shuts(step: &PlanStep, findings: &[Finding]) -> bool {
    step.gate
        && findings
            .iter()
            .any(|finding| finding.verdict == Verdict::Fail)
}

/// The undos that are due when the main steps ended so, as far as the state knows, in reverse order of need.
fn due_undos(state: &RunState, outcome: RunOutcome) -> Vec<u32> {
    (0u32..)
        .zip(state.steps())
        .filter(|(_, (step, record))| {
            let wanted = match step.undo.as_ref().map_or(UndoWhen::Never, |undo| undo.on) {
                UndoWhen::Never => false,
                UndoWhen::Failure => outcome != RunOutcome::Succeeded,
                UndoWhen::Always => true,
            };
            let over = matches!(
                record.undo,
                UndoState::Done { .. } | UndoState::Failed { .. }
            );
            let wanted = wanted || record.undo == UndoState::Requested;
            wanted && record.attempts > 0 && !over && matches!(step.role, Role::Kind(_))
        })
        .map(|(place, _)| place)
        .collect()
}
