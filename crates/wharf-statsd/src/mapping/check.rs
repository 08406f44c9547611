//! From what stands in the file to rules, and what is wrong with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use serde_saphyr::Location;

use super::glob::{Added, Globs, MAX_PARTS};
use super::source::{self, Document, Text};
use super::template::Template;
use super::{
    Defaults, HistogramOptions, Mapping, MetricKind, Note, Objective, Observer, Place, Rule, SummaryOptions,
    duration,
};

/// Reads a file.
pub(super) fn read(text: &str) -> Result<Mapping, Vec<Note>> {
    let document: Document = if text.trim().is_empty() {
        Document::default()
    } else {
        serde_saphyr::from_str(text).map_err(|error| vec![syntax(&error)])?
    };
    let mut check = Check::default();
    let defaults = check.defaults(document.defaults.unwrap_or_default());
    let mut mapping = Mapping {
        globs: Globs::new(defaults.prefers_exact),
        defaults: defaults.shown(),
        ..Mapping::default()
    };
    let mut seen = HashMap::new();
    for rule in document.mappings.unwrap_or_default() {
        let at = place(&rule.defined);
        let Some((rule, regex)) = check.rule(rule.value, at, &defaults) else {
            continue;
        };
        let index = mapping.rules.len();
        let kinds = rule.kind.map_or(MetricKind::ALL.to_vec(), |kind| vec![kind]);
        match regex {
            None => {
                let added = mapping.globs.add(&rule.pattern, &kinds, index);
                check.added(added, &rule, &mapping.rules);
            }
            Some(regex) => {
                let first = seen.entry((rule.pattern.clone(), rule.kind)).or_insert(index);
                if *first != index {
                    check.added(Added::Covered(*first), &rule, &mapping.rules);
                }
                mapping.regexes.push((regex, index));
            }
        }
        mapping.rules.push(rule);
    }
    check.mistakes.sort_by_key(|mistake| mistake.at);
    check.warnings.sort_by_key(|warning| warning.at);
    if !check.mistakes.is_empty() {
        return Err(check.mistakes);
    }
    mapping.warnings = check.warnings;
    Ok(mapping)
}

/// The library's text ends in the place; ours begins with it.
fn syntax(error: &serde_saphyr::Error) -> Note {
    let at = error.location().map(|location| place(&location));
    let text = error.without_snippet().to_string();
    let ending = at.map(|Place { line, column }| format!(" at line {line}, column {column}"));
    let bare = ending.and_then(|ending| text.strip_suffix(&ending).map(str::to_owned));
    let text = bare.unwrap_or(text);
    Note {
        at,
        text: in_our_words(text),
    }
}

/// What the library says is about its own types and functions.
fn in_our_words(text: String) -> String {
    if let Some(key) = text.strip_prefix("duplicate mapping key: ") {
        let key = key.split(',').next().unwrap_or_default();
        return format!("expected each key once, found `{key}` twice");
    }
    if text.starts_with("multiple YAML documents") {
        return "expected one document, found another one\nhint: what stands behind `---` would have no effect".to_owned();
    }
    let expected = match text.as_str() {
        "expected sequence start" => "expected a list, found something else",
        "expected mapping start" => "expected keys with values, found something else",
        "expected string scalar" => "expected a text, found something else",
        _ => return text,
    };
    expected.to_owned()
}

fn place(location: &Location) -> Place {
    Place {
        line: location.line(),
        column: location.column(),
    }
}

/// What `defaults` says.
#[derive(Debug, Default)]
struct FileDefaults {
    observer: Option<ObserverKind>,
    is_regex: bool,
    prefers_exact: bool,
    ttl: Option<Duration>,
    summary: Arc<SummaryOptions>,
    histogram: Arc<HistogramOptions>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ObserverKind {
    Summary,
    Histogram,
}

impl FileDefaults {
    fn shown(&self) -> Defaults {
        Defaults {
            observer: self.observer(self.observer),
            ttl: self.ttl,
        }
    }

    fn observer(&self, kind: Option<ObserverKind>) -> Observer {
        match kind {
            Some(ObserverKind::Histogram) => Observer::Histogram(Arc::clone(&self.histogram)),
            Some(ObserverKind::Summary) | None => Observer::Summary(Arc::clone(&self.summary)),
        }
    }
}

#[derive(Debug, Default)]
struct Check {
    mistakes: Vec<Note>,
    warnings: Vec<Note>,
}

impl Check {
    fn mistake(&mut self, at: Place, text: String) {
        self.mistakes.push(Note { at: Some(at), text });
    }

    fn warning(&mut self, at: Place, text: String) {
        self.warnings.push(Note { at: Some(at), text });
    }

