//! What an API server answers: lists, objects, discovery, leases, logs and errors.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use flowctl_steps::clients::kube::lease::Holder;
use flowctl_steps::clients::kube::{
    Kube, Lease, LeaseSettings, LogWindow, Resource, Selection, manifest, object, patch, pods,
    quantity, readiness, trouble,
};
use flowctl_steps::clock::SystemClock;
use serde_json::Value;
use tokio::runtime::Runtime;

/// Asks a server that answers everything with the same body: with success, and with an error.
pub fn read(bytes: &[u8]) {
    for status in [200, 403, 500] {
        runtime().block_on(ask(bytes, status));
    }
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        look_at(&value);
        let items = object::list(&value, "/items");
        items.iter().for_each(look_at);
        drop((pods::labels(items), trouble::among(items)));
        if let [before, after, ..] = items {
            let changes = patch::changes(before, after);
            drop((patch::back(&changes), manifest::pruned(before, after)));
        }
    }
    let text = String::from_utf8_lossy(bytes);
    drop((quantity::parse(&text), manifest::parse("m.yaml", &text)));
}

/// Waits between repetitions take no time here.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let built = builder.enable_time().start_paused(true).build();
        built.unwrap_or_else(|error| unreachable!("a runtime without I/O needs nothing: {error}"))
    })
}

async fn ask(body: &[u8], status: u16) {
    let body = body.to_vec();
    let service = tower::service_fn(move |_: http::Request<kube::client::Body>| {
        let mut response = http::Response::new(kube::client::Body::from(body.clone()));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        async move { Ok::<_, Infallible>(response) }
    });
    let kube = Kube::new(kube::Client::new(service, "default"));
    let pods = Resource::pods();
    if let Ok(found) = kube.list(&pods, &Selection::all_in("n")).await {
        found.iter().for_each(look_at);
    }
    if let Ok(Some(found)) = kube.get(&pods, Some("n"), "p").await {
        look_at(&found);
    }
    drop(kube.resource("apps/v1", "Deployment").await);
    drop(kube.log("n", "p", &LogWindow::default()).await);
    drop(Lease::new(kube, lease()).claim().await);
}

fn lease() -> LeaseSettings {
    LeaseSettings {
        namespace: "n".to_owned(),
        name: "flowctl-w-t".to_owned(),
        holder: Holder {
            host: "h".to_owned(),
            pid: 1,
            run: "w-1".to_owned(),
            start_ticks: 1,
            boot_id: "b".to_owned(),
        },
        clock: Arc::new(SystemClock::new()),
    }
}

fn look_at(value: &Value) {
    let _ = (
        object::title(value),
        object::showable(value),
        object::restorable(value),
    );
    drop((
        pods::summary(value),
        pods::problems(value),
        readiness::readiness(value),
    ));
    drop((
        trouble::selector_of(value),
        manifest::check(value, "m.yaml"),
        manifest::wave(value),
    ));
}
