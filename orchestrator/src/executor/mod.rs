//! The loop: *persist, fold, report, act*.
//!
//! It owns what is in flight (attempts, timers) and nothing else; every decision is the engine's,
//! every fact is in the log before anything acts on it. An append that fails ends the run here: the
//! log is the truth. A reporter that fails is a warning: it is a view.

mod act;
mod again;
mod attempt;
mod begin;
mod environment;
mod error;
mod expectation;
mod files;
mod fit;
mod handle;
mod live;
mod message;
mod mutant;
mod prepare;
mod receive;
mod recheck;
mod scope;
mod sink;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use flowctl_state::event::{Envelope, Event};
use flowctl_state::log::Append;
use flowctl_state::run_state::{Phase, RunState};
use flowctl_workflows::StepId;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::dag::Dag;
use crate::engine::{Frontier, Input, decide, todo};
use message::Message;

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
}
