//! The compiled form of a workflow: every step in place, `foreach` unrolled, parameters bound.
//!
//! It is plain data. It goes whole into a run's first event, so that a resume never reads the YAML
//! again; defaults are left out to keep it small.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::{CriterionId, StepId, WorkflowName};
use crate::policy::{OnFailure, RetryPolicy, Span, UndoWhen};
use crate::result::Outcome;

/// All that a run needs to know of its workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The workflow's name.
    pub workflow: WorkflowName,
    /// The workflow's title.
    pub title: String,
    /// Directory of the workflow's file, `None` for the copy inside the binary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Parameters after defaults, target and command line were applied. Holds no secret.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// Where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetIdentity>,
    /// Objectives in the document's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objectives: Vec<Objective>,
    /// Criteria in the document's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<Criterion>,
    /// Named counted locks and their sizes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<(String, u32)>,
    /// The run's time limit, without teardown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// The time that undos and `finally:` have.
    pub teardown_timeout: Span,
    /// Steps in topological order: each step stands after all that it needs.
    pub steps: Vec<PlanStep>,
    /// The files that the workflow was read from or refers to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PlanFile>,
}

impl Plan {
    /// Whether it runs on doubles and not on a platform, so that nothing in it is measured.
    #[must_use]
    pub fn is_rehearsal(&self) -> bool {
        self.target.as_ref().is_some_and(|target| target.rehearsal)
    }

    /// All of it but the steps.
    #[must_use]
    pub fn without_steps(&self) -> Self {
        Self {
            workflow: self.workflow.clone(),
            title: self.title.clone(),
            directory: self.directory.clone(),
            params: self.params.clone(),
            target: self.target.clone(),
            objectives: self.objectives.clone(),
            criteria: self.criteria.clone(),
            locks: self.locks.clone(),
            timeout: self.timeout,
            teardown_timeout: self.teardown_timeout,
            steps: Vec::new(),
            files: self.files.clone(),
        }
    }
}

/// A file that belongs to the workflow, by content hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanFile {
    /// Path relative to the workflow's directory, with `/`.
    pub path: String,
    /// SHA-256 of the content, under which the evidence store keeps it.
    pub sha256: String,
}

/// What tells one target from another. Endpoints only; never a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetIdentity {
    /// The target's name.
    pub name: String,
    /// SHA-256 of the target file.
    pub sha256: String,
    /// Whether it is no platform but a rehearsal. It is in a run's first event, so that no report of it can be mistaken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rehearsal: bool,
    /// What expressions see under `target.`: the target file without its secrets.
    pub view: Value,
}

/// A group of steps of the phase document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// For example `3.1`.
    pub id: String,
    /// For example `Trino Cluster Deployment`.
    pub title: String,
}

/// One checkbox of the phase document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// Its name in `proves:`.
    #[schemars(with = "String", regex(pattern = r"^[a-z][a-z0-9_]*$"))]
    pub id: CriterionId,
    /// The objective that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// The document's own words.
    pub text: String,
}

/// One node of the DAG. A plan may have a hundred thousand, so what few of them have is boxed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// Its name.
    pub id: StepId,
    /// What people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The objective that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// The step kind, or how the engine itself completes it.
    pub role: Role,
    /// The kind's parameters, templates not yet rendered.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub with: Value,
    /// What must have ended, and how, before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<PlanNeed>,
    /// CEL; false: the step is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// CEL over the output; false: the step's criteria FAIL, or, when it proves nothing, the step fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<String>,
    /// CEL over the output; true: the step's criteria are INAPPLICABLE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inapplicable: Option<String>,
    /// When a failed attempt is tried again; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Box<RetryPolicy>>,
    /// The time limit of one attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// What its failure stops.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_failure: OnFailure,
    /// A FAIL of its criteria stops its dependents.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gate: bool,
    /// The criteria that it proves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proves: Vec<CriterionId>,
    /// The criteria that single parts of it prove, named by `proves` inside its parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub part_proves: Vec<CriterionId>,
    /// Named locks that it holds while it runs, with counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<(String, u32)>,
    /// How its success is probed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Box<Probe>>,
    /// How its effect is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Box<UndoPlan>>,
    /// In an instance of a `foreach`: the name and value of the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Box<(String, Value)>>,
    /// Whether it stands in `finally:`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub teardown: bool,
}

impl PlanStep {
    /// A step that needs nothing, proves nothing and has every default.
    #[must_use]
    pub fn new(id: StepId, role: Role) -> Self {
        Self {
            id,
            title: None,
            objective: None,
            role,
            with: Value::Null,
            needs: Vec::new(),
            when: None,
            expect: Vec::new(),
            inapplicable: None,
            retry: None,
            timeout: None,
            on_failure: OnFailure::default(),
            gate: false,
            proves: Vec::new(),
            part_proves: Vec::new(),
            locks: Vec::new(),
            verify: None,
            undo: None,
            item: None,
            teardown: false,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Who completes a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A step kind, by name.
    Kind(String),
    /// The fan-in of a `foreach`: succeeded when all instances are. The engine completes it.
    FanIn,
    /// A person, through `flowctl approve`.
    Approval {
        /// What is to be approved.
        message: String,
    },
}

impl Role {
    /// The step kind's name, if a kind does the work.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        match self {
            Role::Kind(kind) => Some(kind),
            Role::FanIn | Role::Approval { .. } => None,
        }
    }
}

/// An edge of the DAG.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanNeed {
    /// Index into [`Plan::steps`], always smaller than that of the step that needs it.
    pub step: u32,
    /// Outcomes that let the dependent start; empty means `succeeded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is: Vec<Outcome>,
}

/// Another use of a step kind in the service of a step: its `verify:`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The step kind.
    pub kind: String,
    /// Its parameters, templates not yet rendered.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub with: Value,
    /// CEL over the probe's output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<String>,
}

/// How a step's effect is taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoPlan {
    /// When.
    pub on: UndoWhen,
    /// By what; `None`: by the step kind's own undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Probe>,
}
