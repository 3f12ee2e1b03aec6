//! The client against a coordinator that answers what each test tells it to, over real HTTP on loopback. The pages
//! are cut-down recordings of Trino 476.

mod coordinator;

use flowctl_workflows::result::ErrorClass;
use serde_json::{Value, json};

use super::*;
use crate::testing::TestContext;

pub(crate) use coordinator::{Coordinator, page};

fn failed(name: &str, error_type: &str) -> Value {
    page(
        "FAILED",
        None,
        json!({"error": {"message": "no", "errorCode": 1, "errorName": name, "errorType": error_type,
        "failureInfo": {"type": "io.trino.spi.TrinoException", "stack": []}}}),
    )
}

fn target(more: Value) -> Trino {
    let mut target = json!({"user": "someone"});
    for (name, value) in more.as_object().unwrap() {
        target[name] = value.clone();
    }
    serde_json::from_value(target).unwrap()
}

fn hasty() -> Patience {
    Patience {
        initial: Duration::from_millis(1),
        max: Duration::from_millis(2),
        total: Duration::from_secs(10),
        request: Duration::from_secs(10),
    }
}

async fn client(coordinator: &Coordinator) -> TrinoClient {
    let route = Route {
        base_url: coordinator.start().await,
        ..Route::default()
    };
    TrinoClient::new(
        route,
        &target(json!({"catalog": "iceberg", "schema": "lakehouse"})),
        Secrets::default(),
        hasty(),
    )
    .unwrap()
}

fn options() -> QueryOptions {
    QueryOptions {
        max_rows: 2,
        ..QueryOptions::default()
    }
}

async fn ask(coordinator: &Coordinator, sql: &str) -> Result<QueryResult, StepError> {
    let test = TestContext::new("seed").unwrap();
    client(coordinator)
        .await
        .query(&test.context, &Statement::new(sql).unwrap(), &options())
        .await
}

#[tokio::test]
async fn pages_are_followed_to_the_end_and_rows_capped() {
    let coordinator = Coordinator::answering(vec![
        (200, page("QUEUED", Some(1), json!({}))),
        (
            200,
            page(
                "RUNNING",
                Some(2),
                json!({"columns": [{"name": "id", "type": "bigint", "typeSignature": {}}], "data": [[1], [2]]}),
            ),
        ),
        (200, page("RUNNING", Some(3), json!({"data": [[3]]}))),
        (200, page("FINISHED", None, json!({}))),
    ]);
    let result = ask(&coordinator, "SELECT id FROM t;").await.unwrap();
    assert_eq!(result.rows, vec![vec![json!(1)], vec![json!(2)]]);
    assert_eq!((result.row_count, result.pages), (3, 4));
    assert_eq!(result.columns[0].type_name, "bigint");
    assert_eq!(result.stats.run_time_millis(), 1789);
    assert_eq!(coordinator.asked()[0].body, "SELECT id FROM t");
    // The rest is asked at the target's address, not at the one that the server gave.
    assert_eq!(
        coordinator.lines()[3],
        "GET /v1/statement/executing/q_1_a/y0/3"
    );
}

