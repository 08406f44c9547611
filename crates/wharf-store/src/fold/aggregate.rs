//! Pushes that are added to what is stored: each metric is a part, not a total.
//!
//! | type | what it becomes |
//! |---|---|
//! | counter, untyped | the sum |
//! | gauge | the last value, or as is said: sum, smallest, largest, mean, how often |
//! | histogram | counts and sums are added, see [`classic`] and [`native`] |
//! | summary | count and sum are added; its quantiles leave, since nothing can be said of those of both |
//! | gauge histogram | the last one, or where gauges are summed the sum, as of histograms |
//! | info, state set | the last ones: what is stored of the family leaves |
//!
//! Of exemplars the newest stays, of start times the oldest. Sums are those of doubles: whole numbers are exact up to 2^53, and
//! so is any order of them; others are off by at most half a unit in the last place with each push. Of a mean, sum and number are kept.
//!
//! Where series are to live for a time only, each that is pushed is kept with its end, and whatever is pushed without has none.

mod classic;
mod count;
mod native;
mod number;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use wharf_model::{
    Effort, Exposition, Family, GroupingKey, Histogram, Mean, Metric, MetricType, Run, Summary, Timestamp,
    TooLarge, Unseen, Value,
};

use super::families::Folding;
use super::series::{BYTE_STEPS, keep_what_is_not_said, same_type};
use crate::aggregation::{Aggregation, Gauges, NotAdded, WhyNotAdded};
use crate::clashes::Found;
use crate::inconsistency::{describe_labels, short};
use crate::limits::{Exceeded, Limited};
use crate::prepare::{Prepared, PreparedFamily, Preparer};
use crate::series::series_of;
use crate::{PushError, is_standing};

/// Adds the families of a push, each as the sum of it and of what is stored.
pub(super) fn add_touched<'a>(
    folding: &mut Folding<'a, '_>,
    key: &GroupingKey,
    (old, delta): (&Prepared<'_>, &Prepared<'a>),
    aggregation: Aggregation,
    effort: Option<&Effort>,
) -> Result<(), PushError> {
    let mut found = Found::default();
    for family in &delta.families {
        let stored = old.get(family.name).filter(|stored| stored.lines > 0);
        let replaces = matches!(family.metric_type, MetricType::Info | MetricType::StateSet);
        if is_standing(family.name) || family.lines == 0 {
            match stored.filter(|_| !is_standing(family.name)) {
                // It says nothing of series.
                Some(stored) => {
                    folding.copy(old, &stored_as(stored, family));
                }
                None => {
                    folding.copy(delta, family);
                }
            }
            continue;
        }
        if let Some(stored) = stored
            && let Err(clash) = same_type(key, family, stored)
        {
            found.add(clash);
            continue;
        }
        if replaces && aggregation.series_ttl.is_none() {
            let before = stored.map_or(0, |stored| stored.lines);
            few_enough(aggregation, before.into(), family.lines.into())
                .map_err(|refused| refused.into_error(folding.preparer, family.name))?;
            folding.copy(delta, family).shape.added_up = true;
            continue;
        }
        let bytes = stored.map_or(0, |stored| stored.size().bytes) + family.size().bytes;
        if let Some(effort) = effort {
            effort.spend(BYTE_STEPS.saturating_mul(bytes))?;
        }
        let summed = summed(
            folding.preparer,
            // Of what replaces the family nothing stored stays.
            stored.filter(|_| !replaces).map(|stored| (old, stored)),
            (delta, family),
            aggregation,
        );
        let summed = summed.map_err(|refused| refused.into_error(folding.preparer, family.name))?;
        if let Some(done) = folding.add(key, &summed, family)? {
            done.shape.added_up = true;
            if let Some(stored) = stored {
                keep_what_is_not_said(done, stored);
            }
        }
        if folding.prepared.text.len() > folding.preparer.max_text_bytes {
            return Err(folding.preparer.too_large());
        }
    }
    match found.into_clashes() {
        Some(clashes) => Err(clashes.into()),
        None => Ok(()),
    }
}

/// What is stored of a family, under the name that lives as long as the push.
fn stored_as<'a>(stored: &PreparedFamily<'_>, family: &PreparedFamily<'a>) -> PreparedFamily<'a> {
    let owned = |text: &str| std::borrow::Cow::Owned(text.to_owned());
    PreparedFamily {
        name: family.name,
        help: stored.help.as_deref().map(owned),
        unit: owned(&stored.unit),
        ..stored.clone().without_names()
    }
}

