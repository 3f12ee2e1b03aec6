//! Against a Grafana and a Prometheus in memory. Of Grafana only its published contract is known here, no recorded answer.

use async_trait::async_trait;
use flowctl_workflows::result::ErrorClass;
use serde_json::Value;

use super::find::config_map;
use super::*;
use crate::clients::kube::fake::FakeServer;
use crate::step_contract;
use crate::testing::monitoring::{FakeMonitoring, SECRET, context_of, monitoring_context, success};
use crate::testing::{Subject, TestContext, rejudged};

fn board() -> Value {
    json!({"title": "Trino", "uid": "trino", "panels": [
        {"title": "Running", "datasource": {"uid": "p"}, "targets": [{"expr": "running"}]},
        {"title": "Queued", "datasource": {"uid": "p"}, "targets": [{"expr": "queued"}]}
    ]})
}

struct World(FakeMonitoring, String);

impl World {
    fn new() -> Self {
        let server = FakeMonitoring::default();
        let url = server.start();
        let world = Self(server, url);
        world.shows("running", 1.0);
        world.shows("queued", 2.0);
        let health = json!({"database": "ok", "version": "11.2.0"});
        world.0.answers("/api/health", "", 200, health);
        let path = "/api/dashboards/uid/trino";
        world
            .0
            .answers(path, "", 200, json!({"dashboard": board(), "meta": {}}));
        let missing = json!({"message": "Dashboard not found"});
        world
            .0
            .answers("/api/dashboards/uid/other", "", 404, missing);
        world.frames(json!([{"schema": {"fields": [{"type": "time"}, {"type": "number", "labels": {"pod": SECRET}}]}, "data": {"values": [[0, 1], [1, 2]]}}]));
        world
    }

    fn shows(&self, metric: &str, value: f64) {
        self.0.has(metric, 1, "1");
        let result =
            json!([{"metric": {"__name__": metric}, "values": [[0, "0"], [5, value.to_string()]]}]);
        let data = success(json!({"resultType": "matrix", "result": result}));
        self.0.answers("/api/v1/query_range", metric, 200, data);
    }

    fn frames(&self, frames: Value) {
        let body = json!({"results": {"A": {"status": 200, "frames": frames}}});
        self.0.answers("/api/ds/query", "", 200, body);
    }

    /// The verdict on each thing, with Prometheus alone.
    async fn without_grafana(&self, board: Value, with: Value) -> Vec<(String, Verdict, String)> {
        let cx = context_of("board", &self.1, &["prometheus"]);
        let text = board.to_string();
        let cx = cx.files(&[("board.json", &text)]);
        let mut all = json!({"file": "board.json"});
        all.as_object_mut()
            .unwrap()
            .extend(with.as_object().unwrap().clone());
        of(step(all).run(&cx.context).await.unwrap())
    }
}

fn of(output: StepOutput) -> Vec<(String, Verdict, String)> {
    let findings = output.findings.into_iter();
    findings
        .inspect(|found| assert_eq!(found.evidence.len(), 1, "every verdict has its evidence"))
        .map(|found| (found.about, found.verdict, found.reason))
        .collect()
}

fn step(with: Value) -> Box<dyn Step> {
    rejudged::<GrafanaDashboard>(with).unwrap()
}

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        monitoring_context("board", &self.1)
    }

    fn step(&self) -> Box<dyn Step> {
        step(json!({"uid": "trino"}))
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        self.frames(json!([]));
        Some(step(json!({"uid": "trino", "within": "7d"})))
    }

    async fn endless_under_way(&self, cx: &TestContext) {
        cx.sink
            .progress_with("Running: 0 of at least 1 series")
            .await;
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        let login = json!(format!("<html>log in as {SECRET}</html>"));
        self.0.answers("/api/dashboards/uid/login", "", 200, login);
        vec![
            (
                step(json!({"uid": "other"})),
                ErrorClass::Permanent,
                "grafana.no_dashboard",
            ),
            (
                step(json!({"uid": "login"})),
                ErrorClass::Permanent,
                "http.unexpected",
            ),
            (
                step(json!({"file": "nowhere.json"})),
                ErrorClass::Permanent,
                "file.missing",
            ),
        ]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET]
    }
}

step_contract!(World::new());

#[tokio::test]
async fn a_grafana_is_asked_through_its_own_data_source() {
    let world = World::new();
    let cx = monitoring_context("board", &world.1);
    let output = step(json!({"uid": "trino"}))
        .run(&cx.context)
        .await
        .unwrap();
    assert_eq!(output.value["asked"], "Grafana 11.2.0");
    let found = of(output);
    let verdicts: Vec<Verdict> = found.iter().map(|(_, verdict, _)| *verdict).collect();
    assert_eq!(verdicts, [Verdict::Pass; 4], "{found:?}");
    assert_eq!(found[3].2, "Grafana 11.2.0 has it");
}

#[tokio::test]
async fn what_grafana_shows_of_long_ago_or_refuses_does_not_pass() {
    let world = World::new();
    let run = async || {
        let mut cx = monitoring_context("board", &world.1);
        let later = jiff::Timestamp::from_second(1000).unwrap();
        cx.context.clock = std::sync::Arc::new(crate::testing::ManualClock::at(later));
        of(step(json!({"uid": "trino"}))
            .run(&cx.context)
            .await
            .unwrap())
        .remove(1)
    };
    let (_, verdict, reason) = run().await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.starts_with("the newest sample is 1000."), "{reason}");
    let refused = json!({"results": {"A": {"status": 400, "error": "bad expression"}}});
    world.0.answers("/api/ds/query", "", 200, refused);
    let (_, verdict, reason) = run().await;
    assert_eq!(verdict, Verdict::Fail);
    assert!(reason.starts_with("Grafana: bad expression"), "{reason}");
}

