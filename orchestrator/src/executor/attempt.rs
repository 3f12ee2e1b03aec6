//! One attempt from its start to the input that the engine gets: time limit, cancel, postcondition,
//! expectations, and no secret in anything that is kept.

use std::sync::Arc;
use std::time::Duration;

use flowctl_state::crash::{self, Mutant};
use flowctl_steps::context::{AttemptName, Sink};
use flowctl_steps::secret::Secrets;
use flowctl_steps::{Output, StepContext, StepError, Undone};
use flowctl_workflows::result::{ErrorClass, Failure, Finding, output_in_rehearsal};
use futures::FutureExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Executor;
use super::again::{PARAMETERS, PARAMETERS_FORMAT};
use super::message::Message;
use super::prepare::Prepared;
use super::sink::LoopSink;
use crate::engine::Input;

/// How long an attempt that was asked to stop has to tell the platform.
const STOP_GRACE: Duration = Duration::from_secs(30);

impl Executor {
    pub(super) fn spawn_attempt(
        &self,
        step: u32,
        attempt: u32,
        handle: Option<Value>,
        first: bool,
        cancel: CancellationToken,
    ) {
        let prepared = Prepared::new(&self.environment, &self.state, step);
        let (prepared, handle) = self.unsealed(step, prepared, handle);
        let sender = self.sender.clone();
        let (mut cx, sink) = self.context(step, attempt, handle, cancel, &prepared);
        cx.first = first;
        let rehearsal = self.state.plan.is_rehearsal();
        let clock = Arc::clone(&self.environment.clock);
        let renderer = Arc::clone(&self.environment.renderer);
        let report =
            (self.dag.step(step).role.kind() == Some("report")).then(|| self.state.clone());
        tokio::spawn(async move {
            let result = match (prepared, report) {
                (Err(failure), _) => Err(failure),
                (Ok(_), Some(state)) => {
                    tokio::task::spawn_blocking(move || renderer.render(&state))
                        .await
                        .map_err(|error| error.to_string())
                        .flatten()
                        .map(|directory| Output::of(serde_json::json!({"directory": directory})))
                        .map_err(|reason| StepError::permanent("report.write", reason).into())
                }
                (Ok(prepared), None) => prepared.execute(&cx, &sink, rehearsal).await,
            };
            let evidence = sink.take_evidence();
            let secrets = &cx.secrets;
            let input = match result {
                Ok(mut output) => {
                    secrets.redact_value(&mut output.value);
                    for finding in &mut output.findings {
                        finding.reason = secrets.redact(&finding.reason);
                        finding.about = secrets.redact(&finding.about);
                        // What an expectation says of the output rests on whatever the attempt kept.
                        if finding.evidence.is_empty() {
                            finding.evidence =
                                evidence.iter().map(|kept| kept.sha256.clone()).collect();
                        }
                        for number in &mut finding.numbers {
                            number.name = secrets.redact(&number.name);
                        }
                    }
                    let findings = match rehearsal {
                        true => output
                            .findings
                            .into_iter()
                            .map(Finding::in_rehearsal)
                            .collect(),
                        false => output.findings,
                    };
                    Input::AttemptSucceeded {
                        step,
                        output: output.value,
                        findings,
                        evidence,
                    }
                }
                Err(failure) => Input::AttemptFailed {
                    step,
                    failure: redact_failure(secrets, failure),
                    evidence,
                    now: clock.now(),
                    chance: rand::random(),
                },
            };
            // The loop may be over; then the attempt is found again by the next resume.
            let _ = sender.send(Message::AttemptEnded { step, input });
        });
    }

    pub(super) fn spawn_undo(
        &self,
        step: u32,
        attempt: u32,
        wait: Duration,
        cancel: CancellationToken,
    ) {
        let prepared = Prepared::undo(&self.environment, &self.state, step);
        let sender = self.sender.clone();
        let handle = self.state.step(step).handle.as_deref().cloned();
        let (prepared, handle) = self.unsealed(step, prepared, handle);
        let (cx, _) = self.context(step, attempt, handle, cancel, &prepared);
        tokio::spawn(async move {
            let result = match (prepared, cx.sleep(wait).await) {
                (Err(failure), _) => Err(failure),
                (Ok(_), Err(stopped)) => Err(stopped.into()),
                (Ok(prepared), Ok(())) => prepared.undo_step(&cx).await,
            };
            let input = match result {
                Ok(Undone::Nothing(why)) => Input::UndoNeedless {
                    step,
                    detail: format!("nothing to undo: {why}"),
                },
                Ok(Undone::Restored(what)) => Input::UndoSucceeded {
                    step,
                    detail: cx.secrets.redact(&what),
                },
                Err(failure) => Input::UndoFailed {
                    step,
                    failure: redact_failure(&cx.secrets, failure),
                },
            };
            // The loop may be over; then the undo is begun again by the next resume.
            let _ = sender.send(Message::UndoEnded { step, input });
        });
    }

    fn context(
        &self,
        step: u32,
        attempt: u32,
        handle: Option<Value>,
        cancel: CancellationToken,
        prepared: &Result<Prepared, Failure>,
    ) -> (StepContext, Arc<LoopSink>) {
        let environment = &self.environment;
        let sink = Arc::new(LoopSink::new(
            step,
            self.sender.clone(),
            Arc::clone(&environment.evidence),
            environment.secrets.clone(),
            self.state.plan.is_rehearsal(),
        ));
        let spec = self.dag.step(step);
        let cx = StepContext {
            attempt: AttemptName {
                run: self.state.run.clone(),
                step: spec.id.clone(),
                attempt: match crash::is(Mutant::RenameEffect) {
                    true => attempt + 100 * self.state.resumes,
                    false => attempt,
                },
            },
            left: self.left(step, handle.as_ref()),
            handle,
            first: false,
            clients: Arc::clone(&environment.clients),
            cancel,
            timeout: spec.timeout.map(flowctl_workflows::policy::Span::duration),
            sink: Arc::clone(&sink) as Arc<dyn Sink>,
            files: super::files::files(environment, prepared),
            secrets: environment.secrets.clone(),
            clock: Arc::clone(&environment.clock),
            child_env: Arc::clone(&environment.child_env),
        };
        (cx, sink)
    }
}