/// Why a family is not added up.
enum Refused {
    Not { series: String, why: WhyNotAdded },
    TooManySeries { max: u64, found: u64 },
    TooLarge,
}

impl From<TooLarge> for Refused {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

impl Refused {
    fn into_error(self, preparer: &Preparer, family: &str) -> PushError {
        match self {
            Self::Not { series, why } => PushError::NotAdded(Box::new(NotAdded {
                family: short(family),
                series,
                why,
            })),
            Self::TooManySeries { max, found } => PushError::Limit(Exceeded {
                limited: Limited::LabelSets,
                max,
                found,
                selector: None,
                family: Some(short(family).into()),
            }),
            Self::TooLarge => preparer.too_large(),
        }
    }
}

/// Whether a family may go from so many label sets to so many. Those that are there already are no reason to refuse a push.
fn few_enough(aggregation: Aggregation, before: u64, after: u64) -> Result<(), Refused> {
    match aggregation.max_series {
        Some(max) if after > max && after > before => Err(Refused::TooManySeries { max, found: after }),
        _ => Ok(()),
    }
}

/// A family of a push and what is stored of it, as one.
fn summed(
    preparer: &Preparer,
    stored: Option<(&Prepared<'_>, &PreparedFamily<'_>)>,
    (delta, family): (&Prepared<'_>, &PreparedFamily<'_>),
    aggregation: Aggregation,
) -> Result<Exposition<'static>, Refused> {
    let mut adding = Adding {
        sum: Exposition::default(),
        aggregation,
        metric_type: family.metric_type,
        expires_at: aggregation.series_ttl.map(|after| {
            let after = i64::try_from(after.as_nanos()).unwrap_or(i64::MAX);
            family.pushed_at.0.saturating_add(after)
        }),
    };
    let mut before = 0;
    let metrics = delta.parts_of(family).decode(|pushed, pushed_family| {
        let Some((old, stored)) = stored else {
            let metrics = pushed_family.metrics.iter();
            let metrics = metrics.map(|metric| adding.add(None, (pushed, metric)));
            return metrics.collect::<Result<Vec<_>, _>>();
        };
        let positions = series_of(family.name, family.metric_type, delta.text(family));
        let positions: HashMap<&[u8], usize> = positions.into_iter().zip(0..).collect();
        old.parts_of(stored).decode(|exposition, stored_family| {
            let mut partners: Vec<Option<&Metric>> = vec![None; pushed_family.metrics.len()];
            let mut staying = Vec::with_capacity(stored_family.metrics.len());
            let series = series_of(stored.name, stored.metric_type, old.text(stored));
            for (metric, series) in stored_family.metrics.iter().zip(series) {
                let now = preparer.series_now(exposition, stored.name, metric);
                let position = positions.get(now.as_deref().unwrap_or(series));
                match position.and_then(|position| partners.get_mut(*position)) {
                    Some(partner) => *partner = Some(metric),
                    None => staying.push(adding.sum.adopt(exposition, metric)?),
                }
            }
            let pairs = pushed_family.metrics.iter().zip(partners);
            let metrics = pairs.map(|(metric, partner)| {
                let stored = partner.map(|partner| (exposition, partner));
                adding.add(stored, (pushed, metric))
            });
            let mut metrics = metrics.collect::<Result<Vec<_>, _>>()?;
            metrics.append(&mut staying);
            before = stored_family.metrics.len();
            Ok(metrics)
        })
    })?;
    few_enough(aggregation, before as u64, metrics.len() as u64)?;
    let stored = stored.map(|(_, stored)| stored);
    let help = family
        .help
        .as_deref()
        .or(stored.and_then(|stored| stored.help.as_deref()));
    let unit = Some(&*family.unit).filter(|unit| !unit.is_empty());
    let unit = unit.or(stored.map(|stored| &*stored.unit));
    let sum = &mut adding.sum;
    let family = Family {
        name: sum.intern(family.name)?,
        help: help.map(|help| sum.intern(help)).transpose()?,
        unit: sum.intern(unit.unwrap_or_default())?,
        metric_type: family.metric_type,
        metrics,
    };
    sum.families.push(family);
    Ok(adding.sum)
}

/// A family that is being added up.
struct Adding {
    sum: Exposition<'static>,
    aggregation: Aggregation,
    metric_type: MetricType,
    /// When the pushed series leave, if they do.
    expires_at: Option<i64>,
}

/// A metric, and where it is from.
type Of<'m> = (&'m Exposition<'m>, &'m Metric);

