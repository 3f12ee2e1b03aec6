//! The calls themselves. Each one has a deadline and a few quick repetitions, then fails with a
//! class; all of them may be repeated, since apply, patch and delete come to the same twice, and a
//! second create is refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::kube::core::params::{
    DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions,
    PropagationPolicy,
};
use ::kube::core::subresource::LogParams;
use ::kube::core::{Request, request};
use serde_json::Value;

use super::discovery::Resource;
use super::error::{Subject, UNNAMED, classify, is_not_found};
use super::lease::Fence;
use crate::error::StepError;
use flowctl_workflows::result::ErrorClass;

/// One call is given up after this time: the library itself would wait for ever.
const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// Waits between the repetitions of one call; longer trouble is the retry policy's.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1500)];
/// Objects a page when listing.
const PAGE: u32 = 500;
/// No list is longer.
const MOST_OBJECTS: usize = 1_000_000;

/// A cluster. Cheap to clone.
#[derive(Clone)]
pub struct Kube {
    client: ::kube::Client,
    fence: Option<Arc<dyn Fence>>,
    resources: Arc<Mutex<HashMap<(String, String), Resource>>>,
}

/// Which objects of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// In this namespace; left out: in all.
    pub namespace: Option<String>,
    /// With these labels, as kubectl writes them.
    pub labels: Option<String>,
    /// With these fields, for example `metadata.name=web`.
    pub fields: Option<String>,
}

impl Selection {
    /// Everything in a namespace.
    #[must_use]
    pub fn all_in(namespace: &str) -> Self {
        Self {
            namespace: Some(namespace.to_owned()),
            ..Self::default()
        }
    }

    /// What has these labels in a namespace.
    #[must_use]
    pub fn labelled(namespace: &str, labels: &str) -> Self {
        Self {
            labels: Some(labels.to_owned()),
            ..Self::all_in(namespace)
        }
    }
}

/// How an object is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApplyMode {
    /// Takes fields over from other managers.
    pub force: bool,
    /// Asks the server what would come of it, and changes nothing.
    pub dry_run: bool,
}

/// Which part of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogWindow {
    /// Of this container; left out: of the only one.
    pub container: Option<String>,
    /// At most so many of the last lines.
    pub tail: Option<i64>,
    /// Not older than so many seconds.
    pub since_seconds: Option<i64>,
    /// At most so many bytes.
    pub limit_bytes: Option<i64>,
    /// Of the container's former life.
    pub previous: bool,
}

/// The name under which flowctl owns fields.
pub(crate) const FIELD_MANAGER: &str = "flowctl";

impl Kube {
    /// A cluster behind this client.
    #[must_use]
    pub fn new(client: ::kube::Client) -> Self {
        Self {
            client,
            fence: None,
            resources: Arc::default(),
        }
    }

    /// The same cluster, but each write asks first.
    #[must_use]
    pub fn fenced(self, fence: Arc<dyn Fence>) -> Self {
        Self {
            fence: Some(fence),
            ..self
        }
    }

    /// Whether something may be written now, for writes that go through [`Kube::client`].
    ///
    /// # Errors
    /// Of the fence.
    pub async fn may_write(&self) -> Result<(), StepError> {
        match &self.fence {
            Some(fence) => fence.check().await,
            None => Ok(()),
        }
    }

    /// The client itself, for what needs an upgraded connection (exec, port-forward).
    #[must_use]
    pub fn client(&self) -> ::kube::Client {
        self.client.clone()
    }

    pub(super) fn remembered(&self, api_version: &str, kind: &str) -> Option<Resource> {
        let known = self
            .resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known
            .get(&(api_version.to_owned(), kind.to_owned()))
            .cloned()
    }

    pub(super) fn remember(&self, resource: &Resource) {
        let mut known = self
            .resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.insert(
            (resource.api_version.clone(), resource.kind.clone()),
            resource.clone(),
        );
    }

    /// Whatever stands at a path; `None` when nothing does.
    ///
    /// # Errors
    /// [`StepError`] by class.
    pub async fn get_path(
        &self,
        path: &str,
        subject: &Subject,
    ) -> Result<Option<Value>, StepError> {
        let build = || {
            http::Request::get(path)
                .body(Vec::new())
                .map_err(request::Error::BuildRequest)
        };
        parse_optional(self.send(build, subject).await?, subject)
    }

    /// One object; `None` when it is not there.
    ///
    /// # Errors
    /// [`StepError`] by class.
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Value>, StepError> {
        let subject = subject("get", resource, namespace, Some(name));
        let request = Request::new(resource.path(namespace));
        parse_optional(
            self.send(|| request.get(name, &GetParams::default()), &subject)
                .await?,
            &subject,
        )
    }

