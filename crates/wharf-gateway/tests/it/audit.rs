//! Who did what.

use std::net::IpAddr;
use std::sync::Arc;

use wharf_gateway::{
    ActionKind, Actor, AdminApi, AuditEntry, AuditFilter, Imported, Policy, Right, Role, Scope, Selection,
    Settings, Shutdown,
};
use wharf_ledger::{Fault, SimulatedDisk};

use crate::inputs::{One, Push, Way as _};
use crate::support::{World, anybody, eventually, key, place, plain, with_role, work, world};

const ADDRESS: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7)));

async fn stored(world: &World, jobs: &[&str]) {
    for job in jobs {
        One::push(&world.gateway, &anybody(), Push::new(job, "m 1\n"))
            .await
            .unwrap();
    }
}

fn entries(world: &World) -> Vec<AuditEntry> {
    world.gateway.audit().list(&AuditFilter {
        limit: usize::MAX,
        ..AuditFilter::default()
    })
}

/// The list as lines, the oldest first.
fn told(world: &World) -> Vec<String> {
    let line = |entry: &AuditEntry| {
        let action = &entry.action;
        let outcome = action.error.as_deref().unwrap_or("done");
        let kind = action.kind.as_str();
        let address = action.actor.address.map(|address| format!(" at {address}"));
        format!(
            "{}{}: {kind} {} ({}): {outcome}",
            action.actor.who,
            address.unwrap_or_default(),
            action.what,
            action.groups
        )
    };
    entries(world).iter().rev().map(line).collect()
}

fn with_admin_api() -> World {
    let settings = Settings {
        admin: AdminApi { enabled: true },
        ..Settings::default()
    };
    world(settings, Policy::default())
}

fn selection(selector: &str) -> Selection {
    Selection {
        selectors: vec![selector.parse().unwrap()],
        older_than: None,
        family: None,
        dry_run: false,
    }
}

#[tokio::test]
async fn deletes_wipes_imports_reloads_and_quits_are_in_it_and_pushes_are_not() {
    let world = with_admin_api();
    let (gateway, caller) = (&world.gateway, anybody());
    stored(&world, &["a", "b", "c", "d"]).await;
    gateway
        .delete(&caller, &key("a"), ADDRESS, || Ok(place()))
        .await
        .unwrap();
    gateway
        .delete_family(&caller, &key("b"), "m", ADDRESS, || Ok(place()))
        .await
        .unwrap();
    let selected = selection("{job=\"c\"}");
    gateway
        .delete_selected(work(&world), &caller, |_| Ok(selected), ADDRESS)
        .await
        .unwrap();
    gateway.wipe(&caller, ADDRESS).await.unwrap();
    let imported = Imported {
        stored: 5,
        already_there: 1,
        refused: 0,
    };
    gateway.book_import(Actor::of(&caller, None), Ok(imported));
    let shutdown = Shutdown::default();
    gateway.quit(Actor::of(&caller, ADDRESS), &shutdown).await;
    assert_eq!(
        told(&world),
        [
            "anonymous at 10.0.0.7: delete {job=\"a\"} (1): done",
            "anonymous at 10.0.0.7: delete_family m of {job=\"b\"} (1): done",
            "anonymous at 10.0.0.7: delete_by_selector {job=\"c\"} (1): done",
            "anonymous at 10.0.0.7: wipe  (2): done",
            "anonymous: import 1 already there, 0 refused (5): done",
            "anonymous at 10.0.0.7: quit  (0): done",
        ]
    );
    for kind in [ActionKind::Delete, ActionKind::Wipe, ActionKind::Quit] {
        assert_eq!(world.acted(kind.as_str(), "success"), 1);
    }
}

#[tokio::test]
async fn what_changes_nothing_is_not_in_it() {
    let world = with_admin_api();
    let (gateway, caller) = (&world.gateway, anybody());
    stored(&world, &["a"]).await;
    let deleted = gateway.delete(&caller, &key("b"), None, || Ok(place())).await;
    assert!(!deleted.unwrap().existed);
    let deleted = gateway
        .delete_family(&caller, &key("a"), "n", None, || Ok(place()))
        .await;
    assert!(!deleted.unwrap().existed);
    let shown = Selection {
        dry_run: true,
        ..selection("{}")
    };
    gateway
        .delete_selected(work(&world), &caller, |_| Ok(shown), None)
        .await
        .unwrap();
    // There is no file to be read.
    gateway.reload(Actor::signal("SIGHUP")).unwrap_err();
    assert_eq!(told(&world), [""; 0]);
}

