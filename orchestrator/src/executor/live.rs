//! What is known of running steps and is not worth storing: what they wait for, and the last lines
//! that their children printed.

use std::collections::{HashMap, VecDeque};

/// How many lines of each running step are kept to be looked at.
const LINES: usize = 500;

/// What is known of running steps and is not stored.
#[derive(Debug, Clone, Default)]
pub struct Live {
    steps: HashMap<u32, LiveStep>,
}

#[derive(Debug, Clone, Default)]
struct LiveStep {
    progress: Option<String>,
    lines: VecDeque<String>,
}

impl Live {
    /// What another process says of its running steps, by their place in the plan.
    pub fn of(doing: impl IntoIterator<Item = (u32, String)>) -> Self {
        let mut live = Self::default();
        doing
            .into_iter()
            .for_each(|(step, what)| live.progress(step, what));
        live
    }

    /// What a running step waits for or does: its own words, else the last line that it printed.
    #[must_use]
    pub fn doing(&self, step: u32) -> Option<&str> {
        let live = self.steps.get(&step)?;
        live.progress
            .as_deref()
            .or_else(|| live.lines.back().map(String::as_str))
    }

    /// The last lines that a running step's child printed.
    pub fn lines(&self, step: u32) -> impl Iterator<Item = &str> {
        self.steps
            .get(&step)
            .into_iter()
            .flat_map(|live| live.lines.iter().map(String::as_str))
    }

    pub(super) fn progress(&mut self, step: u32, what: String) {
        self.steps.entry(step).or_default().progress = Some(what);
    }

    pub(super) fn line(&mut self, step: u32, line: String) {
        let lines = &mut self.steps.entry(step).or_default().lines;
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(super) fn forget(&mut self, step: u32) {
        self.steps.remove(&step);
    }
}
