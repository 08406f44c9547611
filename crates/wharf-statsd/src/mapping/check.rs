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
    Defaults, GaugeSigns, HistogramOptions, Mapping, MetricKind, Note, Objective, Observer, Place, Rule,
    SummaryOptions, duration,
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
    if text.starts_with("budget breached") {
        return "expected a smaller file, found more values than are read (250,000)".to_owned();
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

/// The least error of a quantile: with less, nearly all observations of the last minutes would have to be kept.
const MIN_ERROR: f64 = 0.0001;
/// Most age buckets of a summary.
const MAX_AGE_BUCKETS: u32 = 100;

/// What `defaults` says.
#[derive(Debug, Default)]
struct FileDefaults {
    observer: Option<ObserverKind>,
    gauge_signs: GaugeSigns,
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
            gauge_signs: self.gauge_signs,
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

    fn gauge_signs(&mut self, text: Option<&Text>) -> Option<GaugeSigns> {
        let words = [
            ("relative", GaugeSigns::Relative),
            ("absolute", GaugeSigns::Absolute),
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
            gauge_signs: self.gauge_signs(source.gauge_signs.as_ref()).unwrap_or_default(),
            is_regex: self.match_type(source.match_type.as_ref()).unwrap_or(false),
            prefers_exact: self
                .read(source.glob_disable_ordering.as_ref(), truth)
                .unwrap_or(false),
            ttl: self.ttl(source.ttl.as_ref()),
            summary: Arc::new(summary),
            histogram: Arc::new(histogram),
        }
    }

    /// The error of a quantile. Without one, or with 0, the exporter keeps each observation for minutes.
    fn error(&mut self, text: Option<&Text>, at: Place) -> Option<f64> {
        let error = text.map_or(Some(0.0), |text| self.read(Some(text), share))?;
        if error >= MIN_ERROR {
            return Some(error);
        }
        let at = text.map_or(at, |text| place(&text.referenced));
        let found = text.map_or("none", |text| text.value.as_str());
        let warning = format!(
            "expected an error of {MIN_ERROR} or more beside the quantile, found {found}: it is {MIN_ERROR}"
        );
        self.warning(at, warning);
        Some(MIN_ERROR)
    }

    /// None if there is none; 0 says the same.
    fn ttl(&mut self, text: Option<&Text>) -> Option<Duration> {
        self.read(text, duration::parse).filter(|ttl| !ttl.is_zero())
    }

    fn summary(&mut self, source: &source::SummaryOptions, defaults: &SummaryOptions) -> SummaryOptions {
        let mut quantiles = Vec::new();
        for objective in source.quantiles.iter().flatten() {
            let at = place(&objective.defined);
            let objective = &objective.value;
            let quantile = objective.quantile.as_ref();
            let quantile = quantile.map_or(Some(0.0), |text| self.read(Some(text), share));
            let error = self.error(objective.error.as_ref(), at);
            if let (Some(quantile), Some(error)) = (quantile, error) {
                quantiles.push(Objective { quantile, error });
            }
        }
        if quantiles.is_empty() {
            quantiles.clone_from(&defaults.quantiles);
        }
        // How many are gathered before they are sorted is for us to choose.
        self.count(source.buf_cap.as_ref(), 0);
        let max_age = self.read(source.max_age.as_ref(), duration::parse);
        SummaryOptions {
            quantiles,
            max_age: max_age.filter(|age| !age.is_zero()).unwrap_or(defaults.max_age),
            age_buckets: self.age_buckets(source.age_buckets.as_ref(), defaults.age_buckets),
        }
    }

    /// Each takes memory for each series.
    fn age_buckets(&mut self, text: Option<&Text>, default: u32) -> u32 {
        let count = self.count(text, default);
        if let Some(text) = text.filter(|_| count > MAX_AGE_BUCKETS) {
            let found = format!(
                "expected at most {MAX_AGE_BUCKETS} age buckets, found {}",
                text.value
            );
            self.mistake(place(&text.referenced), found);
        }
        count
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
        if buckets.is_empty() {
            buckets.clone_from(&defaults.buckets);
        }
        // It is there in any case.
        buckets.retain(|bound| *bound < f64::INFINITY);
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
        let gauge_signs = self
            .gauge_signs(source.gauge_signs.as_ref())
            .unwrap_or(defaults.gauge_signs);
        let honor_labels = self.read(source.honor_labels.as_ref(), truth).unwrap_or(false);
        let Some(pattern) = source.pattern else {
            self.mistake(at, "expected `match` in the rule, found none".to_owned());
            return None;
        };
        let at_pattern = place(&pattern.referenced);
        // If it is wrong, what else is wrong is said all the same.
        let (stars, regex) = if is_regex {
            let regex = self.read(Some(&pattern), |text| {
                wharf_model::unanchored(text).map_err(|error| error.to_string())
            });
            (None, regex)
        } else {
            (self.read(Some(&pattern), stars), None)
        };
        let template = |text: &str| match (&stars, &regex) {
            (_, Some(regex)) => Template::of_regex(text, regex),
            (stars, None) => Template::of_glob(text, stars.as_deref().map_or(0, <[usize]>::len)),
        };
        let name = match &source.name {
            Some(name) => {
                let made = template(&name.value);
                if is_name(&name.value) {
                    self.dangling(&made, &name.value, place(&name.referenced), &template);
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
            let text = value.value.as_deref().unwrap_or_default();
            let made = template(text);
            self.dangling(&made, text, place(&value.referenced), &template);
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
            gauge_signs,
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
            // What stands there as the type is a mistake of its own.
            let is_wrong = source.observer_type.is_some() && of_rule.is_none();
            if let Some(at) = at.filter(|_| of_rule != Some(kind) && !is_wrong) {
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
    fn dangling(&mut self, template: &Template, text: &str, at: Place, read: &impl Fn(&str) -> Template) {
        let Some(reference) = template.dangling().next() else {
            return;
        };
        let mut warning = if template.is_always_empty() {
            format!("`{text}` is always empty")
        } else {
            format!("`{reference}` is always empty: the pattern has no such part")
        };
        if let Some(meant) = with_braces(reference).filter(|meant| read(meant).dangling().next().is_none()) {
            warning = format!("{warning}\nhint: write `{meant}`");
        }
        self.warning(at, warning);
    }

    fn added(&mut self, added: Added, rule: &Rule, earlier: &[Rule]) {
        match added {
            Added::Fine => {}
            Added::Covered(first) => {
                let Some(first) = earlier.get(first) else { return };
                let hint = if first.pattern == rule.pattern {
                    "remove one of them"
                } else {
                    "put the narrower rule in front"
                };
                let text = format!(
                    "the rule never applies: `{}` in line {} comes first\nhint: {hint}",
                    first.pattern, first.at.line
                );
                self.warning(rule.at, text);
            }
            Added::BehindLonger(kinds) => {
                let all = rule.kind.map_or(MetricKind::ALL.len(), |_| 1);
                let which = if kinds.len() == all {
                    "never applies the rule".to_owned()
                } else {
                    let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
                    format!("does not apply the rule to metrics of type {}", kinds.join(", "))
                };
                let text = format!(
                    "statsd_exporter {which}, since a longer one that begins with it comes first; Wharf does"
                );
                self.warning(rule.at, text);
            }
        }
    }
}

/// What `$1_x` may have meant, which is a part of that name.
fn with_braces(reference: &str) -> Option<String> {
    let word = reference.strip_prefix('$')?;
    let behind = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = word.strip_suffix(behind)?;
    (!digits.is_empty() && !behind.is_empty()).then(|| format!("${{{digits}}}{behind}"))
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

/// A number in decimal digits. YAML has others, such as `010`, which is 8: they are refused rather than taken for what they look like.
fn number(text: &str) -> Result<f64, String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_octal =
        unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    let number = match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => Some(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        unsigned if unsigned.starts_with(['+', '-']) || is_octal => None,
        _ => text.parse().ok(),
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
