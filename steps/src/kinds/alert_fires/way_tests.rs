//! The way of an alert, look by look.

use serde_json::{Value, json};

use super::*;

const ALL: [Stage; 8] = [
    Stage::Inactive,
    Stage::Pending,
    Stage::Firing,
    Stage::Alertmanager,
    Stage::Receiver,
    Stage::InactiveAgain,
    Stage::Released,
    Stage::ResolvedReceived,
];

fn at(second: f64) -> Timestamp {
    Timestamp::from_millisecond((second * 1000.0) as i64).unwrap()
}

fn text(second: f64) -> String {
    at(second).to_string()
}

/// A look at this second at an alert that is in that state since then.
fn sight(now: f64, alert: Option<(&str, f64)>) -> Sight {
    let alerts: Vec<Value> = alert
        .into_iter()
        .map(|(state, since)| json!({"labels": {}, "state": state, "activeAt": text(since)}))
        .collect();
    let rule = json!({"name": "A", "query": "x > 1", "state": "inactive", "health": "ok",
        "lastEvaluation": text(now), "alerts": alerts});
    let rule: Rule = serde_json::from_value(rule).unwrap();
    Sight {
        now: at(now),
        ahead: SignedDuration::ZERO,
        alerts: rule.alerts.clone(),
        rule: Some(rule),
        held: None,
        received: None,
    }
}

impl Sight {
    fn held(mut self, starts: &[f64]) -> Self {
        let held = starts.iter().map(|starts| json!({"labels": {}, "startsAt": text(*starts), "status": {"state": "active"}}));
        self.held = Some(
            held.map(|held| serde_json::from_value(held).unwrap())
                .collect(),
        );
        self
    }

    fn received(mut self, received: &[(f64, &str, f64)]) -> Self {
        let received = received.iter().map(|(came, status, starts)| Received {
            at: at(*came),
            alert: serde_json::from_value(
                json!({"status": status, "labels": {}, "startsAt": text(*starts)}),
            )
            .unwrap(),
        });
        self.received = Some(received.collect());
        self
    }
}

fn times(way: &Way) -> Vec<(Stage, f64)> {
    way.times
        .iter()
        .map(|(stage, at)| (*stage, at.as_millisecond() as f64 / 1000.0))
        .collect()
}

#[test]
fn the_whole_way_with_the_moments_that_the_platform_wrote_down() {
    let mut way = Way::default();
    for look in [
        sight(10.0, None),
        sight(13.0, Some(("pending", 12.0))),
        sight(15.5, Some(("firing", 12.0))).held(&[]).received(&[]),
        sight(16.0, Some(("firing", 12.0)))
            .held(&[15.0])
            .received(&[]),
        sight(17.0, Some(("firing", 12.0)))
            .held(&[15.0])
            .received(&[(16.5, "firing", 15.0)]),
        sight(30.0, None)
            .held(&[15.0])
            .received(&[(16.5, "firing", 15.0)]),
        sight(32.0, None)
            .held(&[])
            .received(&[(16.5, "firing", 15.0), (31.0, "resolved", 15.0)]),
    ] {
        way.advance(&ALL, &look).unwrap();
    }
    assert_eq!(
        times(&way),
        [
            (Stage::Inactive, 10.0),
            (Stage::Pending, 12.0),
            (Stage::Firing, 15.0),
            (Stage::Alertmanager, 16.0),
            (Stage::Receiver, 16.5),
            (Stage::InactiveAgain, 30.0),
            (Stage::Released, 31.0),
            (Stage::ResolvedReceived, 31.0),
        ]
    );
    assert_eq!(way.seconds(Stage::Firing, Stage::Receiver), Some(1.5));
    assert_eq!(way.next(&ALL), None);
}

#[test]
fn what_was_active_before_is_no_proof() {
    let mut way = Way::default();
    way.times.insert(Stage::Inactive, at(100.0));
    let active = way.advance(&ALL, &sight(101.0, Some(("firing", 50.0))));
    assert_eq!(active, Err(ActiveBefore(at(50.0))));
    // Clocks may differ by a little.
    assert_eq!(
        way.advance(&ALL, &sight(101.0, Some(("pending", 99.0)))),
        Ok(1)
    );
}

