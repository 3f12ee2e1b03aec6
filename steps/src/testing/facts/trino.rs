//! The coordinator: errors come with 200, a query begins with its first page, a cancelled one has failed.

use super::{Answered, Entry, Holds, Platform, http, must, words};

pub(super) const FACTS: &[Entry] = &[
    (
        "a table that is not there is TABLE_NOT_FOUND, with HTTP 200",
        |p| Box::pin(no_table(p)),
    ),
    ("a schema that is not there is SCHEMA_NOT_FOUND", |p| {
        Box::pin(no_schema(p))
    }),
    ("a semicolon at the end is a SYNTAX_ERROR", |p| {
        Box::pin(semicolon(p))
    }),
    ("a word that begins no statement is a SYNTAX_ERROR", |p| {
        Box::pin(no_statement(p))
    }),
    (
        "a session property that does not exist is INVALID_SESSION_PROPERTY",
        |p| Box::pin(bad_session(p)),
    ),
    (
        "a query that may not work so long is EXCEEDED_TIME_LIMIT, with the limit in two decimals",
        |p| Box::pin(too_long(p)),
    ),
    (
        "SHOW SESSION has a property's value, and its default apart",
        |p| Box::pin(session(p)),
    ),
    ("an empty statement is a 400", |p| Box::pin(empty(p))),
    ("without a user it is a 401, but /v1/info answers", |p| {
        Box::pin(no_user(p))
    }),
    ("a page's address with another key is a 404", |p| {
        Box::pin(wrong_key(p))
    }),
    ("a query that nobody knows is a 410", |p| {
        Box::pin(unknown_query(p))
    }),
    (
        "DELETE of a next page is a 204, and the query is FAILED with USER_CANCELED",
        |p| Box::pin(cancelled(p)),
    ),
    (
        "SHOW CATALOGS ends with rows and without a next page",
        |p| Box::pin(rows(p)),
    ),
    ("the list of queries shows source and tags", |p| {
        Box::pin(listed(p))
    }),
];

const USER: (&str, &str) = ("X-Trino-User", "flowctl");
const HEADERS: &[(&str, &str)] = &[
    USER,
    ("X-Trino-Source", "flowctl/contract/fact/1"),
    ("X-Trino-Client-Tags", "flowctl,contract"),
    ("X-Trino-Catalog", "iceberg"),
    ("X-Trino-Schema", "lakehouse"),
];

async fn base(platform: &Platform) -> Result<String, String> {
    let client = platform.context.clients.trino().await.map_err(words)?;
    Ok(client.address().trim_end_matches('/').to_owned())
}

async fn post(
    platform: &Platform,
    headers: &[(&str, &str)],
    sql: &str,
) -> Result<Answered, String> {
    http(
        "POST",
        &format!("{}/v1/statement", base(platform).await?),
        headers,
        sql,
    )
    .await
}

/// The last page of a statement.
async fn ended(
    platform: &Platform,
    headers: &[(&str, &str)],
    sql: &str,
) -> Result<Answered, String> {
    let mut page = post(platform, headers, sql).await?;
    page.is(200)?;
    while let Some(next) = page.body["nextUri"].as_str().map(str::to_owned) {
        page = http("GET", &next, &[USER], "").await?;
        page.is(200)?;
    }
    Ok(page)
}

async fn fails_with(platform: &Platform, sql: &str, name: &str) -> Holds {
    let page = ended(platform, HEADERS, sql).await?;
    page.says("/error/errorName", name)?;
    page.says("/error/errorType", "USER_ERROR")?;
    page.says("/stats/state", "FAILED")
}

async fn no_table(platform: &Platform) -> Holds {
    fails_with(
        platform,
        "SELECT count(*) FROM flowctl_no_such_table",
        "TABLE_NOT_FOUND",
    )
    .await
}

async fn no_schema(platform: &Platform) -> Holds {
    fails_with(
        platform,
        "SHOW TABLES FROM iceberg.flowctl_no_such_schema",
        "SCHEMA_NOT_FOUND",
    )
    .await
}

async fn semicolon(platform: &Platform) -> Holds {
    fails_with(platform, "SHOW CATALOGS;", "SYNTAX_ERROR").await
}

async fn no_statement(platform: &Platform) -> Holds {
    fails_with(platform, "SELEC 1", "SYNTAX_ERROR").await
}

async fn bad_session(platform: &Platform) -> Holds {
    let headers = [HEADERS, &[("X-Trino-Session", "flowctl_no_such=1")]].concat();
    let page = ended(platform, &headers, "SHOW CATALOGS").await?;
    page.says("/error/errorName", "INVALID_SESSION_PROPERTY")
}

/// Billions of pairs.
const PAIRS: &str = "SELECT count(*) FROM tpch.tiny.lineitem a, tpch.tiny.lineitem b";

async fn too_long(platform: &Platform) -> Holds {
    let headers = [HEADERS, &[("X-Trino-Session", "query_max_run_time=200ms")]].concat();
    let page = ended(platform, &headers, PAIRS).await?;
    page.says("/error/errorName", "EXCEEDED_TIME_LIMIT")?;
    page.says("/error/errorType", "INSUFFICIENT_RESOURCES")?;
    page.mentions("/error/message", "maximum time limit of 200.00ms")
}

