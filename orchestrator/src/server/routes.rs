//! The paths below `/v1/` and what they answer.
//!
//! | path | answer |
//! |---|---|
//! | `GET /v1/hello` | who holds the state, and which run it works on |
//! | `GET /v1/runs?limit=N` | the list of runs |
//! | `GET /v1/ids` | the ids of all runs, the newest first |
//! | `GET /v1/runs/RUN` | the status of a run |
//! | `GET /v1/runs/RUN/events?from=SEQ` | its stored events, one a line |
//! | `GET /v1/runs/RUN/watch?from=SEQ` | the same, and then what happens, until it is over |
//! | `GET /v1/runs/RUN/steps/STEP/lines` | the last lines of a running step |
//! | `GET /v1/runs/RUN/export` | its records exactly as stored, one a line |
//! | `POST /v1/runs/RUN/cancel` | asks it to stop |
//! | `POST /v1/runs/RUN/approve` | approves a step of it |

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use flowctl_state::holder::Holder;
use flowctl_state::log::EventLog;
use flowctl_state::{LogError, export};
use flowctl_workflows::RunId;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::history;
use super::protocol::{Approval, Asked, Hello, Refusal};
use super::watched::Broadcast;
use crate::executor::Handle;
use crate::view::RunView;

mod watch;

/// What the routes need.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) run: RunId,
    pub(super) handle: Handle,
    pub(super) broadcast: Broadcast,
    pub(super) holder: Option<Holder>,
    pub(super) stop: CancellationToken,
}

#[derive(Deserialize)]
struct Limit {
    #[serde(default = "no_limit")]
    limit: usize,
}

#[derive(Deserialize)]
struct From {
    #[serde(default)]
    from: u64,
}

fn no_limit() -> usize {
    usize::MAX
}

pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v1/hello", get(hello))
        .route("/v1/runs", get(runs))
        .route("/v1/ids", get(ids))
        .route("/v1/runs/{run}", get(status))
        .route("/v1/runs/{run}/events", get(events))
        .route("/v1/runs/{run}/watch", get(watch_run))
        .route("/v1/runs/{run}/steps/{step}/lines", get(lines))
        .route("/v1/runs/{run}/export", get(export_run))
        .route("/v1/runs/{run}/cancel", post(cancel))
        .route("/v1/runs/{run}/approve", post(approve))
        .with_state(shared)
}

/// Why a request was not answered.
enum Refused {
    Unknown(String),
    Conflict(String),
    Failed(String),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Refused::Unknown(error) => (StatusCode::NOT_FOUND, error),
            Refused::Conflict(error) => (StatusCode::CONFLICT, error),
            Refused::Failed(error) => (StatusCode::INTERNAL_SERVER_ERROR, error),
        };
        (status, axum::Json(Refusal { error })).into_response()
    }
}

impl std::convert::From<LogError> for Refused {
    fn from(error: LogError) -> Self {
        match error {
            LogError::UnknownRun { .. } => Refused::Unknown(error.to_string()),
            _ => Refused::Failed(error.to_string()),
        }
    }
}

impl std::convert::From<history::Unreadable> for Refused {
    fn from(error: history::Unreadable) -> Self {
        match error {
            history::Unreadable::Log(error) => error.into(),
            history::Unreadable::Illegal(error) => Refused::Failed(error.to_string()),
        }
    }
}

/// Reads the log away from the tasks that run steps: it is disk work.
async fn reading<T: Send + 'static>(
    shared: &Shared,
    read: impl FnOnce(&dyn EventLog) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    let log = Arc::clone(&shared.log);
    tokio::task::spawn_blocking(move || read(log.as_ref()))
        .await
        .map_err(|error| Refused::Failed(error.to_string()))?
}

fn run_id(text: String) -> Result<RunId, Refused> {
    RunId::new(text).map_err(|error| Refused::Unknown(error.to_string()))
}

async fn hello(State(shared): State<Shared>) -> impl IntoResponse {
    axum::Json(Hello {
        flowctl: env!("CARGO_PKG_VERSION").to_owned(),
        holder: shared.holder,
        run: shared.run.to_string(),
    })
}

async fn runs(
    State(shared): State<Shared>,
    Query(Limit { limit }): Query<Limit>,
) -> Result<Response, Refused> {
    let live = shared.run.clone();
    let rows = reading(&shared, move |log| {
        Ok(history::list(log, Some(&live), limit)?)
    })
    .await?;
    Ok(axum::Json(rows).into_response())
}

async fn ids(State(shared): State<Shared>) -> Result<Response, Refused> {
    let ids = reading(&shared, |log| Ok(history::newest_first(log)?)).await?;
    Ok(axum::Json(ids).into_response())
}

