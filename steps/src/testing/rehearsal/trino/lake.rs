//! What the coordinator has: schemas with their tables, and the queries that it remembers.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

/// A table.
#[derive(Debug, Clone, Default)]
pub(in crate::testing::rehearsal) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: u64,
    pub(super) comment: String,
    /// The column that it is partitioned by.
    pub(super) partitioned_by: Option<String>,
    /// The ids of its rows, where there are few; such a table can be read back.
    pub(super) ids: Option<Vec<u64>>,
    /// What was done to it: `append`, `delete`, …
    pub(super) snapshots: Vec<&'static str>,
}

impl Table {
    /// Bytes of its files: forty a row.
    pub(super) fn bytes(&self) -> u64 {
        self.rows * 40
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(in crate::testing::rehearsal) struct Lake {
    /// By catalog and schema, then by table.
    pub(super) schemas: BTreeMap<(String, String), BTreeMap<String, Table>>,
    pub(in crate::testing::rehearsal) queries: Vec<Query>,
}

impl Lake {
    /// What every Trino has: the small tables of its tpch connector that phase 3 counts.
    pub(in crate::testing::rehearsal) fn seeded() -> Self {
        let mut lake = Self::default();
        for (schema, factor) in [("tiny", 1), ("sf10", 1_000), ("sf100", 10_000)] {
            let table = |rows: u64| Table {
                rows,
                ..Table::default()
            };
            let tables = [
                ("nation", table(25)),
                ("orders", table(15_000 * factor)),
                ("lineitem", table(60_175 * factor)),
                ("part", table(2_000 * factor)),
            ];
            let tables = tables
                .into_iter()
                .map(|(name, table)| (name.to_owned(), table));
            lake.schemas
                .insert(("tpch".to_owned(), schema.to_owned()), tables.collect());
        }
        lake
    }

    /// A query by its id.
    pub(super) fn query(&mut self, id: &str) -> Option<&mut Query> {
        self.queries.iter_mut().find(|query| query.id == id)
    }
}

/// Where a query is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    /// Sent; it begins when its first page is asked for.
    Announced,
    /// Its resource group lets it wait.
    Waiting,
    /// At work.
    Running,
    /// Done.
    Finished(Box<Done>),
    /// Over, with an error.
    Failed(Failed),
}

impl Stage {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Announced | Self::Waiting => "QUEUED",
            Self::Running => "RUNNING",
            Self::Finished(_) => "FINISHED",
            Self::Failed(_) => "FAILED",
        }
    }

    pub(super) fn ended(&self) -> bool {
        matches!(self, Self::Finished(_) | Self::Failed(_))
    }
}

/// What a statement came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Done {
    pub(super) columns: Vec<(String, &'static str)>,
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) update_type: Option<&'static str>,
    pub(super) update_count: Option<u64>,
    /// Rows that were gone through, and bytes that were read for it.
    pub(super) processed_rows: u64,
    pub(super) read_bytes: u64,
}

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failed {
    pub(super) name: &'static str,
    pub(super) code: u32,
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl Failed {
    pub(super) fn user(name: &'static str, code: u32, message: impl Into<String>) -> Self {
        Self {
            name,
            code,
            kind: "USER_ERROR",
            message: message.into(),
        }
    }
}

/// What a query takes: time, memory, and room on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::testing::rehearsal) struct Effort {
    /// How long it works, if nothing ends it.
    pub(super) works: Duration,
    /// How long it may work.
    pub(super) may_work: Option<Duration>,
    /// The memory that it reserves, in bytes.
    pub(in crate::testing::rehearsal) reserves: u64,
    /// What it writes to disk because that is not enough.
    pub(super) spills: u64,
}

/// A query.
#[derive(Debug, Clone)]
pub(in crate::testing::rehearsal) struct Query {
    pub(super) id: String,
    pub(super) sql: String,
    pub(super) user: String,
    pub(super) source: String,
    pub(super) tags: Vec<String>,
    pub(super) catalog: String,
    pub(super) schema: String,
    pub(super) session: String,
    pub(super) stage: Stage,
    /// The resource groups that it is in, the outermost first.
    pub(super) groups: Vec<String>,
    /// What it takes, known when it begins.
    pub(in crate::testing::rehearsal) effort: Effort,
    pub(in crate::testing::rehearsal) created: Timestamp,
    pub(super) began: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
}

impl Query {
    /// One that was just announced, by nobody in particular.
    pub(super) fn new(
        id: impl Into<String>,
        sql: impl Into<String>,
        source: &str,
        tags: Vec<String>,
        created: Timestamp,
    ) -> Self {
        Self {
            id: id.into(),
            sql: sql.into(),
            user: String::new(),
            source: source.to_owned(),
            tags,
            catalog: String::new(),
            schema: String::new(),
            session: String::new(),
            stage: Stage::Announced,
            groups: Vec::new(),
            effort: Effort::default(),
            created,
            began: None,
            ended: None,
        }
    }

    /// The key without which nobody gets a page.
    pub(super) fn slug(&self) -> String {
        format!("y{}", self.id.replace('_', ""))
    }

    /// Whether it was at work at a moment.
    pub(in crate::testing::rehearsal) fn works_at(&self, at: Timestamp) -> bool {
        self.began.is_some_and(|began| began <= at) && self.ended.is_none_or(|ended| at < ended)
    }

    /// Whether it waited to begin at a moment.
    pub(in crate::testing::rehearsal) fn waits_at(&self, at: Timestamp) -> bool {
        let until = self.began.or(self.ended);
        self.stage != Stage::Announced && self.created <= at && until.is_none_or(|until| at < until)
    }

    /// How long it had worked when it ended, if it had ended by then.
    pub(in crate::testing::rehearsal) fn worked_by(
        &self,
        at: Timestamp,
    ) -> Option<(Timestamp, f64)> {
        let (began, ended) = (self.began?, self.ended.filter(|ended| *ended <= at)?);
        Some((ended, ended.duration_since(began).as_secs_f64()))
    }

    /// Milliseconds from its creation to its end.
    pub(super) fn elapsed_millis(&self) -> i64 {
        millis(self.created, self.ended)
    }

    /// Of that, before it began.
    pub(super) fn queued_millis(&self) -> i64 {
        millis(self.created, self.began)
    }
}

fn millis(from: Timestamp, to: Option<Timestamp>) -> i64 {
    to.map_or(0, |to| {
        i64::try_from(to.duration_since(from).as_millis())
            .unwrap_or(0)
            .max(0)
    })
}
