//! What a program's end means: its output, or an error with its last words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde::Serialize;
use serde_json::Value;

use super::Shell;
use crate::child::{Capture, Conversation};
use crate::error::StepError;
use crate::step::Output;

/// How much of each stream goes into the step's output.
const STDOUT: usize = 64 << 10;
const STDERR: usize = 4 << 10;

/// What the program came to.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Came {
    /// Its exit code.
    pub exit_code: i32,
    /// What it printed, at most 64 KiB, without the white space at the end.
    pub stdout: String,
    /// The end of what it printed to standard error, at most 4 KiB.
    pub stderr: String,
    /// The same as `stdout`, parsed, when all of it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
}

impl Shell {
    /// What the program's end means.
    pub(super) fn classify(&self, conversation: &Conversation) -> Result<Output, StepError> {
        let Some(exit) = conversation.exit else {
            return Err(StepError::cancelled());
        };
        match exit.code() {
            Some(code) if self.params.success.contains(&code) => {
                let came = came(code, &conversation.stdout, &conversation.stderr);
                serde_json::to_value(came)
                    .map(Output::of)
                    .map_err(|error| StepError::permanent("shell.output", error.to_string()))
            }
            _ => Err(self.bad_exit(exit, conversation)),
        }
    }

    fn bad_exit(&self, exit: ExitStatus, conversation: &Conversation) -> StepError {
        let how = match (exit.code(), exit.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no exit code".to_owned(),
        };
        let mut message = format!("`{}` ended with {how}", self.program());
        let last = last_lines(&conversation.stderr).or_else(|| last_lines(&conversation.stdout));
        if let Some(last) = last {
            message.push_str(": ");
            message.push_str(&last);
        }
        let error = StepError::permanent("shell.exit", message);
        match (exit.code(), exit.signal()) {
            (Some(127), _) if self.params.run.is_some() => error.help("exit code 127 of sh: a command was not found in PATH"),
            (Some(126), _) if self.params.run.is_some() => error.help("exit code 126 of sh: a command is not executable"),
            (None, Some(9)) => error.help("signal 9 is SIGKILL; if nobody sent it, the kernel did, for want of memory: see dmesg"),
            _ => error.help("what it printed is kept as evidence: stdout.txt and stderr.txt"),
        }
    }
}

/// Why a program could not be started, and whether it may work later.
pub(crate) fn cannot_start(error: &std::io::Error, program: &str, cwd: Option<&str>) -> StepError {
    use std::io::ErrorKind;
    if let Some(cwd) = cwd
        && !std::path::Path::new(cwd).is_dir()
    {
        return StepError::permanent(
            "shell.no_directory",
            format!("cannot run `{program}` in {cwd}: no such directory"),
        );
    }
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::NotFound, _) => StepError::permanent("shell.not_found", format!("no program `{program}`"))
            .help("give its full path, or see that it is in the PATH that flowctl was started with; a script's `#!` line must name a program that exists"),
        (ErrorKind::PermissionDenied, _) => {
            StepError::permanent("shell.not_executable", format!("`{program}` may not be executed")).help("chmod +x")
        }
        // ENOEXEC has no kind of its own.
        (_, Some(8)) => StepError::permanent("shell.not_executable", format!("`{program}` is no program"))
            .help("a script needs a first line like `#!/bin/sh`"),
        // ETXTBSY: being written; EAGAIN, ENOMEM, EMFILE, ENFILE: too much at once. All of these pass.
        (ErrorKind::ExecutableFileBusy | ErrorKind::WouldBlock | ErrorKind::OutOfMemory, _) | (_, Some(23 | 24)) => {
            StepError::transient("shell.busy", format!("cannot start `{program}` now: {error}"))
        }
        _ => StepError::permanent("shell.cannot_start", format!("cannot start `{program}`: {error}")),
    }
}

fn came(exit_code: i32, stdout: &Capture, stderr: &Capture) -> Came {
    let bytes = stdout.bytes();
    let whole = stdout.dropped() == 0 && bytes.len() <= STDOUT;
    let json = if whole {
        serde_json::from_slice(&bytes).ok()
    } else {
        None
    };
    let mut cut = Capture::new(STDOUT);
    cut.push(&bytes);
    let stdout = String::from_utf8_lossy(&cut.bytes()).trim_end().to_owned();
    Came {
        exit_code,
        stdout,
        stderr: stderr.end(STDERR),
        json,
    }
}

fn last_lines(capture: &Capture) -> Option<String> {
    let end = capture.end(1 << 10);
    let lines: Vec<&str> = end
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = lines[lines.len().saturating_sub(5)..].join(" | ");
    (!last.is_empty()).then_some(last)
}
