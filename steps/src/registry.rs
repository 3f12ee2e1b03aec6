//! The one list of step kinds.

use std::collections::BTreeMap;

use flowctl_workflows::policy::UndoWhen;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::again::{Again, JudgeAgain, NotJudged, Records};
use crate::step::{KindInfo, Step};

/// Parameters that do not fit their kind, although the schema let them through.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the parameters of `{kind}` do not fit: {reason}")]
pub struct ParamsError {
    /// The step kind.
    pub kind: &'static str,
    /// What does not fit.
    pub reason: String,
}

/// A step kind: what a file under `kinds/` provides.
pub trait Kind {
    /// What it says of itself.
    const INFO: KindInfo;
    /// What stands under `with:`.
    type Params: DeserializeOwned + schemars::JsonSchema;
    /// What `steps.ID.output` holds.
    type Output: serde::Serialize + schemars::JsonSchema;
    /// When a step of this kind is undone if its workflow does not say so.
    const UNDONE: UndoWhen = UndoWhen::Never;
    /// How what a step found out is judged again from its records; `None`: it is not possible (yet).
    const JUDGE_AGAIN: Option<JudgeAgain<Self::Params>> = None;

    /// A step with these parameters.
    ///
    /// # Errors
    /// In words, what the schema cannot say, for example two parameters that exclude each other.
    fn build(params: Self::Params) -> Result<Box<dyn Step>, String>;
}

/// A step kind in the list.
#[derive(Clone, Copy)]
pub struct KindEntry {
    /// What it says of itself.
    pub info: KindInfo,
    /// When a step of it is undone if its workflow does not say so.
    pub undone: UndoWhen,
    /// JSON schema of `with:`.
    pub params_schema: fn() -> Value,
    /// JSON schema of the output.
    pub output_schema: fn() -> Value,
    build: fn(&Value) -> Result<Box<dyn Step>, ParamsError>,
    judge_again: Option<fn(&Value, &Records<'_>) -> Result<Again, NotJudged>>,
}

/// The parameters of a kind. A step without `with:` has those of an empty object.
fn params<K: Kind>(with: &Value) -> Result<K::Params, ParamsError> {
    let with = if with.is_null() {
        Value::Object(serde_json::Map::new())
    } else {
        with.clone()
    };
    serde_json::from_value(with).map_err(|error| ParamsError {
        kind: K::INFO.name,
        reason: error.to_string(),
    })
}

impl KindEntry {
    /// The entry of a kind.
    #[must_use]
    pub fn of<K: Kind>() -> Self {
        Self {
            info: K::INFO,
            undone: K::UNDONE,
            params_schema: || schemars::schema_for!(K::Params).to_value(),
            // As it is written: what Trino's answers are read from has other names.
            output_schema: || {
                SchemaSettings::default()
                    .for_serialize()
                    .into_generator()
                    .into_root_schema_for::<K::Output>()
                    .to_value()
            },
            build: |with| {
                K::build(params::<K>(with)?).map_err(|reason| ParamsError {
                    kind: K::INFO.name,
                    reason,
                })
            },
            judge_again: K::JUDGE_AGAIN.map(|_| judge_again::<K> as _),
        }
    }

    /// A step with these parameters, templates rendered.
    ///
    /// # Errors
    /// [`ParamsError`].
    pub fn build(&self, with: &Value) -> Result<Box<dyn Step>, ParamsError> {
        (self.build)(with)
    }

