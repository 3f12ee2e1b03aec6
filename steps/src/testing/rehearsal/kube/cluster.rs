//! The cluster's objects, with what the API server itself does to them: uids, resource versions, generations, owners of
//! fields, and the end of what an object owned.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use flowctl_workflows::inject::Change;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{self, Owners};
use super::served::{self, Served};
use super::{controllers, nodes};
use crate::clients::kube::object;
use crate::context::Clock;

/// The manager of what the cluster's own controllers write.
const CONTROLLER: &str = "rehearsal-controllers";

/// An answer that is no success: status, reason, message and further details.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) causes: Vec<Value>,
}

impl Refused {
    pub(super) fn new(status: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            message: message.into(),
            causes: Vec::new(),
        }
    }
}

/// A kind, a namespace and a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) served: Served,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: &'a str,
}

impl At<'_> {
    pub(super) fn path(self) -> String {
        self.served.path(self.namespace, self.name)
    }

    pub(super) fn not_found(self) -> Refused {
        let group = self.served.group_version.split_once('/');
        let resource = match group {
            Some((group, _)) => format!("{}.{group}", self.served.plural),
            None => self.served.plural.to_owned(),
        };
        let message = format!("{resource} \"{}\" not found", self.name);
        Refused::new(404, "NotFound", message)
    }
}

/// All objects.
pub(in crate::testing::rehearsal) struct Cluster {
    pub(super) clock: Arc<dyn Clock>,
    objects: BTreeMap<String, Value>,
    owners: BTreeMap<String, Owners>,
    versions: u64,
    uids: u64,
    pub(in crate::testing::rehearsal) changed_by_others: u64,
    /// Pods that there are no more, and when they went: what monitoring had seen of them stays true.
    pub(in crate::testing::rehearsal) gone: Vec<(Value, Timestamp)>,
}

impl Cluster {
    /// Three nodes and the namespaces that a platform has before phase 3.
    pub(in crate::testing::rehearsal) fn seeded(clock: Arc<dyn Clock>) -> Self {
        let mut cluster = Self {
            clock,
            objects: BTreeMap::new(),
            owners: BTreeMap::new(),
            versions: 0,
            uids: 0,
            changed_by_others: 0,
            gone: Vec::new(),
        };
        for object in nodes::seed() {
            cluster.keep(object);
        }
        cluster
    }

