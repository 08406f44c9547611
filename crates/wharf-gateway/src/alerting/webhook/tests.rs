use std::sync::Arc;

use super::super::message::{AlertError, AlertMessage, AlertSender};
use super::super::rules::AlertReceiver;
use super::*;
use crate::expectations::OverdueGroup;

#[derive(Debug)]
struct Nobody;

impl AlertSender for Nobody {
    fn send(&self, _: &AlertMessage) -> Result<(), AlertError> {
        Ok(())
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn webhook(group_by: GroupBy) -> Webhook {
    Webhook {
        receiver: AlertReceiver {
            name: "people".to_owned(),
            sender: Arc::new(Nobody),
        },
        group_by,
        group_wait: seconds(30),
        group_interval: seconds(300),
        repeat_interval: seconds(3600),
        send_resolved: true,
        max_alerts: 100,
    }
}

/// An outbox, the alerts that it is about, and a clock.
struct World {
    began: Instant,
    passed: u64,
    alerts: Alerts,
    rules: AlertingRules,
    webhook: Webhook,
    outbox: Outbox,
}

impl World {
    fn new(webhook: Webhook) -> Self {
        Self {
            began: Instant::now(),
            passed: 0,
            alerts: Alerts::new(100),
            rules: AlertingRules::default(),
            webhook,
            outbox: Outbox::default(),
        }
    }

    fn now(&self) -> Now {
        Now {
            unix: UnixNanos(i64::try_from(self.passed).unwrap() * 1_000_000_000),
            instant: self.began + seconds(self.passed),
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.passed += seconds;
    }

    fn key(job: &str) -> GroupingKey {
        GroupingKey::new([("job", job), ("team", &job[..1])]).unwrap()
    }

    /// Whether this job is overdue, from now on.
    fn set(&mut self, job: &str, is_overdue: bool) {
        self.set_told(job, is_overdue, false);
    }

    fn set_told(&mut self, job: &str, is_overdue: bool, is_told: bool) {
        let now = self.now();
        let group = is_overdue.then(|| OverdueGroup {
            last: None,
            due: Some(now.unix),
            since: now.unix,
            expected: "every 1d".to_owned(),
        });
        let key = Self::key(job);
        if self.alerts.take((key.clone(), group), now) {
            let about = (&self.alerts, &self.rules, &self.webhook);
            self.outbox.take(&key, about, is_told, now);
        }
    }

    fn next(&mut self, sends: bool) -> Option<(Told, Letter)> {
        let now = self.now();
        let about = (&self.alerts, &self.rules, &self.webhook);
        self.outbox.next(about, sends, (now, now.unix))
    }

    /// What is told now: each message by its alerts, `-` in front of those that are resolved.
    fn told(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(((alerts, _), letter)) = self.next(true) {
            let shown = alerts.iter().map(|alert| {
                let sign = if alert.resolved_at.is_some() { "-" } else { "" };
                format!("{sign}{}", alert.key.job())
            });
            all.push(shown.collect::<Vec<_>>().join(" "));
            let now = self.now();
            self.outbox.told(&letter, &self.alerts, &self.webhook, now);
        }
        all
    }
}

fn by_name() -> GroupBy {
    GroupBy::Labels(vec!["alertname".to_owned()])
}

const NOTHING: [&str; 0] = [];

#[test]
fn the_first_message_waits_for_more_alerts_and_the_next_says_what_has_changed() {
    let mut world = World::new(webhook(by_name()));
    world.set("a1", true);
    world.pass(20);
    world.set("a2", true);
    assert_eq!(world.told(), NOTHING);
    world.pass(10);
    assert_eq!(world.told(), ["a1 a2"]);
    world.pass(10);
    world.set("a1", false);
    world.set("a3", true);
    assert_eq!(world.told(), NOTHING);
    world.pass(290);
    assert_eq!(world.told(), ["-a1 a2 a3"]);
    // Nothing new: nothing is said.
    world.pass(300);
    assert_eq!(world.told(), NOTHING);
    for job in ["a2", "a3"] {
        world.set(job, false);
    }
    world.pass(300);
    assert_eq!(world.told(), ["-a2 -a3"]);
    world.pass(4000);
    assert_eq!(world.told(), NOTHING);
    assert!(world.outbox.groups.is_empty());
}

#[test]
fn what_fires_still_is_told_again_after_a_long_time() {
    let mut world = World::new(webhook(by_name()));
    world.set("a", true);
    world.pass(30);
    assert_eq!(world.told(), ["a"]);
    for _ in 0..11 {
        world.pass(300);
        assert_eq!(world.told(), NOTHING);
    }
    world.pass(300);
    assert_eq!(world.told(), ["a"]);
}

#[test]
fn what_was_over_before_anybody_was_told_is_not_told() {
    let mut world = World::new(webhook(by_name()));
    world.set("a", true);
    world.pass(20);
    world.set("a", false);
    world.pass(1000);
    assert_eq!(world.told(), NOTHING);
    assert!(world.outbox.groups.is_empty());
}

#[test]
fn alerts_share_a_message_by_the_labels_that_are_named() {
    for (by, expected) in [
        (GroupBy::All, vec!["a1", "a2", "b1"]),
        (GroupBy::Labels(vec!["team".to_owned()]), vec!["a1 a2", "b1"]),
        (GroupBy::Labels(Vec::new()), vec!["a1 a2 b1"]),
    ] {
        let mut world = World::new(webhook(by));
        for job in ["a1", "a2", "b1"] {
            world.set(job, true);
        }
        world.pass(30);
        assert_eq!(world.told(), expected);
    }
}

#[test]
fn who_does_not_want_to_hear_of_the_end_hears_of_what_fires_only() {
    let mut world = World::new(Webhook {
        send_resolved: false,
        ..webhook(by_name())
    });
    world.set("a1", true);
    world.set("a2", true);
    world.pass(30);
    assert_eq!(world.told(), ["a1 a2"]);
    world.set("a1", false);
    world.pass(300);
    assert_eq!(world.told(), NOTHING);
    world.set("a3", true);
    world.pass(300);
    assert_eq!(world.told(), ["a2 a3"]);
}

#[test]
fn what_does_not_fit_is_counted_and_what_fires_comes_first() {
    let mut world = World::new(Webhook {
        max_alerts: 2,
        ..webhook(by_name())
    });
    for job in ["a1", "a2", "a3"] {
        world.set(job, true);
    }
    world.pass(30);
    assert_eq!(world.told(), ["a1 a2"]);
    world.set("a1", false);
    world.pass(300);
    let ((alerts, together), _) = world.next(true).unwrap();
    let jobs: Vec<&str> = alerts.iter().map(|alert| alert.key.job()).collect();
    assert_eq!((jobs, together.truncated), (vec!["a2", "a3"], 1));
}

#[test]
fn a_replica_that_takes_over_tells_what_the_other_may_not_have_told() {
    let mut world = World::new(webhook(by_name()));
    world.set("a", true);
    world.pass(30);
    assert!(world.next(false).is_none());
    // The other one goes, in the last moment in which it may have told nothing yet.
    world.pass(59);
    assert_eq!(world.told(), ["a"]);
}

#[test]
fn what_the_other_replica_has_told_long_ago_is_not_told_again() {
    let mut world = World::new(webhook(by_name()));
    world.set("a", true);
    world.pass(30);
    assert!(world.next(false).is_none());
    world.pass(60);
    assert!(world.next(false).is_none());
    world.pass(300);
    assert_eq!(world.told(), NOTHING);
    world.set("a", false);
    world.pass(300);
    assert_eq!(world.told(), ["-a"]);
}

#[test]
fn what_others_had_told_before_a_replica_came_is_not_told_again() {
    let mut world = World::new(webhook(by_name()));
    world.set_told("a", true, true);
    world.pass(1000);
    assert_eq!(world.told(), NOTHING);
    world.set("b", true);
    world.pass(1000);
    assert_eq!(world.told(), ["a b"]);
}

#[test]
fn an_alert_is_kept_until_its_end_was_told() {
    let mut world = World::new(webhook(by_name()));
    world.set("a", true);
    world.pass(30);
    assert_eq!(world.told(), ["a"]);
    world.set("a", false);
    world.pass(7200);
    let gone = |world: &mut World| {
        let (now, outbox) = (world.now(), &world.outbox);
        let by = (&world.rules, &world.webhook.group_by);
        let gone = world
            .alerts
            .let_go(now, |key, change| outbox.needs(key, change, by));
        gone.len()
    };
    assert_eq!(gone(&mut world), 0);
    assert_eq!(world.told(), ["-a"]);
    assert_eq!(gone(&mut world), 1);
}
