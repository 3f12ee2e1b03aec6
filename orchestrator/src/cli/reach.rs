//! How a command gets at a state: through the process that holds it, or by opening it itself.

use std::sync::Arc;
use std::time::Duration;

use flowctl_state::LogError;
use flowctl_state::directory::StateDirectory;
use flowctl_state::event::Envelope;
use flowctl_state::hold::Hold;
use flowctl_state::import::import;
use flowctl_state::log::EventLog;
use flowctl_state::memory_log::MemoryLog;
use flowctl_state::run_state::RunState;
use flowctl_steps::clock::SystemClock;
use flowctl_steps::context::Clock;
use flowctl_workflows::RunId;

use super::Cx;
use super::error::Error;
use super::fence;
use super::runtime::block_on;
use crate::server::{self, Client, ClientError};
use crate::view::{RunRow, RunView};

/// Another reader lets go within moments, and a run that has just started soon answers on its socket.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// A state that can be looked at.
pub(super) enum Reach {
    /// Through the process that holds it.
    Holder(Box<Client>),
    /// Opened here.
    Own(Hold),
    /// There is none.
    Nothing,
}

impl Reach {
    /// Gets at the state to look at it. `command` is what others are told who does.
    pub(super) async fn open(cx: &Cx, command: &str) -> Result<Self, Error> {
        let path = cx.state_directory()?;
        let Some(directory) = StateDirectory::existing(&path) else {
            return Ok(Self::Nothing);
        };
        let now = SystemClock::new().now();
        let mut tries = TRIES;
        loop {
            fence::refuse_if_stopped(&directory)?;
            match Client::connect(&directory).await {
                Ok(Some(client)) => return Ok(Self::Holder(Box::new(client))),
                Ok(None) => {}
                Err(ClientError::Silent) => return Err(fence::silent(&directory)),
                Err(error) => return Err(error.into()),
            }
            match Hold::to_read(&directory, command, now) {
                Ok(hold) => return Ok(Self::Own(hold)),
                Err(LogError::Held { .. }) if tries > 0 => {
                    tries -= 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The run that a living process works on.
    pub(super) fn live(&self) -> Option<&str> {
        match self {
            Reach::Holder(client) => Some(&client.hello.run),
            Reach::Own(_) | Reach::Nothing => None,
        }
    }

    /// The ids of all runs, the newest first.
    pub(super) async fn ids(&self) -> Result<Vec<RunId>, Error> {
        match self {
            Reach::Holder(client) => Ok(client.ids().await?),
            Reach::Own(hold) => Ok(server::newest_first(hold.log().as_ref())?),
            Reach::Nothing => Ok(Vec::new()),
        }
    }

    /// The newest runs.
    pub(super) async fn runs(&self, limit: usize) -> Result<Vec<RunRow>, Error> {
        match self {
            Reach::Holder(client) => Ok(client.runs(limit).await?),
            Reach::Own(hold) => Ok(server::list(hold.log().as_ref(), None, limit)?),
            Reach::Nothing => Ok(Vec::new()),
        }
    }

    /// The status of a run.
    pub(super) async fn status(&self, run: &RunId) -> Result<RunView, Error> {
        match self {
            Reach::Holder(client) => Ok(client.status(run).await?),
            Reach::Own(hold) => Ok(RunView::of(&replay(hold, run)?, None)),
            Reach::Nothing => Err(LogError::UnknownRun { run: run.clone() }.into()),
        }
    }

    /// Shows the stored events of a run.
    pub(super) async fn events(
        &self,
        run: &RunId,
        mut visit: impl FnMut(Envelope),
    ) -> Result<(), Error> {
        match self {
            Reach::Holder(client) => Ok(client.events(run, visit).await?),
            Reach::Own(hold) => Ok(hold.log().replay(run, 0, &mut |envelope| {
                visit(envelope);
                std::ops::ControlFlow::Continue(())
            })?),
            Reach::Nothing => Err(LogError::UnknownRun { run: run.clone() }.into()),
        }
    }

    /// The log that has this run: the state's own, or a copy in memory of what the holder has of it.
    pub(super) async fn log(&self, run: &RunId) -> Result<Arc<dyn EventLog>, Error> {
        match self {
            Reach::Holder(client) => {
                let copy = MemoryLog::new();
                let exported = client.export(run).await?;
                let imported = import(&copy, &mut exported.as_slice())?;
                match imported.problems.first() {
                    Some(problem) => Err(Error::Holder(format!("answers: {}", problem.what))),
                    None => Ok(Arc::new(copy)),
                }
            }
            Reach::Own(hold) => Ok(Arc::clone(hold.log()) as Arc<dyn EventLog>),
            Reach::Nothing => Err(LogError::UnknownRun { run: run.clone() }.into()),
        }
    }

    /// A run, folded here from its events.
    pub(super) async fn state(&self, run: &RunId) -> Result<RunState, Error> {
        let mut folded: Option<Result<RunState, Error>> = None;
        self.events(run, |envelope| {
            folded = Some(match folded.take() {
                None => RunState::start(&envelope).map_err(Error::from),
                Some(Ok(mut state)) => state.apply(&envelope).map(|()| state).map_err(Error::from),
                Some(Err(error)) => Err(error),
            });
        })
        .await?;
        folded.unwrap_or_else(|| Err(LogError::UnknownRun { run: run.clone() }.into()))
    }
}

fn replay(hold: &Hold, run: &RunId) -> Result<RunState, Error> {
    Ok(server::replay(hold.log().as_ref(), run)?)
}

/// Holds the state for a run. Another reader is waited for; another run is not, but one that is stopped or hung is ended
/// if the state shall be taken over.
pub(super) fn hold_to_write(cx: &Cx, command: &str, take_over: bool) -> Result<Hold, Error> {
    if take_over {
        block_on(fence::end_holder(cx))?;
    }
    let directory = StateDirectory::create(&cx.state_directory()?)?;
    let now = SystemClock::new().now();
    let mut tries = TRIES;
    loop {
        match Hold::to_write(&directory, command, now) {
            Err(LogError::Held {
                holder,
                stopped: false,
                ..
            }) if tries > 0 && holder.as_ref().is_none_or(|holder| holder.epoch.is_none()) => {
                tries -= 1;
                std::thread::sleep(PAUSE);
            }
            held => return Ok(held?),
        }
    }
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused {
                status: 404 | 409,
                message,
            } => Error::usage(message),
            ClientError::Refused { message, .. } => Error::Holder(format!("answers: {message}")),
            ClientError::Silent | ClientError::Broken(_) => Error::Holder(error.to_string()),
        }
    }
}

impl From<server::Unreadable> for Error {
    fn from(error: server::Unreadable) -> Self {
        match error {
            server::Unreadable::Log(error) => error.into(),
            server::Unreadable::Illegal(error) => error.into(),
        }
    }
}