#[tokio::test]
async fn whoever_may_not_leaves_no_entry() {
    let role = Role {
        push: Scope::Everything,
        ..Role::default()
    };
    let (world, caller) = with_role(Settings::default(), role, Role::default()).await;
    One::push(&world.gateway, &caller, Push::new("a", "m 1\n"))
        .await
        .unwrap();
    let refused = world
        .gateway
        .delete(&caller, &key("a"), None, || Ok(place()))
        .await;
    assert_eq!(refused.unwrap_err().reason.lacks(), Some(Right::Delete));
    assert_eq!(told(&world), [""; 0]);
}

#[tokio::test]
async fn it_says_who_it_was_by_the_rules() {
    let role = Role {
        push: Scope::Everything,
        delete: Scope::Everything,
        ..Role::default()
    };
    let (world, caller) = with_role(Settings::default(), role, Role::default()).await;
    One::push(&world.gateway, &caller, Push::new("a", "m 1\n"))
        .await
        .unwrap();
    world
        .gateway
        .delete(&caller, &key("a"), None, || Ok(place()))
        .await
        .unwrap();
    // The name of the token, and never the token.
    assert_eq!(told(&world), ["token `somebody`: delete {job=\"a\"} (1): done"]);
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_in_it_as_failed() {
    let disk = SimulatedDisk::new(1);
    let world = with_admin_api().on(&disk);
    stored(&world, &["a"]).await;
    disk.fail_after(0, Fault::Lasting(std::io::ErrorKind::StorageFull));
    world.gateway.wipe(&anybody(), None).await.unwrap_err();
    world
        .gateway
        .delete(&anybody(), &key("a"), None, || Ok(place()))
        .await
        .unwrap_err();
    let found = entries(&world);
    assert_eq!(found.len(), 2, "{found:?}");
    for entry in found {
        assert!(entry.action.error.is_some(), "{entry:?}");
        assert_eq!(entry.action.groups, 0);
    }
    assert_eq!(world.acted("wipe", "failure"), 1);
}

#[tokio::test]
async fn it_has_what_is_done_also_if_nobody_waits_for_it() {
    for kind in [ActionKind::Wipe, ActionKind::Delete, ActionKind::DeleteFamily] {
        let disk = SimulatedDisk::new(1);
        let world = with_admin_api().on(&disk);
        stored(&world, &["a"]).await;
        let gateway = Arc::clone(&world.gateway);
        let request = tokio::spawn(async move {
            let (caller, key) = (anybody(), key("a"));
            match kind {
                ActionKind::Wipe => drop(gateway.wipe(&caller, None).await.unwrap()),
                ActionKind::Delete => {
                    let deleted = gateway.delete(&caller, &key, None, || Ok(place())).await;
                    drop(deleted.unwrap());
                }
                _ => {
                    let deleted = gateway.delete_family(&caller, &key, "m", None, || Ok(place()));
                    drop(deleted.await.unwrap());
                }
            }
        });
        let whole = world.series("a");
        for _ in 0..10_000 {
            if world.series("a") != whole {
                break;
            }
            tokio::task::yield_now().await;
        }
        request.abort();
        let kinds = || -> Vec<_> { entries(&world).iter().map(|entry| entry.action.kind).collect() };
        eventually(vec![kind], kinds).await;
    }
}

#[tokio::test]
async fn it_is_kept_in_a_folder_across_starts() {
    let folder = tempfile::tempdir().unwrap();
    let first = with_admin_api();
    first.gateway.open_audit(folder.path());
    stored(&first, &["a"]).await;
    first.gateway.wipe(&anybody(), ADDRESS).await.unwrap();
    // As after a kill: a wipe does not wait for the next turn.
    let before = told(&first);
    let second = with_admin_api();
    second.gateway.open_audit(folder.path());
    assert_eq!(told(&second), before);
    assert_eq!(before.len(), 1);
}

#[tokio::test]
async fn without_a_folder_it_is_in_memory() {
    let world = plain();
    stored(&world, &["a"]).await;
    world.gateway.wipe(&anybody(), None).await.unwrap();
    world.gateway.save_audit();
    assert!(!world.gateway.audit().is_kept());
    assert_eq!(told(&world).len(), 1);
}
