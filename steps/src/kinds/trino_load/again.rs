//! The verdict on a load from its record. Pure.

use flowctl_workflows::result::Finding;
use serde::Deserialize;

use super::{Params, Probed, Ran, Reading, probe, verdict};
use crate::again::{self, Again, NotJudged, Records};
use crate::clients::trino::calibration::Calibration;

#[derive(Debug, Deserialize)]
struct Recorded {
    result: Taken,
    queries: Vec<Ran>,
    samples_of_the_server: Vec<Reading>,
    #[serde(default)]
    probes: Vec<Probed>,
}

/// What was taken on this side.
#[derive(Debug, Deserialize)]
struct Taken {
    wall_millis: u64,
    port_forwarded: bool,
    #[serde(default)]
    calibration: Option<Calibration>,
}

pub(super) fn judge(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let record = records.json::<Recorded>("load.json", |name| name == "load.json")?;
    let Recorded {
        result,
        queries,
        samples_of_the_server,
        probes,
    } = record.value;
    let (mut finding, mut output) = verdict::judge(
        params,
        &queries,
        &samples_of_the_server,
        result.wall_millis,
        result.port_forwarded,
    );
    output.calibrated(result.calibration, &mut finding);
    output.probes = probes.len() as u64;
    let probed = params
        .probe
        .as_ref()
        .map(|asked| probe::judge(asked, &probes));
    output.probe_p50_millis = probed.as_ref().and_then(|(_, median)| *median);
    let all = std::iter::once(finding).chain(probed.map(|(finding, _)| finding));
    let evidence = || vec![record.sha256.to_owned()];
    Ok(Again {
        findings: all
            .map(|finding| Finding {
                evidence: evidence(),
                ..finding
            })
            .collect(),
        value: again::output(output)?,
    })
}
