//! The fuzz targets of `fuzz/fuzz_targets`, for a moment each: all seeds, and what comes of them by chance.
//!
//! A fuzzer (`cargo xtask fuzz`) finds its way by what it sees of the code; this does not, and needs nothing installed.
//! `WHARF_SEED` repeats what a failing test names.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use wharf_model::Meter;
use wharf_testkit::{Random, peers};

// For the targets, this is the fuzzer and what they share.
extern crate self as libfuzzer_sys;
extern crate self as wharf_fuzz;

#[path = "../../../../fuzz/src/lib.rs"]
mod shared;

pub use shared::{DECODING, EXPANDING, choice, folder, within_memory};

/// How long each target runs, and how often at most for each seed.
const TIME: Duration = Duration::from_secs(1);
const CHANGED: usize = 500;

#[path = "../../../../fuzz/fuzz_targets"]
#[expect(
    unused_attributes,
    clippy::format_collect,
    reason = "a program of the fuzzer has no main function, and little to be quick about"
)]
mod targets {
    pub(crate) mod body_expand;
    pub(crate) mod config_read;
    pub(crate) mod history_read;
    pub(crate) mod ledger_open;
    pub(crate) mod lint_check;
    pub(crate) mod openmetrics_decode;
    pub(crate) mod path_parse;
    pub(crate) mod protobuf_decode;
    pub(crate) mod query_parse;
    pub(crate) mod record_decode;
    pub(crate) mod relabel;
    pub(crate) mod request_targets;
    pub(crate) mod selector_parse;
    pub(crate) mod state_import;
    pub(crate) mod statsd_lines;
    pub(crate) mod statsd_mapping;
    pub(crate) mod stencil_push;
    pub(crate) mod text_decode;
    pub(crate) mod web_config_read;
}

// Behind the targets, which have to import it.
/// What the fuzzer makes a program of is a function here.
#[macro_export]
macro_rules! fuzz_target {
    (|$input:ident: &[u8]| $body:block) => {
        pub(crate) fn run($input: &[u8]) {
            $body
        }
    };
    (|$input:ident: &str| $body:block) => {
        pub(crate) fn run(input: &[u8]) {
            if let Ok($input) = std::str::from_utf8(input) {
                $body
            }
        }
    };
}

macro_rules! tests {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                fuzz(stringify!($target), targets::$target::run);
            }
        )*

        #[test]
        fn no_target_is_forgotten() {
            let mut files: Vec<String> = files("fuzz_targets").into_iter().map(|(name, _)| name).collect();
            files.sort();
            assert_eq!(files, [$(concat!(stringify!($target), ".rs")),*]);
        }
    };
}

tests! {
    body_expand
    config_read
    history_read
    ledger_open
    lint_check
    openmetrics_decode
    path_parse
    protobuf_decode
    query_parse
    record_decode
    relabel
    request_targets
    selector_parse
    state_import
    statsd_lines
    statsd_mapping
    stencil_push
    text_decode
    web_config_read
}

/// Targets that count what is allocated in the whole process, which others may not do meanwhile.
const COUNTING: [&str; 4] = [
    "body_expand",
    "openmetrics_decode",
    "protobuf_decode",
    "text_decode",
];

static ALLOCATING: RwLock<()> = RwLock::new(());

fn fuzz(target: &str, run: fn(&[u8])) {
    let seeds: Vec<Vec<u8>> = files(&format!("seeds/{target}"))
        .into_iter()
        .map(|(_, seed)| seed)
        .collect();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    let number = peers::number_from_environment("WHARF_SEED");
    let number = number.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let mut random = Random::new(number);
    let end = Instant::now() + TIME;
    let changed = std::iter::repeat_with(|| change(&seeds, &mut random)).take(CHANGED * seeds.len());
    let inputs = seeds.iter().cloned().chain(changed);
    for (index, input) in inputs.enumerate() {
        if index >= seeds.len() && Instant::now() > end {
            break;
        }
        let is_counting = COUNTING.contains(&target);
        let alone = is_counting.then(|| ALLOCATING.write().unwrap_or_else(PoisonError::into_inner));
        let together = (!is_counting).then(|| ALLOCATING.read().unwrap_or_else(PoisonError::into_inner));
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&input)));
        drop((alone, together));
        assert!(
            outcome.is_ok(),
            "{target} fails, WHARF_SEED={number}, with b\"{}\"",
            input.escape_ascii()
        );
    }
}

#[test]
fn what_takes_memory_without_asking_is_found() {
    let _alone = ALLOCATING.write().unwrap_or_else(PoisonError::into_inner);
    let decode = |times: usize, asks: bool| {
        let body = [b'x'; 1000];
        let decode = |memory: &Meter<'_>| {
            let asked = memory.take(if asks { times * body.len() } else { 0 });
            asked.map(|()| body.repeat(times)).unwrap_or_default().len()
        };
        catch_unwind(|| within_memory(body.len(), DECODING, decode)).is_ok()
    };
    assert!(decode(10, false) && decode(100, true));
    assert!(!decode(100, false));
}

/// A seed with some changes.
fn change(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(seeds).clone();
    for _ in 0..=random.below(4) {
        let start = random.below(input.len() + 1);
        let end = start + random.below((input.len() - start).min(32) + 1);
        let other = random.pick(seeds);
        let new = match random.below(5) {
            // Something goes, something comes twice or very often, or in another place, or from another seed.
            0 => Vec::new(),
            1 => input[start..end].repeat(if random.below(4) == 0 { 300 } else { 2 }),
            2 => {
                let from = random.below(other.len() + 1);
                let to = from + random.below((other.len() - from).min(64) + 1);
                other[from..to].to_vec()
            }
            3 => vec![u8::try_from(random.below(256)).unwrap()],
            _ => {
                let odd: &[&[u8]] = &[
                    b"\0",
                    b"\xff",
                    b"\xff\xff\xff\xff",
                    b"\n",
                    b" ",
                    b"\"",
                    b"\\",
                    b"{",
                    b"NaN",
                    b"-0",
                    b"1e999",
                    "\u{2028}".as_bytes(),
                ];
                random.pick(odd).to_vec()
            }
        };
        input.splice(start..end, new);
    }
    input
}

/// The files of a folder of `fuzz`: names and contents, by name.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz")
        .join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}
