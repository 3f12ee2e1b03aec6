//! The `flowctl` binary: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    flowctl::cli::run(std::env::args_os()).into()
}