#[tokio::test]
async fn the_fingerprint_is_of_all_rows_and_not_of_the_pages() {
    let ask_for = async |pages: Vec<Value>| {
        let mut answers = vec![(200, page("QUEUED", Some(1), json!({})))];
        for data in pages {
            answers.push((200, page("RUNNING", Some(2), json!({"data": data}))));
        }
        answers.push((200, page("FINISHED", None, json!({}))));
        let coordinator = Coordinator::answering(answers);
        ask(&coordinator, "SELECT id FROM t")
            .await
            .unwrap()
            .fingerprint
    };
    let whole = ask_for(vec![json!([[1], [2], [3]])]).await;
    assert_eq!(ask_for(vec![json!([[3]]), json!([[2], [1]])]).await, whole);
    // The third row is beyond those that are kept.
    assert_ne!(ask_for(vec![json!([[1], [2], [4]])]).await, whole);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_not_just_tried_again() {
    let class_of = async |sql: &str| {
        let begun = (200, page("QUEUED", Some(1), json!({})));
        let coordinator = Coordinator::answering(vec![begun, (500, json!("internal error"))]);
        ask(&coordinator, sql).await.unwrap_err().class
    };
    assert_eq!(class_of("INSERT INTO t VALUES 1").await, ErrorClass::Lost);
    assert_eq!(class_of("SELECT 1").await, ErrorClass::Transient);
    assert_eq!(
        class_of("CREATE TABLE t AS SELECT 1").await,
        ErrorClass::Transient
    );
}

#[tokio::test]
async fn no_rows_are_a_result() {
    let coordinator = Coordinator::answering(vec![
        (200, page("QUEUED", Some(1), json!({}))),
        (200, page("FINISHED", None, json!({"columns": []}))),
    ]);
    let result = ask(&coordinator, "SELECT 1 WHERE false").await.unwrap();
    assert_eq!((result.row_count, result.first_row), (0, None));
}

#[tokio::test]
async fn the_headers_say_who_asks_and_how() {
    let coordinator = Coordinator::answering(vec![(200, page("FINISHED", None, json!({})))]);
    let test = TestContext::new("seed[orders, old]").unwrap();
    let mut options = QueryOptions {
        user: Some("other".into()),
        schema: Some("s".into()),
        ..options()
    };
    options
        .session
        .insert("query_max_run_time".into(), "5m".into());
    options
        .session
        .insert("iceberg.name".into(), "a,b=c d".into());
    options.tags.push("query=a,b".into());
    let statement = Statement::new("SELECT 1").unwrap();
    client(&coordinator)
        .await
        .query(&test.context, &statement, &options)
        .await
        .unwrap();
    let headers = coordinator.asked()[0].headers.clone();
    let header = |name: &str| {
        headers
            .get_all(name)
            .iter()
            .map(|v| v.to_str().unwrap())
            .collect::<Vec<_>>()
            .join("|")
    };
    assert_eq!(header("x-trino-user"), "other");
    assert_eq!(
        header("x-trino-source"),
        "flowctl/test/seed[orders%2C%20old]/1"
    );
    assert_eq!(
        header("x-trino-client-tags"),
        format!("flowctl,run=test,sql={},query=a%2Cb", statement.digest())
    );
    assert_eq!(header("x-trino-client-capabilities"), "PARAMETRIC_DATETIME");
    assert_eq!(
        (header("x-trino-catalog"), header("x-trino-schema")),
        ("iceberg".into(), "s".into())
    );
    assert_eq!(
        header("x-trino-session"),
        "query_max_run_time=5m,iceberg.name=a%2Cb%3Dc%20d"
    );
}

#[tokio::test]
async fn a_lost_page_is_asked_for_again_and_counted_once() {
    let coordinator = Coordinator::answering(vec![
        (200, page("QUEUED", Some(1), json!({}))),
        (503, json!("busy")),
        (502, json!("")),
        (504, json!("")),
        (200, page("RUNNING", Some(2), json!({"data": [[1]]}))),
        (200, page("FINISHED", None, json!({}))),
    ]);
    assert_eq!(ask(&coordinator, "SELECT 1").await.unwrap().row_count, 1);
    let asked = coordinator.lines();
    assert_eq!(
        asked
            .iter()
            .filter(|line| *line == "GET /v1/statement/executing/q_1_a/y0/1")
            .count(),
        4
    );
}

#[tokio::test]
async fn a_statement_is_sent_again_only_if_it_was_surely_not_taken() {
    let refused = Coordinator::answering(vec![
        (503, json!("busy")),
        (200, page("FINISHED", None, json!({}))),
    ]);
    ask(&refused, "INSERT INTO t VALUES 1").await.unwrap();
    assert_eq!(refused.lines().len(), 2);
    let unclear = Coordinator::answering(vec![
        (504, json!("gateway timeout")),
        (200, page("FINISHED", None, json!({}))),
    ]);
    let error = ask(&unclear, "INSERT INTO t VALUES 1").await.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (ErrorClass::Transient, "trino.http_504")
    );
    assert_eq!(unclear.lines().len(), 1);
}

