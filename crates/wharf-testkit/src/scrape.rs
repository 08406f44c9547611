//! An independent, strict reader of the text format as gateways expose it.
//!
//! It shares no code with Wharf's own decoder and is stricter than any scraper: a family is one block with a
//! `TYPE`, no series comes twice, no sample has a timestamp, every line ends in a line feed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A body of `GET /metrics`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scrape {
    /// By name.
    pub families: BTreeMap<String, Family>,
    /// In the order of the lines.
    pub samples: Vec<Sample>,
}

/// What the comment lines say about a family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// The help without escapes, if there is a `HELP` line.
    pub help: Option<String>,
    /// The word of the `TYPE` line.
    pub metric_type: String,
}

/// One sample line.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The name of the family that the line belongs to.
    pub family: String,
    /// The name on the line: that of the family or with a suffix such as `_bucket`.
    pub name: String,
    /// The labels, `le` and `quantile` among them.
    pub labels: BTreeMap<String, String>,
    /// The value as written.
    pub value: String,
}

impl Sample {
    /// Name and labels in one canonical string.
    pub fn series(&self) -> String {
        format!("{}{:?}", self.name, self.labels)
    }

    /// The value as a number.
    pub fn number(&self) -> f64 {
        self.value.parse().expect("the reader has checked it")
    }
}

/// Where a body breaks the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeError {
    /// Counted from 1.
    pub line: usize,
    /// Which rule.
    pub message: String,
}

impl fmt::Display for ScrapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ScrapeError {}

