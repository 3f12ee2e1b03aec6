//! The contract of step kinds for the Kubernetes family, against the stand-in for the API server with
//! a small controller. `kube.exec` is not here: the stand-in knows no upgraded connections.

use std::collections::BTreeMap;

use async_trait::async_trait;
use flowctl_workflows::result::ErrorClass;
use serde_json::{Value, json};

use crate::clients::kube::fake::{Call, FakeServer, pod, refusal};
use crate::registry::Registry;
use crate::step::Step;
use crate::testing::{Subject, TestContext};

const SECRET: &str = "hunter2-hunter2";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const RELEASE: &str = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/shop/helmreleases/web";

/// A step kind with its little world.
struct World {
    server: FakeServer,
    kind: &'static str,
    with: Value,
    endless: Option<Value>,
    failing: Vec<(Value, ErrorClass, &'static str)>,
    effects: fn(&FakeServer) -> usize,
    expected: usize,
    /// Of what a run did, what is taken back to leave it half done.
    halve: fn(&FakeServer),
}

impl World {
    fn of(kind: &'static str, with: Value, objects: Vec<Value>) -> Self {
        Self {
            server: FakeServer::with(objects).hook(controller),
            kind,
            with,
            endless: None,
            failing: vec![],
            effects: |_| 0,
            expected: 0,
            halve: |_| {},
        }
    }

    fn build(&self, with: &Value) -> Box<dyn Step> {
        Registry::standard()
            .get(self.kind)
            .unwrap()
            .build(with)
            .unwrap()
    }
}

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        TestContext::new("step")
            .unwrap()
            .secrets(&[("KEY", SECRET)])
            .cluster(self.server.kube())
    }

    fn step(&self) -> Box<dyn Step> {
        self.build(&self.with)
    }

    fn expected_effects(&self) -> usize {
        self.expected
    }

    async fn effects(&self) -> usize {
        (self.effects)(&self.server)
    }

    async fn leave_half_done(&self, cx: &TestContext) {
        self.step().run(&cx.context).await.unwrap();
        (self.halve)(&self.server);
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        self.endless.as_ref().map(|with| self.build(with))
    }

    async fn endless_under_way(&self, cx: &TestContext) {
        while cx.sink.progress_texts().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        self.failing
            .iter()
            .map(|(with, class, code)| (self.build(with), *class, *code))
            .collect()
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET]
    }
}

/// Replaces the pods of a restarted Deployment, and deploys what Flux is asked for, at once.
fn controller(call: &Call, objects: &mut BTreeMap<String, Value>) -> Option<(u16, Value)> {
    if call.path.contains("/namespaces/forbidden/") {
        return Some(refusal(403, "Forbidden", "no"));
    }
    if call.path.ends_with("/log") {
        return Some((200, json!(format!("started with {SECRET}\n"))));
    }
    if let Some(mark) = objects
        .get(DEPLOYMENT)
        .map(|web| web["spec"]["template"]["metadata"].clone())
        && let Some(pod) = objects.get_mut("/api/v1/namespaces/shop/pods/web-1")
    {
        pod["metadata"]["annotations"] = mark["annotations"].clone();
    }
    if let Some(release) = objects.get_mut(RELEASE) {
        let request = release["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"].clone();
        release["metadata"]["generation"] = json!(1);
        release["status"] = json!({"observedGeneration": 1, "lastHandledReconcileAt": request,
            "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]});
    }
    None
}

fn secret() -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": {"secret": "KEY"}}})
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {}}},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}})
}

fn web() -> Value {
    pod("shop", "web-1", json!({"app": "web"}), true)
}

/// `with` and more keys.
fn and(with: &Value, more: Value) -> Value {
    let mut with = with.clone();
    with.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    with
}

mod apply {
    use super::*;
    use crate::step_contract;

    fn world() -> World {
        let with = json!({"namespace": "shop", "objects": [secret()]});
        let mut unready = deployment();
        unready["status"] = json!({});
        World {
            endless: Some(and(&with, json!({"objects": [unready], "within": "1h"}))),
            failing: vec![
                (
                    and(&with, json!({"objects": [unready], "within": "0s"})),
                    ErrorClass::TimedOut,
                    "kube.not_ready",
                ),
                (
                    and(
                        &with,
                        json!({"objects": [{"apiVersion": "v1", "kind": "Sekret", "metadata": {"name": "s"}}]}),
                    ),
                    ErrorClass::Permanent,
                    "kube.unknown_kind",
                ),
            ],
            effects: |server| usize::from(server.at("/api/v1/namespaces/shop/secrets/s").is_some()),
            expected: 1,
            halve: |server| server.remove("/api/v1/namespaces/shop/secrets/s"),
            ..World::of("kube.apply", with, vec![])
        }
    }

    step_contract!(world());
}

mod get {
    use super::*;
    use crate::step_contract;

    fn world() -> World {
        let with = json!({"kind": "Deployment", "namespace": "shop", "name": "web"});
        World {
            failing: vec![refused(&with)],
            ..World::of("kube.get", with, vec![deployment()])
        }
    }