#[tokio::test]
async fn errors_come_with_http_200_and_keep_their_names() {
    for (name, error_type, class) in [
        (
            "SERVER_STARTING_UP",
            "INTERNAL_ERROR",
            ErrorClass::Transient,
        ),
        ("TABLE_NOT_FOUND", "USER_ERROR", ErrorClass::Permanent),
        (
            "EXCEEDED_TIME_LIMIT",
            "INSUFFICIENT_RESOURCES",
            ErrorClass::TimedOut,
        ),
    ] {
        let coordinator = Coordinator::answering(vec![
            (200, page("QUEUED", Some(1), json!({}))),
            (200, failed(name, error_type)),
        ]);
        let error = ask(&coordinator, "SELECT 1").await.unwrap_err();
        assert_eq!((error.class, error.code), (class, format!("trino.{name}")));
        // A query that has ended is not ended again.
        assert_eq!(coordinator.lines().len(), 2);
    }
}

/// As one does that was restarted meanwhile.
#[tokio::test]
async fn a_coordinator_that_forgets_a_query_has_lost_only_what_must_not_be_doubled() {
    let class_of = async |sql: &str| {
        let begun = (200, page("QUEUED", Some(1), json!({})));
        let error = ask(&Coordinator::answering(vec![begun]), sql).await;
        let error = error.unwrap_err();
        assert_eq!(&*error.code, "trino.http_410");
        error.class
    };
    assert_eq!(class_of("INSERT INTO t VALUES 1").await, ErrorClass::Lost);
    assert_eq!(class_of("SELECT 1").await, ErrorClass::Transient);
    assert_eq!(
        class_of("CREATE TABLE IF NOT EXISTS t AS SELECT 1").await,
        ErrorClass::Transient
    );
}

#[tokio::test]
async fn a_query_that_was_given_up_is_lost_only_if_it_must_not_be_doubled() {
    let class_of = async |sql: &str| {
        let begun = (200, page("QUEUED", Some(1), json!({})));
        let given_up = (200, failed("ABANDONED_QUERY", "USER_ERROR"));
        let coordinator = Coordinator::answering(vec![begun, given_up]);
        ask(&coordinator, sql).await.unwrap_err().class
    };
    assert_eq!(class_of("INSERT INTO t VALUES 1").await, ErrorClass::Lost);
    assert_eq!(class_of("SELECT 1").await, ErrorClass::Transient);
}

#[tokio::test]
async fn cancelling_ends_the_query_on_the_server() {
    let mut coordinator = Coordinator::answering(vec![(200, page("QUEUED", Some(1), json!({})))]);
    coordinator.silent = Some("/y0/1");
    let client = client(&coordinator).await;
    let test = TestContext::new("seed").unwrap();
    let (context, cancel) = (test.context.clone(), test.context.cancel.clone());
    let statement = Statement::new("SELECT 1").unwrap();
    let query = tokio::spawn(async move { client.query(&context, &statement, &options()).await });
    coordinator
        .until_asked("GET /v1/statement/executing/q_1_a/y0/1")
        .await;
    cancel.cancel();
    assert_eq!(
        query.await.unwrap().unwrap_err().class,
        ErrorClass::Cancelled
    );
    // It asked for the end, and looked whether it came.
    assert_eq!(
        coordinator.lines()[2..],
        [
            "DELETE /v1/statement/executing/q_1_a/y0/1",
            "GET /v1/query/q_1_a?pruned=true"
        ]
    );
}

#[tokio::test]
async fn a_query_nobody_waits_for_any_more_is_ended() {
    let mut coordinator = Coordinator::answering(vec![(200, page("QUEUED", Some(1), json!({})))]);
    coordinator.silent = Some("/y0/1");
    let client = client(&coordinator).await;
    let test = TestContext::new("seed").unwrap();
    let statement = Statement::new("SELECT 1").unwrap();
    let query =
        tokio::spawn(async move { client.query(&test.context, &statement, &options()).await });
    coordinator
        .until_asked("GET /v1/statement/executing/q_1_a/y0/1")
        .await;
    query.abort();
    coordinator
        .until_asked("DELETE /v1/statement/executing/q_1_a/y0/1")
        .await;
}

