//! Stored events in words. Owns every sentence that reporters and `explain` say about an event; what
//! nobody needs to read is passed over in silence.

use flowctl_state::event::{Envelope, Event, RunOutcome, SkipReason};
use flowctl_state::run_state::RunState;
use flowctl_workflows::plan::Role;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::{ErrorClass, Failure, Finding, Outcome, Verdict};

use crate::cli::table::{between, elapsed, harmless};

/// Whether something is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// As hoped.
    Good,
    /// Something failed.
    Bad,
    /// Worth a look.
    Doubt,
    /// Neither.
    Plain,
}

/// One thing that is said about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Whether it is good news.
    pub mood: Mood,
    /// One mark of one column.
    pub mark: char,
    /// The step or `run`.
    pub about: String,
    /// The sentence.
    pub text: String,
    /// Further lines: findings, help.
    pub more: Vec<(Mood, String)>,
}

impl Told {
    fn new(mood: Mood, mark: char, about: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            mood,
            mark,
            about: about.into(),
            text: harmless(&text.into()),
            more: Vec::new(),
        }
    }
}

/// What is said about an event that was just folded into `state`; `None`: nothing.
#[must_use]
pub fn tell(envelope: &Envelope, state: &RunState) -> Option<Told> {
    let took = |step: &str| {
        let record = state.record(step)?;
        Some(elapsed(between(record.started?, envelope.at)))
    };
    let told = match &envelope.event {
        Event::RunStarted { plan, jobs, .. } => {
            let on = plan
                .target
                .as_ref()
                .map_or_else(String::new, |target| format!(" on {}", target.name));
            let mark = if plan.is_rehearsal() {
                "REHEARSAL: "
            } else {
                ""
            };
            let text = format!(
                "{mark}{} started{on}: {} steps, {jobs} jobs",
                plan.workflow,
                plan.steps.len()
            );
            Told::new(Mood::Plain, '▸', envelope.run.as_str(), text)
        }
        Event::RunResumed { teardown: true, .. } => Told::new(
            Mood::Plain,
            '▸',
            envelope.run.as_str(),
            "resumed: all steps had succeeded, and what is left of the teardown is done".to_owned(),
        ),
        // Told when what it was taken up for is stored as well: nothing is counted as done by that.
        Event::RunResumed { .. } if state.cancelled_by.is_some() => Told::new(
            Mood::Plain,
            '▸',
            envelope.run.as_str(),
            "taken up again, to be stopped".to_owned(),
        ),
        Event::RunResumed { reopened, .. } => {
            let done = state
                .steps()
                .filter(|(_, record)| record.state.outcome().is_some())
                .count();
            let text = format!(
                "resumed: {done} of {} steps are done, {} are tried again",
                state.plan.steps.len(),
                reopened.len()
            );
            Told::new(Mood::Plain, '▸', envelope.run.as_str(), text)
        }
        Event::PlanReplaced { plan } => Told::new(
            Mood::Plain,
            '▸',
            envelope.run.as_str(),
            format!(
                "goes on with the workflow as it is now: {} steps",
                plan.steps.len()
            ),
        ),
        Event::UndoRequested { by, steps } => Told::new(
            Mood::Plain,
            '▸',
            envelope.run.as_str(),
            format!("{by} asked for {} steps to be put back", steps.len()),
        ),
        // Most steps end soon after; who draws running steps does so from the state.
        Event::StepStarted { .. } | Event::StepCheckpointed { .. } => return None,
        Event::StepSucceeded { step, findings, .. } => {
            if state
                .place(step.as_str())
                .is_some_and(|at| state.plan.steps[at as usize].role == Role::FanIn)
            {
                return None;
            }
            let attempts = state.record(step.as_str()).map_or(1, |record| record.tries);
            let tries = if attempts > 1 {
                format!(" at attempt {attempts}")
            } else {
                String::new()
            };
            let took = took(step.as_str()).map_or_else(String::new, |took| format!(" in {took}"));
            let mut told = Told::new(
                Mood::Good,
                '✓',
                step.as_str(),
                format!("succeeded{took}{tries}"),
            );
            told.more = findings.iter().map(finding).collect();
            told
        }
        Event::StepFailed {
            step,
            attempt,
            failure: why,
            retry_in,
            ..
        } => match retry_in {
            Some(millis) => {
                let next = Span::from_millis(*millis);
                let text = format!("attempt {attempt} failed, next in {next}: {}", failure(why));
                Told::new(Mood::Doubt, '↻', step.as_str(), text)
            }
            None => {
                let mut told = Told::new(
                    Mood::Bad,
                    '✗',
                    step.as_str(),
                    format!("failed: {}", failure(why)),
                );
                told.more = why
                    .help
                    .iter()
                    .map(|help| (Mood::Plain, format!("help: {help}")))
                    .collect();
                told
            }
        },
        Event::StepSkipped {
            reason: SkipReason::NotSelected,
            ..
        } => return None,
        Event::StepSkipped { step, reason } => Told::new(
            Mood::Plain,
            '○',
            step.as_str(),
            format!("skipped: {}", skip_reason(reason)),
        ),
        Event::StepCancelled { step, .. } => {
            Told::new(Mood::Doubt, '○', step.as_str(), "cancelled")
        }
        Event::StepRechecked {
            step,
            holds: true,
            reason,
        } => Told::new(
            Mood::Good,
            '✓',
            step.as_str(),
            format!("still holds: {reason}"),
        ),
        Event::StepRechecked {
            step,
            holds: false,
            reason,
        } => Told::new(
            Mood::Doubt,
            '↻',
            step.as_str(),
            format!("no longer holds, so it runs again: {reason}"),
        ),
        Event::ApprovalGranted { step, by } => {
            Told::new(Mood::Good, '✓', step.as_str(), format!("approved by {by}"))
        }
        Event::UndoStarted { step, .. } => {
            Told::new(Mood::Plain, '↶', step.as_str(), "is being undone")
        }
        Event::StepUndone { step, detail, .. } => {
            Told::new(Mood::Good, '↶', step.as_str(), format!("undone: {detail}"))
        }
        Event::UndoFailed {
            step, failure: why, ..
        } => {
            let mut told = Told::new(
                Mood::Bad,
                '✗',
                step.as_str(),
                format!("undo failed: {}", failure(why)),
            );
            told.more = why
                .help
                .iter()
                .map(|help| (Mood::Plain, format!("help: {help}")))
                .collect();
            told
        }
        Event::CancelRequested { by } => Told::new(
            Mood::Doubt,
            '■',
            envelope.run.as_str(),
            format!("is being cancelled by {by}"),
        ),
        Event::TeardownStarted { .. } if !needs_teardown(state) => return None,
        Event::TeardownStarted { .. } => Told::new(
            Mood::Plain,
            '▸',
            envelope.run.as_str(),
            "teardown: undos and `finally:`",
        ),
        Event::RunFinished { outcome } => {
            let took = elapsed(between(state.started, envelope.at));
            let (mood, mark, word) = match outcome {
                RunOutcome::Succeeded => (Mood::Good, '✓', "succeeded"),
                RunOutcome::Failed => (Mood::Bad, '✗', "failed"),
                RunOutcome::Cancelled => (Mood::Doubt, '■', "cancelled"),
            };
            Told::new(
                mood,
                mark,
                envelope.run.as_str(),
                format!("{word} after {took}"),
            )
        }
    };
    Some(told)
}