    /// All objects of a selection, page by page. Each carries its `apiVersion` and `kind`, which a list leaves out.
    ///
    /// # Errors
    /// [`StepError`] by class.
    pub async fn list(
        &self,
        resource: &Resource,
        selection: &Selection,
    ) -> Result<Vec<Value>, StepError> {
        let namespace = selection.namespace.as_deref();
        let subject = subject("list", resource, namespace, None);
        let request = Request::new(resource.path(namespace));
        let mut params = ListParams {
            limit: Some(PAGE),
            ..ListParams::default()
        };
        params.label_selector.clone_from(&selection.labels);
        params.field_selector.clone_from(&selection.fields);
        let mut objects = Vec::new();
        loop {
            let text = self
                .send(|| request.list(&params), &subject)
                .await?
                .ok_or_else(|| {
                    StepError::permanent(
                        "kube.not_found",
                        format!("could not {subject}: the cluster serves no such kind"),
                    )
                })?;
            let mut page = parse(&text, &subject)?;
            let items = items(&mut page, resource).ok_or_else(|| {
                StepError::permanent(
                    "kube.protocol",
                    format!("could not {subject}: the answer is no list of objects"),
                )
            })?;
            objects.extend(items);
            match page["metadata"]["continue"]
                .as_str()
                .filter(|token| !token.is_empty())
            {
                // A server that counts on from the same place for ever would fill the memory.
                Some(token)
                    if params.continue_token.as_deref() == Some(token)
                        || objects.len() >= MOST_OBJECTS =>
                {
                    return Err(StepError::permanent(
                        "kube.protocol",
                        format!("could not {subject}: the list does not come to an end"),
                    ));
                }
                Some(token) => params.continue_token = Some(token.to_owned()),
                None => return Ok(objects),
            }
        }
    }

    /// Server-side apply with strict validation: what the schema does not know is an error.
    ///
    /// # Errors
    /// [`StepError`] by class; `kube.conflict` when another manager owns a field.
    pub async fn apply(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        object: &Value,
        mode: ApplyMode,
    ) -> Result<Value, StepError> {
        let subject = subject("patch", resource, namespace, Some(name));
        let mut params = PatchParams::apply(FIELD_MANAGER).validation_strict();
        params.force = mode.force;
        params.dry_run = mode.dry_run;
        let request = Request::new(resource.path(namespace));
        let sent = self
            .send(
                || request.patch(name, &params, &Patch::Apply(object)),
                &subject,
            )
            .await;
        match sent {
            Err(error) if error.code == UNNAMED => Err(self
                .misfit(&request, object, &subject)
                .await
                .unwrap_or(error)),
            sent => present(sent?, &subject),
        }
    }

    /// An apply with a field that the schema lacks fails like a fault of the server's own. A create that
    /// changes nothing is asked for instead: it names every such field. `None`: the object fits.
    async fn misfit(
        &self,
        request: &Request,
        object: &Value,
        subject: &Subject,
    ) -> Option<StepError> {
        let target = format!("{}?dryRun=All&fieldValidation=Strict", request.url_path);
        let body = object.to_string().into_bytes();
        let build = || {
            http::Request::post(&target)
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(body.clone())
                .map_err(request::Error::BuildRequest)
        };
        let error = self.send(build, subject).await.err()?;
        (error.code == "kube.bad_request").then(|| StepError {
            code: "kube.unknown_field".to_owned(),
            help: Some(
                "kubectl explain KIND --recursive lists the fields that this cluster knows"
                    .to_owned(),
            ),
            ..error
        })
    }

    /// Puts an object in the place of the one that is there.
    ///
    /// # Errors
    /// [`StepError`] by class; Transient when it was changed meanwhile.
    pub async fn replace(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        object: &Value,
    ) -> Result<Value, StepError> {
        let subject = subject("update", resource, namespace, Some(name));
        let body = object.to_string().into_bytes();
        let request = Request::new(resource.path(namespace));
        let text = self
            .send(
                || request.replace(name, &by_flowctl(), body.clone()),
                &subject,
            )
            .await?;
        present(text, &subject)
    }

    /// Makes an object that is not there.
    ///
    /// # Errors
    /// [`StepError`] by class; `kube.already_exists`, also when an earlier answer was lost.
    pub async fn create(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        object: &Value,
    ) -> Result<Value, StepError> {
        let subject = subject(
            "create",
            resource,
            namespace,
            Some(super::object::name(object)),
        );
        let body = object.to_string().into_bytes();
        let request = Request::new(resource.path(namespace));
        let text = self
            .send(|| request.create(&by_flowctl(), body.clone()), &subject)
            .await?;
        present(text, &subject)
    }

