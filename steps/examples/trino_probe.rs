//! Runs Trino steps against a real coordinator and prints what they came to:
//! `trino_probe URL KIND WITH [ATTEMPT] [HANDLE]`, where WITH and HANDLE are JSON. With `CANCEL_AFTER_MS` in the
//! environment the step is cancelled after so long; with `DROP_AFTER_MS` its future is dropped.

use std::error::Error;
use std::time::Duration;

use flowctl_steps::Registry;
use flowctl_steps::clock::SystemClock;
use flowctl_steps::testing::TestContext;
use flowctl_workflows::target::Target;
use serde_json::{Value, json};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program for people")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next();
    let (Some(url), Some(kind), Some(with)) = (next(), next(), next()) else {
        return Err("usage: trino_probe URL KIND WITH [ATTEMPT] [HANDLE]".into());
    };
    let target: Target = serde_json::from_value(json!({
        "apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "probe"}, "trino": {"url": url}
    }))?;
    let test = TestContext::new("probe")?.target(target);
    let mut context = test.context.clone();
    context.clock = std::sync::Arc::new(SystemClock::new());
    context.attempt.attempt = next().map_or(Ok(1), |attempt| attempt.parse())?;
    context.handle = next()
        .map(|handle| serde_json::from_str::<Value>(&handle))
        .transpose()?;
    let registry = Registry::standard();
    let entry = registry.get(&kind).ok_or("no such kind")?;
    let step = entry.build(&serde_json::from_str(&with)?)?;
    let after = |name: &str| {
        let millis = std::env::var(name).ok().and_then(|text| text.parse().ok());
        millis.map(Duration::from_millis)
    };
    if let Some(delay) = after("CANCEL_AFTER_MS") {
        let cancel = context.cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            cancel.cancel();
        });
    }
    let drop_after = after("DROP_AFTER_MS");
    let outcome =
        tokio::time::timeout(drop_after.unwrap_or(Duration::MAX), step.run(&context)).await;
    match outcome {
        Ok(Ok(output)) => println!(
            "{}\nfindings: {}",
            serde_json::to_string_pretty(&output.value)?,
            serde_json::to_string_pretty(&output.findings)?
        ),
        Ok(Err(error)) => println!("error: {error:#?}"),
        Err(_) => {
            println!("dropped");
            // The end of the query is asked for by a task of its own.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    println!(
        "checkpoints: {:?}\nprogress: {:?}",
        test.sink.checkpoints(),
        test.sink.progress_texts()
    );
    for evidence in test.sink.evidence() {
        println!("evidence {}: {} bytes", evidence.name, evidence.bytes);
        if std::env::var_os("SHOW_EVIDENCE").is_some() {
            println!(
                "{}",
                test.sink.evidence_text(&evidence.name).unwrap_or_default()
            );
        }
    }
    Ok(())
}
