//! One run in a directory of its own: the binary, told where to die and how to be wrong; its log; its world.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flowctl_state::disk_log::DiskLog;
use flowctl_state::event::Envelope;
use flowctl_state::log::EventLog as _;
use serde_json::Value;

use crate::shape::{ORIGINAL, Shape};

/// The binary that cargo built with this test, or a copy of it that the environment names.
pub(crate) fn binary() -> PathBuf {
    let named = std::env::var_os("FLOWCTL_TEST_BINARY").map(PathBuf::from);
    named.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_flowctl")))
}

/// A workflow, its state and its world.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    shape: Shape,
    mutant: Option<String>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// At the point that it was told.
    pub(crate) died: bool,
    /// `None`: a signal ended it.
    pub(crate) code: Option<i32>,
    /// The events that it showed.
    pub(crate) shown: Vec<Value>,
    /// What it said.
    pub(crate) stderr: String,
}

/// Lines of the world in order, without the run's id: `a/1`, `undo first/1`.
pub(crate) type Effects = Vec<String>;

impl Place {
    pub(crate) fn new(shape: Shape, failing: u32, mutant: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let world = directory.path().join("world");
        std::fs::create_dir(&world).expect("a world");
        for step in shape.steps().iter().filter(|step| step.changes) {
            std::fs::write(world.join(format!("value-{}", step.id)), ORIGINAL).expect("a value");
        }
        let text = shape.workflow(&world, failing);
        std::fs::write(directory.path().join("w.yaml"), text).expect("a workflow");
        Self {
            directory,
            shape,
            mutant: mutant.map(str::to_owned),
        }
    }

    fn world(&self) -> PathBuf {
        self.directory.path().join("world")
    }

    fn trace(&self) -> PathBuf {
        self.directory.path().join("trace")
    }

    /// The points that all processes so far have come to.
    pub(crate) fn points(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.trace()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Runs the binary. It dies at the point of this number, counted from 1, if it comes to it.
    pub(crate) fn flowctl(&self, arguments: &[&str], last: Option<u64>) -> Ended {
        // A mutant may wait forever for what it forgot.
        let mut command = Command::new("timeout");
        command
            .args(["-s", "KILL", "60"])
            .arg(binary())
            .args(arguments)
            .args(["--output", "jsonl"])
            .current_dir(self.directory.path())
            .env("FLOWCTL_STATE", self.directory.path().join("state"))
            .env_remove("FLOWCTL_TARGET")
            .env_remove("FLOWCTL_CRASH_AT")
            .env_remove("FLOWCTL_MUTANT")
            .env("FLOWCTL_CRASH_TRACE", self.trace())
            .stdin(Stdio::null());
        if let Some(last) = last {
            command.env("FLOWCTL_CRASH_AT", last.to_string());
        }
        if let Some(mutant) = &self.mutant {
            command.env("FLOWCTL_MUTANT", mutant);
        }
        let output = command.output().expect("flowctl starts");
        let shown = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let died = stderr.contains("crash point ");
        Ended {
            code: output.status.code().filter(|_| !died),
            died,
            // A line that was cut off is none.
            shown: shown
                .split_inclusive('\n')
                .filter_map(|line| line.strip_suffix('\n'))
                .map(|line| serde_json::from_str(line).expect("an event as JSON"))
                .collect(),
            stderr,
        }
    }

    /// What the log holds of the only run, as the next process would find it. A copy is read, so that this next
    /// process is the first to open what the dead one left.
    pub(crate) fn events(&self) -> Vec<Envelope> {
        let log = self.directory.path().join("state").join("log");
        if !log.exists() {
            return Vec::new();
        }
        let copy = tempfile::tempdir().expect("a temporary directory");
        copy_directory(&log, copy.path());
        let log = DiskLog::open(copy.path()).expect("the log can be opened");
        let runs = log.runs().expect("the log can be read");
        assert!(runs.len() <= 1, "one run was started: {runs:?}");
        runs.first().map_or_else(Vec::new, |row| {
            log.read(&row.run).expect("the run can be read")
        })
    }

    pub(crate) fn effects(&self) -> Effects {
        let text = std::fs::read_to_string(self.world().join("effects")).unwrap_or_default();
        text.lines().map(without_run).collect()
    }

    /// The attempt that a step's value names, or [`ORIGINAL`].
    pub(crate) fn values(&self) -> Vec<(&'static str, String)> {
        self.shape
            .steps()
            .iter()
            .filter(|step| step.changes)
            .map(|step| {
                let path = self.world().join(format!("value-{}", step.id));
                let value = std::fs::read_to_string(path).expect("a value");
                (step.id, without_run(&value))
            })
            .collect()
    }
}

fn without_run(line: &str) -> String {
    let (undo, name) = match line.strip_prefix("undo ") {
        Some(name) => ("undo ", name),
        None => ("", line),
    };
    match name.split_once('/') {
        Some((_, rest)) => format!("{undo}{rest}"),
        None => line.to_owned(),
    }
}

fn copy_directory(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).expect("a directory");
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