impl Adding {
    /// The sum of a stored metric and a pushed one, with what is kept beside it.
    fn add(&mut self, stored: Option<Of<'_>>, pushed: Of<'_>) -> Result<Metric, Refused> {
        let (mut sum, mean) = self.add_values(stored, pushed)?;
        let unseen = Unseen {
            expires_at: self.expires_at,
            mean,
        };
        if unseen != Unseen::default() {
            sum.extra.get_or_insert_default().unseen = unseen;
        }
        Ok(sum)
    }

    /// The sum, and what it is the mean of.
    fn add_values(
        &mut self,
        stored: Option<Of<'_>>,
        (pushed, metric): Of<'_>,
    ) -> Result<(Metric, Option<Mean>), Refused> {
        let refused = |why| Refused::Not {
            series: describe_labels(&pushed.labels(metric.labels).collect::<Vec<_>>()),
            why,
        };
        let mut sum = self.sum.adopt(pushed, metric)?;
        let mut mean = None;
        match sum.value {
            Value::Number(pushed) => {
                let before = match stored.map(|(_, stored)| stored.value) {
                    None => None,
                    Some(Value::Number(number)) => Some(number),
                    Some(_) => return Err(refused(WhyNotAdded::Stored)),
                };
                if self.metric_type == MetricType::Gauge && self.aggregation.gauges == Gauges::Average {
                    let extra = stored.and_then(|(_, stored)| stored.extra.as_deref());
                    let known = extra.and_then(|extra| extra.unseen.mean);
                    let before = before.map(|before| (before, known));
                    mean = Some(number::mean(before, pushed).map_err(refused)?);
                }
                let number = match mean {
                    Some(mean) => number::of_mean(mean),
                    None => self.number(before, pushed).map_err(refused)?,
                };
                sum.value = Value::Number(number);
            }
            Value::Summary(index) => {
                let before = stored.map(|(exposition, stored)| match stored.value {
                    Value::Summary(index) => exposition.summary(index),
                    _ => Summary::default(),
                });
                let summary = self.sum.summaries.get_mut(index as usize);
                let summary = summary.ok_or(Refused::TooLarge)?;
                *summary = added_summary(before, *summary).map_err(refused)?;
            }
            Value::Histogram(index) => {
                if self.metric_type == MetricType::GaugeHistogram && self.aggregation.gauges != Gauges::Sum {
                    return Ok((sum, None));
                }
                let stored = stored.map(|(exposition, stored)| self.sum.adopt(exposition, stored));
                let before = match stored.transpose()?.map(|stored| stored.value) {
                    None => None,
                    Some(Value::Histogram(index)) => self.sum.histogram(index).cloned(),
                    Some(_) => return Err(refused(WhyNotAdded::Stored)),
                };
                let pushed = self.sum.histogram(index).cloned().unwrap_or_default();
                let histogram = self.histogram(before, pushed).map_err(|error| match error {
                    Problem::Not(why) => refused(why),
                    Problem::TooLarge => Refused::TooLarge,
                })?;
                if let Some(place) = self.sum.histograms.get_mut(index as usize) {
                    *place = histogram;
                }
            }
            Value::Missing => {}
        }
        if let Some(stored) = stored {
            self.keep_extra(stored, &mut sum)?;
        }
        Ok((sum, mean))
    }

    fn number(&self, before: Option<f64>, pushed: f64) -> Result<f64, WhyNotAdded> {
        match self.metric_type {
            MetricType::Counter => number::counted(before, pushed),
            MetricType::Gauge => number::gauge(self.aggregation.gauges, before, pushed),
            // They are replaced, and no sum.
            MetricType::Info | MetricType::StateSet => Ok(pushed),
            _ => number::sum(before, pushed),
        }
    }

