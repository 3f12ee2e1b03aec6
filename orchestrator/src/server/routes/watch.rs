//! What a watcher of a run gets: what is stored, then what is stored from then on, and between them
//! what running steps do.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use flowctl_state::event::{Envelope, Seq};
use flowctl_state::log::EventLog;
use flowctl_workflows::RunId;
use futures::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::Shared;
use crate::server::protocol::Item;

/// How often a watcher hears what running steps do.
const DOING: Duration = Duration::from_millis(250);

/// The lines for a watcher. The stream ends with the run, or with this process.
pub(super) fn items(
    shared: Shared,
    run: RunId,
    from: Seq,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let (sender, mut receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        // A watcher that went away ends it.
        let _ = feed(&shared, run, from, &sender).await;
    });
    futures::stream::poll_fn(move |cx| receiver.poll_recv(cx).map(|line| line.map(Ok)))
}

struct Gone;

async fn feed(
    shared: &Shared,
    run: RunId,
    from: Seq,
    out: &mpsc::Sender<Bytes>,
) -> Result<(), Gone> {
    let live = run == shared.run;
    // Subscribed before reading, so that nothing falls between what is stored and what comes.
    let mut events = shared.handle.subscribe();
    let mut lines = shared.broadcast.lines();
    let mut next = stored(shared, &run, from, out).await?;
    if !live {
        return Ok(());
    }
    let mut doing = tokio::time::interval(DOING);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(envelope) if envelope.seq < next => {}
                Ok(envelope) => {
                    next = envelope.seq + 1;
                    send(out, &Item::Event(Box::new(Envelope::clone(&envelope)))).await?;
                }
                Err(RecvError::Lagged(_)) => next = stored(shared, &run, next, out).await?,
                Err(RecvError::Closed) => return Ok(()),
            },
            line = lines.recv() => if let Ok((step, line)) = line {
                send(out, &Item::Line { step: step.to_string(), line }).await?;
            },
            _ = doing.tick() => {
                let seen = shared.handle.inspect(|state, live| {
                    let places = 0..u32::try_from(state.plan.steps.len()).unwrap_or(u32::MAX);
                    places.filter_map(|place| Some((place, live.doing(place)?.to_owned()))).collect::<Vec<_>>()
                });
                if let Some(seen) = seen.await {
                    send(out, &Item::Doing(seen)).await?;
                }
            }
            () = shared.stop.cancelled() => {
                // The last events may still be on their way.
                stored(shared, &run, next, out).await?;
                return Ok(());
            }
        }
    }
}

/// Sends what is stored from `from` on; returns the place after the last of it.
async fn stored(
    shared: &Shared,
    run: &RunId,
    from: Seq,
    out: &mpsc::Sender<Bytes>,
) -> Result<Seq, Gone> {
    let log: Arc<dyn EventLog> = Arc::clone(&shared.log);
    let (run, out) = (run.clone(), out.clone());
    let read = tokio::task::spawn_blocking(move || {
        let mut next = from;
        let mut gone = false;
        let read = log.replay(&run, from, &mut |envelope| {
            next = envelope.seq + 1;
            gone = out
                .blocking_send(line(&Item::Event(Box::new(envelope))))
                .is_err();
            if gone {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        if let Err(error) = read {
            tracing::warn!(%error, "a watcher cannot be shown the whole run");
        }
        if gone { Err(Gone) } else { Ok(next) }
    });
    read.await.unwrap_or(Err(Gone))
}

async fn send(out: &mpsc::Sender<Bytes>, item: &Item) -> Result<(), Gone> {
    out.send(line(item)).await.map_err(|_| Gone)
}

fn line(item: &Item) -> Bytes {
    let mut line = serde_json::to_vec(item).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}
