//! `kube.get`: one object as it is, for the conditions and comparisons of other steps.
//!
//! Effect: none; it only reads. It judges nothing: that the object is not there is an answer like any other. A Secret
//! comes without its values. Permissions: `get` on the object.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clients::kube::object;
use crate::clients::kube::version::{checked_version_of, version_of};
use crate::clients::kube::waiting::unless_cancelled;
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// Which object.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The kind of object.
    pub kind: String,
    /// Its API version; known without saying for the usual kinds.
    #[serde(default)]
    pub api_version: Option<String>,
    /// Its namespace, for kinds that live in one.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// What is there.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// Whether it is there.
    pub found: bool,
    /// The object without the managers' book-keeping; `null`: it is not there.
    pub object: Value,
    /// The same without its status and what else only the server writes: what must be the same when a change was
    /// put back.
    pub content: Value,
}

/// The step.
#[derive(Debug)]
pub struct KubeGet {
    params: Params,
}

impl Kind for KubeGet {
    const INFO: KindInfo = KindInfo {
        name: "kube.get",
        summary: "Reads one Kubernetes object for `when:` and comparisons; it judges nothing.",
        effect: "None: it only reads.",
        permissions: "get on the object.",
        measures: false,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: true,
        example: "- id: catalog\n  uses: kube.get\n  with: {kind: ConfigMap, namespace: data-platform, name: trino-catalog}\n",
    };
    type Params = Params;
    type Output = Output;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        let kind = &params.kind;
        version_of(kind, params.api_version.as_deref())?;
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for KubeGet {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.get(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("it only reads"))
    }
}

impl KubeGet {
    async fn get(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let Params {
            kind,
            api_version,
            namespace,
            name,
        } = &self.params;
        let kube = cx.clients.kube().await?;
        let version = checked_version_of(kind, api_version.as_deref())?;
        let found = match kube.resource(version, kind).await {
            // Where there is no such kind there is none of its objects either.
            Err(error) if error.code == "kube.unknown_kind" => None,
            resource => kube.get(&resource?, namespace.as_deref(), name).await?,
        };
        let object = found.as_ref().map_or(Value::Null, object::showable);
        cx.evidence_json("object.json", &object).await?;
        Ok(StepOutput::of(json!(Output {
            found: found.is_some(),
            content: if object.is_null() {
                Value::Null
            } else {
                object::restorable(&object)
            },
            object,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::kube::fake::FakeServer;
    use crate::testing::TestContext;

    async fn got(with: Value) -> Value {
        let server = FakeServer::with(vec![
            json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"},
                "metadata": {"name": "c", "namespace": "shop", "uid": "u", "resourceVersion": "7", "managedFields": [{}]}}),
            json!({"apiVersion": "v1", "kind": "Secret", "data": {"k": "aHVudGVyMg=="},
                "metadata": {"name": "s", "namespace": "shop"}}),
        ]);
        let test = TestContext::new("get").unwrap().cluster(server.kube());
        let step = KubeGet::build(serde_json::from_value(with).unwrap()).unwrap();
        let output = step.run(&test.context).await.unwrap();
        assert_eq!(server.writes(), Vec::<String>::new());
        assert!(!test.sink.everything().contains("aHVudGVyMg"));
        output.value
    }

    #[tokio::test]
    async fn an_object_comes_as_it_is_and_without_what_the_server_writes() {
        let output = got(json!({"kind": "ConfigMap", "namespace": "shop", "name": "c"})).await;
        assert_eq!(output["found"], true);
        assert_eq!(output["object"]["metadata"]["resourceVersion"], "7");
        assert_eq!(
            output["content"],
            json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}, "metadata": {"name": "c", "namespace": "shop"}})
        );
    }

    #[tokio::test]
    async fn a_secret_comes_without_its_values() {
        let output = got(json!({"kind": "Secret", "namespace": "shop", "name": "s"})).await;
        assert_eq!(output["content"]["data"], json!({"k": "***"}));
    }

    #[tokio::test]
    async fn what_is_not_there_is_an_answer_and_so_is_a_kind_that_is_not_installed() {
        let nothing = json!({"found": false, "object": null, "content": null});
        for with in [
            json!({"kind": "ConfigMap", "namespace": "shop", "name": "x"}),
            json!({"kind": "Unheard", "api_version": "example.org/v1", "name": "x"}),
        ] {
            assert_eq!(got(with).await, nothing);
        }
    }
}
