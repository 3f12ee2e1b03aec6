//! Against the answers of Prometheus, Alertmanager and the receiver, served from memory.

use async_trait::async_trait;

use super::*;
use crate::step_contract;
use crate::testing::monitoring::{FakeMonitoring, SECRET, context_of, monitoring_context, success};
use crate::testing::{Subject, TestContext, rejudged};

/// The moments of the story, seconds after 1970, where the clock of the tests begins.
const ACTIVE: &str = "1970-01-01T00:00:00.001Z";
const FIRES: &str = "1970-01-01T00:00:00.002Z";

struct World(FakeMonitoring, String);

impl World {
    /// Nothing has happened: the rule is loaded and inactive, its metric exists.
    fn new() -> Self {
        let server = FakeMonitoring::default();
        let url = server.start();
        let world = Self(server, url);
        world.0.gives("time()", &[(json!({}), "0")]);
        world.0.has("queries", 1, "1");
        world
            .0
            .gives("queries", &[(json!({"__name__": "queries"}), "3")]);
        world.alert(None);
        world.holds(&[]);
        world.told(&[]);
        world
    }

    fn loads(&self, query: &str, alerts: &[Value], health: &str) {
        let rule = json!({"type": "alerting", "name": "TooMany", "query": query, "state": "inactive", "duration": 2,
            "labels": {}, "health": health, "lastError": "many-to-many", "lastEvaluation": "1970-01-01T00:00:05Z", "alerts": alerts});
        let groups = success(json!({"groups": [{"name": "g", "rules": [rule]}]}));
        self.0.answers("/api/v1/rules", "", 200, groups);
    }

    fn alert(&self, state: Option<&str>) {
        let alert = |state: &str| json!({"labels": {"alertname": "TooMany", "pod": SECRET}, "state": state, "activeAt": ACTIVE, "value": "9"});
        let alerts: Vec<Value> = state.into_iter().map(alert).collect();
        self.loads("queries > 5", &alerts, "ok");
    }

    fn holds(&self, states: &[&str]) {
        let held: Vec<Value> = states
            .iter()
            .map(|state| json!({"labels": {"alertname": "TooMany", "pod": SECRET}, "startsAt": FIRES, "status": {"state": state, "silencedBy": [], "inhibitedBy": []}}))
            .collect();
        self.0.answers("/api/v2/alerts", "", 200, json!(held));
    }

    fn told(&self, statuses: &[&str]) {
        let told: Vec<Value> = statuses
            .iter()
            .map(|status| json!({"receivedAt": FIRES, "notification": {"commonLabels": {"alertname": "TooMany"},
                "alerts": [{"status": status, "labels": {"alertname": "TooMany", "pod": SECRET}, "startsAt": FIRES}]}}))
            .collect();
        self.0.answers("/notifications", "", 200, json!(told));
    }

    /// The alert has fired and was delivered.
    fn fired(&self) {
        self.alert(Some("firing"));
        self.holds(&["active"]);
        self.told(&["firing"]);
    }

    /// It is over, and everybody knows.
    fn resolved(&self) {
        self.alert(None);
        self.holds(&[]);
        self.told(&["firing", "resolved"]);
    }

    async fn run(&self, with: Value) -> (Verdict, String, Value) {
        let cx = monitoring_context("watched", &self.1);
        let output = step(with).run(&cx.context).await.unwrap();
        let found = &output.findings[0];
        assert_eq!(found.evidence.len(), 1, "every verdict has its evidence");
        (found.verdict, found.reason.clone(), output.value)
    }
}

fn step(with: Value) -> Box<dyn Step> {
    let mut all = json!({"alert": "TooMany", "every": "100ms", "loaded_within": "0s"});
    all.as_object_mut()
        .unwrap()
        .extend(with.as_object().unwrap().clone());
    rejudged::<AlertFires>(all).unwrap()
}

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        monitoring_context("watched", &self.1)
    }

    fn step(&self) -> Box<dyn Step> {
        self.fired();
        step(json!({"see": "firing", "since": "1970-01-01T00:00:00Z"}))
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        Some(step(json!({"within": "7d"})))
    }

    async fn endless_under_way(&self, cx: &TestContext) {
        cx.sink.progress_with("not yet pending").await;
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        self.fired();
        let refused = json!(format!("not for {SECRET}"));
        self.0.answers("/api/v2/alerts", "", 403, refused);
        let with = json!({"see": "firing", "since": "1970-01-01T00:00:00Z"});
        let when = json!({"since": "yesterday"});
        vec![
            (step(with), ErrorClass::Permanent, "http.refused"),
            (step(when), ErrorClass::Permanent, "alert.since"),
        ]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET]
    }
}

