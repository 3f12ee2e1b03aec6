//! Two flowctls, one cluster, a clock for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::clients::kube::fake::FakeServer;
use crate::testing::ManualClock;

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases/flowctl-w-t";

/// A clock of its own, which may be ahead of others.
struct OwnClock(ManualClock, Mutex<Duration>);

impl OwnClock {
    fn advance(&self, by: Duration) {
        *self.1.lock().unwrap() += by;
    }
}

impl Clock for OwnClock {
    fn now(&self) -> Timestamp {
        self.0.now() + *self.1.lock().unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed() + *self.1.lock().unwrap()
    }
}

/// A flowctl on another machine than any other.
struct Flowctl {
    lease: Arc<Lease>,
    clock: Arc<OwnClock>,
    kube: Kube,
}

fn flowctl(server: &FakeServer, host: &str) -> Flowctl {
    let clock = Arc::new(OwnClock(
        ManualClock::at(Timestamp::UNIX_EPOCH),
        Mutex::default(),
    ));
    let holder = Holder {
        host: host.to_owned(),
        pid: 7,
        run: format!("w-{host}"),
        start_ticks: 1,
        boot_id: format!("boot of {host}"),
    };
    let settings = LeaseSettings {
        namespace: "default".to_owned(),
        name: lease_name("w", "t"),
        holder,
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
    };
    let lease = Arc::new(Lease::new(server.kube(), settings));
    let kube = server.kube().fenced(Arc::clone(&lease) as Arc<dyn Fence>);
    Flowctl { lease, clock, kube }
}

fn code(result: Result<(), StepError>) -> String {
    result.err().map_or_else(String::new, |error| error.code)
}

async fn writes(kube: &Kube) -> String {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default", "name": "x"}});
    let resource = Resource::core("ConfigMap", "configmaps");
    let mode = super::super::ApplyMode::default();
    code(
        kube.apply(&resource, Some("default"), "x", &object, mode)
            .await
            .map(drop),
    )
}

fn passes(all: &[&Flowctl], seconds: u64) {
    all.iter()
        .for_each(|one| one.clock.advance(Duration::from_secs(seconds)));
}

