//! Which faults a request meets: counted by matcher, drawn by the seed. The same file and the same requests in the same
//! order meet the same faults; steps that run at once may send theirs in another order.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flowctl_workflows::inject::{Change, Failing, Inject, Matcher, Protocol};
use sha2::{Digest, Sha256};

use super::door::Request;

/// What happens to one request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) latency: Duration,
    pub(super) changes: Vec<Change>,
    pub(super) failing: Option<Failing>,
    pub(super) lose_answer: bool,
}

/// The faults of a file, with how many requests each has matched.
#[derive(Debug)]
pub(super) struct Faults {
    inject: Inject,
    matched: Mutex<Vec<u64>>,
}

impl Faults {
    pub(super) fn new(inject: Inject) -> Self {
        let matched = Mutex::new(vec![0; inject.faults.len()]);
        Self { inject, matched }
    }

    /// What happens to this request, which counts as one more that matched.
    pub(super) fn plan(&self, protocol: Protocol, request: &Request) -> Plan {
        let mut plan = Plan::default();
        let mut matched = self.matched.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, (fault, count)) in self
            .inject
            .faults
            .iter()
            .zip(matched.iter_mut())
            .enumerate()
        {
            if !matches(&fault.on, protocol, request) {
                continue;
            }
            *count += 1;
            let counted = fault.on.nth.is_empty() || fault.on.nth.contains(count);
            let drawn = fault
                .on
                .share
                .is_none_or(|share| chance(self.inject.seed, at, *count) < share);
            if !counted || !drawn {
                continue;
            }
            plan.latency = plan
                .latency
                .saturating_add(fault.latency.map_or(Duration::ZERO, |span| span.duration()));
            plan.changes.extend(fault.change.clone());
            plan.failing = plan.failing.or(fault.fail);
            plan.lose_answer |= fault.lose_answer;
        }
        plan
    }
}

/// Lets some requests meet these faults, for the fuzz targets.
#[cfg(any(test, feature = "testing"))]
pub fn meet(inject: Inject) {
    let faults = Faults::new(inject);
    for (protocol, path) in [
        (Protocol::Trino, "/v1/statement"),
        (
            Protocol::Kubernetes,
            "/apis/apps/v1/namespaces/data-platform/deployments/trino",
        ),
        (Protocol::S3, "/bucket/key"),
    ] {
        let request = Request {
            method: http::Method::POST,
            path: path.to_owned(),
            query: Vec::new(),
            headers: http::HeaderMap::new(),
            body: "SELECT 1".into(),
        };
        for _ in 0..3 {
            drop(faults.plan(protocol, &request));
        }
    }
}

fn matches(matcher: &Matcher, protocol: Protocol, request: &Request) -> bool {
    let fits = |pattern: &Option<String>, text: &str| {
        pattern.as_ref().is_none_or(|pattern| fits(pattern, text))
    };
    matcher.protocol.is_none_or(|wanted| wanted == protocol)
        && matcher
            .method
            .as_ref()
            .is_none_or(|method| request.method == method.as_str())
        && fits(&matcher.path, &request.path)
        && (matcher.body.is_none() || fits(&matcher.body, &String::from_utf8_lossy(&request.body)))
}

/// Whether a text is this pattern, in which `*` stands for anything.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut left) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.len() >= last.len() && left.ends_with(last)
}

/// A number between 0 and 1 that belongs to the seed, the fault and the request's count.
fn chance(seed: u64, fault: usize, count: u64) -> f64 {
    let digest = Sha256::digest(format!("{seed}/{fault}/{count}"));
    let drawn = digest
        .iter()
        .take(4)
        .fold(0_u32, |drawn, byte| drawn << 8 | u32::from(*byte));
    f64::from(drawn) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use flowctl_workflows::inject::Fault;
    use flowctl_workflows::policy::Span;

    use super::*;

    fn request(method: &str, path: &str, body: &str) -> Request {
        Request {
            method: method.parse().unwrap(),
            path: path.to_owned(),
            query: Vec::new(),
            headers: http::HeaderMap::new(),
            body: body.to_owned().into(),
        }
    }

    fn faults(faults: Vec<Fault>) -> Faults {
        Faults::new(Inject {
            seed: 7,
            faults,
            ..Inject::default()
        })
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fit) in [
            ("/a", "/a", true),
            ("/a", "/a/b", false),
            ("/a*", "/a/b", true),
            ("*/b", "/a/b", true),
            ("/a/*/c/*", "/a/b/c/d", true),
            ("/a/*/c", "/a/c", false),
            ("a*a", "a", false),
            ("CREATE TABLE*etl_test*", "CREATE TABLE etl_test AS", true),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn only_the_nth_request_that_matches_meets_a_fault() {
        let on = Matcher {
            protocol: Some(Protocol::Trino),
            method: Some("POST".to_owned()),
            body: Some("SELECT*".to_owned()),
            nth: vec![2],
            ..Matcher::default()
        };
        let faults = faults(vec![Fault {
            on,
            latency: Some(Span::from_millis(5)),
            fail: Some(Failing::Unavailable),
            ..Fault::default()
        }]);
        let select = request("POST", "/v1/statement", "SELECT 1");
        let other = request("POST", "/v1/statement", "INSERT");
        assert_eq!(faults.plan(Protocol::Trino, &select), Plan::default());
        assert_eq!(faults.plan(Protocol::Trino, &other), Plan::default());
        assert_eq!(faults.plan(Protocol::S3, &select), Plan::default());
        let met = faults.plan(Protocol::Trino, &select);
        assert_eq!(met.failing, Some(Failing::Unavailable));
        assert_eq!(met.latency, Duration::from_millis(5));
        assert_eq!(faults.plan(Protocol::Trino, &select), Plan::default());
    }

    #[test]
    fn latencies_add_up_to_no_more_than_there_is() {
        let fault = Fault {
            latency: Some(Span::from_millis(u64::MAX)),
            ..Fault::default()
        };
        // One is a thousandth of what a duration holds.
        let faults = faults(vec![fault; 1_001]);
        let met = faults.plan(Protocol::S3, &request("GET", "/", ""));
        assert_eq!(met.latency, Duration::MAX);
    }

    #[test]
    fn a_share_is_drawn_by_the_seed_and_is_about_as_large_as_it_says() {
        let on = Matcher {
            share: Some(0.25),
            ..Matcher::default()
        };
        let fault = Fault {
            on,
            lose_answer: true,
            ..Fault::default()
        };
        let draw = || -> Vec<bool> {
            let faults = faults(vec![fault.clone()]);
            let get = request("GET", "/", "");
            (0..1000)
                .map(|_| faults.plan(Protocol::S3, &get).lose_answer)
                .collect()
        };
        let drawn = draw();
        assert_eq!(drawn, draw());
        let hit = drawn.iter().filter(|hit| **hit).count();
        assert!((200..300).contains(&hit), "{hit} of 1000");
    }
}
