//! A workflow as its author means it: typed, complete, with every file that it mentions.
//!
//! Made by [`crate::load`]; a `Workflow` in hand has passed every check that needs neither a target
//! nor parameters. It never holds a secret, and nothing in it is rendered yet.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{CriterionId, StepId, WorkflowName};
use crate::place::Place;
use crate::plan::{Criterion, Objective};
use crate::policy::{OnFailure, RetryPolicy, Span, UndoWhen};
use crate::result::Outcome;

/// The teardown budget of a workflow that names none.
pub const DEFAULT_TEARDOWN: Span = Span::from_secs(600);

/// A workflow: parameters, criteria, steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// Its name.
    pub name: WorkflowName,
    /// What people read; the name when the file gives none.
    pub title: String,
    /// What it is for, in a sentence or more.
    pub description: Option<String>,
    /// Directory of the workflow's file, `None` for a copy that is on no disk.
    pub directory: Option<String>,
    /// Parameters in the order of the files.
    pub params: IndexMap<String, ParamSpec>,
    /// Objectives in the document's order.
    pub objectives: Vec<Objective>,
    /// Criteria in the document's order.
    pub criteria: Vec<Criterion>,
    /// Named counted locks and their sizes.
    pub locks: IndexMap<String, u32>,
    /// When it runs by itself.
    pub schedule: Option<Schedule>,
    /// The run's time limit, without teardown.
    pub timeout: Option<Span>,
    /// The time that undos and `finally:` have.
    pub teardown_timeout: Span,
    /// The steps, in the order of the files.
    pub steps: Vec<StepSpec>,
    /// The teardown steps, in the order of the files.
    pub finally: Vec<StepSpec>,
    /// Every file that the workflow was read from or refers to, sorted by path.
    pub files: Vec<SourceFile>,
}

/// A parameter as it is declared.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamSpec {
    /// The type of its values.
    pub ty: ParamType,
    /// Its value when neither the target nor the command line gives one; `None`: it must be given.
    pub default: Option<Value>,
    /// What it is for.
    pub description: Option<String>,
    /// The only values that it may have; empty: any of its type.
    pub choices: Vec<Value>,
    /// Where it is declared.
    pub place: Place,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParamType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of anything.
    List,
    /// An object with any keys.
    Object,
    /// Text such as `90s` or `1m30s`.
    Duration,
}

/// When a workflow runs by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday).
    pub cron: String,
    /// IANA name; `UTC` when the file gives none.
    pub timezone: String,
}

/// One use of a step kind, not yet unrolled. What few steps have is boxed, because some workflows have many.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSpec {
    /// Its name.
    pub id: StepId,
    /// What people read.
    pub title: Option<String>,
    /// The objective that it belongs to.
    pub objective: Option<String>,
    /// The step kind.
    pub uses: String,
    /// The kind's parameters; file paths are relative to the workflow's directory, templates not rendered.
    /// `Null` when the step has none.
    pub with: Value,
    /// What must have ended before it starts.
    pub needs: Vec<Need>,
    /// The list that it is repeated over.
    pub foreach: Option<Box<Foreach>>,
    /// CEL; false: the step is skipped.
    pub when: Option<String>,
    /// CEL over its output.
    pub expect: Vec<String>,
    /// CEL over its output; true: its criteria are INAPPLICABLE.
    pub inapplicable: Option<String>,
    /// When a failed attempt is tried again; `None`: never.
    pub retry: Option<Box<RetryPolicy>>,
    /// The time limit of one attempt.
    pub timeout: Option<Span>,
    /// What its failure stops.
    pub on_failure: OnFailure,
    /// Named locks that it holds while it runs, with counts.
    pub locks: Vec<(String, u32)>,
    /// How its effect is taken back.
    pub undo: Option<Box<UndoSpec>>,
    /// How its success is probed again.
    pub verify: Option<Box<ProbeSpec>>,
    /// A FAIL of its criteria stops its dependents.
    pub gate: bool,
    /// A person's consent before it starts.
    pub approval: Option<ApprovalSpec>,
    /// The criteria that it proves.
    pub proves: Vec<CriterionId>,
    /// Where it stands, for diagnostics of what is made from it.
    pub place: Place,
}

/// A step that must have ended before another starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Which step; the id of a `foreach` step means its fan-in.
    pub step: StepId,
    /// Outcomes that let the dependent start; empty means `succeeded`.
    pub is: Vec<Outcome>,
}

/// A step repeated over a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreach {
    /// The list.
    pub items: Items,
    /// The name of the item in expressions and templates; `item` unless the file says otherwise.
    pub name: String,
    /// CEL over the item that gives the text in the brackets of `id[key]`; `None`: the item itself when it
    /// is a text, number or boolean, else its place in the list from 0.
    pub key: Option<String>,
    /// How many instances may run at the same time; `None`: as many as the run allows.
    pub max_parallel: Option<u32>,
}

/// The list of a `foreach`.
#[derive(Debug, Clone, PartialEq)]
pub enum Items {
    /// Written out; templates in it are not rendered yet.
    List(Vec<Value>),
    /// CEL over `params` and `target` that gives a list.
    Expression(String),
}

/// Another use of a step kind in the service of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeSpec {
    /// The step kind.
    pub uses: String,
    /// Its parameters, like [`StepSpec::with`].
    pub with: Value,
    /// CEL over the probe's output.
    pub expect: Vec<String>,
}

/// How a step's effect is taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct UndoSpec {
    /// When.
    pub on: UndoWhen,
    /// By what; `None`: by the step kind's own undo.
    pub by: Option<ProbeSpec>,
}

/// What a person is asked before a step starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalSpec {
    /// What is to be approved; templates not rendered.
    pub message: String,
}

/// A file that belongs to the workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the workflow's directory, with `/`.
    pub path: String,
    /// SHA-256 of the text.
    pub sha256: String,
    /// The text as it was read.
    pub text: Arc<str>,
}

impl Workflow {
    /// All steps, teardown last.
    pub fn all_steps(&self) -> impl Iterator<Item = &StepSpec> {
        self.steps.iter().chain(&self.finally)
    }

    /// The text of one of its files.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files
            .binary_search_by(|file| file.path.as_str().cmp(path))
            .ok()
            .map(|at| &self.files[at])
    }
}

impl ParamType {
    /// The word that the file uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ParamType::String => "string",
            ParamType::Integer => "integer",
            ParamType::Number => "number",
            ParamType::Boolean => "boolean",
            ParamType::List => "list",
            ParamType::Object => "object",
            ParamType::Duration => "duration",
        }
    }

    /// The same in a sentence.
    #[must_use]
    pub fn with_article(self) -> &'static str {
        match self {
            ParamType::String => "a string",
            ParamType::Integer => "an integer",
            ParamType::Number => "a number",
            ParamType::Boolean => "a boolean",
            ParamType::List => "a list",
            ParamType::Object => "an object",
            ParamType::Duration => "a duration",
        }
    }
}
