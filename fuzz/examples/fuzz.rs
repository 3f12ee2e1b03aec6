//! `fuzz TARGET SECONDS SEED`: reads inputs made out of the corpus until the time is over. Writes each input to
//! `TARGET.input` in the working directory before it is read, so that one that panics, hangs or fills the memory is there.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flowctl_fuzz::TARGETS;
use flowctl_fuzz::mutate::{Chance, mutated};

/// No input may take longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// No input may let the program grow beyond this.
const MOST_MEMORY_KIB: u64 = 1 << 20;

#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program of its own, which measures time"
)]
fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, seconds, seed] = &arguments[..] else {
        return Err("usage: fuzz TARGET SECONDS SEED".to_owned());
    };
    let target = TARGETS
        .iter()
        .find(|target| target.name == name)
        .ok_or("no such target")?;
    let seconds: u64 = seconds
        .parse()
        .map_err(|error| format!("{seconds}: {error}"))?;
    let seed: u64 = seed.parse().map_err(|error| format!("{seed}: {error}"))?;
    let corpus = corpus(name).map_err(|error| error.to_string())?;
    let read = Arc::new(AtomicU64::new(0));
    let (seen, title) = (Arc::clone(&read), name.clone());
    let path = format!("{name}.input");
    let input_path = path.clone();
    let keep = move |why: &str| println!("{title}: {why}; the input is in {path}");
    let on_panic = keep.clone();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        on_panic("panics");
        std::process::exit(1);
    }));
    let begun = Instant::now();
    // Deep recursion overflows a small stack first: as much as libFuzzer has.
    let worker = std::thread::Builder::new()
        .stack_size(8 << 20)
        .spawn(move || {
            let mut chance = Chance::new(seed);
            while begun.elapsed() < Duration::from_secs(seconds) {
                let input = mutated(&corpus, &mut chance);
                // Before it is read: a stack that overflows leaves no time for it.
                std::fs::write(&input_path, &input)?;
                (target.read)(&input);
                read.fetch_add(1, Ordering::Relaxed);
            }
            std::fs::remove_file(&input_path)
        });
    let worker = worker.map_err(|error| error.to_string())?;
    let mut last = (0, Instant::now());
    while !worker.is_finished() {
        std::thread::sleep(Duration::from_millis(500));
        let now = seen.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
        let memory = resident_kib();
        let why = match () {
            () if last.1.elapsed() > PATIENCE => "hangs".to_owned(),
            () if memory > MOST_MEMORY_KIB => format!("takes {memory} KiB"),
            () => continue,
        };
        keep(&why);
        std::process::exit(1);
    }
    let ended = worker.join().map_err(|_| "the reader broke".to_owned())?;
    ended.map_err(|error| format!("{name}.input: {error}"))?;
    println!(
        "{name}: {} inputs of seed {seed} in {} s, none panics, hangs or fills the memory ({} KiB)",
        seen.load(Ordering::Relaxed),
        begun.elapsed().as_secs(),
        resident_kib()
    );
    std::io::stdout().flush().map_err(|error| error.to_string())
}

fn corpus(name: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut paths: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    // The seed means the same everywhere.
    paths.sort();
    paths.iter().map(std::fs::read).collect()
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
