//! The only door to standard output and standard error: data goes to the one, everything else to the
//! other. A reader that has gone away (`flowctl runs | head`) is no error of ours.

use std::io::{ErrorKind, IsTerminal, Write};

use serde::Serialize;

use super::error::Error;

/// How a command shows its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// How a command that follows a run shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum StreamFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document at the end.
    Json,
    /// The stored events as they come, one a line.
    Jsonl,
}

/// Writes data.
///
/// # Errors
/// [`Error::Closed`] when nobody reads any more; [`Error::Output`] when it cannot be written.
pub fn data(text: &str) -> Result<(), Error> {
    bytes(text.as_bytes())
}

/// Writes data that need not be text.
///
/// # Errors
/// As for [`data`].
pub fn bytes(data: &[u8]) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(data)
        .and_then(|()| out.flush())
        .map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Error::Closed,
            _ => Error::Output(error),
        })
}

/// Writes a value as one JSON document for people and programs.
///
/// # Errors
/// As for [`data`].
pub fn json(value: &impl Serialize) -> Result<(), Error> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| Error::bug(error.to_string()))?;
    text.push('\n');
    data(&text)
}

/// Writes a value as one line of JSON.
///
/// # Errors
/// As for [`data`].
pub fn json_line(value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_string(value).map_err(|error| Error::bug(error.to_string()))?;
    text.push('\n');
    data(&text)
}

/// Tells people something that is not data. Whether it can be written changes nothing.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether standard error is a terminal.
#[must_use]
pub fn notes_on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether standard output is a terminal.
#[must_use]
pub fn data_on_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether standard input is a terminal, so that a person can be asked.
#[must_use]
pub fn asks_on_terminal() -> bool {
    std::io::stdin().is_terminal() && notes_on_terminal()
}

/// The width of the terminal on standard error; 100 where there is none.
#[must_use]
pub fn width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .map_or(100, |size| usize::from(size.ws_col).clamp(40, 200))
}
