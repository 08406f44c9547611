//! What decoders allocate, held against what they have asked a meter for.
//!
//! An allocator that counts is one for the whole process, so these tests have a process of their own, and run one at a
//! time.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

use peak_alloc::PeakAlloc;
use wharf_exposition::{Foreign, openmetrics, protobuf, text};
use wharf_model::name::NameRule;
use wharf_model::{Denied, Exposition, Lender, Meter};
use wharf_testkit::hostile::{self, Format, Shape};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What nobody asks for: errors, and strings of small bodies.
const SLACK: usize = 64 << 10;
const BODY_BYTES: usize = 1 << 20;
/// Shapes that take next to nothing: what has been replaced is gone.
const LIGHT: [&str; 2] = ["points of one series", "one family again and again"];

/// Lends what is asked for, and counts.
#[derive(Default)]
struct Counting(Cell<usize>);

impl Lender for Counting {
    fn lend(&self, bytes: usize) -> Result<usize, Denied> {
        self.0.set(self.0.get() + bytes);
        Ok(bytes)
    }
}

fn decode<'t>(format: Format, body: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, Option<Denied>> {
    let names = NameRule::Utf8;
    match format {
        Format::Text => {
            let options = text::Options { names, strict: false };
            text::decode_within(body, options, memory).map_err(|error| error.denied())
        }
        Format::OpenMetrics => {
            let options = openmetrics::Options { names };
            openmetrics::decode_within(body, options, memory).map_err(|error| error.denied())
        }
        Format::Protobuf => protobuf::decode_within(body, memory).map_err(|error| error.denied()),
    }
}

/// What `work` comes to, how many bytes it had allocated at most, and how many it has left allocated.
fn counted<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let done = work();
    let peak = ALLOCATOR.peak_usage().saturating_sub(before);
    (done, peak, ALLOCATOR.current_usage().saturating_sub(before))
}

fn each(check: impl Fn(Shape)) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    hostile::shapes().into_iter().for_each(check);
}

#[test]
fn whatever_is_decoded_takes_no_more_than_was_asked_for() {
    each(|Shape { name, format, body }| {
        let body = body(BODY_BYTES);
        let lender = Counting::default();
        let memory = Meter::of_lender(&lender, 0);
        let (decoded, peak, left) = counted(|| decode(format, &body, &memory));
        let asked = lender.0.get();
        assert!(
            peak <= asked + SLACK,
            "{format:?}, {name}: asked for {asked}, allocated {peak}"
        );
        if decoded.is_ok() {
            let taken = memory.taken();
            assert!(
                taken.abs_diff(left) <= SLACK,
                "{format:?}, {name}: took {taken}, has {left}"
            );
        }
    });
}

#[test]
fn whatever_takes_too_much_is_refused_before_it_is_there() {
    each(|Shape { name, format, body }| {
        let limit_bytes = BODY_BYTES / 2;
        let body = body(BODY_BYTES);
        let (decoded, peak, _) = counted(|| decode(format, &body, &Meter::up_to(limit_bytes)).map(drop));
        let refused = Err(Some(Denied::Own { limit_bytes }));
        let expected = if LIGHT.contains(&name) { Ok(()) } else { refused };
        assert_eq!(decoded, expected, "{format:?}, {name}");
        assert!(
            peak <= limit_bytes + SLACK,
            "{format:?}, {name}: allocated {peak}"
        );
    });
}

/// A refusal says so, and a body may be one line.
#[test]
fn to_find_out_what_a_long_line_is_takes_no_memory() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let line = format!("cpu,host=a usage={}", "1".repeat(BODY_BYTES));
    let (found, peak, _) = counted(|| Foreign::of_line(line.as_bytes()));
    assert_eq!(found, None);
    assert!(peak < SLACK, "{peak}");
}