    fn read<T>(&mut self, text: Option<&Text>, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = text?;
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(why) => {
                self.mistake(place(&text.referenced), why);
                None
            }
        }
    }

    /// A word of a list; the empty one says nothing.
    fn word<T: Copy>(&mut self, text: Option<&Text>, words: &[(&str, T)]) -> Option<T> {
        let text = text.filter(|text| !text.value.is_empty());
        self.read(text, |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| *value).ok_or_else(|| {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                format!("expected one of {}, found `{text}`", words.join(", "))
            })
        })
    }

    fn observer_type(&mut self, text: Option<&Text>) -> Option<ObserverKind> {
        let words = [
            ("summary", ObserverKind::Summary),
            ("histogram", ObserverKind::Histogram),
        ];
        self.word(text, &words)
    }

    fn match_type(&mut self, text: Option<&Text>) -> Option<bool> {
        self.word(text, &[("glob", false), ("regex", true)])
    }

    fn defaults(&mut self, source: source::Defaults) -> FileDefaults {
        let options = source
            .summary_options
            .map(|options| options.value)
            .unwrap_or_default();
        let summary = self.summary(&options, &SummaryOptions::default());
        let options = source
            .histogram_options
            .map(|options| options.value)
            .unwrap_or_default();
        let histogram = self.histogram(&options, &HistogramOptions::default());
        FileDefaults {
            observer: self.observer_type(source.observer_type.as_ref()),
            is_regex: self.match_type(source.match_type.as_ref()).unwrap_or(false),
            prefers_exact: self
                .read(source.glob_disable_ordering.as_ref(), truth)
                .unwrap_or(false),
            ttl: self.ttl(source.ttl.as_ref()),
            summary: Arc::new(summary),
            histogram: Arc::new(histogram),
        }
    }

    /// None if there is none; 0 says the same.
    fn ttl(&mut self, text: Option<&Text>) -> Option<Duration> {
        self.read(text, duration::parse).filter(|ttl| !ttl.is_zero())
    }

    fn summary(&mut self, source: &source::SummaryOptions, defaults: &SummaryOptions) -> SummaryOptions {
        let mut quantiles = Vec::new();
        for objective in source.quantiles.iter().flatten() {
            let [quantile, error] = [&objective.quantile, &objective.error].map(|text| match text {
                Some(text) => self.read(Some(text), share),
                None => Some(0.0),
            });
            if let (Some(quantile), Some(error)) = (quantile, error) {
                quantiles.push(Objective { quantile, error });
            }
        }
        if quantiles.is_empty() {
            quantiles.clone_from(&defaults.quantiles);
        }
        let max_age = self.read(source.max_age.as_ref(), duration::parse);
        SummaryOptions {
            quantiles,
            max_age: max_age.filter(|age| !age.is_zero()).unwrap_or(defaults.max_age),
            age_buckets: self.count(source.age_buckets.as_ref(), defaults.age_buckets),
            buf_cap: self.count(source.buf_cap.as_ref(), defaults.buf_cap),
        }
    }

    fn histogram(
        &mut self,
        source: &source::HistogramOptions,
        defaults: &HistogramOptions,
    ) -> HistogramOptions {
        let mut buckets = Vec::<f64>::new();
        for text in source.buckets.iter().flatten() {
            let Some(bound) = self.read(Some(text), number) else {
                continue;
            };
            if buckets.last().is_some_and(|before| bound <= *before) {
                let why = format!(
                    "expected a bucket above the one before it, found `{}`",
                    text.value
                );
                self.mistake(place(&text.referenced), why);
                break;
            }
            buckets.push(bound);
        }
        // It is there in any case.
        buckets.retain(|bound| *bound < f64::INFINITY);
        if buckets.is_empty() {
            buckets.clone_from(&defaults.buckets);
        }
        let factor = self.read(source.native_histogram_bucket_factor.as_ref(), number);
        HistogramOptions {
            buckets,
            native_factor: factor
                .filter(|factor| *factor != 0.0)
                .unwrap_or(defaults.native_factor),
            native_max_buckets: self.count(
                source.native_histogram_max_buckets.as_ref(),
                defaults.native_max_buckets,
            ),
        }
    }

    /// A number from 0 on; 0 says nothing.
    fn count(&mut self, text: Option<&Text>, default: u32) -> u32 {
        let count = self.read(text, |text| {
            let number = text.parse::<u32>().ok();
            number.ok_or_else(|| format!("expected a whole number from 0 on, found `{text}`"))
        });
        count.filter(|count| *count > 0).unwrap_or(default)
    }

    fn rule(
        &mut self,
        source: source::Mapping,
        at: Place,
        defaults: &FileDefaults,
    ) -> Option<(Rule, Option<Regex>)> {
        let mistakes = self.mistakes.len();
        let is_regex = self
            .match_type(source.match_type.as_ref())
            .unwrap_or(defaults.is_regex);
        let is_drop = self
            .word(source.action.as_ref(), &[("map", false), ("drop", true)])
            .unwrap_or(false);
        let kinds = MetricKind::ALL.map(|kind| (kind.as_str(), kind));
        let kind = self.word(source.match_metric_type.as_ref(), &kinds);
        let observer = self.observer(&source, kind, defaults);
        let ttl = self.ttl(source.ttl.as_ref()).or(defaults.ttl);
        let scale = self.read(source.scale.as_ref(), number);
        let honor_labels = self.read(source.honor_labels.as_ref(), truth).unwrap_or(false);
        let Some(pattern) = source.pattern else {
            self.mistake(at, "expected `match` in the rule, found none".to_owned());
            return None;
        };
        let at_pattern = place(&pattern.referenced);
        let (stars, regex) = if is_regex {
            let regex = self.read(Some(&pattern), |text| {
                wharf_model::unanchored(text).map_err(|error| error.to_string())
            })?;
            (None, Some(regex))
        } else {
            (Some(self.read(Some(&pattern), stars)?), None)
        };
        let template = |text: &str| match (&stars, &regex) {
            (_, Some(regex)) => Template::of_regex(text, regex),
            (stars, None) => Template::of_glob(text, stars.as_deref().map_or(0, <[usize]>::len)),
        };
        let name = match &source.name {
            Some(name) => {
                let made = template(&name.value);
                if is_name(&name.value) {
                    self.dangling(&made, &name.value, place(&name.referenced));
                } else if !(is_drop && name.value.is_empty()) {
                    let text = format!(
                        "expected the name of a metric, with `$1` or `${{1}}` in it or not, found `{}`",
                        name.value
                    );
                    self.mistake(place(&name.referenced), text);
                }
                made
            }
            None if is_drop => Template::default(),
            None => {
                self.mistake(at_pattern, "expected `name` in the rule, found none".to_owned());
                Template::default()
            }
        };
        let mut labels = Vec::new();
        for (key, value) in source.labels.0 {
            self.label(&key, &observer, kind);
            let made = template(&value.value);
            self.dangling(&made, &value.value, place(&value.referenced));
            labels.push((key.value, made));
        }
        if self.mistakes.len() > mistakes {
            return None;
        }
        let rule = Rule {
            pattern: pattern.value,
            stars,
            at: at_pattern,
            name,
            labels,
            kind,
            is_drop,
            honor_labels,
            observer,
            ttl,
            scale,
            help: source.help.map(|help| help.value).filter(|help| !help.is_empty()),
        };
        Some((rule, regex))
    }

    /// What becomes of observations, and whether the options are those of something else.
    fn observer(
        &mut self,
        source: &source::Mapping,
        kind: Option<MetricKind>,
        defaults: &FileDefaults,
    ) -> Observer {
        let of_rule = self
            .observer_type(source.observer_type.as_ref())
            .or(defaults.observer);
        let summary = source.summary_options.as_ref();
        let histogram = source.histogram_options.as_ref();
        let given = [
            (
                summary.map(|options| options.referenced),
                ObserverKind::Summary,
                "summary",
            ),
            (
                histogram.map(|options| options.referenced),
                ObserverKind::Histogram,
                "histogram",
            ),
        ];
        for (at, kind, word) in given {
            if let Some(at) = at.filter(|_| of_rule != Some(kind)) {
                let found = match of_rule {
                    Some(ObserverKind::Summary) => "`observer_type: summary`",
                    Some(ObserverKind::Histogram) => "`observer_type: histogram`",
                    None => "none, so they would have no effect",
                };
                let text = format!("expected `observer_type: {word}` beside `{word}_options`, found {found}");
                self.mistake(place(&at), text);
            }
        }
        if kind.is_some_and(|kind| kind != MetricKind::Observer)
            && let Some(text) = &source.observer_type
        {
            let text = (
                place(&text.referenced),
                "`observer_type` has no effect in a rule for other samples",
            );
            self.warning(text.0, text.1.to_owned());
        }
        let own_summary = summary.map(|options| self.summary(&options.value, &defaults.summary));
        let own_histogram = histogram.map(|options| self.histogram(&options.value, &defaults.histogram));
        match (of_rule, own_summary, own_histogram) {
            (Some(ObserverKind::Summary), Some(options), _) => Observer::Summary(Arc::new(options)),
            (Some(ObserverKind::Histogram), _, Some(options)) => Observer::Histogram(Arc::new(options)),
            (of_rule, _, _) => defaults.observer(of_rule),
        }
    }

    fn label(&mut self, key: &Text, observer: &Observer, kind: Option<MetricKind>) {
        let (name, at) = (key.value.as_str(), place(&key.referenced));
        if !wharf_model::name::is_legacy_label_name(name) {
            let text = format!("expected the name of a label (letters, digits, `_`), found `{name}`");
            self.mistake(at, text);
        } else if name.starts_with("__") {
            let text = format!(
                "expected the name of a label that Prometheus does not keep for itself, found `{name}`"
            );
            self.mistake(at, text);
        }
        let reserved = match observer {
            Observer::Summary(_) => "quantile",
            Observer::Histogram(_) => "le",
        };
        if name == reserved && kind.is_none_or(|kind| kind == MetricKind::Observer) {
            let text = format!(
                "expected a label that the series of observations do not have already, found `{name}`\n\
                 hint: if the rule is about counters alone, say `match_metric_type: counter`"
            );
            self.mistake(at, text);
        }
    }

    /// Says which references can never give anything.
    fn dangling(&mut self, template: &Template, text: &str, at: Place) {
        if template.is_always_empty() && !text.is_empty() {
            let text = format!("`{text}` is always empty");
            self.warning(at, with_braces(text, template));
            return;
        }
        if let Some(reference) = template.dangling().next() {
            let text = format!("`{reference}` is always empty: the pattern has no such part");
            self.warning(at, with_braces(text, template));
        }
    }

    fn added(&mut self, added: Added, rule: &Rule, earlier: &[Rule]) {
        match added {
            Added::Fine => {}
            Added::Covered(first) => {
                let Some(first) = earlier.get(first) else { return };
                let text = format!(
                    "the rule never applies: `{}` in line {} comes first\nhint: put the narrower rule in front",
                    first.pattern, first.at.line
                );
                self.warning(rule.at, text);
            }
            Added::BehindLonger => {
                let text = "statsd_exporter never applies the rule, since a longer one that begins with it comes first; \
                            Wharf does"
                    .to_owned();
                self.warning(rule.at, text);
            }
        }
    }
}

