//! A run under way in this process, from its first event to its report: what `run` and `resume` share.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flowctl_state::event::{Envelope, Event};
use flowctl_state::hold::Hold;
use flowctl_state::log::EventLog;
use flowctl_state::run_state::RunState;
use flowctl_state::writer::LogWriter;
use flowctl_steps::child::orphans;
use flowctl_steps::clients::Clients;
use flowctl_steps::clock::SystemClock;
use flowctl_steps::secret::Secrets;
use flowctl_workflows::inject::Inject;
use flowctl_workflows::plan::{Plan, Role};
use flowctl_workflows::{RunId, StepId, TargetFile};
use serde_json::{Map, Value};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Cx;
use super::doubles::{self, Doubles};
use super::error::Error;
use super::exit_code::ExitCode;
use super::output::{self, StreamFormat};
use super::{lease, log, prepare, summary, target};
use crate::config;
use crate::executor::{Environment, Executor, Handle, Live, Reporter};
use crate::progress::{self, Look, Several};
use crate::report::FileRenderer;
use crate::server::{self, Broadcast};

/// How often the picture may be drawn anew.
const TICK: Duration = Duration::from_millis(200);

/// How a run is shown while it is under way, and what may be decided without asking.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Show {
    /// Form of what is printed: text, one JSON document at the end, or the stored events
    #[arg(long, short, value_enum, default_value_t)]
    pub(super) output: StreamFormat,
    /// Show no progress
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Give every consent that a step asks for
    #[arg(long, short)]
    pub(super) yes: bool,
}

/// The environment of a run, and the doubles that must live as long as it, in a rehearsal. `files` are the workflow's,
/// as they were when it started.
pub(super) async fn environment(
    cx: &Cx,
    hold: &Hold,
    plan: &Plan,
    target: Option<TargetFile>,
    files: HashMap<String, Arc<str>>,
    run: &RunId,
    inject: Inject,
) -> Result<(Arc<Environment>, Option<Doubles>), Error> {
    // Before a probe or a step starts a program.
    orphans::adopt();
    let registry = crate::kinds::registry();
    let named = prepare::secret_names(plan);
    let rehearsal = target.as_ref().is_some_and(|file| file.target.rehearsal);
    // A platform in memory has nobody else on it.
    let lease = if rehearsal {
        None
    } else {
        lease::settings(hold, plan, target.as_ref(), &registry, run)
    };
    let (target, doubles, secrets, problems) = match target.map(|file| file.target) {
        Some(target) if target.rehearsal => {
            let doubles = Doubles::start(inject).await?;
            let secrets = doubles::secrets(&target, &named);
            (
                Some(doubles.lead(target)),
                Some(doubles),
                secrets,
                Vec::new(),
            )
        }
        target => {
            let (secrets, problems) = target::secrets(target.as_ref(), &named).await;
            log::hide(&secrets);
            (target, None, secrets, problems)
        }
    };
    if !problems.is_empty() {
        let problems = problems.join("; ");
        if target::needed_by_plan(plan) {
            return Err(Error::usage_with_help(
                problems,
                "the target's `secrets:` says where each of them comes from",
            ));
        }
        // The lab's own target has keys that the lab only makes when it starts.
        output::note(&format!("warning: {problems}; no step asks for it"));
    }
    let log: Arc<dyn EventLog> = Arc::clone(hold.log()) as Arc<dyn EventLog>;
    let lab = cx
        .config
        .lab_directory()
        .map(|lab| lab.display().to_string());
    let directory = hold.directory().clone();
    let renderer = FileRenderer {
        directory: Box::new(move |run| directory.reports(run)),
        evidence: Arc::clone(hold.evidence()),
        log: Arc::clone(&log),
    };
    let clients = Clients::new(target, secrets.clone());
    let clients = match lease {
        Some(lease) => clients.fenced(lease),
        None => clients,
    };
    lease::take(&clients).await?;
    let environment = Arc::new(Environment {
        log: LogWriter::start(log)?,
        evidence: Arc::clone(hold.evidence()),
        registry,
        clients: Arc::new(clients),
        secrets: Secrets::clone(&secrets),
        clock: Arc::new(SystemClock::new()),
        files: Arc::new(files),
        facts: lab
            .iter()
            .map(|lab| ("lab".to_owned(), Value::from(lab.as_str())))
            .collect::<Map<_, _>>(),
        child_env: Arc::new(
            lab.into_iter()
                .map(|lab| ("FLOWCTL_LAB".to_owned(), lab))
                .collect(),
        ),
        renderer: Arc::new(renderer),
    });
    Ok((environment, doubles))
}

/// Drives a run to its end, shows it, renders its report and says how flowctl ends.
pub(super) async fn drive(
    cx: &Cx,
    hold: &Hold,
    environment: Arc<Environment>,
    executor: Executor,
    show: Show,
) -> Result<ExitCode, Error> {
    match to_end(cx, hold, environment, executor, show).await? {
        Some((state, report)) => conclude(cx, &state, report, show.output),
        None => Ok(ExitCode::Cancelled),
    }
}

/// A run that is over, and where its report is or why it could not be written.
type Over = (RunState, Result<String, String>);

