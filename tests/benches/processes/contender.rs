//! Whoever takes part in a case: what it needs in its directory, what is started, and what is asked of it afterwards.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Failure;
use crate::measure::{Sample, measure};

type Setup = Box<dyn Fn(&Path) -> Result<(), Failure>>;
/// Reads the seconds that the work alone took from what is left in the directory.
type Inner = Box<dyn Fn(&Path) -> Result<f64, Failure>>;

/// One program in one case.
pub(crate) struct Contender {
    /// Its name in the table.
    pub(crate) name: String,
    setup: Setup,
    program: PathBuf,
    arguments: Vec<String>,
    times: u32,
    expected: i32,
    inner: Option<Inner>,
    weighs: bool,
}

impl Contender {
    /// A program with its arguments, started in an empty directory.
    pub(crate) fn new(name: &str, program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            setup: Box::new(|_| Ok(())),
            program: program.into(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            times: 1,
            expected: 0,
            inner: None,
            weighs: false,
        }
    }

    /// What is done in its directory before each run, unmeasured.
    pub(crate) fn after(mut self, setup: impl Fn(&Path) -> Result<(), Failure> + 'static) -> Self {
        self.setup = Box::new(setup);
        self
    }

    /// So short that it is started so often for one sample.
    pub(crate) fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// The exit code that it must end with, when that is not 0.
    pub(crate) fn ends_with(mut self, expected: i32) -> Self {
        self.expected = expected;
        self
    }

    /// flowctl: the run itself says afterwards how long it took, and its state is weighed.
    pub(crate) fn asked(self) -> Self {
        let flowctl = self.program.clone();
        let mut asked = self.inner(move |directory| took(&flowctl, directory));
        asked.weighs = true;
        asked
    }

    /// How long the work alone took is read from what is left in the directory.
    pub(crate) fn inner(mut self, inner: impl Fn(&Path) -> Result<f64, Failure> + 'static) -> Self {
        self.inner = Some(Box::new(inner));
        self
    }

    /// Runs once in an empty directory.
    pub(crate) fn once(&self, directory: &Path) -> Result<Sample, Failure> {
        (self.setup)(directory)?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        at_home(&mut command, directory);
        let mut sample = measure(&command, self.times, self.expected)?;
        sample.inner = self
            .inner
            .as_ref()
            .map(|inner| inner(directory))
            .transpose()?;
        if self.weighs {
            sample.bytes = Some(weigh(&directory.join("state"))?);
        }
        Ok(sample)
    }
}

/// In its directory, with a state of its own there.
pub(crate) fn at_home(command: &mut Command, directory: &Path) {
    command
        .current_dir(directory)
        .env("FLOWCTL_STATE", directory.join("state"))
        .env_remove("FLOWCTL_TARGET")
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL");
}

/// Seconds from the run's first event to its last.
fn took(flowctl: &Path, directory: &Path) -> Result<f64, Failure> {
    let mut command = Command::new(flowctl);
    command.args(["state", "export", "latest"]);
    at_home(&mut command, directory);
    let output = command.output()?;
    let mut lines = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let (first, last) = (
        lines.next().unwrap_or_default(),
        lines.next_back().unwrap_or(b"{}"),
    );
    let at = |line: &[u8]| -> Result<jiff::Timestamp, Failure> {
        let event: Value = serde_json::from_slice(line)?;
        Ok(event["at"].as_str().unwrap_or_default().parse()?)
    };
    Ok((at(last)? - at(first)?).total(jiff::Unit::Second)?)
}

/// Bytes of all files below a directory.
pub(crate) fn weigh(directory: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            weigh(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(bytes)
}
