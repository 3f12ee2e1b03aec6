//! Applying planned objects in order, and waiting until they are ready.

use flowctl_workflows::policy::Span;
use serde_json::Value;

use super::objects::{self, Planned};
use super::{Action, Applied, undo};
use crate::clients::kube::readiness::{Readiness, readiness};
use crate::clients::kube::waiting::{Look, Wait, Waited, enumerate};
use crate::clients::kube::{ApplyMode, Kube, manifest, object, trouble};
use crate::context::StepContext;
use crate::error::StepError;

/// How objects are applied.
#[derive(Debug, Clone, Copy)]
pub(in crate::kinds) struct How<'a> {
    /// The namespace of objects that name none.
    pub(in crate::kinds) namespace: Option<&'a str>,
    /// Takes fields over from other managers.
    pub(in crate::kinds) force: bool,
    /// How long what others depend on may take.
    pub(in crate::kinds) within: Span,
}

/// Applies objects in their order, having written down what was there. Answers what became of each,
/// and each as the server has it. Waits only for namespaces and kinds that later objects need.
///
/// # Errors
/// [`StepError`]; what was applied until then stays.
pub(in crate::kinds) async fn apply_all(
    cx: &StepContext,
    kube: &Kube,
    mut planned: Vec<Planned>,
    how: How<'_>,
) -> Result<(Vec<Applied>, Vec<Value>), StepError> {
    objects::look_up(cx, kube, &mut planned, how.namespace).await?;
    undo::remember(cx, &planned).await?;
    let mut applied = Vec::new();
    let mut answers = Vec::new();
    for wave in planned.chunk_by_mut(|a, b| manifest::wave(&a.object) == manifest::wave(&b.object))
    {
        let mut of_wave = Vec::new();
        for planned in wave.iter_mut() {
            cx.sink
                .progress(&format!("applying {}", object::title(&planned.object)));
            let answer = apply_one(cx, kube, planned, how.force).await?;
            applied.push(report(planned, &answer));
            of_wave.push(answer);
        }
        // What comes next lives in these namespaces and is of these kinds.
        let needed = |first: &Planned| manifest::wave(&first.object) < manifest::LAST_WAVE;
        if wave.first().is_some_and(needed) {
            wait_ready(cx, kube, &mut of_wave, how.within).await?;
        }
        answers.extend(of_wave);
    }
    Ok((applied, answers))
}

async fn apply_one(
    cx: &StepContext,
    kube: &Kube,
    planned: &mut Planned,
    force: bool,
) -> Result<Value, StepError> {
    let namespace = object::namespace(&planned.object).map(str::to_owned);
    // Its kind may have come with this very step.
    let resource = match planned.resource.take() {
        Some(resource) => resource,
        None => {
            kube.resource(
                object::api_version(&planned.object),
                object::kind(&planned.object),
            )
            .await?
        }
    };
    let object = objects::final_form(cx, planned)?;
    let mode = ApplyMode {
        force,
        dry_run: false,
    };
    let answer = kube
        .apply(
            &resource,
            namespace.as_deref(),
            object::name(&object),
            &object,
            mode,
        )
        .await?;
    planned.resource = Some(resource);
    let pruned = manifest::pruned(&planned.object, &answer);
    if pruned.is_empty() {
        return Ok(answer);
    }
    let title = object::title(&planned.object);
    Err(StepError::permanent(
        "kube.pruned",
        format!(
            "the server threw away fields of {title}: {}",
            pruned.join(", ")
        ),
    )
    .help("this version of the kind has no such fields: kubectl explain tells which it has"))
}

fn report(planned: &Planned, answer: &Value) -> Applied {
    let action = match &planned.former {
        None => Action::Created,
        Some(former) if objects::same(former, answer) => Action::Unchanged,
        Some(_) => Action::Configured,
    };
    Applied {
        api_version: object::api_version(answer).to_owned(),
        kind: object::kind(answer).to_owned(),
        namespace: object::namespace(answer).map(str::to_owned),
        name: object::name(answer).to_owned(),
        uid: object::uid(answer).to_owned(),
        resource_version: object::resource_version(answer).to_owned(),
        action,
    }
}

/// Waits until all are ready, reading each again; `objects` then holds them as they are at the end.
pub(in crate::kinds) async fn wait_ready(
    cx: &StepContext,
    kube: &Kube,
    objects: &mut [Value],
    within: Span,
) -> Result<(), StepError> {
    let mut wait = Wait::begin(cx, within.duration());
    let waited = loop {
        let look = look(cx, kube, objects).await;
        if let Some(waited) = wait.after(look).await? {
            break waited;
        }
    };
    match waited {
        Waited::Held(()) => Ok(()),
        Waited::Expired(missing) => {
            let troubles = trouble::behind(kube, objects).await.unwrap_or_default();
            let words = trouble::explain(cx, kube, &troubles).await;
            let message = format!("not ready within {within}: {missing}");
            Err(StepError::timed_out(
                "kube.not_ready",
                with_words(&message, &words),
            ))
        }
    }
}

/// Reads again those that are not ready yet.
async fn look(cx: &StepContext, kube: &Kube, objects: &mut [Value]) -> Result<Look<()>, StepError> {
    let mut missing = Vec::new();
    for object in objects
        .iter_mut()
        .filter(|object| readiness(object) != Readiness::Ready)
    {
        let resource = kube
            .resource(object::api_version(object), object::kind(object))
            .await?;
        if let Some(now) = kube
            .get(&resource, object::namespace(object), object::name(object))
            .await?
        {
            *object = now;
        }
        match readiness(object) {
            Readiness::Ready => {}
            Readiness::Waiting(what) => missing.push(format!("{} {what}", object::title(object))),
            Readiness::Failed(why) => {
                let troubles = trouble::behind(kube, std::slice::from_ref(object)).await?;
                let words = trouble::explain(cx, kube, &troubles).await;
                return Err(failed(
                    &format!("{} has failed: {why}", object::title(object)),
                    &words,
                ));
            }
        }
    }
    if missing.is_empty() {
        return Ok(Look::Done(()));
    }
    let troubles = trouble::behind(kube, objects).await?;
    if troubles.first().is_some_and(|first| first.problem.hopeless) {
        let words = trouble::explain(cx, kube, &troubles).await;
        return Err(failed(&enumerate(&missing), &words));
    }
    Ok(Look::NotYet(enumerate(&missing)))
}

fn failed(message: &str, words: &str) -> StepError {
    StepError::permanent("kube.pods_failing", with_words(message, words))
}

fn with_words(message: &str, words: &str) -> String {
    if words.is_empty() {
        message.to_owned()
    } else {
        format!("{message}; {words}")
    }
}
