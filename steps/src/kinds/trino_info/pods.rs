//! Which of the workers that the coordinator lists are pods that are there.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::Node;
use crate::clients::kube::choose::{self, Choice};
use crate::clients::kube::{Resource, object, pods};
use crate::context::StepContext;
use crate::error::StepError;

/// The state of a node that is called active although no ready pod has its address.
pub(super) const GONE: &str = "gone";

/// Pods by labels.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pods {
    /// Their namespace.
    pub namespace: String,
    /// Their labels.
    pub selector: String,
}

impl Pods {
    /// Says why the parameters make no sense.
    pub(super) fn check(&self) -> Result<(), String> {
        choose::check(Some(&self.selector), None)
    }

    /// Marks the workers that are called active but have no ready pod.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub(super) async fn without_the_gone(
        &self,
        cx: &StepContext,
        nodes: &mut [Node],
    ) -> Result<(), StepError> {
        let kube = cx.clients.kube().await?;
        let choice = Choice {
            namespace: Some(&self.namespace),
            selector: Some(&self.selector),
            name: None,
        };
        let found = choice.of(&kube, &Resource::pods()).await?;
        let there: BTreeSet<&str> = found
            .iter()
            .filter(|pod| pods::is_ready(pod) && !pods::is_terminating(pod))
            .map(|pod| object::text(pod, "/status/podIP"))
            .collect();
        for node in nodes.iter_mut() {
            let address = reqwest::Url::parse(&node.uri).ok();
            let host = address.as_ref().and_then(reqwest::Url::host_str);
            let is_there = host.is_some_and(|host| there.contains(host));
            if !node.coordinator && node.state == "active" && !is_there {
                node.state = GONE.to_owned();
            }
        }
        Ok(())
    }
}
