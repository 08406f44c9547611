//! Pushes as prom-aggregation-gateway takes them: the labels of the path are added to each series.
//!
//! The path is any labels, `job` need not be among them, and a series may have one of its own. So it is the series that says
//! which group it belongs to: that of its job.

use std::fmt;
use std::sync::Arc;

use wharf_gateway::{Body, Reason, Refusal};
use wharf_model::name::{is_legacy_label_name, is_reserved_label_name};
use wharf_model::{Exposition, Label, Meter, Metric, Run, TooLarge, Value};

use crate::request::grouping::GoQuoted;

/// The label that every group has.
pub(crate) const JOB: &str = "job";

/// The labels of a path, each once, those with empty values among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathLabels(Vec<(String, String)>);

impl PathLabels {
    /// The job that they name; empty if they do not.
    pub(crate) fn job(&self) -> &str {
        let job = self.0.iter().find(|(name, _)| name == JOB);
        job.map_or("", |(_, value)| value)
    }
}

/// Reads what stands behind `/metrics`, where every `%XX` has become a byte: so a slash separates, however it was written.
///
/// # Errors
/// 400 where prom-aggregation-gateway has it, with its words; also for names that no scraper could read twice, or at all.
pub(crate) fn read(rest: &[u8]) -> Result<PathLabels, Refusal> {
    let slashes = |byte: &u8| *byte == b'/';
    let start = rest.iter().position(|byte| !slashes(byte)).unwrap_or(rest.len());
    let end = rest
        .iter()
        .rposition(|byte| !slashes(byte))
        .map_or(start, |last| last + 1);
    let rest = rest.get(start..end).unwrap_or_default();
    let mut labels: Vec<(String, String)> = Vec::new();
    if rest.is_empty() {
        return Ok(PathLabels(labels));
    }
    let mut parts = rest.split(slashes);
    while let Some(name) = parts.next() {
        let Some(value) = parts.next() else {
            return Err(refused("labels must be defined in pairs"));
        };
        let invalid = || refused(format_args!("invalid name {}", GoQuoted(name)));
        let name = str::from_utf8(name).map_err(|_| invalid())?;
        if !is_legacy_label_name(name) || is_reserved_label_name(name) {
            return Err(invalid());
        }
        let value = str::from_utf8(value).map_err(|_| {
            refused(format_args!(
                "invalid value {} of label {name}: expected UTF-8",
                GoQuoted(value)
            ))
        })?;
        if labels.iter().any(|(known, _)| known == name) {
            return Err(duplicate(name));
        }
        labels.push((name.to_owned(), value.to_owned()));
    }
    Ok(PathLabels(labels))
}

/// What series get: the labels of a path, and a job if they have none.
#[derive(Debug)]
pub(crate) struct Labels {
    pub(crate) path: PathLabels,
    pub(crate) job: Arc<str>,
}

/// A body whose series get labels, if there are some.
pub(crate) struct Labelled<B> {
    pub(crate) body: B,
    pub(crate) labels: Option<Labels>,
}

impl<B: Body> Body for Labelled<B> {
    fn bytes(&self) -> &[u8] {
        self.body.bytes()
    }

    fn is_text(&self) -> bool {
        self.body.is_text()
    }

    fn decode<'t>(&self, bytes: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, Refusal> {
        let mut exposition = self.body.decode(bytes, memory)?;
        if let Some(labels) = &self.labels {
            labels.add(&mut exposition, memory)?;
        }
        Ok(exposition)
    }
}

impl Labels {
    fn add(&self, exposition: &mut Exposition<'_>, memory: &Meter<'_>) -> Result<(), Refusal> {
        let mut intern = |text: &str| exposition.intern_within(text, memory).map_err(too_large);
        let mut added = Vec::with_capacity(self.path.0.len());
        for (name, value) in &self.path.0 {
            added.push(Label {
                name: intern(name)?,
                value: intern(value)?,
            });
        }
        let job = Label {
            name: intern(JOB)?,
            value: intern(&self.job)?,
        };
        // An empty value is none.
        added.retain(|label| !label.value.is_empty());
        let mut families = std::mem::take(&mut exposition.families);
        for metric in families.iter_mut().flat_map(|family| &mut family.metrics) {
            self.check(exposition, metric)?;
            let start = exposition.labels.len();
            let (mut own, mut has_job) = (Vec::new(), !self.path.job().is_empty());
            for at in metric.labels.range() {
                let Some(label) = exposition.labels.get(at) else {
                    continue;
                };
                let is_job = exposition.text(label.name) == JOB;
                if is_job && label.value.is_empty() {
                    continue;
                }
                has_job |= is_job;
                own.push(*label);
            }
            let count = own.len() + added.len() + usize::from(!has_job);
            memory
                .reserve(&mut exposition.labels, count)
                .map_err(Refusal::from)?;
            exposition.labels.append(&mut own);
            exposition.labels.extend_from_slice(&added);
            if !has_job {
                exposition.labels.push(job);
            }
            metric.labels = Run::new(start, exposition.labels.len()).map_err(too_large)?;
        }
        exposition.families = families;
        Ok(())
    }

