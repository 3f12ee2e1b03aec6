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
    ("the time is a number, in seconds", |p| Box::pin(time(p))),
    (
        "a comparison takes away what it does not hold for, and `or` fills the gap",
        |p| Box::pin(compared(p)),
    ),
    ("a number of series is one, without labels", |p| {
        Box::pin(counted(p))
    }),
    ("values over a time are a matrix, one every step", |p| {
        Box::pin(over_a_time(p))
    }),
    ("a step of nothing is a 400 with bad_data", |p| {
        Box::pin(no_step(p))
    }),
    ("an alert that nobody knows was never active", |p| {
        Box::pin(never_active(p))
    }),
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

async fn time(platform: &Platform) -> Holds {
    let answer = get(platform, "/api/v1/query?query=time()").await?;
    answer.is(200)?;
    answer.says("/data/resultType", "scalar")?;
    let value = answer.body["data"]["result"][1].as_str().unwrap_or("none");
    must(
        value.parse().is_ok_and(|seconds: f64| seconds > 1.7e9),
        format!("{answer:?}"),
    )
}

/// The value of an expression that is one series without labels.
async fn one_value(platform: &Platform, encoded: &str, known: &str) -> Holds {
    let answer = get(platform, &format!("/api/v1/query?query={encoded}")).await?;
    answer.is(200)?;
    answer.says("/data/resultType", "vector")?;
    answer.says("/data/result/0/metric", serde_json::json!({}))?;
    answer.says("/data/result/0/value/1", known)?;
    must(
        answer.body["data"]["result"][1].is_null(),
        format!("{answer:?}"),
    )
}

async fn compared(platform: &Platform) -> Holds {
    let none = get(platform, "/api/v1/query?query=up%20%3E%207").await?;
    none.says("/data/result", serde_json::json!([]))?;
    // (count(up > 7) or vector(0)) < 2
    let filled = "(count(up%20%3E%207)%20or%20vector(0))%20%3C%202";
    one_value(platform, filled, "0").await
}

async fn counted(platform: &Platform) -> Holds {
    // count(up) / count(up)
    one_value(platform, "count(up)%20%2F%20count(up)", "1").await
}

async fn over_a_time(platform: &Platform) -> Holds {
    let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z");
    let path = format!("/api/v1/query_range?query=vector(7)&start={start}&end={end}&step=5");
    let answer = get(platform, &path).await?;
    answer.is(200)?;
    answer.says("/data/resultType", "matrix")?;
    let values = &answer.body["data"]["result"][0]["values"];
    must(
        values.as_array().map(Vec::len) == Some(3),
        format!("{answer:?}"),
    )?;
    answer.says("/data/result/0/values/2/1", "7")
}

async fn no_step(platform: &Platform) -> Holds {
    let at = "2026-01-01T00:00:00Z";
    let path = format!("/api/v1/query_range?query=vector(7)&start={at}&end={at}&step=0");
    let answer = get(platform, &path).await?;
    answer.is(400)?;
    answer.says("/errorType", "bad_data")
}

async fn never_active(platform: &Platform) -> Holds {
    // max(last_over_time(ALERTS_FOR_STATE{alertname="FlowctlNoSuchAlert"}[60s]))
    let query =
        "max(last_over_time(ALERTS_FOR_STATE%7Balertname%3D%22FlowctlNoSuchAlert%22%7D%5B60s%5D))";
    let answer = get(platform, &format!("/api/v1/query?query={query}")).await?;
    answer.is(200)?;
    answer.says("/data/result", serde_json::json!([]))
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
