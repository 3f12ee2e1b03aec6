//! The page in a real browser: it is drawn in both widths and both colours, prints, and the browser finds nothing to
//! complain of. Needs Chromium, and is built only with the feature `browser` (`make browser`).

use std::path::Path;
use std::process::Command;

use super::everything::everything;
use super::*;

const CONSOLE: &str = "CONSOLE";

/// Runs Chromium on a file and returns what it printed. It must come to an end without a word on its console.
fn chromium(folder: &Path, page: &Path, arguments: &[String]) -> String {
    let mut command = Command::new("chromium");
    if rustix::process::geteuid().is_root() {
        command.arg("--no-sandbox");
    }
    let output = command
        .args([
            "--headless=new",
            "--disable-gpu",
            "--hide-scrollbars",
            "--enable-logging=stderr",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("chromium must be installed: `make browser` does it");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let complaints: Vec<&str> = said.lines().filter(|line| line.contains(CONSOLE)).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Width and height, as a PNG's own header says.
fn size(png: &[u8]) -> (u32, u32) {
    let word = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    (word(16), word(20))
}

#[test]
fn a_browser_draws_it_wide_and_narrow_light_and_dark() {
    let folder = tempfile::tempdir().unwrap();
    let (run, records) = everything();
    let record = |hash: &str| {
        let found = records.iter().find(|(known, _)| *known == hash)?;
        serde_json::to_vec(&found.1).ok()
    };
    let page = folder.path().join("report.html");
    std::fs::write(&page, html(&run, &build(&run), &record)).unwrap();

    let mut shots = Vec::new();
    for (width, dark) in [(1200, false), (1200, true), (500, false), (500, true)] {
        let shot = folder.path().join(format!("{width}-{dark}.png"));
        chromium(
            folder.path(),
            &page,
            &[
                format!("--window-size={width},3000"),
                // Blink counts dark as 0 and light as 1.
                format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)),
                format!("--screenshot={}", shot.display()),
            ],
        );
        let png = std::fs::read(&shot).unwrap();
        assert_eq!(size(&png), (width, 3000));
        assert!(png.len() > 50_000, "an empty page: {} bytes", png.len());
        shots.push(png);
    }
    assert_ne!(shots[0], shots[1], "dark is as light");
    assert_ne!(shots[2], shots[3], "dark is as light");

    // What the browser made of it, which is not what was written if an element was left open.
    let dom = chromium(folder.path(), &page, &["--dump-dom".to_owned()]).replace("><", ">\n<");
    for (id, mark, least) in [
        ("graph", "<rect class=\"box", 7),
        ("timeline", "<rect class=\"bar", 7),
        ("latency", "<circle class=\"sample", 30),
        ("experiments", "<circle class=\"sample", 28),
        ("alerts", "<rect class=\"bar", 4),
        ("load", "<polyline", 3),
    ] {
        let part = section(&dom, id);
        assert!(
            part.matches(mark).count() >= least,
            "{id}: {}",
            part.matches(mark).count()
        );
        // A mark that is inside another one is not drawn.
        assert!(!part.contains(&format!("{mark}\">\n<{}", &mark[1..5])));
    }

    let paper = folder.path().join("report.pdf");
    chromium(
        folder.path(),
        &page,
        &[format!("--print-to-pdf={}", paper.display())],
    );
    let paper = std::fs::read(paper).unwrap();
    assert!(
        paper.starts_with(b"%PDF") && paper.len() > 30_000,
        "{} bytes",
        paper.len()
    );
}
