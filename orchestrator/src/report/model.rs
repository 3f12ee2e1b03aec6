//! The report as data: what `report.json` holds and every other form is drawn from.

use flowctl_state::event::RunOutcome;
use flowctl_workflows::plan::Objective;
use flowctl_workflows::result::{ErrorClass, Evidence, Number, Verdict};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;

/// The format number of `report.json`.
pub(super) const FORMAT: u16 = 1;

/// A run's report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The format number.
    pub format: u16,
    /// Whether it ran on doubles: then nothing in it was measured on a platform.
    pub rehearsal: bool,
    /// Which run.
    pub run: String,
    /// Which workflow.
    pub workflow: String,
    /// The workflow's title.
    pub title: String,
    /// How the run ended; `null` while it has not.
    pub outcome: Option<RunOutcome>,
    /// The exit code of `flowctl run`.
    pub exit_code: u8,
    /// When it started.
    pub started: Timestamp,
    /// When its last event happened.
    pub finished: Timestamp,
    /// Who or what stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// How often it was taken up again.
    pub resumes: u32,
    /// How many criteria have each verdict.
    pub summary: IndexMap<&'static str, usize>,
    /// Objectives in the document's order.
    pub objectives: Vec<Objective>,
    /// Criteria in the document's order.
    pub criteria: Vec<CriterionReport>,
    /// Steps in the plan's order.
    pub steps: Vec<StepReport>,
    /// Steps that prove no criterion.
    pub proving_nothing: Vec<String>,
    /// What it ran on.
    pub fingerprint: Fingerprint,
}

/// A criterion's verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CriterionReport {
    /// Its id.
    pub id: String,
    /// Its objective.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// The document's words.
    pub text: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// The steps that are meant to prove it.
    pub proved_by: Vec<String>,
    /// What they found.
    pub findings: Vec<FindingReport>,
}

/// Something that a step found out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FindingReport {
    /// Which step.
    pub step: String,
    /// What was examined.
    pub about: String,
    /// What came out.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// The numbers behind it.
    pub numbers: Vec<Number>,
    /// Hashes of the raw records behind it.
    pub evidence: Vec<String>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepReport {
    /// Its id.
    pub id: String,
    /// What people read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its objective.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// Its kind.
    pub kind: String,
    /// Where it stands, in the words of `flowctl status`.
    pub state: &'static str,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Attempts in all.
    pub attempts: u32,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Failed attempts, also those that a later one hid.
    pub failures: Vec<FailureReport>,
    /// The criteria that it is meant to prove.
    pub proves: Vec<String>,
    /// The raw records that it kept.
    pub evidence: Vec<Evidence>,
    /// What was put back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone: Option<String>,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailureReport {
    /// Which try.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// Its class.
    pub class: ErrorClass,
    /// Its code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// What a run ran on; two runs whose fingerprints differ are not compared lightly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fingerprint {
    /// Version of flowctl.
    pub flowctl: String,
    /// SHA-256 of each file of the workflow.
    pub files: IndexMap<String, String>,
    /// The target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetFingerprint>,
    /// Parameters.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// What steps reported of the platform: versions, images, digests, nodes; by step.
    pub platform: IndexMap<String, serde_json::Value>,
}

/// Which target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetFingerprint {
    /// Its name.
    pub name: String,
    /// SHA-256 of its file.
    pub sha256: String,
}
