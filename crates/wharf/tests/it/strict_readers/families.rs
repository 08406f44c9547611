//! Random families of all types, in text, protobuf and `OpenMetrics`: with names that have to do with each other, by their suffixes
//! or once they are escaped, and with values that their types should not have.

use std::fmt;
use std::fmt::Write as _;

use wharf_testkit::Random;
use wharf_testkit::protobuf::{Message, delimited, labelled};

use crate::openmetrics_reader::texts;

/// What a push is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Protobuf,
    OpenMetrics,
}

/// A body.
pub(super) struct Pushed {
    pub(super) form: Form,
    pub(super) body: Vec<u8>,
}

impl fmt::Debug for Pushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        if self.form == Form::Protobuf {
            write!(f, "Protobuf {:?}", wharf_testkit::schema::read(&self.body))
        } else {
            write!(f, "{:?}\n{body}", self.form)
        }
    }
}

const NAMES: [&str; 27] = [
    "x",
    "x_total",
    "x_total_total",
    "x_created",
    "x_info",
    "x_info_total",
    "x_bucket",
    "x_count",
    "x_sum",
    "x_gsum",
    "x_gcount",
    "x_total_created",
    "x_created_created",
    "x_created_total",
    "x:y",
    "x.total",
    "x.created",
    "x-count",
    "x.b",
    "x_b",
    "x_b_total",
    "x.b_total",
    "x.b_created",
    "_total",
    "x\"\\\n_total",
    "x y",
    "x é 🦀",
];

const LABELS: [&str; 10] = [
    "a", "a.b", "a_b", "a:b", "x", "x.b", "x_b", "état", "..name..", "l\"\\\n",
];

const LABEL_VALUES: [&str; 5] = ["1", "2", "", "a \"quoted\" \\ one\nof two lines", "# {} 1 é"];

const HELPS: [&str; 6] = [
    "",
    "Some help.",
    " a ",
    "\"quoted\"",
    "back\\slash\\",
    "two\nlines\n",
];

const NUMBERS: [f64; 10] = [
    0.0,
    1.0,
    2.5,
    -1.0,
    -0.0,
    1e300,
    5e-324,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

/// The numbers of the types in protobuf.
const COUNTER: u64 = 0;
const GAUGE: u64 = 1;
const SUMMARY: u64 = 2;
const UNTYPED: u64 = 3;
const HISTOGRAM: u64 = 4;
const GAUGE_HISTOGRAM: u64 = 5;

type Labels = Vec<(&'static str, &'static str)>;

/// Some pushes of some families each.
pub(super) fn pushes(random: &mut Random) -> Vec<Pushed> {
    (0..4 + random.below(6)).map(|_| pushed(random)).collect()
}

fn pushed(random: &mut Random) -> Pushed {
    let form = *random.pick(&[
        Form::Text,
        Form::Protobuf,
        Form::Protobuf,
        Form::Text,
        Form::OpenMetrics,
    ]);
    let body = match form {
        Form::OpenMetrics => texts::right(random).into_bytes(),
        Form::Text => {
            let mut text = String::new();
            for name in names(random) {
                write_text(&mut text, random, name);
            }
            text.into_bytes()
        }
        Form::Protobuf => {
            let names = names(random);
            let families: Vec<_> = names.into_iter().map(|name| message(random, name)).collect();
            delimited(&families)
        }
    };
    Pushed { form, body }
}

/// Names that a body has once each.
fn names(random: &mut Random) -> Vec<&'static str> {
    let first = random.below(NAMES.len());
    let step = 1 + random.below(5);
    (0..=random.below(3))
        .map(|number| NAMES[(first + number * step) % NAMES.len()])
        .collect()
}

/// Label sets that differ.
fn label_sets(random: &mut Random) -> Vec<Labels> {
    let mut sets: Vec<Labels> = Vec::new();
    for _ in 0..=random.below(3) {
        let first = random.below(LABELS.len());
        let names = (0..random.below(3)).map(|number| LABELS[(first + 3 * number) % LABELS.len()]);
        let mut labels: Labels = Vec::new();
        for name in names {
            labels.push((name, *random.pick(&LABEL_VALUES)));
        }
        labels.sort_unstable();
        if !sets.contains(&labels) {
            sets.push(labels);
        }
    }
    sets
}

fn number(random: &mut Random) -> f64 {
    *random.pick(&NUMBERS)
}

fn count(random: &mut Random) -> u64 {
    *random.pick(&[0, 1, 2, 3, 7, u64::MAX])
}

/// Different bounds, not always in order.
fn bounds(random: &mut Random) -> Vec<f64> {
    let all = [-1.0, 0.0, 0.5, 2.0, 1e10, f64::INFINITY];
    let mut bounds: Vec<f64> = all.into_iter().filter(|_| !random.one_in(3)).collect();
    if random.one_in(4) {
        bounds.reverse();
    }
    bounds
}

