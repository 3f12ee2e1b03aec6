//! What changes the cluster. Each of these may be sent again when an answer was lost: apply, replace and delete come to the
//! same twice, and a second create is refused.

use ::kube::core::params::{
    DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use ::kube::core::{Request, request};
use serde_json::Value;

use super::{Kube, present, subject};
use crate::clients::kube::discovery::Resource;
use crate::clients::kube::error::{Subject, UNNAMED};
use crate::clients::kube::object;
use crate::error::StepError;

/// The name under which flowctl owns fields.
const FIELD_MANAGER: &str = "flowctl";

/// How an object is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApplyMode {
    /// Takes fields over from other managers.
    pub force: bool,
    /// Asks the server what would come of it, and changes nothing.
    pub dry_run: bool,
}

impl Kube {
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
        let subject = subject("create", resource, namespace, Some(object::name(object)));
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
}

fn by_flowctl() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}
