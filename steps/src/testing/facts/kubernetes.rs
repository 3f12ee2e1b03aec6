//! The API server: server-side apply, validation, preconditions.

use ::kube::client::Body;
use serde_json::{Value, json};

use super::{Answered, Entry, Holds, Platform, must, words};

pub(super) const FACTS: &[Entry] = &[
    (
        "an apply that changes nothing keeps the resourceVersion",
        |p| Box::pin(apply_twice(p)),
    ),
    (
        "an apply with a field that the schema lacks is a 500 without a reason",
        |p| Box::pin(unknown_field(p)),
    ),
    (
        "a strict create with such a field is a 400 that names it",
        |p| Box::pin(strict_create(p)),
    ),
    (
        "an apply over another manager's field is a 409 that names field and manager",
        |p| Box::pin(conflict(p)),
    ),
    (
        "an apply without a field that it owned takes the field away",
        |p| Box::pin(given_up(p)),
    ),
    (
        "a patch with an old resourceVersion is a 409 Conflict",
        |p| Box::pin(old_version(p)),
    ),
    ("what is not there is a 404 NotFound, also to delete", |p| {
        Box::pin(not_there(p))
    }),
    ("a delete of another uid is a 409 Conflict", |p| {
        Box::pin(other_uid(p))
    }),
    ("a create of what is there is a 409 AlreadyExists", |p| {
        Box::pin(already_there(p))
    }),
    ("a Secret's stringData is kept in its data", |p| {
        Box::pin(string_data(p))
    }),
    ("a namespace that is not there is a 404", |p| {
        Box::pin(no_namespace(p))
    }),
    ("a dry run leaves nothing", |p| Box::pin(dry_run(p))),
];

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MAP: &str = "/api/v1/namespaces/default/configmaps/flowctl-contract";
const SECRET: &str = "/api/v1/namespaces/default/secrets/flowctl-contract";
const STRICT: &str = "fieldManager=contract&fieldValidation=Strict";
const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";

fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flowctl-contract", "namespace": "default"}, "data": data})
}

async fn ask(
    platform: &Platform,
    method: &str,
    target: &str,
    kind: &str,
    body: &Value,
) -> Result<Answered, String> {
    let kube = platform.context.clients.kube().await.map_err(words)?;
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let request = http::Request::builder()
        .method(method)
        .uri(target)
        .header("content-type", kind)
        .body(Body::from(body))
        .map_err(words)?;
    let response = kube.client().send(request).await.map_err(words)?;
    let (parts, body) = response.into_parts();
    let bytes = body.collect_bytes().await.map_err(words)?;
    Ok(Answered::of(parts.status.as_u16(), &bytes))
}

async fn apply(platform: &Platform, data: Value) -> Result<Answered, String> {
    ask(
        platform,
        "PATCH",
        &format!("{MAP}?{STRICT}"),
        APPLY,
        &map(data),
    )
    .await
}

/// Nothing of an earlier fact is left.
async fn clean(platform: &Platform) -> Holds {
    for path in [MAP, SECRET] {
        let gone = ask(platform, "DELETE", path, "application/json", &Value::Null).await?;
        must(matches!(gone.status, 200 | 404), format!("{gone:?}"))?;
    }
    Ok(())
}

async fn apply_twice(platform: &Platform) -> Holds {
    clean(platform).await?;
    let first = apply(platform, json!({"x": "1"})).await?;
    first.is(201)?;
    let second = apply(platform, json!({"x": "1"})).await?;
    second.is(200)?;
    second.says(
        "/metadata/resourceVersion",
        first.body["metadata"]["resourceVersion"].clone(),
    )?;
    let third = apply(platform, json!({"x": "2"})).await?;
    must(
        third.body["metadata"]["resourceVersion"] != first.body["metadata"]["resourceVersion"],
        format!("{third:?}"),
    )?;
    third.says("/metadata/uid", first.body["metadata"]["uid"].clone())?;
    clean(platform).await
}

fn misfit() -> Value {
    let mut object = map(json!({"x": "1"}));
    object["dada"] = json!({"x": "1"});
    object
}

async fn unknown_field(platform: &Platform) -> Holds {
    clean(platform).await?;
    let refused = ask(
        platform,
        "PATCH",
        &format!("{MAP}?{STRICT}"),
        APPLY,
        &misfit(),
    )
    .await?;
    refused.is(500)?;
    let reason = refused.body["reason"].as_str().unwrap_or_default();
    must(reason.is_empty(), format!("{refused:?}"))?;
    refused.mentions("/message", "field not declared in schema")?;
    ask(platform, "GET", MAP, "", &Value::Null).await?.is(404)
}

async fn strict_create(platform: &Platform) -> Holds {
    let target = format!("{MAPS}?dryRun=All&fieldValidation=Strict");
    let refused = ask(platform, "POST", &target, "application/json", &misfit()).await?;
    refused.is(400)?;
    refused.says("/reason", "BadRequest")?;
    refused.mentions("/message", "unknown field \"dada\"")
}

