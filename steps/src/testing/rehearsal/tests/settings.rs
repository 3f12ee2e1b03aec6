//! What the coordinator's settings come to: in its log, in a session, and in what queries may do.

use serde_json::json;

use super::*;
use crate::clients::trino::{QueryOptions, Statement};

const SPILLS: &str = "SELECT count(*), max(times) FROM (SELECT comment, count(*) AS times FROM tpch.sf100.lineitem GROUP BY comment)";

async fn configure(kube: &Kube, extra: &str) {
    let worker = json!({"jvm": {"maxHeapSize": "24G"}, "config": {"memory": {"heapHeadroomPerNode": "2GB"}}});
    let server = json!({"workers": 2, "coordinatorExtraConfig": extra});
    release(
        kube,
        json!({"image": {"tag": "476"}, "server": server, "worker": worker}),
    )
    .await;
}

async fn spilled(platform: &Platform, session: &[(&str, &str)]) -> u64 {
    let client = platform.context.clients.trino().await.unwrap();
    let session = session
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let options = QueryOptions {
        session: session.collect(),
        ..QueryOptions::default()
    };
    let statement = Statement::new(SPILLS).unwrap();
    let result = client.query(&platform.context, &statement, &options).await;
    result.unwrap().stats.spilled_bytes
}

#[tokio::test]
async fn a_query_spills_where_it_may() {
    let (_rehearsal, platform, _directory) = platform().await;
    let kube = platform.context.clients.kube().await.unwrap();
    configure(&kube, "query.max-run-time=24h").await;
    assert_eq!(spilled(&platform, &[]).await, 0);
    assert!(spilled(&platform, &[("spill_enabled", "true")]).await > 0);
    configure(&kube, "spill-enabled=true\nmemory-revoking-threshold=0.5").await;
    assert!(spilled(&platform, &[]).await > 0);
    assert_eq!(spilled(&platform, &[("spill_enabled", "false")]).await, 0);
}

#[tokio::test]
async fn a_session_begins_with_what_the_coordinator_has_read() {
    let (_rehearsal, platform, _directory) = platform().await;
    let kube = platform.context.clients.kube().await.unwrap();
    configure(&kube, "query.max-run-time=24h\n# spill-enabled=true").await;
    let client = platform.context.clients.trino().await.unwrap();
    let statement = Statement::new("SHOW SESSION").unwrap();
    let options = QueryOptions {
        max_rows: 1000,
        ..QueryOptions::default()
    };
    let result = client
        .query(&platform.context, &statement, &options)
        .await
        .unwrap();
    let value = |name: &str| {
        let row = result.rows.iter().find(|row| row[0] == name);
        row.map(|row| row[1].clone())
    };
    assert_eq!(value("query_max_run_time"), Some(json!("24.00h")));
    assert_eq!(value("spill_enabled"), Some(json!("false")));
    assert_eq!(value("retry_policy"), None, "it is hidden");
}