    /// Judges again what a step with these parameters found out, from the records that it kept; `None`: this kind cannot.
    #[must_use]
    pub fn judge_again(
        &self,
        with: &Value,
        records: &Records<'_>,
    ) -> Option<Result<Again, NotJudged>> {
        self.judge_again.map(|judge| judge(with, records))
    }
}

fn judge_again<K: Kind>(with: &Value, records: &Records<'_>) -> Result<Again, NotJudged> {
    let params = params::<K>(with).map_err(|error| NotJudged::Wrong(error.to_string()))?;
    match K::JUDGE_AGAIN {
        Some(judge) => judge(&params, records),
        None => Err(NotJudged::Lacking(format!(
            "{} is not judged again",
            K::INFO.name
        ))),
    }
}

/// The step kinds by name.
#[derive(Clone)]
pub struct Registry {
    kinds: BTreeMap<&'static str, KindEntry>,
}

impl Registry {
    /// All kinds of this program.
    #[must_use]
    pub fn standard() -> Self {
        use crate::kinds::*;
        Self::of(vec![
            KindEntry::of::<flux_release::FluxRelease>(),
            KindEntry::of::<alert_fires::AlertFires>(),
            KindEntry::of::<approval::Approval>(),
            KindEntry::of::<kube_apply::KubeApply>(),
            KindEntry::of::<kube_delete::KubeDelete>(),
            KindEntry::of::<kube_events::KubeEvents>(),
            KindEntry::of::<kube_exec::KubeExec>(),
            KindEntry::of::<kube_get::KubeGet>(),
            KindEntry::of::<kube_list::KubeList>(),
            KindEntry::of::<kube_logs::KubeLogs>(),
            KindEntry::of::<kube_patch::KubePatch>(),
            KindEntry::of::<kube_restart::KubeRestart>(),
            KindEntry::of::<kube_top::KubeTop>(),
            KindEntry::of::<kube_wait::KubeWait>(),
            KindEntry::of::<grafana_dashboard::GrafanaDashboard>(),
            KindEntry::of::<http_check::HttpCheck>(),
            KindEntry::of::<noop::Noop>(),
            KindEntry::of::<process::Program>(),
            KindEntry::of::<prometheus_query::PrometheusQuery>(),
            KindEntry::of::<prometheus_targets::PrometheusTargets>(),
            KindEntry::of::<report::Report>(),
            KindEntry::of::<review::Review>(),
            KindEntry::of::<s3_put::S3Put>(),
            KindEntry::of::<s3_select::S3Select>(),
            KindEntry::of::<shell::Shell>(),
            KindEntry::of::<wait::Wait>(),
            KindEntry::of::<trino_benchmark::TrinoBenchmark>(),
            KindEntry::of::<trino_info::TrinoInfo>(),
            KindEntry::of::<trino_load::TrinoLoad>(),
            KindEntry::of::<trino_query::TrinoQuery>(),
        ])
    }

    /// A registry of these kinds.
    #[must_use]
    pub fn of(entries: Vec<KindEntry>) -> Self {
        Self {
            kinds: entries
                .into_iter()
                .map(|entry| (entry.info.name, entry))
                .collect(),
        }
    }

    /// The same with one kind more.
    #[must_use]
    pub fn with(mut self, entry: KindEntry) -> Self {
        self.kinds.insert(entry.info.name, entry);
        self
    }

    /// The kind of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&KindEntry> {
        self.kinds.get(name)
    }

    /// All kinds, by name.
    pub fn iter(&self) -> impl Iterator<Item = &KindEntry> {
        self.kinds.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_a_step_that_can_be_built() {
        for kind in Registry::standard().iter() {
            let name = kind.info.name;
            let steps: Vec<Value> = serde_saphyr::from_str(kind.info.example).unwrap();
            assert_eq!(steps.len(), 1, "{name}");
            assert_eq!(steps[0]["uses"], name);
            if let Err(error) = kind.build(&steps[0]["with"]) {
                panic!("the example of {name}: {error}");
            }
        }
    }

    #[test]
    fn every_kind_documents_itself_and_refuses_unknown_parameters() {
        for kind in Registry::standard().iter() {
            let name = kind.info.name;
            for text in [kind.info.summary, kind.info.effect, kind.info.permissions] {
                assert!(
                    text.ends_with('.') || text.ends_with('?'),
                    "{name}: {text:?} is no sentence"
                );
            }
            let error = kind
                .build(&serde_json::json!({"no_such_parameter": 1}))
                .err();
            assert!(
                error.is_some_and(|error| error.reason.contains("no_such_parameter")),
                "{name}"
            );
            assert_eq!(
                (kind.params_schema)()["additionalProperties"],
                false,
                "{name}"
            );
        }
    }
}
