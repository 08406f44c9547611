//! The groups of a gateway with all their metrics, as `GET /api/v1/metrics` tells them: Wharf's and the Pushgateway's.
//!
//! The answer is read group by group, so that a gateway may hold more than fits into the memory of the tool.

mod exact;
mod scrape;

use std::fmt;
use std::io::{self, BufReader};

use anyhow::Context;
use jiff::Timestamp;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use wharf_client::{Client, Request};
use wharf_exposition::{number, text};
use wharf_model::{Bucket, Count, Exposition, Family, GroupingKey, Histogram, Label, Metric, MetricType};
use wharf_model::{Quantile, Run, Summary, Text, TooLarge};

use wharf_store::{PUSH_FAILURE_TIME, PUSH_TIME};

use super::output::clean;

pub(super) use self::exact::{read_exact, text_keeps_all};
pub(super) use self::scrape::{Scraped, scrape};

/// An answer beyond this is not read to its end: it has all that a gateway holds.
pub(super) const MAX_ANSWER_BYTES: u64 = 64 << 30;

/// What the JSON does not have.
pub(super) const NOT_IN_JSON: &str = "native histograms, exemplars, created timestamps and units";

/// One group with its metrics.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) key: GroupingKey,
    /// When it was last pushed with success; none if it never was.
    pub(super) pushed_at: Option<Timestamp>,
    /// When a push was last refused; none if none was.
    pub(super) failed_at: Option<Timestamp>,
    /// Its families, without the two push times. The labels of the group are on every series.
    pub(super) families: Exposition<'static>,
    /// What the gateway does not tell in full: a family, or nothing for [`NOT_IN_JSON`] of all of them, and the reason.
    pub(super) left_out: Vec<(String, String)>,
    /// The group as the gateway told it.
    pub(super) json: Map<String, Value>,
}

/// Calls `each` for every group of the gateway; one that cannot be understood is an error of its own.
///
/// # Errors
/// If the gateway does not answer, or something else, or what `each` returns.
pub(super) fn read(
    client: &Client,
    mut each: impl FnMut(anyhow::Result<Contents>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut request = Request::get("/api/v1/metrics");
    // As large as what the gateway holds.
    request.whole_answer_in_time = false;
    request.max_answer_bytes = MAX_ANSWER_BYTES;
    let reader = BufReader::with_capacity(1 << 16, client.open(&request)?);
    let mut stopped = None;
    let groups = Groups {
        each: &mut |group| match each(Contents::new(group)) {
            Ok(()) => true,
            Err(error) => {
                stopped = Some(error);
                false
            }
        },
    };
    let read = serde_json::Deserializer::from_reader(reader).deserialize_map(groups);
    match stopped {
        Some(error) => Err(error),
        None => read
            .map_err(|error| {
                if error.is_io() {
                    // Where in the text the connection broke says nothing.
                    anyhow::Error::from(io::Error::from(error))
                } else {
                    error.into()
                }
            })
            .context("read the groups of the gateway"),
    }
}

/// Reads `{"status":...,"data":[group, ...]}`, handing over group by group; `each` says whether to go on.
struct Groups<'e> {
    each: &'e mut dyn FnMut(Map<String, Value>) -> bool,
}

impl<'de> Visitor<'de> for Groups<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `data`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "data" {
                map.next_value_seed(GroupList(&mut *self.each))?;
                found = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if found {
            Ok(())
        } else {
            Err(A::Error::missing_field("data"))
        }
    }
}

struct GroupList<'e>(&'e mut dyn FnMut(Map<String, Value>) -> bool);

impl<'de> DeserializeSeed<'de> for GroupList<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for GroupList<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of groups")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(group) = seq.next_element()? {
            if !(self.0)(group) {
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }

    // An original that holds nothing has `null` here.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

