//! The series that there are of Trino's nodes, at any moment: they follow from the pods that there were and from the
//! queries that the coordinator worked on, as if each node were scraped without a pause.

use jiff::{SignedDuration, Timestamp};

use super::evaluate::{Labels, Sample, Series};
use super::rules::Alerts;
use crate::testing::rehearsal::trino::lake::Query;
use crate::testing::rehearsal::trino::nodes::{self, Node};
use crate::testing::rehearsal::world::World;

/// The window of the quantiles `FiveMinutes`. A server's window fades; this one has an edge.
const FIVE_MINUTES: SignedDuration = SignedDuration::from_mins(5);
/// The quantiles of a distribution, as its label has them.
const QUANTILES: &[(&str, f64)] = &[
    ("0.5", 0.5),
    ("0.75", 0.75),
    ("0.9", 0.9),
    ("0.95", 0.95),
    ("0.99", 0.99),
];
/// So much of the memory for queries is never reserved: a query waits before the last of it is gone.
const NEVER_RESERVED: f64 = 0.03;

const UP: &str = "up";
const RUNNING: &str = "trino_execution_name_QueryManager_RunningQueries";
const QUEUED: &str = "trino_execution_name_QueryManager_QueuedQueries";
const BLOCKED: &str = "trino_execution_name_QueryManager_FullyBlockedQueries";
const EXECUTION: &str = "trino_execution_name_QueryManager_ExecutionTime_FiveMinutes";
const EXECUTION_ALL: &str = "trino_execution_name_QueryManager_ExecutionTime_AllTime";
const TOTAL: &str = "trino_memory_type_ClusterMemoryPool_name_general_TotalDistributedBytes";
const RESERVED: &str = "trino_memory_type_ClusterMemoryPool_name_general_ReservedDistributedBytes";
const NODE_TOTAL: &str = "trino_memory_type_MemoryPool_name_general_MaxBytes";
const NODE_RESERVED: &str = "trino_memory_type_MemoryPool_name_general_ReservedBytes";
/// Since when an alert is active, which Prometheus writes down itself.
const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";

/// Those of the nodes.
const NAMES: &[&str] = &[
    UP,
    RUNNING,
    QUEUED,
    BLOCKED,
    EXECUTION,
    EXECUTION_ALL,
    TOTAL,
    RESERVED,
    NODE_TOTAL,
    NODE_RESERVED,
];

/// The names of all metrics that there are now.
pub(super) fn names(world: &World) -> Vec<&'static str> {
    match nodes::all(world).is_empty() {
        true => Vec::new(),
        false => NAMES.to_vec(),
    }
}

/// The labels of what is scraped of a node.
pub(super) fn labels_of(node: &Node) -> Labels {
    let job = match node.coordinator {
        true => "trino",
        false => "trino-worker",
    };
    let labels = [
        ("job", job.to_owned()),
        ("instance", format!("{}:8080", node.id)),
        ("pod", node.id.clone()),
    ];
    labels.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The world as Prometheus has it.
pub(super) struct Scraped<'a> {
    pub(super) world: &'a World,
    pub(super) alerts: &'a Alerts,
}

