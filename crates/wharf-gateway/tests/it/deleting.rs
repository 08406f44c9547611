//! Deleting, and what those who follow are told of it.

use std::sync::Arc;
use std::sync::mpsc;

use wharf_gateway::{
    AdminApi, Caller, Change, Policy, Reason, Refusal, Right, Role, Scope, Selection, Settings,
};
use wharf_ledger::{Fault, SimulatedDisk};
use wharf_model::GroupingKey;

use crate::inputs::{One, Push, Way};
use crate::support::{World, anybody, eventually, key, place, plain, with_role, work, world};

async fn stored(world: &World, jobs: &[&str]) {
    for job in jobs {
        One::push(&world.gateway, &anybody(), Push::new(job, "m 1\nn 2\n"))
            .await
            .unwrap();
    }
    world.notices().await;
}

fn admin_api() -> Settings {
    Settings {
        admin: AdminApi { enabled: true },
        ..Settings::default()
    }
}

fn with_admin_api() -> World {
    world(admin_api(), Policy::default())
}

fn selection(family: Option<&str>) -> Selection {
    Selection {
        selectors: vec!["{job=~\"a|b\"}".parse().unwrap()],
        older_than: None,
        family: family.map(str::to_owned),
        dry_run: false,
    }
}

/// Those that were deleted, or would be.
async fn delete_selected(
    world: &World,
    caller: &Caller,
    selection: Selection,
) -> Result<Vec<GroupingKey>, Refusal> {
    let dry_run = selection.dry_run;
    let deleted = world
        .gateway
        .delete_selected(work(world), caller, |_| Ok(selection), None);
    let deleted = deleted.await?;
    assert_eq!(deleted.dry_run, dry_run);
    Ok(deleted.keys)
}

fn told(jobs: &[&str], change: Change) -> Vec<(String, Change)> {
    jobs.iter().map(|job| ((*job).to_owned(), change)).collect()
}

#[tokio::test]
async fn a_group_that_is_deleted_leaves_no_history() {
    let world = plain();
    stored(&world, &["a"]).await;
    let (caller, group) = (anybody(), key("a"));
    for existed in [true, false] {
        let removed = world.gateway.delete(&caller, &group, None, || Ok(place())).await;
        assert_eq!(removed.unwrap().existed, existed);
    }
    assert_eq!(world.notices().await, told(&["a"], Change::Deleted));
    assert_eq!(world.history("a"), [""; 0]);
    stored(&world, &["a"]).await;
    assert_eq!(world.history("a"), [""]);
}

#[tokio::test]
async fn a_family_of_a_group_is_deleted_and_the_group_stays() {
    let world = plain();
    stored(&world, &["a"]).await;
    let (gateway, caller) = (&world.gateway, anybody());
    let removed = gateway
        .delete_family(&caller, &key("a"), "m", None)
        .await
        .unwrap();
    assert!(removed.existed);
    let removed = gateway
        .delete_family(&caller, &key("a"), "m", None)
        .await
        .unwrap();
    assert!(!removed.existed);
    assert_eq!(world.notices().await, told(&["a"], Change::Changed));
    assert_eq!((world.series("a"), world.history("a").len()), (Some(3), 1));
}

#[tokio::test]
async fn what_selectors_select_is_deleted_and_counted() {
    let world = with_admin_api();
    stored(&world, &["a", "b", "c"]).await;
    let deleted = delete_selected(&world, &anybody(), selection(None)).await;
    assert_eq!(deleted, Ok(vec![key("a"), key("b")]));
    assert_eq!(world.notices().await, told(&["a", "b"], Change::Deleted));
    assert_eq!((world.series("a"), world.series("c")), (None, Some(4)));
}

#[tokio::test]
async fn a_family_of_many_groups_is_one_change() {
    let world = with_admin_api();
    stored(&world, &["a", "b", "c"]).await;
    let selection = selection(Some("m"));
    let deleted = delete_selected(&world, &anybody(), selection).await;
    assert_eq!(deleted, Ok(vec![key("a"), key("b")]));
    assert_eq!(world.notices().await, told(&["a", "b"], Change::Changed));
    let store = world.gateway.store();
    assert_eq!(store.revision_of(&key("a")), store.revision_of(&key("b")));
}

