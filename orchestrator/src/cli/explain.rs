//! `flowctl explain`: why each step ran, was tried again, skipped, reused or failed, from its events.

mod resumed;

use std::collections::HashMap;

use flowctl_state::event::{Envelope, Event};
use flowctl_state::run_state::RunState;
use flowctl_workflows::StepId;
use flowctl_workflows::plan::{Plan, PlanNeed, PlanStep, Role};
use jiff::Timestamp;
use serde::Serialize;

use super::Cx;
use super::choose;
use super::error::Error;
use super::exit_code::ExitCode;
use super::output::{self, Format};
use super::reach::Reach;
use super::runtime::block_on;
use super::table::between;
use crate::progress::tell;
use crate::view::{StepWord, role_word};

/// Arguments of `flowctl explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its id, or `latest`
    run: String,
    /// The step [default: all]
    step: Option<String>,
    /// Form of the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Serialize)]
struct Explained {
    id: String,
    kind: String,
    state: StepWord,
    needs: Vec<String>,
    story: Vec<Told>,
}

#[derive(Debug, Serialize)]
struct Told {
    seq: u64,
    at: Timestamp,
    text: String,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let (state, stories, held) = block_on(async {
        let reach = Reach::open(cx, "flowctl explain").await?;
        let run = choose::run(&reach, Some(&args.run)).await?;
        let held = reach.live() == Some(run.as_str());
        let mut teller = Teller::default();
        reach
            .events(&run, |envelope| teller.hear(&envelope))
            .await?;
        let (state, stories) = teller.finish()?;
        Ok((state, stories, held))
    })?;
    let wanted = match &args.step {
        Some(given) => Some(choose::step(
            state.plan.steps.iter().map(|step| step.id.as_str()),
            given,
        )?),
        None => None,
    };
    let steps: Vec<Explained> = explained(&state, stories, held)
        .into_iter()
        .enumerate()
        .filter(|(place, _)| wanted.is_none_or(|wanted| wanted == *place))
        .map(|(_, step)| step)
        .collect();
    match args.output {
        Format::Json => output::json(&serde_json::json!({"run": state.run, "steps": steps}))?,
        Format::Text => output::data(&text(&state, &steps))?,
    }
    Ok(ExitCode::Success)
}

/// By step and not by place: a run may go on with an edited workflow.
type Stories = HashMap<StepId, Vec<Told>>;

/// Folds a run and keeps what is said of each step on the way.
#[derive(Default)]
struct Teller {
    state: Option<RunState>,
    stories: Stories,
    broken: Option<Error>,
}

impl Teller {
    fn hear(&mut self, envelope: &Envelope) {
        if self.broken.is_some() {
            return;
        }
        let said = match (&self.state, &envelope.event) {
            (Some(state), Event::RunResumed { .. }) => resumed::resumed(state, envelope),
            (Some(state), Event::PlanReplaced { plan }) => replanned(state, plan),
            (Some(state), Event::UndoRequested { by, steps }) => {
                let asked =
                    |step: &StepId| (step.clone(), format!("{by} asked for it to be put back"));
                let known = steps
                    .iter()
                    .filter(|step| state.place(step.as_str()).is_some());
                known.map(asked).collect()
            }
            _ => Vec::new(),
        };
        for (step, text) in said {
            self.say(&step, envelope, text);
        }
        let folded = match &mut self.state {
            None => RunState::start(envelope).map(|state| self.state = Some(state)),
            Some(state) => state.apply(envelope),
        };
        if let Err(error) = folded {
            self.broken = Some(error.into());
            return;
        }
        let Some(state) = &self.state else { return };
        let Some(place) = envelope
            .event
            .step()
            .and_then(|step| state.place(step.as_str()))
        else {
            return;
        };
        let step = state.plan.steps[place as usize].id.clone();
        if let Event::StepStarted { attempt, .. } = &envelope.event {
            let why = why_started(state, place as usize, *attempt);
            self.say(&step, envelope, why);
        } else if let Event::StepCheckpointed { handle, .. } = &envelope.event {
            let text = format!("wrote down how it can be found again: {handle}");
            self.say(&step, envelope, text);
        } else if let Some(told) = tell(envelope, state) {
            self.say(&step, envelope, told.text);
            told.more
                .into_iter()
                .for_each(|(_, more)| self.say(&step, envelope, format!("  {more}")));
        } else if let Event::StepSkipped { reason, .. } = &envelope.event {
            let text = format!("skipped: {}", crate::progress::skip_reason(reason));
            self.say(&step, envelope, text);
        }
    }

