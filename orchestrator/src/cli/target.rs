//! Which target is meant, and what its secrets are. flowctl never guesses a cluster: with two targets
//! and no word on which, it asks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use flowctl_steps::Registry;
use flowctl_steps::clients::Clients;
use flowctl_steps::clients::kube::{Resource, credentials};
use flowctl_steps::secret::{Secret, Secrets};
use flowctl_workflows::diagnostic::suggest;
use flowctl_workflows::plan::{Plan, PlanStep};
use flowctl_workflows::source::{Disk, Memory, Source};
use flowctl_workflows::target::{SecretSource, Target};
use flowctl_workflows::{Lookup, StepId, TargetFile, Workflow, load_target};
use serde_json::Value;

use super::error::Error;
use super::{Cx, doubles, log};
use crate::config;

/// Where targets are looked for.
const DIRECTORY: &str = "targets";
/// Shows how a target looks; nobody's platform.
const EXAMPLE: &str = "example";
/// The target of a workflow: the one that is named, else the only one there is, if the workflow needs any.
pub(super) fn choose(
    cx: &Cx,
    flag: Option<&str>,
    workflow: &Workflow,
) -> Result<Option<TargetFile>, Error> {
    if let Some(name) = flag.or(cx.config.target.as_deref()) {
        return load(cx, &path_of(name)?).map(Some);
    }
    if !needed_by(workflow) {
        return Ok(None);
    }
    // A rehearsal is always asked for by its name.
    let names: Vec<String> = names()
        .into_iter()
        .filter(|name| name != EXAMPLE && name != doubles::NAME)
        .collect();
    match &names[..] {
        [] => Ok(None),
        [only] => load(cx, &Path::new(DIRECTORY).join(format!("{only}.yaml"))).map(Some),
        [..] => Err(Error::usage_with_help(
            format!("there is more than one target: {}", names.join(", ")),
            "name one with --target or FLOWCTL_TARGET",
        )),
    }
}

/// The file of the target called `name`, which may also be a path.
pub(super) fn path_of(name: &str) -> Result<PathBuf, Error> {
    if name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml") {
        return Ok(PathBuf::from(name));
    }
    let path = Path::new(DIRECTORY).join(format!("{name}.yaml"));
    if path.is_file() || name == doubles::NAME {
        return Ok(path);
    }
    let known = names();
    let help = suggest(name, known.iter().map(String::as_str)).unwrap_or_else(|| {
        format!("a target is a file in ./{DIRECTORY}/, or is given by its path")
    });
    Err(Error::usage_with_help(
        format!(
            "there is no target `{name}`: {} does not exist",
            path.display()
        ),
        help,
    ))
}

/// Reads a target's file.
pub(super) fn load(cx: &Cx, path: &Path) -> Result<TargetFile, Error> {
    let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let file = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let lookup = Lookup {
        lab: cx
            .config
            .lab_directory()
            .map(|lab| lab.display().to_string()),
        home: cx.config.home().map(|home| home.display().to_string()),
        env: &config::variable,
    };
    let built_in = Path::new(DIRECTORY).join(format!("{}.yaml", doubles::NAME));
    let source: Box<dyn Source> = if path == built_in && !path.is_file() {
        Box::new(Memory::new("embedded:targets/", [(file, doubles::FILE)]))
    } else {
        Box::new(Disk::new(directory))
    };
    load_target(source.as_ref(), file, &lookup).map_err(Error::Invalid)
}

/// Whether any step of a workflow has to do with a target.
fn needed_by(workflow: &Workflow) -> bool {
    let registry = crate::kinds::registry();
    workflow.all_steps().any(|step| {
        let verify = step.verify.as_ref().map(|verify| verify.uses.as_str());
        let mut conditions = step.expect.iter().chain(&step.when);
        works_on_one(
            &registry,
            std::iter::once(step.uses.as_str()).chain(verify),
            &step.with,
        ) || mentions(&step.with.to_string())
            || conditions.any(|text| mentions(text))
    })
}

/// The same of a plan.
pub(super) fn needed_by_plan(plan: &Plan) -> bool {
    let registry = crate::kinds::registry();
    plan.steps.iter().any(|step| {
        let mut conditions = step.expect.iter().chain(&step.when);
        works_on_one(&registry, kinds(step), &step.with)
            || mentions(&step.with.to_string())
            || conditions.any(|text| mentions(text))
    })
}

/// Refuses to begin what cannot come to anything: steps that work on a target where there is none.
///
/// # Errors
/// Wrong usage, which names the first of them.
pub(super) fn refuse_none(plan: &Plan, only: &[StepId]) -> Result<(), Error> {
    if plan.target.is_some() {
        return Ok(());
    }
    let registry = crate::kinds::registry();
    let lost = plan
        .steps
        .iter()
        .filter(|step| only.is_empty() || only.iter().any(|name| step.id.is_meant_by(name)))
        .find(|step| works_on_one(&registry, kinds(step), &step.with));
    let Some(step) = lost else {
        return Ok(());
    };
    Err(Error::usage_with_help(
        format!(
            "`{}` works on a target, and no target was named or is in ./{DIRECTORY}/",
            step.id
        ),
        format!(
            "`flowctl init` writes an example of one; `--target {}` runs on doubles, with nothing installed",
            doubles::NAME
        ),
    ))
}