#[tokio::test(start_paused = true)]
async fn the_second_is_told_who_the_first_is_and_has_it_when_it_is_given_back() {
    let server = FakeServer::default();
    let (one, two) = (flowctl(&server, "one"), flowctl(&server, "two"));
    one.lease.claim().await.unwrap();
    let error = two.lease.claim().await.unwrap_err();
    assert_eq!(error.code, "lease.held");
    assert!(
        error.message.contains("one/7/w-one") && error.message.contains(" since "),
        "{error}"
    );
    two.lease.release().await.unwrap();
    assert!(
        server.at(PATH).is_some(),
        "what is another's is not given back"
    );
    one.lease.release().await.unwrap();
    assert_eq!(server.at(PATH), None);
    two.lease.claim().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_has_run_out_is_watched_before_it_is_taken() {
    let server = FakeServer::default();
    let (one, two) = (flowctl(&server, "one"), flowctl(&server, "two"));
    one.lease.claim().await.unwrap();
    passes(&[&two], 3600);
    // The clock of the second is an hour ahead, and the first renews.
    let (claimed, renewed) = tokio::join!(two.lease.claim(), async {
        tokio::time::sleep(RENEW).await;
        one.lease.claim().await
    });
    renewed.unwrap();
    assert_eq!(code(claimed), "lease.held");
    let begun = tokio::time::Instant::now();
    two.lease.claim().await.unwrap();
    assert_eq!(begun.elapsed(), WATCH);
}

#[tokio::test(start_paused = true)]
async fn who_was_paused_past_its_lease_writes_nothing_more_and_says_why() {
    let server = FakeServer::default();
    let (one, two) = (flowctl(&server, "one"), flowctl(&server, "two"));
    let told = Arc::new(AtomicUsize::new(0));
    let heard = Arc::clone(&told);
    one.lease.when_lost(Box::new(move |reason| {
        assert!(reason.contains("two/7/w-two"), "{reason}");
        heard.fetch_add(1, Ordering::Relaxed);
    }));
    one.lease.claim().await.unwrap();
    assert_eq!(writes(&one.kube).await, "");
    // The first is paused; nobody tells it of the time.
    passes(&[&one, &two], 60);
    two.lease.claim().await.unwrap();
    let before = server.writes();
    for _ in 0..2 {
        assert_eq!(writes(&one.kube).await, "lease.lost");
    }
    assert_eq!(server.writes(), before, "not one write went out");
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert_eq!(writes(&two.kube).await, "");
    one.lease.release().await.unwrap();
    assert!(server.at(PATH).is_some(), "it is the second's");
}

#[tokio::test(start_paused = true)]
async fn who_was_paused_and_not_replaced_goes_on() {
    let server = FakeServer::default();
    let one = flowctl(&server, "one");
    one.lease.claim().await.unwrap();
    let asked = || {
        server
            .calls()
            .iter()
            .filter(|call| call.path == PATH)
            .count()
    };
    let before = asked();
    passes(&[&one], 14);
    assert_eq!(writes(&one.kube).await, "");
    assert_eq!(asked(), before, "what was just renewed needs no asking");
    passes(&[&one], 1);
    assert_eq!(writes(&one.kube).await, "");
    assert!(asked() > before, "in doubt it asks");
}

#[tokio::test(start_paused = true)]
async fn who_was_paused_while_another_came_and_went_writes_nothing_more() {
    let server = FakeServer::default();
    let (one, two) = (flowctl(&server, "one"), flowctl(&server, "two"));
    one.lease.claim().await.unwrap();
    passes(&[&one, &two], 60);
    two.lease.claim().await.unwrap();
    two.lease.release().await.unwrap();
    let before = server.writes();
    assert_eq!(writes(&one.kube).await, "lease.lost");
    assert_eq!(server.writes(), before);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_deleted_while_it_held_is_taken_anew() {
    let server = FakeServer::default();
    let one = flowctl(&server, "one");
    one.lease.claim().await.unwrap();
    passes(&[&one], LEASE.as_secs() - 1);
    server.remove(PATH);
    assert_eq!(writes(&one.kube).await, "");
    assert!(server.at(PATH).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_write_takes_the_lease_if_the_start_could_not_and_a_read_needs_none() {
    let server = FakeServer::default();
    let (one, two) = (flowctl(&server, "one"), flowctl(&server, "two"));
    one.kube
        .get(&Resource::pods(), Some("default"), "x")
        .await
        .unwrap();
    assert_eq!(server.at(PATH), None);
    assert_eq!(writes(&one.kube).await, "");
    assert_eq!(
        server.at(PATH).unwrap()["spec"]["holderIdentity"],
        "one/7/w-one"
    );
    assert_eq!(writes(&two.kube).await, "lease.held");
    let dry = super::super::ApplyMode {
        dry_run: true,
        force: false,
    };
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default", "name": "x"}});
    let resource = Resource::core("ConfigMap", "configmaps");
    two.kube
        .apply(&resource, Some("default"), "x", &object, dry)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_holder_of_this_machine_that_is_dead_is_not_waited_for() {
    let server = FakeServer::default();
    let (dead, two) = (flowctl(&server, "one"), flowctl(&server, "one"));
    // No process has the pid 7 since tick 1 of a boot of this name; the second is another process.
    dead.lease.claim().await.unwrap();
    let mut lease = server.at(PATH).unwrap();
    lease["spec"]["holderIdentity"] = json!("one/2000000000/w-dead");
    server.put(lease);
    let begun = tokio::time::Instant::now();
    two.lease.claim().await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[test]
fn a_name_fits_kubernetes() {
    assert_eq!(
        lease_name("phase3_teardown", "lab"),
        "flowctl-phase3-teardown-lab"
    );
}
