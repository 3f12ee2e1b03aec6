//! What is measured, against whom, and what must come out.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::Failure;
use crate::contender::{Contender, at_home};
use crate::engine;
use crate::shape::{Shape, TRUE};
use crate::table::{Figure, Want};
use crate::trino;

const MEGABYTE: f64 = 1024.0 * 1024.0;
/// How many steps run at once, wherever it matters.
const WIDE: &str = "64";
/// How flowctl is told to do nothing, in its own process or in one that it starts.
const NOOP: &str = "noop";
const SHELL_TRUE: &str = "shell, with: {argv: [/usr/bin/true]}";
const SHELL_SLEEP: &str = "shell, with: {argv: [/usr/bin/sleep, \"0.05\"]}";
/// What one step of a chain adds to the log: the end of a step and the start of the next, as they are exported.
const CHAIN_RECORDS: usize = 640;

/// The exit code of a run that proves nothing, as a rehearsal never does.
const INCONCLUSIVE: i32 = 3;

/// One thing that is measured.
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: &'static str,
    /// In words.
    pub(crate) what: &'static str,
    /// Who takes part; flowctl is the first.
    pub(crate) contenders: Vec<Contender>,
    /// What must come out.
    pub(crate) wants: Vec<Want>,
}

/// All cases. They are set up when they are run.
pub(crate) fn all(flowctl: &Path) -> Result<Vec<Case>, Failure> {
    let ours = Ours {
        flowctl: flowctl.to_path_buf(),
        this: std::env::current_exe()?,
    };
    Ok(vec![
        ours.chain_in_process(),
        ours.fan_in_process(),
        ours.chain_of_processes(),
        ours.fan_of_processes(),
        ours.layers_of_processes(),
        ours.sleeping(),
        ours.resume(),
        ours.hundred_thousand(),
        ours.cold_start(),
        ours.validate(),
        ours.rehearsal(),
        ours.trino(),
        ours.trino_load(),
    ])
}

struct Ours {
    flowctl: PathBuf,
    this: PathBuf,
}

impl Ours {
    /// flowctl runs a graph.
    fn run(&self, shape: &Arc<Shape>, uses: &'static str) -> Contender {
        let shape = Arc::clone(shape);
        Contender::new(
            "flowctl",
            &self.flowctl,
            &["run", "bench.yaml", "--quiet", "--jobs", WIDE],
        )
        .after(move |at| Ok(shape.flowctl(&at.join("bench.yaml"), uses)?))
        .asked()
    }

    fn bare(&self, name: &str, arguments: &[&str]) -> Contender {
        Contender::new(name, &self.this, arguments)
    }

    fn chain_in_process(&self) -> Case {
        let shape = Arc::new(Shape::chain(1_000));
        let bytes = CHAIN_RECORDS.to_string();
        let engine = |name, log| {
            self.bare(name, &["engine", log, "1000"])
                .inner(engine::took)
        };
        Case {
            name: "chain of 1,000 in-process steps",
            what: "each `noop` is durable before the next starts; the bare loop appends as many bytes a step to one file, with fdatasync. \
                   The engine alone runs the same chain on its log, and on a plain checksummed file in its place",
            contenders: vec![
                self.run(&shape, NOOP),
                engine("engine on redb", "log"),
                engine("engine on a plain file", "plain"),
                self.bare("append + fdatasync", &["append", "1000", &bytes, "log"]),
            ],
            wants: vec![
                Want::rate_over(
                    "rate of the run ≥ 0.7 of bare appends",
                    Figure::inner("flowctl"),
                    Figure::wall("append + fdatasync"),
                    0.7,
                ),
                Want::rate_over(
                    "the same with a plain log behind `EventLog`",
                    Figure::inner("engine on a plain file"),
                    Figure::wall("append + fdatasync"),
                    0.7,
                ),
            ],
        }
    }

    fn fan_in_process(&self) -> Case {
        let small = Arc::new(Shape::fan(1_000));
        let shape = Arc::new(Shape::fan(10_000));
        let mut first = self.run(&small, NOOP);
        first.name = "flowctl, 1,000 steps".to_owned();
        Case {
            name: "fan-out of 10,000 in-process steps",
            what: "64 at once",
            contenders: vec![self.run(&shape, NOOP), first],
            wants: vec![
                Want::rate(
                    "steps/s of the run ≥ 15,000",
                    Figure::inner("flowctl"),
                    10_000.0,
                    15_000.0,
                ),
                Want::at_most_bytes("peak RSS ≤ 40 MB", "flowctl", 40.0 * MEGABYTE),
            ],
        }
    }