impl Executor {
    /// What an attempt before this one wrote down and nobody took back.
    fn left(&self, step: u32, own: Option<&Value>) -> Option<Value> {
        let written = self.state.step(step).handle.as_deref();
        let forgotten = crash::is(Mutant::ForgetHandle);
        let mut left = written.filter(|_| own.is_none() && !forgotten).cloned()?;
        // Without a value that it names nothing is begun: see `unsealed`.
        let _ = self.environment.secrets.unseal(&mut left);
        Some(left)
    }

    /// What was written down, with the values of secrets in the place of their names. Without them nothing is begun.
    fn unsealed(
        &self,
        step: u32,
        prepared: Result<Prepared, Failure>,
        handle: Option<Value>,
    ) -> (Result<Prepared, Failure>, Option<Value>) {
        let secrets = &self.environment.secrets;
        let open = |mut written: Value| secrets.unseal(&mut written).map(|()| written);
        let written = self.state.step(step).handle.as_deref().cloned();
        match (handle.map(open).transpose(), written.map(open).transpose()) {
            (Ok(handle), Ok(_)) => (prepared, handle),
            (Err(unknown), _) | (_, Err(unknown)) => (prepared.and(Err(unknown.into())), None),
        }
    }
}

impl Prepared {
    /// Runs the step, then its probe, then its expectations.
    async fn execute(
        self,
        cx: &StepContext,
        sink: &LoopSink,
        rehearsal: bool,
    ) -> Result<Output, Failure> {
        let mut output = within_limits(cx, self.step.run(cx)).await?;
        if let Some((kind, with)) = &self.asked {
            let asked = serde_json::json!({
                "format": PARAMETERS_FORMAT, "kind": kind, "with": with, "records": sink.kept(),
            });
            cx.evidence_json(PARAMETERS, &asked).await?;
        }
        if rehearsal {
            output_in_rehearsal(&mut output.value);
        }
        if let Some(probe) = &self.probe {
            let probed = within_limits(cx, probe.step.run(cx)).await?;
            if let Some(reason) = probe.expectation.first_refusal(&probed.value)? {
                return Err(StepError::permanent(
                    "verify.false",
                    format!("its postcondition does not hold: {reason}"),
                )
                .help("the step did what it was asked to, but the platform does not show it")
                .into());
            }
        }
        self.expectation.judge(&mut output)?;
        Ok(output)
    }

    async fn undo_step(self, cx: &StepContext) -> Result<Undone, Failure> {
        if self.undo_by_other {
            let output = within_limits(cx, self.step.run(cx)).await?;
            if let Some(reason) = self.expectation.first_refusal(&output.value)? {
                return Err(StepError::permanent(
                    "undo.expect",
                    format!("the undo does not hold: {reason}"),
                )
                .into());
            }
            return Ok(Undone::Restored("undone by its `undo:`".to_owned()));
        }
        within_limits(cx, self.step.undo(cx)).await
    }
}

/// Does the work within its time limit. Whatever it does when asked to stop, it is given up after a grace.
pub(super) async fn within_limits<T>(
    cx: &StepContext,
    work: impl Future<Output = Result<T, StepError>>,
) -> Result<T, Failure> {
    // A panic in a step kind is a bug of flowctl; it fails the step and must not take the run down.
    let mut work = Box::pin(std::panic::AssertUnwindSafe(work).catch_unwind());
    let limit = async {
        match cx.timeout {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        biased;
        result = &mut work => return finished(result),
        () = cx.cancel.cancelled() => StepError::cancelled(),
        () = limit => {
            cx.cancel.cancel();
            let limit = flowctl_workflows::policy::Span::from_millis(
                cx.timeout.map_or(0, |limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
            );
            StepError::timed_out("step.timeout", format!("did not end within its timeout of {limit}"))
        }
    };
    match tokio::time::timeout(STOP_GRACE, work).await {
        // It ended just then, with an error of its own or well.
        Ok(result) => match finished(result) {
            Ok(output) => Ok(output),
            Err(failure) if failure.class == ErrorClass::Cancelled => Err(ended.into()),
            Err(failure) if ended.class == ErrorClass::TimedOut => {
                let ended: Failure = ended.into();
                Err(Failure {
                    message: format!("{}; then: {}", ended.message, failure.message),
                    ..ended
                })
            }
            Err(failure) => Err(failure),
        },
        Err(_) => Err(ended.into()),
    }
}

fn finished<T>(
    result: Result<Result<T, StepError>, Box<dyn std::any::Any + Send>>,
) -> Result<T, Failure> {
    match result {
        Ok(result) => result.map_err(Failure::from),
        Err(panic) => {
            let what = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Err(
                StepError::permanent("flowctl.bug", format!("the step kind panicked: {what}"))
                    .help("this is a bug in flowctl; please report it")
                    .into(),
            )
        }
    }
}

fn redact_failure(secrets: &Secrets, failure: Failure) -> Failure {
    Failure {
        // Some codes are a server's own words.
        code: secrets.redact(&failure.code),
        message: secrets.redact(&failure.message),
        help: failure.help.map(|help| secrets.redact(&help)),
        ..failure
    }
}
