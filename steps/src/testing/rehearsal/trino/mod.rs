//! The double of the coordinator: `/v1/info`, `/v1/statement`, `/v1/query`. It answers while a pod of a coordinator is
//! ready in the cluster's double, with the version of that pod's image and the workers that there are.
//!
//! A query begins when its first page is asked for and its resource groups have room, works for as long as it takes and
//! commits at its end, unless its limit of time comes first. Where several queries of one source are at work together,
//! each takes longer, as on a server that shares its cores.

mod about;
mod define;
mod effort;
mod groups;
pub(super) mod lake;
pub(super) mod nodes;
mod read;
mod record;
mod select;
mod settings;
mod statements;
mod tables;
mod units;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use flowctl_workflows::inject::{Failing, Protocol};
use serde_json::{Value, json};
use tokio::sync::Notify;

use self::groups::Admission;
use self::lake::{Failed, Query, Stage};
use super::door::{self, Answer, Reply, Request};
use super::kube::chart::GROUPS;
use super::world::{self, Shared, World};

/// How long a query works when it is alone, and when others of its source are at work.
const ALONE: Duration = Duration::from_millis(1);
const TOGETHER: Duration = Duration::from_millis(25);
/// How long a page waits for its query.
const PAGE: Duration = Duration::from_secs(1);

/// The coordinator. Clones are the same one.
#[derive(Clone)]
pub(super) struct Double {
    world: Shared,
    ended: Arc<Notify>,
    /// Sources that had more than one query at work at once.
    crowded: Arc<Mutex<HashMap<String, ()>>>,
}

impl Double {
    pub(super) fn new(world: Shared) -> Self {
        Self {
            world,
            ended: Arc::default(),
            crowded: Arc::default(),
        }
    }

    fn announce(&self, request: &Request) -> Answer {
        let sql = String::from_utf8_lossy(&request.body).into_owned();
        if sql.trim().is_empty() {
            return Reply::text(400, "SQL statement is empty").into();
        }
        let or_default = |name: &str| request.header(name).to_owned();
        let mut world = world::lock(&self.world);
        let now = world.clock.now();
        let count = world.lake.queries.len();
        let tags = or_default("x-trino-client-tags");
        let mut query = Query {
            user: or_default("x-trino-user"),
            catalog: or_default("x-trino-catalog"),
            schema: or_default("x-trino-schema"),
            session: or_default("x-trino-session"),
            ..Query::new(
                format!("{}_{count:05}_rhrsl", now.strftime("%Y%m%d_%H%M%S")),
                sql,
                request.header("x-trino-source"),
                tags.split(',').map(str::to_owned).collect(),
                now,
            )
        };
        if let Some(failed) = settings::bad_session(request.header("x-trino-session")) {
            query.stage = Stage::Failed(failed);
            query.ended = Some(now);
        }
        let page = record::page(&query, &host(request), "queued", Some(1));
        world.lake.queries.push(query);
        Reply::json(200, &page).into()
    }

    /// A page: the first one begins the query, the later ones wait for it.
    async fn page(&self, request: &Request, phase: &str, id: &str, slug: &str) -> Answer {
        let waited = async {
            loop {
                let ended = self.ended.notified();
                if let Some(answer) = self.look(request, phase, id, slug) {
                    return answer;
                }
                ended.await;
            }
        };
        match tokio::time::timeout(PAGE, waited).await {
            Ok(answer) => answer,
            Err(_) => match world::lock(&self.world).lake.query(id) {
                Some(query) => Reply::json(
                    200,
                    &record::page(query, &host(request), "executing", Some(1)),
                )
                .into(),
                None => not_found(),
            },
        }
    }

    /// A page, if there is something to say.
    fn look(&self, request: &Request, phase: &str, id: &str, slug: &str) -> Option<Answer> {
        let mut world = world::lock(&self.world);
        let known = world.lake.query(id).filter(|query| query.slug() == slug);
        let Some(query) = known.cloned() else {
            return Some(not_found());
        };
        if query.stage == Stage::Announced {
            self.admit(&mut world, query);
        }
        let first = phase == "queued";
        let query = world
            .lake
            .query(id)
            .filter(|query| first || query.stage.ended())?;
        let page = record::page(query, &host(request), "executing", first.then_some(1));
        Some(Reply::json(200, &page).into())
    }

    /// Lets a query begin, wait, or fail, as its resource groups say.
    fn admit(&self, world: &mut World, query: Query) {
        let groups = groups::of(&nodes::configured(world, GROUPS), &query);
        let admission = match &groups {
            Ok(groups) => groups::admit(&world.lake, groups),
            Err(failed) => Admission::Refused(failed.clone()),
        };
        let now = world.clock.now();
        let Some(own) = world.lake.query(&query.id) else {
            return;
        };
        let groups = groups.unwrap_or_default().into_iter();
        own.groups = groups.map(|group| group.path).collect();
        match admission {
            Admission::Begins => self.begin(world, &query),
            Admission::Waits => own.stage = Stage::Waiting,
            Admission::Refused(failed) => {
                own.stage = Stage::Failed(failed);
                own.ended = Some(now);
            }
        }
    }

    /// Lets those begin for which there is room now, in the order in which they came.
    fn admit_waiting(&self, world: &mut World) {
        let config = nodes::configured(world, GROUPS);
        let waiting = world.lake.queries.iter();
        let waiting = waiting.filter(|query| query.stage == Stage::Waiting);
        for query in waiting.cloned().collect::<Vec<_>>() {
            let groups = groups::of(&config, &query).unwrap_or_default();
            if groups::have_room(&world.lake, &groups) {
                self.begin(world, &query);
            }
        }
    }

