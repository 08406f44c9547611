//! All series: by job, family and labels; what has changed of them, and when something happens to them by itself.
//!
//! ```text
//! families   by name: kind, help                       one for all jobs
//! jobs       by name: what is stored of them from before
//! parts      what a job has of a family: its series
//! series     labels, value, when a line came last
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::ReadBack;
use super::created::Created;
use super::inherited::{Inherited, Left};
use super::labels::Labels;
use super::value::{SeriesKind, Value};
use crate::mapping::Mapping;
use crate::resolve::{EventError, Update};
use crate::slab::Slab;

/// The endings of names of lines that summaries and histograms have.
const ENDINGS: [&str; 3] = ["_sum", "_count", "_bucket"];

/// Which series it is. Once it is gone, no other has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesId {
    pub(super) place: u32,
    born: u32,
}

/// What a line wants to change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) job: &'a str,
    pub(super) name: &'a str,
    /// Sorted, and without the job.
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) update: &'a Update<'a, 'a>,
    pub(super) ttl: Option<Duration>,
    pub(super) help: Option<&'a str>,
}

/// Why there is no series for a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoSeries {
    /// The name has another kind, or is that of a line of another family.
    Conflict,
    /// There are as many as there may be.
    TooMany,
}

#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: Arc<str>,
    pub(super) kind: SeriesKind,
    pub(super) help: Option<Box<str>>,
    parts: u32,
}

#[derive(Debug)]
struct Job {
    name: Arc<str>,
    inherited: Inherited,
    /// By family.
    parts: HashMap<u32, u32>,
}

