//! One statement from its first page to its last.

use flowctl_workflows::result::ErrorClass;
use indexmap::IndexMap;
use reqwest::Method;
use serde_json::json;

use super::flight::InFlight;
use super::protocol::{Page, QueryError};
use super::result::{Gathered, QueryRefusal, QueryResult};
use super::transport::{Answer, Repeat, Took, decode, escape, headers};
use super::{Statement, TrinoClient, classify, source};
use crate::context::StepContext;
use crate::error::StepError;

/// How a statement is sent.
#[derive(Debug, Clone, Default)]
pub struct QueryOptions {
    /// Catalog, if not the target's.
    pub catalog: Option<String>,
    /// Schema, if not the target's.
    pub schema: Option<String>,
    /// Session properties.
    pub session: IndexMap<String, String>,
    /// User, if not the target's.
    pub user: Option<String>,
    /// More tags, `name=value`, beside those that every query carries.
    pub tags: Vec<String>,
    /// How many rows are kept; all are counted and go into the fingerprint.
    pub max_rows: usize,
    /// Whether the query's id goes to the log before it begins, because its effect must not be doubled.
    pub remember: bool,
    /// Whether the progress line shows it.
    pub show: bool,
}

/// The tags of a statement's queries.
#[must_use]
pub fn sql_tag(statement: &Statement) -> String {
    format!("sql={}", statement.digest())
}

impl TrinoClient {
    /// Runs a statement to its end.
    ///
    /// # Errors
    /// The query's own error, classified; cancelled, after the server was asked to end the query; `Transient` when the
    /// server no longer answers or no longer knows the query, but `Lost` when by then a statement may have had an effect
    /// that must not be doubled.
    pub async fn query(
        &self,
        cx: &StepContext,
        statement: &Statement,
        options: &QueryOptions,
    ) -> Result<QueryResult, StepError> {
        self.outcome(cx, statement, options)
            .await?
            .map_err(|refusal| refusal.error)
    }

    /// The same where the query's own failure is an answer too.
    ///
    /// # Errors
    /// As [`Self::query`], without the query's own error.
    pub async fn outcome(
        &self,
        cx: &StepContext,
        statement: &Statement,
        options: &QueryOptions,
    ) -> Result<Result<QueryResult, QueryRefusal>, StepError> {
        let begun = cx.clock.elapsed();
        let (page, took) = tokio::select! {
            () = cx.cancel.cancelled() => return Err(StepError::cancelled()),
            // Dropping this request is harmless: the server begins a query when its first page is asked for.
            answer = self.submit(cx, statement, options) => answer?,
        };
        let refused = |page: &Page, error: &QueryError| {
            let mut failure =
                lost_only_if_doubled(classify::query_failed(&page.id, error), statement);
            failure.message = cx.secrets.redact(&failure.message);
            QueryRefusal {
                query_id: page.id.clone(),
                error_name: error.error_name.clone(),
                stats: page.stats.clone(),
                wall: cx.clock.elapsed() - begun,
                error: failure,
            }
        };
        if let Some(error) = &page.error {
            return Ok(Err(refused(&page, error)));
        }
        let mut flight = InFlight {
            client: self,
            query_id: page.id.clone(),
            next: page.next_uri.clone(),
        };
        if options.remember {
            // Not the next page's address: it is a key to the result, and it is stale after the next page.
            let handle =
                json!({ "query_id": page.id, "sql": sql_tag(statement), "at": cx.clock.now() });
            cx.sink.checkpoint(handle).await?;
        }
        let mut gathered = Gathered::new(&page, options.max_rows);
        gathered.result.first_byte = took.first_byte;
        gathered.waited = took.whole;
        gathered.take(page, cx.clock.elapsed() - begun);
        let mut shown = String::new();
        while let Some(next) = flight.next.clone() {
            let answer = tokio::select! {
                () = cx.cancel.cancelled() => {
                    flight.end().await;
                    return Err(StepError::cancelled());
                }
                answer = self.page(&flight.query_id, &next) => answer,
            };
            let (page, took) = answer.map_err(|error| lost_if_doubled(error, statement))?;
            gathered.waited += took.whole;
            flight.next.clone_from(&page.next_uri);
            if options.show {
                let progress = progress(&page);
                if progress != shown {
                    cx.sink.progress(&progress);
                    shown = progress;
                }
            }
            if let Some(error) = &page.error {
                return Ok(Err(refused(&page, error)));
            }
            gathered.take(page, cx.clock.elapsed() - begun);
        }
        Ok(Ok(gathered.finish(cx.clock.elapsed() - begun)))
    }