impl Contents {
    /// Understands a group as the gateway tells it.
    ///
    /// # Errors
    /// If its labels are none, or there is more of something than fits.
    fn new(json: Map<String, Value>) -> anyhow::Result<Self> {
        let labels = json.get("labels").and_then(Value::as_object);
        let labels = labels.context("expected the labels of a group, found none")?;
        let pairs = labels
            .iter()
            .map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        let pairs: Option<Vec<_>> = pairs.collect();
        // A family of that name takes the place of the labels.
        let pairs = pairs.context("expected the labels of a group, found the family `labels`")?;
        let key = GroupingKey::new(pairs)?;
        let mut families = Exposition::default();
        let mut left_out = Vec::new();
        let (mut pushed_at, mut failed_at) = (None, None);
        for (name, family) in &json {
            match (name.as_str(), family) {
                (PUSH_TIME, family) => pushed_at = time(family),
                (PUSH_FAILURE_TIME, family) => failed_at = time(family),
                (name, Value::Object(family)) if name != "labels" => match add(&mut families, name, family) {
                    Ok(()) => {}
                    Err(Unfit::TooLarge(error)) => return Err(error.into()),
                    Err(Unfit::Family(reason)) => left_out.push((name.to_owned(), reason.to_owned())),
                },
                _ => {}
            }
        }
        Ok(Self {
            key,
            pushed_at,
            failed_at,
            families,
            left_out,
            json,
        })
    }

    /// When a family was pushed.
    pub(super) fn set_at(&self, family: &str) -> Option<Timestamp> {
        self.json.get(family)?.get("time_stamp")?.as_str()?.parse().ok()
    }

    /// Whether the last push was taken.
    pub(super) fn is_successful(&self) -> bool {
        self.failed_at <= self.pushed_at
    }

    /// How many series it has, the push times not counted.
    pub(super) fn series(&self) -> u64 {
        series(&self.families)
    }
}

/// What was left out, in words.
pub(super) fn left_out_of(key: &impl fmt::Display, family: &str) -> String {
    let key = clean(&key.to_string());
    if family.is_empty() {
        format!("{NOT_IN_JSON} of group {key}")
    } else {
        format!("family {} of group {key}", clean(family))
    }
}

/// How many series an exposition makes.
pub(super) fn series(exposition: &Exposition<'_>) -> u64 {
    let metrics = exposition.families.iter().flat_map(|family| &family.metrics);
    let count = metrics.map(|metric| match metric.value {
        wharf_model::Value::Summary(index) => exposition.summary(index).quantiles.len() + 2,
        wharf_model::Value::Histogram(index) => {
            let buckets = exposition
                .histogram(index)
                .map(|histogram| histogram.buckets.len());
            buckets.unwrap_or_default() + 2
        }
        _ => 1,
    });
    count.sum::<usize>() as u64
}

/// The time in a family of push times: when it was set, which is exact, unless it never was.
fn time(family: &Value) -> Option<Timestamp> {
    let value = family.get("metrics")?.get(0)?.get("value")?.as_str()?;
    let seconds = number::parse_f64(value.as_bytes())?;
    if seconds == 0.0 {
        return None;
    }
    let set_at: Option<Timestamp> = family
        .get("time_stamp")
        .and_then(|time| time.as_str()?.parse().ok());
    // A Wharf that was told of the time by a push has set the family later.
    let said = Timestamp::from_duration(jiff::SignedDuration::try_from_secs_f64(seconds).ok()?).ok()?;
    match set_at {
        Some(set_at) if (set_at.as_second() - said.as_second()).abs() <= 1 => Some(set_at),
        _ => Some(said),
    }
}

