//! Putting back what `kube.apply` changed. What was there is written down before the first change;
//! a Secret's former values are not, since they would stand in the state.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::objects::{Planned, created_by, owner};
use crate::clients::kube::{Kube, object};
use crate::context::StepContext;
use crate::error::StepError;
use crate::step::Undone;

/// What is written down before the first change.
#[derive(Debug, Serialize, Deserialize)]
struct Handle {
    former: Vec<Former>,
}

/// One object as it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Former {
    api_version: String,
    kind: String,
    namespace: Option<String>,
    name: String,
    was: Was,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Was {
    Absent,
    /// It was there, but its content is not kept.
    Kept,
    There(Value),
}

/// Writes down what was there, unless an earlier process or attempt did so already: what is found now
/// may be what that one made.
pub(super) async fn remember(cx: &StepContext, planned: &[Planned]) -> Result<(), StepError> {
    if cx.handle.is_some() {
        return Ok(());
    }
    if let Some(left) = &cx.left {
        return cx.sink.checkpoint(left.clone()).await;
    }
    let former = planned
        .iter()
        .map(|planned| Former {
            api_version: object::api_version(&planned.object).to_owned(),
            kind: object::kind(&planned.object).to_owned(),
            namespace: object::namespace(&planned.object).map(str::to_owned),
            name: object::name(&planned.object).to_owned(),
            was: match &planned.former {
                None => Was::Absent,
                Some(former) if object::kind(former) == "Secret" => Was::Kept,
                Some(former) => Was::There(object::restorable(former)),
            },
        })
        .collect();
    cx.sink.checkpoint(json!(Handle { former })).await
}

/// Puts everything back, last first.
pub(in crate::kinds) async fn put_back(cx: &StepContext) -> Result<Undone, StepError> {
    let Some(handle) = cx.handle.clone() else {
        return Ok(Undone::Nothing("it had changed nothing"));
    };
    let handle: Handle = serde_json::from_value(handle).map_err(|error| {
        StepError::permanent(
            "kube.handle",
            format!("what was written down before the change cannot be read: {error}"),
        )
    })?;
    let kube = cx.clients.kube().await?;
    let mut done = Vec::new();
    for former in handle.former.iter().rev() {
        done.push(put_back_one(cx, &kube, former).await?);
    }
    Ok(Undone::Restored(done.join("; ")))
}

async fn put_back_one(cx: &StepContext, kube: &Kube, former: &Former) -> Result<String, StepError> {
    let title = match &former.namespace {
        Some(namespace) => format!("{} {namespace}/{}", former.kind, former.name),
        None => format!("{} {}", former.kind, former.name),
    };
    let resource = match kube.resource(&former.api_version, &former.kind).await {
        Err(error) if error.code == "kube.unknown_kind" => {
            return Ok(format!("{title} is gone with its kind"));
        }
        found => found?,
    };
    let namespace = former.namespace.as_deref();
    let live = kube.get(&resource, namespace, &former.name).await?;
    match (&former.was, live) {
        (Was::Absent, None) => Ok(format!("{title} is not there")),
        (Was::Absent, Some(live)) if created_by(&live) != owner(cx) => {
            Ok(format!("{title} stays: by now it is someone else's"))
        }
        (Was::Absent, Some(live)) => {
            kube.delete(&resource, namespace, &former.name, Some(object::uid(&live)))
                .await?;
            Ok(format!("{title} deleted"))
        }
        (Was::Kept, _) => Ok(format!(
            "{title} stays as it is: a Secret's former values are not kept"
        )),
        (Was::There(was), live) => {
            let mut was = was.clone();
            if let Some(live) = live {
                was["metadata"]["resourceVersion"] = json!(object::resource_version(&live));
                kube.replace(&resource, namespace, &former.name, &was)
                    .await?;
            } else {
                kube.create(&resource, namespace, &was).await?;
            }
            Ok(format!("{title} put back"))
        }
    }
}