step_contract!(World::new());

#[tokio::test]
async fn the_whole_way_is_seen_and_each_latency_told() {
    let world = World::new();
    let cx = monitoring_context("watched", &world.1);
    let watched = step(json!({}));
    let story = async {
        cx.sink
            .progress_with("not yet pending: it is inactive")
            .await;
        world.alert(Some("pending"));
        cx.sink.progress_with("not yet firing: it is pending").await;
        world.alert(Some("firing"));
        cx.sink.progress_with("not yet in Alertmanager").await;
        world.holds(&["suppressed"]);
        cx.sink
            .progress_with("not yet at the receiver: it is firing, and Alertmanager is silenced")
            .await;
        world.fired();
        cx.sink.progress_with("not yet inactive again").await;
        world.alert(None);
        cx.sink
            .progress_with("not yet gone from Alertmanager")
            .await;
        world.resolved();
    };
    let (output, ()) = tokio::join!(watched.run(&cx.context), story);
    let output = output.unwrap();
    let found = &output.findings[0];
    assert_eq!(found.verdict, Verdict::Pass, "{}", found.reason);
    assert!(
        found.reason.starts_with("inactive, pending after "),
        "{}",
        found.reason
    );
    let times = output.value["times"].as_object().unwrap();
    let stages: Vec<&str> = times.keys().map(String::as_str).collect();
    assert_eq!(
        stages,
        [
            "inactive",
            "pending",
            "firing",
            "alertmanager",
            "receiver",
            "inactive_again",
            "released",
            "resolved_received"
        ]
    );
    assert_eq!(output.value["seconds"].as_object().unwrap().len(), 6);
    let names: Vec<&str> = found
        .numbers
        .iter()
        .map(|number| number.name.as_str())
        .collect();
    assert!(
        names.contains(&"pending to firing") && names.contains(&"firing to receiver"),
        "{names:?}"
    );
    let record: Value =
        serde_json::from_str(&cx.sink.evidence_text("alert.json").unwrap()).unwrap();
    assert_eq!(
        record["seen"].as_array().unwrap().len(),
        7,
        "the last two stages came in one look"
    );
    assert_eq!(cx.sink.checkpoints().len(), 7, "written down each time");
}

#[tokio::test]
async fn a_resumed_watch_goes_on_where_it_was() {
    let world = World::new();
    let cx = monitoring_context("watched", &world.1);
    let first = step(json!({}));
    let story = async {
        cx.sink.progress_with("not yet pending").await;
        world.fired();
        cx.sink.progress_with("not yet inactive again").await;
        cx.context.cancel.cancel();
    };
    let (cut, ()) = tokio::join!(first.run(&cx.context), story);
    assert_eq!(cut.unwrap_err().class, ErrorClass::Cancelled);
    // What a watch from its beginning would take for inactive, and wait for ever.
    world.resolved();
    let output = step(json!({"within": "0s", "resolved_within": "0s"}))
        .run(&cx.resumed().context)
        .await
        .unwrap();
    assert_eq!(
        output.findings[0].verdict,
        Verdict::Pass,
        "{:?}",
        output.findings
    );
    assert_eq!(output.value["times"].as_object().unwrap().len(), 8);
}

#[tokio::test]
async fn a_metric_that_does_not_exist_fails_and_is_named() {
    let world = World::new();
    world.loads("trino_query_execution_time_seconds > 300", &[], "ok");
    world.0.names(&[
        "up",
        "trino_execution_name_QueryManager_ExecutionTime_FiveMinutes",
    ]);
    let (verdict, reason, value) = world.run(json!({})).await;
    assert_eq!(verdict, Verdict::Fail);
    assert_eq!(
        reason,
        "it can never fire, for the metric `trino_query_execution_time_seconds` does not exist; near it are trino_execution_name_QueryManager_ExecutionTime_FiveMinutes"
    );
    assert_eq!(value["metrics"][0]["series"], 0);
    let exempt =
        json!({"see": "inactive", "may_be_absent": ["trino_query_execution_time_seconds"]});
    assert_eq!(world.run(exempt).await.0, Verdict::Pass);
}

