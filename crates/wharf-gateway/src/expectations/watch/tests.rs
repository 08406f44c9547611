use std::collections::BTreeMap;
use std::time::Instant;

use wharf_exposition::text;
use wharf_model::name::NameRule;
use wharf_schedule::Timing;
use wharf_store::{Note, Ttl};

use super::super::rules::ExpectRule;
use super::*;
use crate::policy::Policy;

const MINUTE: i64 = 60_000_000_000;
/// When the gateway starts, in minutes.
const START: i64 = 1000;

fn minute(minute: i64) -> UnixNanos {
    UnixNanos(minute * MINUTE)
}

fn key(job: &str) -> GroupingKey {
    GroupingKey::new([("job", job)]).unwrap()
}

/// Every ten minutes, with a grace of five.
fn rule(selector: &str, always: &[&str]) -> ExpectRule {
    ExpectRule {
        selector: Some(selector.parse().unwrap()),
        always: always.iter().map(|job| key(job)).collect(),
        timing: Timing::parse(Some("10m"), None, None, Some("5m")).unwrap(),
        since: None,
        paused_until: None,
    }
}

fn rules(rules: Vec<ExpectRule>) -> Arc<Active> {
    let policy = Policy {
        expectations: ExpectRules::new(rules),
        ..Policy::default()
    };
    Arc::new(Active::new(policy, Instant::now()))
}

/// A store, and what is expected of it.
struct World {
    store: Store,
    expectations: Expectations,
    rules: Arc<Active>,
}

impl World {
    fn new(expected: Vec<ExpectRule>) -> Self {
        Self::with(expected, ExpectSettings::default())
    }

    fn with(expected: Vec<ExpectRule>, settings: ExpectSettings) -> Self {
        Self {
            store: Store::new(Reserved::default(), 1 << 20),
            expectations: Expectations::new(settings, InstanceLabel::Empty, minute(START)),
            rules: rules(expected),
        }
    }

    fn push_lines(&self, job: &str, lines: &str, ttl: Option<Ttl>, at: i64) {
        let options = text::Options {
            names: NameRule::Legacy,
            strict: false,
        };
        let exposition = text::decode(lines.as_bytes(), options).unwrap();
        let mode = PushMode::ReplaceGroup;
        let pushed = self
            .store
            .push_with_ttl(&key(job), mode, &exposition, ttl, minute(at));
        drop(pushed.unwrap());
    }

    fn push(&self, job: &str, at: i64) {
        self.push_lines(job, "m 1\n", None, at);
    }

    /// Looks at this minute: of each job whether it is overdue, and when it is due.
    fn look(&self, at: i64) -> BTreeMap<String, (bool, i64)> {
        self.expectations.look(&self.store, &self.rules, minute(at));
        let Some(shown) = self.expectations.shown() else {
            return BTreeMap::new();
        };
        let numbers = |name: &str| -> BTreeMap<String, f64> {
            let family = shown.family(name);
            let fragments = family.iter().flat_map(FamilyView::fragments);
            fragments
                .map(|fragment| (fragment.key().job().to_owned(), fragment.number().unwrap()))
                .collect()
        };
        let [due, overdue] = telemetry::OF_GROUPS.map(numbers);
        assert_eq!(due.len(), overdue.len());
        let jobs = overdue.into_iter().zip(due.into_values());
        jobs.map(|((job, is_overdue), due)| {
            let due = time_of(due).unwrap().0 / MINUTE;
            (job, (is_overdue > 0.0, due))
        })
        .collect()
    }

    fn counts(&self) -> (u64, u64, u64) {
        let gauges = self.expectations.gauges().unwrap();
        (gauges.expected, gauges.overdue, gauges.left_out)
    }
}

fn shown<const N: usize>(jobs: [(&str, bool, i64); N]) -> BTreeMap<String, (bool, i64)> {
    let jobs = jobs.into_iter();
    jobs.map(|(job, is_overdue, due)| (job.to_owned(), (is_overdue, due)))
        .collect()
}

