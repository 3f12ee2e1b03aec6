//! What stands under `with:` of a load, and what of it makes no sense.

use std::time::Duration;

use flowctl_workflows::policy::Span;
use indexmap::IndexMap;
use serde::Deserialize;

use super::super::trino_benchmark::{Proves, Sla};
use super::super::trino_query::{Bounds, SessionValue};

/// What stands under `with:`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// How the queries come.
    #[serde(default)]
    pub model: Model,
    /// How many clients there are, each with one query at a time.
    #[schemars(range(min = 1))]
    pub clients: u32,
    /// In the open model: a query is due every so often.
    #[serde(default)]
    pub every: Option<Span>,
    /// In the open model: 99 of 100 queries must be sent at most so long after they were due. Else the load was not the one
    /// that was asked for, and proves nothing.
    #[serde(default)]
    pub late: Option<Span>,
    /// How many queries each client sends; in the open model, their share of all. One when neither this nor `duration` is given.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub queries_per_client: Option<u32>,
    /// How long each client goes on sending; what it sent by then is still waited for.
    #[serde(default)]
    pub duration: Option<Span>,
    /// The queries, in turn; each client begins with another one.
    #[schemars(length(min = 1))]
    pub queries: Vec<LoadQuery>,
    /// How many queries the server must have worked on at once; all clients when left out.
    #[serde(default)]
    pub overlap: Option<Overlap>,
    /// How many queries must have been seen waiting at once, as proof of a queue.
    #[serde(default)]
    pub queued: Option<Queued>,
    /// Queries that the server must refuse, as proof of a limit; they are no failures then.
    #[serde(default)]
    pub refusals: Option<Refusals>,
    /// Another user's query, run again and again while the load lasts: what the load does to others.
    #[serde(default)]
    pub probe: Option<Probe>,
    /// How often the server is asked what runs.
    #[serde(default = "default_sample_every")]
    pub sample_every: Span,
    /// Catalog, if not the target's.
    #[serde(default)]
    pub catalog: Option<String>,
    /// Schema, if not the target's.
    #[serde(default)]
    pub schema: Option<String>,
    /// Session properties.
    #[serde(default)]
    pub session: IndexMap<String, SessionValue>,
    /// User, if not the target's.
    #[serde(default)]
    pub user: Option<String>,
}

fn default_sample_every() -> Span {
    Span::from_millis(500)
}

/// How late 99 of 100 queries may be sent when the parameters do not say.
const LATE: Duration = Duration::from_millis(100);

/// When the queries of an open model are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    /// One every so often, the first at once.
    pub(super) every: Duration,
    /// How many.
    pub(super) queries: u64,
    /// How late 99 of 100 may be sent.
    pub(super) late: Duration,
}

/// How the queries come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Each client sends its next query when its last one has ended.
    #[default]
    Closed,
    /// Queries are due at fixed times, whatever became of those before; each is sent by a client that is free.
    Open,
}

/// One query of a load.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadQuery {
    /// Its name in the report.
    pub name: String,
    /// The statement. Exactly one of `sql` and `file`.
    #[serde(default)]
    pub sql: Option<String>,
    /// A file of the workflow with the statement.
    #[serde(default)]
    #[schemars(extend("format" = "flowctl-file"))]
    pub file: Option<String>,
    /// How many rows it must return; at least one when left out.
    #[serde(default = "one_row")]
    pub rows: Bounds,
}

fn one_row() -> Bounds {
    Bounds {
        min: Some(1),
        max: None,
    }
}

/// How many queries the server must have worked on at once.
#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overlap {
    /// At least so many.
    #[schemars(range(min = 1))]
    pub min: u32,
    /// And never more, as proof of a limit.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max: Option<u32>,
}

/// How many queries must have been seen waiting at once.
#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Queued {
    /// At least so many.
    #[schemars(range(min = 1))]
    pub min: u32,
}

