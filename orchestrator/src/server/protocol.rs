//! What goes over the socket. Both ends use these types; fields are only ever added.

use flowctl_state::event::Envelope;
use flowctl_state::holder::Holder;
use serde::{Deserialize, Serialize};

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of flowctl.
    pub flowctl: String,
    /// The process.
    pub holder: Option<Holder>,
    /// The run that it works on.
    pub run: String,
}

/// One line of what a watcher gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// A stored event.
    Event(Box<Envelope>),
    /// What running steps do or wait for, by their place in the plan; it replaces what was said before.
    Doing(Vec<(u32, String)>),
    /// A line that a step's child printed.
    Line {
        /// Which step.
        step: String,
        /// The line.
        line: String,
    },
}

/// Who asks for something, for the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// As the operating system names them.
    pub by: String,
}

/// A consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The approval step.
    pub step: String,
    /// Who.
    pub by: String,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// In one sentence.
    pub error: String,
}
