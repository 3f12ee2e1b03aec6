//! A run as people and programs look at it: the words and the fields of `status --output json`.
//!
//! Owns the translation from the fold to those words, for the command line and the server alike.
//! Fields are only ever added. It never decides anything and reads nothing but a state.

use flowctl_state::event::RunOutcome;
use flowctl_state::run_state::{Phase, RunState, StepRecord, StepState, UndoState};
use flowctl_workflows::plan::{PlanStep, Role};
use flowctl_workflows::result::{ErrorClass, Failure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::executor::Live;

/// Where a run stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunWord {
    /// A living process works on it.
    Running,
    /// It is over, and no step failed.
    Succeeded,
    /// It is over, and a step failed.
    Failed,
    /// It was stopped on request.
    Cancelled,
    /// It is not over, and nobody works on it.
    Interrupted,
}

/// Where a step stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepWord {
    /// It did what it was asked to. What it changed may have been put back since: [`StepView::put_back`].
    Succeeded,
    /// It failed for good.
    Failed,
    /// It was not started, and will not be.
    Skipped,
    /// It was stopped on request.
    Cancelled,
    /// An attempt is under way.
    Running,
    /// It waits: for other steps, for its next attempt, for a person, or for a resume.
    Waiting,
}

/// A run with its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    /// Which run.
    pub run: String,
    /// Of which workflow.
    pub workflow: String,
    /// Where it stands.
    pub state: RunWord,
    /// The name of the target.
    pub target: Option<String>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// How often it was taken up again.
    pub resumes: u32,
    /// Who or what asked it to stop.
    pub cancelled_by: Option<String>,
    /// Its steps in the plan's order.
    pub steps: Vec<StepView>,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    /// Its id.
    pub id: String,
    /// The step kind, `foreach` or `approval`.
    pub kind: String,
    /// Where it stands.
    pub state: StepWord,
    /// How many attempts were started.
    pub attempts: u32,
    /// When its first attempt of the present try began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// What a running step does or waits for, when its process is there to be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
    /// Why it failed, or why its last attempt did.
    pub error: Option<ErrorView>,
    /// What was put back of what it changed. A step that has succeeded and was put back runs again on a resume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_back: Option<String>,
    /// Why what it changed could not be put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_error: Option<ErrorView>,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// Decides whether the attempt is repeated.
    pub class: ErrorClass,
    /// Stable and searchable.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What the reader can do about it.
    pub help: Option<String>,
}

/// A line of the list of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// Which run.
    pub run: String,
    /// Of which workflow; `None` when its events cannot be read.
    pub workflow: Option<String>,
    /// Where it stands; `None` when its events cannot be read.
    pub state: Option<RunWord>,
    /// The name of the target.
    pub target: Option<String>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// How many steps there are.
    pub steps: usize,
    /// How many of them have ended.
    pub ended: usize,
    /// What keeps its events from being read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl RunWord {
    /// The word for a run; `held` when a living process works on it.
    #[must_use]
    pub fn of(state: &RunState, held: bool) -> Self {
        match state.phase {
            Phase::Finished {
                outcome: RunOutcome::Succeeded,
            } => RunWord::Succeeded,
            Phase::Finished {
                outcome: RunOutcome::Failed,
            } => RunWord::Failed,
            Phase::Finished {
                outcome: RunOutcome::Cancelled,
            } => RunWord::Cancelled,
            Phase::Running | Phase::TearingDown { .. } if held => RunWord::Running,
            Phase::Running | Phase::TearingDown { .. } => RunWord::Interrupted,
        }
    }

    /// The word itself.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RunWord::Running => "running",
            RunWord::Succeeded => "succeeded",
            RunWord::Failed => "failed",
            RunWord::Cancelled => "cancelled",
            RunWord::Interrupted => "interrupted",
        }
    }
}

impl StepWord {
    /// The word for a step. Nothing runs in a run that nobody works on: what was under way waits for a resume.
    #[must_use]
    pub fn of(state: &RunState, place: u32, held: bool) -> Self {
        let (step, record) = (&state.plan.steps[place as usize], state.step(place));
        match &record.state {
            StepState::Waiting if put_back(state, place).is_some() => StepWord::Succeeded,
            StepState::Running { .. } if held && !matches!(step.role, Role::Approval { .. }) => {
                StepWord::Running
            }
            StepState::Running { .. } | StepState::Waiting | StepState::Backoff { .. } => {
                StepWord::Waiting
            }
            StepState::Succeeded => StepWord::Succeeded,
            StepState::Failed => StepWord::Failed,
            StepState::Skipped(_) => StepWord::Skipped,
            StepState::Cancelled => StepWord::Cancelled,
        }
    }

