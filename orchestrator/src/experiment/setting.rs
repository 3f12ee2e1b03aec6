//! The platform's setting: making a variant's the active one, and putting back the original.
//!
//! A change is in the journal before it is made, and leaves it after it was put back; what must follow on it (a
//! restart) is in the journal until it was done. So whatever dies when, the journal says at least what is left to do.

use flowctl_steps::{StepError, Undone};
use flowctl_workflows::context::Context;
use flowctl_workflows::expr::Expression;
use flowctl_workflows::result::{Finding, Verdict};
use serde_json::Value;

use super::inner::Inside;
use super::journal::{Change, Slot};
use super::params::{Params, Use};
use super::statistics::Variant;

/// Makes a variant's setting the active one, whatever was: what is active is put back first.
///
/// # Errors
/// Those of the steps inside; what was changed stays in the journal.
pub(super) async fn set_up(
    inside: &Inside,
    params: &Params,
    variant: Variant,
) -> Result<(), StepError> {
    let own = params.variants.of(variant);
    remember_original(inside, params).await?;
    take_back(inside, params).await?;
    let turn = next_turn(inside).await?;
    if let Some(change) = &own.change {
        let name = inside.name(&format!("turn{turn}.change"));
        let active = Change {
            variant,
            name: name.clone(),
            handle: None,
        };
        inside
            .journal
            .write(|record| {
                record.active.push(active);
                record.unsettled = true;
            })
            .await?;
        let what = format!("change to {}", own.name);
        inside.cx.sink.progress(&what);
        let inner = inside.step(change, &name, Slot::Change, None, &what)?;
        inner
            .run()
            .await
            .result
            .map_err(|error| within(error, &what))?;
    }
    settle(inside, params, turn).await
}

/// Puts the original setting back and looks whether it is the original one. `None`: nothing was changed.
///
/// # Errors
/// Permanent, `experiment.not_restored`, when the setting is not as it was; else those of the steps inside.
pub(super) async fn restore(inside: &Inside, params: &Params) -> Result<Option<String>, StepError> {
    let record = inside.journal.record().await;
    if !record.is_changed() {
        return Ok(None);
    }
    inside.cx.sink.progress("putting the original setting back");
    let mut done = take_back(inside, params).await?;
    if inside.journal.record().await.unsettled {
        let turn = next_turn(inside).await?;
        settle(inside, params, turn).await?;
    }
    if let Some(original) = record.original {
        let now = look(inside, params).await?;
        if let Some(now) = now.filter(|now| *now != original) {
            return Err(StepError::permanent(
                "experiment.not_restored",
                format!(
                    "the setting is not as it was before: it was {}, it is {}",
                    short(&original),
                    short(&now)
                ),
            )
            .help("put it back by hand; the evidence has both"));
        }
        inside
            .journal
            .write(|record| record.original = None)
            .await?;
        done.push("seen to be as before".to_owned());
    }
    Ok(Some(done.join("; ")))
}

/// Undoes what is active, the newest change first.
async fn take_back(inside: &Inside, params: &Params) -> Result<Vec<String>, StepError> {
    let mut done = Vec::new();
    while let Some(active) = inside.journal.record().await.active.last().cloned() {
        let own = params.variants.of(active.variant);
        let Some(change) = &own.change else {
            return Err(StepError::permanent(
                "experiment.handle",
                format!("`{}` has no change to be put back", own.name),
            ));
        };
        let what = format!("putting back {}", own.name);
        inside
            .journal
            .write(|record| record.unsettled = true)
            .await?;
        let handle = active.handle.clone();
        let inner = inside.step(change, &active.name, Slot::Nowhere, handle, &what)?;
        let undone = inner.step.undo(&inner.cx).await;
        match undone.map_err(|error| within(error, &what))? {
            Undone::Restored(detail) => done.push(detail),
            Undone::Nothing(why) => done.push(format!("{}: {why}", own.name)),
        }
        inside
            .journal
            .write(|record| drop(record.active.pop()))
            .await?;
    }
    Ok(done)
}

async fn settle(inside: &Inside, params: &Params, turn: u32) -> Result<(), StepError> {
    for (number, used) in params.settle.iter().enumerate() {
        let name = inside.name(&format!("turn{turn}.settle{number}"));
        let inner = inside.step(used, &name, Slot::Nowhere, None, &used.uses)?;
        let ran = inner.run().await;
        let output = ran.result.map_err(|error| within(error, &used.uses))?;
        // Measured on a platform that is not as it should be, a variant would be another one.
        let amiss = |finding: &&Finding| finding.verdict != Verdict::Pass;
        if let Some(finding) = output.findings.iter().find(amiss) {
            let message = format!(
                "{} is {}: {}",
                finding.about, finding.verdict, finding.reason
            );
            let error = StepError::transient("experiment.unsettled", message);
            return Err(within(error, &used.uses));
        }
    }
    inside
        .journal
        .write(|record| record.unsettled = false)
        .await
}

async fn next_turn(inside: &Inside) -> Result<u32, StepError> {
    inside
        .journal
        .write(|record| {
            record.turn += 1;
            record.turn
        })
        .await
}

/// Writes down what the original looks like, before the first change.
async fn remember_original(inside: &Inside, params: &Params) -> Result<(), StepError> {
    if inside.journal.record().await.original.is_none()
        && let Some(original) = look(inside, params).await?
    {
        inside
            .journal
            .write(|record| record.original = Some(original))
            .await?;
    }
    Ok(())
}

/// What the setting looks like now; `None` where no variant changes any.
async fn look(inside: &Inside, params: &Params) -> Result<Option<Value>, StepError> {
    let Some(check) = &params.restore_check else {
        return Ok(None);
    };
    let used = Use {
        uses: check.uses.clone(),
        with: check.with.clone(),
    };
    let name = inside.name("restore_check");
    let inner = inside.step(&used, &name, Slot::Nowhere, None, "restore check")?;
    let output = inner
        .run()
        .await
        .result
        .map_err(|error| within(error, "restore check"))?;
    let refused = |reason: String| StepError::permanent("experiment.restore_check", reason);
    let same = Expression::compile(&check.same).map_err(|error| refused(error.to_string()))?;
    let seen = same
        .evaluate(&Context::default().with_output(output.value))
        .map_err(|error| refused(error.to_string()))?;
    if seen.is_null() {
        return Err(refused(format!(
            "`{}` is null: nothing was seen",
            check.same
        )));
    }
    Ok(Some(seen))
}

/// The error with what was being done.
pub(super) fn within(mut error: StepError, what: &str) -> StepError {
    error.message = format!("{what}: {}", error.message);
    error
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    let mut shown: String = text.chars().take(200).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