/// The kinds that a step of a plan may use.
fn kinds(step: &PlanStep) -> impl Iterator<Item = &str> {
    let probes = [
        step.verify.as_deref(),
        step.undo.as_ref().and_then(|undo| undo.by.as_ref()),
    ];
    let probes = probes
        .into_iter()
        .flatten()
        .map(|probe| probe.kind.as_str());
    step.role.kind().into_iter().chain(probes)
}

/// Whether one of these kinds, or of those that a step's parameters name, does its work on a target.
fn works_on_one<'a>(
    registry: &Registry,
    kinds: impl IntoIterator<Item = &'a str>,
    with: &Value,
) -> bool {
    let of_target = |kind: &str| {
        registry
            .get(kind)
            .is_some_and(|entry| entry.info.needs_target)
    };
    kinds.into_iter().any(of_target) || uses_within(with).into_iter().any(of_target)
}

/// The kinds that an experiment's parameters name, at whatever depth.
fn uses_within(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("uses").and_then(Value::as_str);
            own.into_iter()
                .chain(fields.values().flat_map(uses_within))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(uses_within).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Whether a text asks for something that a target has.
fn mentions(text: &str) -> bool {
    text.contains("target.") || text.contains("\"secret\"")
}

/// The secrets of a run: those of the target, and those that the workflow names and the environment has.
/// The second part says which of the target's could not be read, and why.
pub(super) async fn secrets(target: Option<&Target>, named: &[String]) -> (Secrets, Vec<String>) {
    let mut values = HashMap::new();
    let mut problems = Vec::new();
    let kubernetes = target.and_then(|target| target.kubernetes.as_ref());
    let nameless = kubernetes.map(credentials).unwrap_or_default();
    // The cluster is asked for secrets before they are known.
    log::hide(&Secrets::with_nameless(HashMap::new(), &nameless));
    for (name, source) in target.iter().flat_map(|target| &target.secrets) {
        match read(target, source).await {
            Ok(value) => {
                values.insert(name.clone(), Secret::new(value));
            }
            Err(why) => problems.push(format!("the secret {name} cannot be read: {why}")),
        }
    }
    for name in named {
        if let (false, Some(value)) = (values.contains_key(name), config::variable(name)) {
            values.insert(name.clone(), Secret::new(value));
        }
    }
    (Secrets::with_nameless(values, &nameless), problems)
}

/// The names in every `{secret: NAME}` of a value.
pub(super) fn secrets_named_in(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => match (fields.len(), fields.get("secret")) {
            (1, Some(Value::String(name))) => names.push(name.clone()),
            _ => fields
                .values()
                .for_each(|field| secrets_named_in(field, names)),
        },
        Value::Array(items) => items.iter().for_each(|item| secrets_named_in(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

async fn read(target: Option<&Target>, source: &SecretSource) -> Result<String, String> {
    match source {
        SecretSource::Env(name) => config::variable(name)
            .ok_or_else(|| format!("the environment variable {name} is not set")),
        SecretSource::File(path) => {
            let mut text =
                std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
            if text.ends_with('\n') {
                text.truncate(text.len() - 1);
            }
            Ok(text)
        }
        SecretSource::Kubernetes(path) => read_from_cluster(target, path).await,
    }
}

async fn read_from_cluster(target: Option<&Target>, path: &str) -> Result<String, String> {
    let [namespace, name, key] = path.split('/').collect::<Vec<_>>()[..] else {
        return Err(format!("`{path}` is not NAMESPACE/NAME/KEY"));
    };
    let clients = Clients::new(target.cloned(), Secrets::default());
    let kube = clients.kube().await.map_err(|error| error.to_string())?;
    let found = kube
        .get(&Resource::core("Secret", "secrets"), Some(namespace), name)
        .await;
    let object = found
        .map_err(|error| error.to_string())?
        .ok_or_else(|| format!("there is no Secret `{name}` in namespace `{namespace}`"))?;
    let encoded = object["data"][key]
        .as_str()
        .ok_or_else(|| format!("the Secret `{name}` has no key `{key}`"))?;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .map_err(|error| error.to_string())?;
    String::from_utf8(bytes)
        .map_err(|_| format!("the key `{key}` of the Secret `{name}` is not text"))
}

/// The targets in the directory, sorted.
fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(DIRECTORY)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_wherever_they_are_named() {
        let with = json!({"env": {"A": {"secret": "KEY"}, "B": "plain"}, "list": [{"secret": "OTHER"}], "secret": 1});
        let mut names = Vec::new();
        secrets_named_in(&with, &mut names);
        assert_eq!(names, ["KEY", "OTHER"]);
    }
}