/// Drives a run to its end, shows it and renders its report. `None`: it was left as it is, and that was said.
pub(super) async fn to_end(
    cx: &Cx,
    hold: &Hold,
    environment: Arc<Environment>,
    executor: Executor,
    show: Show,
) -> Result<Option<Over>, Error> {
    let handle = executor.handle();
    let broadcast = Broadcast::new();
    let log: Arc<dyn EventLog> = Arc::clone(hold.log()) as Arc<dyn EventLog>;
    let run = executor.state().run.clone();
    let served = server::serve(
        hold.directory(),
        log,
        run,
        handle.clone(),
        broadcast.clone(),
    );
    if let Err(error) = &served {
        output::note(&format!(
            "warning: {error}; other commands cannot look at this run while it is under way"
        ));
    }
    let mut reporter = Several(vec![reporter(cx, show), Box::new(broadcast)]);
    if show.yes {
        reporter.0.push(Box::new(Consent(handle.clone())));
    }
    let helpers = [
        tokio::spawn(orphans::reap()),
        // Heard before the run goes on, not when that task has its turn.
        tokio::spawn(stop_on_signals(hear_signals(), handle.clone())),
        tokio::spawn(tick(handle.clone())),
        tokio::spawn(lease::keep(Arc::clone(&environment.clients), handle)),
    ];
    let ended = executor.run(&mut reporter).await;
    helpers.iter().for_each(tokio::task::JoinHandle::abort);
    lease::give_back(&environment.clients).await;
    drop(reporter);
    if let Ok(served) = served {
        served.finish().await;
    }
    let ended = ended?;
    if let Some(why) = ended.left {
        output::note(&format!("{} was left as it is", ended.state.run));
        return Err(Error::Leased(why));
    }
    if ended.abandoned {
        output::note(&format!(
            "{} was left as it is; `flowctl resume` takes it up again",
            ended.state.run
        ));
        return Ok(None);
    }
    let state = ended.state;
    // Nothing else is under way any more, so this thread may be kept busy.
    let report = environment.renderer.render(&state);
    Ok(Some((state, report)))
}

/// Shows how a run ended.
fn conclude(
    cx: &Cx,
    state: &RunState,
    report: Result<String, String>,
    format: StreamFormat,
) -> Result<ExitCode, Error> {
    match format {
        StreamFormat::Text => output::data(&summary::text(
            state,
            report.as_deref().ok(),
            cx.paint_data(),
        ))?,
        StreamFormat::Json => output::json(&summary::json(state, report.as_deref().ok()))?,
        StreamFormat::Jsonl => {}
    }
    let code = ExitCode::of_run(state);
    match report {
        Ok(_) => Ok(code),
        // The events are safe; the report can be rendered again.
        Err(reason) => {
            output::note(&format!("error: the report could not be written: {reason}"));
            output::note(&format!(
                "help: `flowctl report {}` renders it again",
                state.run
            ));
            Ok(if code == ExitCode::Success {
                ExitCode::Failed
            } else {
                code
            })
        }
    }
}

fn reporter(cx: &Cx, show: Show) -> Box<dyn Reporter> {
    let look = match show {
        Show {
            output: StreamFormat::Jsonl,
            ..
        } => Look::Events,
        Show { quiet: true, .. } => Look::Nothing,
        Show { quiet: false, .. } if output::notes_on_terminal() && !cx.config.ci => Look::Drawn,
        Show { quiet: false, .. } => Look::Lines,
    };
    let out: Box<dyn std::io::Write + Send> = match look {
        Look::Events => Box::new(std::io::BufWriter::new(std::io::stdout())),
        Look::Drawn | Look::Lines | Look::Nothing => Box::new(std::io::stderr()),
    };
    progress::reporter(look, cx.paint_notes(), out)
}

/// Ctrl-C and SIGTERM, heard from now on: until then they end the process on the spot.
fn hear_signals() -> std::io::Result<[Signal; 2]> {
    Ok([
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    ])
}

/// The first signal cancels; the second stops waiting for what the first began.
async fn stop_on_signals(heard: std::io::Result<[Signal; 2]>, handle: Handle) {
    let Ok([mut interrupt, mut terminate]) = heard else {
        output::note("warning: signals cannot be heard; `flowctl cancel` stops the run");
        return;
    };
    let mut first = true;
    loop {
        let by = tokio::select! {
            Some(()) = interrupt.recv() => "ctrl-C",
            Some(()) = terminate.recv() => "SIGTERM",
            else => return,
        };
        output::note(if first {
            "stopping: what runs is cancelled, then undos and `finally:` run; once more to stop waiting"
        } else {
            "no longer waiting; what is under way is left as it is"
        });
        first = false;
        handle.cancel(by);
    }
}

async fn tick(handle: Handle) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        handle.tick();
    }
}

/// Gives every consent at once, when the person who started the run said so.
struct Consent(Handle);

impl Reporter for Consent {
    fn on(&mut self, envelope: &Envelope, state: &RunState, _: &Live) {
        let Event::StepStarted { step, .. } = &envelope.event else {
            return;
        };
        let place = state.place(step.as_str());
        if place.is_some_and(|place| {
            matches!(state.plan.steps[place as usize].role, Role::Approval { .. })
        }) {
            let (handle, step) = (self.0.clone(), step.to_string());
            tokio::spawn(async move {
                handle
                    .approve(step, format!("{} with --yes", config::user()))
                    .await
            });
        }
    }

    fn tick(&mut self, _: &RunState, _: &Live) {}
    fn line(&mut self, _: &StepId, _: &str) {}
}
