use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wharf_exposition::text;
use wharf_ledger::{Ledger, Options, RealDisk};
use wharf_model::GroupingKey;
use wharf_model::name::NameRule;
use wharf_store::{PushMode, Reserved, UnixNanos};

use super::*;
use crate::logging::captured;
use crate::logging::settings::{Log, LogFormat, LogLevel};

/// How long an attempt takes: the clock of these tests goes on by it each time that somebody looks at it.
const ATTEMPT: Duration = Duration::from_secs(1);

fn clock() -> impl Fn() -> Instant {
    let now = Cell::new(Instant::now());
    move || now.replace(now.get() + ATTEMPT)
}

/// A store whose log is in this folder, and long enough for a checkpoint.
fn store_with_a_long_log(folder: &Path) -> Arc<Store> {
    let store = Arc::new(Store::new(Reserved::new(&[]), 1 << 20));
    let disk = Arc::new(RealDisk::new(folder).unwrap());
    let (ledger, recovery) = Ledger::open(disk, Options::default(), &mut |_| Ok(())).unwrap();
    store.attach(ledger, recovery.last, true);
    let key = GroupingKey::new([("job", "a")]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for n in 0..10 {
        let body = format!("m{{pad=\"{}\"}} {n}\n", "x".repeat(1000));
        let options = text::Options {
            names: NameRule::Legacy,
            strict: false,
        };
        let exposition = text::decode(body.as_bytes(), options).unwrap();
        let pushed = store.push(&key, PushMode::ReplaceGroup, &exposition, UnixNanos(n));
        runtime.block_on(pushed.unwrap().wait()).unwrap();
    }
    store
}

fn debug() -> Log {
    Log {
        level: LogLevel::Debug,
        format: LogFormat::Logfmt,
    }
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_an_error_once_and_tried_again_after_ever_the_same_pause() {
    let parent = tempfile::tempdir().unwrap();
    let (here, elsewhere) = (parent.path().join("data"), parent.path().join("moved"));
    let store = store_with_a_long_log(&here);
    // The files that are open stay what they are; new ones cannot be made.
    fs::rename(&here, &elsewhere).unwrap();
    let mut upkeep = Upkeep::new(4096, clock());
    let log = captured(debug(), || {
        // Of ten turns one tries, and nine find that it is too early.
        for _ in 0..30 {
            upkeep.turn(&store);
        }
    });
    let times = |words| log.matches(words).count();
    assert_eq!(times("cannot write a checkpoint"), 1, "{log}");
    assert_eq!(times("the disk still fails"), 2, "{log}");
    assert_eq!(log.lines().count(), 3, "{log}");

    fs::rename(&elsewhere, &here).unwrap();
    let log = captured(debug(), || {
        for _ in 0..10 {
            upkeep.turn(&store);
        }
    });
    assert_eq!(log.matches("checkpoint written").count(), 1, "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");

    // It is worth an error again, after it has worked.
    let store = store_with_a_long_log(&parent.path().join("second"));
    fs::rename(parent.path().join("second"), parent.path().join("gone")).unwrap();
    let log = captured(debug(), || upkeep.turn(&store));
    assert_eq!(log.matches("cannot write a checkpoint").count(), 1, "{log}");
}
