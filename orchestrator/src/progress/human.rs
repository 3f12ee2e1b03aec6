//! The picture in a terminal: a line for each running step, a bar for the whole, and what is done
//! scrolls up.
//!
//! Drawing happens on ticks only, never on events, so that a run of ten thousand short steps is not
//! kept waiting by the terminal.

use std::collections::HashMap;
use std::time::Duration;

use flowctl_state::event::{Envelope, Event};
use flowctl_state::run_state::{Phase, RunState, StepState};
use flowctl_workflows::StepId;
use flowctl_workflows::plan::Role;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::consequences::Consequences;
use super::narrative::{Told, tell};
use super::paint::Paint;
use crate::cli::table::{elapsed, shorten};
use crate::executor::{Live, Reporter};

/// How many running steps get a line of their own.
const LINES: usize = 12;
/// How many things that happened between two ticks are shown one by one.
const SCROLL: usize = 100;
/// How often at most the picture is drawn anew.
const DRAW: Duration = Duration::from_millis(100);

/// Draws on a terminal.
pub struct Human {
    paint: Paint,
    width: usize,
    screen: MultiProgress,
    lines: Vec<ProgressBar>,
    total: ProgressBar,
    since: HashMap<u32, Instant>,
    began: Instant,
    waiting: Vec<Told>,
    consequences: Consequences,
    passed_over: usize,
    drawn: Option<Instant>,
}

impl Human {
    /// An empty picture on standard error.
    #[must_use]
    pub fn new(paint: Paint) -> Self {
        let width = crate::cli::output::width();
        Self::on_target(ProgressDrawTarget::stderr_with_hz(10), width, paint)
    }

    /// An empty picture on a terminal that is so many characters wide.
    pub(super) fn on_target(target: ProgressDrawTarget, width: usize, paint: Paint) -> Self {
        let screen = MultiProgress::with_draw_target(target);
        let total = screen.add(ProgressBar::new(0));
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}");
        total.set_style(
            style
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("━╸─"),
        );
        Self {
            paint,
            width,
            screen,
            lines: Vec::new(),
            total,
            since: HashMap::new(),
            began: Instant::now(),
            waiting: Vec::new(),
            consequences: Consequences::default(),
            passed_over: 0,
            drawn: None,
        }
    }

    /// Lets what happened scroll up, in one write.
    fn scroll(&mut self) {
        self.waiting.extend(self.consequences.told());
        if self.waiting.is_empty() {
            return;
        }
        let mut text = String::new();
        for told in self.waiting.drain(..) {
            let mark = self.paint.mood(told.mood, &told.mark.to_string());
            text.push_str(&format!(
                "{mark} {} {}\n",
                self.paint.bold(&told.about),
                told.text
            ));
            for (mood, more) in told.more {
                text.push_str(&format!("    {}\n", self.paint.mood(mood, &more)));
            }
        }
        if self.passed_over > 0 {
            text.push_str(&format!(
                "  … and {} more\n",
                std::mem::take(&mut self.passed_over)
            ));
        }
        // A terminal that went away is no reason to stop.
        let _ = self.screen.println(text.trim_end_matches('\n'));
    }

    fn draw(&mut self, state: &RunState, live: &Live) {
        let now = Instant::now();
        let (mut ended, mut running) = (0u64, Vec::new());
        for (place, (step, record)) in (0u32..).zip(state.steps()) {
            match &record.state {
                StepState::Running { attempt, .. } => match &step.role {
                    Role::FanIn => {}
                    Role::Approval { message } => {
                        running.push((place, format!("waits for approval: {message}")))
                    }
                    Role::Kind(_) => {
                        let doing = live.doing(place).unwrap_or_default();
                        let tries = if *attempt > 1 {
                            format!("attempt {attempt} ")
                        } else {
                            String::new()
                        };
                        running.push((place, format!("{tries}{doing}")));
                    }
                },
                StepState::Backoff { attempt, .. } => {
                    running.push((
                        place,
                        format!("attempt {attempt} failed, waits for the next"),
                    ));
                }
                StepState::Waiting => {}
                StepState::Succeeded
                | StepState::Failed
                | StepState::Skipped(_)
                | StepState::Cancelled => ended += 1,
            }
        }
        self.fit(running.len().min(LINES));
        for (line, (place, text)) in self.lines.iter().zip(&running) {
            let id = &state.plan.steps[*place as usize].id;
            let ran = elapsed(
                self.since
                    .get(place)
                    .map_or(Duration::ZERO, |since| now - *since),
            );
            let room = self
                .width
                .saturating_sub(id.as_str().chars().count() + ran.len() + 6);
            let text = shorten(text, room.max(10));
            line.set_message(format!(
                "  {} {} {}",
                self.paint.bold(id.as_str()),
                ran,
                self.paint.dim(&text)
            ));
        }
        let more = match running.len().saturating_sub(LINES) {
            0 => String::new(),
            more => format!(" ({more} hidden)"),
        };
        let phase = match (state.phase, &state.cancelled_by) {
            (_, Some(_)) => " cancelling,",
            (Phase::TearingDown { .. }, None) => " teardown,",
            (Phase::Running | Phase::Finished { .. }, None) => "",
        };
        self.total
            .set_length(u64::try_from(state.plan.steps.len()).unwrap_or(u64::MAX));
        self.total.set_position(ended);
        self.total.set_message(format!(
            "steps,{phase} {} running{more}, {}",
            running.len(),
            elapsed(now - self.began)
        ));
    }

    /// Makes or drops lines until there are so many.
    fn fit(&mut self, wanted: usize) {
        while self.lines.len() > wanted {
            if let Some(line) = self.lines.pop() {
                self.screen.remove(&line);
            }
        }
        while self.lines.len() < wanted {
            let line = self
                .screen
                .insert_before(&self.total, ProgressBar::new_spinner());
            line.set_style(
                ProgressStyle::with_template("{msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            self.lines.push(line);
        }
    }
}

impl Reporter for Human {
    fn on(&mut self, envelope: &Envelope, state: &RunState, live: &Live) {
        if let Some(place) = envelope
            .event
            .step()
            .and_then(|step| state.place(step.as_str()))
        {
            if let Event::StepStarted { .. } = envelope.event {
                self.since.insert(place, Instant::now());
            } else if state.step(place).state.outcome().is_some() {
                self.since.remove(&place);
            }
        }
        if self.consequences.take(envelope, state) {
            return;
        }
        self.waiting.extend(self.consequences.told());
        if let Some(told) = tell(envelope, state) {
            if self.waiting.len() < SCROLL || told.mood != super::Mood::Good {
                self.waiting.push(told);
            } else {
                self.passed_over += 1;
            }
        }
        if let Event::RunFinished { .. } = envelope.event {
            self.scroll();
            self.draw(state, live);
        }
    }

    fn tick(&mut self, state: &RunState, live: &Live) {
        let now = Instant::now();
        if self.drawn.is_some_and(|drawn| now - drawn < DRAW) {
            return;
        }
        self.drawn = Some(now);
        self.scroll();
        self.draw(state, live);
    }

    fn line(&mut self, _: &StepId, _: &str) {}
}

impl Drop for Human {
    fn drop(&mut self) {
        self.scroll();
        self.fit(0);
        self.total.finish_and_clear();
    }
}
