//! The lease of a run on its target's cluster: whether it needs one, taken at the start, kept while it goes on, given
//! back at the end.

use std::sync::Arc;

use flowctl_state::hold::Hold;
use flowctl_state::holder::Holder;
use flowctl_steps::Registry;
use flowctl_steps::clients::Clients;
use flowctl_steps::clients::kube::LeaseSettings;
use flowctl_steps::clients::kube::lease::{self, RENEW, lease_name};
use flowctl_steps::clock::SystemClock;
use flowctl_workflows::plan::Plan;
use flowctl_workflows::result::ErrorClass;
use flowctl_workflows::{RunId, TargetFile};

use super::error::Error;
use super::output;
use crate::executor::Handle;

/// Where the lease lies unless the target says otherwise: every cluster has it.
const NAMESPACE: &str = "default";
/// Kinds that write, but not through the target.
const BESIDE_THE_TARGET: [&str; 3] = ["shell", "process", "http.check"];

/// The lease that a run needs: of its workflow on its target, if that has a cluster and a step writes to the platform.
pub(super) fn settings(
    hold: &Hold,
    plan: &Plan,
    target: Option<&TargetFile>,
    registry: &Registry,
    run: &RunId,
) -> Option<LeaseSettings> {
    let target = &target?.target;
    let kubernetes = target.kubernetes.as_ref()?;
    if !writes(plan, registry) {
        return None;
    }
    let myself = Holder::read(&hold.directory().holder())?;
    Some(LeaseSettings {
        namespace: kubernetes
            .lease_namespace
            .clone()
            .unwrap_or_else(|| NAMESPACE.to_owned()),
        name: lease_name(plan.workflow.as_str(), &target.metadata.name),
        holder: lease::Holder {
            host: myself.host,
            pid: i32::try_from(myself.pid).ok()?,
            run: run.to_string(),
            start_ticks: myself.start_ticks,
            boot_id: myself.boot_id,
        },
        clock: Arc::new(SystemClock::new()),
    })
}

/// Whether a step, or the undo of one, writes through the target.
fn writes(plan: &Plan, registry: &Registry) -> bool {
    let writes = |kind: &str| {
        !BESIDE_THE_TARGET.contains(&kind)
            && registry.get(kind).is_some_and(|entry| entry.info.writes)
    };
    plan.steps.iter().any(|step| {
        let undo = step.undo.as_ref().and_then(|undo| undo.by.as_ref());
        step.role.kind().is_some_and(writes) || undo.is_some_and(|undo| writes(&undo.kind))
    })
}

/// Takes the lease before the first event. A cluster that cannot be reached yet may be what the workflow starts: then
/// the first write takes it.
pub(super) async fn take(clients: &Clients) -> Result<(), Error> {
    let claimed = match clients.lease().await {
        Ok(Some(lease)) => lease.claim().await,
        Ok(None) => return Ok(()),
        Err(error) => Err(error),
    };
    match claimed {
        Ok(()) => Ok(()),
        Err(error) if error.code == "lease.held" => Err(Error::Leased(error.message)),
        Err(error) if error.class == ErrorClass::Transient || error.code == "kube.kubeconfig" => {
            output::note(&format!(
                "warning: the lease of this run is not taken yet, but before its first write: {error}"
            ));
            Ok(())
        }
        Err(error) => Err(Error::NoLease {
            message: error.message,
            help: error.help,
        }),
    }
}

/// Renews the lease as long as the run goes on, and leaves the run when the lease is another's.
pub(super) async fn keep(clients: Arc<Clients>, handle: Handle) {
    loop {
        // It may be connected, and so known, only when a step first asks for the cluster.
        if let Some(lease) = clients.known_lease() {
            let leaving = handle.clone();
            lease.when_lost(Box::new(move |why| leaving.leave(why)));
            match lease.renew().await {
                Ok(()) => {}
                Err(error) if error.code == "lease.lost" => return,
                // The next write asks again, and is not sent unless it is ours.
                Err(error) => tracing::debug!(%error, "the lease was not renewed"),
            }
        }
        tokio::time::sleep(RENEW).await;
    }
}

/// Gives the lease back; one that stays behind runs out.
pub(super) async fn give_back(clients: &Clients) {
    if let Some(lease) = clients.known_lease()
        && let Err(error) = lease.release().await
    {
        output::note(&format!(
            "warning: the lease {} stays until it runs out: {error}",
            lease.title()
        ));
    }
}