    step_contract!(world());
}

mod patch {
    use super::*;
    use crate::step_contract;

    const CONFIG: &str = "/api/v1/namespaces/shop/configmaps/c";

    fn config() -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "old"},
            "metadata": {"name": "c", "namespace": "shop", "uid": "u", "resourceVersion": "1"}})
    }

    fn world() -> World {
        let with = json!({"kind": "ConfigMap", "namespace": "shop", "name": "c", "patch": {"data": {"k": "new"}}});
        World {
            failing: vec![
                (
                    and(&with, json!({"name": "none"})),
                    ErrorClass::Permanent,
                    "kube.not_found",
                ),
                (
                    and(&with, json!({"namespace": "forbidden"})),
                    ErrorClass::Permanent,
                    "kube.forbidden",
                ),
            ],
            effects: |server| usize::from(server.at(CONFIG).unwrap()["data"]["k"] == "new"),
            expected: 1,
            halve: |server| server.put(config()),
            ..World::of("kube.patch", with, vec![config()])
        }
    }

    step_contract!(world());
}

mod restart {
    use super::*;
    use crate::step_contract;

    fn world() -> World {
        let with = json!({"namespace": "shop", "name": "web", "within": "5s"});
        World {
            failing: vec![(
                and(&with, json!({"name": "none"})),
                ErrorClass::Permanent,
                "kube.not_found",
            )],
            effects: |server| server.writes().len(),
            expected: 1,
            ..World::of("kube.restart", with, vec![deployment(), web()])
        }
    }

    step_contract!(world());
}

mod delete {
    use super::*;
    use crate::step_contract;

    fn world() -> World {
        let with =
            json!({"namespace": "shop", "objects": [{"kind": "Pod", "selector": "app=web"}]});
        World {
            failing: vec![(
                json!({"objects": [{"kind": "Pod", "name": "web-1"}]}),
                ErrorClass::Permanent,
                "kube.manifest",
            )],
            effects: |server| {
                usize::from(server.at("/api/v1/namespaces/shop/pods/web-1").is_some())
            },
            halve: |server| server.put(web()),
            ..World::of("kube.delete", with, vec![web()])
        }
    }

    step_contract!(world());
}

mod wait {
    use super::*;
    use crate::step_contract;

    fn world() -> World {
        let with = json!({"namespace": "shop", "selector": "app=web", "min": 1});
        World {
            endless: Some(and(&with, json!({"min": 2, "within": "1h"}))),
            failing: vec![(
                and(&with, json!({"min": 2, "within": "0s"})),
                ErrorClass::TimedOut,
                "kube.too_few_matches",
            )],
            ..World::of("kube.wait", with, vec![web()])
        }
    }

    step_contract!(world());
}

mod logs {
    use super::*;
    use crate::step_contract;

    fn world() -> World {
        let with = json!({"namespace": "shop", "selector": "app=web", "min_pods": 1, "forbid": ["started"]});
        World {
            failing: vec![refused(&with)],
            ..World::of("kube.logs", with, vec![web()])
        }
    }

    step_contract!(world());
}

mod events {
    use super::*;
    use crate::step_contract;

    fn world() -> World {
        let with = json!({"namespace": "shop", "selector": "app=web", "min_pods": 1});
        World {
            failing: vec![refused(&with)],
            ..World::of("kube.events", with, vec![web()])
        }
    }

    step_contract!(world());
}

mod top {
    use super::*;
    use crate::step_contract;

    fn world() -> World {
        let with =
            json!({"namespace": "shop", "selector": "app=web", "min_pods": 1, "within": "0s"});
        World {
            endless: Some(and(&with, json!({"within": "1h"}))),
            failing: vec![refused(&with)],
            ..World::of("kube.top", with, vec![web()])
        }
    }

    step_contract!(world());
}

mod flux {
    use super::*;
    use crate::step_contract;

    fn world() -> World {
        let release = json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "web"},
            "spec": {"values": {"a": 1}}});
        let mut suspended = release.clone();
        suspended["spec"]["suspend"] = json!(true);
        let mut other = release.clone();
        other["metadata"]["name"] = json!("never-deployed");
        let with = json!({"namespace": "shop", "objects": [release]});
        World {
            endless: Some(and(&with, json!({"objects": [other], "within": "1h"}))),
            failing: vec![
                (
                    and(&with, json!({"objects": [suspended]})),
                    ErrorClass::Permanent,
                    "flux.suspended",
                ),
                (
                    and(&with, json!({"objects": [other], "within": "0s"})),
                    ErrorClass::TimedOut,
                    "flux.not_deployed",
                ),
            ],
            effects: |server| usize::from(server.at(RELEASE).is_some()),
            expected: 1,
            halve: |server| server.remove(RELEASE),
            ..World::of("flux.release", with, vec![])
        }
    }

    step_contract!(world());
}

/// Refused by the server: there is no right to read that namespace.
fn refused(with: &Value) -> (Value, ErrorClass, &'static str) {
    (
        and(with, json!({"namespace": "forbidden"})),
        ErrorClass::Permanent,
        "kube.forbidden",
    )
}
