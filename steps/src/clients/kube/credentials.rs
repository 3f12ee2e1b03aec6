//! What a kubeconfig holds that must not be shown: an API server, a proxy before it or a library's log may say it back.

use std::path::Path;

use ::kube::config::Kubeconfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowctl_workflows::target::Kubernetes;
use serde_json::Value;

use crate::secret::Secret;

/// The token of the pod that flowctl runs in.
const IN_CLUSTER: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The tokens, passwords and keys that the context's user has. What cannot be read is left out here: connecting says why.
#[must_use]
pub fn credentials(settings: &Kubernetes) -> Vec<Secret> {
    let read = match &settings.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let mut found = Vec::new();
    if let Ok(kubeconfig) = read {
        let context = kubeconfig
            .contexts
            .iter()
            .find(|context| context.name == settings.context);
        let user = context.and_then(|context| context.context.as_ref()?.user.clone());
        let users = kubeconfig.auth_infos.iter();
        for entry in users.filter(|entry| Some(&entry.name) == user.as_ref()) {
            if let Ok(user) = serde_json::to_value(&entry.auth_info) {
                of_user(&user, &mut found);
            }
        }
    }
    found.extend(from_file(Path::new(IN_CLUSTER)));
    found
}

fn of_user(user: &Value, found: &mut Vec<Secret>) {
    let text = |pointer: &str| user.pointer(pointer).and_then(Value::as_str);
    for pointer in [
        "/token",
        "/password",
        "/client-key-data",
        "/auth-provider/config/access-token",
        "/auth-provider/config/id-token",
        "/auth-provider/config/refresh-token",
    ] {
        found.extend(text(pointer).map(Secret::new));
    }
    let key = text("/client-key-data").and_then(|key| STANDARD.decode(key).ok());
    found.extend(
        key.and_then(|key| String::from_utf8(key).ok())
            .map(Secret::new),
    );
    for pointer in ["/tokenFile", "/client-key"] {
        found.extend(text(pointer).and_then(|path| from_file(Path::new(path))));
    }
}

fn from_file(path: &Path) -> Option<Secret> {
    std::fs::read_to_string(path).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_contexts_user_has_is_found_and_no_other_users() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("token"), "of-the-file\n").unwrap();
        let key = STANDARD.encode("-----BEGIN KEY-----");
        let config = format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}]\nusers:\n- {{name: u, user: {{token: the-token, password: the-password, client-key-data: {key}, tokenFile: '{}'}}}}\n- {{name: other, user: {{token: another}}}}\ncontexts: [{{name: it, context: {{cluster: c, user: u}}}}]\n",
            path("token")
        );
        std::fs::write(path("kubeconfig"), config).unwrap();
        let settings = Kubernetes {
            kubeconfig: Some(path("kubeconfig")),
            context: "it".into(),
            ..Kubernetes::default()
        };
        let found = credentials(&settings);
        let found: Vec<&str> = found.iter().map(Secret::reveal).collect();
        for wanted in [
            "the-token",
            "the-password",
            &key,
            "-----BEGIN KEY-----",
            "of-the-file\n",
        ] {
            assert!(found.contains(&wanted), "{wanted}: {found:?}");
        }
        assert!(!found.contains(&"another"));
    }
}
