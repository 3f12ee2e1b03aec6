//! The other end of the socket.

use std::time::Duration;

use flowctl_state::LogError;
use flowctl_state::directory::{SocketPath, StateDirectory};
use flowctl_state::event::Envelope;
use flowctl_workflows::RunId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::protocol::{Approval, Asked, Hello, Item, Refusal};
use crate::view::{RunRow, RunView};

/// How long the holder may take to say who it is. It answers between two events.
const HELLO: Duration = Duration::from_secs(5);

/// Why the holder did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The holder refused, in its own words.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        message: String,
    },
    /// The holder took the question and did not answer in time.
    #[error("does not answer")]
    Silent,
    /// The holder went away, or speaks in another way.
    #[error("did not answer as expected: {0}")]
    Broken(String),
}

/// A connection to the process that holds a state.
pub struct Client {
    http: reqwest::Client,
    /// The path may lead through an opened directory, which has to stay open.
    _socket: SocketPath,
    /// Who answers.
    pub hello: Hello,
}

impl Client {
    /// Asks who holds the state. `None`: nobody listens.
    ///
    /// # Errors
    /// [`LogError::Io`] when the socket's path cannot be had; [`Error`] when somebody listens and does not answer.
    pub async fn connect(directory: &StateDirectory) -> Result<Option<Self>, Error> {
        let socket = directory
            .socket()
            .map_err(|error: LogError| Error::Broken(error.to_string()))?;
        if !socket.path().exists() {
            return Ok(None);
        }
        let builder = flowctl_steps::clients::http::builder(None)
            .map_err(|error| Error::Broken(error.to_string()))?;
        let http = builder
            .no_proxy()
            .unix_socket(socket.path())
            .build()
            .map_err(|error| Error::Broken(error.to_string()))?;
        let answer = http.get(url("hello")).timeout(HELLO).send().await;
        match answer {
            Err(error) if error.is_connect() => Ok(None),
            Err(error) if error.is_timeout() => Err(Error::Silent),
            answer => {
                let hello = read(answer).await?;
                Ok(Some(Self {
                    http,
                    _socket: socket,
                    hello,
                }))
            }
        }
    }

    /// The ids of all runs, the newest first.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn ids(&self) -> Result<Vec<RunId>, Error> {
        self.get("ids").await
    }

    /// The newest runs.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn runs(&self, limit: usize) -> Result<Vec<RunRow>, Error> {
        self.get(&format!("runs?limit={limit}")).await
    }

    /// The status of a run.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn status(&self, run: &RunId) -> Result<RunView, Error> {
        self.get(&format!("runs/{run}")).await
    }

    /// The last lines of a running step.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn lines(&self, run: &RunId, step: &str) -> Result<Vec<String>, Error> {
        let mut url = url("runs");
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend([run.as_str(), "steps", step, "lines"]);
        }
        read(self.http.get(url).send().await).await
    }

    /// Shows the stored events of a run to `visit`.
    ///
    /// # Errors
    /// [`Error`], also in the middle.
    pub async fn events(&self, run: &RunId, mut visit: impl FnMut(Envelope)) -> Result<(), Error> {
        let answer = accepted(
            self.http
                .get(url(&format!("runs/{run}/events")))
                .send()
                .await,
        )
        .await?;
        let mut lines = Lines::new(answer);
        while let Some(line) = lines.next().await? {
            match serde_json::from_slice(&line) {
                Ok(envelope) => visit(envelope),
                Err(error) => {
                    let refusal: Result<Refusal, _> = serde_json::from_slice(&line);
                    return Err(Error::Broken(
                        refusal.map_or(error.to_string(), |refusal| refusal.error),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Watches a run from its beginning.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn watch(&self, run: &RunId) -> Result<Watch, Error> {
        let answer = accepted(
            self.http
                .get(url(&format!("runs/{run}/watch")))
                .send()
                .await,
        )
        .await?;
        Ok(Watch(Lines::new(answer)))
    }

    /// The records of a run exactly as they are stored.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn export(&self, run: &RunId) -> Result<Vec<u8>, Error> {
        let answer = accepted(
            self.http
                .get(url(&format!("runs/{run}/export")))
                .send()
                .await,
        )
        .await?;
        answer
            .bytes()
            .await
            .map(|bytes| bytes.to_vec())
            .map_err(broken)
    }

    /// Asks a run to stop.
    ///
    /// # Errors
    /// [`Error::Refused`] when that run is not under way.
    pub async fn cancel(&self, run: &RunId, by: String) -> Result<(), Error> {
        self.post(&format!("runs/{run}/cancel"), &Asked { by })
            .await
    }

    /// Approves a step.
    ///
    /// # Errors
    /// [`Error::Refused`] when it does not wait for that.
    pub async fn approve(&self, run: &RunId, step: String, by: String) -> Result<(), Error> {
        self.post(&format!("runs/{run}/approve"), &Approval { step, by })
            .await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        read(self.http.get(url(path)).send().await).await
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<(), Error> {
        accepted(self.http.post(url(path)).json(body).send().await)
            .await
            .map(drop)
    }
}

/// What happens to a run, as it happens.
pub struct Watch(Lines);

impl Watch {
    /// The next thing; `None` when the run, or its process, has ended.
    ///
    /// # Errors
    /// [`Error::Broken`].
    pub async fn next(&mut self) -> Result<Option<Item>, Error> {
        let Some(line) = self.0.next().await? else {
            return Ok(None);
        };
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|error| Error::Broken(error.to_string()))
    }
}

/// An answer in lines.
struct Lines {
    answer: reqwest::Response,
    buffer: Vec<u8>,
    start: usize,
}

impl Lines {
    fn new(answer: reqwest::Response) -> Self {
        Self {
            answer,
            buffer: Vec::new(),
            start: 0,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut searched = self.start;
        loop {
            if let Some(at) = self.buffer[searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let end = searched + at;
                let line = self.buffer[self.start..end].to_vec();
                self.start = end + 1;
                return Ok(Some(line));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            searched = self.buffer.len();
            match self.answer.chunk().await.map_err(broken)? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

fn url(path: &str) -> reqwest::Url {
    let base = "http://flowctl/v1/";
    let joined =
        reqwest::Url::parse(&format!("{base}{path}")).or_else(|_| reqwest::Url::parse(base));
    joined.unwrap_or_else(|_| unreachable!("the base is a URL"))
}

fn broken(error: reqwest::Error) -> Error {
    Error::Broken(flowctl_steps::clients::http::chain(&error))
}

async fn accepted(
    answer: Result<reqwest::Response, reqwest::Error>,
) -> Result<reqwest::Response, Error> {
    let answer = answer.map_err(broken)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let refusal: Result<Refusal, _> = answer.json().await;
    let message = refusal.map_or_else(|_| format!("answered {status}"), |refusal| refusal.error);
    Err(Error::Refused {
        status: status.as_u16(),
        message,
    })
}

async fn read<T: DeserializeOwned>(
    answer: Result<reqwest::Response, reqwest::Error>,
) -> Result<T, Error> {
    accepted(answer).await?.json().await.map_err(broken)
}