    /// Works on a query, whether anybody waits for it or not.
    fn begin(&self, world: &mut World, query: &Query) {
        let effort = effort::of(world, query);
        let now = world.clock.now();
        if let Some(own) = world.lake.query(&query.id) {
            own.stage = Stage::Running;
            own.began = Some(now);
            own.effort = effort;
        }
        let least = self.least(&world.lake.queries, &query.source);
        let works = effort.works.max(least);
        let limit = effort.may_work.filter(|limit| *limit < works);
        let (double, id) = (self.clone(), query.id.clone());
        tokio::spawn(async move {
            let mut left = limit.unwrap_or(works);
            // In slices: where this process gets little of the machine, what it plays slows down as a whole.
            while !left.is_zero() {
                let slice = left.min(TOGETHER);
                tokio::time::sleep(slice).await;
                left -= slice;
            }
            double.end(&id, limit.is_some());
        });
    }

    /// How long a query of this source works at least.
    fn least(&self, queries: &[Query], source: &str) -> Duration {
        let together = queries
            .iter()
            .filter(|query| query.source == source && query.stage == Stage::Running)
            .count();
        let mut crowded = self.crowded.lock().unwrap_or_else(PoisonError::into_inner);
        if together > 1 {
            crowded.insert(source.to_owned(), ());
        }
        match crowded.contains_key(source) {
            true => TOGETHER,
            false => ALONE,
        }
    }

    /// The statement's effect, all at once, unless the query was ended before or its time is up.
    fn end(&self, id: &str, too_long: bool) {
        let mut world = world::lock(&self.world);
        let now = world.clock.now();
        let Some(query) = world
            .lake
            .query(id)
            .filter(|query| query.stage == Stage::Running)
            .cloned()
        else {
            return;
        };
        let done = match too_long {
            true => Err(settings::too_long(&world, &query)),
            false => statements::execute(&mut world, &query),
        };
        if let Some(query) = world.lake.query(id) {
            query.stage = match done {
                Ok(done) => Stage::Finished(Box::new(done)),
                Err(failed) => Stage::Failed(failed),
            };
            query.ended = Some(now);
        }
        self.admit_waiting(&mut world);
        drop(world);
        self.ended.notify_waiters();
    }

    fn cancel(&self, id: &str) -> Answer {
        let mut world = world::lock(&self.world);
        let now = world.clock.now();
        let Some(query) = world.lake.query(id) else {
            return gone();
        };
        if !query.stage.ended() {
            query.stage = Stage::Failed(Failed::user("USER_CANCELED", 3, "Query was canceled"));
            query.ended = Some(now);
        }
        self.admit_waiting(&mut world);
        drop(world);
        self.ended.notify_waiters();
        Reply::text(204, "").into()
    }
}

fn not_found() -> Answer {
    Reply::text(404, "Query not found").into()
}

fn gone() -> Answer {
    Reply::text(410, "").into()
}

fn host(request: &Request) -> String {
    request.header("host").to_owned()
}

#[async_trait]
impl door::Double for Double {
    fn protocol(&self) -> Protocol {
        Protocol::Trino
    }

    async fn answer(&self, request: &Request) -> Answer {
        let Some(version) = nodes::version(&world::lock(&self.world)) else {
            // No coordinator is there: nobody listens.
            return Answer::Silence;
        };
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let method = request.method.as_str();
        if let ("GET", ["v1", "info"]) = (method, &parts[..]) {
            let info = json!({"nodeVersion": {"version": version}, "environment": "production", "coordinator": true,
                "starting": false, "uptime": "1.00m"});
            return Reply::json(200, &info).into();
        }
        if request.header("x-trino-user").is_empty() && request.header("authorization").is_empty() {
            return Reply::text(
                401,
                "Basic authentication or X-Trino-Original-User or X-Trino-User must be sent",
            )
            .into();
        }
        match (method, &parts[..]) {
            ("POST", ["v1", "statement"]) => self.announce(request),
            ("GET", ["v1", "statement", phase, id, slug, _]) => {
                self.page(request, phase, id, slug).await
            }
            ("DELETE", ["v1", "statement", _, id, ..] | ["v1", "query", id]) => self.cancel(id),
            ("GET", ["v1", "query"]) => {
                let world = world::lock(&self.world);
                // A query that was only announced is not in it.
                let known = world
                    .lake
                    .queries
                    .iter()
                    .filter(|query| query.stage != Stage::Announced);
                Reply::json(200, &Value::Array(known.map(record::summary).collect())).into()
            }
            ("GET", ["v1", "query", id]) => {
                let mut world = world::lock(&self.world);
                let nodes = nodes::all(&world);
                match world.lake.query(id) {
                    Some(query) => Reply::json(200, &record::full(query, &nodes)).into(),
                    None => gone(),
                }
            }
            _ => Reply::text(
                404,
                format!("the rehearsal does not know {method} {}", request.path),
            )
            .into(),
        }
    }

    fn failing(&self, failing: Failing, request: &Request) -> Answer {
        match failing {
            Failing::Unavailable => Reply::text(503, "Service Unavailable").into(),
            Failing::Reset => Answer::Silence,
            Failing::Refused if request.method == "POST" => {
                // As the server refuses a statement: it is a query that failed.
                Reply::json(
                    200,
                    &record::refused("Access Denied: by the file of faults"),
                )
                .into()
            }
            Failing::Refused => Reply::text(403, "Forbidden: by the file of faults").into(),
        }
    }
}
