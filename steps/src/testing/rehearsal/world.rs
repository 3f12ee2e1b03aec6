//! What the doubles are of: one platform, held in memory. The services look at each other through it: Trino answers when a
//! pod of its coordinator is ready, and has the catalogs that the release's ConfigMap holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::kube::cluster::Cluster;
use super::monitoring::rules::Alerts;
use super::trino::lake::Lake;
use crate::context::Clock;

/// The platform.
pub(super) struct World {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) cluster: Cluster,
    pub(super) lake: Lake,
    pub(super) store: Store,
    pub(super) alerts: Alerts,
}

/// All doubles hold the same one.
pub(super) type Shared = Arc<Mutex<World>>;

/// The world, for a moment; never over an await.
pub(super) fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Buckets with their objects.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) buckets: BTreeMap<String, BTreeMap<String, Stored>>,
}

/// An object of the store.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) content: Bytes,
    pub(super) metadata: Vec<(String, String)>,
}

/// The platform as phase 3 finds it: a cluster with Flux and three nodes, an object store with a bucket, and no Trino.
pub(super) fn seeded(clock: Arc<dyn Clock>) -> Shared {
    let mut store = Store::default();
    store
        .buckets
        .insert("lakehouse".to_owned(), BTreeMap::new());
    Arc::new(Mutex::new(World {
        cluster: Cluster::seeded(Arc::clone(&clock)),
        lake: Lake::seeded(),
        store,
        alerts: Alerts::default(),
        clock,
    }))
}
