//! What the figures were measured on.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::Failure;

/// The machine and the programs.
#[derive(Serialize)]
pub(crate) struct Machine {
    when: String,
    kernel: String,
    processor: String,
    cores: usize,
    /// The load averages before and after.
    load: [String; 2],
    programs: Vec<String>,
    binary_bytes: u64,
}

/// Looks at the machine; `before` is its load when the benchmark began.
pub(crate) fn describe(flowctl: &Path, before: String) -> Result<Machine, Failure> {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    Ok(Machine {
        when: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        kernel: said("uname", &["-sr"]),
        processor: model
            .map(|model| model.trim_start_matches([' ', '\t', ':']).to_owned())
            .unwrap_or_default(),
        cores: std::thread::available_parallelism()?.get(),
        load: [before, load()],
        programs: vec![
            said(&flowctl.display().to_string(), &["--version"]),
            said("make", &["--version"]),
            format!("ninja {}", said("ninja", &["--version"])),
            said("xargs", &["--version"]),
        ],
        binary_bytes: std::fs::metadata(flowctl)?.len(),
    })
}

/// The load of the last one, five and fifteen minutes.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

impl Machine {
    pub(crate) fn text(&self) -> String {
        format!(
            "Measured {} on {} cores ({}), {}; load average {} before and {} after. {}. The binary has {:.1} MB.\n",
            self.when,
            self.cores,
            self.processor,
            self.kernel,
            self.load[0],
            self.load[1],
            self.programs.join(", "),
            self.binary_bytes as f64 / 1e6
        )
    }
}

/// The first line that a program prints.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output
        .map(|output| {
            String::from_utf8_lossy(&output.stdout)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .unwrap_or_else(|error| format!("{program}: {error}"))
}
