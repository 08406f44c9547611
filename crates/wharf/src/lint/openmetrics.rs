//! `OpenMetrics`: its decoder is strict, and what it takes is looked at as the text format would have it.

use std::collections::HashMap;

use wharf_exposition::{openmetrics, text};
use wharf_model::Exposition;
use wharf_model::name::EscapingScheme;

use super::notes::lines;
use super::report::{Finding, Options, Report};
use super::rule::Rule;
use super::series::timestamp_advice;
use super::text::check as check_text;

/// Looks at a body in `OpenMetrics`, which is in UTF-8.
pub(super) fn check(body: &[u8], options: Options) -> Report {
    let decoded = openmetrics::decode(body, openmetrics::Options { names: options.names });
    let exposition = match decoded {
        Ok(exposition) => exposition,
        Err(error) => {
            let finding = Finding {
                line: error.line(),
                column: error.column(),
                rule: Rule::Syntax,
                family: None,
                message: error.kind().to_string(),
                hint: "OpenMetrics 1.0 says so; --format=text reads it as the text format of Prometheus"
                    .to_owned(),
            };
            return Report {
                findings: vec![finding],
                ..Report::default()
            };
        }
    };
    let mut report = check_text(&text::encode(&exposition, EscapingScheme::AllowUtf8), options);
    // The lines of that text are not those of the body: each finding stands where its family begins.
    let begin = beginnings(body);
    for finding in &mut report.findings {
        let family = finding.family.clone().unwrap_or_default();
        let bare = ["_total", "_info"]
            .iter()
            .find_map(|suffix| family.strip_suffix(suffix));
        let of_bare = bare.and_then(|bare| Some((bare, begin.get(bare)?)));
        if let Some((bare, _)) = of_bare {
            // Metadata have the name without the end that its samples have.
            finding.hint = finding.hint.replace(&family, bare);
        }
        let lines = of_bare
            .map(|(_, line)| line)
            .into_iter()
            .chain(begin.get(&family));
        (finding.line, finding.column) = (lines.min().copied().unwrap_or(1), 1);
    }
    report.findings.extend(timestamps(&exposition));
    report
        .findings
        .sort_by_key(|finding| (finding.line, finding.rule));
    report
}

/// The first timestamp of each family, which the text does not have any more.
fn timestamps(exposition: &Exposition<'_>) -> impl Iterator<Item = Finding> {
    exposition.families.iter().filter_map(|family| {
        let extras = family.metrics.iter().filter_map(|metric| metric.extra.as_deref());
        let line = extras.filter_map(|extra| extra.timestamp_line).min()?;
        let (message, hint) = timestamp_advice();
        Some(Finding {
            line: usize::try_from(line).unwrap_or(usize::MAX),
            column: 1,
            rule: Rule::Timestamp,
            family: Some(exposition.text(family.name).to_owned()),
            message,
            hint,
        })
    })
}

/// The first line of each name, that of metadata or of a sample.
fn beginnings(body: &[u8]) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    for (number, range) in lines(body).enumerate() {
        let line = String::from_utf8_lossy(body.get(range).unwrap_or_default()).into_owned();
        let name = match line.strip_prefix("# ") {
            Some(metadata) => metadata.split(' ').nth(1).unwrap_or_default(),
            None => line.trim_start_matches('{'),
        };
        let name = name.trim_start_matches('"');
        let end = name.find(['{', ' ', '"', '}']).unwrap_or(name.len());
        let (name, _) = name.split_at(end);
        found.entry(name.to_owned()).or_insert(number + 1);
    }
    found
}
