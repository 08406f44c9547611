//! What names say: help, type, suffixes, units, spelling.
//!
//! The lists of units and abbreviations are those of the linter in Prometheus' Go client, which `promtool` uses.

use wharf_model::MetricType;

use super::document::{Document, Family, Syntax};
use super::notes::Notes;
use super::rule::Rule;

/// Units with the base unit that should stand in their place.
const UNITS: [(&str, &str); 24] = [
    ("amperes", "amperes"),
    ("bytes", "bytes"),
    ("celsius", "celsius"),
    ("grams", "grams"),
    ("joules", "joules"),
    ("kelvin", "kelvin"),
    ("meters", "meters"),
    ("metres", "metres"),
    ("seconds", "seconds"),
    ("volts", "volts"),
    ("minutes", "seconds"),
    ("hours", "seconds"),
    ("days", "seconds"),
    ("weeks", "seconds"),
    ("kelvins", "kelvin"),
    ("fahrenheit", "celsius"),
    ("rankine", "celsius"),
    ("inches", "meters"),
    ("yards", "meters"),
    ("miles", "meters"),
    ("bits", "bytes"),
    ("calories", "joules"),
    ("pounds", "grams"),
    ("ounces", "grams"),
];

const UNIT_PREFIXES: [&str; 19] = [
    "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega", "mebi",
    "mibi", "giga", "gibi", "tera", "tebi", "peta", "pebi",
];

const ABBREVIATIONS: [(&str, &str); 14] = [
    ("s", "seconds"),
    ("ms", "seconds"),
    ("us", "seconds"),
    ("ns", "seconds"),
    ("sec", "seconds"),
    ("b", "bytes"),
    ("kb", "bytes"),
    ("mb", "bytes"),
    ("gb", "bytes"),
    ("tb", "bytes"),
    ("pb", "bytes"),
    ("m", "seconds or meters"),
    ("h", "seconds"),
    ("d", "seconds"),
];

/// Names that a gateway gives to its own families, in the group of every push.
pub(crate) const GATEWAY_NAMES: [&str; 2] = ["push_time_seconds", "push_failure_time_seconds"];

pub(super) fn check(document: &Document<'_>, notes: &mut Notes) {
    for family in document.families() {
        let mut note = |rule, message: String, hint: String| {
            notes.add(rule, family.offset, &family.name, message, hint);
        };
        metadata(family, document.syntax, &mut note);
        suffix(family, &mut note);
        words(family, document.syntax, &mut note);
        spelling(family, &mut note);
        labels(family, notes);
    }
}

fn metadata(family: &Family<'_>, syntax: Syntax, note: &mut impl FnMut(Rule, String, String)) {
    let name = &family.name;
    if !family.has_help {
        let (expected, hint) = match syntax {
            Syntax::Protobuf => (
                "a help text",
                "say what it measures in the field `help`".to_owned(),
            ),
            _ => (
                "a HELP line",
                format!("say what it measures: `# HELP {} ...`", family.metadata),
            ),
        };
        note(
            Rule::MissingHelp,
            format!("expected {expected}, found none"),
            hint,
        );
    }
    if family.declared.is_none() {
        let (guess, name) = match name.strip_suffix("_total") {
            Some(bare) if syntax == Syntax::OpenMetrics => ("counter", bare),
            Some(_) => ("counter", &**name),
            None => ("gauge", &**name),
        };
        let hint = format!("before the first sample: `# TYPE {name} {guess}`, if it is one");
        note(
            Rule::MissingType,
            "expected a TYPE line, found none".to_owned(),
            hint,
        );
    }
    if GATEWAY_NAMES.contains(&&**name) {
        let message = format!("expected another name, found `{name}`, which the gateway sets itself");
        note(Rule::GatewayName, message, "choose another name".to_owned());
    }
}

