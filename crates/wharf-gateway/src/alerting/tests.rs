use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wharf_exposition::text;
use wharf_model::GroupingKey;
use wharf_model::name::NameRule;
use wharf_schedule::Timing;
use wharf_store::{Clock, PushMode, UnixNanos};
use wharf_testkit::until;

use super::*;
use crate::audit::Actor;
use crate::expectations::{ExpectRule, ExpectRules};
use crate::gateway::Gateway;
use crate::lock::lock;
use crate::policy::{Loader, Policy};
use crate::settings::Settings;
use crate::telemetry::{BuildLabels, Telemetry};

/// When the clock begins.
const BEGIN: i64 = 1_000_000;

/// A clock that goes as far as a test says.
#[derive(Debug, Clone)]
struct Led {
    began: Instant,
    passed: Arc<Mutex<Duration>>,
}

impl Led {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            passed: Arc::default(),
        }
    }
}

impl Clock for Led {
    fn now(&self) -> UnixNanos {
        let passed = i64::try_from(lock(&self.passed).as_nanos()).unwrap();
        UnixNanos(BEGIN * 1_000_000_000 + passed)
    }

    fn instant(&self) -> Instant {
        self.began + *lock(&self.passed)
    }
}

/// Takes messages, or does not.
#[derive(Debug, Default)]
struct Sink {
    taken: Mutex<Vec<AlertMessage>>,
    attempts: Mutex<u64>,
    failure: Mutex<Option<AlertError>>,
    /// What is sent waits until something comes from here.
    gate: Mutex<Option<Receiver<()>>>,
}

impl Sink {
    fn fail(&self, is_transient: bool) {
        *lock(&self.failure) = Some(AlertError {
            text: "nobody is there".to_owned(),
            is_transient,
            retry_after: None,
        });
    }

    fn recover(&self) {
        *lock(&self.failure) = None;
    }

    /// Lets nothing through until something is sent.
    fn hold(&self) -> Sender<()> {
        let (open, gate) = channel();
        *lock(&self.gate) = Some(gate);
        open
    }

    /// What has come since the last time, `-` in front of what is resolved.
    fn take(&self) -> Vec<String> {
        let messages = std::mem::take(&mut *lock(&self.taken));
        let shown = |message: AlertMessage| {
            let alerts = message.alerts.into_iter().map(|alert| {
                let sign = if alert.resolved_at.is_some() { "-" } else { "" };
                format!("{sign}{}", alert.key.job())
            });
            alerts.collect::<Vec<_>>().join(" ")
        };
        messages.into_iter().map(shown).collect()
    }

    fn last(&self) -> Alert {
        lock(&self.taken).last().unwrap().alerts[0].clone()
    }
}