    fn say(&mut self, step: &StepId, envelope: &Envelope, text: String) {
        self.stories.entry(step.clone()).or_default().push(Told {
            seq: envelope.seq,
            at: envelope.at,
            text,
        });
    }

    fn finish(self) -> Result<(RunState, Stories), Error> {
        match (self.broken, self.state) {
            (Some(error), _) => Err(error),
            (None, Some(state)) => Ok((state, self.stories)),
            (None, None) => Err(Error::bug("a run without events was found")),
        }
    }
}

/// What an edited workflow means for each step, told before it is folded.
fn replanned(state: &RunState, plan: &Plan) -> Vec<(StepId, String)> {
    let new = plan
        .steps
        .iter()
        .filter(|step| state.place(step.id.as_str()).is_none());
    new.map(|step| {
        let text = "the workflow was edited: this step is new in it".to_owned();
        (step.id.clone(), text)
    })
    .collect()
}

fn why_started(state: &RunState, place: usize, attempt: u32) -> String {
    let step = &state.plan.steps[place];
    match &step.role {
        Role::FanIn => return "all of its instances have ended".to_owned(),
        Role::Approval { message } => return format!("waits for a person: {message}"),
        Role::Kind(_) => {}
    }
    if attempt > 1 {
        return format!("attempt {attempt} started");
    }
    let after = match step.needs.len() {
        0 => "it needs nothing".to_owned(),
        _ => format!("after {}", needs(state, &step.needs).join(", ")),
    };
    let when = step
        .when
        .as_ref()
        .map_or_else(String::new, |when| format!(", and `{when}` is true"));
    format!("attempt 1 started: {after}{when}")
}

fn needs(state: &RunState, needs: &[PlanNeed]) -> Vec<String> {
    let named = needs.iter().map(|need| {
        let id = &state.plan.steps[need.step as usize].id;
        let word = StepWord::of(state, need.step, false);
        format!("{id} {}", word.as_str())
    });
    named.collect()
}

fn explained(state: &RunState, mut stories: Stories, held: bool) -> Vec<Explained> {
    let steps = (0u32..)
        .zip(&state.plan.steps)
        .map(|(place, step)| Explained {
            id: step.id.to_string(),
            kind: role_word(&step.role).to_owned(),
            state: StepWord::of(state, place, held),
            needs: needs(state, &step.needs),
            story: stories
                .remove(&step.id)
                .unwrap_or_else(|| not_yet(state, step)),
        });
    steps.collect()
}

/// Nothing happened to the step: it says what it waits for.
fn not_yet(state: &RunState, step: &PlanStep) -> Vec<Told> {
    let open = step
        .needs
        .iter()
        .filter(|need| state.step(need.step).state.outcome().is_none());
    let open: Vec<&str> = open
        .map(|need| state.plan.steps[need.step as usize].id.as_str())
        .collect();
    let text = match open[..] {
        [] => "nothing happened to it yet; it waits for a free job or lock".to_owned(),
        _ => format!(
            "nothing happened to it yet; it waits for {}",
            open.join(", ")
        ),
    };
    vec![Told {
        seq: state.next_seq,
        at: state.updated,
        text,
    }]
}

fn text(state: &RunState, steps: &[Explained]) -> String {
    let mut text = String::new();
    for step in steps {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!(
            "{} ({}): {}\n",
            step.id,
            step.kind,
            step.state.as_str()
        ));
        if !step.needs.is_empty() {
            text.push_str(&format!("  needs {}\n", step.needs.join(", ")));
        }
        for told in &step.story {
            let at = between(state.started, told.at);
            let seconds = at.as_secs();
            let stamp = format!(
                "{}:{:02}.{}",
                seconds / 60,
                seconds % 60,
                at.subsec_millis() / 100
            );
            text.push_str(&format!("  {stamp:>7} {}\n", told.text));
        }
    }
    text
}