async fn conflict(platform: &Platform) -> Holds {
    clean(platform).await?;
    apply(platform, json!({"x": "1", "y": "1"}))
        .await?
        .is(201)?;
    let theirs = ask(
        platform,
        "PATCH",
        &format!("{MAP}?fieldManager=others"),
        MERGE,
        &json!({"data": {"x": "7"}}),
    )
    .await?;
    theirs.is(200)?;
    let refused = apply(platform, json!({"x": "1", "y": "2"})).await?;
    refused.is(409)?;
    refused.says("/reason", "Conflict")?;
    refused.says("/details/causes/0/reason", "FieldManagerConflict")?;
    refused.says("/details/causes/0/field", ".data.x")?;
    refused.mentions("/details/causes/0/message", "others")?;
    let forced = ask(
        platform,
        "PATCH",
        &format!("{MAP}?{STRICT}&force=true"),
        APPLY,
        &map(json!({"x": "1"})),
    )
    .await?;
    forced.is(200)?;
    forced.says("/data/x", "1")?;
    clean(platform).await
}

async fn given_up(platform: &Platform) -> Holds {
    clean(platform).await?;
    apply(platform, json!({"x": "1", "y": "1"}))
        .await?
        .is(201)?;
    ask(
        platform,
        "PATCH",
        &format!("{MAP}?fieldManager=others"),
        MERGE,
        &json!({"data": {"z": "9"}}),
    )
    .await?
    .is(200)?;
    let applied = apply(platform, json!({"x": "1"})).await?;
    applied.says("/data", json!({"x": "1", "z": "9"}))?;
    clean(platform).await
}

async fn old_version(platform: &Platform) -> Holds {
    clean(platform).await?;
    let first = apply(platform, json!({"x": "1"})).await?;
    apply(platform, json!({"x": "2"})).await?.is(200)?;
    let old = first.body["metadata"]["resourceVersion"].clone();
    let patch = json!({"metadata": {"resourceVersion": old}, "data": {"x": "3"}});
    let refused = ask(platform, "PATCH", MAP, MERGE, &patch).await?;
    refused.is(409)?;
    refused.says("/reason", "Conflict")?;
    clean(platform).await
}

async fn not_there(platform: &Platform) -> Holds {
    clean(platform).await?;
    for (method, body) in [
        ("GET", Value::Null),
        ("DELETE", Value::Null),
        ("PATCH", json!({"data": {}})),
    ] {
        let missing = ask(platform, method, MAP, MERGE, &body).await?;
        missing.is(404)?;
        missing.says("/reason", "NotFound")?;
        missing.says("/kind", "Status")?;
    }
    Ok(())
}

async fn other_uid(platform: &Platform) -> Holds {
    clean(platform).await?;
    apply(platform, json!({"x": "1"})).await?.is(201)?;
    let only = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "11111111-1111-4111-8111-111111111111"}});
    let refused = ask(platform, "DELETE", MAP, "application/json", &only).await?;
    refused.is(409)?;
    refused.says("/reason", "Conflict")?;
    ask(platform, "GET", MAP, "", &Value::Null).await?.is(200)?;
    clean(platform).await
}

async fn already_there(platform: &Platform) -> Holds {
    clean(platform).await?;
    apply(platform, json!({"x": "1"})).await?.is(201)?;
    let refused = ask(platform, "POST", MAPS, "application/json", &map(json!({}))).await?;
    refused.is(409)?;
    refused.says("/reason", "AlreadyExists")?;
    clean(platform).await
}

async fn string_data(platform: &Platform) -> Holds {
    clean(platform).await?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "flowctl-contract", "namespace": "default"},
        "type": "Opaque", "stringData": {"key": "value"}});
    let made = ask(
        platform,
        "PATCH",
        &format!("{SECRET}?{STRICT}"),
        APPLY,
        &secret,
    )
    .await?;
    made.is(201)?;
    made.says("/data/key", "dmFsdWU=")?;
    made.says("/stringData", Value::Null)?;
    clean(platform).await
}

async fn no_namespace(platform: &Platform) -> Holds {
    let target = format!("/api/v1/namespaces/flowctl-no-such/configmaps/a?{STRICT}");
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "flowctl-no-such"}});
    let refused = ask(platform, "PATCH", &target, APPLY, &object).await?;
    refused.is(404)?;
    refused.mentions("/message", "flowctl-no-such")
}

async fn dry_run(platform: &Platform) -> Holds {
    clean(platform).await?;
    let target = format!("{MAP}?{STRICT}&dryRun=All");
    let shown = ask(platform, "PATCH", &target, APPLY, &map(json!({"x": "1"}))).await?;
    must(matches!(shown.status, 200 | 201), format!("{shown:?}"))?;
    shown.says("/data/x", "1")?;
    ask(platform, "GET", MAP, "", &Value::Null).await?.is(404)
}