fn needs_teardown(state: &RunState) -> bool {
    state
        .plan
        .steps
        .iter()
        .any(|step| step.teardown || step.undo.is_some())
}

fn finding(finding: &Finding) -> (Mood, String) {
    let mood = match finding.verdict {
        Verdict::Pass => Mood::Good,
        Verdict::Fail => Mood::Bad,
        Verdict::Inconclusive | Verdict::Inapplicable | Verdict::NotRun => Mood::Doubt,
    };
    // The reason of an `expect:` quotes it.
    let quoted = finding.reason.contains(&finding.about);
    let about = if quoted {
        String::new()
    } else {
        format!("{}: ", finding.about)
    };
    let reason = harmless(&finding.reason);
    (mood, format!("{} {about}{reason}", finding.verdict))
}

/// A failure in one line: its message, then class and code.
#[must_use]
pub fn failure(failure: &Failure) -> String {
    let class = match failure.class {
        ErrorClass::Transient => "transient",
        ErrorClass::Permanent => "permanent",
        ErrorClass::TimedOut => "timed out",
        ErrorClass::Cancelled => "cancelled",
        ErrorClass::Lost => "lost",
    };
    format!("{} ({class}, {})", failure.message, failure.code)
}

/// Why a step was skipped, in words.
#[must_use]
pub fn skip_reason(reason: &SkipReason) -> String {
    match reason {
        SkipReason::Condition => "its `when:` is false".to_owned(),
        SkipReason::Need { step, outcome } => {
            format!("it needs {step}, which {}", outcome_word(*outcome))
        }
        SkipReason::Gate { step } => format!("{step} is a gate, and a criterion of it FAILs"),
        SkipReason::RunStopped { step } => format!("{step} failed and stopped the run"),
        SkipReason::NotSelected => "`--only` named other steps".to_owned(),
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
        Outcome::Skipped => "was skipped",
        Outcome::Cancelled => "was cancelled",
    }
}
