//! Groups that are expected: what a scrape shows of them, and to whom.

use std::time::Duration;

use wharf_gateway::{
    ExpectRule, ExpectRules, ExpectationListing, ExpectationState, Policy, Reason, Settings,
};
use wharf_model::{Choice, Effort};
use wharf_schedule::Timing;

use crate::inputs::{One, Push, Way as _};
use crate::support::{World, anybody, key, plain, world};

const OVERDUE: &str = "wharf_group_overdue";

/// Every hour: jobs that begin with `a`, and `b`, which has to be there.
fn expecting() -> World {
    let rule = ExpectRule {
        selector: Some(r#"{job=~"a.*"}"#.parse().unwrap()),
        always: vec![key("b")],
        timing: Timing::parse(Some("1h"), None, None, None).unwrap(),
        since: None,
        paused_until: None,
    };
    let policy = Policy {
        expectations: ExpectRules::new(vec![rule]),
        ..Policy::default()
    };
    world(Settings::default(), policy)
}

async fn push(world: &World, job: &str, lines: &str) -> Result<(), Reason> {
    let pushed = One::push(&world.gateway, &anybody(), Push::new(job, lines)).await;
    pushed.map_err(|refusal| refusal.reason)
}

/// The jobs of which a scrape of this choice says whether they are overdue.
fn scraped(world: &World, choice: &Choice) -> Vec<(String, bool)> {
    let snapshot = world.gateway.scraped(choice, &Effort::unlimited()).unwrap();
    let overdue = snapshot.family(OVERDUE);
    let fragments = overdue.iter().flat_map(wharf_store::FamilyView::fragments);
    fragments
        .map(|fragment| (fragment.key().job().to_owned(), fragment.number() == Some(1.0)))
        .collect()
}

fn jobs<const N: usize>(jobs: [(&str, bool); N]) -> Vec<(String, bool)> {
    jobs.map(|(job, is_overdue)| (job.to_owned(), is_overdue))
        .to_vec()
}

#[tokio::test]
async fn a_scrape_shows_who_is_overdue_and_a_part_of_it_those_of_its_groups() {
    let world = expecting();
    for job in ["a1", "a2", "other"] {
        push(&world, job, "m 1\n").await.unwrap();
    }
    world.gateway.look_at_expectations();
    world.clock.later(Duration::from_secs(1800));
    push(&world, "a2", "m 1\n").await.unwrap();
    world.clock.later(Duration::from_secs(1800));
    world.gateway.look_at_expectations();
    let all = jobs([("a1", true), ("a2", false), ("b", true)]);
    assert_eq!(scraped(&world, &Choice::all()), all);
    let some = Choice::all().asked(vec![r#"{job=~"a2|b|other"}"#.parse().unwrap()]);
    assert_eq!(scraped(&world, &some), jobs([("a2", false), ("b", true)]));
}

#[tokio::test]
async fn nothing_is_shown_where_nothing_is_expected_and_the_names_are_free() {
    let world = plain();
    let lines = "# TYPE wharf_group_overdue gauge\nwharf_group_overdue 1\n";
    push(&world, "a", lines).await.unwrap();
    world.gateway.look_at_expectations();
    assert_eq!(scraped(&world, &Choice::all()), jobs([("a", true)]));
    assert!(!world.gateway.may_expect());
}

#[tokio::test]
async fn the_names_of_what_is_shown_are_reserved_where_something_is_expected() {
    let world = expecting();
    let lines = "# TYPE wharf_group_overdue gauge\nwharf_group_overdue 1\n";
    assert_eq!(
        push(&world, "other", lines).await,
        Err(Reason::Inconsistent("own_metric"))
    );
}

#[tokio::test]
async fn a_listing_has_those_that_stand_as_asked() {
    let world = expecting();
    push(&world, "a1", "m 1\n").await.unwrap();
    world.clock.later(Duration::from_secs(600));
    push(&world, "a2", "m 1\n").await.unwrap();
    world.clock.later(Duration::from_secs(3000));
    world.gateway.look_at_expectations();
    let listed = |state, above| {
        let listing = ExpectationListing {
            choice: Choice::all(),
            state,
            above,
            limit: 2,
        };
        let listed = world
            .gateway
            .expectations(&listing, &Effort::unlimited())
            .unwrap();
        let jobs = listed.into_iter();
        jobs.map(|one| format!("{} {}", one.key.job(), one.state.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(None, None), ["a1 overdue", "a2 waiting"]);
    assert_eq!(listed(None, Some(key("a2"))), ["b overdue"]);
    assert_eq!(
        listed(Some(ExpectationState::Overdue), None),
        ["a1 overdue", "b overdue"]
    );
    let nothing = ExpectationListing {
        choice: Choice::all(),
        state: None,
        above: None,
        limit: 2,
    };
    assert!(
        plain()
            .gateway
            .expectations(&nothing, &Effort::unlimited())
            .unwrap()
            .is_empty()
    );
}