#[tokio::test]
async fn without_a_grafana_the_queries_are_asked_of_prometheus_and_that_is_said() {
    let world = World::new();
    let found = world.without_grafana(board(), json!({})).await;
    let verdicts: Vec<Verdict> = found.iter().map(|(_, verdict, _)| *verdict).collect();
    let inconclusive = Verdict::Inconclusive;
    assert_eq!(
        verdicts,
        [Verdict::Pass, Verdict::Pass, Verdict::Pass, inconclusive]
    );
    assert!(
        found[1]
            .2
            .ends_with("(asked: Prometheus, for the target names no Grafana)")
    );
    assert!(
        found[3].2.contains("nobody saw that it loads"),
        "{}",
        found[3].2
    );
    let found = world
        .without_grafana(board(), json!({"needs_grafana": false}))
        .await;
    assert_eq!(found.len(), 3);
}

#[tokio::test]
async fn a_panel_without_data_or_with_zeroes_only_does_not_pass() {
    let world = World::new();
    world.shows("queued", 0.0);
    world
        .0
        .names(&["queued", "trino_name_QueryManager_RunningQueries"]);
    let mut board = board();
    board["panels"][0]["targets"][0]["expr"] = json!("trino_running_queries");
    let with = json!({"needs_grafana": false});
    let found = world.without_grafana(board.clone(), with).await;
    assert_eq!(
        (found[1].0.as_str(), found[1].1),
        ("panel Running", Verdict::Inconclusive)
    );
    assert!(
        found[1]
            .2
            .contains("`trino_running_queries` does not exist; near it are trino_name_QueryManager_RunningQueries"),
        "{}",
        found[1].2
    );
    assert_eq!(found[2].1, Verdict::Inconclusive);
    assert!(
        found[2].2.starts_with("all 2 values of `queued` are zero"),
        "{}",
        found[2].2
    );
    let with = json!({"needs_grafana": false, "may_be_zero": ["Queued"]});
    assert_eq!(world.without_grafana(board, with).await[2].1, Verdict::Pass);
}

#[tokio::test]
async fn a_query_that_cannot_be_evaluated_fails_its_panel_only() {
    let world = World::new();
    let error = json!({"status": "error", "errorType": "bad_data", "error": "parse error"});
    world
        .0
        .answers("/api/v1/query_range", "running", 400, error);
    let with = json!({"needs_grafana": false});
    let found = world.without_grafana(board(), with).await;
    assert_eq!((found[1].1, found[2].1), (Verdict::Fail, Verdict::Pass));
    assert!(
        found[1].2.starts_with("Prometheus: parse error"),
        "{}",
        found[1].2
    );
}

#[tokio::test]
async fn the_worst_query_of_a_panel_is_its_verdict() {
    let world = World::new();
    let mut board = board();
    board["panels"][0]["targets"] = json!([{"expr": "running"}, {"expr": "running{a=\"$b\"}"}]);
    let with = json!({"needs_grafana": false});
    let found = world.without_grafana(board, with).await;
    assert_eq!(found[1].1, Verdict::Inconclusive);
    assert!(
        found[1].2.starts_with("the variables b have no value"),
        "{}",
        found[1].2
    );
}

#[tokio::test]
async fn a_config_map_needs_the_label_that_the_sidecar_looks_for() {
    let object = |labels: Value, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d", "namespace": "monitoring", "labels": labels}, "data": data});
    let find = async |object: Value| {
        let map = json!({"namespace": "monitoring", "name": "d"});
        let map: ConfigMap = serde_json::from_value(map).unwrap();
        config_map(&FakeServer::with(vec![object]).kube(), &map).await
    };
    let data = json!({"trino.json": "{}"});
    let seen = object(json!({"grafana_dashboard": "1"}), data.clone());
    let seen = find(seen).await.unwrap();
    assert_eq!((seen.text.as_str(), seen.complaints.len()), ("{}", 0));
    let unseen = find(object(json!({}), data)).await.unwrap();
    assert_eq!(
        unseen.complaints,
        ["ConfigMap d has no label `grafana_dashboard`, so the sidecar does not see it"]
    );
    let two = object(json!({}), json!({"a": "{}", "b": "{}"}));
    let error = find(two).await.unwrap_err();
    assert!(error.message.ends_with("it has: a, b"), "{error}");
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "monitoring"}});
    assert_eq!(find(other).await.unwrap_err().code, "grafana.no_dashboard");
}

#[test]
fn parameters_that_name_no_dashboard_are_refused() {
    for with in [
        json!({}),
        json!({"uid": "a", "file": "b"}),
        json!({"uid": "a", "needs_grafana": false}),
        json!({"file": "b", "range": {"last": "1s", "step": "2s"}}),
    ] {
        let params = serde_json::from_value(with.clone()).unwrap();
        assert!(GrafanaDashboard::build(params).is_err(), "{with}");
    }
}
