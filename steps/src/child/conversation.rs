//! A child's life: feed it, hear it, wait for it or stop it, and see the last of its descendants off.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio_util::sync::CancellationToken;

use super::capture::{Capture, Lines};
use super::group::{Ended, Group};
use super::redaction::Redaction;
use crate::context::{StepContext, Stream};

/// How much of a pipe is read at first. Most programs say little, and large memory is given back to the system at once.
const FIRST_READ: usize = 1 << 10;
/// How much is read of one that says more.
const NEXT_READS: usize = 16 << 10;

/// How a child's life went.
#[derive(Debug)]
pub struct Conversation {
    /// How the child itself ended; `None`: it was stopped because the attempt was cancelled.
    pub exit: Option<ExitStatus>,
    /// What it and its descendants printed to standard output, without secrets.
    pub stdout: Capture,
    /// And to standard error.
    pub stderr: Capture,
    /// The descendants (and after a cancel, the child) that had to be ended.
    pub ended: Ended,
}

/// How long things may take that are not up to the child itself.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long descendants that still hold a pipe may go on after the child's own end.
    pub after_exit: Duration,
    /// How long whoever is asked to end may take.
    pub grace: Duration,
}

/// Lives through a child's life. Its lines go to the sink as they come.
///
/// # Errors
/// When the kernel cannot say how the child ended.
pub async fn converse(
    group: &mut Group,
    cx: &StepContext,
    stdin: Option<&[u8]>,
    keep: usize,
    patience: Patience,
) -> std::io::Result<Conversation> {
    let child = group.child();
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // `heard`: both pipes are closed. `deaf`: stop listening although one is not.
    let (heard, deaf) = (CancellationToken::new(), CancellationToken::new());
    let hear = async {
        let captures = tokio::join!(
            listen(Stream::Stdout, output, cx, keep, &deaf),
            listen(Stream::Stderr, errors, cx, keep, &deaf)
        );
        heard.cancel();
        captures
    };
    let live = async {
        let exit = tokio::select! {
            exit = group.wait() => Some(exit),
            () = cx.cancel.cancelled() => None,
        };
        if exit.is_some() {
            tokio::select! {
                () = heard.cancelled() => {}
                () = cx.cancel.cancelled() => {}
                () = tokio::time::sleep(patience.after_exit) => {}
            }
        }
        let ended = group.end(patience.grace).await;
        // Whoever held the pipes is gone; what is still in them is read, but never waited for without end.
        let _ = tokio::time::timeout(patience.after_exit, heard.cancelled()).await;
        deaf.cancel();
        (exit.transpose(), ended)
    };
    let ((stdout, stderr), (exit, ended), ()) = tokio::join!(hear, live, feed(input, stdin, &deaf));
    Ok(Conversation {
        exit: exit?,
        stdout,
        stderr,
        ended,
    })
}

/// Reads to the end of the pipe. Memory is bounded by `keep`, however much and however long the lines.
async fn listen(
    stream: Stream,
    pipe: Option<impl AsyncRead + Unpin>,
    cx: &StepContext,
    keep: usize,
    deaf: &CancellationToken,
) -> Capture {
    let mut capture = Capture::new(keep);
    let Some(mut pipe) = pipe else { return capture };
    let mut redaction = Redaction::new(&cx.secrets);
    let mut lines = Lines::default();
    let mut take = |clean: &[u8]| {
        capture.push(clean);
        lines.push(clean, |line| cx.sink.line(stream, line));
    };
    let mut buffer = Vec::with_capacity(FIRST_READ);
    loop {
        buffer.clear();
        let read = tokio::select! {
            read = pipe.read_buf(&mut buffer) => read.unwrap_or(0),
            () = deaf.cancelled() => 0,
        };
        if read == 0 {
            break;
        }
        take(&redaction.push(&buffer));
        if read == buffer.capacity() {
            buffer.reserve(NEXT_READS);
        }
    }
    take(&redaction.end());
    lines.end(|line| cx.sink.line(stream, line));
    capture
}

/// Writes all of the input, unless the child closes its end first, which is its right.
async fn feed(pipe: Option<ChildStdin>, input: Option<&[u8]>, deaf: &CancellationToken) {
    let (Some(mut pipe), Some(input)) = (pipe, input) else {
        return;
    };
    tokio::select! {
        _ = pipe.write_all(input) => {}
        () = deaf.cancelled() => {}
    }
}
