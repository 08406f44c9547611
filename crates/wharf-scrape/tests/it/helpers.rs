use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use wharf_model::Exposition;
use wharf_scrape::{Compression, Help, Wanted, render, render_with_help};
use wharf_store::Store;

use crate::{PLAIN, decoded, inflated, joined, put, store};

const GZIP: Wanted = Wanted {
    compression: Compression::Gzip,
    ..PLAIN
};

/// A store of which nothing is compressed, with many leaves.
fn filled() -> Store {
    let store = store();
    for job in 0..60 {
        let mut body = String::new();
        for line in 0..300 {
            writeln!(body, "metric_{}{{line=\"{line}\"}} {job}", line % 3).unwrap();
        }
        put(&store, &format!("job-{job:02}"), &decoded(&body));
    }
    store
}

/// The body of a store that nobody helps with.
fn alone() -> Vec<u8> {
    joined(&render(&Exposition::default(), &filled().snapshot(), GZIP))
}

fn helped(call: &(dyn Fn(Help) + Sync)) -> (Vec<u8>, u64) {
    let rendered = render_with_help(&Exposition::default(), &filled().snapshot(), GZIP, call);
    (joined(&rendered), rendered.recompressed)
}

/// Whether there is a second processor: nobody is called to help on the only one.
fn has_processors() -> bool {
    thread::available_parallelism().is_ok_and(|count| count.get() > 1)
}

#[test]
fn the_body_is_the_same_whenever_the_help_comes() {
    let alone = alone();
    let leaves = |compressed: u64, helped: u64| {
        let all = render(&Exposition::default(), &filled().snapshot(), GZIP).recompressed;
        assert_eq!(compressed + helped, all);
    };
    // Never.
    let (body, compressed) = helped(&drop);
    assert!(body == alone);
    leaves(compressed, 0);
    // Before the scrape goes on: it finds everything done.
    let by_helpers = AtomicU64::new(0);
    let (body, compressed) = helped(&|help| {
        by_helpers.fetch_add(help(), Ordering::Relaxed);
    });
    assert!(body == alone);
    let by_helpers = by_helpers.into_inner();
    leaves(compressed, by_helpers);
    assert_eq!(by_helpers > 0, has_processors());
    // When it is over: there is nothing left to do.
    let late = Mutex::new(Vec::new());
    let (body, compressed) = helped(&|help| late.lock().unwrap().push(help));
    assert!(body == alone);
    let late = late.into_inner().unwrap();
    leaves(compressed, late.into_iter().map(|help| help()).sum());
}

#[test]
fn the_body_is_the_same_when_helpers_work_beside_the_scrape() {
    let alone = alone();
    for _ in 0..10 {
        let threads = Mutex::new(Vec::new());
        let (body, _) = helped(&|help| threads.lock().unwrap().push(thread::spawn(help)));
        assert!(body == alone);
        for thread in threads.into_inner().unwrap() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn nobody_is_called_where_there_is_little_to_compress() {
    let store = store();
    put(&store, "a", &decoded("a 1\nb 2\n"));
    let never = |_: Help| unreachable!("somebody was called");
    let snapshot = store.snapshot();
    let rendered = render_with_help(&Exposition::default(), &snapshot, GZIP, &never);
    let text = inflated(&rendered, Compression::Gzip);
    assert!(text.starts_with(b"# TYPE a untyped\na{instance=\"\",job=\"a\"} 1\n"));
    // A scrape that compresses nothing needs no help either.
    render_with_help(&Exposition::default(), &filled().snapshot(), PLAIN, &never);
}
