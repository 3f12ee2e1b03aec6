//! `flowctl watch`: the same picture as `run` shows, of a run in another process; of one that is over,
//! what it would have shown.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flowctl_state::run_state::RunState;
use flowctl_workflows::RunId;

use super::Cx;
use super::choose;
use super::error::Error;
use super::exit_code::ExitCode;
use super::output::{self, StreamFormat};
use super::reach::Reach;
use super::runtime::block_on;
use crate::executor::{Live, Reporter};
use crate::progress::{self, Look};
use crate::server::{Client, Item};
use crate::view::{RunView, RunWord};

/// Arguments of `flowctl watch`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its id, or `latest` [default: the running or the newest one]
    run: Option<String>,
    /// Form of what is printed: text, one JSON document at the end, or the stored events
    #[arg(long, short, value_enum, default_value_t)]
    output: StreamFormat,
    /// End as the run ended, with its exit code
    #[arg(long)]
    exit_status: bool,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let state = block_on(async {
        let reach = Reach::open(cx, "flowctl watch").await?;
        let run = choose::run(&reach, args.run.as_deref()).await?;
        match &reach {
            Reach::Holder(client) if client.hello.run == run.as_str() => {
                follow(cx, client, &run, args.output).await
            }
            Reach::Holder(_) | Reach::Own(_) | Reach::Nothing => {
                replay(cx, &reach, &run, args.output).await
            }
        }
    })?;
    // Whoever worked on it has let go by now.
    let word = RunWord::of(&state, false);
    if args.output == StreamFormat::Json {
        output::json(&RunView::of(&state, None))?;
    }
    if word == RunWord::Interrupted {
        output::note(&format!(
            "{} is not over, and nobody works on it: `flowctl resume {0}`",
            state.run
        ));
    }
    Ok(if args.exit_status {
        ExitCode::of_run(&state)
    } else {
        ExitCode::Success
    })
}

/// A run that is under way in another process.
async fn follow(
    cx: &Cx,
    client: &Client,
    run: &RunId,
    format: StreamFormat,
) -> Result<RunState, Error> {
    let drawn = output::notes_on_terminal() && output::data_on_terminal() && !cx.config.ci;
    let mut screen = Screen::new(cx, format, if drawn { Look::Drawn } else { Look::Lines });
    let mut watch = client.watch(run).await?;
    while let Some(item) = watch.next().await? {
        match item {
            Item::Event(envelope) => screen.event(&envelope)?,
            Item::Doing(doing) => screen.doing(doing)?,
            Item::Line { .. } => {}
        }
    }
    screen.finish(run)
}

/// A run that nobody works on.
async fn replay(
    cx: &Cx,
    reach: &Reach,
    run: &RunId,
    format: StreamFormat,
) -> Result<RunState, Error> {
    let mut screen = Screen::new(cx, format, Look::Lines);
    let mut shown = Ok(());
    reach
        .events(run, |envelope| {
            if shown.is_ok() {
                shown = screen.event(&envelope);
            }
        })
        .await?;
    shown?;
    screen.finish(run)
}

/// The reporter, with the run that it is shown.
struct Screen {
    reporter: Box<dyn Reporter>,
    state: Option<RunState>,
    live: Live,
    closed: Arc<AtomicBool>,
}

impl Screen {
    fn new(cx: &Cx, format: StreamFormat, text: Look) -> Self {
        let look = match format {
            StreamFormat::Text => text,
            StreamFormat::Json => Look::Nothing,
            StreamFormat::Jsonl => Look::Events,
        };
        let paint = if look == Look::Drawn {
            cx.paint_notes()
        } else {
            cx.paint_data()
        };
        let closed = Arc::new(AtomicBool::new(false));
        let data = Data {
            closed: Arc::clone(&closed),
        };
        Self {
            reporter: progress::reporter(look, paint, Box::new(data)),
            state: None,
            live: Live::default(),
            closed,
        }
    }

    fn event(&mut self, envelope: &flowctl_state::event::Envelope) -> Result<(), Error> {
        match &mut self.state {
            None => self.state = Some(RunState::start(envelope)?),
            Some(state) => state.apply(envelope)?,
        }
        if let Some(state) = &self.state {
            self.reporter.on(envelope, state, &self.live);
        }
        self.still_read()
    }

    fn doing(&mut self, doing: Vec<(u32, String)>) -> Result<(), Error> {
        self.live = Live::of(doing);
        if let Some(state) = &self.state {
            self.reporter.tick(state, &self.live);
        }
        self.still_read()
    }

    fn still_read(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Relaxed) {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }

    fn finish(self, run: &RunId) -> Result<RunState, Error> {
        self.state
            .ok_or_else(|| flowctl_state::LogError::UnknownRun { run: run.clone() }.into())
    }
}

/// Standard output as a writer that remembers when its reader has gone: nobody else is served by this
/// command, so it ends then.
struct Data {
    closed: Arc<AtomicBool>,
}

impl Data {
    fn noticing<T>(&self, written: std::io::Result<T>) -> std::io::Result<T> {
        if written.is_err() {
            self.closed.store(true, Ordering::Relaxed);
        }
        written
    }
}

impl Write for Data {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = std::io::stdout().write(bytes);
        self.noticing(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let flushed = std::io::stdout().flush();
        self.noticing(flushed)
    }
}