    /// Asks for the end of an object, and of what it owns; with `uid` only if it is still that one.
    /// `false`: it was not there.
    ///
    /// # Errors
    /// [`StepError`] by class.
    pub async fn delete(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        uid: Option<&str>,
    ) -> Result<bool, StepError> {
        let subject = subject("delete", resource, namespace, Some(name));
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: uid.map(|uid| Preconditions {
                uid: Some(uid.to_owned()),
                ..Preconditions::default()
            }),
            ..DeleteParams::default()
        };
        let request = Request::new(resource.path(namespace));
        Ok(self
            .send(|| request.delete(name, &params), &subject)
            .await?
            .is_some())
    }

    /// The log of a container of a pod; `None` when the pod is not there.
    ///
    /// # Errors
    /// [`StepError`] by class.
    pub async fn log(
        &self,
        namespace: &str,
        pod: &str,
        window: &LogWindow,
    ) -> Result<Option<String>, StepError> {
        let mut subject = subject("get", &Resource::pods(), Some(namespace), Some(pod));
        subject.resource = "pods/log".to_owned();
        let params = LogParams {
            container: window.container.clone(),
            tail_lines: window.tail,
            since_seconds: window.since_seconds,
            limit_bytes: window.limit_bytes,
            previous: window.previous,
            ..LogParams::default()
        };
        let request = Request::new(Resource::pods().path(Some(namespace)));
        self.send(|| request.logs(pod, &params), &subject).await
    }

    /// Sends, repeats what is transient, and answers `None` for "not found".
    pub(super) async fn send(
        &self,
        build: impl Fn() -> Result<http::Request<Vec<u8>>, request::Error>,
        subject: &Subject,
    ) -> Result<Option<String>, StepError> {
        let mut pauses = PAUSES.iter();
        loop {
            let request = build().map_err(|error| {
                StepError::permanent("kube.request", format!("could not {subject}: {error}"))
            })?;
            if changes(&request) {
                self.may_write().await?;
            }
            let error = match tokio::time::timeout(CALL_DEADLINE, self.client.request_text(request))
                .await
            {
                Ok(Ok(text)) => return Ok(Some(text)),
                Ok(Err(error)) if is_not_found(&error) => return Ok(None),
                Ok(Err(error)) => classify(&error, subject),
                Err(_) => StepError::transient(
                    "kube.no_answer",
                    format!(
                        "could not {subject}: no answer within {} s",
                        CALL_DEADLINE.as_secs()
                    ),
                ),
            };
            match pauses.next() {
                Some(pause) if error.class == ErrorClass::Transient && error.code != UNNAMED => {
                    tokio::time::sleep(*pause).await
                }
                _ => return Err(error),
            }
        }
    }
}

/// Whether a request changes something in the cluster. One that only asks what would come of it does not, nor does a
/// question of who may do what, which is a POST all the same.
fn changes(request: &http::Request<Vec<u8>>) -> bool {
    let uri = request.uri();
    let asks = matches!(*request.method(), http::Method::GET | http::Method::HEAD)
        || uri
            .query()
            .is_some_and(|query| query.contains("dryRun=All"))
        || uri.path().starts_with("/apis/authorization.k8s.io/");
    !asks
}

fn by_flowctl() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

pub(super) fn subject(
    verb: &'static str,
    resource: &Resource,
    namespace: Option<&str>,
    name: Option<&str>,
) -> Subject {
    Subject {
        verb,
        resource: resource.qualified(),
        namespace: namespace.filter(|_| resource.namespaced).map(str::to_owned),
        name: name.map(str::to_owned),
    }
}

/// An answer, which is an object whatever was asked: callers write into its fields.
fn parse(text: &str, subject: &Subject) -> Result<Value, StepError> {
    let refused =
        |why: String| StepError::permanent("kube.protocol", format!("could not {subject}: {why}"));
    let answer: Value = serde_json::from_str(text)
        .map_err(|error| refused(format!("the answer is not JSON: {error}")))?;
    match answer {
        Value::Object(_) => Ok(answer),
        _ => Err(refused("the answer is no JSON object".to_owned())),
    }
}

fn parse_optional(text: Option<String>, subject: &Subject) -> Result<Option<Value>, StepError> {
    text.map(|text| parse(&text, subject)).transpose()
}

pub(super) fn present(text: Option<String>, subject: &Subject) -> Result<Value, StepError> {
    let text = text.ok_or_else(|| {
        StepError::permanent(
            "kube.not_found",
            format!("could not {subject}: the object or its namespace is not there"),
        )
    })?;
    parse(&text, subject)
}

/// The objects of a page, each with its kind; `None` when it is no page of a list. What cannot be read is not left out: a
/// check that nothing is wrong would hold of the rest. `null` is how a server writes an empty list that it never filled.
fn items(page: &mut Value, resource: &Resource) -> Option<Vec<Value>> {
    let typed = |mut object: Value| {
        let fields = object.as_object_mut()?;
        fields.insert("apiVersion".into(), resource.api_version.clone().into());
        fields.insert("kind".into(), resource.kind.clone().into());
        Some(object)
    };
    match page.as_object_mut()?.get_mut("items")?.take() {
        Value::Array(items) => items.into_iter().map(typed).collect(),
        Value::Null => Some(Vec::new()),
        _ => None,
    }
}

#[cfg(test)]
#[path = "api/tests.rs"]
mod tests;
