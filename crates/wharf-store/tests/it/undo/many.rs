//! Removals of more groups than go as one change.

use wharf_model::Meter;
use wharf_store::{Clock as _, Counters, Facts, GroupPush, PushMode};

use super::{Disks, World, decode, id, in_memory};
use crate::durable::block_on;
use crate::{exposition, key};

/// More than 10,000, which go as one.
const GROUPS: usize = 10_500;
const ROOM: u64 = 1 << 26;

fn fill(world: &World) {
    for from in (0..GROUPS).step_by(5_000) {
        let pushes = (from..GROUPS.min(from + 5_000)).map(|number| GroupPush {
            note: None,
            key: key(&format!("job/a/instance/{number}")),
            exposition: decode("m 1\nn 2\n"),
            ttl: None,
            aggregation: None,
            counters: Counters::Total,
            once: None,
            facts: Facts::default(),
        });
        let pushes: Vec<_> = pushes.collect();
        let pushed = world.store.push_all(
            &pushes,
            PushMode::ReplaceGroup,
            world.clock.now(),
            &Meter::unlimited(),
        );
        block_on(pushed.unwrap()).unwrap();
    }
}

#[test]
fn what_a_selector_removes_in_several_steps_is_one_removal() {
    for world in [in_memory(ROOM), Disks::new(60).open_with(ROOM, 512)] {
        fill(&world);
        let before = exposition(&world.store.snapshot());
        let receipt = world.delete_matching("{job=\"a\"}");
        let removal = world.newest();
        assert_eq!(
            (removal.id, removal.groups, removal.series),
            (id(&receipt), GROUPS as u64, 4 * GROUPS as u64)
        );
        assert_eq!(world.store.removals(None, 9).len(), 1);
        let undone = world.undo(removal.id).unwrap();
        assert_eq!(undone.groups, GROUPS as u64);
        assert!(undone.is_complete(), "{undone:?}");
        assert_eq!(exposition(&world.store.snapshot()), before);
    }
}

/// The ledger does not know that they belong together.
#[test]
fn after_a_power_cut_it_is_as_many_as_there_were_steps_and_all_come_back() {
    let disks = Disks::new(61);
    let world = disks.open_with(ROOM, 512);
    fill(&world);
    let before = exposition(&world.store.snapshot());
    world.delete_matching("{job=\"a\"}");
    let world = disks.crash().open_with(ROOM, 512);
    assert!(world.store.snapshot().keys().is_empty());
    let removals = world.store.removals(None, 9);
    assert_eq!(
        removals.iter().map(|removal| removal.groups).sum::<u64>(),
        GROUPS as u64
    );
    for removal in removals {
        assert!(world.undo(removal.id).unwrap().is_complete());
    }
    assert_eq!(exposition(&world.store.snapshot()), before);
}
