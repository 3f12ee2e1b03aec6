//! The socket file and the task that answers on it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flowctl_state::LogError;
use flowctl_state::directory::StateDirectory;
use flowctl_state::holder::Holder;
use flowctl_state::log::EventLog;
use flowctl_workflows::RunId;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::routes::{Shared, router};
use super::watched::Broadcast;
use crate::executor::Handle;

/// How long watchers may take to read the last events.
const FAREWELL: Duration = Duration::from_secs(2);

/// A socket that is answered until this is dropped.
pub struct Served {
    stop: CancellationToken,
    path: PathBuf,
    task: Option<JoinHandle<()>>,
}

impl Served {
    /// Lets watchers read the last events, and stops answering.
    pub async fn finish(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // A watcher that does not read is left behind.
            let _ = tokio::time::timeout(FAREWELL, task).await;
        }
    }
}

/// Answers on the state's socket. Only who holds the state may call it: a socket file that is there
/// already belongs to a process that is gone.
///
/// # Errors
/// [`LogError::Io`] when the socket cannot be made.
pub fn serve(
    directory: &StateDirectory,
    log: Arc<dyn EventLog>,
    run: RunId,
    handle: Handle,
    broadcast: Broadcast,
) -> Result<Served, LogError> {
    let socket = directory.socket()?;
    let failed = |error| LogError::io("listen on", socket.path(), error);
    match std::fs::remove_file(socket.path()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket.path()).map_err(failed)?;
    // The directory is this user's alone already; this holds wherever the state was put.
    std::fs::set_permissions(socket.path(), std::fs::Permissions::from_mode(0o600))
        .map_err(failed)?;
    let holder = Holder::read(&directory.holder());
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let router = router(Shared {
        log,
        run,
        handle,
        broadcast,
        holder,
        stop: stop.clone(),
    });
    let task = tokio::spawn(async move {
        let serving =
            axum::serve(listener, router).with_graceful_shutdown(stopped.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::warn!(%error, "the socket is no longer answered");
        }
    });
    Ok(Served {
        stop,
        path: directory.path().join("flowctl.sock"),
        task: Some(task),
    })
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
        // The state is still held here, so the file is this process's own.
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the socket stays behind");
        }
    }
}
