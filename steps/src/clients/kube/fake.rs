//! A stand-in for the API server for tests of errors and of what is sent: it keeps objects by their
//! path and knows discovery, get, list, apply, merge, replace, create, delete and logs. What the
//! real server decides (validation, defaults, controllers) it does not.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use ::kube::client::Body;
use serde_json::{Value, json};

use super::{Kube, object};

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

type Hook = Box<dyn FnMut(&Call, &mut BTreeMap<String, Value>) -> Option<(u16, Value)> + Send>;

#[derive(Default)]
struct World {
    objects: BTreeMap<String, Value>,
    calls: Vec<Call>,
    version: u64,
    hook: Option<Hook>,
}

/// The server; clones share its world.
#[derive(Clone, Default)]
pub(crate) struct FakeServer(Arc<Mutex<World>>);

/// Kind, plural, in a namespace.
type Served = (&'static str, &'static str, bool);

/// Kinds by API version.
const SERVED: &[(&str, &[Served])] = &[
    (
        "/api/v1",
        &[
            ("Pod", "pods", true),
            ("ConfigMap", "configmaps", true),
            ("Secret", "secrets", true),
            ("Service", "services", true),
            ("Event", "events", true),
            ("Namespace", "namespaces", false),
            ("Node", "nodes", false),
        ],
    ),
    (
        "/apis/apps/v1",
        &[
            ("Deployment", "deployments", true),
            ("ReplicaSet", "replicasets", true),
        ],
    ),
    (
        "/apis/metrics.k8s.io/v1beta1",
        &[("PodMetrics", "pods", true)],
    ),
    (
        "/apis/discovery.k8s.io/v1",
        &[("EndpointSlice", "endpointslices", true)],
    ),
    ("/apis/coordination.k8s.io/v1", &[("Lease", "leases", true)]),
    (
        "/apis/helm.toolkit.fluxcd.io/v2",
        &[("HelmRelease", "helmreleases", true)],
    ),
    (
        "/apis/source.toolkit.fluxcd.io/v1",
        &[("HelmRepository", "helmrepositories", true)],
    ),
];

impl FakeServer {
    /// A server that holds these objects.
    pub(crate) fn with(objects: Vec<Value>) -> Self {
        let server = Self::default();
        for object in objects {
            server.put(object);
        }
        server
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Keeps an object, whatever was there.
    pub(crate) fn put(&self, mut object: Value) {
        // Every object of a real server has one.
        if object["metadata"]["resourceVersion"].is_null() {
            object["metadata"]["resourceVersion"] = json!("1");
        }
        let root = match object::api_version(&object) {
            version if version.contains('/') => format!("/apis/{version}"),
            version => format!("/api/{version}"),
        };
        let (_, kinds) = SERVED.iter().find(|(served, _)| *served == root).unwrap();
        let (_, plural, _) = kinds
            .iter()
            .find(|(kind, ..)| *kind == object::kind(&object))
            .unwrap();
        let path = match object::namespace(&object) {
            Some(namespace) => format!(
                "{root}/namespaces/{namespace}/{plural}/{}",
                object::name(&object)
            ),
            None => format!("{root}/{plural}/{}", object::name(&object)),
        };
        self.world().objects.insert(path, object);
    }

    /// Forgets an object.
    pub(crate) fn remove(&self, path: &str) {
        self.world().objects.remove(path);
    }

    /// Lets `hook` see every call first: it may answer in place of the server, or change the world as controllers would.
    pub(crate) fn hook(
        self,
        hook: impl FnMut(&Call, &mut BTreeMap<String, Value>) -> Option<(u16, Value)> + Send + 'static,
    ) -> Self {
        self.world().hook = Some(Box::new(hook));
        self
    }

    /// An object at a path.
    pub(crate) fn at(&self, path: &str) -> Option<Value> {
        self.world().objects.get(path).cloned()
    }

    /// The calls so far, `METHOD PATH`, without discovery.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.world().calls.clone()
    }

    /// The calls that write.
    pub(crate) fn writes(&self) -> Vec<String> {
        let calls = self.calls();
        calls
            .iter()
            .filter(|call| call.method != "GET")
            .map(|call| format!("{} {}", call.method, call.path))
            .collect()
    }

    /// A client of it.
    pub(crate) fn kube(&self) -> Kube {
        let server = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let call = Call {
                    method: parts.method.to_string(),
                    path: parts.uri.path().to_owned(),
                    query: parts.uri.query().unwrap_or_default().to_owned(),
                    content_type: parts
                        .headers
                        .get(http::header::CONTENT_TYPE)
                        .and_then(|value| value.to_str().ok())
                        .unwrap_or_default()
                        .to_owned(),
                    body: serde_json::from_slice(&body).unwrap_or(Value::Null),
                };
                let (code, answer) = server.answer(&call);
                let text = match answer {
                    Value::String(text) => text,
                    answer => answer.to_string(),
                };
                Ok::<_, Infallible>(
                    http::Response::builder()
                        .status(code)
                        .body(Body::from(text.into_bytes()))
                        .unwrap(),
                )
            }
        });
        Kube::new(::kube::Client::new(service, "default"))
    }

    fn answer(&self, call: &Call) -> (u16, Value) {
        let mut world = self.world();
        world.calls.push(call.clone());
        let mut hook = world.hook.take();
        let answered = hook
            .as_mut()
            .and_then(|hook| hook(call, &mut world.objects));
        world.hook = hook;
        if let Some(answer) = answered {
            return answer;
        }
        if let Some((_, kinds)) = SERVED.iter().find(|(root, _)| *root == call.path) {
            let kinds: Vec<Value> =
                kinds.iter().map(|(kind, plural, namespaced)| json!({"name": plural, "kind": kind, "namespaced": namespaced})).collect();
            return (200, json!({"resources": kinds}));
        }
        match call.method.as_str() {
            "GET" => world.read(call),
            "DELETE"
                if world.is_stale(&call.path, &call.body["preconditions"]["resourceVersion"]) =>
            {
                refusal(409, "Conflict", "the object has been modified")
            }
            "DELETE" => match world.objects.remove(&call.path) {
                Some(gone) => (200, gone),
                None => refusal(404, "NotFound", "not found"),
            },
            _ => world.write(call),
        }
    }
}

