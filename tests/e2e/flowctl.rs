//! The program under test: starts it, kills it, and reads what it says.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::check::{Outcome, fail};
use crate::report::Report;

/// So much of what a program said last is shown of one that ended too early, in lines.
const LAST_LINES: usize = 30;

/// The program, and the folder of its state and of what it says while nobody listens.
pub(crate) struct Flowctl {
    program: PathBuf,
    checkout: PathBuf,
    folder: tempfile::TempDir,
}

/// What a run of the program came to.
pub(crate) struct Done {
    /// Its exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it said.
    pub(crate) stderr: String,
}

impl Flowctl {
    /// The binary of `FLOWCTL_BIN`, else the one that was built beside this suite.
    pub(crate) fn find() -> Outcome<Self> {
        let checkout = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let beside = || {
            let this = std::env::current_exe().ok()?;
            Some(this.parent()?.parent()?.join("flowctl"))
        };
        let release = checkout.join("target/release/flowctl");
        let program = std::env::var_os("FLOWCTL_BIN").map(PathBuf::from);
        let program = program.or_else(|| {
            [Some(release), beside()]
                .into_iter()
                .flatten()
                .find(|path| path.exists())
        });
        let Some(program) = program.filter(|path| path.exists()) else {
            return fail("there is no flowctl: build it (`make build`), or name it in FLOWCTL_BIN");
        };
        Self::with(program, checkout)
    }

    /// The same program with an empty state, as on another machine.
    pub(crate) fn with_a_state_of_its_own(&self) -> Outcome<Self> {
        Self::with(self.program.clone(), self.checkout.clone())
    }

    fn with(program: PathBuf, checkout: PathBuf) -> Outcome<Self> {
        let folder =
            tempfile::tempdir().map_err(|error| format!("no folder for the state: {error}"))?;
        Ok(Self {
            program,
            checkout,
            folder,
        })
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--state").arg(self.state()).args(arguments);
        command
            .current_dir(&self.checkout)
            .stdin(Stdio::null())
            .env_remove("FLOWCTL_TARGET");
        command
    }

    /// Leaves the state where it is, for a look at what went wrong.
    pub(crate) fn keep_state(&mut self) -> String {
        self.folder.disable_cleanup(true);
        self.state().display().to_string()
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome<Done> {
        let output = self.command(arguments).output();
        let Output {
            status,
            stdout,
            stderr,
        } = output
            .map_err(|error| format!("{} does not start: {error}", self.program.display()))?;
        Ok(Done {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    /// Starts it and lets it run; what it says is kept for [`Flowctl::said`].
    pub(crate) fn start(&self, arguments: &[&str]) -> Outcome<Child> {
        let command = &mut self.command(arguments);
        command.stdout(Stdio::null()).stderr(self.listener()?);
        command
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", self.program.display()))
    }

    /// Starts it and lets it run; what it says is there to be read. Only for what says little: nobody reads it meanwhile.
    pub(crate) fn start_heard(&self, arguments: &[&str]) -> Outcome<Child> {
        let command = &mut self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", self.program.display()))
    }

    /// Starts it with its output to be read line by line; what it says beside that is kept for [`Flowctl::said`].
    pub(crate) fn start_followed(&self, arguments: &[&str]) -> Outcome<Child> {
        let command = &mut self.command(arguments);
        command.stdout(Stdio::piped()).stderr(self.listener()?);
        command
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", self.program.display()))
    }

    fn listener(&self) -> Outcome<File> {
        let path = self.said_in();
        File::create(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn said_in(&self) -> PathBuf {
        self.folder.path().join("said.txt")
    }

    /// The last lines of what the newest program that was started to run on has said.
    pub(crate) fn said(&self) -> String {
        let text = std::fs::read_to_string(self.said_in()).unwrap_or_else(|why| why.to_string());
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// Waits for its end and gives what it has said, if it was started to be heard.
    pub(crate) fn wait(child: &mut Child) -> Outcome<Done> {
        let read = |pipe: Option<&mut dyn Read>| {
            let mut text = String::new();
            let read = pipe.map_or(Ok(0), |pipe| pipe.read_to_string(&mut text));
            read.map(|_| text)
                .map_err(|error| format!("what flowctl says cannot be read: {error}"))
        };
        let stdout = read(child.stdout.as_mut().map(|pipe| pipe as &mut dyn Read))?;
        let stderr = read(child.stderr.as_mut().map(|pipe| pipe as &mut dyn Read))?;
        let status = child
            .wait()
            .map_err(|error| format!("flowctl cannot be waited for: {error}"))?;
        Ok(Done {
            code: status.code().unwrap_or(-1),
            stdout,
            stderr,
        })
    }

    /// Runs some steps of phase3 on the lab and gives the report.
    pub(crate) fn only(&self, steps: &[&str], params: &[&str]) -> Outcome<Report> {
        let mut arguments = vec!["run", "phase3", "--target", "lab"];
        for step in steps {
            arguments.extend(["--only", step]);
        }
        for param in params {
            arguments.extend(["--param", param]);
        }
        let done = self.run(&arguments)?;
        self.newest_report().map_err(|error| {
            format!(
                "{error}; exit code {}, it said:\n{}",
                done.code, done.stderr
            )
        })
    }

    /// The id of the newest run.
    pub(crate) fn newest_run(&self) -> Outcome<String> {
        let status = self.status()?;
        match status["run"].as_str() {
            Some(run) => Ok(run.to_owned()),
            None => fail(format!("the status names no run: {status}")),
        }
    }

    /// `status --output json` of the newest run.
    pub(crate) fn status(&self) -> Outcome<Value> {
        let done = self.run(&["status", "--output", "json"])?;
        serde_json::from_str(&done.stdout).map_err(|error| {
            format!(
                "status is no JSON: {error}\n{}\n{}",
                done.stdout, done.stderr
            )
        })
    }

    /// The report of the newest run.
    pub(crate) fn newest_report(&self) -> Outcome<Report> {
        let run = self.newest_run()?;
        Report::read(&self.state().join("reports").join(&run).join("report.json"))
    }
}
