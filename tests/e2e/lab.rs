//! The platform under the product: kubectl, the daemons by their records, the audit log. Breaks things and puts them back.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::check::{Outcome, fail, must};
use crate::clock::until;
use crate::trino::Trino;

/// The namespace of the platform.
pub(crate) const NAMESPACE: &str = "data-platform";

/// The labels of the workers' pods.
const WORKERS: &str = "app.kubernetes.io/name=trino,app.kubernetes.io/component=worker";

/// The lab's folder.
pub(crate) struct Lab {
    folder: PathBuf,
}

impl Lab {
    /// Where `FLOWCTL_LAB` says, else in the XDG cache home. It must be up.
    pub(crate) fn find() -> Outcome<Self> {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(home);
        let named = std::env::var_os("FLOWCTL_LAB").map(PathBuf::from);
        let Some(folder) = named.or_else(|| cache.map(|cache| cache.join("flowctl/lab"))) else {
            return fail("neither FLOWCTL_LAB nor HOME is set");
        };
        let lab = Self { folder };
        lab.kubectl(&["get", "namespace", NAMESPACE])
            .map_err(|why| format!("the lab is not up (`make lab`): {why}"))?;
        Ok(lab)
    }

    /// Runs kubectl and gives what it printed.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Outcome<String> {
        let mut command = Command::new(self.folder.join("bin/kubectl"));
        command
            .arg("--kubeconfig")
            .arg(self.folder.join("kubeconfig"))
            .args(arguments);
        let output = command
            .output()
            .map_err(|error| format!("kubectl does not start: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        fail(format!(
            "kubectl {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }

    /// The coordinator, at its Service's address.
    pub(crate) fn trino(&self) -> Outcome<Trino> {
        let address = self.kubectl(&[
            "-n",
            NAMESPACE,
            "get",
            "service",
            "trino",
            "-o",
            "jsonpath={.spec.clusterIP}",
        ])?;
        Ok(Trino::at(format!("{address}:8080")))
    }

    /// Restarts a Deployment and waits for its new pods.
    pub(crate) fn restart(&self, deployment: &str) -> Outcome {
        let name = format!("deployment/{deployment}");
        self.kubectl(&["-n", NAMESPACE, "rollout", "restart", &name])?;
        self.rolled_out(deployment)
    }

    /// Waits until every pod of a Deployment is ready.
    pub(crate) fn rolled_out(&self, deployment: &str) -> Outcome {
        let name = format!("deployment/{deployment}");
        self.kubectl(&["-n", NAMESPACE, "rollout", "status", &name, "--timeout=5m"])
            .map(|_| ())
    }

    /// Waits until the active workers that Trino lists are so many, and just the pods that are there: one that has gone stays
    /// listed for a minute and more, and a query that is given to it waits as long.
    pub(crate) fn workers(&self, wanted: usize) -> Outcome {
        until(
            Duration::from_secs(240),
            &format!("{wanted} active workers, each of them a pod that is there"),
            || {
                let listed = self.trino().and_then(|trino| trino.workers());
                let listed = listed.unwrap_or_default();
                Ok(listed.len() == wanted && listed == self.worker_pods()?)
            },
        )
    }

    /// The addresses of the workers' pods that are ready and to stay.
    fn worker_pods(&self) -> Outcome<BTreeSet<String>> {
        let text = self.kubectl(&["-n", NAMESPACE, "get", "pods", "-l", WORKERS, "-o", "json"])?;
        let list: Value = serde_json::from_str(&text)
            .map_err(|error| format!("kubectl gives no JSON: {error}"))?;
        let pods = list["items"].as_array().into_iter().flatten();
        Ok(pods
            .filter(|pod| is_ready(pod) && pod["metadata"]["deletionTimestamp"].is_null())
            .filter_map(|pod| pod["status"]["podIP"].as_str().map(str::to_owned))
            .collect())
    }

    /// Ends a daemon of the lab by the process id in its record, and waits until it is gone.
    pub(crate) fn stop(&self, daemon: &str) -> Outcome {
        let path = self.folder.join("run").join(format!("{daemon}.json"));
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let record: Value =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let Some(pid) = record["pid"].as_u64() else {
            return fail(format!("{} names no process", path.display()));
        };
        let ended = Command::new("kill")
            .args(["-TERM", &pid.to_string()])
            .status();
        must(ended.is_ok_and(|status| status.success()), || {
            format!("{daemon} (process {pid}) cannot be ended")
        })?;
        until(
            Duration::from_secs(30),
            &format!("{daemon} has ended"),
            || Ok(!PathBuf::from(format!("/proc/{pid}")).exists()),
        )
    }

    /// The entries of the API server's audit log from a moment on.
    pub(crate) fn audited_since(&self, moment: Timestamp) -> Outcome<Vec<Value>> {
        let path = self.folder.join("run/audit.log");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        // A log outlives its day, and its lab: the day counts as well.
        let entries = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(entries
            .filter(|entry| received(entry).is_none_or(|at| at >= moment))
            .collect())
    }
}

/// When the API server received a request; nothing if the entry does not say.
fn received(entry: &Value) -> Option<Timestamp> {
    entry["requestReceivedTimestamp"].as_str()?.parse().ok()
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
