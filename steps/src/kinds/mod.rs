//! The step kinds, one file each, all of one shape: what it says of itself, its parameters, its
//! output, the step, then pure request building and classification, then tests.

pub mod alert_fires;
pub mod approval;
pub mod flux_release;
pub mod grafana_dashboard;
pub mod http_check;
pub mod kube_apply;
#[cfg(test)]
mod kube_contract;
pub mod kube_delete;
pub mod kube_events;
pub mod kube_exec;
pub mod kube_get;
pub mod kube_list;
pub mod kube_logs;
pub mod kube_patch;
pub mod kube_restart;
pub mod kube_top;
pub mod kube_wait;
pub mod noop;
pub mod process;
pub mod prometheus_query;
pub mod prometheus_targets;
pub mod report;
pub mod review;
pub mod s3_put;
pub mod s3_select;
pub mod shell;
pub mod trino_benchmark;
pub mod trino_info;
pub mod trino_load;
pub mod trino_query;
pub mod wait;