    /// The object at a path.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        self.objects.get(path)
    }

    /// All objects of a kind, in one namespace or in all.
    pub(in crate::testing::rehearsal) fn of_kind<'a>(
        &'a self,
        kind: &'a str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Value> {
        self.objects.values().filter(move |object| {
            object::kind(object) == kind
                && namespace.is_none_or(|wanted| object::namespace(object) == Some(wanted))
        })
    }

    /// Whether objects may be made in a namespace.
    pub(super) fn has_namespace(&self, namespace: &str) -> bool {
        self.of_kind("Namespace", None)
            .any(|object| object::name(object) == namespace)
    }

    /// A controller's write: the object as it is, whatever was there. Nothing else follows from it.
    pub(super) fn keep(&mut self, object: Value) -> Value {
        let Some(path) = path_of(&object) else {
            return object;
        };
        self.store(path, object, CONTROLLER)
    }

    /// Sets an object's status, as its controller does.
    pub(super) fn set_status(&mut self, path: &str, status: Value) {
        if let Some(mut object) = self.objects.get(path).cloned()
            && object["status"] != status
        {
            object["status"] = status;
            self.store(path.to_owned(), object, CONTROLLER);
        }
    }

    /// A server-side apply by a manager.
    pub(super) fn apply(
        &mut self,
        at: At<'_>,
        wanted: &Value,
        manager: &str,
        force: bool,
        dry_run: bool,
    ) -> Result<(u16, Value), Refused> {
        let wanted = &written_form(wanted.clone());
        let path = at.path();
        let live = self.objects.get(&path).cloned();
        let mut owners = self.owners.get(&path).cloned().unwrap_or_default();
        let start = live.clone().unwrap_or_else(|| json!({}));
        let object = fields::apply(&start, &mut owners, wanted, manager, force)
            .map_err(|conflicts| conflict(&conflicts))?;
        let status = if live.is_some() { 200 } else { 201 };
        if dry_run {
            return Ok((status, self.numbered(&path, object)));
        }
        self.owners.insert(path.clone(), owners);
        let object = self.store(path.clone(), object, manager);
        controllers::settle(self);
        Ok((status, self.get(&path).cloned().unwrap_or(object)))
    }

    /// Any other write by a manager: the object as it is to be.
    pub(super) fn write(
        &mut self,
        at: At<'_>,
        object: Value,
        manager: &str,
        dry_run: bool,
    ) -> Result<Value, Refused> {
        let path = at.path();
        let object = written_form(object);
        let live = self.objects.get(&path).cloned();
        let version = object::resource_version(&object);
        if let Some(live) = &live
            && !version.is_empty()
            && version != object::resource_version(live)
        {
            let message = format!(
                "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your changes to the latest version and try again",
                at.served.plural, at.name
            );
            return Err(Refused::new(409, "Conflict", message));
        }
        if dry_run {
            return Ok(self.numbered(&path, object));
        }
        let mut owners = self.owners.remove(&path).unwrap_or_default();
        let former = live.unwrap_or(Value::Null);
        fields::written(&former, &object, &mut owners, manager);
        self.owners.insert(path.clone(), owners);
        let object = self.store(path.clone(), object, manager);
        controllers::settle(self);
        Ok(self.get(&path).cloned().unwrap_or(object))
    }

    /// Takes an object away, with all that it owned.
    pub(super) fn delete(&mut self, path: &str) -> Option<Value> {
        let gone = self.forget(path)?;
        controllers::after_delete(self, &gone);
        controllers::settle(self);
        Some(gone)
    }

    /// Takes an object away, with what names it as its owner.
    pub(super) fn forget(&mut self, path: &str) -> Option<Value> {
        let gone = self.objects.remove(path)?;
        self.owners.remove(path);
        if object::kind(&gone) == "Pod" {
            self.gone.push((gone.clone(), self.clock.now()));
        }
        let uid = object::uid(&gone).to_owned();
        let owned: Vec<String> = self
            .objects
            .iter()
            .filter(|(_, object)| {
                object::list(object, "/metadata/ownerReferences")
                    .iter()
                    .any(|owner| owner["uid"] == uid.as_str())
            })
            .map(|(path, _)| path.clone())
            .collect();
        for path in owned {
            self.forget(&path);
        }
        Some(gone)
    }

    /// What somebody else does, by the file of faults. An object that is not there is not changed.
    pub(in crate::testing::rehearsal) fn change_by_other(&mut self, change: &Change) {
        let Some(served) = served::by_kind(&change.api_version, &change.kind) else {
            return;
        };
        let at = At {
            served,
            namespace: change.namespace.as_deref(),
            name: &change.name,
        };
        let Some(live) = self.get(&at.path()).cloned() else {
            return;
        };
        let object = fields::merged(live, &Value::Object(change.merge.clone()), true);
        if self.write(at, object, &change.manager, false).is_ok() {
            self.changed_by_others += 1;
        }
    }

    fn store(&mut self, path: String, object: Value, manager: &str) -> Value {
        let mut object = self.numbered(&path, object);
        if self.objects.get(&path) == Some(&object) {
            return object;
        }
        self.versions += 1;
        object["metadata"]["resourceVersion"] = json!(self.versions.to_string());
        if let Some(served) = served::by_kind(object::api_version(&object), object::kind(&object)) {
            object["metadata"]["managedFields"] = json!([{"manager": manager, "operation": "Update", "apiVersion": served.group_version}]);
        }
        self.objects.insert(path, object.clone());
        object
    }

    /// The object with what the server adds: uid, creation, generation, defaults.
    fn numbered(&mut self, path: &str, mut object: Value) -> Value {
        let former = self.objects.get(path);
        let metadata = &mut object["metadata"];
        match former {
            Some(former) => {
                for field in [
                    "uid",
                    "creationTimestamp",
                    "resourceVersion",
                    "managedFields",
                ] {
                    metadata[field] = former["metadata"][field].clone();
                }
                let generation = object::number(former, "/metadata/generation").unwrap_or(1);
                let changed = i64::from(former["spec"] != object["spec"]);
                object["metadata"]["generation"] = json!(generation + changed);
            }
            None => {
                self.uids += 1;
                metadata["uid"] = json!(format!("00000000-0000-4000-8000-{:012x}", self.uids));
                metadata["creationTimestamp"] =
                    json!(self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
                metadata["generation"] = json!(1);
            }
        }
        if object::kind(&object) == "Service" && object["spec"]["clusterIP"].is_null() {
            object["spec"]["clusterIP"] = json!("127.0.0.1");
        }
        object
    }
}

/// The path of an object of a kind that is served.
pub(super) fn path_of(object: &Value) -> Option<String> {
    let served = served::by_kind(object::api_version(object), object::kind(object))?;
    Some(served.path(object::namespace(object), object::name(object)))
}

/// An object as the server keeps it: a Secret's `stringData` is written into its `data`.
fn written_form(mut object: Value) -> Value {
    if object::kind(&object) != "Secret" {
        return object;
    }
    let Some(texts) = object
        .as_object_mut()
        .and_then(|fields| fields.shift_remove("stringData"))
    else {
        return object;
    };
    for (key, text) in texts.as_object().into_iter().flatten() {
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or_default());
        object["data"][key] = json!(encoded);
    }
    object
}

fn conflict(conflicts: &[fields::Conflict]) -> Refused {
    let words: Vec<String> = conflicts
        .iter()
        .map(|conflict| format!("conflict with \"{}\": {}", conflict.manager, conflict.field))
        .collect();
    let plural = if conflicts.len() == 1 { "" } else { "s" };
    let count = conflicts.len();
    let mut refused = Refused::new(
        409,
        "Conflict",
        format!(
            "Apply failed with {count} conflict{plural}: {}",
            words.join(", ")
        ),
    );
    refused.causes = conflicts
        .iter()
        .map(|conflict| {
            json!({"reason": "FieldManagerConflict", "field": conflict.field,
                "message": format!("conflict with \"{}\"", conflict.manager)})
        })
        .collect();
    refused
}
