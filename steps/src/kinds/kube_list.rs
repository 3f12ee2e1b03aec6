//! `kube.list`: which objects there are, for the conditions of later steps.
//!
//! Effect: none; it only reads. It judges nothing: that there are none is an answer like any other, so it can prove no
//! criterion. A step that needs objects to be there is a `kube.wait`. Permissions: `get` and `list` on the kind.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clients::kube::choose::{self, Choice};
use crate::clients::kube::object;
use crate::clients::kube::version::{checked_version_of, version_of};
use crate::clients::kube::waiting::unless_cancelled;
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// Which objects.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The kind of object.
    #[serde(default = "pod")]
    pub kind: String,
    /// Its API version; known without saying for the usual kinds.
    #[serde(default)]
    pub api_version: Option<String>,
    /// The namespace, for kinds that live in one.
    #[serde(default)]
    pub namespace: Option<String>,
    /// By labels, as kubectl writes them.
    #[serde(default)]
    pub selector: Option<String>,
    /// By name.
    #[serde(default)]
    pub name: Option<String>,
}

fn pod() -> String {
    "Pod".to_owned()
}

/// What there is.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// How many.
    pub count: usize,
    /// Their names.
    pub names: Vec<String>,
}

/// The step.
#[derive(Debug)]
pub struct KubeList {
    params: Params,
}

impl Kind for KubeList {
    const INFO: KindInfo = KindInfo {
        name: "kube.list",
        summary: "Reads which objects there are, for `when:` of later steps; it judges nothing.",
        effect: "None: it only reads.",
        permissions: "get and list on the kind.",
        measures: false,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: true,
        example: "- id: deployed\n  uses: kube.list\n  with: {namespace: data-platform, selector: app.kubernetes.io/name=trino}\n",
    };
    type Params = Params;
    type Output = Output;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        choose::check(params.selector.as_deref(), params.name.as_deref())?;
        version_of(&params.kind, params.api_version.as_deref())?;
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for KubeList {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.list(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("it only reads"))
    }
}

impl KubeList {
    async fn list(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let Params {
            kind,
            api_version,
            namespace,
            selector,
            name,
        } = &self.params;
        let kube = cx.clients.kube().await?;
        let version = checked_version_of(kind, api_version.as_deref())?;
        let choice = Choice {
            namespace: namespace.as_deref(),
            selector: selector.as_deref(),
            name: name.as_deref(),
        };
        let found = match kube.resource(version, kind).await {
            // Where there is no such kind there is none of its objects either.
            Err(error) if error.code == "kube.unknown_kind" => Vec::new(),
            resource => choice.of(&kube, &resource?).await?,
        };
        let shown: Vec<Value> = found.iter().map(object::showable).collect();
        cx.evidence_json("objects.json", &Value::Array(shown))
            .await?;
        let names: Vec<String> = found
            .iter()
            .map(|object| object::name(object).to_owned())
            .collect();
        Ok(StepOutput::of(json!(Output {
            count: names.len(),
            names
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::kube::fake::{FakeServer, pod};
    use crate::testing::TestContext;

    async fn listed(with: Value) -> (StepOutput, usize) {
        let labels = json!({"app": "trino"});
        let server = FakeServer::with(vec![
            pod("shop", "w1", labels.clone(), false),
            pod("other", "w2", labels, true),
        ]);
        let test = TestContext::new("deployed").unwrap().cluster(server.kube());
        let step = KubeList::build(serde_json::from_value(with).unwrap()).unwrap();
        let output = step.run(&test.context).await.unwrap();
        (output, server.writes().len())
    }

    #[tokio::test]
    async fn it_says_what_there_is_and_judges_nothing() {
        let (output, writes) = listed(json!({"namespace": "shop", "selector": "app=trino"})).await;
        assert_eq!(output.value, json!({"count": 1, "names": ["w1"]}));
        assert!(output.findings.is_empty());
        assert_eq!(writes, 0);
    }

    #[tokio::test]
    async fn none_is_an_answer_and_so_is_a_kind_that_is_not_installed() {
        let (output, _) = listed(json!({"namespace": "shop", "selector": "app=nothing"})).await;
        assert_eq!(output.value, json!({"count": 0, "names": []}));
        let unknown = json!({"kind": "Unheard", "api_version": "example.org/v1", "namespace": "shop", "name": "x"});
        assert_eq!(listed(unknown).await.0.value["count"], 0);
    }
}
