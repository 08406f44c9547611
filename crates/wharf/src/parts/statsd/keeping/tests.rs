//! Turns that the test gives, on a store in memory, with a clock that stands still until it is told to go on.

use std::fs;
use std::sync::Mutex;
use std::time::Instant;

use tempfile::TempDir;
use tokio::runtime::Runtime;
use wharf_exposition::text;
use wharf_gateway::telemetry::{BuildLabels, Telemetry};
use wharf_gateway::{Policy, PushSettings, Settings};
use wharf_model::Value;
use wharf_model::name::NameRule;
use wharf_store::{Clock, UnixNanos};

use super::*;
use crate::parts::statsd::settings::Statsd;

#[derive(Debug, Clone)]
struct Hands(Arc<Mutex<Instant>>);

impl Clock for Hands {
    fn now(&self) -> UnixNanos {
        UnixNanos(1_000_000_000)
    }

    fn instant(&self) -> Instant {
        *self.0.lock().unwrap()
    }
}

struct World {
    gateway: Arc<Gateway>,
    clock: Hands,
    intake: Arc<Intake>,
    keeping: Keeping,
    _runtime: Runtime,
    _folder: TempDir,
}

/// Lines by these rules, on a store that has these groups, each a job and what was pushed.
fn world(rules: &str, groups: &[(&str, &str)]) -> World {
    let clock = Hands(Arc::new(Mutex::new(Instant::now())));
    let (telemetry, policy) = (Telemetry::new(BuildLabels::default()), (Policy::default(), None));
    let gateway = Gateway::new(
        Settings::default(),
        telemetry,
        Box::new(clock.clone()),
        policy,
        Vec::new(),
    );
    gateway.set_loaded();
    let gateway = Arc::new(gateway);
    for (job, pushed) in groups {
        let options = text::Options {
            names: NameRule::Legacy,
            strict: false,
        };
        let exposition = text::decode(pushed.as_bytes(), options).unwrap();
        let pushed = gateway
            .store()
            .push(&key(job), PushMode::ReplaceGroup, &exposition, clock.now());
        let _commit = pushed.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let mapping = folder.path().join("mapping.yml");
    fs::write(&mapping, rules).unwrap();
    let settings = Statsd {
        mapping: Some(mapping),
        ..Statsd::default()
    };
    let intake = Intake::new(&settings, None, Arc::new(clock.clone())).unwrap();
    intake.set_store(gateway.store(), &PushSettings::default());
    let intake = Arc::new(intake);
    let runtime = Runtime::new().unwrap();
    let keeping = Keeping::new(
        Arc::clone(&intake),
        Arc::clone(&gateway),
        runtime.handle().clone(),
    );
    World {
        gateway,
        clock,
        intake,
        keeping,
        _runtime: runtime,
        _folder: folder,
    }
}

fn key(job: &str) -> GroupingKey {
    GroupingKey::new([("job", job)]).unwrap()
}

impl World {
    fn read(&self, lines: &str) {
        self.intake.state().read(lines.as_bytes(), self.intake.now());
    }

    /// Reads lines, and keeps what they come to.
    fn turn(&mut self, lines: &str) {
        self.read(lines);
        self.keeping.turn();
    }

    fn later(&self, by: Duration) {
        *self.clock.0.lock().unwrap() += by;
    }

    /// The value that is stored of a family of one series.
    fn value(&self, job: &str, name: &str) -> Option<f64> {
        let snapshot = self.gateway.store().snapshot();
        let fragment = snapshot.fragment(name, &key(job))?;
        fragment.decode(|_, family| match family.metrics[..] {
            [
                wharf_model::Metric {
                    value: Value::Number(value),
                    ..
                },
            ] => Some(value),
            _ => panic!("expected a number, found {family:?}"),
        })
    }
}

#[test]
fn what_is_refused_keeps_counting_until_it_can_be_stored() {
    let mut world = world("", &[("x", "# TYPE taken gauge\ntaken 7\n")]);
    for _ in 0..3 {
        world.turn("taken:1|c\nfree:1|c");
    }
    assert_eq!(
        (world.value("statsd", "free"), world.value("statsd", "taken")),
        (Some(3.0), None)
    );
    let _deleted = world.gateway.store().delete(&key("x")).unwrap();
    world.later(AGAIN);
    world.turn("free:1|c");
    assert_eq!(
        (world.value("statsd", "free"), world.value("statsd", "taken")),
        (Some(4.0), Some(3.0))
    );
}

#[test]
fn a_line_counts_that_comes_when_the_group_has_just_gone_with_its_last_family() {
    let mut world = world("defaults: {ttl: 5s}", &[]);
    world.turn("a:1|c");
    assert_eq!(world.value("statsd", "a"), Some(1.0));
    world.later(Duration::from_secs(6));
    world.turn("");
    assert_eq!(world.gateway.store().totals().groups, 0);
    world.turn("a:5|c");
    assert_eq!(world.value("statsd", "a"), Some(5.0));
}

#[test]
fn a_family_that_was_deleted_begins_anew_though_no_line_had_come_for_it() {
    let pushed = "# TYPE a counter\na 5\n# TYPE b counter\nb 5\n# TYPE c counter\nc 5\n";
    let mut world = world("", &[("other", pushed)]);
    world.turn("a:1|c|#job:other");
    assert_eq!(world.value("other", "a"), Some(6.0));
    let deleted = world.gateway.store().delete_families(&key("other"), &["b"]);
    let _deleted = deleted.unwrap();
    world.turn("");
    world.turn("b:1|c|#job:other\nc:1|c|#job:other");
    assert_eq!(
        (world.value("other", "b"), world.value("other", "c")),
        (Some(1.0), Some(6.0))
    );
}

#[test]
fn a_line_counts_that_comes_before_the_first_turn() {
    let mut world = world("", &[]);
    world.keeping.take_over("statsd");
    world.turn("a:1|c");
    assert_eq!(world.value("statsd", "a"), Some(1.0));
}
