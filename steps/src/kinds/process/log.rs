//! The log of a program that stays: the file that it appends to, and its end as evidence.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::context::StepContext;
use crate::error::StepError;

/// How much of the log's end is kept as evidence.
const KEPT: u64 = 64 << 10;
/// How many of its last lines go into a message.
const SAID: usize = 4;

/// A log and where in it the present start began.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    name: String,
    from: u64,
}

impl Log {
    /// The log of a program that is already running: all of it may be looked at.
    pub(super) fn of_running(path: PathBuf, name: &str) -> Self {
        Self {
            path,
            name: format!("{name}.log"),
            from: 0,
        }
    }

    /// Opens the log for a new start; what is in it already belongs to earlier ones.
    pub(super) fn for_start(path: PathBuf, name: &str) -> Result<(Self, File), StepError> {
        let open = || {
            let file = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&path)?;
            let from = file.metadata()?.len();
            Ok((file, from))
        };
        let (file, from) = open().map_err(|error: std::io::Error| {
            StepError::permanent(
                "process.log",
                format!("cannot open the log {}: {error}", path.display()),
            )
        })?;
        Ok((
            Self {
                path,
                name: format!("{name}.log"),
                from,
            },
            file,
        ))
    }

    /// Keeps the log's end as evidence and returns its last lines for a message, without secrets.
    pub(super) async fn keep(&self, cx: &StepContext) -> Result<String, StepError> {
        let text = cx.secrets.redact(&String::from_utf8_lossy(&self.end()));
        if text.is_empty() {
            return Ok(String::new());
        }
        cx.evidence(&self.name, "text/plain; charset=utf-8", text.as_bytes())
            .await?;
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let last = lines[lines.len().saturating_sub(SAID)..].join(" | ");
        // A line may be of any length; its end says most.
        let skipped = last.chars().count().saturating_sub(1000);
        Ok(last.chars().skip(skipped).collect())
    }

    /// The end, from the start of a line when something before it is left out: half a secret is not known as one.
    fn end(&self) -> Vec<u8> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let begin = self.from.max(file.metadata()?.len().saturating_sub(KEPT));
            file.seek(SeekFrom::Start(begin))?;
            let mut end = Vec::new();
            file.take(KEPT).read_to_end(&mut end)?;
            if begin > self.from {
                let line = end
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .map_or(end.len(), |at| at + 1);
                end.drain(..line);
            }
            Ok(end)
        };
        read().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::testing::TestContext;

    #[tokio::test]
    async fn only_this_start_is_shown_and_only_whole_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        std::fs::write(&path, "of an earlier start\n").unwrap();
        let (log, mut file) = Log::for_start(path, "x").unwrap();
        file.write_all(b"one\ntwo\n").unwrap();
        let cx = TestContext::new("step").unwrap();
        assert_eq!(log.keep(&cx.context).await.unwrap(), "one | two");
        file.write_all(format!("hunter2{}\nlast\n", "x".repeat(KEPT as usize - 8)).as_bytes())
            .unwrap();
        assert_eq!(log.keep(&cx.context).await.unwrap(), "last");
        assert_eq!(cx.sink.evidence_text("x.log").unwrap(), "last\n");
    }
}
