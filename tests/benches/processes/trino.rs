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

/// In an open load: a query is due every so often, and each is held back so long that nine of ten clients have one under way.
/// Were it all of them, none would be free when a query is due.
const EVERY_MILLIS: u64 = 5;
const CLIENTS: u64 = 200;
const HELD: Duration = Duration::from_millis(CLIENTS * EVERY_MILLIS * 9 / 10);
/// How long the load lasts.
const LOAD_SECONDS: u64 = 10;
/// The statement that is held back so long.
const SLOW: &str = "SELECT 2";

const STATEMENT: &str = "SELECT 1";

/// `FLOWCTL`: a benchmark of flowctl's against the stub, in the working directory.
pub(crate) fn flowctl(arguments: &[String]) -> Result<(), Failure> {
    let [flowctl] = arguments else {
        return Err("usage: trino FLOWCTL".into());
    };
    let step = format!(
        "uses: trino.benchmark, proves: [answered], with: {{warmup: 3, runs: {QUERIES}, queries: \
         [{{name: one, sql: {STATEMENT}, sla: {{p50: 1m}}}}]}}"
    );
    let report = report(Command::new(flowctl), &step)?;
    leave(&report, "client p50")
}

/// `FLOWCTL NUMBER`: an open load of flowctl's against the stub, all of flowctl on one core; what is left is this number of
/// its report, for example how late its queries were at the 99th percentile.
pub(crate) fn load(arguments: &[String]) -> Result<(), Failure> {
    let [flowctl, number] = arguments else {
        return Err("usage: trino-load FLOWCTL NUMBER".into());
    };
    let step = format!(
        "uses: trino.load, proves: [answered], with: {{model: open, every: {EVERY_MILLIS}ms, clients: {CLIENTS}, \
         duration: {LOAD_SECONDS}s, overlap: {{min: 1}}, queries: [{{name: one, sql: {SLOW}}}]}}"
    );
    let mut command = Command::new("taskset");
    command.args(["-c", "0", flowctl]);
    leave(&report(command, &step)?, number)
}

/// Leaves a number of milliseconds where [`median`] finds it.
fn leave(report: &Value, name: &str) -> Result<(), Failure> {
    let millis = number(report, name).ok_or(format!("the report has no `{name}`"))?;
    Ok(std::fs::write(MEDIAN, (millis / 1e3).to_string())?)
}

/// The report of a run of one step against the stub, in the working directory.
fn report(mut command: Command, step: &str) -> Result<Value, Failure> {
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
             - {{id: queries, {step}}}\n"
        ),
    )?;
    command.args(["run", "bench.yaml", "--target", "stub.yaml", "--quiet"]);
    at_home(&mut command, &here);
    let status = command
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .status()?;
    // 3: a schedule that was not held proves nothing, and here it is what is measured.
    if !matches!(status.code(), Some(0 | 3)) {
        return Err(format!("flowctl ended with {status}").into());
    }
    let run = std::fs::read_dir(here.join("state/reports"))?
        .next()
        .ok_or("there is no report")??;
    Ok(serde_json::from_slice(&std::fs::read(
        run.path().join("report.json"),
    )?)?)
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
    while let Some((first, body)) = message(&mut connection)? {
        let rows = || page(",\"columns\":[{\"name\":\"one\",\"type\":\"integer\"}],\"data\":[[1]]");
        let next = |last: &str| {
            page(&format!(
                ",\"nextUri\":\"http://{address}/v1/statement/{last}\""
            ))
        };
        let (status, body) = match first.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["POST", "/v1/statement"] if body == SLOW.as_bytes() => ("200 OK", next("slow")),
            ["POST", "/v1/statement"] => ("200 OK", next("page")),
            // The only latency there is.
            ["GET", "/v1/statement/page"] => {
                std::thread::sleep(LATENCY);
                ("200 OK", rows())
            }
            ["GET", "/v1/statement/slow"] => {
                std::thread::sleep(HELD);
                ("200 OK", rows())
            }
            ["GET", "/v1/query"] => ("200 OK", "[]".to_owned()),
            // It remembers no query.
            _ => ("410 Gone", String::new()),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
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

/// Reads a request or an answer to its end; its first line and its body. `None`: the other side has closed.
fn message(connection: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, Vec<u8>)>> {
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
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok(Some((first, body)))
}
