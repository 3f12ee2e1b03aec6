//! The loop: *persist, fold, report, act*.
//!
//! It owns what is in flight (attempts, timers) and nothing else; every decision is the engine's,
//! every fact is in the log before anything acts on it. An append that fails ends the run here: the
//! log is the truth. A reporter that fails is a warning: it is a view.

mod again;
mod attempt;
mod environment;
mod error;
mod fit;
mod handle;
mod live;
mod message;
mod mutant;
mod prepare;
mod recheck;
mod scope;
mod sink;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flowctl_state::event::{Envelope, Event, FORMAT, RunOutcome};
use flowctl_state::log::Append;
use flowctl_state::run_state::{Phase, RunState, StepState};
use flowctl_steps::StepError;
use flowctl_workflows::plan::Plan;
use flowctl_workflows::policy::Span;
use flowctl_workflows::{RunId, StepId};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::dag::Dag;
use crate::engine::{
    Command, Frontier, Input, Resume, decide, is_forced, is_in_teardown, resumed, todo, todo_for,
};
use message::{Message, Request};

pub(crate) use again::judge_again;
pub use environment::{Environment, Renderer};
pub use error::Error;
pub(crate) use fit::fit;
pub use handle::Handle;
pub use live::Live;
pub use message::Look;
pub use scope::Scope;

/// Draws what happens. Gets every stored event after it was folded.
pub trait Reporter: Send {
    /// An event happened.
    fn on(&mut self, envelope: &Envelope, state: &RunState, live: &Live);

    /// Something that is not stored changed: a progress text, or time went by.
    fn tick(&mut self, state: &RunState, live: &Live);

    /// A line that a step's child printed.
    fn line(&mut self, step: &StepId, line: &str);
}

/// How a call of [`Executor::run`] ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The run as it stands now.
    pub state: RunState,
    /// Someone asked twice to stop, so it was left as it was; it can be resumed.
    pub abandoned: bool,
    /// It was left as it was because this process may not go on, and why.
    pub left: Option<String>,
}

/// How many stored events a slow watcher may lag behind before it is told that it missed some.
const WATCH_BUFFER: usize = 4096;
/// How many messages are answered together.
const BATCH: usize = 1024;

/// One run that is under way in this process.
pub struct Executor {
    environment: Arc<Environment>,
    dag: Dag,
    state: RunState,
    frontier: Frontier,
    live: Live,
    /// What was stored before anybody looked; told to the reporter first.
    opening: Vec<Arc<Envelope>>,
    in_flight: HashMap<u32, InFlight>,
    messages: mpsc::UnboundedReceiver<Message>,
    sender: mpsc::UnboundedSender<Message>,
    envelopes: broadcast::Sender<Arc<Envelope>>,
    /// Attempts that wait until what they wrote down is durable.
    checkpoints: Vec<oneshot::Sender<()>>,
    abandoned: bool,
    left: Option<String>,
}