    /// No label twice: neither one of the metric, nor one that its lines have.
    fn check(&self, exposition: &Exposition<'_>, metric: &Metric) -> Result<(), Refusal> {
        let of_lines = match metric.value {
            Value::Histogram(_) => "le",
            Value::Summary(_) => "quantile",
            Value::Number(_) | Value::Missing => "",
        };
        for (name, _) in &self.path.0 {
            let has = |(own, _): (&str, &str)| own == name;
            if name == of_lines || exposition.labels(metric.labels).any(has) {
                return Err(duplicate(name));
            }
        }
        Ok(())
    }
}

fn duplicate(name: &str) -> Refusal {
    refused(format_args!("duplicate label {name}"))
}

fn refused(text: impl fmt::Display) -> Refusal {
    Refusal::new(Reason::Url, text.to_string())
}

fn too_large(error: TooLarge) -> Refusal {
    match error {
        TooLarge::Memory(denied) => denied.into(),
        TooLarge::Indices => Refusal::new(Reason::TooLarge, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use wharf_exposition::text;
    use wharf_model::name::EscapingScheme;

    use super::*;

    fn labels(path: &str) -> Result<String, String> {
        let read = read(path.as_bytes()).map_err(|refusal| refusal.text)?;
        let labels = read.0.iter().map(|(name, value)| format!("{name}={value}"));
        Ok(labels.collect::<Vec<_>>().join(","))
    }

    #[test]
    fn paths_are_labels_in_pairs() {
        for (path, expected) in [
            ("", ""),
            ("/", ""),
            ("/job/a", "job=a"),
            ("/job/a/", "job=a"),
            ("/b/2/a/1", "b=2,a=1"),
            ("/job//x/1", "job=,x=1"),
            ("/x/ü", "x=ü"),
        ] {
            assert_eq!(labels(path).as_deref(), Ok(expected), "{path}");
        }
        for (path, expected) in [
            ("/job", "labels must be defined in pairs"),
            ("/job/a/b", "labels must be defined in pairs"),
            ("/job/a/x/1/x/2", "duplicate label x"),
            ("/job@base64/YQ==", "invalid name \"job@base64\""),
            ("/a.b/x", "invalid name \"a.b\""),
            ("/é/x", "invalid name \"é\""),
            ("/__name__/x", "invalid name \"__name__\""),
        ] {
            assert_eq!(labels(path), Err(expected.to_owned()), "{path}");
        }
        assert!(read(b"/x/\xff").is_err());
    }

    struct Text(&'static str);

    impl Body for Text {
        fn bytes(&self) -> &[u8] {
            self.0.as_bytes()
        }

        fn is_text(&self) -> bool {
            true
        }

        fn decode<'t>(&self, bytes: &'t [u8], _: &Meter<'_>) -> Result<Exposition<'t>, Refusal> {
            Ok(text::decode(bytes, text::Options::default()).unwrap())
        }
    }

    fn labelled(path: &str, body: &'static str) -> Result<String, String> {
        let labelled = Labelled {
            body: Text(body),
            labels: Some(Labels {
                path: read(path.as_bytes()).unwrap(),
                job: "aggregate".into(),
            }),
        };
        let exposition = labelled.decode(labelled.bytes(), &Meter::unlimited());
        let exposition = exposition.map_err(|refusal| refusal.text)?;
        let shown = text::encode(&exposition, EscapingScheme::AllowUtf8);
        let shown = String::from_utf8(shown).unwrap();
        let lines = shown.lines().filter(|line| !line.starts_with('#'));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn series_get_the_labels_of_the_path_and_a_job() {
        for (path, body, expected) in [
            ("", "c 1\n", "c{job=\"aggregate\"} 1"),
            ("", "c{job=\"\",b=\"2\"} 1\n", "c{b=\"2\",job=\"aggregate\"} 1"),
            ("", "c{job=\"own\"} 1\n", "c{job=\"own\"} 1"),
            ("/job/a/x/1", "c{y=\"2\"} 1\n", "c{job=\"a\",x=\"1\",y=\"2\"} 1"),
            ("/job//x/1", "c 1\n", "c{job=\"aggregate\",x=\"1\"} 1"),
            ("/le/1", "c 1\n", "c{job=\"aggregate\",le=\"1\"} 1"),
            ("/x/1", "", ""),
        ] {
            assert_eq!(labelled(path, body).as_deref(), Ok(expected), "{path} {body}");
        }
    }

    #[test]
    fn no_label_stands_twice() {
        let histogram = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n";
        let summary = "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n";
        for (path, body, label) in [
            ("/job/a", "c{job=\"b\"} 1\n", "job"),
            ("/job/a", "c{job=\"a\"} 1\n", "job"),
            ("/x/1", "b 1\nc{x=\"\"} 1\n", "x"),
            ("/le/1", histogram, "le"),
            ("/quantile/1", summary, "quantile"),
        ] {
            assert_eq!(
                labelled(path, body),
                Err(format!("duplicate label {label}")),
                "{path}"
            );
        }
    }
}