impl AlertSender for Sink {
    fn send(&self, message: &AlertMessage) -> Result<(), AlertError> {
        if let Some(gate) = lock(&self.gate).take() {
            gate.recv().unwrap();
        }
        *lock(&self.attempts) += 1;
        if let Some(failure) = lock(&self.failure).clone() {
            return Err(failure);
        }
        lock(&self.taken).push(message.clone());
        Ok(())
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn key(job: &str) -> GroupingKey {
    GroupingKey::new([("job", job), ("instance", "db1")]).unwrap()
}

fn receiver(name: &str, sink: &Arc<Sink>) -> AlertReceiver {
    let sender = Arc::clone(sink) as Arc<dyn AlertSender>;
    AlertReceiver {
        name: name.to_owned(),
        sender,
    }
}

fn webhook(name: &str, sink: &Arc<Sink>) -> Webhook {
    Webhook {
        receiver: receiver(name, sink),
        group_by: GroupBy::Labels(Vec::new()),
        group_wait: Duration::ZERO,
        group_interval: seconds(300),
        repeat_interval: seconds(3600),
        send_resolved: true,
        max_alerts: 1000,
    }
}

/// A gateway that expects every job every 10 minutes, with a grace of 5, and who is told.
struct World {
    clock: Led,
    gateway: Arc<Gateway>,
    dispatcher: AlertDispatcher,
    /// What a reload puts in place of what is: who is told, and which groups are expected.
    next: Arc<Mutex<(Option<AlertingRules>, &'static str)>>,
}

impl World {
    fn new(alerting: AlertingRules) -> Self {
        let policy = |(alerting, selector): (Option<AlertingRules>, &str)| Policy {
            expectations: ExpectRules::new(vec![ExpectRule {
                selector: Some(selector.parse().unwrap()),
                always: Vec::new(),
                timing: Timing::parse(Some("10m"), None, None, Some("5m")).unwrap(),
                since: None,
                paused_until: None,
            }]),
            alerting,
            ..Policy::default()
        };
        let clock = Led::new();
        let next = Arc::new(Mutex::new((None, "{}")));
        let reloaded = Arc::clone(&next);
        let loader: Loader = Box::new(move || Ok(policy(lock(&reloaded).clone())));
        let gateway = Arc::new(Gateway::new(
            Settings::default(),
            Telemetry::new(BuildLabels::default()),
            Box::new(clock.clone()),
            (policy((Some(alerting), "{}")), Some(loader)),
            Vec::new(),
        ));
        Self {
            clock,
            dispatcher: AlertDispatcher::new(Arc::clone(&gateway)),
            gateway,
            next,
        }
    }

    fn push_at(&self, job: &str, at: i64) {
        let options = text::Options {
            names: NameRule::Legacy,
            strict: false,
        };
        let exposition = text::decode(b"m 1\n", options).unwrap();
        let at = UnixNanos(at * 1_000_000_000);
        let store = self.gateway.store();
        drop(
            store
                .push(&key(job), PushMode::ReplaceGroup, &exposition, at)
                .unwrap(),
        );
    }

    fn push(&self, job: &str) {
        self.push_at(job, self.gateway.now().0 / 1_000_000_000);
    }

    fn turn(&mut self) {
        self.gateway.look_at_expectations();
        self.dispatcher.turn();
    }

    /// Lets time pass, and all be told that can be.
    fn pass(&mut self, seconds: u64) {
        *lock(&self.clock.passed) += Duration::from_secs(seconds);
        self.settle();
    }

    fn settle(&mut self) {
        until("all messages to arrive", || {
            self.turn();
            (!self.dispatcher.is_busy()).then_some(())
        });
    }

    fn reload(&mut self, alerting: Option<AlertingRules>) {
        self.reload_expecting(alerting, "{}");
    }

    fn reload_expecting(&mut self, alerting: Option<AlertingRules>, selector: &'static str) {
        *lock(&self.next) = (alerting, selector);
        self.gateway.reload(Actor::signal("SIGHUP")).unwrap();
    }

    fn metrics(&self, name: &str) -> Vec<(String, String)> {
        let exposition = self.gateway.own_families(&self.gateway.store().snapshot());
        let family = exposition
            .families
            .iter()
            .find(|family| exposition.text(family.name) == name);
        let metrics = family.into_iter().flat_map(|family| &family.metrics);
        let shown = metrics.map(|metric| {
            let labels = exposition.labels(metric.labels);
            let labels = labels.map(|(_, value)| value.to_owned());
            let value = match metric.value {
                wharf_model::Value::Number(number) => number.to_string(),
                _ => "other".to_owned(),
            };
            (labels.collect::<String>(), value)
        });
        shown.collect()
    }
}

fn only(alertmanager: &Arc<Sink>) -> AlertingRules {
    AlertingRules {
        alertmanagers: vec![receiver("am", alertmanager)],
        ..AlertingRules::default()
    }
}

const NOTHING: [&str; 0] = [];
/// How long after its last push a job is overdue.
const OVERDUE: u64 = 900;

#[test]
fn an_alertmanager_hears_each_minute_what_fires_and_for_a_quarter_of_an_hour_what_does_no_more() {
    let sink = Arc::default();
    let mut world = World::new(only(&sink));
    world.push("a");
    world.pass(OVERDUE - 1);
    assert_eq!(sink.take(), NOTHING);
    world.pass(1);
    let alert = sink.last();
    assert_eq!(sink.take(), ["a"]);
    let began = UnixNanos((BEGIN + 900) * 1_000_000_000);
    assert_eq!((alert.starts_at, alert.resolved_at), (began, None));
    // Four times the minute, and no less than the grace of a start and two minutes.
    assert_eq!(alert.valid_until.0 - began.0, 7 * 60 * 1_000_000_000);
    world.pass(59);
    assert_eq!(sink.take(), NOTHING);
    world.pass(1);
    let again = sink.last();
    assert_eq!(sink.take(), ["a"]);
    assert_eq!(again.starts_at, began);
    assert_eq!(again.valid_until.0 - alert.valid_until.0, 60 * 1_000_000_000);
    world.push("a");
    world.settle();
    assert_eq!(sink.last().resolved_at, Some(world.gateway.now()));
    assert_eq!(sink.take(), ["-a"]);
    for _ in 0..14 {
        world.pass(60);
        world.push("a");
        assert_eq!(sink.take(), ["-a"]);
    }
    world.pass(60);
    assert_eq!(sink.take(), NOTHING);
    assert_eq!(world.dispatcher.alerts_known(), 0);
}

#[test]
fn an_alert_says_which_group_it_is_about_and_what_was_expected() {
    let sink = Arc::default();
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut world = World::new(AlertingRules {
        labels: [text("severity", "page"), text("job", "never")].into(),
        annotations: [text("runbook_url", "http://x"), text("summary", "never")].into(),
        ..only(&sink)
    });
    world.push("a");
    world.pass(OVERDUE);
    let alert = sink.last();
    let labels = [
        text("alertname", "WharfGroupOverdue"),
        text("instance", "db1"),
        text("job", "a"),
        text("severity", "page"),
    ];
    assert_eq!(alert.labels, labels.into());
    let time = |seconds| crate::rfc3339(UnixNanos(seconds * 1_000_000_000));
    let annotations = [
        text("due", &time(BEGIN + 600)),
        text("expected", "every 10m, grace 5m"),
        text("last_push", &time(BEGIN)),
        text("runbook_url", "http://x"),
        text("summary", "a (db1) was expected to push by now and has not."),
    ];
    assert_eq!(alert.annotations, annotations.into());
}

#[test]
fn an_alertmanager_that_was_away_hears_how_it_is_now() {
    let sink: Arc<Sink> = Arc::default();
    sink.fail(true);
    let mut world = World::new(only(&sink));
    world.push("a");
    world.push("b");
    world.pass(OVERDUE);
    world.push("a");
    // After 1, 2, 4 seconds and so on, and once a minute in the end.
    for (passed, attempts) in [(0, 1), (1, 2), (1, 2), (1, 3), (3, 3), (1, 4), (57, 5), (60, 6)] {
        world.pass(passed);
        assert_eq!(*lock(&sink.attempts), attempts);
    }
    world.pass(1);
    let report = world.gateway.alerting_report().unwrap();
    assert_eq!(report.alertmanagers[0].failures, 6);
    assert_eq!(report.alertmanagers[0].waiting, 2);
    assert_eq!(world.gateway.problems().first().unwrap().name, "alerting");
    sink.recover();
    world.pass(60);
    assert_eq!(sink.take(), ["-a b"]);
    world.pass(1);
    let report = world.gateway.alerting_report().unwrap();
    assert_eq!((report.firing, report.resolved), (1, 1));
    let status = &report.alertmanagers[0];
    assert_eq!((status.failures, status.waiting), (0, 0));
    assert_eq!(status.last_error.as_ref().unwrap().text, "nobody is there");
    assert!(world.gateway.problems().is_empty());
    let count = |name: &str| world.metrics(name);
    assert_eq!(
        count("prometheus_notifications_sent_total"),
        [("am".to_owned(), "14".to_owned())]
    );
    assert_eq!(
        count("prometheus_notifications_errors_total"),
        [("am".to_owned(), "12".to_owned())]
    );
}

#[test]
fn what_an_alertmanager_does_not_want_holds_up_nothing_else() {
    let sink: Arc<Sink> = Arc::default();
    sink.fail(false);
    let mut world = World::new(only(&sink));
    world.push("a");
    world.pass(OVERDUE);
    assert_eq!(*lock(&sink.attempts), 1);
    sink.recover();
    world.pass(59);
    assert_eq!(*lock(&sink.attempts), 1);
    world.pass(1);
    assert_eq!(sink.take(), ["a"]);
}

#[test]
fn one_that_is_slow_holds_up_no_other() {
    let (slow, quick): (Arc<Sink>, Arc<Sink>) = Default::default();
    let mut world = World::new(AlertingRules {
        alertmanagers: vec![receiver("slow", &slow), receiver("quick", &quick)],
        webhooks: vec![webhook("people", &quick)],
        ..AlertingRules::default()
    });
    let open = slow.hold();
    world.push("a");
    *lock(&world.clock.passed) += seconds(OVERDUE);
    until("the quick ones to be told", || {
        world.turn();
        (lock(&quick.taken).len() == 2).then_some(())
    });
    world.push("a");
    until("the quick one to be told of the end", || {
        world.turn();
        (lock(&quick.taken).len() == 3).then_some(())
    });
    assert_eq!(slow.take(), NOTHING);
    open.send(()).unwrap();
    world.settle();
    assert_eq!(slow.take(), ["a", "-a"]);
}

#[test]
fn many_alerts_are_told_in_messages_of_a_bounded_size() {
    let sink = Arc::default();
    let mut world = World::new(only(&sink));
    for job in 0..600 {
        world.push(&format!("{job:03}"));
    }
    world.pass(OVERDUE);
    let messages = sink.take();
    let sizes: Vec<usize> = messages
        .iter()
        .map(|message| message.split(' ').count())
        .collect();
    assert_eq!(sizes, [256, 256, 88]);
}

#[test]
fn an_alert_goes_on_after_a_restart_with_the_time_at_which_it_began() {
    let sink: Arc<Sink> = Arc::default();
    let mut world = World::new(only(&sink));
    // It was due ten minutes before the start, and others came since then.
    world.push_at("a", BEGIN - 1200);
    world.push_at("b", BEGIN - 100);
    world.settle();
    let began = UnixNanos((BEGIN - 300) * 1_000_000_000);
    assert_eq!(sink.last().starts_at, began);
    // If none came, it may have come meanwhile: that is told after the grace of the start.
    let sink: Arc<Sink> = Arc::default();
    let mut world = World::new(only(&sink));
    world.push_at("a", BEGIN - 1200);
    world.pass(299);
    assert_eq!(sink.take(), NOTHING);
    world.pass(1);
    assert_eq!(sink.last().starts_at, began);
}

#[test]
fn a_reload_loses_nothing_and_tells_nothing_twice() {
    let (alertmanager, people, new): (Arc<Sink>, Arc<Sink>, Arc<Sink>) = Default::default();
    let rules = AlertingRules {
        webhooks: vec![webhook("people", &people)],
        ..only(&alertmanager)
    };
    let mut world = World::new(rules.clone());
    world.push("a");
    world.push("b");
    world.pass(OVERDUE);
    assert_eq!(
        (alertmanager.take(), people.take()),
        (vec!["a b".to_owned()], vec!["a b".to_owned()])
    );
    let mut more = rules.clone();
    more.alertmanagers.push(receiver("new", &new));
    world.reload(Some(more));
    world.settle();
    assert_eq!((alertmanager.take(), people.take()), (vec![], vec![]));
    assert_eq!(new.take(), ["a b"]);
    // Nobody is told, and it goes on from there.
    world.reload(None);
    world.push("a");
    world.pass(400);
    world.reload(Some(rules));
    world.settle();
    assert_eq!(alertmanager.take(), ["-a b"]);
    assert_eq!(people.take(), ["b"]);
}

#[test]
fn alerting_may_not_begin_with_a_reload() {
    let sink = Arc::default();
    let gateway = |alerting: Option<AlertingRules>, next: Option<AlertingRules>| {
        let policy = |alerting| Policy {
            alerting,
            ..Policy::default()
        };
        let loader: Loader = Box::new(move || Ok(policy(next.clone())));
        Gateway::new(
            Settings::default(),
            Telemetry::new(BuildLabels::default()),
            Box::new(Led::new()),
            (policy(alerting), Some(loader)),
            Vec::new(),
        )
    };
    let error = gateway(None, Some(only(&sink)))
        .reload(Actor::signal("SIGHUP"))
        .unwrap_err();
    assert!(error.to_string().contains("alerting: expected none"), "{error}");
    gateway(Some(only(&sink)), None)
        .reload(Actor::signal("SIGHUP"))
        .unwrap();
}

#[test]
fn a_webhook_is_tried_again_and_given_up_after_the_interval_of_its_group() {
    let people: Arc<Sink> = Arc::default();
    people.fail(true);
    let mut world = World::new(AlertingRules {
        webhooks: vec![webhook("people", &people)],
        ..AlertingRules::default()
    });
    world.push("a");
    world.pass(OVERDUE);
    for _ in 0..10 {
        world.pass(60);
    }
    let given_up = world.metrics("wharf_webhook_messages_given_up_total");
    assert_eq!(given_up, [("people".to_owned(), "1".to_owned())]);
    people.recover();
    world.push("b");
    world.pass(300);
    assert_eq!(people.take(), ["a"]);
    let failed = world.metrics("wharf_webhook_messages_failed_total");
    let attempts = *lock(&people.attempts) - 1;
    assert_eq!(failed, [("people".to_owned(), attempts.to_string())]);
}

#[test]
fn what_a_webhook_refuses_is_not_tried_again_before_its_time() {
    let people: Arc<Sink> = Arc::default();
    people.fail(false);
    let mut world = World::new(AlertingRules {
        webhooks: vec![webhook("people", &people)],
        ..AlertingRules::default()
    });
    world.push("a");
    world.pass(OVERDUE);
    people.recover();
    world.pass(299);
    assert_eq!(people.take(), NOTHING);
    world.pass(1);
    assert_eq!(people.take(), ["a"]);
}

#[test]
fn what_an_alertmanager_was_not_told_of_in_time_is_counted() {
    let sink: Arc<Sink> = Arc::default();
    let mut world = World::new(only(&sink));
    let dropped = |world: &World| {
        world.metrics("prometheus_notifications_dropped_total")[0]
            .1
            .clone()
    };
    world.push("a");
    world.pass(OVERDUE);
    sink.fail(true);
    world.push("a");
    world.settle();
    for _ in 0..14 {
        world.pass(60);
        world.push("a");
    }
    assert_eq!(dropped(&world), "0");
    world.pass(60);
    assert_eq!(dropped(&world), "1");
    sink.recover();
    world.pass(60);
    assert_eq!(sink.take(), ["a"]);
}

#[test]
fn what_is_not_expected_any_more_is_not_missed_any_more() {
    let sink = Arc::default();
    let rules = only(&sink);
    let mut world = World::new(rules.clone());
    for job in ["a", "b", "c"] {
        world.push(job);
    }
    world.pass(OVERDUE);
    assert_eq!(sink.take(), ["a b c"]);
    drop(world.gateway.store().delete(&key("b")).unwrap());
    world.settle();
    assert_eq!(sink.take(), ["-b"]);
    world.reload_expecting(Some(rules), "{job=\"c\"}");
    world.settle();
    assert_eq!(sink.take(), ["-a"]);
}
