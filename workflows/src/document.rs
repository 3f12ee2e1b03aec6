//! The shape of a workflow's YAML: what may stand where. The JSON schema is generated from these types, so
//! their comments are what editors show. Says nothing of what the values mean together.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::ParamType;
use crate::plan::{Criterion, Objective};
use crate::policy::{OnFailure, RetryPolicy, Span, UndoWhen};
use crate::result::Outcome;

/// The form of every id: `[a-z][a-z0-9_]*`.
pub(crate) const ID_PATTERN: &str = "^[a-z][a-z0-9_]*$";
/// The form of a workflow's name.
pub(crate) const NAME_PATTERN: &str = "^[a-z][a-z0-9_-]*$";

/// A workflow of flowctl: parameters, criteria, steps.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Workflow")]
#[expect(
    dead_code,
    reason = "only its schema is used: files are read part by part, so that one mistake does not hide others"
)]
pub(crate) struct WorkflowDocument {
    /// The version of the language.
    #[serde(rename = "apiVersion")]
    pub(crate) api_version: ApiVersion,
    /// What the document is.
    pub(crate) kind: WorkflowKind,
    /// Name and title.
    pub(crate) metadata: Metadata,
    /// When it runs by itself.
    #[serde(default)]
    pub(crate) schedule: Option<ScheduleDocument>,
    /// The run's time limit, without teardown.
    #[serde(default)]
    pub(crate) timeout: Option<Span>,
    /// The time that undos and `finally:` have; 10m when left out.
    #[serde(default)]
    pub(crate) teardown_timeout: Option<Span>,
    /// Other files whose parameters, criteria and steps belong to this workflow; paths relative to this file.
    #[serde(default)]
    pub(crate) include: Vec<String>,
    /// Parameters by name.
    #[serde(default)]
    pub(crate) params: IndexMap<String, ParamDocument>,
    /// Groups of steps, in the order of the report.
    #[serde(default)]
    pub(crate) objectives: Vec<Objective>,
    /// The checkboxes that the report answers, in its order.
    #[serde(default)]
    pub(crate) criteria: Vec<Criterion>,
    /// Named locks and how many may hold each at a time.
    #[serde(default)]
    pub(crate) locks: IndexMap<String, u32>,
    /// The steps.
    #[serde(default)]
    pub(crate) steps: Vec<StepDocument>,
    /// Steps that run at the end, whatever happened before, in the teardown's own time.
    #[serde(default)]
    pub(crate) finally: Vec<StepDocument>,
}

/// A part of a workflow, for `include:`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Part of a workflow")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PartDocument {
    /// Other files that belong to this part; paths relative to this file.
    #[serde(default)]
    pub(crate) include: Vec<String>,
    /// Parameters by name.
    #[serde(default)]
    pub(crate) params: IndexMap<String, ParamDocument>,
    /// Groups of steps, in the order of the report.
    #[serde(default)]
    pub(crate) objectives: Vec<Objective>,
    /// The checkboxes that the report answers, in its order.
    #[serde(default)]
    pub(crate) criteria: Vec<Criterion>,
    /// Named locks and how many may hold each at a time.
    #[serde(default)]
    pub(crate) locks: IndexMap<String, u32>,
    /// The steps.
    #[serde(default)]
    pub(crate) steps: Vec<StepDocument>,
    /// Steps that run at the end, whatever happened before, in the teardown's own time.
    #[serde(default)]
    pub(crate) finally: Vec<StepDocument>,
}

/// The version of the language.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) enum ApiVersion {
    /// The only one so far.
    #[serde(rename = "flowctl/v1")]
    V1,
}

/// What a workflow document calls itself.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) enum WorkflowKind {
    /// A workflow.
    Workflow,
}

/// Name and title.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metadata {
    /// By which `flowctl run` finds it.
    #[schemars(regex(pattern = NAME_PATTERN))]
    pub(crate) name: String,
    /// What people read.
    #[serde(default)]
    pub(crate) title: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub(crate) description: Option<String>,
}

/// A parameter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParamDocument {
    /// The type of its values.
    #[serde(rename = "type")]
    pub(crate) ty: ParamType,
    /// Its value when neither the target nor the command line gives one. Left out: it must be given.
    #[serde(default)]
    pub(crate) default: Option<Value>,
    /// What it is for.
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// The only values that it may have.
    #[serde(default)]
    pub(crate) choices: Vec<Value>,
}

/// When a workflow runs by itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleDocument {
    /// Five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday).
    pub(crate) cron: String,
    /// IANA name, for example Europe/Zurich; UTC when left out.
    #[serde(default)]
    pub(crate) timezone: Option<String>,
}

