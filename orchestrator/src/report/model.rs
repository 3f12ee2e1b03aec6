//! The report as data: what `report.json` holds and every other form is drawn from.

use std::borrow::Cow;

use flowctl_state::event::RunOutcome;
use flowctl_workflows::plan::Objective;
use flowctl_workflows::result::{ErrorClass, Evidence, Number, Verdict};
use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The format number of `report.json`, which is that of its schema. Format 1 named no events.
pub const FORMAT: u16 = 2;

/// The words for verdicts.
const VERDICTS: [&str; 5] = ["PASS", "FAIL", "INCONCLUSIVE", "INAPPLICABLE", "NOT RUN"];
/// The words for where a step stands.
const STATES: [&str; 6] = [
    "waiting",
    "running",
    "succeeded",
    "failed",
    "skipped",
    "cancelled",
];

/// A run's report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The format number.
    #[schemars(extend("const" = FORMAT))]
    pub format: u16,
    /// Whether it ran on doubles: then nothing in it was measured on a platform.
    pub rehearsal: bool,
    /// Which run.
    pub run: String,
    /// What it was rendered from.
    pub events: EventsEnd,
    /// Which workflow.
    pub workflow: String,
    /// The workflow's title.
    pub title: String,
    /// How the run ended; `null` while it has not.
    #[schemars(with = "Option<String>", extend("enum" = ["succeeded", "failed", "cancelled", null]))]
    pub outcome: Option<RunOutcome>,
    /// The exit code of `flowctl run`.
    pub exit_code: u8,
    /// When it started.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started: Timestamp,
    /// When its last event happened.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub finished: Timestamp,
    /// Who or what stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// How often it was taken up again.
    pub resumes: u32,
    /// How many criteria have each verdict.
    #[schemars(extend("propertyNames" = serde_json::json!({"enum": VERDICTS})))]
    pub summary: IndexMap<Verdict, usize>,
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

/// How far the run's chain of events was followed. Each record holds the checksum of the one before it, so this one stands
/// for them all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsEnd {
    /// How many events there were.
    pub count: u64,
    /// SHA-256 of the last one's record, as it is stored and as it is the last line of `events.jsonl`.
    pub sha256: String,
}

/// A criterion's verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CriterionReport {
    /// Its id.
    pub id: String,
    /// Its objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepReport {
    /// Its id.
    pub id: String,
    /// What people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// Its kind.
    pub kind: String,
    /// Where it stands, in the words of `flowctl status`.
    #[schemars(extend("enum" = STATES))]
    pub state: Cow<'static, str>,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Attempts in all.
    pub attempts: u32,
    /// When it started.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub finished: Option<Timestamp>,
    /// Failed attempts, also those that a later one hid.
    pub failures: Vec<FailureReport>,
    /// The criteria that it is meant to prove.
    pub proves: Vec<String>,
    /// The raw records that it kept.
    pub evidence: Vec<Evidence>,
    /// What was put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<String>,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailureReport {
    /// Which try.
    pub attempt: u32,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Its class.
    pub class: ErrorClass,
    /// Its code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// What a run ran on; two runs whose fingerprints differ are not compared lightly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Version of flowctl.
    pub flowctl: String,
    /// SHA-256 of each file of the workflow.
    pub files: IndexMap<String, String>,
    /// The target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetFingerprint>,
    /// Parameters.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// What steps reported of the platform: versions, images, digests, nodes; by step.
    pub platform: IndexMap<String, serde_json::Value>,
}

/// Which target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetFingerprint {
    /// Its name.
    pub name: String,
    /// SHA-256 of its file.
    pub sha256: String,
}

impl Report {
    /// The hashes of all raw records that it names; one that is named twice comes twice.
    pub fn evidence(&self) -> impl Iterator<Item = &str> {
        let of_steps = self
            .steps
            .iter()
            .flat_map(|step| &step.evidence)
            .map(|evidence| evidence.sha256.as_str());
        let of_findings = self
            .criteria
            .iter()
            .flat_map(|criterion| &criterion.findings)
            .flat_map(|finding| &finding.evidence)
            .map(String::as_str);
        of_steps.chain(of_findings)
    }
}

/// The JSON schema of `report.json`, generated from its type.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Report).to_value()
}