    /// The word itself.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StepWord::Succeeded => "succeeded",
            StepWord::Failed => "failed",
            StepWord::Skipped => "skipped",
            StepWord::Cancelled => "cancelled",
            StepWord::Running => "running",
            StepWord::Waiting => "waiting",
        }
    }
}

impl RunView {
    /// The view of a run; `live` when a living process works on it.
    #[must_use]
    pub fn of(state: &RunState, live: Option<&Live>) -> Self {
        let held = live.is_some();
        let steps = (0u32..).take(state.plan.steps.len()).map(|place| {
            let doing = live.and_then(|live| live.doing(place)).map(str::to_owned);
            StepView::of(state, place, held, doing)
        });
        Self {
            run: state.run.to_string(),
            workflow: state.plan.workflow.to_string(),
            state: RunWord::of(state, held),
            target: state.plan.target.as_ref().map(|target| target.name.clone()),
            started: state.started,
            finished: finished(state),
            resumes: state.resumes,
            cancelled_by: state.cancelled_by.clone(),
            steps: steps.collect(),
        }
    }
}

impl StepView {
    fn of(state: &RunState, place: u32, held: bool, doing: Option<String>) -> Self {
        let (step, record) = (&state.plan.steps[place as usize], state.step(place));
        let word = StepWord::of(state, place, held);
        let error = match word {
            StepWord::Succeeded | StepWord::Skipped | StepWord::Cancelled => None,
            StepWord::Failed | StepWord::Running | StepWord::Waiting => record.failures.last(),
        };
        Self {
            id: step.id.to_string(),
            kind: role_word(&step.role).to_owned(),
            state: word,
            attempts: record.attempts,
            started: record.started,
            finished: record.finished,
            doing: doing.or_else(|| waits_for(step, record, held)),
            error: error.map(|failed| ErrorView::of(&failed.failure)),
            put_back: put_back(state, place).map(str::to_owned),
            undo_error: match &record.undo {
                UndoState::Failed { failure, .. } => Some(ErrorView::of(failure)),
                UndoState::None
                | UndoState::Requested
                | UndoState::Running { .. }
                | UndoState::Done { .. } => None,
            },
        }
    }
}

impl ErrorView {
    /// A failure as it is shown.
    #[must_use]
    pub fn of(failure: &Failure) -> Self {
        Self {
            class: failure.class,
            code: failure.code.clone(),
            message: failure.message.clone(),
            help: failure.help.clone(),
        }
    }
}

impl RunRow {
    /// The line of a run; `held` when a living process works on it.
    #[must_use]
    pub fn of(state: &RunState, held: bool) -> Self {
        Self {
            run: state.run.to_string(),
            workflow: Some(state.plan.workflow.to_string()),
            state: Some(RunWord::of(state, held)),
            target: state.plan.target.as_ref().map(|target| target.name.clone()),
            started: Some(state.started),
            finished: finished(state),
            steps: state.plan.steps.len(),
            ended: (0u32..)
                .zip(state.steps())
                .filter(|(place, (_, record))| {
                    record.state.outcome().is_some() || put_back(state, *place).is_some()
                })
                .count(),
            error: None,
        }
    }

    /// The line of a run whose events cannot be read.
    #[must_use]
    pub fn unreadable(run: &str, started: Option<Timestamp>, error: String) -> Self {
        Self {
            run: run.to_owned(),
            workflow: None,
            state: None,
            target: None,
            started,
            finished: None,
            steps: 0,
            ended: 0,
            error: Some(error),
        }
    }
}

/// What was put back of a step's effect, once the main steps are over: in a resumed run the step waits to run again.
#[must_use]
pub fn put_back(state: &RunState, place: u32) -> Option<&str> {
    match (&state.phase, &state.step(place).undo) {
        (Phase::TearingDown { .. } | Phase::Finished { .. }, UndoState::Done { detail }) => {
            Some(detail)
        }
        _ => None,
    }
}

/// When a run ended, if it did.
#[must_use]
pub fn finished(state: &RunState) -> Option<Timestamp> {
    matches!(state.phase, Phase::Finished { .. }).then_some(state.updated)
}

/// Who completes a step, in one word.
#[must_use]
pub fn role_word(role: &Role) -> &str {
    match role {
        Role::Kind(kind) => kind,
        Role::FanIn => "foreach",
        Role::Approval { .. } => "approval",
    }
}

fn waits_for(step: &PlanStep, record: &StepRecord, held: bool) -> Option<String> {
    match (&record.state, &step.role) {
        (StepState::Running { .. }, Role::Approval { message }) if held => {
            Some(format!("approval: {message}"))
        }
        (StepState::Backoff { retry_in, .. }, _) if held => Some(format!(
            "next attempt in {}",
            flowctl_workflows::policy::Span::from_millis(*retry_in)
        )),
        _ => None,
    }
}
