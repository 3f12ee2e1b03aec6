//! Which kinds the cluster serves, and under which path. Remembers what it found; a kind that was
//! not found is asked for again, since a step may have installed it meanwhile.

use serde_json::Value;

use super::api::Kube;
use super::error::Subject;
use crate::error::StepError;

/// A kind that the cluster serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// `apps/v1`, `v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// `deployments`.
    pub plural: String,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
}

impl Resource {
    /// A pod: every cluster has them, so none needs to be asked.
    #[must_use]
    pub fn pods() -> Self {
        Self::core("Pod", "pods")
    }

    /// A Secret.
    #[must_use]
    pub fn secrets() -> Self {
        Self::core("Secret", "secrets")
    }

    /// A kind of the core group that lives in a namespace.
    #[must_use]
    pub fn core(kind: &str, plural: &str) -> Self {
        Self {
            api_version: "v1".into(),
            kind: kind.into(),
            plural: plural.into(),
            namespaced: true,
        }
    }

    /// `deployments.apps`, as `kubectl auth can-i` wants it.
    #[must_use]
    pub fn qualified(&self) -> String {
        match self.api_version.split_once('/') {
            Some((group, _)) => format!("{}.{group}", self.plural),
            None => self.plural.clone(),
        }
    }

    /// The path of the collection.
    #[must_use]
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = root(&self.api_version);
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }
}

/// Where an API version is served.
fn root(api_version: &str) -> String {
    if api_version.contains('/') {
        format!("/apis/{api_version}")
    } else {
        format!("/api/{api_version}")
    }
}

/// The resource of this kind in an `APIResourceList`; subresources are passed over.
fn find(list: &Value, api_version: &str, kind: &str) -> Option<Resource> {
    list["resources"].as_array()?.iter().find_map(|entry| {
        let plural = entry["name"].as_str().filter(|name| !name.contains('/'))?;
        (entry["kind"] == kind).then(|| Resource {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            namespaced: entry["namespaced"] == true,
        })
    })
}

impl Kube {
    /// The resource for a kind, asked of the cluster once.
    ///
    /// # Errors
    /// Permanent, `kube.unknown_kind`, when the cluster does not serve it.
    pub async fn resource(&self, api_version: &str, kind: &str) -> Result<Resource, StepError> {
        if let Some(known) = self.remembered(api_version, kind) {
            return Ok(known);
        }
        let subject = Subject {
            verb: "discover",
            resource: format!("{api_version} {kind}"),
            namespace: None,
            name: None,
        };
        let list = self
            .get_path(&root(api_version), &subject)
            .await?
            .unwrap_or(Value::Null);
        let found = find(&list, api_version, kind).ok_or_else(|| {
            StepError::permanent("kube.unknown_kind", format!("the cluster serves no `{kind}` in `{api_version}`"))
                .help(format!("install its CustomResourceDefinition first, or correct the apiVersion: kubectl api-resources | grep -i {kind}"))
        })?;
        self.remember(&found);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn subresources_do_not_hide_the_resource() {
        let list = json!({"resources": [
            {"name": "deployments/scale", "kind": "Deployment", "namespaced": true},
            {"name": "deployments", "kind": "Deployment", "namespaced": true},
            {"name": "things", "kind": "Thing", "namespaced": false}
        ]});
        let deployment = find(&list, "apps/v1", "Deployment").unwrap();
        assert_eq!(
            deployment.path(Some("shop")),
            "/apis/apps/v1/namespaces/shop/deployments"
        );
        assert_eq!(deployment.qualified(), "deployments.apps");
        assert_eq!(
            find(&list, "apps/v1", "Thing").unwrap().path(Some("shop")),
            "/apis/apps/v1/things"
        );
        assert_eq!(find(&list, "apps/v1", "Other"), None);
        assert_eq!(Resource::pods().path(None), "/api/v1/pods");
    }
}
