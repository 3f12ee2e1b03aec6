//! When a program that stays is ready: one look, from outside, as its users would.

use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::child::Group;
use crate::child::environment::{self, Variables};
use crate::child::proc::STEP_MARK;
use crate::clients::http;
use crate::context::StepContext;
use crate::error::StepError;

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(5);

/// A check that passes when the program is ready.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Check {
    /// A URL that answers a GET with 2xx. Not through a proxy.
    Http(String),
    /// `HOST:PORT` that accepts a connection.
    Tcp(String),
    /// A program that exits with 0, with the environment of the program that it checks.
    Argv(Vec<String>),
}

impl Check {
    /// Says what is wrong with it.
    pub(super) fn validate(&self) -> Result<(), String> {
        match self {
            Check::Http(url) => match reqwest::Url::parse(url) {
                Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(()),
                _ => Err(format!("`ready.http` is no HTTP URL: {url}")),
            },
            Check::Tcp(address) => match address.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(()),
                _ => Err(format!("`ready.tcp` is not HOST:PORT: {address}")),
            },
            Check::Argv(argv) if argv.first().is_none_or(String::is_empty) => {
                Err("`ready.argv` needs a program as its first item".to_owned())
            }
            Check::Argv(_) => Ok(()),
        }
    }

    /// Whether only a program that runs can make it pass; a file that `test -e` finds may be of an earlier one.
    pub(super) fn proves_a_listener(&self) -> bool {
        match self {
            Check::Http(_) | Check::Tcp(_) => true,
            Check::Argv(_) => false,
        }
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Check::Http(url) => write!(f, "GET {url}"),
            Check::Tcp(address) => write!(f, "connect {address}"),
            Check::Argv(argv) => write!(f, "{}", argv.join(" ")),
        }
    }
}

/// A check with what it needs.
pub(super) struct Looker<'a> {
    pub(super) check: &'a Check,
    pub(super) environment: &'a Variables,
    pub(super) cwd: Option<&'a str>,
    client: reqwest::Client,
}

impl<'a> Looker<'a> {
    pub(super) fn new(
        check: &'a Check,
        environment: &'a Variables,
        cwd: Option<&'a str>,
    ) -> Result<Self, StepError> {
        let client = http::finish(http::builder(None)?.no_proxy().timeout(LOOK))?;
        Ok(Self {
            check,
            environment,
            cwd,
            client,
        })
    }

    /// Looks once: `Ok` or what was seen instead.
    pub(super) async fn look(&self, cx: &StepContext) -> Result<(), String> {
        let looked = async {
            match self.check {
                Check::Http(url) => self.get(url).await,
                Check::Tcp(address) => match tokio::net::TcpStream::connect(address).await {
                    Ok(_) => Ok(()),
                    Err(error) => Err(format!("{address}: {error}")),
                },
                Check::Argv(argv) => self.execute(argv, cx).await,
            }
        };
        tokio::time::timeout(LOOK, looked)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", LOOK.as_secs())))
    }

    async fn get(&self, url: &str) -> Result<(), String> {
        match self.client.get(url).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("HTTP {}", response.status().as_u16())),
            Err(error) => Err(http::chain(&error)),
        }
    }

    async fn execute(&self, argv: &[String], cx: &StepContext) -> Result<(), String> {
        let mut command = Command::new(&argv[0]);
        command
            .args(&argv[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(cwd) = self.cwd {
            command.current_dir(cwd);
        }
        let mark = format!("{}/ready", cx.attempt);
        environment::apply(&mut command, cx, self.environment, Some((STEP_MARK, &mark)))
            .map_err(|error| error.message)?;
        let mut group =
            Group::spawn(&mut command, mark).map_err(|error| format!("`{}`: {error}", argv[0]))?;
        match group.wait().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("`{}` ended with {status}", argv[0])),
            Err(error) => Err(error.to_string()),
        }
    }
}