    fn chain_of_processes(&self) -> Case {
        let shape = Arc::new(Shape::chain(1_000));
        let mut contenders = vec![self.run(&shape, SHELL_TRUE)];
        contenders.extend(peers(&shape, TRUE));
        contenders.push(self.bare("posix_spawn loop", &["spawn", "1000", "1", TRUE]));
        Case {
            name: "chain of 1,000 `true`",
            what: "one process after the other",
            contenders,
            wants: vec![
                Want::over(
                    "≤ ninja",
                    Figure::wall("flowctl"),
                    Figure::wall("ninja"),
                    1.0,
                ),
                Want::over(
                    "≤ make (stretch)",
                    Figure::wall("flowctl"),
                    Figure::wall("make"),
                    1.0,
                ),
            ],
        }
    }

    fn fan_of_processes(&self) -> Case {
        let shape = Arc::new(Shape::fan(1_000));
        let mut contenders = vec![self.run(&shape, SHELL_TRUE)];
        contenders.extend(peers(&shape, TRUE));
        contenders.push(xargs(TRUE, "x"));
        contenders.push(self.bare("posix_spawn loop", &["spawn", "1000", WIDE, TRUE]));
        Case {
            name: "fan-out of 1,000 `true`",
            what: "64 at once",
            contenders,
            wants: vec![Want::over(
                "≤ 1.1 × make",
                Figure::wall("flowctl"),
                Figure::wall("make"),
                1.1,
            )],
        }
    }

    fn layers_of_processes(&self) -> Case {
        let shape = Arc::new(Shape::layers(10_000));
        let mut contenders = vec![self.run(&shape, SHELL_TRUE)];
        contenders.extend(peers(&shape, TRUE));
        Case {
            name: "layers: 10,000 `true`, 50,000 needs",
            what: "a hundred layers of a hundred, each step with five needs in the layer before; 64 at once",
            contenders,
            wants: vec![Want::over(
                "≤ make",
                Figure::wall("flowctl"),
                Figure::wall("make"),
                1.0,
            )],
        }
    }

    fn sleeping(&self) -> Case {
        let shape = Arc::new(Shape::fan(1_000));
        let sleep = "/usr/bin/sleep 0.05";
        let mut contenders = vec![self.run(&shape, SHELL_SLEEP)];
        contenders.extend(peers(&shape, sleep));
        contenders.push(xargs("/usr/bin/sleep", "0.05"));
        contenders.push(self.bare(
            "posix_spawn loop",
            &["spawn", "1000", WIDE, "/usr/bin/sleep", "0.05"],
        ));
        Case {
            name: "1,000 × `sleep 0.05`",
            what: "64 at once; 0.80 s if starting were free",
            contenders,
            wants: vec![
                Want::over(
                    "≤ 1.1 × the posix_spawn loop",
                    Figure::wall("flowctl"),
                    Figure::wall("posix_spawn loop"),
                    1.1,
                ),
                Want::over(
                    "under make",
                    Figure::wall("flowctl"),
                    Figure::wall("make"),
                    1.0,
                ),
            ],
        }
    }

    fn resume(&self) -> Case {
        let flowctl = self.flowctl.clone();
        let ours =
            Contender::new("flowctl", &self.flowctl, &["resume", "--quiet"]).after(move |at| {
                Shape::fan(10_000).flowctl(&at.join("bench.yaml"), NOOP)?;
                let last = "  - {id: last, uses: shell, with: {argv: [/usr/bin/test, -e, go]}}\n";
                let mut text = std::fs::read_to_string(at.join("bench.yaml"))?;
                text.push_str(last);
                std::fs::write(at.join("bench.yaml"), text)?;
                let mut command = Command::new(&flowctl);
                command.args(["run", "bench.yaml", "--quiet"]);
                at_home(&mut command, at);
                let output = command.output()?;
                if output.status.code() != Some(1) {
                    return Err(format!("the run before the resume: {}", output.status).into());
                }
                std::fs::write(at.join("go"), "")?;
                Ok(())
            });
        let make = Contender::new("make", "make", &["-s", "-j", WIDE]).after(|at| {
            Shape::fan(10_000).with_files(&at.join("Makefile"), &at.join("build.ninja"))?;
            for step in 1..10_000 {
                std::fs::write(at.join(format!("s{step}")), "")?;
            }
            Ok(())
        });
        Case {
            name: "resume of 10,000 with one left",
            what: "10,000 `noop` are done and one process is left; make finds 9,999 of 10,000 files",
            contenders: vec![ours, make],
            wants: vec![Want::at_most("≤ 0.10 s", Figure::wall("flowctl"), 0.10)],
        }
    }

