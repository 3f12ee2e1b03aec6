//! One line for everything worth reading, with the time since the run began: for CI and for files.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use flowctl_state::event::{Envelope, Event};
use flowctl_state::run_state::{RunState, StepState};
use flowctl_workflows::StepId;
use tokio::time::Instant;

use super::consequences::Consequences;
use super::narrative::{Mood, Told, tell};
use super::paint::Paint;
use crate::cli::table::{between, elapsed, shorten};
use crate::executor::{Live, Reporter};

/// A step that runs for longer than this is announced; most steps are over before.
const ANNOUNCE: Duration = Duration::from_secs(1);
/// A step that says nothing new is mentioned again after this long.
const REMIND: Duration = Duration::from_secs(30);

/// Writes plain lines.
pub struct Plain {
    paint: Paint,
    out: Box<dyn Write + Send>,
    running: HashMap<u32, Watched>,
    consequences: Consequences,
    /// Elapsed time at the newest event, and when that was seen.
    last: (Duration, Option<Instant>),
}

struct Watched {
    since: Instant,
    mentioned: Option<Instant>,
    said: String,
}

impl Watched {
    fn since(since: Instant) -> Self {
        Self {
            since,
            mentioned: None,
            said: String::new(),
        }
    }
}

impl Plain {
    /// Writes to `out`.
    #[must_use]
    pub fn new(paint: Paint, out: Box<dyn Write + Send>) -> Self {
        Self {
            paint,
            out,
            running: HashMap::new(),
            consequences: Consequences::default(),
            last: (Duration::ZERO, None),
        }
    }

    fn write(&mut self, at: Duration, text: &str) {
        let seconds = at.as_secs();
        let stamp = format!(
            "{:>3}:{:02}.{}",
            seconds / 60,
            seconds % 60,
            at.subsec_millis() / 100
        );
        // A view that cannot be written is no reason to stop.
        let _ = writeln!(self.out, "{} {text}", self.paint.dim(&stamp));
    }

    fn tell(&mut self, at: Duration, told: Told) {
        let mark = self.paint.mood(told.mood, &told.mark.to_string());
        self.write(at, &format!("{mark} {}: {}", told.about, told.text));
        for (mood, text) in told.more {
            let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
            let word = if mood == Mood::Plain {
                word.to_owned()
            } else {
                self.paint.mood(mood, word)
            };
            self.write(at, &format!("    {word} {rest}"));
        }
    }

    fn tell_consequences(&mut self, at: Duration) {
        if let Some(told) = self.consequences.told() {
            self.tell(at, told);
        }
    }
}

impl Reporter for Plain {
    fn on(&mut self, envelope: &Envelope, state: &RunState, _: &Live) {
        let at = between(state.started, envelope.at);
        let now = Instant::now();
        self.last = (at, Some(now));
        if let Event::RunResumed { .. } = envelope.event {
            // What was in flight when the last flowctl ended is attached to, without an event of its own.
            for place in 0..u32::try_from(state.plan.steps.len()).unwrap_or(u32::MAX) {
                if matches!(state.step(place).state, StepState::Running { .. }) {
                    self.running.insert(place, Watched::since(now));
                }
            }
        }
        if let Some(place) = envelope
            .event
            .step()
            .and_then(|step| state.place(step.as_str()))
        {
            if let Event::StepStarted { .. } = envelope.event {
                self.running.insert(place, Watched::since(now));
            } else if !matches!(state.step(place).state, StepState::Running { .. }) {
                self.running.remove(&place);
            }
        }
        if self.consequences.take(envelope, state) {
            return;
        }
        self.tell_consequences(at);
        if let Some(told) = tell(envelope, state) {
            self.tell(at, told);
        }
    }

    fn tick(&mut self, state: &RunState, live: &Live) {
        self.tell_consequences(self.last.0);
        let now = Instant::now();
        let mut due: Vec<(u32, String)> = Vec::new();
        for (place, watched) in &mut self.running {
            let silence = watched
                .mentioned
                .map_or(now - watched.since, |mentioned| now - mentioned);
            let wait = if watched.mentioned.is_some() {
                REMIND
            } else {
                ANNOUNCE
            };
            if silence < wait {
                continue;
            }
            let doing = live.doing(*place).unwrap_or_default();
            let running = elapsed(now - watched.since);
            let text = match (
                &watched.mentioned,
                doing.is_empty() || doing == watched.said,
            ) {
                (None, true) => "started".to_owned(),
                (None, false) => format!("started: {}", shorten(doing, 120)),
                (Some(_), true) => format!("still running after {running}"),
                (Some(_), false) => {
                    format!("still running after {running}: {}", shorten(doing, 120))
                }
            };
            doing.clone_into(&mut watched.said);
            watched.mentioned = Some(now);
            due.push((*place, text));
        }
        due.sort_by_key(|(place, _)| *place);
        let (at, seen) = self.last;
        let at = at + seen.map_or(Duration::ZERO, |seen| now - seen);
        for (place, text) in due {
            let id = &state.plan.steps[place as usize].id;
            self.write(at, &format!("… {id}: {text}"));
        }
    }

    fn line(&mut self, _: &StepId, _: &str) {}
}
