//! Against the gateway in memory: what each answer is taken for.

use flowctl_workflows::result::ErrorClass;

use super::fake::{Gateway, s3_context, stranger};
use super::*;
use crate::testing::TestContext;

struct World {
    gateway: Gateway,
    cx: TestContext,
    client: S3Client,
}

impl World {
    async fn new() -> Self {
        let gateway = Gateway::default();
        let url = gateway.start();
        let cx = s3_context("select", &url);
        let client = cx.context.clients.s3().await.unwrap();
        Self {
            gateway,
            cx,
            client,
        }
    }

    async fn select(&self, sql: &str) -> Result<Selection, Failure> {
        let place = Place::new("shop", "sample.csv").unwrap();
        let input = Input::Csv {
            header: HeaderLine::Ignore,
            delimiter: ',',
        };
        let answer = self.client.select(&self.cx.context, &place, sql, input);
        answer.await.map_err(|failure| *failure)
    }
}

#[tokio::test]
async fn rows_come_whole_with_what_they_cost() {
    let world = World::new().await;
    let selection = world
        .select("SELECT * FROM S3Object s WHERE s._2 = 'category_3'")
        .await
        .unwrap();
    assert_eq!(selection.records, b"3,category_3\n23,category_3\n");
    let stats = selection.stats.unwrap();
    assert_eq!(stats.bytes_returned, 27);
    assert!(stats.bytes_scanned > 500);
    let selected = selection.selected;
    assert_eq!(selected.request_id.as_deref(), Some("tx1"));
    assert_eq!(selected.events["Records"], 2);
    assert_eq!(selected.events["End"], 1);
    // The frames are on the wire too.
    assert!(selected.wire_bytes > 27 + 4 * 16);
    let without = world.select("SELECT 'category_3' no_stats").await.unwrap();
    assert_eq!(without.stats, None);
}

#[tokio::test]
async fn an_answer_of_200_that_is_none_says_how() {
    let world = World::new().await;
    for (sql, code, words) in [
        ("SELECT empty", "s3.select_empty", "empty body"),
        (
            "SELECT 'category_3' pacific",
            "s3.select_no_end",
            "3,category_3",
        ),
        (
            "SELECT pacific_error",
            "s3.select_no_end",
            "failure -->s3object;<---",
        ),
        (
            "SELECT 'category_3' midway",
            "s3.select_error_inside",
            "s3select-ProcessingTime-Error: text cannot be converted",
        ),
        (
            "SELECT inside",
            "s3.select_error_inside",
            "InternalError: we met an error",
        ),
        ("SELECT page", "s3.select_no_stream", "Sign in"),
        (
            "SELECT error_event",
            "s3.select_error_event",
            "cannot be converted",
        ),
        ("SELECT damaged", "s3.select_checksum", "message 1"),
        ("SELECT cut", "s3.select_cut", "9 bytes before the end"),
    ] {
        match world.select(sql).await {
            Err(Failure::Broken(broken, selected)) => {
                assert_eq!(broken.code(), code, "{sql}");
                assert!(broken.to_string().contains(words), "{sql}: {broken}");
                assert!(!broken.help().is_empty());
                assert_eq!(selected.status, 200);
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_refusal_carries_the_gateways_words() {
    let world = World::new().await;
    match world.select("SELECT refused").await {
        Err(Failure::Refused(refusal)) => {
            assert_eq!(
                refusal.words(),
                "HTTP 400 s3select-Syntax-Error: failure -->refused<---"
            );
            assert_eq!(refusal.request_id.as_deref(), Some("tx1"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_may_come_whole_another_time() {
    let world = World::new().await;
    match world.select("SELECT broken_off").await {
        Err(Failure::Lost(error)) => {
            assert_eq!(
                (error.class, error.code.as_str()),
                (ErrorClass::Transient, "s3.unreachable")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn objects_are_written_seen_read_and_taken_away() {
    let world = World::new().await;
    let (cx, client) = (&world.cx.context, &world.client);
    let place = Place::new("shop", "new/ü b.csv").unwrap();
    assert_eq!(client.head(cx, &place).await.unwrap(), None);
    client
        .put(cx, &place, "text/csv", ("flowctl", "r/s"), b"1,2\n")
        .await
        .unwrap();
    assert!(world.gateway.object("/shop/new/%C3%BC%20b.csv").is_some());
    let head = client.head(cx, &place).await.unwrap().unwrap();
    assert_eq!(head.metadata["flowctl"], "r/s");
    let mut reading = client.get(cx, &place).await.unwrap();
    assert_eq!(reading.head.size, Some(4));
    assert_eq!(reading.next().await.unwrap().unwrap(), "1,2\n");
    assert_eq!(reading.next().await.unwrap(), None);
    client.delete(cx, &place).await.unwrap();
    client.delete(cx, &place).await.unwrap();
    let error = client.get(cx, &place).await.err().unwrap();
    assert_eq!(error.code, "s3.NoSuchKey");
}

#[tokio::test]
async fn a_key_that_the_store_does_not_know_is_named_as_that() {
    let gateway = Gateway::default();
    let cx = stranger("select", &gateway.start());
    let client = cx.context.clients.s3().await.unwrap();
    let place = Place::new("shop", "sample.csv").unwrap();
    let error = client.get(&cx.context, &place).await.err().unwrap();
    assert_eq!(error.code, "s3.InvalidAccessKeyId");
    assert_eq!(error.class, ErrorClass::Permanent);
    assert!(error.help.is_some_and(|help| help.contains("access_key")));
}
