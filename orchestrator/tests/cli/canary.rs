//! Secrets are planted wherever one can come in, and a platform that knows them all says them back in every form and every
//! place. Then everything that flowctl wrote, printed or answered is searched for them: none is found. A word that is no
//! secret stands beside each of them and is found in the same places, so the search can find.

mod echo;
mod forms;
mod planted;
mod search;

use std::process::Stdio;

use echo::Echo;
use forms::Canary;
use planted::{TARGET, WORKFLOW};
use search::{Scan, Socket};

use crate::support::{Place, starts};

/// No secret: what is searched for to see that the search finds.
const MARKER: &str = "plainly-visible-marker";

#[test]
fn no_secret_is_found_in_anything_that_flowctl_leaves_or_says() {
    let canaries = Canary::all();
    let [
        from_env,
        from_file,
        from_kube,
        trino,
        jwt,
        access,
        secret,
        token,
    ] = &canaries[..]
    else {
        panic!("as many canaries as places");
    };
    let server = Echo::start(&canaries, from_kube);
    let place = Place::new();
    let led = |text: &str| {
        text.replace("ADDRESS", &server.address)
            .replace("MARKER", MARKER)
    };
    place.workflow("w", &led(WORKFLOW));
    place.write("targets/t.yaml", &led(TARGET));
    place.write("kubeconfig", &server.kubeconfig(token));
    place.write("secret-file", &format!("{}\n", from_file.value));
    place.write("jwt-file", &jwt.value);
    place.write("said.txt", &forms::said(&canaries));
    place.write("said.json", &forms::said_as_json(&canaries));
    rustix::fs::mknodat(
        rustix::fs::CWD,
        place.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let command = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command
            .env("FROM_ENV", &from_env.value)
            .env("TRINO_PASSWORD", &trino.value)
            .env("S3_ACCESS_KEY", &access.value)
            .env("S3_SECRET_KEY", &secret.value)
            .env("FLOWCTL_LOG", "trace");
        command
    };
    let mut scan = Scan::new(&canaries);
    let say = |scan: &mut Scan, arguments: &[&str]| {
        let output = command(arguments).output().unwrap();
        scan.take(&format!("{arguments:?}, standard output"), &output.stdout);
        scan.take(&format!("{arguments:?}, standard error"), &output.stderr);
    };
    for arguments in [
        &["validate", "w"][..],
        &["graph", "w"],
        &["run", "w", "--target", "t", "--dry-run"],
        &["run", "w", "--target", "t", "--dry-run", "--output", "json"],
    ] {
        say(&mut scan, arguments);
    }

    // While it runs, through the socket of its holder.
    let mut running = command(&["run", "w", "--target", "t", "--output", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = search::drained(running.stderr.take().unwrap());
    let stdout = search::until(running.stdout.take().unwrap(), starts("blocked"));
    while !place.path().join("seen-in-proc").exists() {
        std::thread::yield_now();
    }
    let looks = |output: bool| {
        let mut looks: Vec<Vec<&str>> = vec![
            vec!["status"],
            vec!["runs"],
            vec!["explain", "latest"],
            vec!["report", "latest", "--format", "html"],
            vec!["report", "latest", "--format", "md"],
            vec!["report", "latest", "--format", "json"],
            vec!["report", "latest", "--format", "junit"],
            vec!["state", "export"],
            vec!["state", "check"],
        ];
        for step in [
            "printed",
            "json",
            "failed",
            "passed_on",
            "asked",
            "rows",
            "logs",
        ] {
            looks.push(vec!["logs", "latest", step]);
            looks.push(vec!["explain", "latest", step]);
            if output {
                looks.push(vec!["logs", "latest", step, "--output", "json"]);
                looks.push(vec!["explain", "latest", step, "--output", "json"]);
            }
        }
        if output {
            for verb in ["status", "runs", "explain"] {
                looks.push(vec![verb, "--output", "json"]);
            }
        }
        looks
    };
    for arguments in looks(false) {
        say(&mut scan, &arguments);
    }
    // The same without flowctl at the other end, and who watches until it ends.
    let socket = Socket::of(&place.state());
    let hello = socket.ask("hello");
    let run = search::body(&hello)["run"].as_str().unwrap().to_owned();
    scan.take("socket, hello", &hello);
    for path in [
        "",
        "/events",
        "/export",
        "/steps/printed/lines",
        "/steps/blocked/lines",
    ] {
        scan.take(
            &format!("socket, run{path}"),
            &socket.ask(&format!("runs/{run}{path}")),
        );
    }
    for path in ["runs", "ids", "runs/none-such/events"] {
        scan.take(&format!("socket, {path}"), &socket.ask(path));
    }
    let stream = search::begun(socket.open(&format!("runs/{run}/watch")));
    let watchers: Vec<_> = ["text", "jsonl"]
        .into_iter()
        .map(|form| {
            let mut watcher = command(&["watch", "--output", form])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let stderr = search::drained(watcher.stderr.take().unwrap());
            let stdout = search::begun(watcher.stdout.take().unwrap());
            (form, watcher, stdout, stderr)
        })
        .collect();
    scan.take(
        "flowctl's own command line",
        &search::command_line(running.id()),
    );
    std::fs::write(place.path().join("pipe"), "over\n").unwrap();
    running.wait().unwrap();
    scan.take("run, standard output", &stdout.join().unwrap());
    scan.take("run, standard error", &stderr.join().unwrap());
    scan.take("socket, watch", &stream.join().unwrap());
    for (form, mut watcher, stdout, stderr) in watchers {
        assert!(watcher.wait().unwrap().success());
        scan.take(
            &format!("watch as {form}, standard output"),
            &stdout.join().unwrap(),
        );
        scan.take(
            &format!("watch as {form}, standard error"),
            &stderr.join().unwrap(),
        );
    }
    for form in ["text", "jsonl", "json"] {
        say(&mut scan, &["watch", "latest", "--output", form]);
    }

    for arguments in looks(true) {
        say(&mut scan, &arguments);
    }
    say(&mut scan, &["report"]);
    say(
        &mut scan,
        &[
            "run", "w", "--target", "t", "--output", "text", "--param", "no=such",
        ],
    );
    scan.take(
        "the command lines of children",
        &std::fs::read(place.path().join("seen-in-proc")).unwrap(),
    );
    scan.folder("state", &place.state());
    scan.nothing_found();

    // The same places, searched for what may be there.
    for found in [
        "run, standard output",
        "run, standard error",
        "socket, watch",
        "socket, run/events",
        "socket, run/export",
        "socket, run/steps/blocked/lines",
        "watch as text, standard output",
        "watch as jsonl, standard output",
        "[\"watch\", \"latest\", \"--output\", \"jsonl\"], standard output",
        "[\"logs\", \"latest\", \"printed\"], standard output",
        "[\"explain\", \"latest\"], standard output",
        "[\"status\"], standard output",
        "[\"state\", \"export\"], standard output",
        "[\"report\", \"latest\", \"--format\", \"html\"], standard output",
        "[\"report\", \"latest\", \"--format\", \"json\"], standard output",
        "the command lines of children",
        "state/evidence/",
        "state/reports/",
        "state/log/",
    ] {
        assert!(
            scan.has_marker(found),
            "the marker is not in {found}: {:?}",
            scan.names()
        );
    }
    for asked in [
        "/echo",
        "/refuse",
        "/redirect",
        "/loop",
        "/bucket/broken",
        "/v1/statement",
        "/bucket/key",
        "/api/v1/query",
        "/log",
        "/configmaps/plain",
    ] {
        assert!(
            server.was_asked(asked),
            "{asked} was never asked: {:?}",
            server.asked()
        );
    }
}
