//! How a run is begun or taken up: its first events are durable before the loop starts.

use std::collections::HashMap;
use std::sync::Arc;

use flowctl_state::event::{Envelope, Event, FORMAT, RunOutcome};
use flowctl_state::log::Append;
use flowctl_state::run_state::{Phase, RunState};
use flowctl_workflows::plan::Plan;
use flowctl_workflows::{RunId, StepId};
use tokio::sync::{broadcast, mpsc};

use super::recheck::recheck;
use super::{Environment, Error, Executor, Live};
use crate::dag::Dag;
use crate::engine::{Frontier, Input, Resume, is_forced, is_in_teardown, resumed};

/// How many stored events a slow watcher may lag behind before it is told that it missed some.
const WATCH_BUFFER: usize = 4096;

impl Executor {
    /// Starts a new run. Its first event is durable when this returns.
    ///
    /// # Errors
    /// [`Error::Log`] when it could not be stored.
    pub async fn start(
        environment: Arc<Environment>,
        run: RunId,
        plan: Plan,
        jobs: u32,
        only: Vec<StepId>,
    ) -> Result<Self, Error> {
        let first = Event::RunStarted {
            plan: Arc::new(plan),
            jobs,
            only,
            flowctl: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let append = Append {
            run,
            expected: 0,
            at: environment.clock.now(),
            events: vec![first],
        };
        let mut envelopes = environment.log.append(append).await?;
        let first = envelopes.pop().ok_or(Error::Empty)?;
        let state = RunState::start(&first)?;
        let mut executor = Self::around(environment, state);
        executor.opening.push(Arc::new(first));
        Ok(executor)
    }

    /// Takes a run up again where its events end, with another plan in place of its own if there is one. Finished
    /// checkpoints are probed before they are trusted.
    ///
    /// # Errors
    /// [`Error::Log`] when it could not be stored; [`Error::Complete`] when there is nothing left to do.
    pub async fn resume(
        environment: Arc<Environment>,
        state: RunState,
        resume: Resume,
        replacement: Option<Plan>,
    ) -> Result<Self, Error> {
        let complete = state.phase
            == (Phase::Finished {
                outcome: RunOutcome::Succeeded,
            });
        let mut events = Vec::new();
        let mut replaced = None;
        if let Some(plan) = replacement {
            let plan = Arc::new(plan);
            let event = Event::PlanReplaced { plan };
            let mut taken_up = state.clone();
            taken_up.apply(&imagined(&environment, &state, event.clone()))?;
            replaced = Some(taken_up);
            events.push(event);
        }
        let taken_up = replaced.as_ref().unwrap_or(&state);
        // A run's own plan has no step that is new to it.
        let new = replaced.is_some()
            && taken_up.steps().any(|(step, record)| {
                record.attempts == 0 && state.place(step.id.as_str()).is_none()
            });
        if complete && !new && !resume.asks_for_more() {
            return Err(Error::Complete { run: state.run });
        }
        let dag = Dag::new(Arc::clone(&taken_up.plan));
        let forced = is_forced(&dag, taken_up, &resume);
        let rechecked = recheck(&environment, taken_up, &forced).await;
        let resumed = resumed(&dag, taken_up, &rechecked, &resume);
        events.extend(rechecked);
        events.push(resumed);
        // All of it or none: a plan that was replaced is never without what it reopens.
        let mut executor = Self::around(environment, state);
        executor.opening = executor.persist(events).await?;
        executor.dag = dag;
        executor.frontier = Frontier::build(&executor.dag, &executor.state);
        Ok(executor)
    }

    /// Takes a run up where its events end, only to stop it: what it left in flight is ended, its undos and `finally:`
    /// run, and nothing else is started, probed or forgotten.
    ///
    /// # Errors
    /// [`Error::Log`] when it could not be stored.
    pub async fn stop(
        environment: Arc<Environment>,
        state: RunState,
        by: String,
    ) -> Result<Self, Error> {
        Self::stop_and(environment, state, by, Vec::new()).await
    }

    /// Takes the effects of these steps back. A run that is over stays so; one that was left in the middle is stopped,
    /// as by [`Executor::stop`].
    ///
    /// # Errors
    /// [`Error::Log`] when it could not be stored.
    pub async fn undo(
        environment: Arc<Environment>,
        state: RunState,
        by: String,
        steps: Vec<StepId>,
    ) -> Result<Self, Error> {
        let asked = Event::UndoRequested {
            by: by.clone(),
            steps,
        };
        if !matches!(state.phase, Phase::Finished { .. }) {
            return Self::stop_and(environment, state, by, vec![asked]).await;
        }
        let mut executor = Self::around(environment, state);
        executor.opening = executor.persist(vec![asked]).await?;
        executor.frontier = Frontier::build(&executor.dag, &executor.state);
        Ok(executor)
    }

    async fn stop_and(
        environment: Arc<Environment>,
        state: RunState,
        by: String,
        then: Vec<Event>,
    ) -> Result<Self, Error> {
        let mut opening = vec![Event::RunResumed {
            jobs: state.jobs,
            reopened: Vec::new(),
            because: Vec::new(),
            trusted: true,
            only: (!state.only.is_empty()).then(|| state.only.clone()),
            teardown: is_in_teardown(&state),
        }];
        opening.extend(then);
        let mut executor = Self::around(environment, state);
        executor.opening = executor.persist(opening).await?;
        executor.frontier = Frontier::build(&executor.dag, &executor.state);
        let mut events = Vec::new();
        executor.decide(Input::Cancel { by }, &mut events);
        let stopped = executor.persist(events).await?;
        executor.opening.extend(stopped);
        Ok(executor)
    }

    fn around(environment: Arc<Environment>, state: RunState) -> Self {
        let dag = Dag::new(Arc::clone(&state.plan));
        let frontier = Frontier::build(&dag, &state);
        let (sender, messages) = mpsc::unbounded_channel();
        let (envelopes, _) = broadcast::channel(WATCH_BUFFER);
        let live = Live::default();
        Self {
            environment,
            dag,
            state,
            frontier,
            live,
            opening: Vec::new(),
            in_flight: HashMap::new(),
            checkpoints: Vec::new(),
            messages,
            sender,
            envelopes,
            abandoned: false,
            left: None,
        }
    }
}

/// An event as it would be stored next, to see what would come of it.
pub(super) fn imagined(environment: &Environment, state: &RunState, event: Event) -> Envelope {
    Envelope {
        format: FORMAT,
        run: state.run.clone(),
        seq: state.next_seq,
        epoch: state.epoch,
        at: environment.clock.now(),
        prev: String::new(),
        event,
    }
}