async fn status(
    State(shared): State<Shared>,
    Path(run): Path<String>,
) -> Result<Response, Refused> {
    let run = run_id(run)?;
    if run == shared.run
        && let Some(view) = shared
            .handle
            .inspect(|state, live| RunView::of(state, Some(live)))
            .await
    {
        return Ok(axum::Json(view).into_response());
    }
    let state = reading(&shared, move |log| Ok(history::replay(log, &run)?)).await?;
    Ok(axum::Json(RunView::of(&state, None)).into_response())
}

async fn events(
    State(shared): State<Shared>,
    Path(run): Path<String>,
    Query(From { from }): Query<From>,
) -> Result<Response, Refused> {
    let run = run_id(run)?;
    known(&shared, &run).await?;
    Ok(streaming(shared.log, move |log, send| {
        let mut closed = false;
        let read = log.replay(&run, from, &mut |envelope| {
            closed = serde_json::to_vec(&envelope).is_ok_and(|line| !send(line));
            if closed {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        });
        read.map_err(|error| error.to_string())
    }))
}

async fn export_run(
    State(shared): State<Shared>,
    Path(run): Path<String>,
) -> Result<Response, Refused> {
    let run = run_id(run)?;
    known(&shared, &run).await?;
    let text = reading(&shared, move |log| {
        let mut text = Vec::new();
        export::export(log, &run, &mut text)?;
        Ok(text)
    });
    Ok((
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        text.await?,
    )
        .into_response())
}

async fn watch_run(
    State(shared): State<Shared>,
    Path(run): Path<String>,
    Query(From { from }): Query<From>,
) -> Result<Response, Refused> {
    let run = run_id(run)?;
    known(&shared, &run).await?;
    Ok(ndjson(Body::from_stream(watch::items(shared, run, from))))
}

async fn lines(
    State(shared): State<Shared>,
    Path((run, step)): Path<(String, String)>,
) -> Result<Response, Refused> {
    if run_id(run)? != shared.run {
        return Ok(axum::Json(Vec::<String>::new()).into_response());
    }
    let lines = shared.handle.inspect(move |state, live| {
        let place = state.place(&step)?;
        Some(live.lines(place).map(str::to_owned).collect::<Vec<_>>())
    });
    let lines = lines
        .await
        .flatten()
        .ok_or_else(|| Refused::Unknown("there is no such step".to_owned()))?;
    Ok(axum::Json(lines).into_response())
}

async fn cancel(
    State(shared): State<Shared>,
    Path(run): Path<String>,
    axum::Json(Asked { by }): axum::Json<Asked>,
) -> Result<Response, Refused> {
    let run = run_id(run)?;
    if run != shared.run {
        return Err(Refused::Conflict(format!(
            "run {run} is not under way; {} is",
            shared.run
        )));
    }
    shared.handle.cancel(by);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn approve(
    State(shared): State<Shared>,
    Path(run): Path<String>,
    axum::Json(Approval { step, by }): axum::Json<Approval>,
) -> Result<Response, Refused> {
    let run = run_id(run)?;
    if run == shared.run && shared.handle.approve(step.clone(), by).await {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(Refused::Conflict(format!(
        "step {step} of run {run} does not wait for an approval"
    )))
}

async fn known(shared: &Shared, run: &RunId) -> Result<(), Refused> {
    let run = run.clone();
    reading(shared, move |log| {
        Ok(log.records(&run, 0, &mut |_, _| std::ops::ControlFlow::Break(()))?)
    })
    .await
}

fn ndjson(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// Sends lines as they are read, without holding more than a few. What goes wrong on the way is said in
/// a last line, since the status has gone out by then.
fn streaming(
    log: Arc<dyn EventLog>,
    read: impl FnOnce(&dyn EventLog, &mut dyn FnMut(Vec<u8>) -> bool) -> Result<(), String>
    + Send
    + 'static,
) -> Response {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(64);
    tokio::task::spawn_blocking(move || {
        let mut send = |mut line: Vec<u8>| {
            line.push(b'\n');
            sender.blocking_send(Bytes::from(line)).is_ok()
        };
        if let Err(error) = read(log.as_ref(), &mut send) {
            let refusal = serde_json::to_vec(&Refusal { error }).unwrap_or_default();
            send(refusal);
        }
    });
    let stream = futures::stream::poll_fn(move |cx| {
        receiver
            .poll_recv(cx)
            .map(|line| line.map(Ok::<_, Infallible>))
    });
    ndjson(Body::from_stream(stream))
}
