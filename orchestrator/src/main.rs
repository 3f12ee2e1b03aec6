//! The `flowctl` binary: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    flowctl::cli::run(std::env::args_os()).into()
}

/// One heap for all threads, which gives back what it does not need: flowctl runs beside what it measures.
#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
