//! The object store: single objects, and an answer to a SELECT that ends with an End event.

use super::{Entry, Holds, Platform, must, words};
use crate::clients::s3::{HeaderLine, Input, Place, S3Client};

pub(super) const FACTS: &[Entry] = &[
    ("an object comes back as it was put, with its note", |p| {
        Box::pin(round_trip(p))
    }),
    (
        "a key that is not there is NoSuchKey, and no error to delete",
        |p| Box::pin(missing(p)),
    ),
    ("a bucket that is not there is NoSuchBucket", |p| {
        Box::pin(no_bucket(p))
    }),
    ("selected rows end with an End event", |p| {
        Box::pin(selected(p))
    }),
];

const LINES: &str = "id,category\n1,a\n2,b\n3,a\n";

async fn client(platform: &Platform) -> Result<S3Client, String> {
    platform.context.clients.s3().await.map_err(words)
}

fn place(bucket: &str, key: &str) -> Result<Place, String> {
    Place::new(bucket, key).map_err(words)
}

fn own(platform: &Platform) -> Result<Place, String> {
    place(&platform.bucket, "flowctl-contract/lines.csv")
}

async fn put(platform: &Platform) -> Holds {
    let note = ("flowctl", "contract");
    let etag = client(platform)
        .await?
        .put(
            &platform.context,
            &own(platform)?,
            "text/csv",
            note,
            LINES.as_bytes(),
        )
        .await;
    must(etag.map_err(words)?.is_some(), "no etag".to_owned())
}

async fn gone(platform: &Platform) -> Holds {
    client(platform)
        .await?
        .delete(&platform.context, &own(platform)?)
        .await
        .map_err(words)
}

async fn round_trip(platform: &Platform) -> Holds {
    put(platform).await?;
    let mut reading = client(platform)
        .await?
        .get(&platform.context, &own(platform)?)
        .await
        .map_err(words)?;
    let mut content = Vec::new();
    while let Some(piece) = reading.next().await.map_err(words)? {
        content.extend_from_slice(&piece);
    }
    must(
        content == LINES.as_bytes(),
        String::from_utf8_lossy(&content).into_owned(),
    )?;
    let note = reading.head.metadata.get("flowctl");
    must(
        note.is_some_and(|note| note == "contract"),
        format!("{:?}", reading.head),
    )?;
    gone(platform).await
}

async fn missing(platform: &Platform) -> Holds {
    gone(platform).await?;
    let client = client(platform).await?;
    let place = own(platform)?;
    must(
        client
            .head(&platform.context, &place)
            .await
            .map_err(words)?
            .is_none(),
        "it is there".to_owned(),
    )?;
    let error = client
        .get(&platform.context, &place)
        .await
        .err()
        .ok_or("it could be read")?;
    must(error.message.contains("NoSuchKey"), error.message)?;
    gone(platform).await
}

async fn no_bucket(platform: &Platform) -> Holds {
    let place = place("flowctl-no-such-bucket", "a")?;
    let error = client(platform)
        .await?
        .get(&platform.context, &place)
        .await
        .err()
        .ok_or("it could be read")?;
    must(error.message.contains("NoSuchBucket"), error.message)
}

async fn selected(platform: &Platform) -> Holds {
    put(platform).await?;
    let input = Input::Csv {
        header: HeaderLine::Ignore,
        delimiter: ',',
    };
    for (sql, rows) in [
        ("SELECT count(*) FROM S3Object", "3"),
        ("SELECT s._1 FROM S3Object s WHERE s._2 = 'a'", "1\n3"),
        ("SELECT s._1 FROM S3Object s WHERE s._2 = 'none'", ""),
    ] {
        let answer = client(platform)
            .await?
            .select(&platform.context, &own(platform)?, sql, input)
            .await;
        let answer = answer.map_err(|failure| format!("{sql}: {failure:?}"))?;
        // The gateway ends a count with a comma or without one, as its version has it.
        let text = String::from_utf8_lossy(&answer.records).replace(",\n", "\n");
        let found = text.trim_end().trim_end_matches(',');
        must(found == rows, format!("{sql}: {found:?}"))?;
        must(
            answer.selected.events.get("End") == Some(&1),
            format!("{:?}", answer.selected.events),
        )?;
    }
    gone(platform).await
}
