//! flowctl's own log lines, for those who look for a fault in it. Libraries write into it too, and know of no secrets, so it
//! takes them out itself.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use flowctl_steps::secret::Secrets;

use crate::config::Config;

/// What is taken out of every line: known only once a target was read.
static HIDDEN: Mutex<Option<Secrets>> = Mutex::new(None);

/// Begins to write what the configuration asks for to standard error.
pub(super) fn start(config: &Config) {
    let filter = config
        .log
        .clone()
        .unwrap_or_else(|| "flowctl=warn,flowctl_state=warn,flowctl_steps=warn".to_owned());
    let started = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(|| Lines(io::stderr()))
        .with_ansi(false)
        .try_init();
    // Only a second start in the same process could fail, and then the first goes on.
    drop(started);
}

/// Takes these secrets out of what is written from now on.
pub(super) fn hide(secrets: &Secrets) {
    *HIDDEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(secrets.clone());
}

/// Takes one line in one piece, as tracing writes it.
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let hidden = HIDDEN
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match hidden {
            Some(secrets) => self.0.write_all(&secrets.redact_bytes(line))?,
            None => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
