//! What holds of a push whatever it comes in by.

use std::time::Duration;

use wharf_gateway::{
    AdminApi, Caller, Change, ExpiryRule, Lifespan, Policy, PushLimits, PushSettings, QuotaRule, Rate,
    Reason, Right, Role, Scope, Settings,
};
use wharf_ledger::{Fault, SimulatedDisk};
use wharf_model::name::NameRule;
use wharf_relabel::{Action, Rule, RuleSource};
use wharf_store::UnixNanos;

use crate::inputs::{Each, One, Push, Together, Way};
use crate::support::{World, anybody, eventually, plain, with_role, world};

/// Runs every rule for each way in.
macro_rules! for_every_way {
    ($($rule:ident),* $(,)?) => {
        mod one { $(#[tokio::test] async fn $rule() { super::$rule::<super::One>().await; })* }
        mod together { $(#[tokio::test] async fn $rule() { super::$rule::<super::Together>().await; })* }
        mod each { $(#[tokio::test] async fn $rule() { super::$rule::<super::Each>().await; })* }
    };
}

for_every_way!(
    a_push_is_stored_and_booked_once,
    without_the_right_nothing_is_stored,
    a_quota_says_how_often,
    labels_of_the_group_are_limited,
    labels_of_series_are_limited,
    rules_relabel,
    rules_say_how_long_a_group_lives,
    a_body_that_cannot_be_read_is_refused_and_booked_once,
    a_contradiction_is_refused_booked_once_and_says_when,
    timestamps_are_refused_or_left_out,
    a_time_of_its_own_needs_the_right_to_administer,
    a_sender_that_leaves_changes_nothing,
    a_refusal_is_booked_also_if_nobody_waits_for_it,
    on_a_disk_a_sender_that_leaves_changes_nothing,
    what_the_disk_does_not_take_is_refused_and_taken_back,
    what_the_disk_does_not_take_is_booked_also_if_nobody_waits_for_it,
);

async fn push<W: Way>(world: &World, job: &str, lines: &str) -> Result<(), Reason> {
    let pushed = W::push(&world.gateway, &anybody(), Push::new(job, lines)).await;
    pushed.map_err(|refusal| refusal.reason)
}

async fn a_push_is_stored_and_booked_once<W: Way>() {
    let world = plain();
    push::<W>(&world, "a", "m 1\nn 2\n").await.unwrap();
    assert_eq!(world.notices().await, [("a".to_owned(), Change::Pushed)]);
    assert_eq!(world.history("a"), [""]);
    assert_eq!(world.hour(), (1, 0));
    assert_eq!(world.series("a"), Some(4), "two, and its times");
    assert!(!world.says_failed("a"));
}

/// Everybody reads; whoever has the token pushes to `a` and administers nothing.
async fn with_rules() -> (World, Caller) {
    let everybody = Role {
        read: Scope::Everything,
        ..Role::default()
    };
    let pusher = Role {
        push: Scope::Groups(vec!["{job=\"a\"}".parse().unwrap()]),
        ..Role::default()
    };
    let settings = Settings {
        admin: AdminApi { enabled: true },
        ..Settings::default()
    };
    with_role(settings, pusher, everybody).await
}

async fn without_the_right_nothing_is_stored<W: Way>() {
    let (world, caller) = with_rules().await;
    W::push(&world.gateway, &caller, Push::new("a", "m 1\n"))
        .await
        .unwrap();
    let refused = W::push(&world.gateway, &caller, Push::new("b", "m 1\n")).await;
    let refusal = refused.unwrap_err();
    assert_eq!(refusal.reason.lacks(), Some(Right::Push), "{}", refusal.text);
    assert_eq!((world.series("b"), world.refused("right")), (None, 1));
    assert_eq!(world.history("b"), [""; 0]);
    assert_eq!(world.hour(), (1, 1));
}

async fn a_quota_says_how_often<W: Way>() {
    let quota = QuotaRule {
        selector: "{job=\"a\"}".parse().unwrap(),
        max_groups: None,
        max_series: None,
        max_bytes: None,
        rate: Some(Rate {
            per_second: 1.0,
            burst: 1,
        }),
        rate_per: Vec::new(),
    };
    let policy = Policy {
        quotas: vec![quota],
        ..Policy::default()
    };
    let world = world(Settings::default(), policy);
    push::<W>(&world, "a", "m 1\n").await.unwrap();
    assert_eq!(push::<W>(&world, "a", "m 2\n").await, Err(Reason::TooFast));
    push::<W>(&world, "b", "n 1\n").await.unwrap();
    world.clock.later(Duration::from_secs(1));
    push::<W>(&world, "a", "m 3\n").await.unwrap();
    assert_eq!(world.history("a"), ["", "rate", ""]);
    assert_eq!((world.refused("rate"), world.hour()), (1, (3, 1)));
}

fn limited() -> World {
    let settings = Settings {
        push_limits: PushLimits {
            max_label_value_bytes: Some(4),
            ..PushLimits::default()
        },
        ..Settings::default()
    };
    world(settings, Policy::default())
}

async fn labels_of_the_group_are_limited<W: Way>() {
    let world = limited();
    let refused = push::<W>(&world, "longer", "m 1\n").await;
    assert_eq!(refused, Err(Reason::LabelLimit));
    assert_eq!((world.series("longer"), world.refused("label_limit")), (None, 1));
}

async fn labels_of_series_are_limited<W: Way>() {
    let world = limited();
    let refused = push::<W>(&world, "a", "m{x=\"12345\"} 1\n").await;
    assert_eq!(refused, Err(Reason::LabelLimit));
    assert_eq!((world.series("a"), world.refused("label_limit")), (None, 1));
}

async fn rules_relabel<W: Way>() {
    let policy = Policy {
        relabelling: vec![dropping("n")],
        ..Policy::default()
    };
    let world = world(Settings::default(), policy);
    push::<W>(&world, "a", "m 1\nn 2\n").await.unwrap();
    assert_eq!(world.series("a"), Some(3), "one, and its times");
}

/// Drops series of this name.
fn dropping(name: &str) -> Rule {
    let source = RuleSource {
        action: Some(Action::Drop),
        source_labels: Some(vec!["__name__".to_owned()]),
        regex: Some(name.to_owned()),
        ..RuleSource::default()
    };
    Rule::new(source, NameRule::Legacy).unwrap()
}

async fn rules_say_how_long_a_group_lives<W: Way>() {
    let rule = ExpiryRule {
        selector: "{}".parse().unwrap(),
        ttl: Some(Lifespan::Limited(Duration::from_secs(60))),
        keep_times: false,
        series_ttl: None,
    };
    let policy = Policy {
        expiry: vec![rule],
        ..Policy::default()
    };
    let world = world(Settings::default(), policy);
    push::<W>(&world, "a", "m 1\n").await.unwrap();
    world.clock.later(Duration::from_secs(59));
    world.gateway.expire();
    assert!(world.series("a").is_some());
    world.notices().await;
    world.clock.later(Duration::from_secs(2));
    world.gateway.expire();
    assert_eq!(world.series("a"), None);
    assert_eq!(world.notices().await, [("a".to_owned(), Change::Deleted)]);
    assert_eq!(world.history("a"), [""; 0]);
}

async fn a_body_that_cannot_be_read_is_refused_and_booked_once<W: Way>() {
    let world = plain();
    push::<W>(&world, "a", "m 1\n").await.unwrap();
    assert_eq!(push::<W>(&world, "a", "m x\n").await, Err(Reason::Syntax));
    assert_eq!((world.refused("syntax"), world.hour()), (1, (1, 1)));
    assert_eq!(world.gateway.activity().refused.list().len(), 1);
    assert!(!world.says_failed("a"), "as with the Pushgateway");
}

async fn a_contradiction_is_refused_booked_once_and_says_when<W: Way>() {
    let world = plain();
    push::<W>(&world, "a", "# TYPE m counter\nm 1\n").await.unwrap();
    world.notices().await;
    let refused = push::<W>(&world, "b", "# TYPE m gauge\nm 1\n").await;
    assert!(matches!(refused, Err(Reason::Inconsistent(_))), "{refused:?}");
    let reason = refused.unwrap_err().label();
    assert_eq!((world.refused(reason), world.hour()), (1, (1, 1)));
    assert_eq!(world.history("b"), [reason]);
    assert_eq!(world.notices().await, [("b".to_owned(), Change::Refused)]);
    assert!(world.says_failed("b"));
    let listed = world.gateway.activity().refused.list();
    let families: Vec<_> = listed.iter().map(|push| push.family.as_deref()).collect();
    assert_eq!(families, [Some("m")]);
}

async fn timestamps_are_refused_or_left_out<W: Way>() {
    let strict = plain();
    assert_eq!(push::<W>(&strict, "a", "m 1 5\n").await, Err(Reason::Timestamps));
    let settings = Settings {
        pushes: PushSettings {
            strip_timestamps: true,
            ..PushSettings::default()
        },
        ..Settings::default()
    };
    let world = world(settings, Policy::default());
    push::<W>(&world, "a", "m 1 5\n").await.unwrap();
}

async fn a_time_of_its_own_needs_the_right_to_administer<W: Way>() {
    let dated = Push {
        pushed_at: Some(UnixNanos(1_000_000_000)),
        ..Push::new("a", "m 1\n")
    };
    let (world, caller) = with_rules().await;
    let refused = W::push(&world.gateway, &caller, dated).await.unwrap_err();
    assert_eq!(refused.reason.lacks(), Some(Right::Admin));
    W::push(&world.gateway, &anybody(), dated).await.unwrap();
    let group = world.gateway.store().group(&crate::support::key("a")).unwrap();
    assert!((group.info().push_time - 1.0).abs() < 1e-9);
    let without_the_api = W::push(&plain().gateway, &anybody(), dated).await;
    assert_eq!(without_the_api.unwrap_err().reason, Reason::NeedsFlag);
}

async fn a_sender_that_leaves_changes_nothing<W: Way>() {
    let world = plain();
    W::push_and_leave(&world.gateway, &anybody(), Push::new("a", "m 1\n"));
    eventually((1, 0), || world.hour()).await;
    assert_eq!(world.history("a"), [""]);
    assert_eq!(world.notices().await, [("a".to_owned(), Change::Pushed)]);
}

async fn a_refusal_is_booked_also_if_nobody_waits_for_it<W: Way>() {
    let world = plain();
    W::push_and_leave(&world.gateway, &anybody(), Push::new("a", "m x\n"));
    eventually((0, 1), || world.hour()).await;
    assert_eq!(world.refused("syntax"), 1);
}

async fn on_a_disk_a_sender_that_leaves_changes_nothing<W: Way>() {
    let world = plain().on(&SimulatedDisk::new(1));
    W::push_and_leave(&world.gateway, &anybody(), Push::new("a", "m 1\n"));
    eventually((1, 0), || world.hour()).await;
    assert_eq!(world.history("a"), [""]);
}

async fn what_the_disk_does_not_take_is_refused_and_taken_back<W: Way>() {
    let disk = SimulatedDisk::new(1);
    let world = plain().on(&disk);
    push::<W>(&world, "a", "m 1\n").await.unwrap();
    disk.fail_after(0, Fault::Lasting(std::io::ErrorKind::StorageFull));
    assert_eq!(
        push::<W>(&world, "a", "m 2\nn 2\n").await,
        Err(Reason::Unavailable)
    );
    assert_eq!(world.series("a"), Some(3));
    assert_eq!((world.refused("unavailable"), world.hour()), (1, (1, 1)));
    assert_eq!(world.history("a"), ["", "unavailable"]);
}

async fn what_the_disk_does_not_take_is_booked_also_if_nobody_waits_for_it<W: Way>() {
    let disk = SimulatedDisk::new(1);
    let world = plain().on(&disk);
    push::<W>(&world, "a", "m 1\n").await.unwrap();
    disk.fail_after(0, Fault::Lasting(std::io::ErrorKind::StorageFull));
    W::push_and_leave(&world.gateway, &anybody(), Push::new("a", "m 2\nn 2\n"));
    eventually((1, 1), || world.hour()).await;
    assert_eq!(world.history("a"), ["", "unavailable"]);
    assert_eq!(world.refused("unavailable"), 1);
}
