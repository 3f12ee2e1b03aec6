//! What a run needs of this process: the log, the evidence store, the kinds, the clients, time.

use std::collections::HashMap;
use std::sync::Arc;

use flowctl_state::evidence::EvidenceStore;
use flowctl_state::run_state::RunState;
use flowctl_state::writer::LogWriter;
use flowctl_steps::clients::Clients;
use flowctl_steps::context::Clock;
use flowctl_steps::registry::Registry;
use flowctl_steps::secret::Secrets;
use serde_json::{Map, Value};

/// What a run needs of this process.
pub struct Environment {
    /// Where events go.
    pub log: LogWriter,
    /// Where raw records go.
    pub evidence: Arc<EvidenceStore>,
    /// The step kinds.
    pub registry: Registry,
    /// The target's clients.
    pub clients: Arc<Clients>,
    /// The run's secrets.
    pub secrets: Secrets,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The texts of the workflow's files as they were when the run started, by path.
    pub files: Arc<HashMap<String, Arc<str>>>,
    /// What expressions see under `flowctl.`: `lab`, the lab's directory.
    pub facts: Map<String, Value>,
    /// Variables that every child process gets.
    pub child_env: Arc<Vec<(String, String)>>,
    /// Writes the report of a run; the `report` step kind and the end of every run use it.
    pub renderer: Arc<dyn Renderer>,
}

/// Writes the report of a run.
pub trait Renderer: Send + Sync {
    /// Writes all forms of the report and returns the directory.
    ///
    /// # Errors
    /// In one sentence, when it cannot be written.
    fn render(&self, state: &RunState) -> Result<String, String>;
}
