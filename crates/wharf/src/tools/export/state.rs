//! `wharf export -o state`: groups as a Pushgateway keeps them.
//!
//! A Pushgateway puts the labels of the group, and an empty `instance`, on every metric before it stores it, and keeps the two
//! push times among the families. The lines of an export have neither.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::Context as _;
use wharf_exposition::{Head, protobuf};
use wharf_http::backup::Line;
use wharf_model::name::{EscapingScheme, NameRule, is_legacy_label_name, is_legacy_metric_name};
use wharf_model::{Exposition, Family, GroupingKey, Metric, MetricType, Value};
use wharf_store::{PUSH_FAILURE_TIME, PUSH_FAILURE_TIME_HELP, PUSH_TIME, PUSH_TIME_HELP, UnixNanos};

use crate::state_file::{self, Group, Writer};
use crate::tools::output::counted;
use crate::tools::whole_file::WholeFile;

/// A state file that is being written, and what of the groups it has no place for.
#[derive(Debug)]
pub(super) struct State {
    writer: Writer<Place>,
    /// Groups with a time to live.
    lives: u64,
    /// Families of a type that protobuf has no number for.
    types: u64,
    /// Groups with names that a Pushgateway takes only if it is told to.
    names: u64,
}

/// A family as it is filed.
struct Filed<'l> {
    name: &'l str,
    pushed_at: UnixNanos,
    message: Vec<u8>,
}

impl State {
    /// An empty one that is to stand at this place, or to go to standard output.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn new(place: Option<&Path>) -> anyhow::Result<Self> {
        Ok(Self {
            writer: Writer::new(Place::new(place)?)?,
            lives: 0,
            types: 0,
            names: 0,
        })
    }

    /// Appends a group; within, why it cannot be.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn add(&mut self, line: &Line) -> anyhow::Result<Result<(), String>> {
        let (key, exposition) = match (line.key(), line.exposition(NameRule::Utf8)) {
            (Ok(key), Ok(exposition)) => (key, exposition),
            (Err(error), _) | (_, Err(error)) => return Ok(Err(error.to_string())),
        };
        let mut filed = Vec::with_capacity(exposition.families.len() + 2);
        for family in &exposition.families {
            let name = exposition.text(family.name);
            if ![PUSH_TIME, PUSH_FAILURE_TIME].contains(&name) {
                filed.push((name, message(&exposition, family, &key)));
            }
        }
        for (name, help, time) in [
            (PUSH_TIME, PUSH_TIME_HELP, line.push_time),
            (PUSH_FAILURE_TIME, PUSH_FAILURE_TIME_HELP, line.failure_time),
        ] {
            let seconds = time.map_or(0.0, |time| nanos(time).as_seconds());
            filed.push((name, time_message(name, help, seconds, &key)));
        }
        let filed = filed.into_iter().map(|(name, message)| {
            let pushed_at = line.pushed_at(name).map(nanos)?;
            Some(Filed {
                name,
                pushed_at,
                message,
            })
        });
        let Some(mut filed) = filed.collect::<Option<Vec<_>>>() else {
            return Ok(Err("expected the time of a push, found none".to_owned()));
        };
        filed.sort_by_key(|family| family.name);
        self.count(line, &key, &exposition);
        let families = filed.iter().map(|family| state_file::Family {
            name: family.name,
            pushed_at: family.pushed_at,
            message: &family.message,
        });
        self.writer.group(&Group {
            families: families.collect(),
            key,
        })?;
        Ok(Ok(()))
    }

    fn count(&mut self, line: &Line, key: &GroupingKey, exposition: &Exposition<'_>) {
        // For ever is what a Pushgateway does.
        self.lives += u64::from(line.ttl.as_ref().is_some_and(|ttl| ttl != "0"));
        let has_type =
            |family: &&Family| matches!(family.metric_type, MetricType::Info | MetricType::StateSet);
        self.types += exposition.families.iter().filter(has_type).count() as u64;
        let has_legacy_names = |family: &Family| {
            let mut labels = family
                .metrics
                .iter()
                .flat_map(|metric| exposition.labels(metric.labels));
            is_legacy_metric_name(exposition.text(family.name))
                && labels.all(|(name, _)| is_legacy_label_name(name))
        };
        let is_legacy = key.labels().all(|(name, _)| is_legacy_label_name(name))
            && exposition.families.iter().all(has_legacy_names);
        self.names += u64::from(!is_legacy);
    }

    /// Puts the file where it belongs, and says what there was no place for.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn finish(self) -> anyhow::Result<Vec<String>> {
        let Self {
            writer,
            lives,
            types,
            names,
        } = self;
        writer.finish()?.finish()?;
        let mut warnings = Vec::new();
        if lives > 0 {
            let groups = counted(lives, "group", "groups");
            warnings.push(format!(
                "a Pushgateway knows no times to live: {groups} with one will stay until they are deleted"
            ));
        }
        if types > 0 {
            let families = counted(types, "family", "families");
            warnings.push(format!(
                "a Pushgateway knows neither infos nor state sets: {families} of these will be gauges"
            ));
        }
        if names > 0 {
            let groups = counted(names, "group", "groups");
            warnings.push(format!(
                "{groups} with names beyond letters, digits and underscores: give the Pushgateway --push.enable-utf8-names"
            ));
        }
        Ok(warnings)
    }
}