fn is_legacy(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn quoted(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

fn write_text(text: &mut String, random: &mut Random, name: &str) {
    let is_plain = is_legacy(name) || name == "x:y";
    let shown = |name: &str| if is_plain { name.to_owned() } else { quoted(name) };
    let metric_type = *random.pick(&["counter", "gauge", "untyped", "summary", "histogram"]);
    if random.one_in(2) {
        let help = random.pick(&HELPS).replace('\\', "\\\\").replace('\n', "\\n");
        writeln!(text, "# HELP {} {help}", shown(name)).unwrap();
    }
    writeln!(text, "# TYPE {} {metric_type}", shown(name)).unwrap();
    for labels in label_sets(random) {
        let mut line = |suffix: &str, own: Option<(&str, f64)>, value: f64| {
            let name = format!("{name}{suffix}");
            let mut parts: Vec<String> = if is_plain { Vec::new() } else { vec![quoted(&name)] };
            parts.extend(labels.iter().map(|(name, value)| {
                let name = if is_legacy(name) {
                    (*name).to_owned()
                } else {
                    quoted(name)
                };
                format!("{name}={}", quoted(value))
            }));
            parts.extend(own.map(|(name, bound)| format!("{name}=\"{}\"", shown_number(bound))));
            let name = if is_plain { name } else { String::new() };
            writeln!(text, "{name}{{{}}} {}", parts.join(","), shown_number(value)).unwrap();
        };
        match metric_type {
            "summary" => {
                for rank in [0.5, 0.9, 1.0] {
                    if !random.one_in(3) {
                        line("", Some(("quantile", rank)), number(random));
                    }
                }
                line("_sum", None, number(random));
                if !random.one_in(4) {
                    line("_count", None, *random.pick(&[0.0, 3.0]));
                }
            }
            "histogram" => {
                for bound in bounds(random) {
                    let value = *random.pick(&[0.0, 1.0, 3.0, 5.0, 0.5, f64::NAN]);
                    line("_bucket", Some(("le", bound)), value);
                }
                line("_sum", None, number(random));
                if !random.one_in(4) {
                    line("_count", None, *random.pick(&[0.0, 3.0, 5.0, 2.5]));
                }
            }
            _ => line("", None, number(random)),
        }
    }
}

fn shown_number(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    format!("{number:?}")
}

fn timestamp(random: &mut Random) -> Message {
    let seconds = *random.pick(&[0, 1_600_000_000, u64::MAX, i64::MAX.cast_unsigned()]);
    Message::new()
        .varint(1, seconds)
        .varint(2, *random.pick(&[0, 5, 999_999_999]))
}

fn exemplar(random: &mut Random) -> Message {
    let value = if random.one_in(4) {
        "t".repeat(200)
    } else {
        "abc".to_owned()
    };
    // Python's reader does not undo what is escaped in the name of an exemplar's label.
    let name = LABELS[random.below(LABELS.len() - 1)];
    let label = Message::new().bytes(1, name).bytes(2, value);
    let exemplar = Message::new().message(1, &label).double(2, number(random));
    if random.one_in(2) {
        exemplar
    } else {
        exemplar.message(3, &timestamp(random))
    }
}

/// Appends a message now and then.
fn sometimes(message: Message, random: &mut Random, field: u32, make: fn(&mut Random) -> Message) -> Message {
    if random.one_in(3) {
        let part = make(random);
        message.message(field, &part)
    } else {
        message
    }
}

fn message(random: &mut Random, name: &str) -> Message {
    let metric_type = *random.pick(&[
        COUNTER,
        GAUGE,
        SUMMARY,
        UNTYPED,
        HISTOGRAM,
        HISTOGRAM,
        GAUGE_HISTOGRAM,
    ]);
    let mut family = Message::new().bytes(1, name).varint(3, metric_type);
    if random.one_in(2) {
        family = family.bytes(2, random.pick(&HELPS));
    }
    if random.one_in(3) {
        family = family.bytes(5, random.pick(&["", "b", "total", "seconds"]));
    }
    for labels in label_sets(random) {
        let metric = labelled(&labels);
        let metric = match metric_type {
            COUNTER => {
                let counter = Message::new().double(1, number(random));
                let counter = sometimes(counter, random, 2, exemplar);
                metric.message(3, &sometimes(counter, random, 3, timestamp))
            }
            SUMMARY => metric.message(4, &summary(random)),
            HISTOGRAM | GAUGE_HISTOGRAM => metric.message(7, &histogram(random)),
            UNTYPED => metric.message(5, &Message::new().double(1, number(random))),
            _ => metric.message(2, &Message::new().double(1, number(random))),
        };
        family = family.message(4, &metric);
    }
    family
}

fn summary(random: &mut Random) -> Message {
    let mut summary = Message::new().varint(1, count(random)).double(2, number(random));
    // Text shows what was pushed, also a quantile that stands twice.
    for rank in [0.5, 0.9, 2.0, f64::NAN, -1.0] {
        if random.one_in(3) {
            summary = summary.message(3, &Message::new().double(1, rank).double(2, number(random)));
        }
    }
    sometimes(summary, random, 4, timestamp)
}

fn histogram(random: &mut Random) -> Message {
    let is_float = random.one_in(4);
    let mut histogram = Message::new().double(2, number(random));
    histogram = if is_float {
        histogram.double(4, *random.pick(&[0.0, 2.5, 5.0]))
    } else {
        histogram.varint(1, count(random))
    };
    for bound in bounds(random) {
        let bucket = Message::new().double(2, bound);
        let bucket = if is_float {
            bucket.double(4, 1.5)
        } else {
            bucket.varint(1, count(random))
        };
        histogram = histogram.message(3, &sometimes(bucket, random, 3, exemplar));
    }
    if random.one_in(3) {
        histogram = native(histogram, random);
    }
    sometimes(histogram, random, 15, timestamp)
}

/// The parts of a native histogram, whose count is three. The count that stands before does not count then.
fn native(histogram: Message, random: &mut Random) -> Message {
    let span = Message::new().sint(1, 1).varint(2, 2);
    let histogram = histogram
        .varint(1, 3)
        .sint(5, *random.pick(&[0, 3, -4, 8]))
        .double(6, 0.001)
        .varint(7, 0)
        .message(12, &span)
        .sint(13, 1)
        .sint(13, 1);
    sometimes(histogram, random, 16, exemplar)
}
