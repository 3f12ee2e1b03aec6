//! Runs one step of any kind against a cluster, outside any workflow: for trying a kind on a real platform.
//!
//! `run_step KUBECONFIG CONTEXT KIND WITH [--undo]`, where WITH is a YAML file (`-`: standard input).
//! Prints output, findings and what the step said. `S3_KEY=…`-like secrets are taken from `PROBE_SECRET_*`.
#![expect(clippy::print_stdout, reason = "a program that prints what it found")]

use std::error::Error;
use std::io::Read;

use flowctl_steps::testing::TestContext;
use flowctl_steps::{Registry, Undone};
use flowctl_workflows::target::Target;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kubeconfig, context, kind, with, rest @ ..] = arguments.as_slice() else {
        return Err("usage: run_step KUBECONFIG CONTEXT KIND WITH [--undo] [--twice]".into());
    };
    let mut text = String::new();
    if with == "-" {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(with)?;
    }
    let with: Value = serde_saphyr::from_str(&text)?;
    let target: Target = serde_json::from_value(json!({
        "apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "probe"},
        "kubernetes": {"kubeconfig": kubeconfig, "context": context},
    }))?;
    let secrets: Vec<(String, String)> = std::env::vars()
        .filter_map(|(name, value)| Some((name.strip_prefix("PROBE_SECRET_")?.to_owned(), value)))
        .collect();
    let secrets: Vec<(&str, &str)> = secrets
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut test = TestContext::new("probe")?.secrets(&secrets).target(target);
    let clock = flowctl_steps::clock::SystemClock::default();
    test.context.clock = std::sync::Arc::new(clock);
    let registry = Registry::standard();
    let entry = registry
        .get(kind)
        .ok_or_else(|| format!("no kind `{kind}`"))?;
    let step = entry.build(&with)?;
    let started = tokio::time::Instant::now();
    match step.run(&test.context).await {
        Ok(output) => {
            println!("output {:#}", output.value);
            for finding in &output.findings {
                println!("{} {}: {}", finding.verdict, finding.about, finding.reason);
                for number in &finding.numbers {
                    println!("    {} = {} {}", number.name, number.value, number.unit);
                }
            }
        }
        Err(error) => println!(
            "FAILED {:?} {}: {}\n  help: {:?}",
            error.class, error.code, error.message, error.help
        ),
    }
    println!("took {:.2} s", started.elapsed().as_secs_f64());
    for evidence in test.sink.evidence() {
        println!(
            "evidence {} {} bytes {}",
            evidence.name,
            evidence.bytes,
            &evidence.sha256[..12]
        );
    }
    println!("progress {:?}", test.sink.progress_texts());
    if rest.iter().any(|flag| flag == "--undo") {
        match step.undo(&test.resumed().context).await? {
            Undone::Restored(words) => println!("undone: {words}"),
            Undone::Nothing(why) => println!("nothing to undo: {why}"),
        }
    }
    Ok(())
}
