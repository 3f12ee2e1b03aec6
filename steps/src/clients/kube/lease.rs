//! One flowctl at a time for a workflow on a target: a `coordination.k8s.io/Lease` in the target's cluster.
//!
//! It is taken when a run starts, renewed while it goes on, and given back at its end. Before each write [`Fence::check`]
//! asks whether the last renewal is so recent that nobody can have taken it since, by the monotonic and the wall clock
//! both; in doubt (the process was paused, the network was away) it asks the cluster. Who has lost it writes nothing
//! more. What is decided stands in `standing`, which is pure.

mod standing;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::kube::core::Request;
use ::kube::core::params::{DeleteParams, Preconditions};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::api::{Kube, subject};
use super::discovery::Resource;
use super::object;
use crate::child::proc::Process;
use crate::context::Clock;
use crate::error::StepError;
pub use standing::{Holder, LEASE, Standing};
use standing::{standing, written};

/// How often it is renewed.
pub const RENEW: Duration = Duration::from_secs(5);
/// For so long after a renewal was begun nobody else can have taken it, with as much to spare for clocks and answers.
const TRUST: Duration = Duration::from_secs(15);
/// One that has run out by our clock is watched for so long: its holder's clock may be another, and it renews twice in
/// this time.
const WATCH: Duration = Duration::from_secs(10);
/// How often a claim is made anew because somebody else was quicker.
const TRIES: usize = 3;

/// Told once, when the lease turns out to be someone else's.
pub type OnLost = Box<dyn Fn(String) + Send + Sync>;

/// Which lease, and for whom.
#[derive(Clone)]
pub struct LeaseSettings {
    /// The namespace that it lies in.
    pub namespace: String,
    /// Its name; see [`lease_name`].
    pub name: String,
    /// Who takes it.
    pub holder: Holder,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The name of the lease of a workflow on a target: lower-case letters, digits and `-`.
#[must_use]
pub fn lease_name(workflow: &str, target: &str) -> String {
    let plain = |text: &str| text.replace('_', "-");
    let mut name = format!("flowctl-{}-{}", plain(workflow), plain(target));
    name.truncate(200);
    name.trim_end_matches('-').to_owned()
}

/// Asked before each write to a cluster.
#[async_trait]
pub trait Fence: Send + Sync {
    /// Whether a write may go out now.
    ///
    /// # Errors
    /// Then it must not.
    async fn check(&self) -> Result<(), StepError>;
}

#[async_trait]
impl Fence for Lease {
    async fn check(&self) -> Result<(), StepError> {
        match self.is_fresh() {
            true => Ok(()),
            false => self.claim().await,
        }
    }
}

/// The lease of one run.
pub struct Lease {
    kube: Kube,
    settings: LeaseSettings,
    known: Mutex<Known>,
    /// One claim at a time; writes in doubt wait for the one that asks.
    claiming: tokio::sync::Mutex<()>,
    on_lost: Mutex<Option<OnLost>>,
}

/// What is known of it from the last answer.
#[derive(Default)]
struct Known {
    /// When the last renewal was begun, by both clocks.
    renewed: Option<(Duration, Timestamp)>,
    lost: Option<String>,
}

impl Lease {
    /// The lease in this cluster; nothing is asked yet. The client must be one that is not fenced by it.
    #[must_use]
    pub fn new(kube: Kube, settings: LeaseSettings) -> Self {
        Self {
            kube,
            settings,
            known: Mutex::default(),
            claiming: tokio::sync::Mutex::default(),
            on_lost: Mutex::default(),
        }
    }

    /// Who is told when it is lost.
    pub fn when_lost(&self, told: OnLost) {
        *self.on_lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }

    /// `NAMESPACE/NAME`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{}/{}", self.settings.namespace, self.settings.name)
    }

