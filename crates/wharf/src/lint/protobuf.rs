//! Protobuf: what its decoder takes is looked at as the lines that it comes to, and findings name family and metric.

use std::collections::HashMap;

use wharf_exposition::{Foreign, is_text, is_undelimited, protobuf, text as text_format};
use wharf_model::name::{EscapingScheme, is_reserved_label_name};
use wharf_model::{Exposition, Family, Metric, MetricType, Value};

use super::document::Document;
use super::report::{Finding, Options, Place, Report};
use super::rule::Rule;
use super::series::timestamp_advice;
use super::text;

/// Labels stand on each line of a histogram, so that lines can come to much more than the body. Beyond this they are not
/// looked at: no gateway takes them in one push.
const MAX_TEXT_BYTES: usize = 512 << 20;

/// Looks at a body of delimited messages.
pub(super) fn check(body: &[u8], options: Options) -> Report {
    let exposition = match protobuf::decode(body) {
        Ok(exposition) => exposition,
        Err(error) => return alone(unread(body, &error)),
    };
    if let Some(finding) = too_long(&exposition) {
        return alone(finding);
    }
    let lines = text_format::encode(&exposition, EscapingScheme::AllowUtf8);
    let document = Document::read_protobuf(&lines);
    let mut findings =
        text::notes(&document, options).found(|offset| match document.metric_at(offset, &lines) {
            Some(metric) => Place::Metric(metric),
            None => Place::Family,
        });
    for family in &exposition.families {
        findings.extend(of_messages(&exposition, family));
    }
    let families = exposition.families.iter().enumerate();
    let order: HashMap<&str, usize> = families
        .map(|(number, family)| (exposition.text(family.name), number))
        .collect();
    findings.sort_by_key(|finding| {
        finding
            .family
            .as_deref()
            .and_then(|family| order.get(family))
            .copied()
    });
    Report {
        findings,
        families: document.families().count(),
        series: document.series(),
    }
}

fn alone(finding: Finding) -> Report {
    Report {
        findings: vec![finding],
        ..Report::default()
    }
}

/// The finding that a body cannot be read.
fn unread(body: &[u8], error: &protobuf::DecodeError) -> Finding {
    let at = error.offset();
    let said = error.to_string();
    // What a gateway answers begins as the Pushgateway's answer does; what was expected stands behind the place.
    let expected = said.split_once(&format!("byte {at}: "));
    let mut message = expected
        .map_or(said.as_str(), |(_, expected)| expected)
        .to_owned();
    let mut hint = "each family stands behind its length: see whether the file is whole";
    if is_text(body) {
        hint = "--format=text or openmetrics reads it as text";
    } else if is_undelimited(body) {
        hint = "write the length of each family before it: `delimited` is what libraries call it";
    } else if let Some(foreign) = Foreign::of(body).filter(|foreign| *foreign != Foreign::Protobuf) {
        message = format!("expected metric families in protobuf, found {foreign}");
        hint = foreign.advice().unwrap_or("unpack it first");
    }
    Finding {
        place: Place::Byte(at),
        rule: Rule::Syntax,
        family: None,
        message,
        hint: hint.to_owned(),
    }
}

fn too_long(exposition: &Exposition<'_>) -> Option<Finding> {
    let mut bytes = 0_usize;
    let family = exposition.families.iter().find(|family| {
        let name = exposition.text(family.name);
        for metric in &family.metrics {
            let labels: Vec<_> = exposition.labels(metric.labels).collect();
            let of_metric = text_format::metric_bytes(exposition, name, &labels, metric.value);
            bytes = bytes.saturating_add(of_metric);
        }
        bytes > MAX_TEXT_BYTES
    })?;
    Some(Finding {
        place: Place::Family,
        rule: Rule::Syntax,
        family: Some(exposition.text(family.name).to_owned()),
        message: format!("expected metrics that come to at most {MAX_TEXT_BYTES} bytes of text, found more"),
        hint: "labels count for each bucket: make them shorter, or push it in parts".to_owned(),
    })
}

/// What a gateway refuses of a family, and its lines do not show.
fn of_messages(exposition: &Exposition<'_>, family: &Family) -> impl Iterator<Item = Finding> {
    let first = |rule, find: &dyn Fn(&Metric) -> Option<(String, String)>| {
        let mut found = family
            .metrics
            .iter()
            .filter_map(|metric| Some((metric, find(metric)?)));
        let (metric, (mut message, hint)) = found.next()?;
        let more = found.count();
        if more > 0 {
            message = format!("{message} ({more} more in this family)");
        }
        let mut labels: Vec<_> = exposition.labels(metric.labels).collect();
        labels.sort_unstable();
        Some(Finding {
            place: Place::Metric(super::document::label_set(labels)),
            rule,
            family: Some(exposition.text(family.name).to_owned()),
            message,
            hint,
        })
    };
    let kind = family.metric_type;
    let missing = first(Rule::MissingValue, &|metric| {
        (metric.value == Value::Missing).then(|| {
            let message = format!(
                "expected a value of the type of the family, {}, found none",
                kind.as_word()
            );
            let hint = "a gateway refuses it; each type has its values in a field of its own";
            (message, hint.to_owned())
        })
    });
    let timestamp = first(Rule::Timestamp, &|metric| {
        let extra = metric.extra.as_deref()?;
        extra.timestamp_ms.map(|_| timestamp_advice())
    });
    let label = first(Rule::InvalidLabel, &|metric| {
        invalid_label(kind, exposition.labels(metric.labels))
    });
    [missing, timestamp, label].into_iter().flatten()
}

fn invalid_label<'e>(
    kind: MetricType,
    labels: impl Iterator<Item = (&'e str, &'e str)>,
) -> Option<(String, String)> {
    let own = match kind {
        MetricType::Summary => "quantile",
        MetricType::Histogram | MetricType::GaugeHistogram => "le",
        _ => "",
    };
    let mut names: Vec<&str> = labels.map(|(name, _)| name).collect();
    names.sort_unstable();
    let twice = names.windows(2).find_map(|pair| match pair {
        [a, b] if a == b => Some(a),
        _ => None,
    });
    let message = if let Some(name) = twice {
        format!("expected each label once, found `{name}` twice")
    } else if let Some(name) = names.iter().find(|name| is_reserved_label_name(name)) {
        format!("expected a label name that is not reserved, found `{name}`")
    } else if names.contains(&own) {
        format!(
            "expected no label `{own}` beside those of the {}, found one",
            kind.as_text()
        )
    } else {
        return None;
    };
    Some((message, "a gateway refuses it; choose another label".to_owned()))
}