impl Series for Scraped<'_> {
    fn at(&self, name: &str, at: Timestamp) -> Vec<Sample> {
        if name == ALERTS_FOR_STATE {
            return self.alerts.active_within(at, at);
        }
        let nodes = nodes::at(self.world, at);
        let sample = |node: &Node, value: f64| {
            let mut labels = labels_of(node);
            labels.insert("__name__".to_owned(), name.to_owned());
            Sample { labels, value }
        };
        let each = |value: &dyn Fn(&Node) -> f64| -> Vec<Sample> {
            nodes.iter().map(|node| sample(node, value(node))).collect()
        };
        let Some(coordinator) = nodes.iter().find(|node| node.coordinator) else {
            // Without it nobody queries; the workers are there all the same.
            return match name {
                UP => each(&|_| 1.0),
                _ => Vec::new(),
            };
        };
        let cluster = |value: f64| vec![sample(coordinator, value)];
        let memory = || Memory::at(self.world, &nodes, at);
        match name {
            UP => each(&|_| 1.0),
            RUNNING => cluster(self.queries(coordinator, |query| query.works_at(at))),
            QUEUED => cluster(self.queries(coordinator, |query| query.waits_at(at))),
            BLOCKED => cluster(memory().blocked as f64),
            TOTAL => cluster(memory().total),
            RESERVED => cluster(memory().reserved),
            NODE_TOTAL => each(&|node| node.pool as f64),
            NODE_RESERVED => {
                let memory = memory();
                let share = memory.reserved / memory.total.max(1.0);
                each(&|node| match node.coordinator {
                    true => 0.0,
                    false => share * node.pool as f64,
                })
            }
            EXECUTION | EXECUTION_ALL => {
                let from = match name {
                    EXECUTION => at - FIVE_MINUTES,
                    _ => Timestamp::UNIX_EPOCH,
                };
                let times = self.times(coordinator.since.max(from), at);
                let quantile = |(text, share): &(&str, f64)| {
                    let mut sample = sample(coordinator, quantile(&times, *share));
                    let labels = &mut sample.labels;
                    labels.insert("quantile".to_owned(), (*text).to_owned());
                    sample
                };
                QUANTILES.iter().map(quantile).collect()
            }
            _ => Vec::new(),
        }
    }

    fn last_within(&self, name: &str, span: SignedDuration, at: Timestamp) -> Vec<Sample> {
        match name {
            ALERTS_FOR_STATE => self.alerts.active_within(at - span, at),
            // Of a node that is there no more it would be an earlier value; phase 3 does not ask for that.
            _ => self.at(name, at),
        }
    }
}

impl Scraped<'_> {
    /// How many of this coordinator's queries are so.
    fn queries(&self, coordinator: &Node, so: impl Fn(&Query) -> bool) -> f64 {
        let queries = self.world.lake.queries.iter();
        let own = queries.filter(|query| query.created >= coordinator.since);
        own.filter(|query| so(query)).count() as f64
    }

    /// How long each query worked that ended between two moments, in milliseconds, in ascending order.
    fn times(&self, from: Timestamp, to: Timestamp) -> Vec<f64> {
        let queries = self.world.lake.queries.iter();
        let mut times: Vec<f64> = queries
            .filter_map(|query| query.worked_by(to))
            .filter(|(ended, _)| *ended >= from)
            .map(|(_, seconds)| seconds * 1000.0)
            .collect();
        times.sort_by(f64::total_cmp);
        times
    }
}

/// A quantile of values in ascending order; of none it is no number.
fn quantile(values: &[f64], share: f64) -> f64 {
    let at = (values.len() as f64 * share) as usize;
    values
        .get(at.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

/// Memory for queries, over all workers.
struct Memory {
    total: f64,
    reserved: f64,
    /// How many queries wait for some.
    blocked: usize,
}

impl Memory {
    fn at(world: &World, nodes: &[Node], at: Timestamp) -> Self {
        let workers = nodes.iter().filter(|node| !node.coordinator);
        let total = workers.map(|node| node.pool as f64).sum();
        let room = total * (1.0 - NEVER_RESERVED);
        let (mut reserved, mut blocked) = (0.0, 0);
        for query in world.lake.queries.iter().filter(|query| query.works_at(at)) {
            reserved += query.effort.reserves as f64;
            blocked += usize::from(reserved > room);
        }
        Self {
            total,
            reserved: f64::min(reserved, room),
            blocked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_goes_by_shares() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.95), 96.0);
        assert_eq!(quantile(&hundred, 0.5), 51.0);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
        // Four slow ones among a hundred small ones are not seen, ten are.
        let with = |slow: usize| {
            let mut times = vec![1.0; 100];
            times.extend(vec![900.0; slow]);
            quantile(&times, 0.95)
        };
        assert_eq!((with(4), with(10)), (1.0, 900.0));
    }
}
