//! A step of which each result is judged again from its own records, as `flowctl verify` does it: the tests of a kind that
//! build it so hold all that they make it find against its records as well.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use flowctl_workflows::result::{Evidence, Finding};
use serde_json::Value;

use crate::again::{NotJudged, Records};
use crate::context::{Sink, StepContext, Stream};
use crate::error::StepError;
use crate::registry::Kind;
use crate::secret::Secrets;
use crate::step::{Output, Step, Undone};

/// A step of this kind with these parameters, as [`Kind::build`] makes it.
pub(crate) fn rejudged<K: Kind + 'static>(with: Value) -> Result<Box<dyn Step>, String> {
    Ok(Box::new(Rejudged::<K> {
        step: K::build(params::<K>(&with)?)?,
        with,
        kind: PhantomData,
    }))
}

fn params<K: Kind>(with: &Value) -> Result<K::Params, String> {
    serde_json::from_value(with.clone()).map_err(|error| error.to_string())
}

struct Rejudged<K: Kind> {
    step: Box<dyn Step>,
    with: Value,
    kind: PhantomData<fn() -> K>,
}

#[async_trait]
impl<K: Kind + 'static> Step for Rejudged<K> {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let keeper = Arc::new(Keeper {
            inner: Arc::clone(&cx.sink),
            secrets: cx.secrets.clone(),
            kept: Mutex::default(),
        });
        let own = StepContext {
            sink: Arc::<Keeper>::clone(&keeper),
            ..cx.clone()
        };
        let output = self.step.run(&own).await?;
        self.judge_again(&keeper.kept(), &output, &cx.secrets);
        Ok(output)
    }

    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError> {
        self.step.undo(cx).await
    }
}

impl<K: Kind> Rejudged<K> {
    fn judge_again(&self, kept: &[(Evidence, Vec<u8>)], output: &Output, secrets: &Secrets) {
        let name = K::INFO.name;
        let judge = K::JUDGE_AGAIN.unwrap_or_else(|| panic!("{name} is not judged again"));
        let evidence = || kept.iter().map(|(evidence, _)| evidence);
        let read = |sha256: &str| {
            let record = kept.iter().find(|(evidence, _)| evidence.sha256 == sha256);
            record.map(|(_, content)| content.clone())
        };
        let params = params::<K>(&self.with).unwrap();
        let again = match judge(&params, &Records::new(evidence(), &read)) {
            Ok(again) => again,
            // What was judged is not to be kept, and that is said.
            Err(NotJudged::Lacking(why)) if why.contains("a secret was blotted out") => return,
            Err(why) => panic!("{name} is not judged again: {why}"),
        };
        let stored = |findings: &[Finding]| {
            let text = serde_json::to_string(findings).unwrap();
            secrets.redact(&text)
        };
        assert_eq!(
            stored(&again.findings),
            stored(&output.findings),
            "{name} finds something else in its records"
        );
        if let Some(value) = again.value {
            let said = secrets.redact(&output.value.to_string());
            assert_eq!(value.to_string(), said, "{name} puts out something else");
        }
        // What is worked out without a look at the records would be found whatever they hold.
        if !kept.is_empty() {
            let blind = judge(&params, &Records::new(evidence(), &|_| None));
            assert!(blind.is_err(), "{name} does not read its records");
        }
    }
}

/// Passes all on, and keeps the records.
struct Keeper {
    inner: Arc<dyn Sink>,
    secrets: Secrets,
    kept: Mutex<Vec<(Evidence, Vec<u8>)>>,
}

impl Keeper {
    fn kept(&self) -> Vec<(Evidence, Vec<u8>)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }
}

#[async_trait]
impl Sink for Keeper {
    async fn checkpoint(&self, handle: Value) -> Result<(), StepError> {
        self.inner.checkpoint(handle).await
    }

    async fn evidence(
        &self,
        name: &str,
        media_type: &str,
        content: &[u8],
    ) -> Result<Evidence, StepError> {
        let evidence = self.inner.evidence(name, media_type, content).await?;
        let content = self.secrets.redact_bytes(content).into_owned();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((evidence.clone(), content));
        Ok(evidence)
    }

    fn progress(&self, what: &str) {
        self.inner.progress(what);
    }

    fn line(&self, stream: Stream, line: &str) {
        self.inner.line(stream, line);
    }
}
