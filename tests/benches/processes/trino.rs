//! What flowctl's Trino client adds to a query: against a stub of the protocol whose only latency is known, beside a bare
//! client that exchanges the same bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::Failure;
use crate::contender::at_home;
use crate::measure::now;

/// How long the stub holds each result back.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);
/// How many queries count.
const QUERIES: usize = 60;
/// Where a run leaves what a query took at its median, in seconds.
pub(crate) const MEDIAN: &str = "median";

const STATEMENT: &str = "SELECT 1";

/// `FLOWCTL`: a benchmark of flowctl's against the stub, in the working directory.
pub(crate) fn flowctl(arguments: &[String]) -> Result<(), Failure> {
    let [flowctl] = arguments else {
        return Err("usage: trino FLOWCTL".into());
    };
    let address = stub()?;
    let here = std::env::current_dir()?;
    std::fs::write(
        here.join("stub.yaml"),
        format!(
            "apiVersion: flowctl/v1\nkind: Target\nmetadata: {{name: stub}}\ntrino: {{url: \"http://{address}\", user: bench}}\n"
        ),
    )?;
    std::fs::write(
        here.join("bench.yaml"),
        format!(
            "apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {{name: bench}}\ncriteria:\n  - {{id: answered, text: answered}}\nsteps:\n  \
             - {{id: queries, uses: trino.benchmark, proves: [answered], with: {{warmup: 3, runs: {QUERIES}, queries: \
             [{{name: one, sql: {STATEMENT}, sla: {{p50: 1m}}}}]}}}}\n"
        ),
    )?;
    let mut command = Command::new(flowctl);
    command.args(["run", "bench.yaml", "--target", "stub.yaml", "--quiet"]);
    at_home(&mut command, &here);
    let status = command
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .status()?;
    if !status.success() {
        return Err(format!("flowctl ended with {status}").into());
    }
    let run = std::fs::read_dir(here.join("state/reports"))?
        .next()
        .ok_or("there is no report")??;
    let report: Value = serde_json::from_slice(&std::fs::read(run.path().join("report.json"))?)?;
    let median = number(&report, "client p50").ok_or("the report has no `client p50`")?;
    Ok(std::fs::write(
        here.join(MEDIAN),
        (median / 1e3).to_string(),
    )?)
}

/// The same queries from a client that does nothing but send and read.
pub(crate) fn bare() -> Result<(), Failure> {
    let address = stub()?;
    let mut connection = BufReader::new(TcpStream::connect(address)?);
    connection.get_ref().set_nodelay(true)?;
    let mut took = Vec::new();
    for _ in 0..QUERIES {
        let begin = now();
        let length = STATEMENT.len();
        let post = format!(
            "POST /v1/statement HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n{STATEMENT}"
        );
        exchange(&mut connection, &post)?;
        exchange(
            &mut connection,
            &format!("GET /v1/statement/page HTTP/1.1\r\nhost: {address}\r\n\r\n"),
        )?;
        took.push(begin.elapsed().as_secs_f64());
    }
    took.sort_by(f64::total_cmp);
    let median = took.get(QUERIES / 2).ok_or("no query")?;
    Ok(std::fs::write(MEDIAN, median.to_string())?)
}

/// What [`flowctl`] or [`bare`] left.
pub(crate) fn median(directory: &Path) -> Result<f64, Failure> {
    Ok(std::fs::read_to_string(directory.join(MEDIAN))?.parse()?)
}

fn exchange(connection: &mut BufReader<TcpStream>, request: &str) -> Result<(), Failure> {
    connection.get_mut().write_all(request.as_bytes())?;
    message(connection)?.ok_or("the stub closed the connection")?;
    Ok(())
}

/// The number of this name, wherever it stands.
fn number(value: &Value, name: &str) -> Option<f64> {
    match value {
        Value::Object(fields) if fields.get("name").and_then(Value::as_str) == Some(name) => {
            fields.get("value")?.as_f64()
        }
        Value::Object(fields) => fields.values().find_map(|value| number(value, name)),
        Value::Array(items) => items.iter().find_map(|value| number(value, name)),
        _ => None,
    }
}

/// Starts the stub; it ends with the process.
fn stub() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // A client that goes away ends its thread.
            std::thread::spawn(move || serve(connection, address).is_ok());
        }
    });
    Ok(address)
}

fn serve(connection: TcpStream, address: SocketAddr) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut connection = BufReader::new(connection);
    while let Some(first) = message(&mut connection)? {
        let body = match first.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["POST", "/v1/statement"] => page(&format!(
                ",\"nextUri\":\"http://{address}/v1/statement/page\""
            )),
            ["GET", "/v1/statement/page"] => {
                // The only latency there is.
                std::thread::sleep(LATENCY);
                page(",\"columns\":[{\"name\":\"one\",\"type\":\"integer\"}],\"data\":[[1]]")
            }
            _ => "[]".to_owned(),
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.get_mut().write_all(answer.as_bytes())?;
    }
    Ok(())
}

fn page(more: &str) -> String {
    format!(
        "{{\"id\":\"20260101_000000_00000_bench\",\"stats\":{{\"state\":\"FINISHED\",\"elapsedTimeMillis\":{}}}{more}}}",
        LATENCY.as_millis()
    )
}

/// Reads a request or an answer to its end; its first line. `None`: the other side has closed.
fn message(connection: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let (mut first, mut length) = (String::new(), 0);
    if connection.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    loop {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    connection.read_exact(&mut vec![0; length])?;
    Ok(Some(first))
}
