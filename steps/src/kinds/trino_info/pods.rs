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

    /// The addresses of those that are ready.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub(super) async fn addresses(&self, cx: &StepContext) -> Result<BTreeSet<String>, StepError> {
        let kube = cx.clients.kube().await?;
        let choice = Choice {
            namespace: Some(&self.namespace),
            selector: Some(&self.selector),
            name: None,
        };
        let found = choice.of(&kube, &Resource::pods()).await?;
        Ok(found
            .iter()
            .filter(|pod| pods::is_ready(pod) && !pods::is_terminating(pod))
            .map(|pod| object::text(pod, "/status/podIP").to_owned())
            .collect())
    }
}

/// The nodes, with those workers marked that are called active but have none of these addresses.
pub(super) fn without_the_gone(listed: &[Node], there: &BTreeSet<String>) -> Vec<Node> {
    let mark = |node: &Node| {
        let address = reqwest::Url::parse(&node.uri).ok();
        let host = address.as_ref().and_then(reqwest::Url::host_str);
        let is_there = host.is_some_and(|host| there.contains(host));
        let mut node = node.clone();
        if !node.coordinator && node.state == "active" && !is_there {
            GONE.clone_into(&mut node.state);
        }
        node
    };
    listed.iter().map(mark).collect()
}
