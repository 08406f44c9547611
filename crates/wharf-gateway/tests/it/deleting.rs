//! Deleting, and what those who follow are told of it.

use wharf_gateway::{AdminApi, Change, Policy, Reason, Selection, Settings};
use wharf_ledger::{Fault, SimulatedDisk};

use crate::inputs::{One, Push, Way};
use crate::support::{World, anybody, key, plain, world};

async fn stored(world: &World, jobs: &[&str]) {
    for job in jobs {
        One::push(&world.gateway, &anybody(), Push::new(job, "m 1\nn 2\n"))
            .await
            .unwrap();
    }
    world.notices().await;
}

fn with_admin_api() -> World {
    let settings = Settings {
        admin: AdminApi { enabled: true },
        ..Settings::default()
    };
    world(settings, Policy::default())
}

fn selection(family: Option<&str>) -> Selection {
    Selection {
        selectors: vec!["{job=~\"a|b\"}".parse().unwrap()],
        older_than: None,
        family: family.map(str::to_owned),
        dry_run: false,
    }
}

fn told(jobs: &[&str], change: Change) -> Vec<(String, Change)> {
    jobs.iter().map(|job| ((*job).to_owned(), change)).collect()
}

#[tokio::test]
async fn a_group_that_is_deleted_leaves_no_history() {
    let world = plain();
    stored(&world, &["a"]).await;
    assert_eq!(world.gateway.delete(&anybody(), &key("a")).await, Ok(true));
    assert_eq!(world.gateway.delete(&anybody(), &key("a")).await, Ok(false));
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
    assert_eq!(gateway.delete_family(&caller, &key("a"), "m").await, Ok(true));
    assert_eq!(gateway.delete_family(&caller, &key("a"), "m").await, Ok(false));
    assert_eq!(world.notices().await, told(&["a"], Change::Changed));
    assert_eq!((world.series("a"), world.history("a").len()), (Some(3), 1));
}

#[tokio::test]
async fn what_selectors_select_is_deleted_and_counted() {
    let world = with_admin_api();
    stored(&world, &["a", "b", "c"]).await;
    let deleted = world
        .gateway
        .delete_selected(&anybody(), selection(None), None)
        .await;
    assert_eq!(deleted, Ok(vec![key("a"), key("b")]));
    assert_eq!(world.notices().await, told(&["a", "b"], Change::Deleted));
    assert_eq!((world.series("a"), world.series("c")), (None, Some(4)));
}

#[tokio::test]
async fn a_family_of_many_groups_is_one_change() {
    let world = with_admin_api();
    stored(&world, &["a", "b", "c"]).await;
    let selection = selection(Some("m"));
    let deleted = world.gateway.delete_selected(&anybody(), selection, None).await;
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
    let deleted = world.gateway.delete_selected(&anybody(), selection, None).await;
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
        let deleted = world
            .gateway
            .delete_selected(&anybody(), selection(family), None)
            .await;
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
    let deleted = world
        .gateway
        .delete_selected(&anybody(), selection(None), None)
        .await;
    assert_eq!(deleted.unwrap_err().reason, Reason::NeedsFlag);
}

#[tokio::test]
async fn a_wipe_leaves_nothing() {
    let world = plain();
    stored(&world, &["a", "b"]).await;
    world.gateway.wipe(&anybody(), None).await.unwrap();
    assert_eq!((world.series("a"), world.history("b").len()), (None, 0));
}
