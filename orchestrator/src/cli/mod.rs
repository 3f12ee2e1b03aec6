//! The command line: a file for each verb, and what they share.
//!
//! Owns arguments, what is printed, and the exit code. Nothing below decides what a run does; a verb
//! reads the state, or starts an executor, and shows what came of it.

mod approve;
mod args;
mod cancel;
mod catalog;
mod choose;
mod completions;
mod diagnose;
mod doubles;
mod drive;
mod embedded;
pub mod error;
pub mod exit_code;
mod explain;
mod fence;
mod graph;
mod init;
mod kinds;
mod lease;
mod log;
mod logs;
pub mod output;
mod prepare;
mod reach;
mod report;
mod resume;
mod run;
mod runs;
mod runtime;
mod schema;
mod state;
mod status;
mod summary;
pub mod table;
mod target;
mod undo;
mod validate;
mod verify;
mod watch;

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use flowctl_workflows::diagnostic;

use crate::config::Config;
use crate::progress::Paint;
use args::{Cli, Verb};
use error::{Error, chain};
use exit_code::ExitCode;

/// What every verb is given.
struct Cx {
    config: Config,
    state: Option<PathBuf>,
}

impl Cx {
    /// The state directory, whether it exists or not.
    fn state_directory(&self) -> Result<PathBuf, Error> {
        self.config
            .state_directory(self.state.as_deref())
            .ok_or_else(|| {
                Error::usage_with_help(
                    "there is no home directory to keep the state in",
                    "name a directory with --state or FLOWCTL_STATE",
                )
            })
    }

    /// Colour on standard error.
    fn paint_notes(&self) -> Paint {
        Paint {
            color: !self.config.no_color && output::notes_on_terminal(),
        }
    }

    /// Colour on standard output.
    fn paint_data(&self) -> Paint {
        Paint {
            color: !self.config.no_color && output::data_on_terminal(),
        }
    }
}

/// Runs a command line and says how the process ends.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let config = Config::from_process();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help that nobody reads is no error.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::Usage
            } else {
                ExitCode::Success
            };
        }
    };
    log::start(&config);
    say_when_panicking();
    let cx = Cx {
        config,
        state: cli.state,
    };
    guarded(&cx, || dispatch(&cx, cli.verb))
}

/// How the process ends after `work`, also when that panics.
fn guarded(cx: &Cx, work: impl FnOnce() -> Result<ExitCode, Error>) -> ExitCode {
    match std::panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            show(cx, &error);
            error.exit_code()
        }
        Err(_) => ExitCode::Bug,
    }
}

fn dispatch(cx: &Cx, verb: Verb) -> Result<ExitCode, Error> {
    match verb {
        Verb::Run(args) => run::run(cx, args),
        Verb::Resume(args) => resume::run(cx, args),
        Verb::Status(args) => status::run(cx, args),
        Verb::Runs(args) => runs::run(cx, args),
        Verb::Watch(args) => watch::run(cx, args),
        Verb::Cancel(args) => cancel::run(cx, args),
        Verb::Undo(args) => undo::run(cx, args),
        Verb::Logs(args) => logs::run(cx, args),
        Verb::Explain(args) => explain::run(cx, args),
        Verb::Validate(args) => validate::run(cx, args),
        Verb::Graph(args) => graph::run(cx, args),
        Verb::Report(args) => report::run(cx, args),
        Verb::Verify(args) => verify::run(cx, args),
        Verb::Diagnose(args) => diagnose::run(cx, args),
        Verb::Schema(args) => schema::run(args),
        Verb::Kinds(args) => kinds::run(args),
        Verb::Approve(args) => approve::run(cx, args),
        Verb::State(args) => state::run(cx, args),
        Verb::Init(args) => init::run(args),
        Verb::Completions(args) => completions::run(args),
    }
}

/// Says on standard error why a command ended early.
fn show(cx: &Cx, error: &Error) {
    let paint = cx.paint_notes();
    match error {
        Error::Closed => return,
        Error::Invalid(mistakes) => {
            output::note(diagnostic::render(mistakes, paint.color, output::width()).trim_end());
        }
        _ => {}
    }
    let word = paint.mood(crate::progress::Mood::Bad, "error:");
    output::note(&format!("{word} {}", chain(error)));
    if let Some(help) = error.help() {
        output::note(&format!("help: {help}"));
    }
}

fn say_when_panicking() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if flowctl_state::guard::is_catching() {
            // It is told as damage of the state.
            return;
        }
        before(panic);
        output::note(&format!(
            "error: flowctl {} has come upon a bug of its own; please report it with the lines above",
            env!("CARGO_PKG_VERSION")
        ));
    }));
}

/// A path for people: relative to the working directory when it is below it.
fn shown_path(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    short.as_deref().unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_bug_of_flowctl() {
        let cx = Cx {
            config: Config::default(),
            state: None,
        };
        assert_eq!(guarded(&cx, || panic!("on purpose")), ExitCode::Bug);
        assert_eq!(guarded(&cx, || Err(Error::bug("x"))), ExitCode::Bug);
        assert_eq!(guarded(&cx, || Err(Error::usage("x"))), ExitCode::Usage);
        assert_eq!(guarded(&cx, || Err(Error::Closed)), ExitCode::Success);
    }
}