/// Queries that the server must refuse.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refusals {
    /// With this error, for example `QUERY_QUEUE_FULL`.
    pub error: String,
    /// At least so many.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub min: u32,
}

fn one() -> u32 {
    1
}

/// Another user's query beside the load.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The query.
    pub query: LoadQuery,
    /// Its user, so that it is in another resource group than the load.
    #[serde(default)]
    pub user: Option<String>,
    /// Session properties.
    #[serde(default)]
    pub session: IndexMap<String, SessionValue>,
    /// The pause between two of them.
    #[serde(default = "default_sample_every")]
    pub every: Span,
    /// What percentiles of its time must stay below, its queue included: to wait is part of what a load does to others.
    #[serde(default)]
    pub sla: Sla,
    /// The criteria that it proves; left out: those of the step.
    #[serde(default)]
    pub proves: Proves,
}

impl Params {
    /// Says why the parameters make no sense.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.clients == 0 || self.queries_per_client == Some(0) {
            return Err("`clients:` and `queries_per_client:` must be at least 1".to_owned());
        }
        if self.queries_per_client.is_some() && self.duration.is_some() {
            return Err("give at most one of `queries_per_client:` and `duration:`".to_owned());
        }
        if self.queries.is_empty() {
            return Err("`queries:` is empty".to_owned());
        }
        self.check_model()?;
        self.check_proofs()?;
        if self.sample_every.millis() < 50 {
            return Err(
                "`sample_every:` must be at least 50ms, so that the samples are not the load"
                    .to_owned(),
            );
        }
        for (at, query) in self.queries.iter().enumerate() {
            let name = &query.name;
            if self.queries[..at].iter().any(|other| other.name == *name) {
                return Err(format!("two queries are called `{name}`"));
            }
            query.check()?;
        }
        if let Some(probe) = &self.probe {
            probe.query.check()?;
        }
        Ok(())
    }

    fn check_model(&self) -> Result<(), String> {
        match self.model {
            Model::Closed if self.every.is_some() || self.late.is_some() => {
                Err("`every:` and `late:` belong to `model: open`".to_owned())
            }
            Model::Open if self.every.is_none_or(|every| every.millis() == 0) => {
                Err("`model: open` needs `every:`, at least 1ms".to_owned())
            }
            Model::Closed | Model::Open => Ok(()),
        }
    }

    /// When queries are due, in the open model.
    pub(super) fn schedule(&self) -> Option<Schedule> {
        let every = match self.model {
            Model::Closed => return None,
            Model::Open => self.every?,
        };
        let queries = match self.duration {
            Some(duration) => duration.millis().div_ceil(every.millis().max(1)),
            None => u64::from(self.clients) * u64::from(self.queries_per_client.unwrap_or(1)),
        };
        Some(Schedule {
            every: every.duration(),
            queries,
            late: self.late.map_or(LATE, Span::duration),
        })
    }

    fn check_proofs(&self) -> Result<(), String> {
        if let Some(Overlap { min, max }) = self.overlap {
            if min == 0 || min > self.clients {
                return Err("`overlap.min:` must lie between 1 and `clients:`".to_owned());
            }
            if max.is_some_and(|max| max < min) {
                return Err("`overlap:` has a `max:` below its `min:`".to_owned());
            }
        }
        if self.queued.is_some_and(|queued| queued.min == 0) {
            return Err("`queued.min:` must be at least 1".to_owned());
        }
        if self.refusals.as_ref().is_some_and(|refusals| {
            refusals.min == 0 || refusals.error.is_empty() || refusals.min > self.clients
        }) {
            return Err(
                "`refusals:` names an error, and its `min:` lies between 1 and `clients:`"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

impl LoadQuery {
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if self.sql.is_some() == self.file.is_some() {
            return Err(format!("give `{name}` exactly one of `sql:` and `file:`"));
        }
        self.rows.check("rows")
    }
}
