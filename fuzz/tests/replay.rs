//! Every input of the corpus, those that once crashed among them, is read and comes to an end.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use flowctl_fuzz::TARGETS;

/// No input of the corpus takes a hundredth of this; one that hangs shall not hang the tests.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_corpus_is_read() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut folders: Vec<String> = std::fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(
        folders, names,
        "each target has its inputs, and each input its target"
    );
    for target in TARGETS {
        let mut read = 0;
        for entry in std::fs::read_dir(corpus.join(target.name)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let (ended, end) = mpsc::channel();
            // As much stack as libFuzzer has in a program's main thread.
            let reader = std::thread::Builder::new().stack_size(8 << 20);
            let thread = reader.spawn(move || {
                (target.read)(&bytes);
                ended.send(()).unwrap();
            });
            match end.recv_timeout(PATIENCE) {
                Ok(()) => read += 1,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} hangs", path.display()),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let _ = thread.unwrap().join();
                    panic!("{} panics", path.display());
                }
            }
        }
        assert!(read >= 5, "{} inputs of {} were read", read, target.name);
    }
}
