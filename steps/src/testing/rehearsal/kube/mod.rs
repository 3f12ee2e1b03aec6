//! The double of the API server: discovery, objects with server-side apply and preconditions, logs, programs in pods, the
//! metrics API, and the controllers of Deployments and of Flux. A request that it does not know is answered with 501.

pub(super) mod chart;
pub(super) mod cluster;
mod controllers;
pub(super) mod exec;
mod fields;
pub(super) mod files;
mod flux;
mod nodes;
mod running;
mod select;
mod served;

use async_trait::async_trait;
use flowctl_workflows::inject::{Failing, Protocol};
use serde_json::{Value, json};

use self::cluster::{At, Cluster, Refused};
use self::served::Served;
use super::door::{self, Answer, Reply, Request};
use super::world::{self, Shared};
use crate::clients::kube::object;

/// The API server.
pub(super) struct Double {
    world: Shared,
}

impl Double {
    pub(super) fn new(world: Shared) -> Self {
        Self { world }
    }
}

#[async_trait]
impl door::Double for Double {
    fn protocol(&self) -> Protocol {
        Protocol::Kubernetes
    }

    async fn answer(&self, request: &Request) -> Answer {
        let mut world = world::lock(&self.world);
        match respond(&mut world.cluster, request) {
            Ok(answer) => answer,
            Err(refused) => refusal(&refused).into(),
        }
    }

    fn failing(&self, failing: Failing, _: &Request) -> Answer {
        let refused = match failing {
            Failing::Unavailable => Refused::new(
                503,
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
            ),
            Failing::Refused => Refused::new(403, "Forbidden", "forbidden: by the file of faults"),
            Failing::Reset => return Answer::Silence,
        };
        refusal(&refused).into()
    }
}

fn refusal(refused: &Refused) -> Reply {
    Reply::json(
        refused.status,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": refused.message,
            "reason": refused.reason, "details": {"causes": refused.causes}, "code": refused.status}),
    )
}

/// What a path means.
struct Way<'a> {
    group_version: String,
    namespace: Option<&'a str>,
    rest: Vec<&'a str>,
}

fn way(path: &str) -> Option<Way<'_>> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group_version, rest) = match parts[..] {
        ["api", version, ..] => (version.to_owned(), &parts[2..]),
        ["apis", group, version, ..] => (format!("{group}/{version}"), &parts[3..]),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        rest => (None, rest),
    };
    Some(Way {
        group_version,
        namespace,
        rest: rest.to_vec(),
    })
}

fn unknown(request: &Request) -> Refused {
    let message = format!(
        "the rehearsal does not know {} {}",
        request.method, request.path
    );
    Refused::new(501, "NotImplemented", message)
}

fn respond(cluster: &mut Cluster, request: &Request) -> Result<Answer, Refused> {
    if request.path == "/version" {
        return Ok(Reply::json(
            200,
            &json!({"major": "1", "minor": "37", "gitVersion": "v1.37.2"}),
        )
        .into());
    }
    let way = way(&request.path).ok_or_else(|| unknown(request))?;
    if request
        .asked("watch")
        .is_some_and(|watch| watch == "true" || watch == "1")
    {
        return Err(Refused::new(
            501,
            "NotImplemented",
            "the rehearsal knows no watch",
        ));
    }
    let served = |plural: &str| {
        served::by_plural(&way.group_version, plural).ok_or_else(|| {
            Refused::new(404, "NotFound", format!("the server could not find the requested resource: the rehearsal serves no `{plural}` in `{}`", way.group_version))
        })
    };
    match (request.method.as_str(), &way.rest[..]) {
        ("GET", []) => discovery(&way.group_version),
        ("GET", [plural]) => Ok(list(cluster, served(plural)?, way.namespace, request)?.into()),
        ("POST", [plural]) => create(cluster, served(plural)?, way.namespace, request),
        ("GET", ["pods", pod, "log"]) => log(cluster, way.namespace, pod, request),
        ("GET" | "POST", ["pods", pod, "exec"]) => {
            let pod = pod_of(cluster, way.namespace, pod)?;
            Ok(Answer::Streams(exec::run(
                cluster,
                &pod,
                &request.asked_all("command"),
            )))
        }
        (method, [plural, name]) => {
            let at = At {
                served: served(plural)?,
                namespace: way.namespace,
                name,
            };
            one(cluster, at, method, request)
        }
        _ => Err(unknown(request)),
    }
}

