//! The asynchronous runtime, for the verbs that need one.

use std::time::Duration;

use super::error::Error;

/// How long what still runs when a command is over may take to notice.
const LINGER: Duration = Duration::from_secs(1);
/// How many tasks may go on before the run's loop looks at what they brought: what ends together is stored together.
/// With tokio's 61 a run that is 64 wide would wait for the disk twice, for 61 ends and for three.
const TASKS: u32 = 1024;

/// Runs `work` to its end, on this thread: a run waits far more than it works, an event passes from the loop
/// to a step and back without waking another core, and what loading the workflow took is used again. What
/// blocks (files, name lookups) has threads of its own.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(TASKS)
        .build()
        .map_err(|error| Error::system("start the runtime", error))?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(LINGER);
    result
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn what_ends_together_is_received_together() {
        let together = block_on(async {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            for step in 0..500 {
                let sender = sender.clone();
                tokio::spawn(async move { sender.send(step) });
            }
            let mut batch = Vec::new();
            Ok(receiver.recv_many(&mut batch, 1024).await)
        });
        assert_eq!(together.ok(), Some(500));
    }
}