#[test]
fn a_push_is_waited_for_missed_and_comes() {
    let world = World::new(vec![rule(r#"{job=~"a|b"}"#, &[])]);
    assert_eq!(world.look(1000), shown([]));
    world.push("a", 1006);
    world.push("b", 1008);
    world.push("other", 1008);
    assert_eq!(world.look(1008), shown([("a", false, 1016), ("b", false, 1018)]));
    assert_eq!(world.look(1021), shown([("a", true, 1016), ("b", false, 1018)]));
    assert_eq!(world.counts(), (2, 1, 0));
    world.push("a", 1030);
    assert_eq!(world.look(1030), shown([("a", false, 1040), ("b", true, 1018)]));
    drop(world.store.delete(&key("b")).unwrap());
    assert_eq!(world.look(1031), shown([("a", false, 1040)]));
}

#[test]
fn only_groups_whose_state_changes_are_shown_anew() {
    let world = World::new(vec![rule("{}", &[])]);
    world.push("a", 1006);
    world.push("b", 1006);
    world.look(1006);
    let revision = |job| world.expectations.shown.revision_of(&key(job));
    let before = revision("a");
    assert!(before.is_some());
    world.push("b", 1010);
    for now in 1010..1020 {
        world.look(now);
    }
    assert_eq!(revision("a"), before);
    world.look(1021);
    assert_ne!(revision("a"), before);
}

#[test]
fn a_look_at_all_groups_shows_only_those_anew_that_have_changed() {
    let mut world = World::new(vec![rule("{}", &[])]);
    world.push("a", 1006);
    world.push("b", 1006);
    world.look(1006);
    let revision = |world: &World, job| world.expectations.shown.revision_of(&key(job));
    let before = ["a", "b"].map(|job| revision(&world, job));
    let hourly = ExpectRule {
        timing: Timing::parse(Some("1h"), None, None, None).unwrap(),
        ..rule(r#"{job="b"}"#, &[])
    };
    world.rules = rules(vec![hourly, rule("{}", &[])]);
    assert_eq!(world.look(1007), shown([("a", false, 1016), ("b", false, 1066)]));
    let after = ["a", "b"].map(|job| revision(&world, job));
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
}

#[test]
fn a_group_that_is_deleted_and_pushed_again_is_not_missed_meanwhile() {
    let world = World::new(vec![rule("{}", &["a"])]);
    world.push("a", 1030);
    assert_eq!(world.look(1030), shown([("a", false, 1040)]));
    drop(world.store.delete(&key("a")).unwrap());
    assert_eq!(world.look(1031), shown([("a", false, 1040)]));
    world.push("a", 1032);
    assert_eq!(world.look(1032), shown([("a", false, 1042)]));
}

#[test]
fn a_group_that_has_to_be_there_is_missed_though_it_never_came_or_was_wiped() {
    let world = World::new(vec![rule(r#"{job="a"}"#, &["b", "c"])]);
    world.push("a", 1000);
    world.push("b", 1001);
    assert_eq!(
        world.look(1001),
        shown([("a", false, 1010), ("b", false, 1011), ("c", false, 1010)])
    );
    drop(world.store.wipe().unwrap());
    assert_eq!(world.look(1015), shown([("b", false, 1011), ("c", true, 1010)]));
    world.push("c", 1016);
    assert_eq!(world.look(1016), shown([("b", true, 1011), ("c", false, 1026)]));
}

#[test]
fn a_group_that_expires_is_overdue_and_not_forgotten() {
    let world = World::new(vec![rule("{}", &[])]);
    let ttl = world.rules.ttl(
        &key("a"),
        Some(crate::Lifespan::from(Duration::from_secs(60))),
        crate::Lifespan::Unlimited,
    );
    world.push_lines("a", "m 1\n", ttl, 1000);
    world.store.expire(minute(1002)).unwrap();
    assert!(world.store.snapshot().family("m").is_none());
    assert_eq!(world.look(1015), shown([("a", true, 1010)]));
}

#[test]
fn a_push_that_was_refused_did_not_come() {
    let world = World::new(vec![rule("{}", &[])]);
    world.push_lines("a", "# TYPE m counter\nm 1\n", None, 1000);
    world.push_lines("b", "# TYPE m counter\nm 1\n", None, 1000);
    let options = text::Options {
        names: NameRule::Legacy,
        strict: false,
    };
    let other = text::decode(b"# TYPE m gauge\nm 1\n", options).unwrap();
    for job in ["a", "new"] {
        let refused = world
            .store
            .push(&key(job), PushMode::ReplaceFamilies, &other, minute(1002));
        assert!(refused.is_err());
    }
    // The one that was never pushed to is expected since it was heard of.
    let expected = shown([("a", false, 1010), ("b", false, 1010), ("new", false, 1010)]);
    assert_eq!(world.look(1003), expected);
}

#[test]
fn other_rules_count_at_once_and_none_show_nothing() {
    let mut world = World::new(vec![rule(r#"{job="a"}"#, &["c"])]);
    world.push("a", 1000);
    world.push("b", 1000);
    assert_eq!(world.look(1000), shown([("a", false, 1010), ("c", false, 1010)]));
    let hourly = ExpectRule {
        timing: Timing::parse(Some("1h"), None, None, None).unwrap(),
        ..rule(r#"{job="b"}"#, &["c", "d"])
    };
    world.rules = rules(vec![hourly]);
    // What was expected before has been so since then.
    assert_eq!(
        world.look(1005),
        shown([("b", false, 1060), ("c", false, 1060), ("d", false, 1065)])
    );
    world.rules = rules(Vec::new());
    assert_eq!(world.look(1006), shown([]));
    assert_eq!(world.expectations.gauges(), None);
    assert_eq!(world.expectations.shown.totals().groups, 0);
}

#[test]
fn what_was_due_while_the_gateway_was_down_gets_a_grace_and_what_was_missed_before_does_not() {
    let world = World::new(vec![rule("{}", &["never"])]);
    // It was up until 990 at least, and starts at 1000.
    world.push("missed", 970);
    world.push("unseen", 980);
    world.push("last", 990);
    world.push("future", 5000);
    let at_start = shown([
        ("future", false, 1010),
        ("last", false, 1000),
        ("missed", true, 980),
        ("never", false, 1010),
        ("unseen", false, 990),
    ]);
    assert_eq!(world.look(1000), at_start);
    assert_eq!(world.look(1004), at_start);
    assert!(world.look(1005)["unseen"].0);
    assert_eq!(
        world.expectations.gauges().map(|gauges| gauges.known_since),
        Some(minute(1005))
    );
}

#[test]
fn a_clock_that_is_set_back_takes_nothing_for_overdue_that_is_not() {
    let world = World::new(vec![rule("{}", &[])]);
    world.push("a", 1000);
    assert_eq!(world.look(1020), shown([("a", true, 1010)]));
    assert_eq!(world.look(1008), shown([("a", false, 1010)]));
}

#[test]
fn more_changes_than_are_told_one_by_one_are_all_seen() {
    let world = World::new(vec![rule(r#"{job=~"a|b"}"#, &[])]);
    world.look(1000);
    world.push("a", 1000);
    for _ in 0..20_000 {
        world.push("other", 1001);
    }
    world.push("b", 1002);
    assert_eq!(world.look(1002), shown([("a", false, 1010), ("b", false, 1012)]));
}

#[test]
fn the_newest_groups_are_left_out_and_counted() {
    let few = ExpectSettings {
        max: Some(2),
        ..ExpectSettings::default()
    };
    let world = World::with(vec![rule("{}", &["z"])], few);
    world.push("b", 1000);
    assert_eq!(world.look(1000).len(), 2);
    world.push("a", 1001);
    assert_eq!(world.look(1001), shown([("b", false, 1010), ("z", false, 1010)]));
    assert_eq!(world.counts(), (2, 0, 1));
    drop(world.store.delete(&key("b")).unwrap());
    assert_eq!(world.look(1002), shown([("a", false, 1011), ("z", false, 1010)]));
    assert_eq!(world.counts(), (2, 0, 0));
}

#[test]
fn families_that_have_these_names_already_are_told_until_they_are_gone() {
    let world = World::new(vec![rule("{}", &[])]);
    world.push_lines(
        "a",
        "# TYPE wharf_group_overdue gauge\nwharf_group_overdue 1\n",
        None,
        1000,
    );
    let hides = || world.expectations.gauges().map(|gauges| gauges.hides);
    world.look(1000);
    assert_eq!(hides(), Some(true));
    world.push("a", 1001);
    world.look(1001);
    assert_eq!(hides(), Some(false));
}

#[test]
fn a_page_of_expectations_goes_on_above_the_last() {
    let world = World::new(vec![rule("{}", &[])]);
    let jobs: Vec<String> = (0..READ_AT_ONCE * 2 + 10).map(|n| format!("{n:04}")).collect();
    for job in &jobs {
        world.push(job, 1000);
    }
    world.look(1000);
    let page = |above: Option<&str>, limit, is_wanted: fn(&str) -> bool| {
        let above = above.map(key);
        let listed = world
            .expectations
            .list(above.as_ref(), limit, |key, _| Ok::<_, ()>(is_wanted(key.job())));
        let jobs = listed.unwrap().into_iter();
        jobs.map(|(key, ..)| key.job().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(page(None, usize::MAX, |_| true), jobs);
    assert_eq!(page(None, 300, |_| true), jobs[..300]);
    assert_eq!(page(Some("0299"), 2, |_| true), ["0300", "0301"]);
    assert_eq!(page(None, 2, |job| job > "0500"), ["0501", "0502"]);
    assert_eq!(page(Some("0521"), 2, |_| true), [""; 0]);
}

/// Pushes may say what is expected.
fn from_pushes() -> ExpectSettings {
    ExpectSettings {
        from_push: true,
        ..ExpectSettings::default()
    }
}

impl World {
    fn note(&self, job: &str, note: Note<'_>, at: i64) {
        drop(self.store.set_note(&key(job), note, minute(at)).unwrap());
    }

    fn list(&self) -> Vec<(String, Origin)> {
        let all = self
            .expectations
            .list(None, 100, |_, _| Ok::<_, ()>(true))
            .unwrap();
        let all = all.into_iter();
        all.map(|(key, expected, _, _)| (key.job().to_owned(), expected.origin))
            .collect()
    }
}

#[test]
fn what_a_push_says_is_expected_until_one_says_that_nothing_is() {
    let world = World::with(Vec::new(), from_pushes());
    world.push("a", 1000);
    assert_eq!(world.look(1000), shown([]));
    world.note("a", Note::Expected(Some("every=10m; grace=5m")), 1001);
    assert_eq!(world.look(1001), shown([("a", false, 1010)]));
    assert_eq!(world.look(1015), shown([("a", true, 1010)]));
    world.push("a", 1016);
    assert_eq!(world.look(1016), shown([("a", false, 1026)]));
    world.note("a", Note::Expected(Some("every=20m")), 1017);
    assert_eq!(world.look(1017), shown([("a", false, 1036)]));
    world.note("a", Note::Expected(None), 1018);
    assert_eq!(world.look(1018), shown([]));
    // A wipe leaves it, a deletion does not.
    world.note("a", Note::Expected(Some("every=20m")), 1019);
    drop(world.store.wipe().unwrap());
    assert_eq!(world.look(1036), shown([("a", true, 1036)]));
    drop(world.store.delete(&key("a")).unwrap());
    assert_eq!(world.look(1037), shown([]));
}

#[test]
fn a_rule_wins_over_a_push_and_counts_as_long_as_it_is_there() {
    let mut world = World::with(vec![rule(r#"{job="a"}"#, &[])], from_pushes());
    for job in ["a", "b"] {
        world.push(job, 1000);
        world.note(job, Note::Expected(Some("every=1h")), 1000);
    }
    assert_eq!(world.look(1000), shown([("a", false, 1010), ("b", false, 1060)]));
    assert_eq!(world.list()[0], ("a".to_owned(), Origin::Rule(0)));
    assert!(matches!(&world.list()[1].1, Origin::Push(pushed) if pushed.timing().to_line() == "every=1h"));
    world.rules = rules(Vec::new());
    assert_eq!(world.look(1001), shown([("a", false, 1060), ("b", false, 1060)]));
}

#[test]
fn where_pushes_may_not_say_it_what_they_have_said_counts_for_nothing() {
    let world = World::new(vec![rule(r#"{job="a"}"#, &[])]);
    world.push("b", 1000);
    world.note("b", Note::Expected(Some("every=1h")), 1000);
    assert_eq!(world.look(1000), shown([]));
    assert_eq!(
        world.expectations.origin(&world.store, &world.rules, &key("b")),
        None
    );
}

#[test]
fn a_pause_holds_for_whoever_expects_the_group_and_the_later_one_counts() {
    let paused = ExpectRule {
        paused_until: Some(minute(1030)),
        ..rule(r#"{job="c"}"#, &[])
    };
    let world = World::with(vec![rule(r#"{job="a"}"#, &[]), paused], from_pushes());
    for job in ["a", "b", "c"] {
        world.push(job, 1000);
    }
    world.note("b", Note::Expected(Some("every=10m; grace=5m")), 1000);
    world.look(1016);
    for job in ["a", "b", "c"] {
        world.note(job, Note::PausedUntil(minute(1020)), 1016);
    }
    assert_eq!(
        world.look(1017),
        shown([("a", false, 1030), ("b", false, 1030), ("c", false, 1040)])
    );
    // It ends early.
    world.note("a", Note::PausedUntil(minute(1018)), 1018);
    assert_eq!(world.look(1018)["a"], (false, 1028));
    assert_eq!(world.look(1035)["b"], (true, 1030));
}

#[test]
fn what_cannot_be_read_any_more_is_not_expected() {
    let world = World::with(Vec::new(), from_pushes());
    world.push("a", 1000);
    world.note(
        "a",
        Note::Expected(Some("schedule=0 3 * * *; timezone=Mars/Olympus")),
        1000,
    );
    assert_eq!(world.look(1001), shown([]));
}
