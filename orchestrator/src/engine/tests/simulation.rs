//! Plays the executor in memory: decide, fold, collect what must be in flight, answer as told.

use std::sync::Arc;

use flowctl_state::event::{Envelope, Event, FORMAT};
use flowctl_state::run_state::{Phase, RunState};
use flowctl_workflows::plan::{Plan, PlanNeed, PlanStep, Role};
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::{ErrorClass, Failure, Finding, Outcome, Verdict};
use flowctl_workflows::{RunId, StepId, WorkflowName};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::dag::Dag;
use crate::engine::{
    Command, Conditions, Frontier, Input, Resume, decide, resumed, todo, todo_for,
};

/// A step that needs these others, all to succeed.
pub(super) fn step(id: &str, needs: &[u32]) -> PlanStep {
    PlanStep {
        needs: needs
            .iter()
            .map(|step| PlanNeed {
                step: *step,
                is: vec![],
            })
            .collect(),
        ..PlanStep::new(StepId::new(id).unwrap(), Role::Kind("noop".into()))
    }
}

pub(super) fn needs(mut step: PlanStep, place: u32, is: &[Outcome]) -> PlanStep {
    step.needs.push(PlanNeed {
        step: place,
        is: is.to_vec(),
    });
    step
}

pub(super) fn plan(steps: Vec<PlanStep>) -> Plan {
    Plan {
        workflow: WorkflowName::new("w").unwrap(),
        title: "W".into(),
        directory: None,
        params: serde_json::Map::new(),
        target: None,
        objectives: vec![],
        criteria: vec![],
        locks: vec![],
        timeout: None,
        teardown_timeout: Span::from_secs(60),
        steps,
        files: vec![],
    }
}

pub(super) fn failure(class: ErrorClass) -> Failure {
    Failure {
        class,
        code: "test.no".into(),
        message: "it did not work".into(),
        help: None,
    }
}

/// `when: "true"`, `"false"`, or anything else for an error.
struct Literal;

impl Conditions for Literal {
    fn holds(&self, state: &RunState, place: u32) -> Result<bool, Failure> {
        match state.plan.steps[place as usize].when.as_deref() {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => Err(failure(ErrorClass::Permanent)),
        }
    }
}

#[derive(Clone)]
pub(super) struct Simulation {
    pub(super) dag: Dag,
    pub(super) state: RunState,
    pub(super) frontier: Frontier,
    /// Every event as a short line: `start a 1`, `skip b need a failed`.
    pub(super) trace: Vec<String>,
    /// What must be in flight and was not answered yet.
    pub(super) pending: Vec<Command>,
}

