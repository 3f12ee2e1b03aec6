//! Single objects: look, read, write, take away.

use std::collections::BTreeMap;

use reqwest::Response;

use super::refusal::{Refusal, lost};
use super::sign::Unsigned;
use super::{Place, S3Client};
use crate::context::StepContext;
use crate::error::StepError;

/// What the store says of an object without sending it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its length in bytes.
    pub size: Option<u64>,
    /// Changes with its content.
    pub etag: Option<String>,
    /// What its writer noted beside it, by name in lower case.
    pub metadata: BTreeMap<String, String>,
}

/// An object that is being read.
pub struct Reading {
    /// What the answer's headers say of it.
    pub head: Head,
    /// The store's name for the request.
    pub request_id: Option<String>,
    what: String,
    response: Response,
}

impl Reading {
    /// The next piece; `None` at the end. An answer that ends too early is an error.
    ///
    /// # Errors
    /// `s3.timeout`, `s3.unreachable`.
    pub async fn next(&mut self) -> Result<Option<bytes::Bytes>, StepError> {
        self.response
            .chunk()
            .await
            .map_err(|error| lost(&self.what, &error))
    }
}

impl S3Client {
    /// Begins to read an object.
    ///
    /// # Errors
    /// The store's refusal, with its code; `s3.timeout`, `s3.unreachable`.
    pub async fn get(&self, cx: &StepContext, place: &Place) -> Result<Reading, StepError> {
        let what = format!("GET {place}");
        let response = self.ask(cx, &what, "GET", &place.path(), &[], &[]).await?;
        if !response.status().is_success() {
            return Err(Refusal::read(response).await.error(&what));
        }
        Ok(Reading {
            head: head(&response),
            request_id: super::refusal::request_id(&response),
            what,
            response,
        })
    }

    /// What the store says of an object; `None` when there is none.
    ///
    /// # Errors
    /// As [`S3Client::get`].
    pub async fn head(&self, cx: &StepContext, place: &Place) -> Result<Option<Head>, StepError> {
        let what = format!("HEAD {place}");
        let response = self.ask(cx, &what, "HEAD", &place.path(), &[], &[]).await?;
        match response.status().as_u16() {
            404 => Ok(None),
            200 => Ok(Some(head(&response))),
            _ => Err(Refusal::read(response).await.error(&what)),
        }
    }

    /// Writes an object, with a note of its writer's beside it.
    ///
    /// # Errors
    /// As [`S3Client::get`].
    pub async fn put(
        &self,
        cx: &StepContext,
        place: &Place,
        content_type: &str,
        note: (&str, &str),
        content: &[u8],
    ) -> Result<Option<String>, StepError> {
        let what = format!("PUT {place}");
        let name = format!("x-amz-meta-{}", note.0);
        let headers = [("content-type", content_type), (name.as_str(), note.1)];
        let response = self
            .ask(cx, &what, "PUT", &place.path(), &headers, content)
            .await?;
        if !response.status().is_success() {
            return Err(Refusal::read(response).await.error(&what));
        }
        Ok(head(&response).etag)
    }

    /// Takes an object away; that it is not there is fine.
    ///
    /// # Errors
    /// As [`S3Client::get`].
    pub async fn delete(&self, cx: &StepContext, place: &Place) -> Result<(), StepError> {
        let what = format!("DELETE {place}");
        let response = self
            .ask(cx, &what, "DELETE", &place.path(), &[], &[])
            .await?;
        match response.status().as_u16() {
            200..=299 | 404 => Ok(()),
            _ => Err(Refusal::read(response).await.error(&what)),
        }
    }

    /// Sends a request once.
    pub(super) async fn ask(
        &self,
        cx: &StepContext,
        what: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, StepError> {
        let unsigned = Unsigned {
            method,
            path,
            headers,
            body,
        };
        self.signed(cx.clock.now(), &unsigned)?
            .send()
            .await
            .map_err(|error| lost(what, &error))
    }
}

fn head(response: &Response) -> Head {
    let text = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().ok()?.to_owned())
    };
    Head {
        size: text("content-length").and_then(|length| length.parse().ok()),
        etag: text("etag").map(|etag| etag.trim_matches('"').to_owned()),
        metadata: response
            .headers()
            .iter()
            .filter_map(|(name, value)| {
                let name = name.as_str().strip_prefix("x-amz-meta-")?;
                Some((name.to_owned(), value.to_str().ok()?.to_owned()))
            })
            .collect(),
    }
}
