//! Before a finished step is skipped on resume, its postcondition is probed again: the platform is
//! asked, not the memory. What no longer holds runs again, and so does all that was built on it.

use std::sync::Arc;

use async_trait::async_trait;
use flowctl_state::event::Event;
use flowctl_state::evidence::EvidenceStore;
use flowctl_state::run_state::{RunState, StepState};
use flowctl_steps::context::{AttemptName, Sink, Stream};
use flowctl_steps::secret::Secrets;
use flowctl_steps::{StepContext, StepError};
use flowctl_workflows::result::{Evidence, Failure};
use futures::StreamExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::attempt::within_limits;
use super::environment::Environment;
use super::files::files;
use super::prepare::Prepared;
use super::sink::LoopSink;

/// How many postconditions are probed at once.
const AT_ONCE: usize = 8;

/// One event for each finished checkpoint that does not run again anyway: does its postcondition still hold?
pub(super) async fn recheck(
    environment: &Environment,
    state: &RunState,
    forced: &[bool],
) -> Vec<Event> {
    let checkpoints = (0u32..)
        .zip(state.steps())
        .filter_map(|(place, (step, record))| {
            (step.verify.is_some()
                && record.state == StepState::Succeeded
                && !step.teardown
                && !forced[place as usize])
                .then_some(place)
        });
    futures::stream::iter(checkpoints.collect::<Vec<_>>())
        .map(|place| async move {
            let step = state.plan.steps[place as usize].id.clone();
            let (holds, reason) = match probe(environment, state, place).await {
                Ok(None) => (true, "its postcondition still holds".to_owned()),
                Ok(Some(refusal)) => (
                    false,
                    format!("its postcondition no longer holds: {refusal}"),
                ),
                Err(failure) => (
                    false,
                    format!("its postcondition could not be probed: {}", failure.message),
                ),
            };
            let reason = environment.secrets.redact(&reason);
            (
                place,
                Event::StepRechecked {
                    step,
                    holds,
                    reason,
                },
            )
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect::<std::collections::BTreeMap<_, _>>()
        .into_values()
        .collect()
}

/// Where a probe's words go: nobody draws its progress, its raw records stand behind no number, and what it asks the
/// platform is asked again rather than found again, so a name needs no place in the log.
struct ProbeSink(Arc<EvidenceStore>, Secrets);

#[async_trait]
impl Sink for ProbeSink {
    async fn checkpoint(&self, _: Value) -> Result<(), StepError> {
        Ok(())
    }

    async fn evidence(
        &self,
        name: &str,
        media_type: &str,
        content: &[u8],
    ) -> Result<Evidence, StepError> {
        let (sender, _) = mpsc::unbounded_channel();
        // No report names these records, so it does not matter whether it is a rehearsal.
        let store = LoopSink::new(0, sender, Arc::clone(&self.0), self.1.clone(), false);
        store.evidence(name, media_type, content).await
    }

    fn progress(&self, _: &str) {}

    fn line(&self, _: Stream, _: &str) {}
}

/// What the probe refuses, or `None` when the postcondition holds.
async fn probe(
    environment: &Environment,
    state: &RunState,
    place: u32,
) -> Result<Option<String>, Failure> {
    let prepared = Prepared::new(environment, state, place);
    let spec = &state.plan.steps[place as usize];
    let sink = ProbeSink(
        Arc::clone(&environment.evidence),
        environment.secrets.clone(),
    );
    let cx = StepContext {
        attempt: AttemptName {
            run: state.run.clone(),
            step: spec.id.clone(),
            attempt: state.step(place).attempts,
        },
        handle: None,
        left: None,
        first: false,
        clients: Arc::clone(&environment.clients),
        cancel: CancellationToken::new(),
        timeout: spec.timeout.map(flowctl_workflows::policy::Span::duration),
        sink: Arc::new(sink) as Arc<dyn Sink>,
        files: files(environment, &prepared),
        secrets: environment.secrets.clone(),
        clock: Arc::clone(&environment.clock),
        child_env: Arc::clone(&environment.child_env),
    };
    let Some(probe) = prepared?.probe else {
        return Ok(None);
    };
    let probed = within_limits(&cx, probe.step.run(&cx)).await?;
    probe.expectation.first_refusal(&probed.value)
}
