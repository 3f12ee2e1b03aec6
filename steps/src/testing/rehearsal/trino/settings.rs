//! Session properties: which there are, what the coordinator's configuration makes their defaults, and what a query was
//! sent with.

use serde_json::json;

use super::lake::{Done, Failed, Query};
use super::{nodes, units};
use crate::testing::rehearsal::kube::files;
use crate::testing::rehearsal::world::World;

/// Those that exist; a statement with another one fails, as on a server.
const NAMES: &[&str] = &[
    "aggregation_operator_unspill_memory_limit",
    "colocated_join",
    "distributed_sort",
    "enable_dynamic_filtering",
    "enable_large_dynamic_filters",
    "execution_policy",
    "exchange_compression_codec",
    "filter_and_project_min_output_page_size",
    "grouped_execution",
    "hash_partition_count",
    "initial_splits_per_node",
    "join_distribution_type",
    "join_reordering_strategy",
    "max_drivers_per_task",
    "optimize_hash_generation",
    "query_max_cpu_time",
    "query_max_execution_time",
    "query_max_memory",
    "query_max_memory_per_node",
    "query_max_run_time",
    "query_max_scan_physical_bytes",
    "query_max_total_memory",
    "query_priority",
    "query_retry_attempts",
    "resource_overcommit",
    "retry_policy",
    "spill_enabled",
    "task_concurrency",
    "use_mark_distinct",
];

/// Those whose default is known here: by which setting it is changed, and what it is without.
const DEFAULTS: &[(&str, &str, &str)] = &[
    (
        "query_max_execution_time",
        "query.max-execution-time",
        "100.00d",
    ),
    ("query_max_run_time", "query.max-run-time", "100.00d"),
    ("query_retry_attempts", "query-retry-attempts", "4"),
    ("spill_enabled", "spill-enabled", "false"),
];
/// Not shown by SHOW SESSION, as on a server.
const HIDDEN: &[&str] = &["retry_policy"];

/// Why a statement with this session cannot run.
pub(super) fn bad_session(header: &str) -> Option<Failed> {
    pairs(header)
        .map(|(name, _)| name)
        // A catalog's own properties are not known here.
        .find(|name| !NAMES.contains(name))
        .map(|name| {
            Failed::user(
                "INVALID_SESSION_PROPERTY",
                27,
                format!("Session property '{name}' does not exist"),
            )
        })
}

/// A query that worked for longer than it may.
pub(super) fn too_long(world: &World, query: &Query) -> Failed {
    let limit = Session::of(world, query).value("query_max_run_time");
    Failed {
        kind: "INSUFFICIENT_RESOURCES",
        ..Failed::user(
            "EXCEEDED_TIME_LIMIT",
            131_075,
            format!("Query exceeded maximum time limit of {limit}"),
        )
    }
}

fn pairs(header: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = header.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim()))
}

/// The properties that one query has.
pub(super) struct Session {
    own: Vec<(String, String)>,
    configured: Vec<(String, String)>,
}

impl Session {
    pub(super) fn of(world: &World, query: &Query) -> Self {
        let own = pairs(&query.session).map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            own: own.collect(),
            configured: files::properties(&nodes::configured(world, "config.properties")),
        }
    }

    /// The value of a property, empty where it is not known here.
    pub(super) fn value(&self, name: &str) -> String {
        let own = self.own.iter().find(|(known, _)| known == name);
        own.map_or_else(
            || self.default_of(name),
            |(_, value)| units::shown(value).unwrap_or_else(|| value.clone()),
        )
    }

    fn default_of(&self, name: &str) -> String {
        let Some((_, setting, without)) = DEFAULTS.iter().find(|(known, ..)| *known == name) else {
            return String::new();
        };
        let set = self.configured.iter().find(|(known, _)| known == setting);
        let value = set.map_or(*without, |(_, value)| value);
        units::shown(value).unwrap_or_else(|| value.to_owned())
    }

    /// SHOW SESSION.
    pub(super) fn show(&self) -> Done {
        let columns = ["Name", "Value", "Default", "Type", "Description"];
        let shown = NAMES.iter().filter(|name| !HIDDEN.contains(name));
        let row = |name: &&str| {
            let cells = [
                name,
                &*self.value(name),
                &self.default_of(name),
                "varchar",
                "",
            ];
            cells.iter().map(|cell| json!(cell)).collect()
        };
        Done {
            columns: columns
                .map(|column| (column.to_owned(), "varchar"))
                .to_vec(),
            rows: shown.map(row).collect(),
            ..Done::default()
        }
    }
}
