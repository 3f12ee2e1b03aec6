//! A platform in this process: one setting, samples whose time depends on it, and a moment at which everything stops.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use async_trait::async_trait;
use flowctl_steps::registry::{Kind, KindEntry, Registry};
use flowctl_steps::step::{KindInfo, OnResume, Output, Step, Undone};
use flowctl_steps::testing::TestContext;
use flowctl_steps::{StepContext, StepError};
use flowctl_workflows::result::{Finding, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::super::{Experiment, Kinds};

/// What the platform is like, and what happened on it.
#[derive(Default)]
pub(super) struct World {
    pub(super) setting: String,
    /// What happened, in order.
    pub(super) events: Vec<String>,
    /// Everything stops at this event, counted from 1.
    pub(super) dies_at: Option<usize>,
    samples: u32,
    /// Notified when everything has stopped.
    pub(super) dead: Arc<Notify>,
    /// An undo does nothing, although it says that it did.
    pub(super) undo_lies: bool,
    /// How often an undo fails before it works.
    pub(super) undo_fails_times: u32,
}

static WORLDS: LazyLock<Mutex<HashMap<String, World>>> = LazyLock::new(Mutex::default);

pub(super) fn world<T>(run: &str, look: impl FnOnce(&mut World) -> T) -> T {
    let mut worlds = WORLDS.lock().unwrap_or_else(PoisonError::into_inner);
    look(worlds.entry(run.to_owned()).or_insert_with(|| World {
        setting: "original".to_owned(),
        ..World::default()
    }))
}

/// Something happens, unless it was cancelled before; the process may die of it.
async fn happen(cx: &StepContext, what: &str) -> Result<(), StepError> {
    if cx.cancel.is_cancelled() {
        return Err(StepError::cancelled());
    }
    let run = cx.attempt.run.as_str().to_owned();
    let dies = world(&run, |world| {
        world.events.push(what.to_owned());
        (world.dies_at == Some(world.events.len())).then(|| Arc::clone(&world.dead))
    });
    if let Some(dead) = dies {
        dead.notify_one();
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// The kinds of this platform.
pub(super) struct Platform;

impl Kinds for Platform {
    fn registry() -> Registry {
        Registry::of(vec![
            KindEntry::of::<Probe>(),
            KindEntry::of::<Set>(),
            KindEntry::of::<Look>(),
            KindEntry::of::<Restart>(),
        ])
    }
}

pub(super) fn experiment(with: Value) -> Box<dyn Step> {
    try_experiment(with).unwrap()
}

pub(super) fn try_experiment(with: Value) -> Result<Box<dyn Step>, String> {
    Experiment::<Platform>::build(serde_json::from_value(with).map_err(|error| error.to_string())?)
}

pub(super) fn context(run: &str) -> TestContext {
    TestContext::new("compare").unwrap().run(run).unwrap()
}

const fn info(name: &'static str) -> KindInfo {
    KindInfo {
        name,
        summary: "",
        effect: "",
        permissions: "",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: true,
        needs_target: false,
        example: "",
    }
}

macro_rules! kind {
    ($kind:ident, $name:literal, $params:ty) => {
        pub(super) struct $kind($params);

        impl Kind for $kind {
            const INFO: KindInfo = info($name);
            type Params = $params;
            type Output = Value;

            fn build(params: $params) -> Result<Box<dyn Step>, String> {
                Ok(Box::new(Self(params)))
            }
        }
    };
}

/// A sample.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sampled {
    /// How many times faster than without the setting `on`.
    speedup: f64,
    rows: String,
    /// From this sample on the rows are others.
    rows_change_at: u32,
    fails_at: u32,
    transient: bool,
    /// What the kind itself finds.
    #[schemars(with = "Option<String>")]
    finds: Option<Verdict>,
    /// Seconds.
    takes: u64,
}

impl Default for Sampled {
    fn default() -> Self {
        Self {
            speedup: 1.0,
            rows: "the rows".to_owned(),
            rows_change_at: u32::MAX,
            fails_at: u32::MAX,
            transient: false,
            finds: None,
            takes: 0,
        }
    }
}

kind!(Probe, "probe", Sampled);

#[async_trait]
impl Step for Probe {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        cx.sink
            .checkpoint(json!({"query": cx.attempt.to_string()}))
            .await?;
        happen(cx, &format!("sample {}", cx.attempt.step)).await?;
        cx.sleep(std::time::Duration::from_secs(self.0.takes))
            .await?;
        let (number, setting) = world(cx.attempt.run.as_str(), |world| {
            world.samples += 1;
            (world.samples, world.setting.clone())
        });
        if number >= self.0.fails_at {
            return Err(if self.0.transient {
                StepError::transient("probe.busy", "busy")
            } else {
                StepError::permanent("probe.refused", "incorrect header check")
            });
        }
        cx.evidence_json("probe.json", &json!({"number": number}))
            .await?;
        // Noise that repeats, so that a verdict does not depend on chance.
        let noise = 1.0 + f64::from(number * 37 % 11) / 100.0;
        let of_setting = if setting == "on" { 3.0 } else { 1.0 };
        let rows = if number >= self.0.rows_change_at {
            "other rows"
        } else {
            &self.0.rows
        };
        let finding = |verdict| Finding {
            about: "the probe".to_owned(),
            proves: vec![],
            verdict,
            reason: "it was told so".to_owned(),
            numbers: vec![],
            evidence: vec![],
        };
        Ok(Output {
            value: json!({
                "time": 300.0 * noise / self.0.speedup / of_setting,
                "bytes": 1000.0 / self.0.speedup,
                "rows": rows,
                "speedup": self.0.speedup,
                "setting": setting,
                "query_id": format!("q{number}"),
                "label": "text",
            }),
            findings: self.0.finds.map(finding).into_iter().collect(),
        })
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("only reads"))
    }
}

