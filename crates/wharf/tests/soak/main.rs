//! A gateway under load and under attack: it is killed, paused, robbed of its disk, of memory and of file descriptors, and
//! lied to about the time, while everything that it answers and shows is written down and compared.
//!
//! `cargo xtask soak --minutes N` runs it for long. `WHARF_SOAK_SECONDS` and `WHARF_SEED` say how long, and in which
//! order things happen; what a machine makes of it in time is never the same twice.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![expect(clippy::print_stderr, reason = "the report is for a person")]

mod book;
mod faults;
mod load;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wharf_testkit::http::get;
use wharf_testkit::{Gateway, Random, Spawn, peers, until};

use self::book::Book;
use self::faults::Fault;
use self::load::{Load, Tally};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// How long it goes on among other tests.
const SECONDS: u64 = 20;

#[test]
fn what_is_acknowledged_is_there_whatever_happens() {
    let seconds = peers::number_from_environment("WHARF_SOAK_SECONDS").unwrap_or(SECONDS);
    let seed = peers::number_from_environment("WHARF_SEED");
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    eprintln!("soak: {seconds} s, WHARF_SEED={seed}");

    let folder = tempfile::tempdir().unwrap();
    let (book, mut random) = (Arc::new(Book::new()), Random::new(seed));
    let mut tallies: BTreeMap<Fault, Tally> = BTreeMap::new();
    let (mut faults, mut skipped) = (Vec::new(), Vec::new());
    for fault in Fault::ALL {
        match fault.obstacle() {
            None => faults.push(fault),
            Some(obstacle) => skipped.push((fault, obstacle)),
        }
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut rounds = 0;
    while Instant::now() < end || rounds < faults.len() {
        // Each kind once, then in any order.
        let fault = match faults.get(rounds) {
            Some(fault) => *fault,
            None => *random.pick(&faults),
        };
        let mut gateway = start(folder.path(), fault);
        book.check(&gateway.scrape());
        let load = Load::start(gateway.address(), &book, random.bits());
        let lasting = fault.inflict(&gateway, folder.path(), &book, &mut random);
        if random.one_in(4) {
            gateway.terminate();
        } else {
            gateway.kill();
        }
        let exit = gateway.wait();
        drop(lasting);
        assert!(fault.explains(&exit), "{fault:?}: {exit:?}");
        tallies.entry(fault).or_default().add(&load.stop());
        rounds += 1;
    }
    book.check(&start(folder.path(), Fault::None).scrape());
    report(rounds, &tallies, &skipped, &book);
    assert_eq!(book.lost_and_wrong(), (0, 0), "see what is said above");
}

/// Starts the gateway, and waits until it has what it stored before.
fn start(folder: &Path, fault: Fault) -> Gateway {
    // Small segments and checkpoints, so that faults meet the change from one to the next.
    let spawn = Spawn::wharf("/bin/sh")
        .args(["-c", &fault.script(folder), WHARF])
        .arg(format!("--storage.path={}", folder.join("data").display()))
        .args([
            "--storage.segment-bytes=512KiB",
            "--storage.checkpoint-bytes=256KiB",
            // Pushes that never end are waited for no longer than that.
            "--shutdown.timeout=500ms",
        ]);
    let gateway = spawn.start();
    until("the stored groups", || {
        (gateway.send(&get("/-/ready")).status == 200).then_some(())
    });
    gateway
}

fn report(rounds: usize, tallies: &BTreeMap<Fault, Tally>, skipped: &[(Fault, String)], book: &Book) {
    let mut total = Tally::default();
    eprintln!(
        "{:14} {:>9} {:>12} {:>8} {:>10} {:>12} {:>8} {:>12}",
        "", "tried", "acknowledged", "refused", "unanswered", "worst answer", "scrapes", "worst scrape"
    );
    let line = |name: &str, tally: &Tally| {
        eprintln!(
            "{name:14} {:>9} {:>12} {:>8} {:>10} {:>9} ms {:>8} {:>9} ms",
            tally.tried,
            tally.acknowledged,
            tally.refused,
            tally.tried - tally.acknowledged - tally.refused,
            tally.worst.as_millis(),
            tally.scrapes,
            tally.worst_scrape.as_millis()
        );
    };
    for (fault, tally) in tallies {
        line(&format!("{fault:?}"), tally);
        total.add(tally);
    }
    line("all", &total);
    for (fault, obstacle) in skipped {
        eprintln!("{:14} skipped: {obstacle}", format!("{fault:?}"));
    }
    let (lost, wrong) = book.lost_and_wrong();
    eprintln!("{rounds} starts, each checked: {lost} lost, {wrong} wrong");
    assert!(
        total.acknowledged > 0 && total.scrapes > 0,
        "a soak without load shows nothing"
    );
}
