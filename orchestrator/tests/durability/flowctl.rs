//! Runs the binary with a state of its own, and reads what it streams.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// The binary under test: the one that cargo built with the tests, or a release build that the environment names.
pub(crate) fn binary() -> PathBuf {
    let named = std::env::var_os("FLOWCTL_TEST_BINARY").map(PathBuf::from);
    named.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_flowctl")))
}

/// Whether the binary under test is a release build.
pub(crate) fn is_release() -> bool {
    std::env::var_os("FLOWCTL_TEST_BINARY").is_some()
}

/// A home for one test.
pub(crate) struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("a file in the temporary directory");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).expect("a file")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.placed(Command::new(binary()), arguments)
    }

    fn placed(&self, mut command: Command, arguments: &[&str]) -> Command {
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("FLOWCTL_STATE", self.state())
            .env_remove("FLOWCTL_TARGET")
            .stdin(Stdio::null());
        command
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Runs to the end; standard output on success.
    pub(crate) fn output(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("flowctl starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{arguments:?}: {}\n{}",
            output.status,
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Runs it, but kills it the hard way once it has lived so long. Returns the whole lines that it wrote, and whether
    /// it was killed.
    pub(crate) fn killed_after(&self, millis: u64, arguments: &[&str]) -> (Vec<Value>, bool) {
        let mut timeout = Command::new("timeout");
        let limit = format!("{}.{:03}", millis / 1000, millis % 1000);
        timeout.args(["-s", "KILL", &limit]).arg(binary());
        let mut command = self.placed(timeout, arguments);
        let output = command
            .args(["--output", "jsonl"])
            .stderr(Stdio::null())
            .output()
            .expect("timeout starts");
        // `timeout` kills itself along with its child, or says 137 of it.
        let killed = matches!(output.status.code(), None | Some(137));
        let text = String::from_utf8_lossy(&output.stdout);
        let lines = text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .map(|line| serde_json::from_str(line).expect("an event as JSON"))
            .collect();
        (lines, killed)
    }

    /// Starts it and streams the stored events.
    pub(crate) fn stream(&self, arguments: &[&str]) -> Stream {
        let mut child = self
            .command(arguments)
            .args(["--output", "jsonl"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("flowctl starts");
        let lines = BufReader::new(child.stdout.take().expect("its output"));
        Stream { child, lines }
    }
}

/// The events that a running flowctl has acknowledged.
pub(crate) struct Stream {
    pub(crate) child: Child,
    lines: BufReader<ChildStdout>,
}

impl Stream {
    /// Kills the process the hard way and returns whatever whole lines it still had written.
    pub(crate) fn kill(mut self) -> Vec<Value> {
        self.child.kill().expect("the process can be killed");
        let rest = self.by_ref().collect();
        self.child.wait().expect("the process ends");
        rest
    }
}

impl Iterator for Stream {
    type Item = Value;

    /// The next event. A line that was cut off by a kill is none.
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("lines of text");
        line.strip_suffix('\n')
            .map(|line| serde_json::from_str(line).expect("an event as JSON"))
    }
}

/// The largest resident set of a process so far, in bytes; `None` once it is gone.
pub(crate) fn peak_memory(pid: u32) -> Option<u64> {
    of_status(&pid.to_string(), "VmHWM:")
}

/// The resident set of this process, in bytes.
pub(crate) fn memory() -> u64 {
    of_status("self", "VmRSS:").expect("this process has a status")
}

fn of_status(process: &str, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(process).join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