/// A hint for `$1_x`, which means a part of that name.
fn with_braces(text: String, template: &Template) -> String {
    let run_on = template.dangling().find_map(|reference| {
        let word = reference.strip_prefix('$')?;
        let behind = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = word.strip_suffix(behind)?;
        (!digits.is_empty() && !behind.is_empty()).then(|| format!("${{{digits}}}{behind}"))
    });
    match run_on {
        Some(meant) => format!("{text}\nhint: write `{meant}`"),
        None => text,
    }
}

/// The parts of a glob that are stars.
fn stars(pattern: &str) -> Result<Vec<usize>, String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_part = |(index, part): (usize, &str)| {
        let first = part.chars().next();
        let begins = first.is_some_and(|c| is_word(c) && (index > 0 || !c.is_ascii_digit()));
        part == "*" || begins && part.chars().all(|c| is_word(c) || c == '-')
    };
    if !pattern.split('.').enumerate().all(is_part) {
        return Err(format!(
            "expected parts between dots, each a `*` or a word, found `{pattern}`\n\
             hint: for more than that there is `match_type: regex`"
        ));
    }
    if pattern.split('.').count() > MAX_PARTS {
        return Err(format!(
            "expected at most {MAX_PARTS} parts between dots, found more"
        ));
    }
    let stars = pattern.split('.').enumerate().filter(|(_, part)| *part == "*");
    Ok(stars.map(|(index, _)| index).collect())
}