#[tokio::test]
async fn a_dry_run_deletes_nothing() {
    let world = with_admin_api();
    stored(&world, &["a"]).await;
    let selection = Selection {
        dry_run: true,
        ..selection(None)
    };
    let deleted = delete_selected(&world, &anybody(), selection).await;
    assert_eq!(deleted, Ok(vec![key("a")]));
    assert_eq!((world.series("a"), world.notices().await), (Some(4), Vec::new()));
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_not_deleted_and_not_told_as_deleted() {
    let disk = SimulatedDisk::new(1);
    let world = with_admin_api().on(&disk);
    stored(&world, &["a", "b"]).await;
    disk.fail_after(0, Fault::Lasting(std::io::ErrorKind::StorageFull));
    for family in [None, Some("m")] {
        let deleted = delete_selected(&world, &anybody(), selection(family)).await;
        assert_eq!(deleted.unwrap_err().reason, Reason::Unavailable);
        assert_eq!((world.series("a"), world.series("b")), (Some(4), Some(4)));
        let notices = world.notices().await;
        assert!(
            notices.iter().all(|(_, change)| *change == Change::Changed),
            "look again: {notices:?}"
        );
        assert_eq!(world.history("a"), [""]);
    }
}

#[tokio::test]
async fn deleting_by_selector_has_to_be_enabled() {
    let world = plain();
    stored(&world, &["a"]).await;
    let deleted = delete_selected(&world, &anybody(), selection(None)).await;
    assert_eq!(deleted.unwrap_err().reason, Reason::NeedsFlag);
}

#[tokio::test]
async fn a_wipe_leaves_nothing() {
    let world = plain();
    stored(&world, &["a", "b"]).await;
    world.gateway.wipe(&anybody(), None).await.unwrap();
    assert_eq!((world.series("a"), world.history("b").len()), (None, 0));
}

#[tokio::test]
async fn whoever_leaves_before_something_is_deleted_deletes_nothing() {
    let world = with_admin_api();
    stored(&world, &["a", "b"]).await;
    let (has_left, left) = mpsc::channel::<()>();
    let (begins, mut begun) = tokio::sync::mpsc::channel(1);
    let (gateway, work) = (Arc::clone(&world.gateway), work(&world));
    let request = tokio::spawn(async move {
        let selection = move |_: &_| {
            begins.blocking_send(()).unwrap();
            left.recv().unwrap();
            Ok(selection(None))
        };
        gateway.delete_selected(work, &anybody(), selection, None).await
    });
    begun.recv().await.unwrap();
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    has_left.send(()).unwrap();
    eventually(1, || world.stopped("gone")).await;
    assert_eq!((world.series("a"), world.deleted()), (Some(4), 0));
}

#[tokio::test]
async fn what_is_deleted_counts_also_if_nobody_waits_for_it() {
    let disk = SimulatedDisk::new(1);
    let world = with_admin_api().on(&disk);
    stored(&world, &["a", "b"]).await;
    let (gateway, work) = (Arc::clone(&world.gateway), work(&world));
    let request = tokio::spawn(async move {
        let selection = |_: &_| Ok(selection(None));
        gateway.delete_selected(work, &anybody(), selection, None).await
    });
    eventually(None, || world.series("a")).await;
    request.abort();
    eventually(2, || world.deleted()).await;
}

#[tokio::test]
async fn expressions_that_cost_too_much_delete_nothing() {
    let world = with_admin_api();
    stored(&world, &["a"]).await;
    let text = "a".repeat(15_000);
    for n in 0..3 {
        let job = format!("{n}{text}");
        stored(&world, &[&job]).await;
    }
    let costly = Selection {
        // Each byte of these jobs leads somewhere new.
        selectors: vec!["{job=~\".*(?:a{0,500}){3}[^a]|a\"}".parse().unwrap()],
        ..selection(None)
    };
    for dry_run in [true, false] {
        let selection = Selection {
            dry_run,
            ..costly.clone()
        };
        let begin = move |effort: &wharf_model::Effort| {
            // What a hundred thousand such groups would leave.
            effort.spend(wharf_gateway::MAX_STEPS - 1_000_000)?;
            Ok(selection)
        };
        let caller = anybody();
        let deleted = world.gateway.delete_selected(work(&world), &caller, begin, None);
        let refusal = deleted.await.unwrap_err();
        assert_eq!(refusal.reason, Reason::Costly, "{}", refusal.text);
    }
    assert_eq!((world.series("a"), world.stopped("costly")), (Some(4), 2));
}

fn scope(jobs: &str) -> Scope {
    match jobs {
        "" => Scope::Nothing,
        "*" => Scope::Everything,
        jobs => Scope::Groups(vec![format!("{{job=~{jobs:?}}}").parse().unwrap()]),
    }
}

/// What a dry run tells somebody who reads and deletes these jobs of `a`, `b` and `c`: jobs, or the one that is refused.
async fn told_by_dry_run(
    (read, delete): (&str, &str),
    selector: &str,
    family: Option<&str>,
) -> Result<Vec<String>, String> {
    let role = Role {
        push: Scope::Everything,
        read: scope(read),
        delete: scope(delete),
        admin: false,
    };
    let (world, caller) = with_role(admin_api(), role, Role::default()).await;
    for job in ["a", "b", "c"] {
        One::push(&world.gateway, &caller, Push::new(job, "m 1\n"))
            .await
            .unwrap();
    }
    let selection = Selection {
        selectors: vec![selector.parse().unwrap()],
        dry_run: true,
        ..selection(family)
    };
    let shown = delete_selected(&world, &caller, selection).await;
    let jobs = |keys: Vec<GroupingKey>| keys.iter().map(|key| key.job().to_owned()).collect();
    shown.map(jobs).map_err(|refusal| {
        assert_eq!(refusal.reason.lacks(), Some(Right::Delete));
        refusal.text
    })
}

#[tokio::test]
async fn a_dry_run_tells_what_would_go_of_what_may_be_read() {
    let all = "{}";
    for (read, delete, selector, expected) in [
        ("*", "*", all, "abc"),
        ("a|b", "a|b", all, "ab"),
        ("a|b", "*", all, "ab"),
        ("a", "a|b|c", all, "a"),
        ("a", "a|b|c", "{job=\"b\"}", ""),
        ("", "*", all, ""),
        ("", "a", all, ""),
        ("", "a", "{job=\"a\"}", ""),
        ("*", "a", "{job=\"a\"}", "a"),
        ("b", "a", "{job!=\"b\"}", ""),
    ] {
        for (family, expected) in [(None, expected), (Some("m"), expected), (Some("n"), "")] {
            let told = told_by_dry_run((read, delete), selector, family).await;
            let case = format!("reads {read}, deletes {delete}: {selector} {family:?}");
            assert_eq!(told.map(|jobs| jobs.concat()), Ok(expected.to_owned()), "{case}");
        }
    }
}

#[tokio::test]
async fn a_dry_run_tells_the_same_whether_there_is_what_may_not_be_read_or_not() {
    for (read, delete) in [("", "a"), ("", "*"), ("a", "a|b"), ("a", "*")] {
        for family in [None, Some("m")] {
            let there = told_by_dry_run((read, delete), "{job=~\"b|c\"}", family).await;
            let not_there = told_by_dry_run((read, delete), "{job=~\"x|y\"}", family).await;
            assert_eq!(there, not_there, "reads {read}, deletes {delete}");
        }
    }
    // What may be read and not deleted is named; what may not be read is not.
    let refused = told_by_dry_run(("c", "a"), "{}", Some("n")).await.unwrap_err();
    assert!(
        refused.contains("{job=\"c\"}") && !refused.contains("{job=\"b\"}"),
        "{refused}"
    );
}
