//! The facts to which the doubles of a rehearsal are held (`flowctl_steps::testing::facts`), asked of the lab. The only suite here
//! that reaches into a crate: it is that crate's own list of facts. Needs a Trino that is deployed (`make contract`).
//!
//! Arguments are words that a fact's name must contain.
#![expect(
    clippy::print_stdout,
    reason = "a test suite of its own says what it does"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use flowctl_steps::clock::SystemClock;
use flowctl_steps::testing::TestContext;
use flowctl_steps::testing::facts::{self, Platform};
use serde_json::{Value, json};

/// Where the lab's Prometheus answers.
const PROMETHEUS: &str = "http://127.0.0.1:19590";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let platform = match (runtime.as_ref().map_err(ToString::to_string), lab()) {
        (Ok(_), Ok(platform)) => platform,
        (Err(why), _) | (_, Err(why)) => {
            println!("the contract cannot be asked: {why}");
            return ExitCode::FAILURE;
        }
    };
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wanted = |name: &str| words.iter().all(|word| name.contains(word.as_str()));
    let (mut asked, mut broken) = (0, 0);
    for fact in facts::all().into_iter().filter(|fact| wanted(fact.name)) {
        asked += 1;
        let answer = runtime
            .as_ref()
            .map(|runtime| runtime.block_on((fact.ask)(&platform)));
        match answer {
            Ok(Ok(())) => println!("holds   {}", fact.name),
            Ok(Err(why)) => {
                broken += 1;
                println!("BROKEN  {}: {why}", fact.name);
            }
            Err(_) => broken += 1,
        }
    }
    println!("{asked} facts, {broken} broken");
    // Nothing asked is nothing proven.
    if asked > 0 && broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The lab, as `targets/lab.yaml` has it.
fn lab() -> Result<Platform, String> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home);
    let named = std::env::var_os("FLOWCTL_LAB").map(PathBuf::from);
    let folder = named
        .or_else(|| cache.map(|cache| cache.join("flowctl/lab")))
        .ok_or("neither FLOWCTL_LAB nor HOME is set")?;
    let secret = |name: &str| {
        let path = folder.join("secrets").join(name);
        std::fs::read_to_string(&path)
            .map(|text| text.trim_end().to_owned())
            .map_err(|error| format!("{}: {error}; is the lab up (`make lab`)?", path.display()))
    };
    let (access, hidden) = (secret("s3-access-key")?, secret("s3-secret-key")?);
    let target: Value = json!({
        "apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "lab"},
        "kubernetes": {"kubeconfig": folder.join("kubeconfig"), "context": "lab"},
        "trino": {"service": "data-platform/trino:8080", "user": "flowctl", "direct": true},
        "s3": {"url": "http://127.0.0.1:18480", "access_key": {"secret": "S3_ACCESS_KEY"}, "secret_key": {"secret": "S3_SECRET_KEY"}},
        "prometheus": {"url": PROMETHEUS}
    });
    let target = serde_json::from_value(target).map_err(|error| error.to_string())?;
    let test = TestContext::new("contract").map_err(|error| error.to_string())?;
    let test = test
        .secrets(&[("S3_ACCESS_KEY", &access), ("S3_SECRET_KEY", &hidden)])
        .target(target);
    let mut context = test.context;
    // What is signed for S3 must be signed now.
    context.clock = std::sync::Arc::new(SystemClock::new());
    Ok(Platform {
        context,
        prometheus: PROMETHEUS.to_owned(),
        bucket: "lakehouse".to_owned(),
    })
}