    async fn submit(
        &self,
        cx: &StepContext,
        statement: &Statement,
        options: &QueryOptions,
    ) -> Result<(Page, Took), StepError> {
        let headers = headers(&self.query_headers(cx, statement, options))?;
        let answer = self
            .answer("the statement", Repeat::Unprocessed, || {
                let request = self.request(Method::POST, "v1/statement")?;
                Ok(request
                    .headers(headers.clone())
                    .body(statement.sql().to_owned()))
            })
            .await?;
        page_of("the statement", &answer)
    }

    async fn page(&self, query_id: &str, uri: &str) -> Result<(Page, Took), StepError> {
        let path = self.own_path(uri)?;
        let what = format!("the request for a page of query {query_id}");
        let answer = self
            .answer(&what, Repeat::Always, || self.get(&path))
            .await?;
        page_of(&what, &answer)
    }

    /// The headers of a statement beside the credentials.
    fn query_headers(
        &self,
        cx: &StepContext,
        statement: &Statement,
        options: &QueryOptions,
    ) -> Vec<(&'static str, String)> {
        let tags: Vec<String> = [
            "flowctl".to_owned(),
            format!("run={}", cx.attempt.run),
            sql_tag(statement),
        ]
        .into_iter()
        .chain(options.tags.iter().map(|tag| escape(tag, "=_-.:")))
        .collect();
        let mut headers = vec![
            ("x-trino-source", source(&cx.attempt)),
            ("x-trino-client-tags", tags.join(",")),
            // Without it a timestamp(6) comes as a timestamp with three digits.
            (
                "x-trino-client-capabilities",
                "PARAMETRIC_DATETIME".to_owned(),
            ),
        ];
        if let Some(user) = &options.user {
            headers.push(("x-trino-user", user.clone()));
        }
        if let Some(catalog) = options.catalog.as_ref().or(self.0.catalog.as_ref()) {
            headers.push(("x-trino-catalog", catalog.clone()));
        }
        if let Some(schema) = options.schema.as_ref().or(self.0.schema.as_ref()) {
            headers.push(("x-trino-schema", schema.clone()));
        }
        if !options.session.is_empty() {
            let pairs = options
                .session
                .iter()
                .map(|(name, value)| format!("{name}={}", escape(value, "-_.")));
            headers.push(("x-trino-session", pairs.collect::<Vec<_>>().join(",")));
        }
        headers
    }
}

fn page_of(what: &str, answer: &Answer) -> Result<(Page, Took), StepError> {
    Ok((decode(what, &answer.bytes)?, answer.took))
}

/// A server that went silent may have finished what it was doing.
fn lost_if_doubled(mut error: StepError, statement: &Statement) -> StepError {
    if statement.doubles() && error.class == ErrorClass::Transient {
        error.class = ErrorClass::Lost;
    }
    lost_only_if_doubled(error, statement)
}

/// What became of a query that the server no longer knows, or gave up, matters only where a second one would be one too many.
fn lost_only_if_doubled(mut error: StepError, statement: &Statement) -> StepError {
    if !statement.doubles() && error.class == ErrorClass::Lost {
        error.class = ErrorClass::Transient;
    }
    error
}

fn progress(page: &Page) -> String {
    match page.stats.progress_percentage {
        Some(percent) => format!("query {}: {} {percent:.0} %", page.id, page.stats.state),
        None => format!("query {}: {}", page.id, page.stats.state),
    }
}