    /// The sum of two histograms, which lie among those of [`Self::sum`].
    fn histogram(&mut self, before: Option<Histogram>, pushed: Histogram) -> Result<Histogram, Problem> {
        let sum = number::sum(before.as_ref().map(|before| before.sum), pushed.sum)?;
        let may_fall = self.metric_type == MetricType::GaugeHistogram;
        let own = classic::read(&self.sum, &pushed, may_fall).ok_or(WhyNotAdded::Buckets)?;
        let Some(before) = before else {
            let native = pushed.native.map(|native| native::checked(*native)).transpose()?;
            return Ok(Histogram {
                sum,
                count: own.count,
                buckets: self.write(&own.buckets)?,
                native: native.map(Box::new),
            });
        };
        let stored = classic::read(&self.sum, &before, may_fall).ok_or(WhyNotAdded::Stored)?;
        let (is_native, was_native) = (pushed.native.is_some(), before.native.is_some());
        if is_native != was_native && (own.is_bare() && is_native || stored.is_bare() && was_native) {
            return Err(WhyNotAdded::OtherBuckets.into());
        }
        let newest = |bound, candidates| newest_within(&self.sum, bound, candidates);
        let classic = classic::add(&stored, &own, self.aggregation.bounds, newest)?;
        let native = match (before.native, pushed.native) {
            (Some(before), Some(pushed)) => Some(Box::new(native::add(&before, &pushed)?)),
            // What only one of them says is not said of the sum.
            _ => None,
        };
        Ok(Histogram {
            sum,
            count: classic.count,
            buckets: self.write(&classic.buckets)?,
            native,
        })
    }

    fn write(&mut self, buckets: &[wharf_model::Bucket]) -> Result<Run, TooLarge> {
        let start = self.sum.buckets.len();
        self.sum.buckets.extend_from_slice(buckets);
        Run::new(start, self.sum.buckets.len())
    }

    /// The older of both starts, and an exemplar if the pushed metric has none that is newer.
    ///
    /// Where what is stored has no start, the sum has none: it is older than that of the push, and a reader that took the push's
    /// would count again what it had seen before.
    fn keep_extra(&mut self, (exposition, stored): Of<'_>, sum: &mut Metric) -> Result<(), TooLarge> {
        let Some(before) = stored.extra.as_deref() else {
            if let Some(extra) = &mut sum.extra {
                extra.created = None;
            }
            return Ok(());
        };
        let extra = sum.extra.get_or_insert_default();
        extra.created = match (before.created, extra.created) {
            (Some(before), Some(pushed)) => Some(older(before, pushed)),
            (before, _) => before,
        };
        let Some(old) = before.exemplar.and_then(|index| exposition.exemplar(index)) else {
            return Ok(());
        };
        let own = extra.exemplar.and_then(|index| self.sum.exemplar(index));
        if own.is_none_or(|own| is_newer(old.timestamp, own.timestamp)) {
            let copied = self.sum.adopt(exposition, stored)?;
            extra.exemplar = copied.extra.and_then(|extra| extra.exemplar);
        }
        Ok(())
    }
}

/// Of the exemplars of a stored and a pushed bucket that lie above this bound, the newest.
fn newest_within(exposition: &Exposition<'_>, above: f64, candidates: [Option<u32>; 2]) -> Option<u32> {
    let found = candidates.map(|index| {
        let index = index?;
        let exemplar = exposition.exemplar(index)?;
        (exemplar.value > above).then_some((index, exemplar.timestamp))
    });
    let newest = match found {
        [Some(stored), Some(pushed)] if is_newer(stored.1, pushed.1) => Some(stored),
        [stored, pushed] => pushed.or(stored),
    };
    newest.map(|(index, _)| index)
}

/// Why a histogram is not added.
enum Problem {
    Not(WhyNotAdded),
    TooLarge,
}

impl From<WhyNotAdded> for Problem {
    fn from(why: WhyNotAdded) -> Self {
        Self::Not(why)
    }
}

impl From<TooLarge> for Problem {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// From here on a count of a summary was no count where it was written: what is negative or not a number, and what is larger than a
/// number can say, comes out of text as these.
const NO_COUNT: u64 = 1 << 63;

fn added_summary(before: Option<Summary>, pushed: Summary) -> Result<Summary, WhyNotAdded> {
    if pushed.count >= NO_COUNT {
        return Err(WhyNotAdded::Count);
    }
    let count = before.map_or(Some(pushed.count), |before| {
        before.count.checked_add(pushed.count)
    });
    Ok(Summary {
        sum: number::sum(before.map(|before| before.sum), pushed.sum)?,
        count: count.ok_or(WhyNotAdded::Overflow)?,
        quantiles: Run::default(),
    })
}

fn older(a: Timestamp, b: Timestamp) -> Timestamp {
    if (a.seconds, a.nanos) <= (b.seconds, b.nanos) {
        a
    } else {
        b
    }
}

/// Whether the stored of two exemplars is the newer one. Without times it is not.
fn is_newer(stored: Option<Timestamp>, pushed: Option<Timestamp>) -> bool {
    let time = |timestamp: Timestamp| (timestamp.seconds, timestamp.nanos);
    match (stored, pushed) {
        (Some(stored), Some(pushed)) => time(stored) > time(pushed),
        _ => false,
    }
}