    fn hundred_thousand(&self) -> Case {
        let mut contenders = Vec::new();
        for (name, steps) in [
            ("flowctl", 100_000),
            ("flowctl, 10,000 steps", 10_000),
            ("flowctl, 1,000 steps", 1_000),
        ] {
            let mut contender = self.run(&Arc::new(Shape::fan(steps)), NOOP);
            contender.name = name.to_owned();
            contenders.push(contender);
        }
        Case {
            name: "fan-out of 100,000 in-process steps",
            what: "64 at once, and what a step costs beside smaller runs",
            contenders,
            wants: vec![
                Want::at_most_bytes("peak RSS ≤ 200 MB", "flowctl", 200.0 * MEGABYTE),
                Want::over(
                    "cost of a step ≤ 1.2 × that in a run of 1,000",
                    Figure::inner("flowctl").each(100_000.0),
                    Figure::inner("flowctl, 1,000 steps").each(1_000.0),
                    1.2,
                ),
                Want::over(
                    "the same, whole processes",
                    Figure::wall("flowctl").each(100_000.0),
                    Figure::wall("flowctl, 1,000 steps").each(1_000.0),
                    1.2,
                ),
            ],
        }
    }

    fn cold_start(&self) -> Case {
        let start =
            |name: &str, program: &Path| Contender::new(name, program, &["--version"]).times(50);
        Case {
            name: "`flowctl --version`",
            what: "the mean of 50 starts in each round",
            contenders: vec![
                start("flowctl", &self.flowctl),
                start("make", Path::new("make")),
                start("ninja", Path::new("ninja")),
                Contender::new("true", TRUE, &[]).times(50),
            ],
            wants: vec![Want::at_most("≤ 5 ms", Figure::wall("flowctl"), 0.005)],
        }
    }

    fn validate(&self) -> Case {
        Case {
            name: "`flowctl validate phase3`",
            what: "the copy inside the binary; the mean of 20 in each round",
            contenders: vec![
                Contender::new("flowctl", &self.flowctl, &["validate", "phase3"]).times(20),
            ],
            wants: vec![Want::at_most("≤ 20 ms", Figure::wall("flowctl"), 0.020)],
        }
    }

    fn rehearsal(&self) -> Case {
        let arguments = ["run", "phase3", "--target", "rehearsal", "--quiet"];
        Case {
            name: "`flowctl run phase3 --target rehearsal`",
            what: "the whole phase on doubles in flowctl's own process; it mostly waits for what the doubles take their time for",
            contenders: vec![
                Contender::new("flowctl", &self.flowctl, &arguments)
                    .ends_with(INCONCLUSIVE)
                    .asked(),
            ],
            wants: vec![Want::at_most("under 10 s", Figure::wall("flowctl"), 10.0)],
        }
    }
}

impl Ours {
    fn trino(&self) -> Case {
        let flowctl = self.flowctl.display().to_string();
        Case {
            name: "a Trino query",
            what: "a stub of the protocol answers after 20 ms; \"the run alone\" is one query at its median, in whole milliseconds for \
                   flowctl, from the statement's request to the last page",
            contenders: vec![
                self.bare("flowctl", &["trino", &flowctl])
                    .inner(trino::median),
                self.bare("bare client", &["trino-bare"])
                    .inner(trino::median),
            ],
            wants: vec![Want::more(
                "≤ 5 ms more than a bare client at p50",
                Figure::inner("flowctl"),
                Figure::inner("bare client"),
                0.005,
            )],
        }
    }
}

impl Ours {
    fn trino_load(&self) -> Case {
        let flowctl = self.flowctl.display().to_string();
        let number = |name: &str, number: &str| {
            self.bare(name, &["trino-load", &flowctl, number])
                .inner(trino::median)
        };
        Case {
            name: "an open Trino load",
            what: "a query is due every 5 ms and is held back for 0.9 s, so 180 of 200 clients have one under way; flowctl on one core. \
                   \"The run alone\" is how late queries were sent, and what the client takes for a query by its own calibration",
            contenders: vec![
                number("late p50", "late p50"),
                number("late p99", "late p99"),
                number("client alone p50", "client alone p50"),
                number("client alone p99", "client alone p99"),
            ],
            wants: vec![Want::at_most(
                "99 % of queries are sent at most 20 ms after they were due",
                Figure::inner("late p99"),
                0.020,
            )],
        }
    }
}

/// make and ninja on the same graph.
fn peers(shape: &Arc<Shape>, command: &'static str) -> [Contender; 2] {
    let (for_make, for_ninja) = (Arc::clone(shape), Arc::clone(shape));
    [
        Contender::new("make", "make", &["-s", "-j", WIDE])
            .after(move |at| Ok(for_make.make(&at.join("Makefile"), command)?)),
        Contender::new("ninja", "ninja", &["--quiet", "-j", WIDE])
            .after(move |at| Ok(for_ninja.ninja(&at.join("build.ninja"), command)?)),
    ]
}

/// xargs knows no order and keeps nothing.
fn xargs(program: &str, argument: &'static str) -> Contender {
    Contender::new(
        "xargs",
        "xargs",
        &["-a", "arguments", "-P", WIDE, "-n", "1", program],
    )
    .after(move |at| {
        Ok(std::fs::write(
            at.join("arguments"),
            format!("{argument}\n").repeat(1_000),
        )?)
    })
}
