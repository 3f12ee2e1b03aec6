//! What can be amiss, and which part of the suite saw it.

use std::fmt;

/// The parts of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Whatever has happened or was shown is in the log at the moment of death.
    Record,
    /// The run comes to the same as one that was never stopped.
    Same,
    /// How often a step is tried and in which order things happen.
    Rules,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Record => "record",
            Part::Same => "same",
            Part::Rules => "rules",
        })
    }
}

/// Something amiss.
#[derive(Debug, Clone)]
pub(crate) struct Amiss {
    pub(crate) part: Part,
    pub(crate) what: String,
}

/// What a part has found, and in which run.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Amiss>);

impl Findings {
    pub(crate) fn note(&mut self, part: Part, what: impl Into<String>) {
        let what = what.into();
        self.0.push(Amiss { part, what });
    }

    pub(crate) fn expect(&mut self, part: Part, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.note(part, what());
        }
    }

    pub(crate) fn by(&self, part: Part) -> bool {
        self.0.iter().any(|amiss| amiss.part == part)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|amiss| writeln!(f, "  {}: {}", amiss.part, amiss.what))
    }
}
