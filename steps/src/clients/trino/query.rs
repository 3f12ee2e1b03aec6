//! One statement from its first page to its last, and its end on the server when the answer is no longer wanted.

use std::time::Duration;

use flowctl_workflows::result::ErrorClass;
use indexmap::IndexMap;
use reqwest::Method;
use serde_json::{Value, json};

use super::protocol::{Column, Page, QueryError, Stats};
use super::rows::Fingerprint;
use super::transport::{Answer, Repeat, Took, decode, escape, headers};
use super::{Statement, TrinoClient, classify, source};
use crate::context::StepContext;
use crate::error::StepError;

/// How long a cancelled query may take to end before the step stops waiting for it.
const END_WITHIN: Duration = Duration::from_secs(5);

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

/// A statement that came to its end.
#[derive(Debug, Clone)]
pub struct QueryResult {
    /// The query's id.
    pub query_id: String,
    /// The result's columns.
    pub columns: Vec<Column>,
    /// The first rows, at most as many as asked for.
    pub rows: Vec<Vec<Value>>,
    /// How many rows there were.
    pub row_count: u64,
    /// The same for the same rows in any order.
    pub fingerprint: String,
    /// For example `INSERT`.
    pub update_type: Option<String>,
    /// Rows written, where Trino says so.
    pub update_count: Option<u64>,
    /// What it cost, as the last page says.
    pub stats: Stats,
    /// The server's remarks.
    pub warnings: Vec<String>,
    /// Pages that were fetched.
    pub pages: u64,
    /// From the request to the last page on this side.
    pub wall: Duration,
    /// From the request to the first row on this side.
    pub first_row: Option<Duration>,
    /// From the moment at which the statement was sent to the first byte of the first answer.
    pub first_byte: Duration,
    /// What of `wall` is flowctl's own work: all but the times from a request's sending to its answer's last byte.
    pub own: Duration,
}

impl QueryResult {
    /// The raw record, for the evidence.
    #[must_use]
    pub fn record(&self, statement: &Statement, source: &str) -> Value {
        json!({
            "query_id": self.query_id,
            "source": source,
            "sql": statement.sql(),
            "columns": self.columns,
            "rows": self.rows,
            "row_count": self.row_count,
            "fingerprint": self.fingerprint,
            "update_type": self.update_type,
            "update_count": self.update_count,
            "stats": self.stats,
            "warnings": self.warnings,
            "pages": self.pages,
            "client_wall_millis": millis(self.wall),
            "client_first_row_millis": self.first_row.map(millis),
            "client_first_byte_micros": micros(self.first_byte),
            "client_own_micros": micros(self.own),
        })
    }
}

/// A statement that the server refused, or gave up.
#[derive(Debug, Clone)]
pub struct QueryRefusal {
    /// The query's id.
    pub query_id: String,
    /// Trino's name of the error, for example `EXCEEDED_TIME_LIMIT`.
    pub error_name: String,
    /// What it had cost by then, as the last page says.
    pub stats: Stats,
    /// From the request to the refusal, on this side.
    pub wall: Duration,
    /// The same as a step's error, classified.
    pub error: StepError,
}

/// A duration as whole milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A duration as whole microseconds.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
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
    /// server no longer answers, but `Lost` when by then a statement may have had an effect that must not be doubled.
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
            let mut failure = classify::query_failed(&page.id, error);
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
    error
}

fn progress(page: &Page) -> String {
    match page.stats.progress_percentage {
        Some(percent) => format!("query {}: {} {percent:.0} %", page.id, page.stats.state),
        None => format!("query {}: {}", page.id, page.stats.state),
    }
}

/// A query that the server works on. Dropped before its end, it asks the server to end it.
struct InFlight<'a> {
    client: &'a TrinoClient,
    query_id: String,
    next: Option<String>,
}

impl InFlight<'_> {
    /// Asks the server to end the query, and waits a little until it has.
    async fn end(mut self) {
        let Some(next) = self.next.clone() else {
            return;
        };
        let (client, query_id) = (self.client, self.query_id.clone());
        let ended = async {
            client.delete_page(&next).await?;
            // Only now: dropped before this, the query is still to be ended.
            self.next = None;
            client.until_ended(&query_id).await
        };
        match tokio::time::timeout(END_WITHIN, ended).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%query_id, %error, "the query may still run"),
            Err(_) => {
                tracing::warn!(%query_id, "the query was asked to end but has not within {END_WITHIN:?}")
            }
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let (Some(next), Ok(runtime)) = (self.next.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let (client, query_id) = (self.client.clone(), self.query_id.clone());
        runtime.spawn(async move {
            if let Err(error) = client.delete_page(&next).await {
                tracing::warn!(%query_id, %error, "the query may still run");
            }
        });
    }
}

/// What the pages brought so far.
pub(super) struct Gathered {
    result: QueryResult,
    fingerprint: Fingerprint,
    max_rows: usize,
    /// How long the server and the network took.
    waited: Duration,
}

impl Gathered {
    pub(super) fn new(first: &Page, max_rows: usize) -> Self {
        let result = QueryResult {
            query_id: first.id.clone(),
            columns: Vec::new(),
            rows: Vec::new(),
            row_count: 0,
            fingerprint: String::new(),
            update_type: None,
            update_count: None,
            stats: Stats::default(),
            warnings: Vec::new(),
            pages: 0,
            wall: Duration::ZERO,
            first_row: None,
            first_byte: Duration::ZERO,
            own: Duration::ZERO,
        };
        Self {
            result,
            fingerprint: Fingerprint::default(),
            max_rows,
            waited: Duration::ZERO,
        }
    }

    pub(super) fn take(&mut self, page: Page, at: Duration) {
        let result = &mut self.result;
        result.pages += 1;
        if let Some(columns) = page.columns {
            result.columns = columns;
        }
        for row in page.data.unwrap_or_default() {
            result.first_row.get_or_insert(at);
            result.row_count += 1;
            self.fingerprint.add(&row);
            if result.rows.len() < self.max_rows {
                result.rows.push(row);
            }
        }
        result.update_type = page.update_type.or(result.update_type.take());
        result.update_count = page.update_count.or(result.update_count);
        if !page.warnings.is_empty() {
            result.warnings = page
                .warnings
                .into_iter()
                .map(|warning| warning.message)
                .collect();
        }
        result.stats = page.stats;
    }

    pub(super) fn finish(mut self, wall: Duration) -> QueryResult {
        self.result.wall = wall;
        self.result.own = wall.saturating_sub(self.waited);
        self.result.fingerprint = self.fingerprint.finish();
        self.result
    }
}
