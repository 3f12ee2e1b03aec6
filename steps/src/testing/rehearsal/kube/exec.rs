//! Programs in containers: the few that a rehearsal knows, over the WebSocket of `pods/exec` (`v4.channel.k8s.io`).

use futures::SinkExt as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::cluster::Cluster;
use super::files;
use crate::testing::rehearsal::door::{Reply, Request};

/// What a program left.
#[derive(Debug)]
pub(in crate::testing::rehearsal) struct Ended {
    stdout: String,
    status: Value,
}

/// Runs a program in a container.
pub(super) fn run(cluster: &Cluster, pod: &Value, argv: &[String]) -> Ended {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    match words[..] {
        ["jcmd", "1", "VM.flags"] => succeeded(flags(cluster, pod)),
        ["df", "-P", "-k", directory] => match files::disk_free(cluster, pod, directory) {
            Some(table) => succeeded(table),
            None => exited(1),
        },
        // The one script that phase 3 has: the fourth word of the last line of `df`.
        ["sh", "-c", FREE_KIBIBYTES, directory] => {
            let table = files::disk_free(cluster, pod, directory).unwrap_or_default();
            let last = table.lines().last().unwrap_or_default();
            let free = last.split_whitespace().nth(3).unwrap_or_default();
            succeeded(free.to_owned())
        }
        _ => Ended {
            stdout: String::new(),
            status: json!({"metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
                "message": format!("the rehearsal knows no program `{}`", argv.join(" "))}),
        },
    }
}

/// As `sh` runs it, with the directory as `$0`.
const FREE_KIBIBYTES: &str = r#"set -- $(df -P -k "$0" | tail -n 1); printf %s "$4""#;

fn succeeded(stdout: String) -> Ended {
    Ended {
        stdout,
        status: json!({"metadata": {}, "status": "Success"}),
    }
}

/// A program that ended with a code of its own.
fn exited(code: i32) -> Ended {
    Ended {
        stdout: String::new(),
        status: json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]}}),
    }
}

/// The flags of a JVM that was started with the `jvm.config` which the pod's volume holds.
fn flags(cluster: &Cluster, pod: &Value) -> String {
    let config = files::configured(cluster, pod, "jvm.config");
    let flags = config.lines().filter_map(|line| {
        let line = line.trim();
        match line.strip_prefix("-Xmx") {
            Some(heap) => Some(format!("-XX:MaxHeapSize={}", bytes(heap))),
            None => line
                .starts_with("-XX:")
                .then(|| match line.split_once('=') {
                    Some((name, value)) => format!("{name}={}", bytes(value)),
                    None => line.to_owned(),
                }),
        }
    });
    format!("1:\n{}\n", flags.collect::<Vec<_>>().join(" "))
}

/// A size of the JVM in bytes, or the text as it is.
fn bytes(text: &str) -> String {
    let units = [('K', 10), ('M', 20), ('G', 30)];
    let size = units.iter().find_map(|(unit, bits)| {
        let digits = text.strip_suffix([*unit, unit.to_ascii_lowercase()])?;
        Some(digits.parse::<u64>().ok()? << bits)
    });
    size.map_or_else(|| text.to_owned(), |size| size.to_string())
}

/// The answer that takes the connection over.
pub(in crate::testing::rehearsal) fn accept(request: &Request) -> Reply {
    let key = derive_accept_key(request.header("sec-websocket-key").as_bytes());
    Reply {
        status: 101,
        headers: vec![
            ("connection", "Upgrade".to_owned()),
            ("upgrade", "websocket".to_owned()),
            ("sec-websocket-accept", key),
            ("sec-websocket-protocol", "v4.channel.k8s.io".to_owned()),
        ],
        body: bytes::Bytes::new(),
    }
}

/// Sends the streams and the status, each on its channel, and closes.
pub(in crate::testing::rehearsal) async fn send(upgrade: OnUpgrade, ended: Ended) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut socket =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    for (channel, content) in [(1_u8, ended.stdout), (3, ended.status.to_string())] {
        if content.is_empty() {
            continue;
        }
        let mut message = vec![channel];
        message.extend_from_slice(content.as_bytes());
        if socket.send(Message::Binary(message.into())).await.is_err() {
            return;
        }
    }
    // Who reads no further has what was asked for.
    let _ = socket.close(None).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_as_the_jvm_shows_them() {
        assert_eq!(bytes("32M"), "33554432");
        assert_eq!(bytes("24G"), "25769803776");
        assert_eq!(bytes("0.75"), "0.75");
    }
}