impl World {
    /// Whether an object is there in another version than the one that is named, if one is.
    fn is_stale(&self, path: &str, version: &Value) -> bool {
        let former = self.objects.get(path);
        version.is_string()
            && former.is_some_and(|former| former["metadata"]["resourceVersion"] != *version)
    }

    fn read(&self, call: &Call) -> (u16, Value) {
        if let Some(found) = self.objects.get(&call.path) {
            return (200, found.clone());
        }
        let plural = call.path.rsplit('/').next().unwrap_or_default();
        let Some(root) = SERVED
            .iter()
            .map(|(root, _)| *root)
            .find(|root| call.path.starts_with(root))
        else {
            return refusal(404, "NotFound", "not found");
        };
        let listed = SERVED
            .iter()
            .any(|(served, kinds)| *served == root && kinds.iter().any(|(_, p, _)| *p == plural));
        if !listed {
            return refusal(404, "NotFound", "not found");
        }
        let below = format!("{}/", call.path);
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(path, _)| path.starts_with(&below))
            .map(|(_, object)| object)
            .filter(|object| selected(object, &call.query))
            .collect();
        (200, json!({"metadata": {}, "items": items}))
    }

    fn write(&mut self, call: &Call) -> (u16, Value) {
        self.version += 1;
        let path = match call.method.as_str() {
            "POST" => format!("{}/{}", call.path, object::name(&call.body)),
            _ => call.path.clone(),
        };
        let former = self.objects.get(&path).cloned();
        let kind = call.content_type.trim_start_matches("application/");
        if call.method == "POST" && former.is_some() {
            return refusal(409, "AlreadyExists", "already exists");
        }
        if call.method == "PUT" && self.is_stale(&path, &call.body["metadata"]["resourceVersion"]) {
            return refusal(409, "Conflict", "the object has been modified");
        }
        let mut object = match (&former, kind) {
            (None, "merge-patch+json" | "strategic-merge-patch+json" | "json-patch+json") => {
                return refusal(404, "NotFound", "not found");
            }
            // Lists are not merged by their keys, as the real server does with a strategic patch.
            (Some(former), "merge-patch+json" | "strategic-merge-patch+json") => {
                let version = &call.body["metadata"]["resourceVersion"];
                if version.is_string() && *version != former["metadata"]["resourceVersion"] {
                    return refusal(409, "Conflict", "the object has been modified");
                }
                merged(former.clone(), &call.body)
            }
            (Some(former), "json-patch+json") => match patched(former.clone(), &call.body) {
                Some(object) => object,
                None => return refusal(422, "Invalid", "the patch does not apply"),
            },
            // An apply is taken as a whole.
            _ => call.body.clone(),
        };
        let uid = former.as_ref().map_or_else(
            || format!("uid-{}", self.version),
            |former| object::uid(former).to_owned(),
        );
        object["metadata"]["uid"] = json!(uid);
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if !call.query.contains("dryRun=All") {
            self.objects.insert(path, object.clone());
        }
        (200, object)
    }
}

/// A JSON merge patch.
fn merged(mut object: Value, patch: &Value) -> Value {
    match (&mut object, patch) {
        (Value::Object(map), Value::Object(patch)) => {
            for (key, value) in patch {
                let former = map.remove(key).unwrap_or(Value::Null);
                if !value.is_null() {
                    map.insert(key.clone(), merged(former, value));
                }
            }
            object
        }
        _ => patch.clone(),
    }
}

/// A JSON patch whose operations name fields of objects.
fn patched(mut object: Value, operations: &Value) -> Option<Value> {
    for operation in operations.as_array()? {
        let (parent, field) = operation["path"].as_str()?.rsplit_once('/')?;
        let fields = object.pointer_mut(parent)?.as_object_mut()?;
        let field = field.replace("~1", "/").replace("~0", "~");
        let there = fields.contains_key(&field);
        match operation["op"].as_str()? {
            "test" if fields.get(&field) == Some(&operation["value"]) => {}
            "remove" if there => drop(fields.remove(&field)),
            "replace" if there => drop(fields.insert(field, operation["value"].clone())),
            "add" => drop(fields.insert(field, operation["value"].clone())),
            _ => return None,
        }
    }
    Some(object)
}

/// Whether an object has the labels of a query; only `key=value,…` is understood.
fn selected(object: &Value, query: &str) -> bool {
    let Some(selector) = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("labelSelector="))
    else {
        return true;
    };
    selector
        .replace("%2C", ",")
        .replace("%3D", "=")
        .replace("%2F", "/")
        .split(',')
        .all(|pair| {
            pair.split_once('=')
                .is_some_and(|(key, value)| object["metadata"]["labels"][key] == value)
        })
}

/// A refusal as the API server words it.
pub(crate) fn refusal(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}),
    )
}

/// A pod in this state.
pub(crate) fn pod(namespace: &str, name: &str, labels: Value, ready: bool) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-of-{name}"), "labels": labels},
        "spec": {"nodeName": "n1", "containers": [{"name": "main"}]},
        "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
            "containerStatuses": [{"name": "main", "image": "i:1", "imageID": "sha256:abc", "restartCount": 0, "ready": ready,
                "state": {"running": {}}}]}})
}
