//! What is asked of the cluster: one object, many, or the log of a container.

use ::kube::core::params::{GetParams, ListParams};
use ::kube::core::subresource::LogParams;
use ::kube::core::{Request, request};
use serde_json::Value;

use super::{Kube, parse, subject};
use crate::clients::kube::discovery::Resource;
use crate::clients::kube::error::Subject;
use crate::error::StepError;

/// Objects a page when listing.
const PAGE: u32 = 500;
/// No list is longer.
const MOST_OBJECTS: usize = 1_000_000;

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

impl Kube {
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
}

fn parse_optional(text: Option<String>, subject: &Subject) -> Result<Option<Value>, StepError> {
    text.map(|text| parse(&text, subject)).transpose()
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