#[tokio::test]
async fn what_must_not_be_doubled_is_announced_before_it_begins() {
    let coordinator = Coordinator::answering(vec![
        (200, page("QUEUED", Some(1), json!({}))),
        (503, json!("")),
        (400, json!("no")),
    ]);
    let client = client(&coordinator).await;
    let test = TestContext::new("seed").unwrap();
    let statement = Statement::new("INSERT INTO t VALUES 1").unwrap();
    let options = QueryOptions {
        remember: true,
        ..options()
    };
    client
        .query(&test.context, &statement, &options)
        .await
        .unwrap_err();
    let handles = test.sink.checkpoints();
    assert_eq!(
        (handles.len(), &handles[0]["query_id"]),
        (1, &json!("q_1_a"))
    );
    assert!(
        !handles[0].to_string().contains("y0"),
        "the key to the result is in the log: {}",
        handles[0]
    );
}

#[tokio::test]
async fn left_over_queries_of_this_step_are_ended_and_no_others() {
    let query = |id: &str, state: &str, source: &str| json!({"queryId": id, "state": state, "session": {"source": source, "clientTags": []}, "queryStats": {}});
    let coordinator = Coordinator::answering(vec![
        (
            200,
            json!([
                query("q1", "RUNNING", "flowctl/test/seed/1"),
                query("q2", "RUNNING", "flowctl/test/seed_more/1"),
                query("q3", "FINISHED", "flowctl/test/seed/1"),
                query("q4", "RUNNING", "flowctl/other/seed/1"),
                query("q5", "RUNNING", "somebody"),
            ]),
        ),
        (200, query("q1", "FINISHING", "flowctl/test/seed/1")),
        (200, query("q1", "FAILED", "flowctl/test/seed/1")),
        (200, query("q1", "FAILED", "flowctl/test/seed/1")),
    ]);
    let test = TestContext::new("seed").unwrap();
    let left = client(&coordinator)
        .await
        .end_leftovers(&test.context)
        .await
        .unwrap();
    let left: Vec<(&str, &str)> = left
        .iter()
        .map(|query| (query.query_id.as_str(), query.state.as_str()))
        .collect();
    assert_eq!(left, [("q1", "FAILED"), ("q3", "FINISHED")]);
    let ended: Vec<String> = coordinator
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("DELETE"))
        .collect();
    assert_eq!(ended, ["DELETE /v1/query/q1"]);
}

#[tokio::test]
async fn credentials_are_sent_but_never_shown() {
    let coordinator = Coordinator::answering(vec![
        (401, json!("who is hunter2secret?")),
        (
            200,
            json!({"nodeVersion": {"version": "476"},
        "environment": "lab", "coordinator": true, "starting": true, "uptime": "1.00s"}),
        ),
    ]);
    let secrets =
        Secrets::new([("PW".to_owned(), crate::secret::Secret::new("hunter2secret"))].into());
    let route = Route {
        base_url: coordinator.start().await,
        ..Route::default()
    };
    let auth = target(json!({"auth": {"basic": {"user": "me", "password": {"secret": "PW"}}}}));
    let client = TrinoClient::new(route, &auth, secrets, hasty()).unwrap();
    let error = client.info().await.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (ErrorClass::Permanent, "trino.http_401")
    );
    assert!(
        !error.message.contains("hunter2secret") && error.message.contains("***"),
        "{error}"
    );
    assert!(client.info().await.unwrap().starting);
    assert_eq!(
        coordinator.asked()[0].headers["authorization"],
        "Basic bWU6aHVudGVyMnNlY3JldA=="
    );
}

#[test]
fn credentials_do_not_cross_a_network_in_the_clear() {
    let bearer = target(json!({"auth": {"bearer": {"token": {"secret": "T"}}}}));
    let make = |url: &str| {
        TrinoClient::new(
            Route {
                base_url: url.to_owned(),
                ..Route::default()
            },
            &bearer,
            Secrets::default(),
            hasty(),
        )
        .map(|_| ())
    };
    assert_eq!(
        make("http://trino.example.org:8080").unwrap_err().code,
        "trino.insecure_auth"
    );
    assert!(make("https://trino.example.org").is_ok());
    assert!(make("http://127.0.0.1:8080").is_ok());
    assert_eq!(make("ftp://trino").unwrap_err().code, "trino.url");
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_transient() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let patience = Patience {
        total: Duration::ZERO,
        ..hasty()
    };
    let client = TrinoClient::new(
        Route {
            base_url,
            ..Route::default()
        },
        &target(json!({})),
        Secrets::default(),
        patience,
    )
    .unwrap();
    let error = client.queries().await.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (ErrorClass::Transient, "trino.unreachable")
    );
}