async fn session(platform: &Platform) -> Holds {
    let headers = [HEADERS, &[("X-Trino-Session", "query_max_run_time=7h")]].concat();
    let mut page = post(platform, &headers, "SHOW SESSION").await?;
    let mut rows = Vec::new();
    while let Some(next) = page.body["nextUri"].as_str().map(str::to_owned) {
        page = http("GET", &next, &[USER], "").await?;
        rows.extend(page.body["data"].as_array().cloned().unwrap_or_default());
    }
    page.says("/stats/state", "FINISHED")?;
    let row = rows.iter().find(|row| row[0] == "query_max_run_time");
    let row = row.ok_or("there is no query_max_run_time")?;
    must(row[1] == "7.00h" || row[1] == "7h", row.to_string())?;
    must(row[2] != row[1] && row[2].is_string(), row.to_string())
}

async fn empty(platform: &Platform) -> Holds {
    post(platform, HEADERS, "").await?.is(400)
}

async fn no_user(platform: &Platform) -> Holds {
    post(platform, &[], "SHOW CATALOGS").await?.is(401)?;
    let base = base(platform).await?;
    http("GET", &format!("{base}/v1/query"), &[], "")
        .await?
        .is(401)?;
    let info = http("GET", &format!("{base}/v1/info"), &[], "").await?;
    info.is(200)?;
    info.says("/starting", false)?;
    info.says("/coordinator", true)
}

async fn wrong_key(platform: &Platform) -> Holds {
    let page = post(platform, HEADERS, "SHOW CATALOGS").await?;
    let next = page.body["nextUri"]
        .as_str()
        .ok_or("no next page")?
        .to_owned();
    let mut parts: Vec<&str> = next.split('/').collect();
    let key = parts.len().checked_sub(2).ok_or("a short address")?;
    parts[key] = "ywrong";
    http("GET", &parts.join("/"), &[USER], "").await?.is(404)
}

async fn unknown_query(platform: &Platform) -> Holds {
    let address = format!(
        "{}/v1/query/20200101_000000_00000_aaaaa",
        base(platform).await?
    );
    http("GET", &address, &[USER], "").await?.is(410)
}

async fn cancelled(platform: &Platform) -> Holds {
    let next_of = |page: &Answered| {
        let next = page.body["nextUri"].as_str().map(str::to_owned);
        next.ok_or("no next page")
    };
    let page = post(platform, HEADERS, PAIRS).await?;
    let id = page.body["id"].as_str().ok_or("no id")?.to_owned();
    // It begins when its first page is asked for; before that, nobody knows it.
    let page = http("GET", &next_of(&page)?, &[USER], "").await?;
    http("DELETE", &next_of(&page)?, &[USER], "")
        .await?
        .is(204)?;
    let address = format!("{}/v1/query/{id}", base(platform).await?);
    let mut query = http("GET", &address, &[USER], "").await?;
    // The answer does not wait for the query's end.
    for _ in 0..100 {
        if query.says("/state", "FAILED").is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        query = http("GET", &address, &[USER], "").await?;
    }
    query.says("/state", "FAILED")?;
    query.says("/errorCode/name", "USER_CANCELED")
}

async fn rows(platform: &Platform) -> Holds {
    let first = post(platform, HEADERS, "SHOW CATALOGS").await?;
    first.says("/stats/state", "QUEUED")?;
    let mut next = first.body["nextUri"].as_str().map(str::to_owned);
    must(next.is_some(), format!("{first:?}"))?;
    let (mut found, mut last) = (false, first);
    while let Some(address) = next {
        last = http("GET", &address, &[USER], "").await?;
        last.is(200)?;
        let data = last.body["data"].as_array();
        found |= data.is_some_and(|rows| rows.iter().any(|row| row[0] == "iceberg"));
        next = last.body["nextUri"].as_str().map(str::to_owned);
    }
    must(found, format!("no row names the catalog iceberg: {last:?}"))?;
    last.says("/stats/state", "FINISHED")?;
    must(
        last.body["stats"]["elapsedTimeMillis"].is_u64(),
        format!("{last:?}"),
    )
}

async fn listed(platform: &Platform) -> Holds {
    let page = ended(platform, HEADERS, "SHOW CATALOGS").await?;
    let list = http(
        "GET",
        &format!("{}/v1/query", base(platform).await?),
        &[USER],
        "",
    )
    .await?;
    let own = list
        .body
        .as_array()
        .into_iter()
        .flatten()
        .find(|query| query["queryId"] == page.body["id"]);
    let own = own.ok_or("the query is not in the list")?;
    must(
        own["state"] == "FINISHED" && own["session"]["source"] == "flowctl/contract/fact/1",
        own.to_string(),
    )?;
    let tags = own["session"]["clientTags"]
        .as_array()
        .into_iter()
        .flatten();
    must(
        tags.filter(|tag| **tag == "contract").count() == 1,
        own.to_string(),
    )
}
