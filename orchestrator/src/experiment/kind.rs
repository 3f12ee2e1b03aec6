//! `experiment`: two variants of a step compared so that the difference means something.
//!
//! Effect: that of the sample step, and of the variants' changes, which are put back at its end however it ends: by the
//! step itself, after a crash by the resumed step, and where that was not to be, by its undo. Permissions: those of the
//! steps inside.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use flowctl_steps::again::JudgeAgain;
use flowctl_steps::registry::{Kind, Registry};
use flowctl_steps::step::{KindInfo, OnResume, Output, Step, Undone};
use flowctl_steps::{StepContext, StepError};
use flowctl_workflows::policy::UndoWhen;
use flowctl_workflows::result::ErrorClass;
use serde_json::json;

use super::again::judge_again;
use super::conclude::conclude;
use super::inner::{Inside, build};
use super::journal::{Journal, Slot};
use super::measure::{Measuring, Questions};
use super::output::ExperimentOutput;
use super::params::Params;
use super::prove::Proof;
use super::samples::Measured;
use super::setting::restore;
use super::statistics::{CONFIDENCE, LEAST_BLOCKS, RESAMPLES, SEED};

/// Which kinds an experiment may use. The kinds of this program know nothing of each other; this one must.
pub trait Kinds: Send + Sync + 'static {
    /// All of them.
    fn registry() -> Registry;
}

/// The step.
pub struct Experiment<K> {
    params: Params,
    questions: Questions,
    proof: Proof,
    kinds: PhantomData<K>,
}

impl<K: Kinds> Kind for Experiment<K> {
    const INFO: KindInfo = KindInfo {
        name: "experiment",
        summary: "Compares two variants of a step: proof that the setting was active, blocks, equal results, an interval, a verdict.",
        effect: "That of its steps. What a variant changes is put back at the end, however it ends, and looked at again.",
        permissions: "Those of its steps.",
        measures: true,
        on_resume: OnResume::EndsAndRestarts,
        writes: true,
        needs_target: false,
        example: EXAMPLE,
    };
    type Params = Params;
    type Output = ExperimentOutput;
    const UNDONE: UndoWhen = UndoWhen::Always;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(judge_again::<K>);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        params.check()?;
        let registry = K::registry();
        for (what, used) in params.inner_steps() {
            if used.uses == Self::INFO.name {
                return Err(format!("`{what}:` is itself an experiment"));
            }
            build(&registry, &used).map_err(|error| format!("`{what}:` {}", error.message))?;
        }
        Ok(Box::new(Self {
            questions: Questions::compile(&params)?,
            proof: Proof::compile(&params)?,
            params,
            kinds: PhantomData,
        }))
    }
}

const EXAMPLE: &str = r#"- id: projection
  uses: experiment
  with:
    sample: {uses: trino.query, with: {sql: "SELECT sum(id) FROM hive.lab.orders", session: {hive.projection_pushdown_enabled: true}}}
    variants:
      a:
        name: without
        with: {session: {hive.projection_pushdown_enabled: false}}
        check_with: {session: {hive.projection_pushdown_enabled: false}}
      b: {name: with}
    manipulation_check:
      uses: trino.query
      with: {sql: "SHOW SESSION LIKE 'hive.projection_pushdown_enabled'", session: {hive.projection_pushdown_enabled: true}}
      expect: {a: "rows[0][1] == 'false'", b: "rows[0][1] == 'true'"}
    blocks: 8
    metrics:
      - {name: bytes, unit: bytes, value: stats.physical_input_bytes}
    equal: fingerprint
    hypotheses:
      - {metric: bytes, effect: reduction, op: ">", threshold: 0.5, proves: bytes_halved}
"#;

