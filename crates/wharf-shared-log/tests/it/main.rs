//! The simulated log passes what every log has to pass, on a good network and on a bad one.

mod network;

use std::time::Duration;

use wharf_shared_log::conformance::{Fixture, Replicas};
use wharf_shared_log::{Faults, SimulatedLog, Simulation};

/// Longest time of a check, in the time of the simulation.
const LIMIT: Duration = Duration::from_secs(3600);

/// Runs a check in a world of a seed.
fn run<F>(seed: u64, faults: Faults, check: &impl Fn(Replicas<SimulatedLog, Simulation>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let simulation = Simulation::new(seed);
    let first = SimulatedLog::new(&simulation, faults);
    let second = first.replica();
    let timer = simulation.clone();
    let check = check(Replicas { first, second, timer });
    assert!(
        simulation.run(LIMIT, check).is_some(),
        "seed {seed}: the check does not end"
    );
}

/// How many worlds each check has to pass on a bad network.
#[expect(clippy::disallowed_methods, reason = "tests have no flags")]
fn seeds() -> u64 {
    let seeds = std::env::var("WHARF_SHARED_SEEDS").ok();
    seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(5)
}

mod on_a_good_network {
    use super::*;

    struct Good;

    impl Fixture for Good {
        type Log = SimulatedLog;
        type Timer = Simulation;

        fn run<F>(check: impl Fn(Replicas<SimulatedLog, Simulation>) -> F)
        where
            F: Future<Output = ()> + Send + 'static,
        {
            run(1, Faults::default(), &check);
        }
    }

    wharf_shared_log::conformance!(Good);
}

/// On a network that loses requests and answers, and ends watches.
mod on_a_bad_network {
    use super::*;

    struct Bad;

    impl Fixture for Bad {
        type Log = SimulatedLog;
        type Timer = Simulation;

        fn run<F>(check: impl Fn(Replicas<SimulatedLog, Simulation>) -> F)
        where
            F: Future<Output = ()> + Send + 'static,
        {
            // The checks themselves say what may be forgotten.
            let compactions = 0;
            let faults = Faults {
                compactions,
                ..Faults::bad()
            };
            for seed in 1..=seeds() {
                run(seed, faults, &check);
            }
        }
    }

    wharf_shared_log::conformance!(Bad);
}
