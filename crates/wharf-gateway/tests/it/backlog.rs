//! A disk that is behind is waited for, with large pushes first.

use std::time::Duration;

use wharf_gateway::{Adding, Admission, Input, Reason, Settled, Wish};
use wharf_ledger::{Options, SimulatedDisk, SyncMode};
use wharf_store::PushMode;

use crate::inputs::{Text, source};
use crate::support::{World, anybody, key, plain};

/// A gateway over a disk that gives up to some milliseconds to what it takes, and has little room for what waits.
fn behind(disk: &SimulatedDisk) -> World {
    let options = Options {
        sync: SyncMode::Every(Duration::from_millis(1)),
        max_queued_bytes: 40_000,
        ..Options::default()
    };
    plain().on_with(disk, options)
}

/// Pushes some kilobytes.
async fn push(world: &World) {
    let wish = Wish {
        expect: None,
        mode: PushMode::ReplaceGroup,
        adding: Adding::default(),
        counters: None,
        ttl: None,
        id: None,
        pushed_at: None,
    };
    let source = source(&world.gateway, Input::Push);
    let admitted: Admission = world
        .gateway
        .admit(&anybody(), source, (key("a"), wish.mode), || Ok(wish))
        .unwrap();
    let lines: Vec<_> = (0..100)
        .map(|number| format!("m{{n=\"{number}\"}} 1\n"))
        .collect();
    let pending = admitted.push_quickly(&Text(lines.concat()));
    let pending = pending.ok().unwrap();
    assert_eq!(pending.settle().await, Ok(Settled::Stored));
}

async fn push_until_backlog_is(world: &World, quarters: u8) {
    while world.gateway.store().backlog() < quarters {
        push(world).await;
    }
}

#[tokio::test]
async fn large_pushes_wait_first_and_go_on_with_the_disk() {
    let hour = Duration::from_secs(3600);
    let disk = SimulatedDisk::new(1);
    let world = behind(&disk);
    let paused = disk.pause();
    assert_eq!(world.gateway.until_disk_keeps_up(true, hour).await, Ok(()));
    push_until_backlog_is(&world, 1).await;
    assert_eq!(world.gateway.until_disk_keeps_up(false, hour).await, Ok(()));
    push_until_backlog_is(&world, 3).await;
    let mut large = Box::pin(world.gateway.until_disk_keeps_up(true, hour));
    let mut small = Box::pin(world.gateway.until_disk_keeps_up(false, hour));
    let wait = Duration::from_millis(30);
    assert!(tokio::time::timeout(wait, &mut large).await.is_err());
    assert!(tokio::time::timeout(wait, &mut small).await.is_err());
    drop(paused);
    assert_eq!((large.await, small.await), (Ok(()), Ok(())));
    assert_eq!(world.refused("unavailable"), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_too_long_is_told() {
    let disk = SimulatedDisk::new(1);
    let world = behind(&disk);
    let _paused = disk.pause();
    push_until_backlog_is(&world, 1).await;
    let waited = world
        .gateway
        .until_disk_keeps_up(true, Duration::from_secs(7))
        .await;
    let refusal = waited.unwrap_err();
    assert_eq!(refusal.reason, Reason::Unavailable);
    assert!(refusal.text.contains("within 7 seconds"), "{}", refusal.text);
}
