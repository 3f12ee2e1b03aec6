//! As much of a Kubernetes API server as a Lease and a ConfigMap need, over HTTP: objects by their path, each with a
//! version that a write may name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use serde_json::{Value, json};

#[derive(Default)]
struct World {
    objects: BTreeMap<String, Value>,
    writes: Vec<String>,
    version: u64,
}

/// A server that lives as long as this.
pub(crate) struct Cluster {
    world: Arc<Mutex<World>>,
    pub(crate) address: String,
    _runtime: tokio::runtime::Runtime,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let world = Arc::new(Mutex::new(World::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&world));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            world,
            address,
            _runtime: runtime,
        }
    }

    pub(crate) fn at(&self, path: &str) -> Option<Value> {
        self.world.lock().unwrap().objects.get(path).cloned()
    }

    pub(crate) fn put(&self, path: &str, mut object: Value) {
        let mut world = self.world.lock().unwrap();
        world.version += 1;
        object["metadata"]["resourceVersion"] = json!(world.version.to_string());
        world.objects.insert(path.to_owned(), object);
    }

    /// `METHOD PATH` of each write that was taken.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.world.lock().unwrap().writes.clone()
    }

    /// A kubeconfig of it with the context `it`.
    pub(crate) fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: '{}'}}}}]\nusers: [{{name: u, user: {{}}}}]\ncontexts: [{{name: it, context: {{cluster: c, user: u}}}}]\n",
            self.address
        )
    }
}

async fn answer(
    State(world): State<Arc<Mutex<World>>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> (StatusCode, String) {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut world = world.lock().unwrap();
    let (code, answer) = world.answer(&method, uri.path(), &body);
    (StatusCode::from_u16(code).unwrap(), answer.to_string())
}

fn refusal(code: u16, reason: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason}),
    )
}

impl World {
    fn answer(&mut self, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        if path == "/api/v1" {
            let config_maps =
                json!({"name": "configmaps", "kind": "ConfigMap", "namespaced": true});
            return (200, json!({"resources": [config_maps]}));
        }
        if *method == Method::GET {
            return self
                .objects
                .get(path)
                .map_or_else(|| refusal(404, "NotFound"), |found| (200, found.clone()));
        }
        let path = match body["metadata"]["name"]
            .as_str()
            .filter(|_| *method == Method::POST)
        {
            Some(name) => format!("{path}/{name}"),
            None => path.to_owned(),
        };
        let there = self.objects.get(&path);
        let seen = [
            &body["metadata"]["resourceVersion"],
            &body["preconditions"]["resourceVersion"],
        ];
        let version = seen.into_iter().find(|version| version.is_string());
        match there {
            Some(_) if *method == Method::POST => return refusal(409, "AlreadyExists"),
            None if *method == Method::DELETE => return refusal(404, "NotFound"),
            Some(there)
                if version.is_some_and(|seen| *seen != there["metadata"]["resourceVersion"]) =>
            {
                return refusal(409, "Conflict");
            }
            Some(_) | None => {}
        }
        self.writes.push(format!("{method} {path}"));
        if *method == Method::DELETE {
            return (200, self.objects.remove(&path).unwrap_or_default());
        }
        self.version += 1;
        let mut object = body.clone();
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        object["metadata"]["uid"] = json!("u");
        self.objects.insert(path, object.clone());
        (200, object)
    }
}