/// Whether a text is a name once its references are, as the exporter looks at it: `$1` and `${1}`, and words around them.
fn is_name(text: &str) -> bool {
    let mut rest = text;
    let mut is_first = true;
    while let Some(c) = rest.chars().next() {
        let behind = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = if c == '$' {
            let digits = behind.strip_prefix('{').unwrap_or(behind);
            let after = digits.trim_start_matches(|c: char| c.is_ascii_digit());
            if after.len() == digits.len() {
                return false;
            }
            after.strip_prefix('}').unwrap_or(after)
        } else if c.is_ascii_alphabetic() || c == '_' || c.is_ascii_digit() && !is_first {
            behind
        } else {
            return false;
        };
        is_first = false;
    }
    !is_first
}

fn number(text: &str) -> Result<f64, String> {
    let text_of_yaml = text.strip_prefix('+').unwrap_or(text);
    let number = match text_of_yaml {
        ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        text => text.parse().ok(),
    };
    number
        .filter(|number: &f64| !number.is_nan())
        .ok_or_else(|| format!("expected a number, found `{text}`"))
}

fn share(text: &str) -> Result<f64, String> {
    let share = number(text).ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("expected a number from 0 to 1, found `{text}`"))
}

/// As YAML writes them, in its older versions too.
fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Ok(true),
        "false" | "no" | "off" | "n" => Ok(false),
        _ => Err(format!("expected true or false, found `{text}`")),
    }
}
