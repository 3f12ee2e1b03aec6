//! Prometheus: nothing is an answer too, and never an error.

use super::{Answered, Entry, Holds, Platform, http, must};

pub(super) const FACTS: &[Entry] = &[
    ("a metric that does not exist is an empty vector", |p| {
        Box::pin(absent(p))
    }),
    ("an expression that is none is a 400 with bad_data", |p| {
        Box::pin(no_expression(p))
    }),
    ("the rules come in groups", |p| Box::pin(rules(p))),
    ("the targets come with their health", |p| {
        Box::pin(targets(p))
    }),
];

async fn get(platform: &Platform, path: &str) -> Result<Answered, String> {
    http("GET", &format!("{}{path}", platform.prometheus), &[], "").await
}

async fn absent(platform: &Platform) -> Holds {
    let answer = get(platform, "/api/v1/query?query=flowctl_no_such_metric").await?;
    answer.is(200)?;
    answer.says("/status", "success")?;
    answer.says("/data/resultType", "vector")?;
    answer.says("/data/result", serde_json::json!([]))
}

async fn no_expression(platform: &Platform) -> Holds {
    let answer = get(platform, "/api/v1/query?query=sum%28").await?;
    answer.is(400)?;
    answer.says("/status", "error")?;
    answer.says("/errorType", "bad_data")
}

async fn rules(platform: &Platform) -> Holds {
    let answer = get(platform, "/api/v1/rules?type=alert").await?;
    answer.is(200)?;
    must(
        answer.body["data"]["groups"].is_array(),
        format!("{answer:?}"),
    )
}

async fn targets(platform: &Platform) -> Holds {
    let answer = get(platform, "/api/v1/targets?state=active").await?;
    answer.is(200)?;
    let targets = answer.body["data"]["activeTargets"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    must(!targets.is_empty(), "there is no target".to_owned())?;
    must(
        targets.iter().all(|target| target["health"].is_string()),
        format!("{answer:?}"),
    )
}