impl Simulation {
    pub(super) fn new(plan: Plan, jobs: u32, only: &[&str]) -> Self {
        let only = only.iter().map(|id| StepId::new(*id).unwrap()).collect();
        let first = Event::RunStarted {
            plan: std::sync::Arc::new(plan),
            jobs,
            only,
            flowctl: "0".into(),
        };
        let state = RunState::start(&envelope(0, first)).unwrap();
        let dag = Dag::new(Arc::clone(&state.plan));
        let frontier = Frontier::build(&dag, &state);
        Self {
            dag,
            state,
            frontier,
            trace: vec![],
            pending: vec![],
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        let mut input = Some(input);
        loop {
            let next = input.take().unwrap_or(Input::Proceed);
            let events = decide(&self.dag, &self.state, &mut self.frontier, &Literal, next);
            self.fold(events);
            if !self.frontier.has_conditional() {
                return;
            }
        }
    }

    fn fold(&mut self, events: Vec<Event>) {
        let mut touched = Vec::new();
        for event in events {
            self.trace.push(line(&event));
            let cancelled = matches!(event, Event::CancelRequested { .. });
            if let Some(step) = event.step() {
                touched.push(self.state.place(step.as_str()).unwrap());
            }
            let envelope = envelope(self.state.next_seq, event);
            self.state.apply(&envelope).unwrap();
            if cancelled {
                touched.extend(0..u32::try_from(self.dag.len()).unwrap());
            }
        }
        for place in touched {
            self.pending
                .retain(|command| command_step(command) != place);
            self.pending.extend(todo_for(&self.dag, &self.state, place));
        }
    }

    /// Forgets all but the state, as a killed process does, and takes the run up again.
    pub(super) fn crash_and_resume(&mut self) {
        self.resume(&Resume::default());
    }

    /// The same, as asked for.
    pub(super) fn resume(&mut self, how: &Resume) {
        let resumed = resumed(&self.dag, &self.state, &[], how);
        self.fold(vec![resumed]);
        self.frontier = Frontier::build(&self.dag, &self.state);
        self.pending = todo(&self.dag, &self.state);
        self.input(Input::Proceed);
    }

    /// Folds what someone asked for from outside, and takes the run up.
    pub(super) fn ask(&mut self, event: Event) {
        self.fold(vec![event]);
        self.frontier = Frontier::build(&self.dag, &self.state);
        self.pending = todo(&self.dag, &self.state);
        self.input(Input::Proceed);
    }

    pub(super) fn place(&self, id: &str) -> u32 {
        self.state.place(id).unwrap()
    }

    pub(super) fn succeed(&mut self, id: &str) {
        let step = self.place(id);
        self.input(Input::AttemptSucceeded {
            step,
            output: json!({}),
            findings: vec![],
            evidence: vec![],
        });
    }

    pub(super) fn succeed_with(&mut self, id: &str, verdict: Verdict) {
        let finding = Finding {
            about: "x".into(),
            proves: vec![],
            verdict,
            reason: "measured".into(),
            numbers: vec![],
            evidence: vec![],
        };
        let step = self.place(id);
        self.input(Input::AttemptSucceeded {
            step,
            output: json!({}),
            findings: vec![finding],
            evidence: vec![],
        });
    }

    pub(super) fn fail(&mut self, id: &str, class: ErrorClass) {
        let step = self.place(id);
        let now = Timestamp::UNIX_EPOCH;
        self.input(Input::AttemptFailed {
            step,
            failure: failure(class),
            evidence: vec![],
            now,
            chance: 1.0,
        });
    }

    pub(super) fn finished(&self) -> bool {
        matches!(self.state.phase, Phase::Finished { .. })
    }
}

pub(super) fn command_step(command: &Command) -> u32 {
    match command {
        Command::Run { step, .. }
        | Command::Stop { step }
        | Command::Wait { step, .. }
        | Command::Undo { step, .. } => *step,
    }
}

fn envelope(seq: u64, event: Event) -> Envelope {
    let run = RunId::new("w-1").unwrap();
    Envelope {
        format: FORMAT,
        run,
        seq,
        epoch: 1,
        at: Timestamp::UNIX_EPOCH,
        prev: String::new(),
        event,
    }
}

fn line(event: &Event) -> String {
    match event {
        Event::StepStarted { step, attempt } => format!("start {step} {attempt}"),
        Event::StepSucceeded { step, .. } => format!("done {step}"),
        Event::StepFailed {
            step,
            retry_in: Some(wait),
            ..
        } => format!("retry {step} in {wait}"),
        Event::StepFailed { step, .. } => format!("fail {step}"),
        Event::StepSkipped { step, reason } => {
            let reason = serde_json::to_value(reason).unwrap();
            let words: Vec<&str> = reason
                .as_object()
                .unwrap()
                .values()
                .filter_map(Value::as_str)
                .collect();
            format!("skip {step} {}", words.join(" "))
        }
        Event::StepCancelled { step, .. } => format!("cancel {step}"),
        Event::ApprovalGranted { step, by } => format!("approve {step} {by}"),
        Event::UndoStarted { step, attempt } => format!("undo {step} {attempt}"),
        Event::StepUndone { step, .. } => format!("undone {step}"),
        Event::UndoFailed { step, .. } => format!("undo-failed {step}"),
        Event::CancelRequested { by } => format!("cancel by {by}"),
        Event::TeardownStarted { outcome } => format!("teardown {outcome:?}"),
        Event::RunFinished { outcome } => format!("finish {outcome:?}"),
        Event::RunResumed { reopened, .. } => format!("resume {}", reopened.len()),
        Event::StepCheckpointed { step, .. } => format!("checkpoint {step}"),
        Event::StepRechecked { step, .. } => format!("recheck {step}"),
        Event::UndoRequested { steps, .. } => format!("undo asked {}", steps.len()),
        Event::PlanReplaced { .. } => "replan".to_owned(),
        Event::RunStarted { .. } => "run".to_owned(),
    }
}
