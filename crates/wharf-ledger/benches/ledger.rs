//! How many records a second become durable, and how fast they are replayed, on the disk of the temporary folder.
//!
//! `cargo bench -p wharf-ledger [-- <part of a name>]`. Each question runs for about two seconds, after one that
//! gives the helper time to have a segment ready.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark that cannot go on fails, and prints rounded figures"
)]

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use wharf_ledger::{Ledger, Options, RealDisk};

const MEASURED: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_secs(1);

fn main() {
    let filter = env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .unwrap_or_default();
    for (bytes, size) in [(1_200, "1.2KB"), (11_000, "11KB"), (1 << 20, "1MB")] {
        for writers in [1, 32, 256] {
            let name = format!("ledger/append/{writers}x{size}");
            if name.contains(&filter) {
                append(&name, writers, bytes);
            }
        }
    }
    if "ledger/replay".contains(&filter) {
        replay();
    }
    if "ledger/overwrite".contains(&filter) {
        overwrite();
    }
}

fn open(disk: &Arc<RealDisk>, bytes: &mut usize) -> Ledger {
    let disk = Arc::clone(disk);
    let (ledger, _) = Ledger::open(disk, Options::default(), &mut |found| {
        *bytes += found.record.len();
        Ok(())
    })
    .unwrap();
    ledger
}

fn append(name: &str, writers: usize, bytes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::new(folder.path().join("ledger")).unwrap());
    let ledger = open(&disk, &mut 0);
    let record = vec![b'x'; bytes];
    let records = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let (mut latencies, elapsed, counted, commits) = thread::scope(|scope| {
        let work = || {
            let mut latencies = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let Ok((_, ticket)) = ledger.append(&record) else {
                    thread::yield_now();
                    continue;
                };
                ticket.wait().unwrap();
                records.fetch_add(1, Ordering::Relaxed);
                latencies.push(begun.elapsed());
            }
            latencies
        };
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(work)).collect();
        // Checkpoints let the segments be used again, as in real use.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
                if ledger.log_bytes() > 256 << 20 {
                    ledger
                        .checkpoint(ledger.durable(), &mut std::iter::once(vec![0; 1 << 20]))
                        .unwrap();
                }
            }
        });
        thread::sleep(WARM_UP);
        let (begun, before, commits) = (
            Instant::now(),
            records.load(Ordering::Relaxed),
            ledger.statistics().commits,
        );
        thread::sleep(MEASURED);
        let (elapsed, counted) = (begun.elapsed(), records.load(Ordering::Relaxed) - before);
        let commits = ledger.statistics().commits - commits;
        done.store(true, Ordering::Relaxed);
        let latencies: Vec<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        (latencies, elapsed, counted, commits)
    });
    latencies.sort_unstable();
    let quantile = |part: usize| {
        latencies
            .get(latencies.len() * part / 1000)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{name}: {:.0} records/s, {:.1} MB/s, {commits} commits, p50 {:.2?}, p99 {:.2?}, max {:.2?}",
        counted as f64 / elapsed.as_secs_f64(),
        counted as f64 * bytes as f64 / elapsed.as_secs_f64() / 1e6,
        quantile(500),
        quantile(990),
        latencies.last().copied().unwrap_or_default(),
    );
}

fn replay() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::new(folder.path().join("ledger")).unwrap());
    let ledger = open(&disk, &mut 0);
    let record = vec![b'x'; 5_000];
    let mut written = 0;
    while written < 512 << 20 {
        let tickets: Vec<_> = (0..1_000).map(|_| ledger.append(&record).unwrap().1).collect();
        written += tickets.len() * record.len();
        for ticket in tickets {
            ticket.wait().unwrap();
        }
    }
    ledger.close().unwrap();
    let begun = Instant::now();
    let mut read = 0;
    open(&disk, &mut read).close().unwrap();
    assert_eq!(read, written);
    println!(
        "ledger/replay: {:.0} MB/s of 5 KB records",
        read as f64 / begun.elapsed().as_secs_f64() / 1e6
    );
}

/// Twenty thousand keys of 11 KB are overwritten ten times in turn, with a checkpoint whenever the log is as long
/// as the state: how much more is written than was appended, and how much room that takes.
fn overwrite() {
    const KEYS: usize = 20_000;
    const BYTES: usize = 11_000;
    const LIVE: u64 = (KEYS * BYTES) as u64;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let disk = Arc::new(RealDisk::new(&path).unwrap());
    let ledger = open(&disk, &mut 0);
    let record = vec![b'x'; BYTES];
    let size = || -> u64 {
        let files = std::fs::read_dir(&path).unwrap();
        // A file may go between being listed and being looked at.
        files
            .filter_map(|file| file.ok()?.metadata().ok())
            .map(|file| file.len())
            .sum()
    };
    let done = AtomicBool::new(false);
    let most = AtomicU64::new(0);
    let before = written_bytes();
    let begun = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(size(), Ordering::Relaxed);
                if ledger.log_bytes() > LIVE {
                    let mut state = (0..KEYS).map(|_| record.clone());
                    ledger.checkpoint(ledger.durable(), &mut state).unwrap();
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        for _ in 0..10 * KEYS / 64 {
            let tickets: Vec<_> = (0..64).map(|_| ledger.append(&record).unwrap().1).collect();
            for ticket in tickets {
                ticket.wait().unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let statistics = ledger.statistics();
    let appended = statistics.records as f64 * BYTES as f64;
    let written = (written_bytes() - before) as f64;
    println!(
        "ledger/overwrite: {:.0} records/s, {:.2} bytes written for each appended, {} checkpoints, at most {:.2} times \
         the state on disk",
        statistics.records as f64 / begun.elapsed().as_secs_f64(),
        written / appended,
        statistics.checkpoints,
        most.load(Ordering::Relaxed) as f64 / LIVE as f64,
    );
}

/// Bytes that this process has given to disks, whatever for: segments filled in advance are among them, which the ledger
/// does not count.
fn written_bytes() -> u64 {
    let counts = std::fs::read_to_string("/proc/self/io").unwrap();
    let bytes = counts.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    bytes.unwrap().parse().unwrap()
}
