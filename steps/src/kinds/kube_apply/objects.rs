//! Which objects a step applies: gathered from files and parameters, looked up in the cluster, and
//! given their final form. A secret's value is filled in at the last moment and goes nowhere else.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::clients::kube::{Kube, Resource, manifest, object};
use crate::context::StepContext;
use crate::error::StepError;
use crate::secret::SecretRef;

/// Which run last applied an object.
const RUN: &str = "flowctl.dev/run";
/// Which of its steps.
const STEP: &str = "flowctl.dev/step";
/// Which step of which run created it, so that its undo knows what to delete.
pub(super) const CREATED: &str = "flowctl.dev/created-by";

/// The path of a file of the workflow.
#[derive(Debug, Clone, Deserialize)]
pub struct File(pub String);

impl schemars::JsonSchema for File {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "File".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "flowctl-file"})
    }
}

/// An object to apply.
#[derive(Debug)]
pub(in crate::kinds) struct Planned {
    /// As the manifest has it, with its namespace.
    pub(in crate::kinds) object: Value,
    /// Unknown as long as its kind is to come with this very step.
    pub(super) resource: Option<Resource>,
    /// As it was found; `None`: not there, or made by an earlier attempt of this step.
    pub(super) former: Option<Value>,
}

/// `RUN/STEP`: the same for all attempts.
pub(super) fn owner(cx: &StepContext) -> String {
    format!("{}/{}", cx.attempt.run, cx.attempt.step)
}

/// All objects in the order of their application.
pub(in crate::kinds) fn gather(
    cx: &StepContext,
    files: &[File],
    folder: Option<&str>,
    inline: &[Value],
) -> Result<Vec<Planned>, StepError> {
    let mut paths: Vec<String> = files.iter().map(|file| file.0.clone()).collect();
    if let Some(folder) = folder {
        let manifests = |path: &String| {
            [".yaml", ".yml", ".json"]
                .iter()
                .any(|end| path.ends_with(end))
        };
        paths.extend(cx.files.below(folder).into_iter().filter(manifests));
    }
    let mut objects = Vec::new();
    for path in &paths {
        objects.extend(manifest::parse(path, &cx.files.text(path)?)?);
    }
    for (index, object) in inline.iter().enumerate() {
        manifest::check(object, &format!("object {} under `objects`", index + 1))?;
        objects.push(object.clone());
    }
    if objects.is_empty() {
        return Err(
            StepError::permanent("kube.manifest", "there is no object to apply").help(
                "the files hold no YAML document, or the folder no .yaml, .yml or .json file",
            ),
        );
    }
    objects.sort_by_key(manifest::wave);
    Ok(objects
        .into_iter()
        .map(|object| Planned {
            object,
            resource: None,
            former: None,
        })
        .collect())
}

/// Finds each object's kind and former state, and gives it its namespace.
pub(super) async fn look_up(
    cx: &StepContext,
    kube: &Kube,
    planned: &mut [Planned],
    namespace: Option<&str>,
) -> Result<(), StepError> {
    let coming: HashSet<String> = planned
        .iter()
        .filter(|planned| object::kind(&planned.object) == "CustomResourceDefinition")
        .map(|planned| object::text(&planned.object, "/spec/names/kind").to_owned())
        .collect();
    let mut seen = HashSet::new();
    for planned in planned {
        let found = kube
            .resource(
                object::api_version(&planned.object),
                object::kind(&planned.object),
            )
            .await;
        let resource = match found {
            Ok(resource) => Some(resource),
            Err(error)
                if error.code == "kube.unknown_kind"
                    && coming.contains(object::kind(&planned.object)) =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        let namespaced = resource.as_ref().is_none_or(|resource| resource.namespaced);
        place(&mut planned.object, namespaced, namespace)?;
        if !seen.insert((
            object::api_version(&planned.object).to_owned(),
            object::title(&planned.object),
        )) {
            return Err(StepError::permanent(
                "kube.manifest",
                format!(
                    "{} stands twice among the objects to apply",
                    object::title(&planned.object)
                ),
            ));
        }
        if let Some(resource) = &resource {
            let live = kube
                .get(
                    resource,
                    object::namespace(&planned.object),
                    object::name(&planned.object),
                )
                .await?;
            // Made by an earlier attempt of this same step: before the step it was not there.
            planned.former = live.filter(|live| created_by(live) != owner(cx));
        }
        planned.resource = resource;
    }
    Ok(())
}

/// Which step of which run created an object; an empty text for one that flowctl did not create.
pub(super) fn created_by(object: &Value) -> &str {
    object["metadata"]["annotations"][CREATED]
        .as_str()
        .unwrap_or_default()
}

fn place(object: &mut Value, namespaced: bool, namespace: Option<&str>) -> Result<(), StepError> {
    if !namespaced || object::namespace(object).is_some() {
        return Ok(());
    }
    let Some(namespace) = namespace else {
        return Err(StepError::permanent(
            "kube.manifest",
            format!("{} names no namespace", object::title(object)),
        )
        .help("give the step a `namespace:`, or the object its `metadata.namespace`"));
    };
    object["metadata"]["namespace"] = json!(namespace);
    Ok(())
}

/// The object as it is sent: marked with its run and step, and with secrets filled in.
pub(super) fn final_form(cx: &StepContext, planned: &Planned) -> Result<Value, StepError> {
    let mut object = planned.object.clone();
    object::mark(&mut object, "annotations", RUN, cx.attempt.run.as_str());
    object::mark(&mut object, "annotations", STEP, cx.attempt.step.as_str());
    // Someone else's mark of creation stays: apply would take it away if it were left out.
    let created = match &planned.former {
        None => owner(cx),
        Some(former) => created_by(former).to_owned(),
    };
    if !created.is_empty() {
        object::mark(&mut object, "annotations", CREATED, &created);
    }
    if object::kind(&object) == "Secret"
        && let Some(values) = object.get_mut("stringData").and_then(Value::as_object_mut)
    {
        for value in values.values_mut() {
            if let Ok(reference) = serde_json::from_value::<SecretRef>(value.clone()) {
                *value = json!(cx.secrets.get(&reference.secret)?.reveal());
            }
        }
    }
    Ok(object)
}

/// Whether an object is as it was, but for the marks and the server's book-keeping.
pub(super) fn same(former: &Value, now: &Value) -> bool {
    let plain = |object: &Value| {
        let mut object = object::restorable(object);
        if let Some(annotations) = object
            .pointer_mut("/metadata/annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.retain(|key, _| !key.starts_with("flowctl.dev/"));
            if annotations.is_empty()
                && let Some(metadata) = object["metadata"].as_object_mut()
            {
                metadata.remove("annotations");
            }
        }
        object
    };
    plain(former) == plain(now)
}