/// Changes the setting, with an undo by what it wrote down.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Setting {
    to: String,
}

kind!(Set, "set", Setting);

#[async_trait]
impl Step for Set {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let run = cx.attempt.run.as_str();
        let was = world(run, |world| world.setting.clone());
        cx.sink.checkpoint(json!({"was": was})).await?;
        happen(cx, "before the change").await?;
        world(run, |world| world.setting.clone_from(&self.0.to));
        happen(cx, &format!("changed to {}", self.0.to)).await?;
        Ok(Output::of(json!({})))
    }

    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError> {
        let Some(handle) = &cx.handle else {
            return Ok(Undone::Nothing("it had changed nothing"));
        };
        let run = cx.attempt.run.as_str();
        happen(cx, "before the undo").await?;
        let was = handle["was"].as_str().unwrap_or_default().to_owned();
        let fails = world(run, |world| {
            let fails = world.undo_fails_times > 0;
            world.undo_fails_times = world.undo_fails_times.saturating_sub(1);
            if !world.undo_lies && !fails {
                world.setting = was;
            }
            fails
        });
        if fails {
            return Err(StepError::transient("set.busy", "the platform is busy"));
        }
        happen(cx, "undone").await?;
        Ok(Undone::Restored("the setting put back".to_owned()))
    }
}

/// No parameters.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

kind!(Look, "look", Nothing);

#[async_trait]
impl Step for Look {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        happen(cx, "look").await?;
        let (setting, samples) = world(cx.attempt.run.as_str(), |world| {
            (world.setting.clone(), world.samples)
        });
        Ok(Output::of(json!({"setting": setting, "requests": samples})))
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("only reads"))
    }
}

kind!(Restart, "restart", Nothing);

#[async_trait]
impl Step for Restart {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let setting = world(cx.attempt.run.as_str(), |world| world.setting.clone());
        happen(cx, &format!("restart {} with {setting}", cx.attempt.step)).await?;
        Ok(Output::of(json!({})))
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("a restart cannot be taken back"))
    }
}

/// Two variants by parameters, `b` three times faster.
pub(super) fn by_parameters() -> Value {
    json!({
        "sample": {"uses": "probe", "with": {"rows": "the rows"}},
        "variants": {
            "a": {"name": "off"},
            "b": {"name": "on", "with": {"speedup": 3.0}},
        },
        "manipulation_check": {"expect": {"a": "speedup == 1.0", "b": ["speedup == 3.0"]}},
        "blocks": 6,
        "samples": 2,
        "metrics": [
            {"name": "time", "unit": "ms", "value": "time"},
            {"name": "bytes", "unit": "bytes", "value": "bytes"},
        ],
        "equal": "rows",
        "hypotheses": [
            {"metric": "time", "effect": "speedup", "op": ">=", "threshold": 2.5, "proves": "faster"},
            {"metric": "bytes", "effect": "reduction", "op": ">", "threshold": 0.5, "proves": ["fewer_bytes"]},
        ],
    })
}

/// Two variants by a change of the platform's setting.
pub(super) fn by_change() -> Value {
    json!({
        "sample": {"uses": "probe"},
        "variants": {
            "a": {"name": "off"},
            "b": {"name": "on", "change": {"uses": "set", "with": {"to": "on"}}},
        },
        "settle": [{"uses": "restart"}],
        "manipulation_check": {
            "uses": "look",
            "expect": {"a": "setting == 'original'", "b": "setting == 'on' && requests > before.requests && sample.setting == 'on'"},
        },
        "restore_check": {"uses": "look", "same": "setting"},
        "order": "abba",
        "blocks": 5,
        "samples": 2,
        "metrics": [{"name": "time", "unit": "ms", "value": "time"}],
        "equal": "rows",
        "hypotheses": [{"metric": "time", "effect": "speedup", "op": ">=", "threshold": 2.5, "proves": "faster"}],
    })
}

/// `base` with more on top.
pub(super) fn and(base: Value, more: &Value) -> Value {
    super::super::params::merged(&base, more)
}
