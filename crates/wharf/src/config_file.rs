//! The configuration file: rules about groups, about who may do what with them, who is told of those that are missed, where traces go, and where replicas have their groups, in YAML.
//!
//! ```yaml
//! expiry:
//!   - match: '{job=~"ci-.*"}'
//!     ttl: 2h
//!     keep_times: true
//! quotas:
//!   - match: '{team="web"}'
//!     series: 100000
//!     pushes_per_second: 20
//! aggregate:
//!   - match: '{job=~"fn-.*"}'
//!     gauge: max
//! runs:
//!   - match: '{job=~"nightly-.*"}'
//! expect:
//!   - match: '{job="backup"}'
//!     schedule: 0 3 * * *
//!     grace: 1h
//! relabel_configs:
//!   - action: labeldrop
//!     regex: pod_.*
//! access:
//!   anonymous:
//!     read: '{}'
//! alerting:
//!   alertmanagers:
//!     - static_configs: [{targets: [alertmanager:9093]}]
//! tracing:
//!   client_type: http
//!   endpoint: localhost:4318
//! etcd:
//!   endpoints: [http://10.0.0.1:2379]
//! ```
//!
//! `docs/configuration.md` explains every key, and `docs/config.schema.json` says the same to editors. A key that
//! is not known is a mistake, so that a rule with a misspelt one cannot do less than it says.

mod access;
mod alerting;
pub(crate) mod etcd;
mod expected;
mod receiver;
mod source;
mod tracing;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_saphyr::{Location, Spanned};
use wharf_gateway::{AggregationRule, ExpiryRule, Lifespan, Policy, QuotaRule, Rate};
use wharf_model::name::NameRule;
use wharf_model::{Selector, duration};
use wharf_relabel::{Rule, RuleSource};
use wharf_settings::ByteSize;
use wharf_store::{Aggregation, Bounds, Gauges};

use self::source::{Aggregate, Document, Expiry, Quota, Relabelling, Runs, SelectorText, Text, Unknown};

/// A file larger than this is none that a person has written.
const MAX_BYTES: u64 = 4 << 20;

/// Why a file is no configuration: every mistake that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    file: String,
    mistakes: Vec<Mistake>,
}

/// One mistake, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mistake {
    /// Line and column, from 1 on; none if it is not one place.
    at: Option<(u64, u64)>,
    text: String,
}

/// One line a mistake, and the lines of its hint below it.
impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let between = if index == 0 { "" } else { "\n" };
            write!(f, "{between}{}: ", self.file)?;
            if let Some((line, column)) = mistake.at {
                write!(f, "line {line}, column {column}: ")?;
            }
            f.write_str(&mistake.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for FileError {}

/// Reads a configuration file; `names` says which label names relabelling may make.
///
/// # Errors
/// If the file cannot be read, or has mistakes.
pub fn read(path: &Path, names: NameRule) -> Result<Policy, FileError> {
    let refused = |mistakes| FileError {
        file: path.display().to_string(),
        mistakes,
    };
    let text = read_text(path).map_err(|text| refused(vec![Mistake { at: None, text }]))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&text, names, folder).map_err(refused)
}

fn read_text(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    // Counted while it is read, for a pipe or a device does not say its size.
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    if read.map_err(|error| error.to_string())? as u64 > MAX_BYTES {
        return Err(format!("expected at most {MAX_BYTES} bytes, found more"));
    }
    Ok(text)
}

/// Files that are named in it are looked for from `folder` on.
fn parse(text: &str, names: NameRule, folder: &Path) -> Result<Policy, Vec<Mistake>> {
    let document: Document = serde_saphyr::from_str(text).map_err(|error| vec![syntax(&error)])?;
    let mut check = Check {
        names,
        folder,
        mistakes: Vec::new(),
    };
    check.unknown(&document.unknown);
    let policy = Policy {
        expiry: each(document.expiry, |rule| check.expiry(&rule)),
        quotas: each(document.quotas, |rule| check.quota(&rule)),
        aggregation: each(document.aggregate, |rule| check.aggregation(&rule)),
        runs: each(document.runs, |rule| check.runs(&rule)),
        expectations: check.expectations(document.expect),
        relabelling: each(document.relabel_configs, |rule| check.relabelling(rule)),
        access: check.access(document.access).map(Arc::new),
        alerting: check.alerting(document.alerting),
        tracing: check.tracing(document.tracing),
    };
    // It counts at the start only, before there are rules.
    drop(check.etcd(document.etcd));
    // In the order of the file, not in that of its sections here.
    check.mistakes.sort_by_key(|mistake| mistake.at);
    if check.mistakes.is_empty() {
        Ok(policy)
    } else {
        Err(check.mistakes)
    }
}

fn each<S, T>(rules: Option<Vec<S>>, make: impl FnMut(S) -> Option<T>) -> Vec<T> {
    rules.into_iter().flatten().filter_map(make).collect()
}

