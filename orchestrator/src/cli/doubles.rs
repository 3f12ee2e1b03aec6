//! A run without a platform: the doubles that it speaks to instead, and what it may not do.

use std::path::Path;
use std::sync::Arc;

use flowctl_steps::clock::SystemClock;
use flowctl_steps::secret::{Secret, Secrets};
use flowctl_steps::testing::rehearsal::Rehearsal;
use flowctl_workflows::inject::Inject;
use flowctl_workflows::load_inject;
use flowctl_workflows::plan::Plan;
use flowctl_workflows::source::Disk;
use flowctl_workflows::target::Target;
use serde_json::Value;

use super::error::Error;

/// The target that needs no file.
pub(super) const NAME: &str = "rehearsal";
/// Its file, as it stands in `targets/`.
pub(super) const FILE: &str = include_str!("../../../targets/rehearsal.yaml");

/// Kinds that would act outside of what the doubles play.
const REAL: &[&str] = &["shell", "process", "http.check"];

/// The doubles of one run. They answer as long as this lives.
pub(super) struct Doubles {
    rehearsal: Rehearsal,
    directory: tempfile::TempDir,
}

impl Doubles {
    /// Starts them, with these faults.
    pub(super) async fn start(inject: Inject) -> Result<Self, Error> {
        let cannot = |error| Error::system("start the doubles of the rehearsal", error);
        let rehearsal = Rehearsal::start(Arc::new(SystemClock::new()), inject)
            .await
            .map_err(cannot)?;
        let directory = tempfile::tempdir().map_err(cannot)?;
        let doubles = Self {
            rehearsal,
            directory,
        };
        std::fs::write(doubles.kubeconfig(), doubles.rehearsal.kubeconfig()).map_err(cannot)?;
        Ok(doubles)
    }

    fn kubeconfig(&self) -> std::path::PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// The target, led to them.
    pub(super) fn lead(&self, target: Target) -> Target {
        let kubeconfig = self.kubeconfig().display().to_string();
        self.rehearsal.lead(target, &kubeconfig)
    }
}

/// What stands for each secret. The real ones are not read: nothing here needs them, and nothing may leak them.
pub(super) fn secrets(target: &Target, named: &[String]) -> Secrets {
    let names = target.secrets.keys().chain(named);
    Secrets::new(
        names
            .map(|name| (name.clone(), Secret::new(Rehearsal::secret(name))))
            .collect(),
    )
}

/// Refuses what would act outside of the doubles: a rehearsal runs no program of this machine and asks no real address.
pub(super) fn refuse_what_is_real(plan: &Plan) -> Result<(), Error> {
    if !plan.is_rehearsal() {
        return Ok(());
    }
    let mut found: Vec<String> = Vec::new();
    for step in &plan.steps {
        let mut kinds: Vec<String> = step.role.kind().map(str::to_owned).into_iter().collect();
        kinds_inside(&step.with, &mut kinds);
        let verify = step.verify.as_deref();
        let undo = step.undo.as_ref().and_then(|undo| undo.by.as_ref());
        for probe in verify.into_iter().chain(undo) {
            kinds.push(probe.kind.clone());
            kinds_inside(&probe.with, &mut kinds);
        }
        let real = kinds.iter().find(|kind| REAL.contains(&kind.as_str()));
        found.extend(real.map(|kind| format!("`{}` ({kind})", step.id)));
    }
    if found.is_empty() {
        return Ok(());
    }
    let more = found.len().saturating_sub(5);
    found.truncate(5);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Err(Error::usage_with_help(
        format!(
            "{} cannot be rehearsed: these steps act on the real machine: {}{more}",
            plan.workflow,
            found.join(", ")
        ),
        "a rehearsal runs no program and asks no real address; `--dry-run` shows a workflow without running it",
    ))
}

/// The step kinds that stand inside a step's parameters, as an experiment's do.
fn kinds_inside(with: &Value, kinds: &mut Vec<String>) {
    match with {
        Value::Object(fields) => {
            kinds.extend(
                fields
                    .get("uses")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            fields.values().for_each(|value| kinds_inside(value, kinds));
        }
        Value::Array(items) => items.iter().for_each(|item| kinds_inside(item, kinds)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Reads a file of faults, which only a rehearsal can have.
pub(super) fn faults(path: Option<&Path>, is_rehearsal: bool) -> Result<Inject, Error> {
    let Some(path) = path else {
        return Ok(Inject::default());
    };
    if !is_rehearsal {
        return Err(Error::usage_with_help(
            "--inject makes faults in a rehearsal, and this target is a real platform",
            "run it with `--target rehearsal`",
        ));
    }
    let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let file = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    load_inject(&Disk::new(directory), file).map_err(Error::Invalid)
}
