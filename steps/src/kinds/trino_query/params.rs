//! What stands under `with:` of a query; the other kinds that ask Trino share its parts.

use indexmap::IndexMap;
use serde::Deserialize;

/// What stands under `with:`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The statement. Exactly one of `sql` and `file`. A semicolon at its end is taken off.
    #[serde(default)]
    pub sql: Option<String>,
    /// A file of the workflow with the statement.
    #[serde(default)]
    #[schemars(extend("format" = "flowctl-file"))]
    pub file: Option<String>,
    /// Catalog, if not the target's.
    #[serde(default)]
    pub catalog: Option<String>,
    /// Schema, if not the target's.
    #[serde(default)]
    pub schema: Option<String>,
    /// Session properties, for example `query_max_run_time: 5m`.
    #[serde(default)]
    pub session: IndexMap<String, SessionValue>,
    /// User, if not the target's.
    #[serde(default)]
    pub user: Option<String>,
    /// How many rows there must be.
    #[serde(default)]
    pub rows: Option<Bounds>,
    /// How many rows the statement must have written.
    #[serde(default)]
    pub update_count: Option<Bounds>,
    /// How many rows the output keeps; all are counted.
    #[serde(default = "default_max_rows")]
    pub max_rows: usize,
    /// Which nodes must have taken part, as proof that the coordinator distributes work.
    #[serde(default)]
    pub distribution: Option<Distribution>,
    /// How much there must be for a judgement: with less in the first column of the first row the verdict is
    /// INCONCLUSIVE.
    #[serde(default)]
    pub least: Option<Least>,
    /// The error that the statement must end with, for example `EXCEEDED_TIME_LIMIT`, as proof that a limit is in force. When
    /// it ends well, or with another error, the verdict is FAIL. Only for statements that read.
    #[serde(default)]
    pub fails_with: Option<String>,
}

/// A session property's value.
#[derive(Debug, Clone, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum SessionValue {
    /// For example `NONE`.
    Text(String),
    /// For example `true`.
    Flag(bool),
    /// For example `4`.
    Whole(i64),
    /// For example `0.5`.
    Real(f64),
}

impl SessionValue {
    /// As Trino reads it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
        }
    }
}

/// Session properties as the client takes them.
#[must_use]
pub fn session_of(session: &IndexMap<String, SessionValue>) -> IndexMap<String, String> {
    session
        .iter()
        .map(|(name, value)| (name.clone(), value.text()))
        .collect()
}

fn default_max_rows() -> usize {
    1000
}

/// Ends of a range, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// At least so many.
    #[serde(default)]
    pub min: Option<u64>,
    /// At most so many.
    #[serde(default)]
    pub max: Option<u64>,
}

impl Bounds {
    /// Whether the number lies inside.
    #[must_use]
    pub fn hold(&self, number: u64) -> bool {
        self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
    }

    /// Whether none is as good as any number: `{min: 0}`.
    #[must_use]
    pub fn allow_any(&self) -> bool {
        self.hold(0) && self.max.is_none()
    }

    /// The range in words, or why it is none.
    ///
    /// # Errors
    /// In words, when nothing can lie inside or everything does.
    pub fn check(&self, name: &str) -> Result<(), String> {
        match (self.min, self.max) {
            (None, None) => Err(format!("`{name}:` needs `min:` or `max:`")),
            (Some(min), Some(max)) if min > max => {
                Err(format!("`{name}:` has a `min:` above its `max:`"))
            }
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min == max => write!(f, "= {min}"),
            (Some(min), Some(max)) => write!(f, "{min} to {max}"),
            (Some(min), None) => write!(f, ">= {min}"),
            (None, Some(max)) => write!(f, "<= {max}"),
            (None, None) => f.write_str("any number"),
        }
    }
}

/// Which nodes must have taken part.
#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// At least so many nodes other than the coordinator must have completed work of this query.
    #[schemars(range(min = 1))]
    pub min_workers: u64,
}

/// What the first number of the result must come to for there to be enough evidence.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Least {
    /// At least so much.
    #[schemars(range(min = 1))]
    pub value: u64,
    /// Of what, for example `bytes`.
    #[serde(default)]
    pub unit: String,
    /// What has it, for example `the data set`.
    pub what: String,
}