/// What a job has of a family.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) job: u32,
    pub(super) family: u32,
    pub(super) series: HashTable<u32>,
    /// Whether it has lost series, so that it is to be kept as a whole; or is empty, and to be removed.
    pub(super) has_lost: bool,
    /// Not before that time, since it was refused.
    pub(super) waits_until: Duration,
    /// Whether something of it was kept.
    pub(super) is_stored: bool,
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each may be so whatever the others are, and there are many series"
)]
pub(super) struct Series {
    born: u32,
    pub(super) part: u32,
    pub(super) labels: Labels,
    pub(super) value: Value,
    pub(super) created: Created,
    ttl: Option<Duration>,
    last: Duration,
    /// Whether it has changed since it was gathered, or waits to be gathered again.
    pub(super) has_changed: bool,
    /// Whether it is in a list of those that have changed: it stays there if it is gathered with its part.
    pub(super) is_listed: bool,
    /// Whether it was refused, and waits.
    is_refused: bool,
    /// Whether something is to happen to its value.
    turns: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Alarm {
    at: Duration,
    id: SeriesId,
    what: Event,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Its time may be over.
    End,
    /// Its value may change.
    Turn,
    /// It was refused, and is tried again.
    Again,
}

/// All series.
#[derive(Debug)]
pub(super) struct Table {
    max_series: usize,
    began: Duration,
    names: HashMap<Arc<str>, u32>,
    pub(super) families: Slab<Family>,
    job_names: HashMap<Arc<str>, u32>,
    jobs: Slab<Job>,
    pub(super) parts: Slab<Part>,
    pub(super) series: Slab<Series>,
    births: u32,
    metrics: [u64; SeriesKind::ALL.len()],
    /// Those that have changed, each once.
    pub(super) changed: Vec<SeriesId>,
    /// Parts that have lost series, each once.
    pub(super) lost: Vec<u32>,
    /// Those of before the first look of whoever gathers, and that are not gathered yet.
    pub(super) due_series: Vec<SeriesId>,
    pub(super) due_parts: Vec<u32>,
    alarms: BinaryHeap<Reverse<Alarm>>,
    /// Series that were refused, and wait.
    pub(super) refused: usize,
    hasher: DefaultHashBuilder,
}

impl Table {
    pub(super) fn new(max_series: usize, began: Duration) -> Self {
        Self {
            max_series,
            began,
            names: HashMap::new(),
            families: Slab::default(),
            job_names: HashMap::new(),
            jobs: Slab::default(),
            parts: Slab::default(),
            series: Slab::default(),
            births: 0,
            metrics: [0; SeriesKind::ALL.len()],
            changed: Vec::new(),
            lost: Vec::new(),
            due_series: Vec::new(),
            due_parts: Vec::new(),
            alarms: BinaryHeap::new(),
            refused: 0,
            hasher: DefaultHashBuilder::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    pub(super) fn metrics(&self, kind: SeriesKind) -> u64 {
        self.metrics.get(kind as usize).copied().unwrap_or_default()
    }

    /// Whether the series is still there.
    #[inline]
    pub(super) fn has(&self, id: SeriesId) -> bool {
        self.series
            .get(id.place)
            .is_some_and(|series| series.born == id.born)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: SeriesId) -> Option<&mut Series> {
        self.series
            .get_mut(id.place)
            .filter(|series| series.born == id.born)
    }

    /// Changes a series.
    ///
    /// # Errors
    /// If it cannot change like this.
    #[inline]
    pub(super) fn update(
        &mut self,
        id: SeriesId,
        update: &Update<'_, '_>,
        now: Duration,
        set_interval: Duration,
    ) -> Result<(), EventError> {
        let Some(series) = self.series.get_mut(id.place) else {
            return Ok(());
        };
        series.value.update(update, now, set_interval)?;
        series.last = now;
        if !series.has_changed {
            series.has_changed = true;
            if !std::mem::replace(&mut series.is_listed, true) {
                self.changed.push(id);
            }
        }
        if series.value.turns() && !series.turns {
            self.set_turn(id, now);
        }
        Ok(())
    }

    /// Sees to it that a value which changes by itself does so.
    fn set_turn(&mut self, id: SeriesId, now: Duration) {
        let Some(series) = self.get_mut(id) else { return };
        let at = series.value.turn(now);
        series.turns = at.is_some();
        self.alarms.extend(at.map(|at| {
            let what = Event::Turn;
            Reverse(Alarm { at, id, what })
        }));
    }

    /// The series that a line is for; a new one if there is none.
    ///
    /// # Errors
    /// If there is none, and can be none.
    pub(super) fn find(
        &mut self,
        wanted: &Wanted<'_>,
        now: Duration,
        read_back: &ReadBack,
    ) -> Result<SeriesId, NoSeries> {
        let kind = SeriesKind::of(wanted.update);
        let pairs = wanted.labels.iter();
        let labels = Labels::new(pairs.map(|(name, value)| (name.as_str(), value.as_str())));
        let family = self.family(wanted.name, kind)?;
        let part = family.and_then(|family| self.part(*self.job_names.get(wanted.job)?, family));
        if let Some(id) = part.and_then(|part| self.find_in(part, &labels)) {
            return Ok(id);
        }
        if self.series.len() >= self.max_series {
            return Err(NoSeries::TooMany);
        }
        let job = self.job(wanted.job, read_back).ok_or(NoSeries::TooMany)?;
        let before = self.jobs.get_mut(job);
        let before = before.and_then(|job| job.inherited.take(wanted.name, kind, &labels));
        let before = before.and_then(|(before, created)| {
            let value = match wanted.update {
                Update::Observe { observer, .. } => before.go_on(kind, observer, now),
                _ => before.go_on(kind, &crate::Observer::Summary(Arc::default()), now),
            };
            Some((value?, created))
        });
        let (value, created) = before.unwrap_or_else(|| {
            let created = Created::after(self.began, now);
            (Value::new(wanted.update, now), created)
        });
        let new = New {
            job,
            name: wanted.name,
            kind,
            labels,
            value,
            created,
            ttl: wanted.ttl,
            help: wanted.help,
        };
        self.insert(new, now).ok_or(NoSeries::TooMany)
    }

    /// The family of that name, if there is one.
    fn family(&self, name: &str, kind: SeriesKind) -> Result<Option<u32>, NoSeries> {
        if let Some(place) = self.names.get(name) {
            let is_kind = self
                .families
                .get(*place)
                .is_some_and(|family| family.kind == kind);
            return if is_kind {
                Ok(Some(*place))
            } else {
                Err(NoSeries::Conflict)
            };
        }
        let has = |name: &str| self.names.contains_key(name);
        let is_of_observer = ENDINGS.iter().any(|ending| {
            let whole = name.strip_suffix(ending).and_then(|name| self.names.get(name));
            whole.is_some_and(|place| {
                self.families
                    .get(*place)
                    .is_some_and(|family| family.kind.is_observer())
            })
        });
        let hides = kind.is_observer() && ENDINGS.iter().any(|ending| has(&format!("{name}{ending}")));
        if is_of_observer || hides {
            Err(NoSeries::Conflict)
        } else {
            Ok(None)
        }
    }

    fn part(&self, job: u32, family: u32) -> Option<u32> {
        self.jobs.get(job)?.parts.get(&family).copied()
    }

    fn find_in(&self, part: u32, labels: &Labels) -> Option<SeriesId> {
        let part = self.parts.get(part)?;
        let is_it = |place: &u32| {
            self.series
                .get(*place)
                .is_some_and(|series| series.labels == *labels)
        };
        let place = *part.series.find(self.hasher.hash_one(labels), is_it)?;
        let born = self.series.get(place)?.born;
        Some(SeriesId { place, born })
    }

    fn job(&mut self, name: &str, read_back: &ReadBack) -> Option<u32> {
        if let Some(job) = self.job_names.get(name) {
            return Some(*job);
        }
        self.new_job(name, read_back(name))
    }

    fn new_job(&mut self, name: &str, inherited: Inherited) -> Option<u32> {
        let name: Arc<str> = name.into();
        let job = self.jobs.insert(Job {
            name: Arc::clone(&name),
            inherited,
            parts: HashMap::new(),
        })?;
        self.job_names.insert(name, job);
        Some(job)
    }

    fn insert(&mut self, new: New<'_>, now: Duration) -> Option<SeriesId> {
        let family = self.names.get(new.name).copied();
        let family = family.or_else(|| self.new_family(new.name, new.kind, new.help))?;
        let part = self.part(new.job, family);
        let part = part.or_else(|| self.new_part(new.job, family))?;
        self.births = self.births.wrapping_add(1);
        let born = self.births;
        let hash = self.hasher.hash_one(&new.labels);
        let place = self.series.insert(Series {
            born,
            part,
            labels: new.labels,
            value: new.value,
            created: new.created,
            ttl: new.ttl.filter(|ttl| !ttl.is_zero()),
            last: now,
            has_changed: false,
            is_listed: false,
            is_refused: false,
            turns: false,
        })?;
        let (series, hasher) = (&self.series, &self.hasher);
        if let Some(part) = self.parts.get_mut(part) {
            part.series.insert_unique(hash, place, |place| {
                series
                    .get(*place)
                    .map_or(0, |series| hasher.hash_one(&series.labels))
            });
        }
        if let Some(metrics) = self.metrics.get_mut(new.kind as usize) {
            *metrics += 1;
        }
        let id = SeriesId { place, born };
        if let Some(ttl) = self.series.get(place).and_then(|series| series.ttl) {
            self.set_end(id, now.saturating_add(ttl));
        }
        Some(id)
    }

    fn set_end(&mut self, id: SeriesId, at: Duration) {
        let what = Event::End;
        self.alarms.push(Reverse(Alarm { at, id, what }));
    }

    fn new_family(&mut self, name: &str, kind: SeriesKind, help: Option<&str>) -> Option<u32> {
        let name: Arc<str> = name.into();
        let family = self.families.insert(Family {
            name: Arc::clone(&name),
            kind,
            help: help.map(Into::into),
            parts: 0,
        })?;
        self.names.insert(name, family);
        Some(family)
    }

    fn new_part(&mut self, job: u32, family: u32) -> Option<u32> {
        let part = self.parts.insert(Part {
            job,
            family,
            series: HashTable::new(),
            has_lost: false,
            waits_until: Duration::ZERO,
            is_stored: false,
        })?;
        self.jobs.get_mut(job)?.parts.insert(family, part);
        self.families.get_mut(family)?.parts += 1;
        Some(part)
    }

    /// Makes series of what is stored of a job. How many there was no room for, or which contradict what is there.
    pub(super) fn take_over(
        &mut self,
        job: &str,
        inherited: Inherited,
        mapping: &Mapping,
        now: Duration,
    ) -> u64 {
        let mut left_out = 0;
        for Left {
            name,
            kind,
            labels,
            before,
            created,
        } in inherited.into_series()
        {
            let rule = mapping.likely_rule(&name);
            let observer = rule.map_or(mapping.observer(), |rule| &rule.observer);
            let job = match self.job_names.get(job) {
                Some(job) => Some(*job),
                None => self.new_job(job, Inherited::default()),
            };
            let has_room = self.series.len() < self.max_series && self.family(&name, kind).is_ok();
            let (Some(job), true) = (job, has_room) else {
                left_out += 1;
                continue;
            };
            let Some(value) = before.go_on(kind, &observer.of_kind(kind), now) else {
                left_out += 1;
                continue;
            };
            let new = New {
                job,
                name: &name,
                kind,
                labels,
                value,
                created,
                ttl: rule.map_or(mapping.ttl(), |rule| rule.ttl),
                help: rule.and_then(|rule| rule.help.as_deref()),
            };
            let id = self.insert(new, now);
            let part = id
                .and_then(|id| self.series.get(id.place))
                .map(|series| series.part);
            match part.and_then(|part| self.parts.get_mut(part)) {
                Some(part) => part.is_stored = true,
                None => left_out += 1,
            }
        }
        left_out
    }

    /// Lets happen what was to happen up to now.
    pub(super) fn pass(&mut self, now: Duration) {
        while let Some(Reverse(alarm)) = self.alarms.peek()
            && alarm.at <= now
        {
            let Some(Reverse(Alarm { id, what, .. })) = self.alarms.pop() else {
                return;
            };
            let Some(series) = self.get_mut(id) else { continue };
            match what {
                Event::End => {
                    let Some(ttl) = series.ttl else { continue };
                    let end = series.last.saturating_add(ttl);
                    if end < now {
                        self.remove(id);
                    } else {
                        // The exporter lets a series go after its time, not at it.
                        self.set_end(id, end.max(now + Duration::from_nanos(1)));
                    }
                }
                Event::Turn => {
                    series.turns = false;
                    self.set_turn(id, now);
                    self.has_changed(id);
                }
                Event::Again => {
                    series.has_changed = false;
                    if std::mem::take(&mut series.is_refused) {
                        self.refused = self.refused.saturating_sub(1);
                    }
                    self.has_changed(id);
                }
            }
        }
    }

    /// It is to be kept.
    pub(super) fn has_changed(&mut self, id: SeriesId) {
        if let Some(series) = self.get_mut(id)
            && !std::mem::replace(&mut series.has_changed, true)
            && !std::mem::replace(&mut series.is_listed, true)
        {
            self.changed.push(id);
        }
    }

    /// Removes a series. Its part is to be kept as a whole then.
    fn remove(&mut self, id: SeriesId) {
        if let Some(part) = self.take_out(id) {
            self.has_lost(part);
        }
    }

    pub(super) fn has_lost(&mut self, part: u32) {
        if let Some(of_job) = self.parts.get_mut(part)
            && !of_job.has_lost
        {
            of_job.has_lost = true;
            self.lost.push(part);
        }
    }

    fn take_out(&mut self, id: SeriesId) -> Option<u32> {
        let series = self.series.remove(id.place)?;
        self.refused = self.refused.saturating_sub(usize::from(series.is_refused));
        let part = self.parts.get_mut(series.part)?;
        let hash = self.hasher.hash_one(&series.labels);
        if let Ok(entry) = part.series.find_entry(hash, |place| *place == id.place) {
            entry.remove();
        }
        let kind = self.families.get(part.family)?.kind;
        if let Some(metrics) = self.metrics.get_mut(kind as usize) {
            *metrics = metrics.saturating_sub(1);
        }
        Some(series.part)
    }

    /// Tries a series again at that time, and not before, whatever lines come.
    pub(super) fn refused(&mut self, series: &[SeriesId], at: Duration) {
        for id in series {
            if let Some(series) = self.get_mut(*id) {
                // As long as this says so, it does not get among those that have changed.
                series.has_changed = true;
                if !std::mem::replace(&mut series.is_refused, true) {
                    self.refused += 1;
                }
                let what = Event::Again;
                self.alarms.push(Reverse(Alarm { at, id: *id, what }));
            }
        }
    }

    pub(super) fn refused_family(&mut self, job: &str, family: &str, at: Duration) {
        let part = self.job_names.get(job).zip(self.names.get(family));
        if let Some(part) = part.and_then(|(job, family)| self.part(*job, *family)) {
            if let Some(part) = self.parts.get_mut(part) {
                part.waits_until = at;
            }
            self.has_lost(part);
        }
    }

    /// An empty part goes, and with the last one of a family its name, and with the last one of a job what is known of it.
    pub(super) fn free(&mut self, part: u32) {
        let is_empty = self
            .parts
            .get(part)
            .is_some_and(|part| part.series.is_empty() && !part.has_lost);
        if !is_empty {
            return;
        }
        let Some(Part { job, family, .. }) = self.parts.remove(part) else {
            return;
        };
        if let Some(of_family) = self.families.get_mut(family) {
            of_family.parts = of_family.parts.saturating_sub(1);
            if of_family.parts == 0
                && let Some(gone) = self.families.remove(family)
            {
                self.names.remove(&gone.name);
            }
        }
        if let Some(of_job) = self.jobs.get_mut(job) {
            of_job.parts.remove(&family);
            if of_job.parts.is_empty()
                && let Some(gone) = self.jobs.remove(job)
            {
                self.job_names.remove(&gone.name);
            }
        }
    }

    pub(super) fn job_name(&self, job: u32) -> Arc<str> {
        self.jobs
            .get(job)
            .map_or_else(|| "".into(), |job| Arc::clone(&job.name))
    }

    pub(super) fn jobs(&self) -> Vec<Arc<str>> {
        self.jobs.iter().map(|(_, job)| Arc::clone(&job.name)).collect()
    }

    /// A family of a job is not stored any more, nor what lines had not come for.
    pub(super) fn is_removed(&mut self, job: &str, family: &str) {
        let job = self.job_names.get(job).and_then(|job| self.jobs.get_mut(*job));
        if let Some(job) = job {
            job.inherited.forget(family);
        }
    }

    pub(super) fn stored_families(&self, job: &str) -> Vec<Arc<str>> {
        let Some(job) = self.job_names.get(job).and_then(|job| self.jobs.get(*job)) else {
            return Vec::new();
        };
        let parts = job.parts.values().filter_map(|part| self.parts.get(*part));
        let families = parts
            .filter(|part| part.is_stored)
            .filter_map(|part| self.families.get(part.family));
        let has_stored = |name: &str| {
            let part = self.names.get(name).and_then(|family| job.parts.get(family));
            part.is_some_and(|part| self.parts.get(*part).is_some_and(|part| part.is_stored))
        };
        let inherited = job.inherited.names().filter(|name| !has_stored(name));
        families
            .map(|family| Arc::clone(&family.name))
            .chain(inherited.map(Into::into))
            .collect()
    }

    pub(super) fn forget(&mut self, job: &str, family: Option<&str>) {
        let Some(of_job) = self.job_names.get(job).and_then(|job| self.jobs.get_mut(*job)) else {
            return;
        };
        match family {
            Some(family) => of_job.inherited.forget(family),
            None => of_job.inherited = Inherited::default(),
        }
        let only = family.map(|name| self.names.get(name).copied());
        let parts = of_job.parts.iter();
        let parts = parts.filter(|(family, _)| only.is_none_or(|only| only == Some(**family)));
        for part in parts.map(|(_, part)| *part).collect::<Vec<_>>() {
            let series = self.parts.get(part).map(|part| part.series.iter().copied());
            for place in series.into_iter().flatten().collect::<Vec<_>>() {
                if let Some(born) = self.series.get(place).map(|series| series.born) {
                    self.take_out(SeriesId { place, born });
                }
            }
            if let Some(of_job) = self.parts.get_mut(part) {
                of_job.has_lost = false;
            }
            self.lost.retain(|lost| *lost != part);
            self.due_parts.retain(|due| *due != part);
            self.free(part);
        }
    }
}

impl Series {
    pub(super) fn id(&self, place: u32) -> SeriesId {
        SeriesId {
            place,
            born: self.born,
        }
    }
}

/// A series that is not there yet.
struct New<'a> {
    job: u32,
    name: &'a str,
    kind: SeriesKind,
    labels: Labels,
    value: Value,
    created: Created,
    ttl: Option<Duration>,
    help: Option<&'a str>,
}
