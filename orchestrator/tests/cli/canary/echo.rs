//! A platform that knows every secret and says it wherever it says anything: Trino, an object store, Prometheus, the API
//! server of a cluster and a plain service, at one address.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::forms::{Canary, said};

struct World {
    said: String,
    plain: String,
    /// Every secret as a parameter of an address.
    query: String,
    secret: String,
    asked: Mutex<Vec<String>>,
}

/// A server that lives as long as this.
pub(super) struct Echo {
    pub(super) address: String,
    world: Arc<World>,
    _runtime: tokio::runtime::Runtime,
}

impl Echo {
    pub(super) fn start(canaries: &[Canary], in_cluster: &Canary) -> Self {
        let world = Arc::new(World {
            said: said(canaries),
            // What `{secret: …}` can stand for; the kubeconfig's token cannot be put back.
            plain: canaries[..7]
                .iter()
                .map(|canary| canary.value.as_str())
                .collect::<Vec<_>>()
                .join(" "),
            query: canaries
                .iter()
                .map(|canary| format!("token={}", canary.percent()))
                .collect::<Vec<_>>()
                .join("&"),
            secret: in_cluster.value.clone(),
            asked: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&world));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            world,
            _runtime: runtime,
        }
    }

    pub(super) fn kubeconfig(&self, token: &Canary) -> String {
        format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: 'http://{}'}}}}]\nusers: [{{name: u, user: {{token: '{}'}}}}]\ncontexts: [{{name: it, context: {{cluster: c, user: u}}}}]\n",
            self.address, token.value
        )
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.world.asked.lock().unwrap().clone()
    }

    pub(super) fn was_asked(&self, path: &str) -> bool {
        self.asked().iter().any(|asked| asked.contains(path))
    }
}

async fn answer(
    State(world): State<Arc<World>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, String) {
    let path = uri.path().to_owned();
    world.asked.lock().unwrap().push(format!("{method} {path}"));
    let body = String::from_utf8_lossy(&body).into_owned();
    let (status, text) = world.answer(&method, &uri, &format!("{headers:?} {body}"), &body);
    let mut with = HeaderMap::new();
    for name in ["x-echo", "x-amz-request-id", "content-type", "etag"] {
        if let Some(value) = headers.get("authorization").or(headers.get("x-api-key")) {
            with.insert(name, value.clone());
        }
    }
    let plain = world.plain.as_bytes();
    with.insert("x-said", HeaderValue::from_bytes(plain).unwrap());
    if status == 302 {
        let to = format!("/loop?{}", world.query);
        with.insert(LOCATION, HeaderValue::from_str(&to).unwrap());
    }
    (StatusCode::from_u16(status).unwrap(), with, text)
}

impl World {
    fn answer(&self, method: &Method, uri: &Uri, asked: &str, body: &str) -> (u16, String) {
        let said = format!("{} {asked} {}", self.said, uri);
        let refuses = uri.to_string().contains("refuse") || body.contains("refuse");
        let json = |status: u16, value: Value| (status, value.to_string());
        if uri.path() == "/redirect" || uri.path() == "/loop" {
            return (302, said);
        }
        if uri.path().ends_with("broken") || body.contains("broken") {
            return (500, format!("<html>{said}</html>"));
        }
        match uri.path() {
            "/v1/info" => json(
                200,
                json!({"nodeVersion": {"version": said}, "environment": said, "coordinator": true, "starting": false}),
            ),
            "/v1/statement" if refuses => json(
                200,
                json!({"id": "q2", "stats": {"state": "FAILED"},
                "error": {"message": said, "errorName": said, "errorType": "USER_ERROR"}}),
            ),
            "/v1/statement" => json(
                200,
                json!({"id": "q1", "stats": {"state": "FINISHED"}, "columns": [{"name": said, "type": "varchar"}],
                "data": [[said, {"k": said}]], "warnings": [{"message": said}]}),
            ),
            "/v1/query" => json(200, json!([])),
            path if path.starts_with("/bucket/") => (
                403,
                format!(
                    "<Error><Code>AccessDenied</Code><RequestId><![CDATA[{said}]]></RequestId><Message><![CDATA[{said}]]></Message></Error>"
                ),
            ),
            "/api/v1/query" if refuses => json(
                400,
                json!({"status": "error", "errorType": "bad_data", "error": said}),
            ),
            "/api/v1/query" => json(
                200,
                json!({"status": "success", "warnings": [said], "infos": [said], "data": {"resultType": "vector",
                "result": [{"metric": {"__name__": "up", "job": said}, "value": [1, "1"]}]}}),
            ),
            path if path.starts_with("/api") => self.cluster(method, path, &said, refuses),
            _ => json(
                if refuses { 401 } else { 200 },
                json!({"said": said, said.clone(): 1}),
            ),
        }
    }

    fn cluster(&self, method: &Method, path: &str, said: &str, refuses: bool) -> (u16, String) {
        let object = |data: &str| {
            json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": "n", "uid": "u", "resourceVersion": "1", "labels": {"a": "b"}}, "data": {"k": data}})
        };
        if refuses {
            return (403, json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": said}).to_string());
        }
        let value = match path {
            "/api/v1" => {
                json!({"resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": true}]})
            }
            "/api/v1/namespaces/n/secrets/s" => {
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
                "data": {"k": STANDARD.encode(&self.secret)}})
            }
            "/api/v1/namespaces/n/pods" => {
                json!({"kind": "PodList", "metadata": {}, "items": [{"metadata": {"name": "p", "namespace": "n", "annotations": {"a": said}},
                "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Running"}}]})
            }
            "/api/v1/namespaces/n/configmaps/plain" => object(&self.plain),
            path if path.ends_with("/log") => return (200, said.to_owned()),
            path if path.contains("/leases") && *method == Method::GET => {
                return (404, json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": "none"}).to_string());
            }
            path if path.contains("/leases") => {
                json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "flowctl-w-t", "resourceVersion": "1", "uid": "u"}, "spec": {}})
            }
            _ => object(said),
        };
        (200, value.to_string())
    }
}