/// A family with all labels that its metrics have in a Pushgateway.
fn message(exposition: &Exposition<'_>, family: &Family, key: &GroupingKey) -> Vec<u8> {
    let mut message = Vec::new();
    protobuf::write_whole_head(&mut message, &Head::of(exposition, family));
    for metric in &family.metrics {
        let labels = with_those_of_group(exposition.labels(metric.labels), key);
        write_metric(&mut message, exposition, family.metric_type, labels, metric);
    }
    message
}

/// The family of a push time.
fn time_message(name: &str, help: &str, seconds: f64, key: &GroupingKey) -> Vec<u8> {
    let mut message = Vec::new();
    let head = Head {
        name,
        help: Some(help),
        unit: "",
        metric_type: MetricType::Gauge,
    };
    protobuf::write_whole_head(&mut message, &head);
    let exposition = Exposition::default();
    let metric = Metric {
        labels: wharf_model::Run::default(),
        value: Value::Number(seconds),
        extra: None,
    };
    let labels = with_those_of_group(std::iter::empty(), key);
    write_metric(&mut message, &exposition, MetricType::Gauge, labels, &metric);
    message
}

fn write_metric(
    message: &mut Vec<u8>,
    exposition: &Exposition<'_>,
    metric_type: MetricType,
    labels: Vec<(&str, &str)>,
    metric: &Metric,
) {
    let labels = labels.into_iter();
    protobuf::write_metric(
        message,
        exposition,
        metric_type,
        labels,
        metric,
        EscapingScheme::AllowUtf8,
    );
}

/// The labels of a metric with those of the group, which count, and an instance, sorted by name.
fn with_those_of_group<'l>(
    own: impl Iterator<Item = (&'l str, &'l str)>,
    key: &'l GroupingKey,
) -> Vec<(&'l str, &'l str)> {
    let mut labels: Vec<_> = own.filter(|(name, _)| key.value(name).is_none()).collect();
    labels.extend(key.labels());
    if !labels.iter().any(|(name, _)| *name == "instance") {
        labels.push(("instance", ""));
    }
    labels.sort_unstable();
    labels
}

/// As far as 64 bits reach: to the year 2262.
fn nanos(time: jiff::Timestamp) -> UnixNanos {
    let nanos = time.as_nanosecond().clamp(0, i128::from(i64::MAX));
    UnixNanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// Where the state is until it is whole.
#[derive(Debug)]
enum Place {
    File(WholeFile),
    /// A file without a name, since standard output cannot be filled in later.
    Stdout(File),
}

impl Place {
    fn new(place: Option<&Path>) -> anyhow::Result<Self> {
        Ok(match place {
            Some(place) => Self::File(WholeFile::begin(place)?),
            None => Self::Stdout(tempfile::tempfile().context("make a temporary file; --out needs none")?),
        })
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::File(file) => file.finish(),
            Self::Stdout(mut file) => {
                file.rewind()?;
                io::copy(&mut file, &mut io::stdout().lock())?;
                Ok(())
            }
        }
    }
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(file) => file.flush(),
        }
    }
}

impl Seek for Place {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Stdout(file) => file.seek(to),
        }
    }
}