impl Scrape {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ScrapeError`] at the first line that breaks a rule.
    pub fn parse(body: &str) -> Result<Self, ScrapeError> {
        let mut reader = Reader::default();
        for (line, text) in (1..).zip(body.split_inclusive('\n')) {
            let text = text
                .strip_suffix('\n')
                .ok_or("expected a line feed at the end".to_owned());
            text.and_then(|text| reader.line(text))
                .map_err(|message| ScrapeError { line, message })?;
        }
        Ok(reader.scrape)
    }

    /// The value of the only series with that name and at least those labels.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<&str> {
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(name, value)| sample.labels.get(*name).is_some_and(|found| found == value))
        };
        let mut found = self.samples.iter().filter(fits);
        let first = found.next()?;
        assert!(
            found.next().is_none(),
            "more than one series {name} with {labels:?}"
        );
        Some(&first.value)
    }
}

#[derive(Default)]
struct Reader {
    scrape: Scrape,
    current: String,
    seen: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = comment(rest)?;
            self.open(&name)?;
            self.family()?.help = Some(unescape(help, false)?);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, metric_type) = comment(rest)?;
            if self.current != name {
                self.open(&name)?;
            }
            if !self.family()?.metric_type.is_empty() {
                return Err(format!("a second TYPE of `{name}`"));
            }
            if !["counter", "gauge", "summary", "histogram", "untyped"].contains(&metric_type) {
                return Err(format!("unknown type `{metric_type}`"));
            }
            metric_type.clone_into(&mut self.family()?.metric_type);
        } else {
            let sample = self.sample(line)?;
            if !self.seen.insert(sample.series()) {
                return Err(format!("the series {} comes twice", sample.series()));
            }
            self.scrape.samples.push(sample);
        }
        Ok(())
    }

    fn open(&mut self, name: &str) -> Result<(), String> {
        if self
            .scrape
            .families
            .insert(name.to_owned(), Family::default())
            .is_some()
        {
            return Err(format!("the family `{name}` comes twice"));
        }
        name.clone_into(&mut self.current);
        Ok(())
    }

    fn family(&mut self) -> Result<&mut Family, String> {
        self.scrape
            .families
            .get_mut(&self.current)
            .ok_or_else(|| "a sample before any family".to_owned())
    }

    fn sample(&mut self, line: &str) -> Result<Sample, String> {
        let (mut name, rest) = line.split_at(line.find(['{', ' ']).ok_or("expected a blank and a value")?);
        let mut labels = BTreeMap::new();
        let mut rest = rest;
        let quoted_name;
        if let Some(inner) = rest.strip_prefix('{') {
            let mut inner = inner;
            if name.is_empty() {
                (quoted_name, inner) = string(inner)?;
                inner = inner.strip_prefix(',').unwrap_or(inner);
                name = &quoted_name;
            }
            rest = label_pairs(inner, &mut labels)?;
        }
        let value = rest
            .strip_prefix(' ')
            .ok_or_else(|| format!("expected a blank before `{rest}`"))?;
        value
            .parse::<f64>()
            .map_err(|_| format!("expected a value alone, found `{value}`"))?;
        let family = self.current.clone();
        let metric_type = self.family()?.metric_type.clone();
        let suffix = name
            .strip_prefix(family.as_str())
            .ok_or_else(|| format!("`{name}` is not of `{family}`"))?;
        if !suffixes(&metric_type).contains(&suffix) {
            return Err(format!("`{name}` is not of the {metric_type} `{family}`"));
        }
        Ok(Sample {
            family,
            name: name.to_owned(),
            labels,
            value: value.to_owned(),
        })
    }
}

fn suffixes(metric_type: &str) -> &'static [&'static str] {
    match metric_type {
        "histogram" => &["_bucket", "_sum", "_count"],
        "summary" => &["", "_sum", "_count"],
        "" => &[],
        _ => &[""],
    }
}

/// Splits `name rest` of a comment line, where the name may be quoted.
fn comment(text: &str) -> Result<(String, &str), String> {
    if text.starts_with('"') {
        let (name, rest) = string(text)?;
        let rest = rest.strip_prefix(' ').ok_or("expected a blank after the name")?;
        return Ok((name, rest));
    }
    let (name, rest) = text.split_once(' ').ok_or("expected a blank after the name")?;
    if !is_legacy_name(name) {
        return Err(format!("`{name}` is not a metric name"));
    }
    Ok((name.to_owned(), rest))
}

/// Reads `a="b",c="d"}` and returns what follows.
fn label_pairs<'a>(mut text: &'a str, labels: &mut BTreeMap<String, String>) -> Result<&'a str, String> {
    loop {
        let name;
        if text.starts_with('"') {
            (name, text) = string(text)?;
            text = text.strip_prefix('=').ok_or("expected `=` after a label name")?;
        } else {
            let (plain, rest) = text.split_once('=').ok_or("expected `=` after a label name")?;
            if !is_legacy_name(plain) {
                return Err(format!("`{plain}` is not a label name"));
            }
            (name, text) = (plain.to_owned(), rest);
        }
        let (value, rest) = string(text)?;
        if labels.insert(name.clone(), value).is_some() {
            return Err(format!("the label `{name}` comes twice"));
        }
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok(rest);
        }
        text = rest
            .strip_prefix(',')
            .ok_or("expected `,` or `}` after a label")?;
    }
}

/// Reads a quoted string at the start of `text` and returns it with what follows.
fn string(text: &str) -> Result<(String, &str), String> {
    let text = text
        .strip_prefix('"')
        .ok_or_else(|| format!("expected `\"` before `{text}`"))?;
    let mut escaped = false;
    for (offset, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let (inner, rest) = text.split_at(offset);
                return Ok((unescape(inner, true)?, rest.strip_prefix('"').unwrap_or(rest)));
            }
            _ => {}
        }
    }
    Err("a string does not end".to_owned())
}

fn unescape(text: &str, quoted: bool) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some('\\') => plain.push('\\'),
            Some('"') if quoted => plain.push('"'),
            other => return Err(format!("the escape `\\{}`", other.unwrap_or(' '))),
        }
    }
    Ok(plain)
}

fn is_legacy_name(name: &str) -> bool {
    let fits = |(index, c): (usize, char)| {
        c.is_ascii_alphabetic() || c == '_' || c == ':' || (index > 0 && c.is_ascii_digit())
    };
    !name.is_empty() && name.chars().enumerate().all(fits)
}

#[cfg(test)]
mod tests;