#[test]
fn an_alert_that_never_was_inactive_is_waited_for() {
    let mut way = Way::default();
    assert_eq!(way.advance(&ALL, &sight(1.0, Some(("firing", 0.5)))), Ok(0));
    assert_eq!(way.next(&ALL), Some(Stage::Inactive));
}

#[test]
fn a_rule_that_was_not_evaluated_is_neither_inactive_nor_resolved() {
    let mut way = Way::default();
    let mut unseen = sight(1.0, None);
    unseen.rule = None;
    assert_eq!(way.advance(&ALL, &unseen), Ok(0));
    way.times.insert(Stage::Inactive, at(0.0));
    way.advance(&ALL, &sight(1.0, Some(("firing", 0.5))))
        .unwrap();
    way.advance(&[Stage::InactiveAgain], &unseen).unwrap();
    assert!(!way.times.contains_key(&Stage::InactiveAgain));
}

#[test]
fn a_pending_alert_that_becomes_inactive_begins_anew() {
    let mut way = Way::default();
    for look in [
        sight(1.0, None),
        sight(2.0, Some(("pending", 1.5))),
        sight(3.0, None),
        sight(5.0, Some(("pending", 4.0))),
    ] {
        way.advance(&ALL, &look).unwrap();
    }
    assert_eq!((way.faltered, way.active_at), (1, Some(at(4.0))));
    assert_eq!(times(&way), [(Stage::Inactive, 1.0), (Stage::Pending, 4.0)]);
}

#[test]
fn what_alertmanager_and_receiver_have_of_an_earlier_alert_does_not_count() {
    let mut way = Way::default();
    way.advance(&ALL, &sight(100.0, None)).unwrap();
    let look = sight(106.0, Some(("firing", 102.0)))
        .held(&[50.0])
        .received(&[(51.0, "firing", 50.0), (60.0, "resolved", 50.0)]);
    way.advance(&ALL, &look).unwrap();
    assert_eq!(way.next(&ALL), Some(Stage::Alertmanager));
}

#[test]
fn what_the_receiver_was_told_alertmanager_had_however_short() {
    let mut way = Way::default();
    way.advance(&ALL, &sight(1.0, None)).unwrap();
    way.advance(&ALL, &sight(2.0, Some(("firing", 2.0))))
        .unwrap();
    let look = sight(4.0, None)
        .held(&[])
        .received(&[(3.0, "firing", 2.0), (3.5, "resolved", 2.0)]);
    way.advance(&ALL, &look).unwrap();
    assert_eq!(way.next(&ALL), None);
    assert_eq!(way.times[&Stage::Alertmanager], at(3.0));
    assert_eq!(way.times[&Stage::InactiveAgain], at(3.5));
}

#[test]
fn another_clock_is_taken_for_what_it_is() {
    let mut way = Way::default();
    way.advance(&ALL, &sight(10.0, None)).unwrap();
    // Prometheus is an hour ahead.
    let mut look = sight(13.0, Some(("pending", 3612.0)));
    look.ahead = SignedDuration::from_hours(1);
    way.advance(&ALL, &look).unwrap();
    assert_eq!(way.times[&Stage::Pending], at(12.0));
    // The receiver's clock is not known; a moment that cannot be is not used.
    let mut look = sight(16.0, Some(("firing", 3612.0)))
        .held(&[3615.0])
        .received(&[(9000.0, "firing", 3615.0)]);
    look.ahead = SignedDuration::from_hours(1);
    way.advance(&ALL, &look).unwrap();
    assert_eq!(way.times[&Stage::Receiver], at(16.0));
    assert_eq!(way.times[&Stage::Firing], at(15.0));
}

#[test]
fn how_far_it_came_survives_being_written_down() {
    let mut way = Way::default();
    way.advance(&ALL, &sight(1.0, None)).unwrap();
    way.advance(&ALL, &sight(2.0, Some(("firing", 1.5))))
        .unwrap();
    let written = serde_json::to_value(&way).unwrap();
    assert_eq!(serde_json::from_value::<Way>(written).unwrap(), way);
}