fn discovery(group_version: &str) -> Result<Answer, Refused> {
    let kinds = served::of(group_version);
    if kinds.is_empty() {
        return Err(Refused::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        ));
    }
    let resources: Vec<Value> = kinds
        .iter()
        .map(|served| {
            json!({"name": served.plural, "kind": served.kind, "namespaced": served.namespaced,
                "verbs": ["create", "delete", "get", "list", "patch", "update"]})
        })
        .collect();
    let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources});
    Ok(Reply::json(200, &list).into())
}

fn list(
    cluster: &Cluster,
    served: Served,
    namespace: Option<&str>,
    request: &Request,
) -> Result<Reply, Refused> {
    let kind = match served.group_version {
        served::METRICS => "Pod",
        _ => served.kind,
    };
    let mut items = Vec::new();
    for object in cluster.of_kind(kind, namespace) {
        if select::by_labels(object, request.asked("labelSelector").unwrap_or_default())?
            && select::by_fields(object, request.asked("fieldSelector").unwrap_or_default())?
        {
            items.push(match served.group_version {
                served::METRICS => running::metrics(object, cluster.clock.now()),
                _ => object.clone(),
            });
        }
    }
    Ok(Reply::json(
        200,
        &json!({"kind": format!("{}List", served.kind), "apiVersion": served.group_version,
            "metadata": {"resourceVersion": "0"}, "items": items}),
    ))
}

/// Whoever writes, by the name that he gives.
fn manager(request: &Request) -> &str {
    request.asked("fieldManager").unwrap_or("unknown")
}

fn is_dry(request: &Request) -> bool {
    request.asked("dryRun") == Some("All")
}

fn body(request: &Request) -> Result<Value, Refused> {
    serde_json::from_slice(&request.body)
        .map_err(|error| Refused::new(400, "BadRequest", format!("the body is not JSON: {error}")))
}

/// The fields that a strict request must not have.
fn misfits(served: Served, object: &Value, request: &Request) -> Vec<String> {
    match request.asked("fieldValidation") {
        Some("Strict") => served.unknown(object),
        _ => Vec::new(),
    }
}

fn create(
    cluster: &mut Cluster,
    served: Served,
    namespace: Option<&str>,
    request: &Request,
) -> Result<Answer, Refused> {
    let mut object = body(request)?;
    let misfits = misfits(served, &object, request);
    if !misfits.is_empty() {
        let words: Vec<String> = misfits
            .iter()
            .map(|field| format!("unknown field \"{}\"", &field[1..]))
            .collect();
        return Err(Refused::new(
            400,
            "BadRequest",
            format!("strict decoding error: {}", words.join(", ")),
        ));
    }
    in_namespace(cluster, namespace)?;
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    let name = object::name(&object).to_owned();
    let at = At {
        served,
        namespace,
        name: &name,
    };
    if cluster.get(&at.path()).is_some() {
        return Err(Refused::new(
            409,
            "AlreadyExists",
            format!("{} \"{name}\" already exists", served.plural),
        ));
    }
    let made = cluster.write(at, object, manager(request), is_dry(request))?;
    Ok(Reply::json(201, &made).into())
}

fn in_namespace(cluster: &Cluster, namespace: Option<&str>) -> Result<(), Refused> {
    match namespace.filter(|namespace| !cluster.has_namespace(namespace)) {
        None => Ok(()),
        Some(namespace) => Err(Refused::new(
            404,
            "NotFound",
            format!("namespaces \"{namespace}\" not found"),
        )),
    }
}

