//! The queries that the coordinator remembers: found again by their source, ended, and looked into.
//!
//! It remembers a finished query for `query.min-expire-age`, fifteen minutes unless told otherwise.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use super::protocol::{NodeShare, QuerySummary, shares};
use super::transport::{Repeat, decode};
use super::{TrinoClient, source_prefix};
use crate::context::StepContext;
use crate::error::StepError;

/// How often a query that is being ended is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long the end of a left-over query may take.
const END_WITHIN: Duration = Duration::from_secs(60);

impl TrinoClient {
    /// All queries that the coordinator shows this user.
    ///
    /// # Errors
    /// When it does not answer, or not this user.
    pub async fn queries(&self) -> Result<Vec<QuerySummary>, StepError> {
        let bytes = self
            .send("the request for /v1/query", Repeat::Always, || {
                self.get("v1/query")
            })
            .await?;
        decode("/v1/query", &bytes)
    }

    /// All that the coordinator knows of a query; `None` when it does not know it (any more).
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn query_record(&self, query_id: &str) -> Result<Option<Value>, StepError> {
        self.one(&format!("v1/query/{query_id}")).await
    }

    /// A query's head without its stages; `None` when the coordinator does not know it (any more).
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn query_summary(&self, query_id: &str) -> Result<Option<QuerySummary>, StepError> {
        let Some(record) = self
            .one(&format!("v1/query/{query_id}?pruned=true"))
            .await?
        else {
            return Ok(None);
        };
        serde_json::from_value(record).map(Some).map_err(|error| {
            StepError::transient(
                "trino.protocol",
                format!("the record of query {query_id} is not what Trino says: {error}"),
            )
        })
    }

    async fn one(&self, path: &str) -> Result<Option<Value>, StepError> {
        let what = format!("the request for /{path}");
        match self.send(&what, Repeat::Always, || self.get(path)).await {
            Ok(bytes) => decode(&what, &bytes).map(Some),
            Err(error) if matches!(&*error.code, "trino.http_404" | "trino.http_410") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Which nodes took tasks of a query, with the record that says so.
    ///
    /// # Errors
    /// When the coordinator does not answer, or no longer knows the query.
    pub async fn node_shares(&self, query_id: &str) -> Result<(Vec<NodeShare>, Value), StepError> {
        let record = self.query_record(query_id).await?.ok_or_else(|| {
            StepError::transient(
                "trino.query_gone",
                format!("the coordinator has already forgotten query {query_id}"),
            )
        })?;
        Ok((shares(&record), record))
    }

    /// The queries of all attempts of this step that the coordinator remembers, those still running ended first. For an
    /// attempt that an earlier process may have begun; afterwards none of them runs.
    ///
    /// # Errors
    /// When the coordinator does not answer, or a query does not end.
    pub async fn end_leftovers(&self, cx: &StepContext) -> Result<Vec<QuerySummary>, StepError> {
        let prefix = source_prefix(&cx.attempt);
        let mut left = Vec::new();
        for query in self.queries().await? {
            let ours = query
                .session
                .source
                .as_deref()
                .and_then(|source| source.strip_prefix(&prefix));
            if ours.is_none_or(|attempt| attempt.parse::<u32>().is_err()) {
                continue;
            }
            if query.ended() {
                left.push(query);
                continue;
            }
            cx.sink.progress(&format!(
                "ending query {}, left over from before",
                query.query_id
            ));
            tracing::info!(query_id = %query.query_id, "ending a query that an earlier process left over");
            self.kill(&query.query_id).await?;
            // It may have finished just before it was ended: only the server knows.
            left.extend(self.query_summary(&query.query_id).await?);
        }
        Ok(left)
    }

    /// Ends a query and waits until it has ended.
    ///
    /// # Errors
    /// When the coordinator does not answer, or the query does not end in time.
    pub async fn kill(&self, query_id: &str) -> Result<(), StepError> {
        let what = format!("the end of query {query_id}");
        let path = format!("v1/query/{query_id}");
        match self
            .send(&what, Repeat::Always, || {
                self.request(Method::DELETE, &path)
            })
            .await
        {
            Ok(_) => {}
            Err(error) if matches!(&*error.code, "trino.http_404" | "trino.http_410") => {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        tokio::time::timeout(END_WITHIN, self.until_ended(query_id))
            .await
            .unwrap_or_else(|_| {
                Err(StepError::transient(
                    "trino.does_not_end",
                    format!(
                        "query {query_id} was asked to end and has not within {} s",
                        END_WITHIN.as_secs()
                    ),
                ))
            })
    }

    /// Waits until the query has ended or is forgotten.
    pub(super) async fn until_ended(&self, query_id: &str) -> Result<(), StepError> {
        while self
            .query_summary(query_id)
            .await?
            .is_some_and(|query| !query.ended())
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Ends a query by the address of its next page.
    pub(super) async fn delete_page(&self, uri: &str) -> Result<(), StepError> {
        let path = self.own_path(uri)?;
        match self
            .send("the end of a query", Repeat::Always, || {
                self.request(Method::DELETE, &path)
            })
            .await
        {
            Ok(_) => Ok(()),
            // Already over.
            Err(error) if matches!(&*error.code, "trino.http_404" | "trino.http_410") => Ok(()),
            Err(error) => Err(error),
        }
    }
}
