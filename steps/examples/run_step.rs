//! Runs one step of any kind against a cluster, outside any workflow: for trying a kind on a real platform.
//!
//! `run_step KUBECONFIG CONTEXT KIND WITH [--undo]`, where WITH is a YAML file (`-`: standard input).
//! Prints output, findings and what the step said. `S3_KEY=…`-like secrets are taken from `PROBE_SECRET_*`.
#![expect(clippy::print_stdout, reason = "a program that prints what it found")]

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use flowctl_steps::clients::service::resolve;
use flowctl_steps::testing::TestContext;
use flowctl_steps::{Registry, Undone};
use flowctl_workflows::target::Target;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
    if kind == "service" {
        return reach(&test, &with).await;
    }
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

/// Resolves `service` (or `direct`) and asks it `requests` times for its front page, one connection each.
async fn reach(test: &TestContext, with: &Value) -> Result<(), Box<dyn Error>> {
    let service = with["service"].as_str().unwrap_or_default();
    let direct = with["direct"].as_bool().unwrap_or_default();
    let way = resolve(&test.context.clients, service, direct).await?;
    println!("{} forwarded: {}", way.base_url, way.forwarded);
    let mut answered = 0;
    let mut failed = 0;
    let started = tokio::time::Instant::now();
    for _ in 0..with["requests"].as_u64().unwrap_or(1) {
        match ask(&way.authority).await {
            Ok(text) if text.starts_with("HTTP/1.") => answered += 1,
            Ok(text) => {
                failed += 1;
                println!("odd answer {text:?}");
            }
            Err(error) => {
                failed += 1;
                println!("no answer: {error}");
            }
        }
        tokio::time::sleep(Duration::from_millis(
            with["pause_ms"].as_u64().unwrap_or(0),
        ))
        .await;
    }
    println!(
        "{answered} answered, {failed} failed, {:.2} s",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn ask(authority: &str) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(authority).await?;
    stream
        .write_all(b"GET / HTTP/1.0\r\nConnection: close\r\n\r\n")
        .await?;
    let mut text = Vec::new();
    while !text.ends_with(b"hello\n") {
        let mut part = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut part)).await??;
        if read == 0 {
            break;
        }
        text.extend_from_slice(&part[..read]);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}