    /// Takes it, or renews it.
    ///
    /// # Errors
    /// `lease.held` when another has it and we never had, `lease.lost` when we had; else what the cluster says.
    pub async fn claim(&self) -> Result<(), StepError> {
        let _one = self.claiming.lock().await;
        for _ in 0..TRIES {
            if let Some(reason) = &self.known().lost {
                return Err(lost(reason));
            }
            let begun = (self.settings.clock.elapsed(), self.settings.clock.now());
            let found = self.get().await?;
            match standing(found.as_ref(), &self.settings.holder, begun.1) {
                // Another may have taken it, written, and given it back since.
                Standing::Free if self.ran_out() => return Err(self.lose("is nobody's any more")),
                Standing::Free | Standing::Mine => {}
                Standing::Held { holder, .. } if self.is_gone(&holder) => {}
                Standing::RunOut { .. } if self.stays_as_it_is(found.as_ref()).await? => {}
                Standing::RunOut { holder, since } | Standing::Held { holder, since, .. } => {
                    return Err(self.refuse(&holder, since));
                }
            }
            match self.write(found.as_ref(), begun.1).await {
                Ok(()) => {
                    self.known().renewed = Some(begun);
                    return Ok(());
                }
                // Somebody was quicker: it is looked at again.
                Err(error)
                    if matches!(
                        &*error.code,
                        "kube.changed_meanwhile" | "kube.already_exists"
                    ) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StepError::transient(
            "lease.contended",
            format!("the lease {} changes all the time", self.title()),
        ))
    }

    /// Renews it, if it was ever taken: what never wrote needs none.
    ///
    /// # Errors
    /// As for [`Lease::claim`].
    pub async fn renew(&self) -> Result<(), StepError> {
        let taken = self.known().renewed.is_some();
        match taken {
            true => self.claim().await,
            false => Ok(()),
        }
    }

    /// Whether it was renewed so recently that it needs no asking.
    fn is_fresh(&self) -> bool {
        let known = self.known();
        known.lost.is_none()
            && known.renewed.is_some_and(|(elapsed, at)| {
                let clock = &self.settings.clock;
                let passed = clock.elapsed().saturating_sub(elapsed);
                // A machine that slept does not count the time on its monotonic clock.
                let wall = clock.now().duration_since(at).unsigned_abs();
                passed < TRUST && wall < TRUST
            })
    }

    /// Whether it was ours, and for so long without a renewal that another could take it.
    fn ran_out(&self) -> bool {
        self.known().renewed.is_some_and(|(elapsed, at)| {
            let clock = &self.settings.clock;
            clock.elapsed().saturating_sub(elapsed) >= LEASE
                || clock.now().duration_since(at).unsigned_abs() >= LEASE
        })
    }

    /// Gives it back, if it is still ours.
    ///
    /// # Errors
    /// What the cluster says.
    pub async fn release(&self) -> Result<(), StepError> {
        let _one = self.claiming.lock().await;
        if self.known().renewed.is_none() || self.known().lost.is_some() {
            return Ok(());
        }
        let Some(found) = self.get().await? else {
            return Ok(());
        };
        if standing(
            Some(&found),
            &self.settings.holder,
            self.settings.clock.now(),
        ) != Standing::Mine
        {
            return Ok(());
        }
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(object::uid(&found).to_owned()),
                resource_version: Some(object::resource_version(&found).to_owned()),
            }),
            ..DeleteParams::default()
        };
        let (namespace, name) = (
            self.settings.namespace.as_str(),
            self.settings.name.as_str(),
        );
        let subject = subject("delete", &resource(), Some(namespace), Some(name));
        let request = Request::new(resource().path(Some(namespace)));
        self.kube
            .send(|| request.delete(name, &params), &subject)
            .await
            .map(drop)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn get(&self) -> Result<Option<Value>, StepError> {
        let namespace = Some(self.settings.namespace.as_str());
        self.kube
            .get(&resource(), namespace, &self.settings.name)
            .await
            .map_err(helped)
    }

    async fn write(&self, found: Option<&Value>, now: Timestamp) -> Result<(), StepError> {
        let LeaseSettings {
            namespace,
            name,
            holder,
            ..
        } = &self.settings;
        let object = written(found, namespace, name, holder, now);
        let written = match found {
            // It carries the version that was seen, so that two cannot both take it.
            Some(_) => {
                self.kube
                    .replace(&resource(), Some(namespace), name, &object)
                    .await
            }
            None => {
                self.kube
                    .create(&resource(), Some(namespace), &object)
                    .await
            }
        };
        written.map(drop).map_err(helped)
    }

    /// A process of this machine that is seen to be dead needs no waiting for.
    fn is_gone(&self, holder: &Holder) -> bool {
        let me = &self.settings.holder;
        holder.host == me.host
            && holder.boot_id == me.boot_id
            && !Process {
                start_time: holder.start_ticks,
                pid: holder.pid,
            }
            .lives()
    }

    async fn stays_as_it_is(&self, found: Option<&Value>) -> Result<bool, StepError> {
        if self.known().renewed.is_some() {
            // Ours until now and another's since: that one need not be watched to know it.
            return Ok(false);
        }
        tokio::time::sleep(WATCH).await;
        let version = |object: Option<&Value>| {
            object.map(|object| object::resource_version(object).to_owned())
        };
        Ok(version(self.get().await?.as_ref()) == version(found))
    }

    /// What is said of one that another has.
    fn refuse(&self, holder: &Holder, since: Option<Timestamp>) -> StepError {
        let since = since.map_or_else(String::new, |since| format!(" since {since:.0}"));
        let title = self.title();
        if self.known().renewed.is_none() {
            return StepError::permanent(
                "lease.held",
                format!("the lease {title} is held by {holder}{since}: another flowctl works on this target"),
            )
            .help(format!(
                "wait for it or cancel it there; if it is dead, its lease runs out {} s after its last renewal",
                LEASE.as_secs()
            ));
        }
        self.lose(&format!("is held by {holder}{since}"))
    }

    /// It was ours and is not any more: said to everybody, and for good.
    fn lose(&self, how: &str) -> StepError {
        let reason = format!(
            "the lease {} {how}: this flowctl was paused or cut off for longer than its lease, and nothing more is written",
            self.title()
        );
        self.known().lost = Some(reason.clone());
        if let Some(told) = &*self.on_lost.lock().unwrap_or_else(PoisonError::into_inner) {
            told(reason.clone());
        }
        lost(&reason)
    }
}

fn lost(reason: &str) -> StepError {
    StepError::permanent("lease.lost", reason)
        .help("look at what the other run does before this one is resumed")
}

fn resource() -> Resource {
    Resource {
        api_version: "coordination.k8s.io/v1".into(),
        kind: "Lease".into(),
        plural: "leases".into(),
        namespaced: true,
    }
}

fn helped(error: StepError) -> StepError {
    match &*error.code {
        "kube.forbidden" | "kube.not_found" => error.help(
            "flowctl needs get, create, update and delete on leases.coordination.k8s.io in the namespace that the \
             target's `kubernetes.lease_namespace` names",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests;