fn one(
    cluster: &mut Cluster,
    at: At<'_>,
    method: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let path = at.path();
    let live = cluster.get(&path).cloned();
    let kind = request
        .header("content-type")
        .split(';')
        .next()
        .unwrap_or_default();
    match (method, kind) {
        ("GET", _) => Ok(Reply::json(200, &live.ok_or_else(|| at.not_found())?).into()),
        ("DELETE", _) => {
            let live = live.ok_or_else(|| at.not_found())?;
            let wanted = body(request).unwrap_or_default()["preconditions"]["uid"].clone();
            if wanted.is_string() && wanted != live["metadata"]["uid"] {
                let message = format!(
                    "Precondition failed: UID in precondition: {wanted}, UID in object meta: {}",
                    object::uid(&live)
                );
                return Err(Refused::new(409, "Conflict", message));
            }
            let gone = cluster.delete(&path).unwrap_or(live);
            let answer = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                "details": {"name": at.name, "uid": object::uid(&gone)}});
            Ok(Reply::json(200, &answer).into())
        }
        ("PUT", _) => {
            let live = live.ok_or_else(|| at.not_found())?;
            let mut object = body(request)?;
            object["status"] = live["status"].clone();
            let now = cluster.write(at, object, manager(request), is_dry(request))?;
            Ok(Reply::json(200, &now).into())
        }
        ("PATCH", "application/apply-patch+yaml") => apply(cluster, at, request),
        ("PATCH", kind) => {
            let live = live.ok_or_else(|| at.not_found())?;
            let patch = body(request)?;
            let object = match kind {
                // A strategic patch of lists by their keys is more than the rehearsal does.
                "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
                    fields::merged(live.clone(), &patch, true)
                }
                "application/json-patch+json" => {
                    fields::patched(live.clone(), &patch).ok_or_else(|| {
                        Refused::new(
                            422,
                            "Invalid",
                            "the server rejected our request due to an error in our request",
                        )
                    })?
                }
                kind => {
                    return Err(Refused::new(
                        415,
                        "UnsupportedMediaType",
                        format!("the rehearsal does not know the patch `{kind}`"),
                    ));
                }
            };
            let now = cluster.write(at, object, manager(request), is_dry(request))?;
            Ok(Reply::json(200, &now).into())
        }
        _ => Err(unknown(request)),
    }
}

fn apply(cluster: &mut Cluster, at: At<'_>, request: &Request) -> Result<Answer, Refused> {
    let wanted = body(request)?;
    let misfits = misfits(at.served, &wanted, request);
    if let Some(first) = misfits.first() {
        // The real server has no reason for this one either.
        let message = format!(
            "failed to create typed patch object ({}/{}; {}, Kind={}): {first}: field not declared in schema",
            at.namespace.unwrap_or_default(),
            at.name,
            at.served.group_version,
            at.served.kind
        );
        return Err(Refused::new(500, "", message));
    }
    in_namespace(cluster, at.namespace)?;
    let force = request.asked("force") == Some("true");
    let (status, object) = cluster.apply(at, &wanted, manager(request), force, is_dry(request))?;
    Ok(Reply::json(status, &object).into())
}

fn pod_of(cluster: &Cluster, namespace: Option<&str>, name: &str) -> Result<Value, Refused> {
    let missing = || Refused::new(404, "NotFound", format!("pods \"{name}\" not found"));
    let served = served::by_kind("v1", "Pod").ok_or_else(missing)?;
    cluster
        .get(&served.path(namespace, name))
        .cloned()
        .ok_or_else(missing)
}

fn log(
    cluster: &Cluster,
    namespace: Option<&str>,
    name: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let pod = pod_of(cluster, namespace, name)?;
    if request.asked("previous") == Some("true") {
        return Err(Refused::new(
            400,
            "BadRequest",
            format!("previous terminated container in pod \"{name}\" not found"),
        ));
    }
    let lines = running::log(cluster, &pod);
    let tail = request
        .asked("tailLines")
        .and_then(|tail| tail.parse().ok());
    let from = lines.len().saturating_sub(tail.unwrap_or(usize::MAX));
    let text: String = lines[from..]
        .iter()
        .map(|line| format!("{line}\n"))
        .collect();
    Ok(Reply::text(200, text).into())
}