/// One use of a step kind.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepDocument {
    /// Its name: [a-z][a-z0-9_]*.
    #[schemars(regex(pattern = ID_PATTERN))]
    pub(crate) id: String,
    /// What people read.
    #[serde(default)]
    pub(crate) title: Option<String>,
    /// The objective that it belongs to.
    #[serde(default)]
    pub(crate) objective: Option<String>,
    /// The step kind; `flowctl kinds` lists them.
    pub(crate) uses: String,
    /// The kind's parameters; `flowctl kinds KIND` describes them.
    #[serde(default)]
    pub(crate) with: Map<String, Value>,
    /// The steps that must have ended before it starts: `name`, or `{step: name, is: failed}`.
    #[serde(default)]
    pub(crate) needs: Vec<NeedDocument>,
    /// Repeats the step for each item of a list.
    #[serde(default)]
    pub(crate) foreach: Option<ForeachDocument>,
    /// CEL; when it is false, the step is skipped.
    #[serde(default)]
    pub(crate) when: Option<String>,
    /// CEL over the step's output; when one is false, its criteria FAIL, or the step fails if it proves none.
    #[serde(default)]
    pub(crate) expect: OneOrMany<String>,
    /// CEL over the step's output; when it is true, the platform has said that it cannot do what the step's
    /// criteria ask for: they are INAPPLICABLE, and a step that is skipped for it leaves no NOT RUN. When it is
    /// false, the step without `expect:` says nothing of them.
    #[serde(default)]
    pub(crate) inapplicable: Option<String>,
    /// When a failed attempt is tried again.
    #[serde(default)]
    pub(crate) retry: RetryPolicy,
    /// The time limit of one attempt.
    #[serde(default)]
    pub(crate) timeout: Option<Span>,
    /// What its failure stops.
    #[serde(default)]
    pub(crate) on_failure: OnFailure,
    /// Locks that it holds while it runs: a list of names, or counts by name.
    #[serde(default)]
    pub(crate) locks: LocksDocument,
    /// How its effect is taken back.
    #[serde(default)]
    pub(crate) undo: Option<UndoDocument>,
    /// How its success is probed again before a resume skips it.
    #[serde(default)]
    pub(crate) verify: Option<ProbeDocument>,
    /// A FAIL of its criteria stops its dependents.
    #[serde(default)]
    pub(crate) gate: bool,
    /// A person's consent before it starts.
    #[serde(default)]
    pub(crate) approval: Option<ApprovalDocument>,
    /// The criteria that it proves.
    #[serde(default)]
    pub(crate) proves: OneOrMany<String>,
}

/// A step that must have ended before another starts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum NeedDocument {
    /// It must have succeeded.
    Succeeded(String),
    /// It must have ended in one of some ways.
    Ended(EndedDocument),
}

/// A step and how it must have ended.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndedDocument {
    /// The step.
    pub(crate) step: String,
    /// How it must have ended.
    pub(crate) is: OneOrMany<Outcome>,
}

/// One value, or a list of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    /// One.
    One(T),
    /// Many.
    Many(Vec<T>),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        OneOrMany::Many(Vec::new())
    }
}

impl<T> OneOrMany<T> {
    pub(crate) fn into_vec(self) -> Vec<T> {
        match self {
            OneOrMany::One(value) => vec![value],
            OneOrMany::Many(values) => values,
        }
    }
}

/// Locks, once each or with counts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum LocksDocument {
    /// Each once.
    Names(Vec<String>),
    /// So many times each.
    Counts(IndexMap<String, u32>),
}

impl Default for LocksDocument {
    fn default() -> Self {
        LocksDocument::Names(Vec::new())
    }
}

/// Repeats a step for each item of a list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForeachDocument {
    /// The list, or CEL over `params` and `target` that gives one.
    pub(crate) items: ItemsDocument,
    /// The item's name in expressions and templates; `item` when left out.
    #[serde(default, rename = "as")]
    #[schemars(regex(pattern = ID_PATTERN))]
    pub(crate) name: Option<String>,
    /// CEL over the item that gives the text in the brackets of `id[key]`; left out: the item itself if it is a text, number or boolean, else its place in the list.
    #[serde(default)]
    pub(crate) key: Option<String>,
    /// How many may run at the same time.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) max_parallel: Option<u32>,
}

/// A list, or where it comes from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ItemsDocument {
    /// Written out.
    List(Vec<Value>),
    /// CEL over `params` and `target`.
    Expression(String),
}

/// Another use of a step kind in the service of a step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProbeDocument {
    /// The step kind; the step's own when left out.
    #[serde(default)]
    pub(crate) uses: Option<String>,
    /// The kind's parameters.
    #[serde(default)]
    pub(crate) with: Map<String, Value>,
    /// CEL over the output.
    #[serde(default)]
    pub(crate) expect: OneOrMany<String>,
}

/// How a step's effect is taken back: by a step kind with parameters, or, with neither `uses` nor `with`, by its own undo.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UndoDocument {
    /// When.
    #[serde(default)]
    pub(crate) on: UndoWhen,
    /// The step kind; the step's own when left out.
    #[serde(default)]
    pub(crate) uses: Option<String>,
    /// The kind's parameters.
    #[serde(default)]
    pub(crate) with: Option<Map<String, Value>>,
    /// CEL over the output.
    #[serde(default)]
    pub(crate) expect: OneOrMany<String>,
}

/// A person's consent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalDocument {
    /// What is to be approved.
    pub(crate) message: String,
}
