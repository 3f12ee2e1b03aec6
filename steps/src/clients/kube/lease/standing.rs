//! Whose a lease is, and how it is written. Pure.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

/// How long a lease holds after its last renewal.
pub const LEASE: Duration = Duration::from_secs(30);

/// What tells a process from a later one with its pid, and the machine's boot from another.
const BOOT: &str = "flowctl.dev/boot-id";
const STARTED: &str = "flowctl.dev/start-ticks";

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The machine.
    pub host: String,
    /// The process on it.
    pub pid: i32,
    /// Its run.
    pub run: String,
    /// When the process started, in ticks since boot.
    pub start_ticks: u64,
    /// Which boot of the machine.
    pub boot_id: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.host, self.pid, self.run)
    }
}

impl Holder {
    /// The holder that a lease names. What is not flowctl's own form is a host without a process.
    fn of(lease: &Value) -> Option<Self> {
        let identity = lease["spec"]["holderIdentity"]
            .as_str()
            .filter(|identity| !identity.is_empty())?;
        let mut parts = identity.splitn(3, '/');
        let host = parts.next().unwrap_or_default().to_owned();
        let pid = parts.next().and_then(|pid| pid.parse().ok()).unwrap_or(0);
        let run = parts.next().unwrap_or_default().to_owned();
        let note = |name: &str| {
            lease["metadata"]["annotations"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        Some(Self {
            host,
            pid,
            run,
            start_ticks: note(STARTED).parse().unwrap_or(0),
            boot_id: note(BOOT),
        })
    }
}

/// Whose a lease is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody's.
    Free,
    /// Ours.
    Mine,
    /// Another's.
    Held {
        /// Whose.
        holder: Holder,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// Another's, and by our clock it was not renewed in time.
    RunOut {
        /// Whose.
        holder: Holder,
        /// Since when.
        since: Option<Timestamp>,
    },
}

/// Whose a lease is at this moment.
#[must_use]
pub(super) fn standing(lease: Option<&Value>, me: &Holder, now: Timestamp) -> Standing {
    let Some((lease, holder)) = lease.and_then(|lease| Some((lease, Holder::of(lease)?))) else {
        return Standing::Free;
    };
    if holder == *me {
        return Standing::Mine;
    }
    let spec = &lease["spec"];
    let time = |name: &str| {
        spec[name]
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok())
    };
    let since = time("acquireTime");
    let lasts = spec["leaseDurationSeconds"].as_i64().unwrap_or(0);
    // One without a time was never renewed: it is watched like one that has run out.
    let until = time("renewTime").and_then(|renewed| {
        renewed
            .checked_add(jiff::SignedDuration::from_secs(lasts))
            .ok()
    });
    match until {
        Some(until) if now < until => Standing::Held { holder, since },
        Some(_) | None => Standing::RunOut { holder, since },
    }
}

/// The lease as it is written to take or renew it. One that is there keeps what others wrote on it, and the version
/// under which it was seen.
#[must_use]
pub(super) fn written(
    found: Option<&Value>,
    namespace: &str,
    name: &str,
    me: &Holder,
    now: Timestamp,
) -> Value {
    let time = now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    let mine = found.is_some_and(|found| Holder::of(found).as_ref() == Some(me));
    let found = found.filter(|found| found.is_object()).cloned();
    let mut lease = found.unwrap_or_else(|| {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"namespace": namespace, "name": name, "labels": {"app.kubernetes.io/managed-by": "flowctl"}},
            "spec": {},
        })
    });
    let annotations = fields(fields(&mut lease, "metadata"), "annotations");
    annotations[BOOT] = json!(me.boot_id);
    annotations[STARTED] = json!(me.start_ticks.to_string());
    let spec = fields(&mut lease, "spec");
    if !mine {
        let before = spec["leaseTransitions"].as_i64().unwrap_or(-1);
        spec["leaseTransitions"] = json!(before.saturating_add(1));
        spec["acquireTime"] = json!(time);
        spec["holderIdentity"] = json!(me.to_string());
    }
    spec["leaseDurationSeconds"] = json!(LEASE.as_secs());
    spec["renewTime"] = json!(time);
    lease
}

/// A field of an object, with fields to write into: what else stands there is not kept.
fn fields<'a>(object: &'a mut Value, name: &str) -> &'a mut Value {
    let field = &mut object[name];
    if !field.is_object() {
        *field = json!({});
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(run: &str) -> Holder {
        Holder {
            host: "one".to_owned(),
            pid: 7,
            run: run.to_owned(),
            start_ticks: 8711,
            boot_id: "b".to_owned(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::new(1_800_000_000 + second, 0).unwrap()
    }

    #[test]
    fn a_lease_is_whose_it_is_until_it_runs_out() {
        let (me, other) = (holder("w-1"), holder("w-2"));
        assert_eq!(standing(None, &me, at(0)), Standing::Free);
        let lease = written(None, "default", "flowctl-w-t", &other, at(0));
        assert_eq!(standing(Some(&lease), &other, at(1_000)), Standing::Mine);
        let (holder, since) = (other.clone(), Some(at(0)));
        assert_eq!(
            standing(Some(&lease), &me, at(29)),
            Standing::Held {
                holder: holder.clone(),
                since
            }
        );
        assert_eq!(
            standing(Some(&lease), &me, at(30)),
            Standing::RunOut { holder, since }
        );
        let later = Holder {
            start_ticks: 9,
            ..other.clone()
        };
        assert_ne!(
            standing(Some(&lease), &later, at(1)),
            Standing::Mine,
            "a later process with its pid"
        );

        let mut given_back = lease.clone();
        given_back["spec"]["holderIdentity"] = json!("");
        assert_eq!(standing(Some(&given_back), &me, at(1)), Standing::Free);
        let foreign = json!({"spec": {"holderIdentity": "somebody"}});
        assert!(matches!(
            standing(Some(&foreign), &me, at(1)),
            Standing::RunOut { .. }
        ));
    }

    #[test]
    fn a_lease_that_is_in_no_order_is_put_in_order() {
        for found in [
            json!("x"),
            json!({"metadata": 1, "spec": []}),
            json!({"metadata": {"annotations": "a"}, "spec": {"leaseTransitions": i64::MAX}}),
        ] {
            let mine = written(Some(&found), "default", "x", &holder("w-1"), at(0));
            let standing = standing(Some(&mine), &holder("w-1"), at(1));
            assert_eq!(standing, Standing::Mine, "{found}");
        }
    }

    #[test]
    fn a_renewal_keeps_the_beginning_and_a_take_over_counts() {
        let mut lease = written(None, "default", "flowctl-w-t", &holder("w-1"), at(0));
        lease["metadata"]["resourceVersion"] = json!("5");
        let renewed = written(Some(&lease), "default", "x", &holder("w-1"), at(9));
        assert_eq!(renewed["spec"]["acquireTime"], lease["spec"]["acquireTime"]);
        assert_eq!(renewed["spec"]["renewTime"], "2027-01-15T08:00:09.000000Z");
        assert_eq!(
            renewed["metadata"]["resourceVersion"], "5",
            "a precondition"
        );
        let taken = written(Some(&renewed), "default", "x", &holder("w-2"), at(50));
        assert_eq!(
            (
                &taken["spec"]["holderIdentity"],
                &taken["spec"]["leaseTransitions"],
                &taken["spec"]["acquireTime"]
            ),
            (
                &json!("one/7/w-2"),
                &json!(1),
                &json!("2027-01-15T08:00:50.000000Z")
            )
        );
    }
}
