//! What the parts of a target must be to each other: addresses, secrets, the cluster.

use super::Reader;
use crate::code;
use crate::diagnostic::{Diagnostic, suggest};
use crate::target::{Auth, SecretName, Target};
use crate::yaml::Node;

impl Reader<'_> {
    pub(super) fn check(&mut self, target: &Target, node: &Node) {
        let endpoints = [
            ("prometheus", &target.prometheus),
            ("alertmanager", &target.alertmanager),
            ("alert_receiver", &target.alert_receiver),
            ("grafana", &target.grafana),
        ];
        for (name, endpoint) in endpoints {
            if let Some(endpoint) = endpoint {
                self.endpoint(
                    name,
                    endpoint.url.as_deref(),
                    endpoint.service.as_deref(),
                    endpoint.direct,
                    node,
                );
                self.auth(name, endpoint.auth.as_ref(), target, node);
            }
        }
        if let Some(trino) = &target.trino {
            self.endpoint(
                "trino",
                trino.url.as_deref(),
                trino.service.as_deref(),
                trino.direct,
                node,
            );
            self.auth("trino", trino.auth.as_ref(), target, node);
        }
        if let Some(s3) = &target.s3 {
            self.endpoint("s3", Some(&s3.url), None, false, node);
            self.secret(
                &s3.access_key,
                &["s3", "access_key", "secret"],
                target,
                node,
            );
            self.secret(
                &s3.secret_key,
                &["s3", "secret_key", "secret"],
                target,
                node,
            );
        }
        let needs_cluster =
            |service: &Option<String>| service.is_some() && target.kubernetes.is_none();
        let through_cluster = endpoints.iter().filter_map(|(name, endpoint)| {
            endpoint.as_ref().map(|endpoint| (*name, &endpoint.service))
        });
        for (name, service) in
            through_cluster.chain(target.trino.as_ref().map(|trino| ("trino", &trino.service)))
        {
            if needs_cluster(service) {
                let problem = Diagnostic::new(
                    code::ENDPOINT,
                    format!("`{name}` is a service of a cluster, and the target has none"),
                );
                self.report(
                    problem.help("add `kubernetes:`, or use `url:`"),
                    &[name, "service"],
                    node,
                );
            }
        }
    }

    fn endpoint(
        &mut self,
        name: &str,
        url: Option<&str>,
        service: Option<&str>,
        direct: bool,
        node: &Node,
    ) {
        let help = "give `url: http://…` or `service: NAMESPACE/NAME:PORT`";
        match (url, service) {
            (Some(_), Some(_)) => {
                self.report(
                    Diagnostic::new(
                        code::ENDPOINT,
                        format!("`{name}` has both `url` and `service`"),
                    )
                    .help(help),
                    &[name],
                    node,
                );
            }
            (None, None) => {
                self.report(
                    Diagnostic::new(
                        code::ENDPOINT,
                        format!("`{name}` has neither `url` nor `service`"),
                    )
                    .help(help),
                    &[name],
                    node,
                );
            }
            (Some(url), None) => {
                let rest = url
                    .strip_prefix("http://")
                    .or_else(|| url.strip_prefix("https://"));
                let host = rest.map(|rest| rest.split('/').next().unwrap_or(""));
                if host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
                    let problem = Diagnostic::new(
                        code::ENDPOINT,
                        format!("the `url` of `{name}` is no HTTP address"),
                    );
                    self.report(
                        problem.help("write `http://HOST:PORT` or `https://HOST`"),
                        &[name, "url"],
                        node,
                    );
                } else if host.is_some_and(|host| host.contains('@')) {
                    // It would be shown wherever the address is.
                    let problem = Diagnostic::new(
                        code::ENDPOINT,
                        format!("the `url` of `{name}` carries credentials"),
                    );
                    self.report(
                        problem.help("use `auth:` with a secret"),
                        &[name, "url"],
                        node,
                    );
                }
                if direct {
                    let problem = Diagnostic::new(
                        code::ENDPOINT,
                        format!("`direct` of `{name}` has no meaning with a `url`"),
                    );
                    self.report(problem.help("drop `direct`"), &[name, "direct"], node);
                }
            }
            (None, Some(service)) => {
                let parts = service.split_once('/').and_then(|(namespace, rest)| {
                    rest.split_once(':')
                        .map(|(name, port)| [namespace, name, port])
                });
                if parts.is_none_or(|parts| {
                    parts
                        .iter()
                        .any(|part| part.is_empty() || part.contains(['/', ':', ' ']))
                }) {
                    let problem = Diagnostic::new(
                        code::ENDPOINT,
                        format!("`{service}` is not the name of a service"),
                    );
                    self.report(
                        problem.help("write `NAMESPACE/NAME:PORT`"),
                        &[name, "service"],
                        node,
                    );
                }
            }
        }
    }

    fn auth(&mut self, name: &str, auth: Option<&Auth>, target: &Target, node: &Node) {
        match auth {
            Some(Auth::Basic {
                password: Some(password),
                ..
            }) => {
                self.secret(
                    password,
                    &[name, "auth", "basic", "password", "secret"],
                    target,
                    node,
                );
            }
            Some(Auth::Bearer { token }) => self.secret(
                token,
                &[name, "auth", "bearer", "token", "secret"],
                target,
                node,
            ),
            Some(Auth::Basic { password: None, .. }) | None => {}
        }
    }

    fn secret(&mut self, name: &SecretName, path: &[&str], target: &Target, node: &Node) {
        if !target.secrets.contains_key(&name.secret) {
            let problem = Diagnostic::new(
                code::UNKNOWN_SECRET,
                format!("the target defines no secret `{}`", name.secret),
            )
            .help("define it under `secrets:`, for example `NAME: {env: VARIABLE}`")
            .maybe_help(suggest(
                &name.secret,
                target.secrets.keys().map(String::as_str),
            ));
            self.report(problem, path, node);
        }
    }

    fn report(&mut self, problem: Diagnostic, path: &[&str], node: &Node) {
        let place = node.follow(path.iter().copied()).spot.place(self.text);
        self.problems.push(problem.at(place, "here"));
    }
}