/// What this process does for a step.
struct InFlight {
    /// Stops an attempt or an undo; a timer has none to stop.
    cancel: CancellationToken,
}

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
        let rechecked = recheck::recheck(&environment, taken_up, &forced).await;
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

    /// What others use to look at the run and to steer it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.sender.clone(), self.envelopes.clone())
    }

    /// The run as it stands.
    #[must_use]
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// [`Error`] when the log cannot be appended to; nothing was acted on that is not stored.
    pub async fn run(mut self, reporter: &mut dyn Reporter) -> Result<Ended, Error> {
        let mut phase = None;
        for envelope in std::mem::take(&mut self.opening) {
            reporter.on(&envelope, &self.state, &self.live);
        }
        for command in todo(&self.dag, &self.state) {
            self.act(command, false);
        }
        self.advance(vec![Input::Proceed], reporter).await?;
        let mut batch = Vec::new();
        while !matches!(self.state.phase, Phase::Finished { .. }) && !self.abandoned {
            if phase != Some(self.state.phase) {
                phase = Some(self.state.phase);
                self.limit_phase();
            }
            self.messages.recv_many(&mut batch, BATCH).await;
            let inputs = batch
                .drain(..)
                .filter_map(|message| self.receive(message, reporter))
                .collect();
            if self.left.is_some() {
                break;
            }
            self.advance(inputs, reporter).await?;
            for stored in self.checkpoints.drain(..) {
                // The attempt may have been dropped since.
                let _ = stored.send(());
            }
        }
        for (_, in_flight) in self.in_flight.drain() {
            in_flight.cancel.cancel();
        }
        Ok(Ended {
            state: self.state,
            abandoned: self.abandoned,
            left: self.left,
        })
    }

    /// The run's own time limits: one for the main steps, one for undos and `finally:`.
    fn limit_phase(&self) {
        let limit: Option<(Span, &str)> = match self.state.phase {
            Phase::Running => self
                .dag
                .plan()
                .timeout
                .map(|span| (span, "the run's timeout")),
            Phase::TearingDown { .. } => {
                Some((self.dag.plan().teardown_timeout, "the teardown's timeout"))
            }
            Phase::Finished { .. } => None,
        };
        if let Some((span, what)) = limit {
            let by = format!("{what} of {span}");
            let phase = self.state.phase;
            let sender = self.sender.clone();
            tokio::spawn(async move {
                tokio::time::sleep(span.duration()).await;
                // The loop may be over by then.
                let _ = sender.send(Message::PhaseTimedOut { phase, by });
            });
        }
    }

    /// Decides, persists, folds, reports and acts, until nothing more follows by itself.
    async fn advance(
        &mut self,
        inputs: Vec<Input>,
        reporter: &mut dyn Reporter,
    ) -> Result<(), Error> {
        let mut events = Vec::new();
        for input in inputs {
            self.decide(input, &mut events);
        }
        loop {
            if !events.is_empty() {
                self.too_early(&events, reporter)?;
                let envelopes = self.persist(std::mem::take(&mut events)).await?;
                for envelope in &envelopes {
                    reporter.on(envelope, &self.state, &self.live);
                }
                self.act_on(&envelopes);
            }
            if !self.frontier.has_conditional() {
                return Ok(());
            }
            self.decide(Input::Proceed, &mut events);
        }
    }

    fn decide(&mut self, input: Input, events: &mut Vec<Event>) {
        let conditions = scope::WhenConditions {
            environment: &self.environment,
        };
        events.extend(decide(
            &self.dag,
            &self.state,
            &mut self.frontier,
            &conditions,
            input,
        ));
    }

    /// Durable first, then folded, then published.
    async fn persist(&mut self, events: Vec<Event>) -> Result<Vec<Arc<Envelope>>, Error> {
        let append = Append {
            run: self.state.run.clone(),
            expected: self.state.next_seq,
            at: self.environment.clock.now(),
            events,
        };
        let log = &self.environment.log;
        let envelopes = if self.in_flight.is_empty() {
            // Nothing of the run goes on meanwhile, so nobody is kept waiting but who looks at it, or asks it to stop;
            // they have their turn now.
            let stored = log.append_here(append);
            tokio::task::yield_now().await;
            stored?
        } else {
            log.append(append).await?
        };
        let mut shared = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            self.state.apply(&envelope)?;
            let envelope = Arc::new(envelope);
            // Nobody may be watching.
            let _ = self.envelopes.send(Arc::clone(&envelope));
            shared.push(envelope);
        }
        Ok(shared)
    }

    fn act_on(&mut self, envelopes: &[Arc<Envelope>]) {
        let mut everything = false;
        let mut touched = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            match envelope.event.step() {
                Some(step) => {
                    let first = matches!(envelope.event, Event::StepStarted { attempt: 1, .. });
                    let place = self.state.place(step.as_str());
                    touched.extend(place.map(|place| (place, first)));
                }
                None => everything |= matches!(envelope.event, Event::CancelRequested { .. }),
            }
        }
        if everything {
            for command in todo(&self.dag, &self.state) {
                self.act(command, false);
            }
            return;
        }
        for (place, first) in touched {
            if let Some(command) = todo_for(&self.dag, &self.state, place) {
                self.act(command, first);
            }
        }
    }

    /// Starts what is missing; what is in flight already is left alone. `first`: it is a step's first attempt, and its
    /// start was stored by this process just now.
    fn act(&mut self, command: Command, first: bool) {
        let step = match &command {
            Command::Stop { step } => {
                if let Some(in_flight) = self.in_flight.get(step) {
                    in_flight.cancel.cancel();
                    return;
                }
                *step
            }
            Command::Run { step, .. } | Command::Wait { step, .. } | Command::Undo { step, .. } => {
                *step
            }
        };
        if self.in_flight.contains_key(&step) {
            return;
        }
        let cancel = CancellationToken::new();
        self.in_flight.insert(
            step,
            InFlight {
                cancel: cancel.clone(),
            },
        );
        match command {
            Command::Run {
                attempt, handle, ..
            } => self.spawn_attempt(step, attempt, handle, first, cancel),
            Command::Stop { .. } => {
                // A process before this one ran it, and it was cancelled since: start it only to stop it.
                cancel.cancel();
                if let StepState::Running { attempt, handle } = &self.state.step(step).state {
                    let (attempt, handle) = (*attempt, handle.as_deref().cloned());
                    self.spawn_attempt(step, attempt, handle, false, cancel);
                }
            }
            Command::Wait { millis, .. } => self.spawn_timer(step, Duration::from_millis(millis)),
            Command::Undo { attempt, wait, .. } => {
                self.spawn_undo(step, attempt, Duration::from_millis(wait), cancel);
            }
        }
    }

    fn spawn_timer(&self, step: u32, wait: Duration) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            // The loop may be over by then.
            let _ = sender.send(Message::RetryDue { step });
        });
    }

    /// Turns a message into an input for the engine, if it is one.
    fn receive(&mut self, message: Message, reporter: &mut dyn Reporter) -> Option<Input> {
        match message {
            Message::AttemptEnded { step, input } | Message::UndoEnded { step, input } => {
                self.in_flight.remove(&step);
                self.live.forget(step);
                Some(input)
            }
            Message::RetryDue { step } => {
                self.in_flight.remove(&step);
                Some(Input::RetryDue { step })
            }
            Message::Checkpoint {
                step,
                handle,
                stored,
            } => {
                // Answered when the batch that holds it is durable.
                self.checkpoints.push(stored);
                Some(Input::Checkpointed { step, handle })
            }
            Message::Progress { step, what } => {
                self.live.progress(step, what);
                reporter.tick(&self.state, &self.live);
                None
            }
            Message::Line { step, line } => {
                let id = &self.dag.step(step).id;
                reporter.line(id, &line);
                self.live.line(step, line);
                None
            }
            Message::Tick => {
                reporter.tick(&self.state, &self.live);
                None
            }
            Message::PhaseTimedOut { phase, by } => self.phase_timed_out(phase, by),
            Message::Request(request) => self.answer(request),
        }
    }

    fn phase_timed_out(&mut self, phase: Phase, by: String) -> Option<Input> {
        if self.state.phase != phase {
            return None;
        }
        if matches!(phase, Phase::TearingDown { .. }) {
            for in_flight in self.in_flight.values() {
                in_flight.cancel.cancel();
            }
            let why = format!("was not begun within {by}");
            let failure = StepError::timed_out("undo.teardown_timeout", why)
                .help("`flowctl undo` puts back what is pending");
            return Some(Input::TeardownTimedOut {
                failure: failure.into(),
            });
        }
        Some(Input::Cancel { by })
    }

    fn answer(&mut self, request: Request) -> Option<Input> {
        match request {
            Request::Inspect(look) => {
                look(&self.state, &self.live);
                None
            }
            Request::Cancel { by } => {
                if self.state.cancelled_by.is_some() {
                    self.abandoned = true;
                    return None;
                }
                Some(Input::Cancel { by })
            }
            Request::Leave { why } => {
                self.left.get_or_insert(why);
                None
            }
            Request::Approve { step, by, answer } => {
                let waiting = self.state.awaits_approval(&step);
                // Whoever asked may be gone; the approval counts all the same.
                let _ = answer.send(waiting.is_some());
                waiting.map(|step| Input::Approved { step, by })
            }
        }
    }
}

/// An event as it would be stored next, to see what would come of it.
fn imagined(environment: &Environment, state: &RunState, event: Event) -> Envelope {
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
