//! A platform that is broken in one place: the right criterion must say so, and why. Each scenario puts back what it broke.

use crate::World;
use crate::check::{Outcome, must, then_always};
use crate::lab::NAMESPACE;
use crate::seeds;

/// `kubectl get pods -l wrong=label` exits 0; here it is a FAIL that names the labels that there are.
pub(crate) fn selector_that_matches_nothing(world: &World) -> Outcome {
    let wrong = "worker_selector=app.kubernetes.io/component=nobody";
    let report = world
        .flowctl
        .only(&["worker_pods"], &[wrong, "ready_within=3s"])?;
    report.must_say(
        "worker_deployment",
        "FAIL",
        &["app.kubernetes.io/component=nobody"],
    )?;
    let report = world.flowctl.only(&["worker_logs"], &[wrong])?;
    report.must_say(
        "worker_deployment",
        "INCONCLUSIVE",
        &["0 of", "no pod", "0 pods"],
    )
}

/// A target that no platform meets, beside others that it does; 59 samples, since fewer judge no 95th percentile.
pub(crate) fn target_of_one_millisecond(world: &World) -> Outcome {
    let params = ["sla_simple=1ms", "benchmark_runs=59", "benchmark_warmup=0"];
    let report = world.flowctl.only(&["benchmark"], &params)?;
    report.must_say("sla_simple", "FAIL", &["1 ms"])?;
    let other = report.criterion("sla_complex")?;
    must(other.verdict == "PASS", || {
        format!("another target suffers: {} {}", other.verdict, other.reason)
    })
}

/// Queries over nothing are fast.
pub(crate) fn emptied_table(world: &World) -> Outcome {
    world.lab.trino()?.rows("DELETE FROM sample_data")?;
    let params = ["benchmark_runs=2", "benchmark_warmup=0"];
    let judged = world
        .flowctl
        .only(&["benchmark"], &params)
        .and_then(|report| {
            report.must_say("sla_simple", "FAIL", &["0 rows", "no row", "empty"])?;
            report.must_say("sla_join", "FAIL", &["0 rows", "no row", "empty"])?;
            report.must_say("benchmark_queries", "FAIL", &["row"])
        });
    then_always(judged, seeds::sow(world))
}

/// One worker where two were asked for.
pub(crate) fn lost_worker(world: &World) -> Outcome {
    let lab = &world.lab;
    let scale = |replicas: &str| {
        lab.kubectl(&[
            "-n",
            NAMESPACE,
            "scale",
            "deployment/trino-worker",
            replicas,
        ])
        .map(|_| ())
    };
    scale("--replicas=1")?;
    let judged = world
        .flowctl
        .only(&["worker_pods"], &["ready_within=20s"])
        .and_then(|report| {
            report.must_say("worker_deployment", "FAIL", &["1 of", "too few", "only 1"])?;
            // The coordinator notices after more than a minute; from then on Trino itself says so.
            lab.workers(1)?;
            let report = world
                .flowctl
                .only(&["trino_ready", "distribution"], &["ready_within=5s"])?;
            report.must_say("worker_deployment", "FAIL", &["1 of the 2 workers"])
        });
    then_always(
        judged,
        scale("--replicas=2")
            .and_then(|()| lab.rolled_out("trino-worker"))
            .and_then(|()| lab.workers(2)),
    )
}

/// Nothing answers where the metastore was.
pub(crate) fn stopped_metastore(world: &World) -> Outcome {
    world.lab.stop("hive-metastore")?;
    let judged = world
        .flowctl
        .only(&["schemas", "metastore_calls"], &["metastore_calls=1"])
        .and_then(|report| {
            let metastore = ["HIVE_METASTORE_ERROR", "metastore"];
            let criterion = report.criterion("catalog_configuration")?;
            must(
                criterion.verdict != "PASS" && criterion.verdict != "NOT RUN",
                || format!("without a metastore: {}", criterion.verdict),
            )?;
            report.must_say("catalog_configuration", &criterion.verdict, &metastore)?;
            report
                .must_say("metastore_stable", "NOT RUN", &["schemas", "show_tables"])
                .or_else(|_| {
                    let stable = report.criterion("metastore_stable")?;
                    must(stable.verdict != "PASS", || {
                        "the metastore is stable although it is stopped".to_owned()
                    })?;
                    report.must_say("metastore_stable", &stable.verdict, &metastore)
                })
        });
    let started = world.flowctl.run(&["run", "lab", "--only", "metastore"])?;
    let put_back = must(started.code == 0, || {
        format!("the metastore does not start:\n{}", started.stderr)
    });
    let works = put_back.and_then(|()| world.lab.trino()?.rows("SHOW TABLES").map(|_| ()));
    then_always(judged, works)
}

/// The Secret that Trino was given holds keys that the object store does not know.
pub(crate) fn wrong_keys(world: &World) -> Outcome {
    let lab = &world.lab;
    let set = |patch: &str| -> Outcome {
        lab.kubectl(&[
            "-n",
            NAMESPACE,
            "patch",
            "secret",
            "trino-s3",
            "--type=merge",
            "-p",
            patch,
        ])?;
        lab.restart("trino-coordinator")?;
        lab.workers(2)
    };
    let judged =
        set(r#"{"stringData": {"S3_ACCESS_KEY": "nobody", "S3_SECRET_KEY": "knows-this"}}"#)
            .and_then(|()| {
                let report = world.flowctl.only(&["count_etl_test"], &[])?;
                let criterion = report.criterion("catalog_configuration")?;
                must(
                    matches!(criterion.verdict.as_str(), "FAIL" | "INCONCLUSIVE"),
                    || format!("with wrong keys: {}", criterion.verdict),
                )?;
                report.must_say(
                    "catalog_configuration",
                    &criterion.verdict,
                    &["403", "InvalidAccessKeyId", "ICEBERG_", "access"],
                )
            });
    // The workflow's own step knows the right keys; a pod reads them only when it starts.
    let put_back = world
        .flowctl
        .only(&["s3_credentials"], &[])
        .and_then(|report| {
            let step = report.step("s3_credentials")?;
            must(step.state == "succeeded", || {
                format!("the keys are not put back: {step:?}")
            })?;
            lab.restart("trino-coordinator")?;
            lab.workers(2)
        });
    then_always(judged, put_back)
}