fn suffix(family: &Family<'_>, note: &mut impl FnMut(Rule, String, String)) {
    let name = &family.name;
    let kind = family.metric_type();
    if kind == MetricType::Counter && !name.ends_with("_total") {
        let message = format!("expected the name of a counter to end in `_total`, found `{name}`");
        note(
            Rule::CounterTotal,
            message,
            format!("call it `{name}_total`, or let it be a gauge if it can fall"),
        );
    }
    if kind == MetricType::Untyped {
        return;
    }
    let is_histogram = matches!(kind, MetricType::Histogram | MetricType::GaugeHistogram);
    let has_sum = is_histogram || kind == MetricType::Summary;
    let reserved = [
        ("_total", kind == MetricType::Counter, "counters"),
        ("_bucket", is_histogram, "histograms"),
        ("_count", has_sum, "histograms and summaries"),
        ("_sum", has_sum, "histograms and summaries"),
    ];
    for (suffix, _, owners) in reserved
        .iter()
        .filter(|(suffix, owns, _)| !owns && name.ends_with(suffix))
    {
        let message = format!(
            "expected `{suffix}` on {owners} only, found it on a {}",
            kind.as_text()
        );
        note(
            Rule::ReservedSuffix,
            message,
            "choose another name, or another type".to_owned(),
        );
    }
}

fn words(family: &Family<'_>, syntax: Syntax, note: &mut impl FnMut(Rule, String, String)) {
    let name = &*family.name;
    if let Some((unit, base)) = name.split('_').find_map(|word| Some((word, base_unit(word)?)))
        && unit != base
    {
        let hint = format!("convert the value; the name gets `{base}` instead of `{unit}`");
        note(
            Rule::BaseUnit,
            format!("expected the base unit `{base}`, found `{unit}`"),
            hint,
        );
    }
    let lower = name.to_lowercase();
    for (word, base) in ABBREVIATIONS {
        if has_word(&lower, word) {
            let hint = format!("write the base unit out: {base}");
            note(
                Rule::UnitAbbreviation,
                format!("expected a unit in full, found `{word}`"),
                hint,
            );
        }
    }
    let kind = family.metric_type();
    let word = match kind {
        MetricType::GaugeHistogram => "gauge_histogram",
        _ => kind.as_text(),
    };
    if kind != MetricType::Untyped && has_word(&lower, word) {
        let message = format!("expected a name without its type, found `{word}` in `{name}`");
        let hint = match syntax {
            Syntax::Protobuf => "the type of the family says it already",
            _ => "the TYPE line says it already",
        };
        note(Rule::TypeInName, message, hint.to_owned());
    }
}

fn base_unit(word: &str) -> Option<&'static str> {
    let known = |word: &str| {
        let unit = UNITS.iter().find(|(unit, _)| *unit == word);
        unit.map(|(_, base)| *base)
    };
    let prefixed = || {
        UNIT_PREFIXES
            .iter()
            .find_map(|prefix| known(word.strip_prefix(prefix)?))
    };
    known(word).or_else(prefixed)
}

/// Whether `word` stands between underscores, or at the end behind one.
fn has_word(name: &str, word: &str) -> bool {
    let mut parts = name.match_indices(word);
    parts.any(|(at, _)| {
        let before = name.get(..at).unwrap_or_default();
        let behind = name.get(at + word.len()..).unwrap_or_default();
        before.ends_with('_') && (behind.is_empty() || behind.starts_with('_'))
    })
}

fn spelling(family: &Family<'_>, note: &mut impl FnMut(Rule, String, String)) {
    let name = &*family.metadata;
    if name.contains(':') {
        let message = format!("expected a name without `:`, found `{name}`");
        note(
            Rule::Colon,
            message,
            "colons are for the recording rules of Prometheus".to_owned(),
        );
    }
    if is_camel_case(name) {
        let message = format!("expected a name in `snake_case`, found `{name}`");
        note(
            Rule::CamelCase,
            message,
            format!("call it `{}`", snake_case(name)),
        );
    }
}

fn labels(family: &Family<'_>, notes: &mut Notes) {
    let camel = family.samples.iter().flat_map(|sample| &sample.labels);
    let camel = camel.filter(|label| is_camel_case(&label.name));
    notes.add_first(
        Rule::CamelCase,
        &family.name,
        camel.map(|label| (label.offset, &label.name)),
        |name| {
            let message = format!("expected a label name in `snake_case`, found `{name}`");
            (message, format!("call it `{}`", snake_case(name)))
        },
    );
}

fn is_camel_case(name: &str) -> bool {
    let pairs = name.as_bytes().windows(2);
    pairs
        .into_iter()
        .any(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()))
}

fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for c in name.chars() {
        if after_lower && c.is_ascii_uppercase() {
            out.push('_');
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        out.push(c.to_ascii_lowercase());
    }
    out
}
