//! Pushes whose counters begin anew: each gives its counters, histograms and summaries a start of its own.
//!
//! A reader that knows starts takes one that has changed for a reset, also if the value has not fallen: so what two runs have
//! counted adds up. It needs starts that rise, and one that lies after the last scrape of what was stored before. A run that
//! takes longer than a scrape interval has begun before that, so its start is the time of its push.

use std::time::Duration;

use wharf_model::{Effort, Exposition, Family, GroupingKey, MetricType, Timestamp, TooLarge};

use super::families::Folding;
use super::series::BYTE_STEPS;
use crate::prepare::{Prepared, PreparedFamily, Preparer};
use crate::{PushError, UnixNanos};

/// A stored start that is so far ahead of the push is a mistake: of a clock, or of a client that named it. No reader takes a
/// start that is to come, so one after it would be ignored too, until its time has come.
const MOST_AHEAD: Duration = Duration::from_secs(3600);

/// The families of a push, with starts: that of the push, or if the clock has not gone on since the one that is stored of
/// these families, a millisecond after that.
///
/// # Errors
/// If it gets too large with them; if the effort ends.
pub(super) fn begin<'a>(
    preparer: &Preparer,
    key: &GroupingKey,
    old: &Prepared<'_>,
    delta: &Prepared<'a>,
    effort: Option<&Effort>,
) -> Result<Prepared<'a>, PushError> {
    let begins = |family: &&PreparedFamily<'a>| has_start(family.metric_type);
    let mut last = None;
    for (family, stored) in delta
        .families
        .iter()
        .filter(begins)
        .filter_map(|family| Some((family, old.get(family.name)?)))
    {
        // Text has no starts.
        if let Some(exact) = &stored.exact {
            pay(effort, exact.len() as u64)?;
            last = last.max(last_start(old, stored, family.pushed_at));
        }
    }
    let mut folding = Folding::new(preparer);
    for family in &delta.families {
        if !has_start(family.metric_type) {
            folding.copy(delta, family);
            continue;
        }
        pay(effort, family.size().bytes)?;
        let start = start(family.pushed_at, last);
        let begun = begun(delta, family, start).map_err(|_too_large| preparer.too_large())?;
        folding.add(key, &begun, family)?;
    }
    if folding.prepared.text.len() > preparer.max_text_bytes {
        return Err(preparer.too_large());
    }
    Ok(folding.finish())
}

fn pay(effort: Option<&Effort>, bytes: u64) -> Result<(), PushError> {
    if let Some(effort) = effort {
        effort.spend(BYTE_STEPS.saturating_mul(bytes))?;
    }
    Ok(())
}

/// Whether metrics of the type count from a start on.
fn has_start(metric_type: MetricType) -> bool {
    matches!(
        metric_type,
        MetricType::Counter | MetricType::Histogram | MetricType::Summary
    )
}

/// The start of what was pushed at a time, in milliseconds: readers know no more.
fn start(pushed_at: UnixNanos, last: Option<i64>) -> Timestamp {
    let now = milliseconds(pushed_at);
    let milliseconds = last.map_or(now, |last| last.saturating_add(1).max(now));
    Timestamp {
        seconds: milliseconds.div_euclid(1000),
        nanos: i32::try_from(milliseconds.rem_euclid(1000) * 1_000_000).unwrap_or_default(),
    }
}

fn milliseconds(time: UnixNanos) -> i64 {
    time.0.div_euclid(1_000_000)
}

/// The last start of a stored family, in milliseconds, without those that are [too far](MOST_AHEAD) ahead of this push.
fn last_start(old: &Prepared<'_>, stored: &PreparedFamily<'_>, pushed_at: UnixNanos) -> Option<i64> {
    let most_ahead = i64::try_from(MOST_AHEAD.as_millis()).unwrap_or(i64::MAX);
    let most = milliseconds(pushed_at).saturating_add(most_ahead);
    old.parts_of(stored).decode(|_, family| {
        let extras = family.metrics.iter().filter_map(|metric| metric.extra.as_ref());
        let starts = extras.filter_map(|extra| extra.created).map(|created| {
            let seconds = created.seconds.saturating_mul(1000);
            seconds.saturating_add(i64::from(created.nanos).div_euclid(1_000_000))
        });
        starts.filter(|start| *start <= most).max()
    })
}

/// A family of a push, which starts then.
fn begun(
    delta: &Prepared<'_>,
    family: &PreparedFamily<'_>,
    start: Timestamp,
) -> Result<Exposition<'static>, TooLarge> {
    let mut begun = Exposition::default();
    let metrics = delta.parts_of(family).decode(|exposition, family| {
        let metrics = family.metrics.iter().map(|metric| {
            let mut metric = begun.adopt(exposition, metric)?;
            metric.extra.get_or_insert_default().created = Some(start);
            Ok(metric)
        });
        metrics.collect::<Result<Vec<_>, TooLarge>>()
    })?;
    let family = Family {
        name: begun.intern(family.name)?,
        help: family
            .help
            .as_deref()
            .map(|help| begun.intern(help))
            .transpose()?,
        unit: begun.intern(&family.unit)?,
        metric_type: family.metric_type,
        metrics,
    };
    begun.families.push(family);
    Ok(begun)
}