#[tokio::test]
async fn a_rule_that_is_not_there_or_does_not_work_fails() {
    let world = World::new();
    let (verdict, reason, _) = world.run(json!({"alert": "Other"})).await;
    assert_eq!(
        (verdict, reason.as_str()),
        (
            Verdict::Fail,
            "Prometheus has no rule for the alert `Other`; loaded: TooMany"
        )
    );
    world.loads("queries > 5", &[], "err");
    let (verdict, reason, _) = world.run(json!({})).await;
    assert_eq!(
        (verdict, reason.as_str()),
        (Verdict::Fail, "its rule fails: many-to-many")
    );
}

#[tokio::test]
async fn the_rule_of_an_earlier_time_is_another_one() {
    let world = World::new();
    let with = |text: &str| json!({"see": "inactive", "expression_has": ["queries", text]});
    assert_eq!(world.run(with(">5")).await.0, Verdict::Pass);
    let (verdict, reason, _) = world.run(with("> 7")).await;
    assert_eq!(
        (verdict, reason.as_str()),
        (
            Verdict::Fail,
            "the rule that is loaded for `TooMany` is another one: there is no `> 7` in queries > 5"
        )
    );
}

#[tokio::test]
async fn an_alert_that_does_not_fire_fails_and_shows_its_metric() {
    let (verdict, reason, _) = World::new().run(json!({"within": "0s"})).await;
    assert_eq!(
        (verdict, reason.as_str()),
        (
            Verdict::Fail,
            "not pending within 0 s: it is inactive; queries{} is 3"
        )
    );
}

#[tokio::test]
async fn an_alert_that_was_active_before_proves_nothing() {
    let world = World::new();
    world.fired();
    let (verdict, reason, _) = world.run(json!({"within": "0s"})).await;
    assert_eq!(
        (verdict, reason.as_str()),
        (
            Verdict::Inconclusive,
            "not inactive within 0 s: it is firing; queries{} is 3"
        )
    );
    let since = json!({"see": "firing", "since": "1971-01-01T00:00:00Z"});
    let (verdict, reason, _) = world.run(since).await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(
        reason.starts_with("it was active since 1970-01-01T00:00:00"),
        "{reason}"
    );
}

#[tokio::test]
async fn the_resolution_alone_needs_an_alert_that_was_active() {
    let world = World::new();
    world.resolved();
    let with = json!({"see": "resolved", "since": "1970-01-01T00:00:00Z", "resolved_within": "0s"});
    let (verdict, reason, _) = world.run(with.clone()).await;
    assert_eq!(
        (verdict, reason.as_str()),
        (
            Verdict::Inconclusive,
            "it was not active since then, so there is nothing to resolve"
        )
    );
    let history = "max(last_over_time(ALERTS_FOR_STATE{alertname=\"TooMany\"}[2s]))";
    world.0.gives(history, &[(json!({}), "0")]);
    let (verdict, reason, _) = world.run(with).await;
    assert_eq!(verdict, Verdict::Pass, "{reason}");
}

#[tokio::test]
async fn without_a_receiver_nobody_saw_it_delivered() {
    let world = World::new();
    world.fired();
    let run = async |with: Value| {
        let cx = context_of("watched", &world.1, &["prometheus", "alertmanager"]);
        let output = step(with).run(&cx.context).await.unwrap();
        let found = &output.findings[0];
        (found.verdict, found.reason.clone())
    };
    let mut with = json!({"see": "firing", "since": "1970-01-01T00:00:00Z"});
    let (verdict, reason) = run(with.clone()).await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(
        reason.ends_with("names no `alert_receiver`, so nobody saw it delivered"),
        "{reason}"
    );
    with["delivery"] = json!("alertmanager");
    assert_eq!(run(with).await.0, Verdict::Pass);
}

#[tokio::test]
async fn a_server_that_is_away_for_a_moment_does_not_end_the_watch() {
    let world = World::new();
    let cx = monitoring_context("watched", &world.1);
    let watched = step(json!({"see": "inactive", "loaded_within": "1m"}));
    world
        .0
        .answers("/api/v1/rules", "", 503, json!("reloading"));
    let story = async {
        cx.sink.progress_with("HTTP 503").await;
        world.alert(None);
    };
    let (output, ()) = tokio::join!(watched.run(&cx.context), story);
    assert_eq!(output.unwrap().findings[0].verdict, Verdict::Pass);
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    for with in [
        json!({"alert": " "}),
        json!({"alert": "A", "every": "50ms"}),
        json!({"alert": "A", "see": "resolved"}),
        json!({"alert": "A", "see": "inactive", "since": "2026-11-23T20:00:00Z"}),
    ] {
        let params = serde_json::from_value(with.clone()).unwrap();
        assert!(AlertFires::build(params).is_err(), "{with}");
    }
}
