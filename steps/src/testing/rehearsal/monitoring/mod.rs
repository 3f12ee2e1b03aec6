//! The doubles of Prometheus, Alertmanager, its receiver and Grafana. What they show follows from the world: the nodes of
//! Trino that there are, the queries that it worked on, the rules and dashboards that were applied. Nothing in it is a
//! measurement. An expression that is not known is refused, never "empty".

mod delivery;
mod evaluate;
mod expression;
mod grafana;
mod prometheus;
pub(super) mod rules;
mod series;

use async_trait::async_trait;
use flowctl_workflows::inject::{Failing, Protocol};

use super::door::{self, Answer, Reply, Request};
use super::world::{self, Shared};

/// One of the four.
pub(super) struct Double {
    pub(super) world: Shared,
    pub(super) protocol: Protocol,
}

#[async_trait]
impl door::Double for Double {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    async fn answer(&self, request: &Request) -> Answer {
        let mut world = world::lock(&self.world);
        rules::catch_up(&mut world);
        let known = match self.protocol {
            Protocol::Prometheus => prometheus::answer(&world, request),
            Protocol::Alertmanager => delivery::alertmanager(&world, request),
            Protocol::AlertReceiver => delivery::receiver(&world, request),
            Protocol::Grafana => grafana::answer(&world, request),
            Protocol::Kubernetes | Protocol::Trino | Protocol::S3 => None,
        };
        known
            .unwrap_or_else(|| {
                Reply::text(
                    404,
                    format!(
                        "the rehearsal does not know {} {}",
                        request.method, request.path
                    ),
                )
            })
            .into()
    }

    fn failing(&self, failing: Failing, _: &Request) -> Answer {
        match failing {
            Failing::Unavailable => Reply::text(503, "Service Unavailable").into(),
            Failing::Refused => Reply::text(403, "Forbidden: by the file of faults").into(),
            Failing::Reset => Answer::Silence,
        }
    }
}
