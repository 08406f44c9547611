//! A gateway with default flags among clients that want to keep others from it, by one kind of attack after the other, and
//! honest clients beside them: who pushes, who scrapes, who asks whether it lives.
//!
//! What has to hold: the process lives, its memory stays below a gibibyte, honest clients at an address of their own get the
//! right answers, and in time. `cargo xtask soak --hostile --minutes N` runs it with a release build. `WHARF_SIEGE_ONLY` has
//! parts of the names of attacks, with commas between them: others are left out.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod attacks;
mod honest;
mod kinds;
mod stored;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use wharf_testkit::{Spawn, peers};

use self::attacks::{Attack, Damage};
use self::honest::Answers;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// What the process may take.
const MEMORY: u64 = 1 << 30;

/// How long each attack goes on among other tests.
const SHORT: Duration = Duration::from_millis(700);
/// And in a soak.
const LONG: Duration = Duration::from_secs(20);

/// In which time an honest push and a health check are answered in a soak: all but one in a hundred.
const PUSH: Duration = Duration::from_millis(250);
const HEALTH: Duration = Duration::from_millis(100);

#[test]
#[ignore = "takes minutes, and both processors: `cargo xtask soak --hostile`"]
fn honest_clients_are_served_among_hostile_ones() {
    let seconds = peers::number_from_environment("WHARF_SIEGE_SECONDS");
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Spawn::wharf(WHARF)
        .arg(format!("--storage.path={}", folder.path().join("data").display()))
        // Routes and formats, not limits.
        .args(["--web.enable-admin-api", "--web.enable-openmetrics"])
        .start();
    stored::fill(&gateway);
    eprintln!("{} MiB at rest", gateway.peak_memory_bytes() >> 20);

    let mut attacks = kinds::all();
    if let Some(only) = peers::setting("WHARF_SIEGE_ONLY") {
        attacks.retain(|attack| only.split(',').any(|part| attack.name.contains(part)));
    }
    assert!(!attacks.is_empty(), "no attack is called so");
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    let mut all = Answers::default();
    let mut rounds = 0;
    while rounds < attacks.len() || Instant::now() < end {
        let attack = &attacks[rounds % attacks.len()];
        let length = if seconds.is_some() { LONG } else { SHORT };
        let (answers, damage) = suffer(gateway.address(), attack, length);
        eprintln!(
            "{:34} {answers} {damage} {:>5} MiB",
            attack.name,
            gateway.peak_memory_bytes() >> 20
        );
        all.add(answers);
        rounds += 1;
        assert!(gateway.exited().is_none(), "{}: the gateway is gone", attack.name);
    }
    eprintln!("{:34} {all}", "all");
    for (times, what) in all.wrong() {
        eprintln!("{times} times {what}");
    }
    let peak = gateway.peak_memory_bytes();
    assert!(peak < MEMORY, "at most {} MiB", peak >> 20);
    assert!(all.wrong().is_empty(), "see above");
    if seconds.is_some() {
        assert!(all.pushes.all_but_one_in_a_hundred() < PUSH, "{all}");
        assert!(all.health.all_but_one_in_a_hundred() < HEALTH, "{all}");
    }
}

/// The honest clients, while an attack goes on.
fn suffer(address: std::net::SocketAddr, attack: &Attack, length: Duration) -> (Answers, Damage) {
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        let attackers: Vec<_> = (0..attack.clients)
            .map(|client| {
                scope.spawn({
                    let ends = &ends;
                    move || attack.go_on(address, client, ends)
                })
            })
            .collect();
        let honest = honest::all(scope, (address, attack.name), &ends);
        thread::sleep(length);
        ends.store(true, Ordering::Release);
        let mut answers = Answers::default();
        for client in honest {
            answers.add(client.join().unwrap());
        }
        let mut damage = Damage::default();
        for attacker in attackers {
            damage.add(attacker.join().unwrap());
        }
        (answers, damage)
    })
}