/// The library's text ends in the place; ours begins with it.
fn syntax(error: &serde_saphyr::Error) -> Mistake {
    let at = error
        .location()
        .map(|location| (location.line(), location.column()));
    let text = error.without_snippet().to_string();
    let place = at.map(|(line, column)| format!(" at line {line}, column {column}"));
    let bare = place.and_then(|place| text.strip_suffix(&place).map(str::to_owned));
    Mistake {
        at,
        text: in_our_words(bare.unwrap_or(text)),
    }
}

/// What the library says of a value of the wrong kind is about its own types.
fn in_our_words(text: String) -> String {
    if let Some(key) = text.strip_prefix("duplicate mapping key: ") {
        let key = key.split(',').next().unwrap_or_default();
        return format!("expected each key once, found `{key}` twice");
    }
    let expected = match text.as_str() {
        "expected sequence start" => "expected a list, found something else",
        "expected mapping start" => "expected keys with values, found something else",
        "expected string scalar" => "expected a text, found something else",
        "invalid u64" | "invalid u32" => "expected a whole number from 0 on, found something else",
        "invalid f64" => "expected a number, found something else",
        "invalid bool" => "expected true or false, found something else",
        _ => return text,
    };
    expected.to_owned()
}

/// What most texts are that have to be in quotes.
const SELECTORS: &str = "selectors";

/// Turns what stands in the file into rules, and gathers what is wrong.
struct Check<'f> {
    names: NameRule,
    folder: &'f Path,
    mistakes: Vec<Mistake>,
}

