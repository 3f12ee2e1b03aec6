//! What this client adds to a query: a short series of queries against a coordinator in flowctl's own process that answers
//! at once. Owns that coordinator; what is measured on a real one is not its matter.
//!
//! The coordinator shares the thread with the client, so its own work, some ten microseconds a request, is in the figures:
//! they are bounds from above. TLS and a port-forward are not in them.

use std::net::SocketAddr;
use std::time::Duration;

use flowctl_workflows::result::{ErrorClass, Number};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::result::micros;
use super::{Patience, QueryOptions, Route, Statement, TrinoClient};
use crate::context::StepContext;
use crate::error::StepError;
use crate::secret::Secrets;
use crate::statistics::Percentile;

/// Queries before those that count: the first one connects.
const WARMUP: u32 = 5;
/// Queries that count.
const QUERIES: u32 = 50;
/// The longest that all of them may take; then there is no calibration.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the client alone takes for a query of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Calibration {
    /// How many queries were measured.
    pub queries: u32,
    /// Median of a query's time.
    pub p50_micros: u64,
    /// Its 99th percentile.
    pub p99_micros: u64,
}

impl Calibration {
    /// The same for people, beside the latencies that it bears on.
    #[must_use]
    pub fn numbers(&self) -> [Number; 2] {
        let number = |name: &str, micros: u64| Number {
            name: name.to_owned(),
            value: micros as f64 / 1e3,
            unit: "ms".to_owned(),
            interval: None,
            target: None,
            samples: Some(self.queries.into()),
        };
        [
            number("client alone p50", self.p50_micros),
            number("client alone p99", self.p99_micros),
        ]
    }
}

/// Measures the client on this machine as it is now. `None`: loopback gave no answer, which is no reason not to measure a
/// platform.
///
/// # Errors
/// Cancelled.
pub async fn calibrate(cx: &StepContext) -> Result<Option<Calibration>, StepError> {
    match tokio::time::timeout(PATIENCE, measure(cx)).await {
        Ok(Ok(calibration)) => Ok(Some(calibration)),
        Ok(Err(error)) if error.class == ErrorClass::Cancelled => Err(error),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the client could not be calibrated");
            Ok(None)
        }
        Err(_) => {
            tracing::warn!("the client was not calibrated within {PATIENCE:?}");
            Ok(None)
        }
    }
}

async fn measure(cx: &StepContext) -> Result<Calibration, StepError> {
    let stub = Stub::start()
        .await
        .map_err(|error| StepError::transient("trino.calibration", error.to_string()))?;
    let target = serde_json::from_value(json!({ "user": "flowctl" }))
        .map_err(|error| StepError::permanent("trino.calibration", error.to_string()))?;
    let route = Route {
        base_url: format!("http://{}", stub.address),
        ..Route::default()
    };
    let client = TrinoClient::new(route, &target, Secrets::default(), Patience::default())?;
    let statement = Statement::new("SELECT 1")?;
    let options = QueryOptions::default();
    let mut took = Vec::new();
    for query in 0..WARMUP + QUERIES {
        let wall = client.query(cx, &statement, &options).await?.wall;
        if query >= WARMUP {
            took.push(micros(wall) as f64);
        }
    }
    took.sort_by(f64::total_cmp);
    let at = |p: f64| Percentile::of(&took, p).map_or(0.0, |percentile| percentile.estimate);
    Ok(Calibration {
        queries: QUERIES,
        p50_micros: at(0.5).round() as u64,
        p99_micros: at(0.99).round() as u64,
    })
}

/// The coordinator; it ends with this.
struct Stub {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Stub {
    async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            // Dropped with this task, and with them their connections.
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(serve(connection, address));
            }
        });
        Ok(Self { address, serving })
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers until the client closes the connection, or says what is no request.
async fn serve(connection: TcpStream, address: SocketAddr) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut connection = BufReader::new(connection);
    while let Some(first) = request(&mut connection).await? {
        let body = match first.starts_with("POST ") {
            true => page(json!({ "nextUri": format!("http://{address}/v1/statement/1") })),
            false => {
                page(json!({ "columns": [{"name": "one", "type": "integer"}], "data": [[1]] }))
            }
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        connection.write_all((head + &body).as_bytes()).await?;
    }
    Ok(())
}

fn page(more: Value) -> String {
    let mut page = json!({ "id": "20260101_000000_00000_flows", "stats": {"state": "FINISHED"} });
    if let (Value::Object(page), Value::Object(more)) = (&mut page, more) {
        page.extend(more);
    }
    page.to_string()
}

/// Reads a request to its end; its first line. `None`: there is none any more.
async fn request(connection: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut first = String::new();
    if connection.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    tokio::io::copy(&mut connection.take(length), &mut tokio::io::sink()).await?;
    Ok(Some(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestContext;

    #[tokio::test]
    async fn the_client_alone_takes_some_time_and_no_target() {
        let test = TestContext::new("calibration").unwrap();
        let calibration = calibrate(&test.context).await.unwrap().unwrap();
        assert_eq!(calibration.queries, QUERIES);
        assert!(0 < calibration.p50_micros && calibration.p50_micros <= calibration.p99_micros);
        let [p50, p99] = calibration.numbers();
        assert_eq!(
            (p50.value, p99.value),
            (
                calibration.p50_micros as f64 / 1e3,
                calibration.p99_micros as f64 / 1e3
            )
        );
        assert!(test.sink.evidence().is_empty() && test.sink.checkpoints().is_empty());
    }

    #[tokio::test]
    async fn a_cancelled_attempt_is_not_calibrated() {
        let test = TestContext::new("calibration").unwrap();
        test.context.cancel.cancel();
        let error = calibrate(&test.context).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Cancelled);
    }
}
