//! A directory with a state of its own, and the binary run in it. Ids, times and paths are made equal, so
//! that what is printed can be compared.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

/// A working directory with nothing in it but what a test puts there.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

/// The header of a workflow file.
pub(crate) const HEADER: &str = "apiVersion: flowctl/v1\nkind: Workflow\n";

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Writes a file, with its folders.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes `workflows/NAME.yaml` with these lines below its header.
    pub(crate) fn workflow(&self, name: &str, rest: &str) {
        let text = format!("{HEADER}metadata: {{name: {name}}}\n{rest}");
        self.write(&format!("workflows/{name}.yaml"), &text);
    }

    /// The binary with these arguments, in an environment of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowctl"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("FLOWCTL_STATE", self.state())
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.ran(self.command(arguments).output().unwrap())
    }

    /// What a command that was started in another way came to.
    pub(crate) fn ran(&self, output: Output) -> Ran {
        Ran {
            output,
            directory: self.path().to_path_buf(),
        }
    }

    /// Starts the binary and reads the events that it prints, up to the one that `wanted` accepts.
    pub(crate) fn start(&self, arguments: &[&str], wanted: impl Fn(&Value) -> bool) -> Running {
        let mut command = self.command(arguments);
        let command = command.args(["--output", "jsonl"]).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap());
        let mut running = Running { child, events };
        running.until(wanted);
        running
    }

    /// The status of the newest run, as JSON.
    pub(crate) fn status(&self) -> Value {
        self.run(&["status", "--output", "json"]).json()
    }
}

/// Whether an event is the start of an attempt of this step.
pub(crate) fn starts(step: &str) -> impl Fn(&Value) -> bool {
    move |envelope| envelope["event"]["type"] == "step_started" && envelope["event"]["step"] == step
}

/// A run that is under way.
pub(crate) struct Running {
    child: Child,
    events: BufReader<ChildStdout>,
}

impl Running {
    /// Reads events up to the one that is wanted. It waits for the pipe, not for time.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Value) -> bool) {
        let mut line = String::new();
        while self.events.read_line(&mut line).unwrap() > 0 {
            if wanted(&serde_json::from_str(&line).unwrap()) {
                return;
            }
            line.clear();
        }
        panic!("the run ended before the wanted event");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The signal that ended it, if one did; waits for its end.
    pub(crate) fn ended_by(mut self) -> Option<i32> {
        std::os::unix::process::ExitStatusExt::signal(&self.child.wait().unwrap())
    }

    /// Kills it without a chance to say anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; returns its exit code and what it said on standard error.
    pub(crate) fn end_with_stderr(mut self) -> (i32, String) {
        std::io::copy(&mut self.events, &mut std::io::sink()).unwrap();
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
        (self.child.wait().unwrap().code().unwrap(), said)
    }

    /// Waits for its end; returns its exit code.
    pub(crate) fn end(mut self) -> i32 {
        // Read on, or it would block on a full pipe.
        std::io::copy(&mut self.events, &mut std::io::sink()).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

/// What a command came to.
pub(crate) struct Ran {
    pub(crate) output: Output,
    directory: PathBuf,
}

impl Ran {
    pub(crate) fn code(&self) -> i32 {
        self.output.status.code().unwrap()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout(), self.stderr()))
    }

    /// Exit code, standard output and standard error in one text.
    pub(crate) fn transcript(&self) -> String {
        let text = format!(
            "exit {}\n--- stdout\n{}--- stderr\n{}",
            self.code(),
            self.stdout(),
            self.stderr()
        );
        self.equal(&text)
    }

    /// The same text with ids, times and paths made equal.
    fn equal(&self, text: &str) -> String {
        let text = text.replace(&*self.directory.to_string_lossy(), "[DIR]");
        DIFFERENT.iter().fold(text, |text, (pattern, with)| {
            let pattern = regex::Regex::new(pattern).unwrap();
            pattern.replace_all(&text, *with).into_owned()
        })
    }
}

/// What differs from run to run, and what stands for it.
const DIFFERENT: &[(&str, &str)] = &[
    (r"-\d{8}-\d{6}-[0-9a-f]{4}", "-[ID]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
    (r"(?m)^ +\d+:\d\d\.\d ", "[AT] "),
    (r"\b\d+(\.\d)?m?s\b", "[TOOK]"),
    (r"\(process \d+ on [^,]+,", "(process [PID] on [HOST],"),
    (r"process \d+", "process [PID]"),
    // Said of steps that take long, which depends on the machine.
    (r"(?m)^\[AT\] … .*\n", ""),
    (r" +\n", "\n"),
];