#[async_trait]
impl<K: Kinds> Step for Experiment<K> {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let inside = self.inside(cx)?;
        self.end_leftovers(&inside).await?;
        let mut measured = Measured::default();
        let result = Measuring {
            inside: &inside,
            params: &self.params,
            questions: &self.questions,
            proof: &self.proof,
            measured: &mut measured,
        }
        .run()
        .await;
        // Also when it was cancelled: putting back is not stopped.
        let restored = restore(&inside.unstoppable(), &self.params).await;
        let put_back = restored.as_ref().ok();
        let evidence = self.keep(cx, &measured, put_back).await?;
        let restored = match (result, restored) {
            (Ok(()), Ok(restored)) => restored,
            (Err(error), Ok(_)) => return Err(error),
            (result, Err(error)) => return Err(not_restored(result.err(), error)),
        };
        let (output, findings) = conclude(&self.params, &measured, restored, &evidence);
        let value = serde_json::to_value(output)
            .map_err(|error| StepError::permanent("experiment.output", error.to_string()))?;
        Ok(Output { value, findings })
    }

    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError> {
        let inside = self.inside(cx)?;
        Ok(match restore(&inside, &self.params).await? {
            Some(detail) => Undone::Restored(detail),
            None => Undone::Nothing("no setting was changed"),
        })
    }
}

impl<K: Kinds> Experiment<K> {
    fn inside(&self, cx: &StepContext) -> Result<Inside, StepError> {
        Ok(Inside {
            registry: Arc::new(K::registry()),
            journal: Journal::open(cx)?,
            cx: cx.clone(),
        })
    }

    /// What an earlier process left: a sample that the platform is still busy with is brought to its end and not
    /// counted, and the setting is put back before anything is measured.
    async fn end_leftovers(&self, inside: &Inside) -> Result<(), StepError> {
        let left = inside.journal.record().await;
        if let Some(under_way) = left.under_way
            && !inside.cx.cancel.is_cancelled()
        {
            let what = "a sample of an earlier process";
            let used = self.params.sample_of(under_way.variant);
            let handle = Some(under_way.handle);
            let inner = inside.step(&used, &under_way.name, Slot::Nowhere, handle, what)?;
            if let Err(error) = inner.run().await.result {
                inside
                    .cx
                    .sink
                    .progress(&format!("{what}: {}", error.message));
            }
            inside
                .journal
                .write(|record| record.under_way = None)
                .await?;
        }
        restore(&inside.unstoppable(), &self.params)
            .await
            .map_err(|error| not_restored(None, error))?;
        Ok(())
    }

    /// Every sample and look, as they were, and what was put back, if that is known.
    async fn keep(
        &self,
        cx: &StepContext,
        measured: &Measured,
        put_back: Option<&Option<String>>,
    ) -> Result<String, StepError> {
        let Params {
            variants, metrics, ..
        } = &self.params;
        let units: serde_json::Map<String, serde_json::Value> = metrics
            .iter()
            .map(|metric| (metric.name.clone(), json!(metric.unit)))
            .collect();
        let record = json!({
            "variants": {"a": variants.a.name, "b": variants.b.name},
            "order": self.params.order,
            "samples_a_block": self.params.samples,
            "units": units,
            "equal": self.params.equal,
            "interval": {
                "method": "percentile bootstrap over blocks, widened for few blocks",
                "resamples": RESAMPLES,
                "seed": SEED,
                "confidence_of_each_end": CONFIDENCE,
                "least_blocks": LEAST_BLOCKS,
            },
            "judged": measured.counts(),
            "ended": measured.ended,
            "looks": measured.looks,
            "samples": measured.samples,
            "put_back": put_back.map(|detail| json!({"detail": detail})),
        });
        let evidence = cx.evidence_json("experiment.json", &record).await?;
        Ok(evidence.sha256)
    }
}

/// The setting is not back: no further attempt may begin on that, so the class is permanent, and the undo is next.
fn not_restored(first: Option<StepError>, error: StepError) -> StepError {
    let before = first.map_or(String::new(), |first| format!("{}; then: ", first.message));
    StepError {
        class: ErrorClass::Permanent,
        code: "experiment.not_restored".to_owned(),
        message: format!(
            "{before}the original setting is not back: {}",
            error.message
        ),
        help: error.help,
    }
}
