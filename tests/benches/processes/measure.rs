//! One run of one program: how long it took, what it cost, how large it grew.
//!
//! The program is started by a small process of its own (this same binary again), because a child's peak of memory
//! begins with that of whoever started it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use wait4::Wait4;

use crate::Failure;

/// What one run came to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Seconds of processor time, of the program and all that it waited for.
    pub(crate) cpu: f64,
    /// Largest resident set of the program or of one that it waited for, in bytes.
    pub(crate) rss: u64,
    /// Seconds that the work alone took, as the program itself says, without its start and end.
    pub(crate) inner: Option<f64>,
    /// Bytes that it left on the disk.
    pub(crate) bytes: Option<u64>,
}

/// What a measuring process prints.
#[derive(Serialize, Deserialize)]
struct Printed {
    sample: Sample,
    code: Option<i32>,
}

/// The system's clock; the only place that asks for it.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the time that really goes by"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Runs `command` once, or `times` after each other, and divides. `expected` is the exit code that it must end with.
pub(crate) fn measure(command: &Command, times: u32, expected: i32) -> Result<Sample, Failure> {
    let mut measuring = Command::new(std::env::current_exe()?);
    measuring.arg("measure").arg(times.to_string());
    measuring
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        measuring.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => measuring.env(name, value),
            None => measuring.env_remove(name),
        };
    }
    let output = measuring.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} could not be measured").into());
    }
    let printed: Printed = serde_json::from_slice(&output.stdout)?;
    match printed.code {
        Some(code) if code == expected => Ok(printed.sample),
        code => Err(format!("{command:?} ended with {code:?} instead of {expected}").into()),
    }
}

/// The measuring process: `TIMES PROGRAM ARGUMENTS…`.
pub(crate) fn serve(arguments: &[String]) -> Result<(), Failure> {
    let [times, program, arguments @ ..] = arguments else {
        return Err("usage: measure TIMES PROGRAM ARGUMENTS…".into());
    };
    let times: u32 = times.parse()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let (mut cpu, mut rss, mut code) = (Duration::ZERO, 0, None);
    let begin = now();
    for _ in 0..times {
        let ended = command.spawn()?.wait4()?;
        cpu += ended.rusage.utime + ended.rusage.stime;
        rss = rss.max(ended.rusage.maxrss);
        code = ended.status.code();
    }
    let each = f64::from(times);
    let sample = Sample {
        wall: begin.elapsed().as_secs_f64() / each,
        cpu: cpu.as_secs_f64() / each,
        rss,
        inner: None,
        bytes: None,
    };
    let printed = serde_json::to_string(&Printed { sample, code })?;
    std::io::Write::write_all(&mut std::io::stdout(), printed.as_bytes())?;
    Ok(())
}
