//! Which replica's settings are in force.

use std::sync::Arc;
use std::time::Duration;

use wharf_shared_log::{Faults, SimulatedLog, Simulation};
use wharf_store::{Reserved, SharedRules, Sharing, Store, SystemClock};

/// Starts a replica with this setting, and waits until it is ready.
fn ready(simulation: &Simulation, log: &SimulatedLog, name: &str, setting: &str) -> Arc<Store> {
    let writer = simulation.below(u64::MAX);
    let sharing = Sharing {
        rules: SharedRules::from([("setting".to_owned(), setting.to_owned())]),
        ..Sharing::new(name.to_owned(), writer, Arc::new(SystemClock))
    };
    let store = Store::new(Reserved::default(), 1 << 20);
    let (store, tasks) = store.share(log.replica(), simulation.clone(), sharing);
    for task in tasks.run {
        simulation.spawn(task);
    }
    for _ in 0..10_000 {
        if store.shared_status().unwrap().is_ready {
            return store;
        }
        simulation.run_for(Duration::from_millis(1));
    }
    unreachable!("{name} is not ready");
}

#[test]
fn the_settings_of_whoever_was_ready_last_are_in_force() {
    for seed in 0..50 {
        let simulation = Simulation::new(seed);
        let log = SimulatedLog::new(&simulation, Faults::default());
        let first = ready(&simulation, &log, "first", "old");
        let second = ready(&simulation, &log, "second", "new");
        simulation.run_for(Duration::from_secs(30));
        let differing = [&first, &second].map(|store| store.shared_status().unwrap().differs.is_some());
        assert_eq!(differing, [true, false], "seed {seed}");
    }
}