enum Unfit {
    TooLarge(TooLarge),
    Family(&'static str),
}

impl From<TooLarge> for Unfit {
    fn from(error: TooLarge) -> Self {
        Self::TooLarge(error)
    }
}

const MALFORMED: Unfit = Unfit::Family("expected metrics with labels and values, found others");

/// Adds a family; of one that does not fit nothing is added.
fn add(exposition: &mut Exposition<'static>, name: &str, family: &Map<String, Value>) -> Result<(), Unfit> {
    let text = |key: &str| family.get(key).and_then(Value::as_str);
    let word = text("type").ok_or(MALFORMED)?.to_ascii_lowercase();
    let metric_type = text::parse_type(word.as_bytes()).ok_or(MALFORMED)?;
    let metrics = family.get("metrics").and_then(Value::as_array).ok_or(MALFORMED)?;
    let mut added = Vec::with_capacity(metrics.len());
    for metric in metrics {
        let metric = metric.as_object().ok_or(MALFORMED)?;
        added.push(Metric {
            labels: add_labels(exposition, metric)?,
            value: add_value(exposition, metric_type, metric)?,
            extra: None,
        });
    }
    let family = Family {
        name: exposition.intern(name)?,
        help: text("help").map(|help| exposition.intern(help)).transpose()?,
        unit: Text::EMPTY,
        metric_type,
        metrics: added,
    };
    exposition.families.push(family);
    Ok(())
}

fn add_labels(exposition: &mut Exposition<'static>, metric: &Map<String, Value>) -> Result<Run, Unfit> {
    let start = exposition.labels.len();
    let labels = metric.get("labels").and_then(Value::as_object);
    for (name, value) in labels.into_iter().flatten() {
        let label = Label {
            name: exposition.intern(name)?,
            value: exposition.intern(value.as_str().ok_or(MALFORMED)?)?,
        };
        exposition.labels.push(label);
    }
    Ok(Run::new(start, exposition.labels.len())?)
}

fn add_value(
    exposition: &mut Exposition<'static>,
    metric_type: MetricType,
    metric: &Map<String, Value>,
) -> Result<wharf_model::Value, Unfit> {
    let index = |len: usize| u32::try_from(len).map_err(|_| TooLarge::Indices);
    match metric_type {
        MetricType::Summary => {
            let start = exposition.quantiles.len();
            for (quantile, value) in pairs(metric.get("quantiles"))? {
                exposition.quantiles.push(Quantile { quantile, value });
            }
            let summary = Summary {
                sum: double(metric.get("sum"))?,
                count: integer(metric.get("count"))?,
                quantiles: Run::new(start, exposition.quantiles.len())?,
            };
            exposition.summaries.push(summary);
            Ok(wharf_model::Value::Summary(index(
                exposition.summaries.len() - 1,
            )?))
        }
        MetricType::Histogram | MetricType::GaugeHistogram => {
            if metric.get("buckets").is_some_and(Value::is_array) {
                return Err(Unfit::Family(
                    "a native histogram, which the JSON of the gateway does not tell in full",
                ));
            }
            let start = exposition.buckets.len();
            for (upper_bound, count) in pairs(metric.get("buckets"))? {
                exposition.buckets.push(Bucket {
                    upper_bound,
                    cumulative_count: Count::Float(count),
                    exemplar: None,
                });
            }
            let histogram = Histogram {
                sum: double(metric.get("sum"))?,
                count: Count::Float(double(metric.get("count"))?),
                buckets: Run::new(start, exposition.buckets.len())?,
                native: None,
            };
            exposition.histograms.push(histogram);
            Ok(wharf_model::Value::Histogram(index(
                exposition.histograms.len() - 1,
            )?))
        }
        _ => Ok(wharf_model::Value::Number(double(metric.get("value"))?)),
    }
}

/// Numbers by number, in order.
fn pairs(object: Option<&Value>) -> Result<Vec<(f64, f64)>, Unfit> {
    let object = match object {
        None => return Ok(Vec::new()),
        Some(object) => object.as_object().ok_or(MALFORMED)?,
    };
    let mut pairs = Vec::with_capacity(object.len());
    for (key, value) in object {
        let key = number::parse_f64(key.as_bytes()).ok_or(MALFORMED)?;
        pairs.push((key, double(Some(value))?));
    }
    pairs.sort_by(|(a, _): &(f64, f64), (b, _)| a.total_cmp(b));
    Ok(pairs)
}

fn double(value: Option<&Value>) -> Result<f64, Unfit> {
    let text = value.and_then(Value::as_str).ok_or(MALFORMED)?;
    number::parse_f64(text.as_bytes()).ok_or(MALFORMED)
}

fn integer(value: Option<&Value>) -> Result<u64, Unfit> {
    let text = value.and_then(Value::as_str).ok_or(MALFORMED)?;
    text.parse().map_err(|_| MALFORMED)
}