impl Check<'_> {
    /// Keys that are not known are mistakes, so that a rule with a misspelt one cannot do less than it says.
    fn unknown(&mut self, keys: &[Unknown]) {
        for Unknown { key, known } in keys {
            let known = known.join(", ");
            let text = format!("unknown field `{}`, expected one of {known}", key.value);
            self.mistake(&key.referenced, text);
        }
    }

    fn expiry(&mut self, rule: &Spanned<Expiry>) -> Option<ExpiryRule> {
        let (at, rule) = (rule.referenced, &rule.value);
        self.unknown(&rule.unknown);
        let selector = self.selector(rule.selector.as_ref(), &at, &rule.unknown);
        let ttl = rule.ttl.as_ref().map(|ttl| self.read(ttl, duration::parse));
        let keep_times = self.optional(rule.keep_times.as_ref(), truth);
        let series_ttl = self.optional(rule.series_ttl.as_ref(), duration::parse);
        let said = [&rule.ttl, &rule.keep_times, &rule.series_ttl];
        if said.into_iter().all(Option::is_none) && rule.unknown.is_empty() {
            let at = rule.selector.as_ref().map_or(at, |selector| selector.referenced);
            let text = "expected one of `ttl`, `keep_times`, `series_ttl` in the rule, found none".to_owned();
            self.mistake(&at, text);
        }
        Some(ExpiryRule {
            selector: selector?,
            ttl: ttl.flatten().map(Lifespan::from),
            keep_times: keep_times.unwrap_or(false),
            // Zero is for ever, as of groups.
            series_ttl: series_ttl.filter(|ttl| !ttl.is_zero()),
        })
    }

    fn quota(&mut self, rule: &Spanned<Quota>) -> Option<QuotaRule> {
        let (at, rule) = (rule.referenced, &rule.value);
        self.unknown(&rule.unknown);
        let selector = self.selector(rule.selector.as_ref(), &at, &rule.unknown);
        let max_groups = self.optional(rule.groups.as_ref(), count);
        let max_series = self.optional(rule.series.as_ref(), count);
        let bytes = self.optional(rule.bytes.as_ref(), str::parse::<ByteSize>);
        let rate = self.rate(rule);
        let limits = [&rule.groups, &rule.series, &rule.bytes, &rule.pushes_per_second];
        if limits.into_iter().all(Option::is_none) && rule.unknown.is_empty() {
            let at = rule.selector.as_ref().map_or(at, |selector| selector.referenced);
            let text =
                "expected one of `groups`, `series`, `bytes`, `pushes_per_second` in the quota, found none";
            self.mistake(&at, text.to_owned());
        }
        Some(QuotaRule {
            selector: selector?,
            max_groups,
            max_series,
            max_bytes: bytes.map(|bytes| bytes.0),
            rate,
            rate_per: rule.per.as_ref().map(|per| per.value.clone()).unwrap_or_default(),
        })
    }

    fn aggregation(&mut self, rule: &Spanned<Aggregate>) -> Option<AggregationRule> {
        let (at, rule) = (rule.referenced, &rule.value);
        self.unknown(&rule.unknown);
        let selector = self.selector(rule.selector.as_ref(), &at, &rule.unknown);
        let gauges = self.optional(rule.gauge.as_ref(), |text| {
            let mut all = Gauges::ALL.into_iter();
            all.find(|how| how.as_str() == text)
                .ok_or_else(|| one_of(Gauges::ALL.map(Gauges::as_str), text))
        });
        let bounds = self.optional(rule.buckets.as_ref(), |text| {
            let mut all = Bounds::ALL.into_iter();
            all.find(|how| how.as_str() == text)
                .ok_or_else(|| one_of(Bounds::ALL.map(Bounds::as_str), text))
        });
        let max_series = self.optional(rule.max_series.as_ref(), count);
        Some(AggregationRule {
            selector: selector?,
            aggregation: Aggregation {
                gauges: gauges.unwrap_or_default(),
                bounds: bounds.unwrap_or_default(),
                max_series,
                // That is a matter of expiry.
                series_ttl: None,
            },
        })
    }

    fn runs(&mut self, rule: &Spanned<Runs>) -> Option<Selector> {
        let (at, rule) = (rule.referenced, &rule.value);
        self.unknown(&rule.unknown);
        self.selector(rule.selector.as_ref(), &at, &rule.unknown)
    }

    fn rate(&mut self, rule: &Quota) -> Option<Rate> {
        let burst = self.optional(rule.burst.as_ref(), burst);
        let Some(per_second) = &rule.pushes_per_second else {
            let burst = rule.burst.as_ref().map(|burst| (burst.referenced, "burst"));
            let per = rule.per.as_ref().map(|per| (per.referenced, "per"));
            for (at, key) in burst.into_iter().chain(per) {
                self.mistake(
                    &at,
                    format!("expected `pushes_per_second` beside `{key}`, found none"),
                );
            }
            return None;
        };
        let rate = self.read(per_second, rate)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float becomes the nearest number that there is"
        )]
        let in_a_second = (rate.ceil() as u32).max(1);
        Some(Rate {
            per_second: rate,
            // What comes in a second may come at once.
            burst: burst.unwrap_or(in_a_second),
        })
    }

    fn relabelling(&mut self, rule: Spanned<Relabelling>) -> Option<Rule> {
        let at = rule.referenced;
        let rule = rule.value;
        self.unknown(&rule.unknown);
        let modulus = self.optional(rule.modulus.as_ref(), count);
        let action = match &rule.action {
            Some(action) => Some(self.read(action, str::parse)?),
            None => None,
        };
        if !rule.unknown.is_empty() {
            // What seems to be missing may be what is misspelt.
            return None;
        }
        let source = RuleSource {
            action,
            source_labels: rule.source_labels,
            separator: rule.separator,
            regex: rule.regex,
            modulus,
            target_label: rule.target_label,
            replacement: rule.replacement,
        };
        match Rule::new(source, self.names) {
            Ok(rule) => Some(rule),
            Err(error) => {
                self.mistake(&at, error.to_string());
                None
            }
        }
    }

    /// The selector of a rule, which begins at `rule`. If it has a key that is not known, that may be a misspelt `match`.
    fn selector(
        &mut self,
        text: Option<&Spanned<SelectorText>>,
        rule: &Location,
        unknown: &[Unknown],
    ) -> Option<Selector> {
        let Some(text) = text else {
            if unknown.is_empty() {
                self.mistake(rule, "expected `match` in the rule, found none".to_owned());
            }
            return None;
        };
        self.parsed(&text.value, &text.referenced, SELECTORS)
    }

    /// What a selector, or something else that is a text, stands for. What is no selector may be a secret.
    fn parsed<T: std::str::FromStr<Err: fmt::Display>>(
        &mut self,
        text: &SelectorText,
        at: &Location,
        what: &str,
    ) -> Option<T> {
        let why = match text {
            SelectorText::Text(text) => match text.parse() {
                Ok(value) => return Some(value),
                Err(error) => format!("{error}"),
            },
            SelectorText::Keys(_) if what != SELECTORS => {
                "expected a text, found keys with values".to_owned()
            }
            SelectorText::Keys(keys) => {
                let keys = keys.join(",");
                format!(
                    "expected a text, found keys with values\nhint: put the selector in quotes: '{{{keys}}}'"
                )
            }
            SelectorText::Other => "expected a text in quotes, found something else".to_owned(),
        };
        self.mistake(at, why);
        None
    }

    fn optional<T, E: fmt::Display>(
        &mut self,
        text: Option<&Text>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        text.and_then(|text| self.read(text, parse))
    }

    fn read<T, E: fmt::Display>(
        &mut self,
        text: &Spanned<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.mistake(&text.referenced, error.to_string());
                None
            }
        }
    }

    fn mistake(&mut self, at: &Location, text: String) {
        let at = Some((at.line(), at.column()));
        self.mistakes.push(Mistake { at, text });
    }
}

fn one_of<const N: usize>(words: [&str; N], found: &str) -> String {
    format!("expected one of {}, found `{found}`", words.join(", "))
}

/// As YAML writes them, in its older versions too.
fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Ok(true),
        "false" | "no" | "off" | "n" => Ok(false),
        _ => Err(format!("expected true or false, found `{text}`")),
    }
}

fn count(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    let number = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    number.map_err(|_| format!("expected a whole number from 0 on, found `{text}`"))
}

fn burst(text: &str) -> Result<u32, String> {
    let number = count(text).ok().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| *number > 0);
    number.ok_or_else(|| format!("expected a number from 1 on, found `{text}`"))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text
        .parse()
        .ok()
        .filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| format!("expected a number above 0, found `{text}`"))
}

#[cfg(test)]
mod tests;
