//! What changes of a group come to: the value that is to be committed, folded from what memory has.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use wharf_model::GroupingKey;
use wharf_shared_log::{Bytes, Expect};

use super::book::Waiting;
use super::intent::{Made, Op};
use super::removing::Removing;
use super::value::{Booked, GroupValue, Why};
use crate::change::Change;
use crate::effect::Facts;
use crate::fold::{Anew, Intent, end_series, fold, reset};
use crate::inconsistency::{Inconsistency, short};
use crate::lifetime::Lifetime;
use crate::memory::state::{Whole, line_of};
use crate::mode::Counters;
use crate::prepare::{Prepared, PreparedFamily, Preparer};
use crate::push_ids::Known;
use crate::removed::WhyLost;
use crate::removed::summary::Counts;
use crate::store::Store;
use crate::write::fate::{Fate, Present, fate, push_time};
use crate::{
    EXPECTED, PAUSED_UNTIL, PUSH_FAILURE_TIME, PUSH_TIME, PushError, PushId, PushMode, Revision, UnixNanos,
    is_standing, record,
};

/// What is to become of a key.
#[derive(Debug, PartialEq)]
pub(super) enum Proposed {
    /// It gets this value.
    Put(Bytes),
    /// It goes.
    Delete,
    /// Nothing, if it is as memory has it.
    Nothing,
}

/// What some changes of a group come to.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) what: Proposed,
    pub(super) expect: Expect,
    /// As memory has the group.
    pub(super) found: Expect,
    /// The ids of the pushes among them that were not known yet.
    pub(super) ids: Vec<PushId>,
    /// The changes that it is made of.
    pub(super) made_of: Vec<Waiting>,
    /// Those that are refused.
    pub(super) refused: Vec<(Waiting, PushError)>,
    /// Those that have to wait until this is committed.
    pub(super) later: Vec<Waiting>,
    /// What they take away, if that is kept.
    pub(super) taken: Option<Taken>,
}

/// What a removal takes away of a group.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) removing: Arc<Removing>,
    pub(super) record: Vec<u8>,
    pub(super) counts: Counts,
}

/// When a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// By this proposal.
    Now,
    /// By one before, or by an earlier change of this one.
    Before,
}

/// A group in the making.
struct Making<'a> {
    store: &'a Store,
    key: &'a GroupingKey,
    /// What it holds by now; none if it is not there.
    image: Option<Prepared<'a>>,
    lifetime: Option<Lifetime>,
    why: Why,
    /// The pushes of it.
    pushes: Vec<Booked>,
    /// Their ids.
    ids: Vec<PushId>,
    /// The families that are not as memory has them.
    touched: BTreeSet<&'a str>,
    /// Whether nothing of what memory has is left.
    is_anew: bool,
    has_changed: bool,
    taken: Option<Taken>,
}

/// What changes come to that were folded.
struct Folded {
    what: Proposed,
    /// What came of each of them.
    outcomes: Vec<Result<Counted, PushError>>,
    /// Whether it depends on what the group was before.
    depends: bool,
    ids: Vec<PushId>,
    taken: Option<Taken>,
}

impl Folded {
    fn is_larger(&self, max_bytes: usize) -> bool {
        matches!(&self.what, Proposed::Put(value) if value.len() > max_bytes)
    }
}

/// So many changes are looked at together to find the one that makes a group too large.
const LOOKED_AT_ONCE: usize = 8;

/// Folds changes of a group, in their order. One that makes the group too large is refused, and those behind it wait for those before it.
pub(super) fn propose(
    store: &Store,
    key: &GroupingKey,
    mut waiting: Vec<Waiting>,
    max_bytes: usize,
) -> Proposal {
    let whole = store.lock().state.whole(key);
    let Whole {
        revision, lifetime, ..
    } = whole;
    // Without the lock: it may have very many families.
    let old = whole.into_record(&store.preparer, key);
    let old = revision.map(|_| (&*old, lifetime));
    let mut folded = fold_all(store, key, old, &waiting);
    let mut refused = Vec::new();
    let mut later = Vec::new();
    if folded.is_larger(max_bytes) && waiting.len() > LOOKED_AT_ONCE {
        // Each look folds all of them again: of very many, a few at a time.
        later = waiting.split_off(LOOKED_AT_ONCE);
        folded = fold_all(store, key, old, &waiting);
    }
    if folded.is_larger(max_bytes) {
        // With so many it fits, or nothing has changed, and with so many it does not.
        let (mut fits, mut too_many) = (0, waiting.len());
        while too_many - fits > 1 {
            let middle = fits.midpoint(too_many);
            if fold_all(store, key, old, &waiting[..middle]).is_larger(max_bytes) {
                too_many = middle;
            } else {
                fits = middle;
            }
        }
        let mut behind = waiting.split_off(too_many);
        behind.append(&mut later);
        later = behind;
        let limit_bytes = max_bytes;
        refused.extend(
            waiting
                .pop()
                .map(|one| (one, PushError::TooLarge { limit_bytes })),
        );
        folded = fold_all(store, key, old, &waiting);
    }
    let mut made_of = Vec::new();
    for (mut one, outcome) in waiting.into_iter().zip(folded.outcomes) {
        one.is_repeated = outcome == Ok(Counted::Before);
        match outcome {
            Ok(_) => made_of.push(one),
            Err(error) => refused.push((one, error)),
        }
    }
    let revision = revision.map(|revision| wharf_shared_log::Revision(revision.0));
    let found = Expect::found(revision);
    Proposal {
        what: folded.what,
        expect: if folded.depends { found } else { Expect::Any },
        found,
        ids: folded.ids,
        made_of,
        refused,
        later,
        taken: folded.taken,
    }
}

/// Folds changes with what memory has of the group, if it is there.
fn fold_all(
    store: &Store,
    key: &GroupingKey,
    old: Option<(&[u8], Option<Lifetime>)>,
    waiting: &[Waiting],
) -> Folded {
    let image = old.map(|(record, _)| record::decode_image(record, &store.preparer));
    let keeps_more = keeps_more(&store.preparer, image.as_ref());
    let mut making = Making {
        store,
        key,
        image,
        lifetime: old.and_then(|(_, lifetime)| lifetime),
        why: Why::Restored,
        pushes: Vec::new(),
        ids: Vec::new(),
        touched: BTreeSet::new(),
        is_anew: old.is_none(),
        has_changed: false,
        taken: None,
    };
    let outcomes = waiting.iter().map(|one| making.make_once(&one.op));
    let outcomes: Vec<Result<Counted, PushError>> = outcomes.collect();
    let Making {
        image,
        lifetime,
        why,
        pushes,
        ids,
        has_changed,
        taken,
        ..
    } = making;
    let why = match why {
        Why::Reset { at, .. } => Why::Reset { at, pushes },
        why if pushes.is_empty() => why,
        _ => Why::Pushed(pushes),
    };
    let mut done = waiting
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| outcome.is_ok());
    let depends = done.next().is_some_and(|(one, _)| one.op.depends(keeps_more));
    let what = match &image {
        _ if !has_changed => Proposed::Nothing,
        None => Proposed::Delete,
        Some(image) => {
            let record = record::put(key, PushMode::ReplaceGroup, lifetime, image.parts());
            Proposed::Put(GroupValue { why, record }.encode())
        }
    };
    Folded {
        what,
        outcomes,
        depends,
        ids,
        taken,
    }
}

impl<'a> Making<'a> {
    /// Makes a change, unless it is a push that has been made already. That one is told to its sender when it is sure that memory has
    /// it, as if it changed nothing.
    fn make_once(&mut self, op: &'a Op) -> Result<Counted, PushError> {
        let Some(id) = op.once() else {
            return self.make(op).map(|()| Counted::Now);
        };
        let with_it = self.ids.iter().find(|other| other.name == id.name);
        let known = match with_it {
            Some(other) if other.body == id.body => Some(Known::Made(Revision::default())),
            Some(_) => Some(Known::OtherBody),
            None => self.store.lock().push_ids.look(&id),
        };
        match known {
            Some(Known::Made(_)) => Ok(Counted::Before),
            Some(Known::OtherBody) => Err(PushError::OtherBody),
            None => {
                self.make(op)?;
                self.ids.push(id);
                Ok(Counted::Now)
            }
        }
    }

    fn make(&mut self, op: &'a Op) -> Result<(), PushError> {
        match op {
            Op::Push {
                mode,
                counters,
                facts,
                record,
                ..
            } => self.push(record, (*mode, *counters), Some(*facts)),
            Op::Restore { record } => self.push(record, (PushMode::ReplaceGroup, Counters::Total), None),
            Op::Failed { makes, lifetime, at } => {
                self.fail(*makes, *lifetime, *at);
                Ok(())
            }
            Op::Note { record } => self.stand(record),
            Op::Delete { removing, .. } | Op::Wipe { removing } => {
                self.take(removing.as_ref(), PushMode::ReplaceGroup, |_| true);
                self.end();
                Ok(())
            }
            Op::DeleteFamilies { names, removing } => {
                let goes = |name: &str| names.iter().any(|gone| gone == name);
                self.take(removing.as_ref(), PushMode::ReplaceFamilies, |name| {
                    !is_standing(name) && goes(name)
                });
                self.delete_families(goes, Why::FamiliesDeleted);
                Ok(())
            }
            Op::Reset { anew } => self.reset(*anew),
            Op::PutBack { record, now, made } => self.put_back(record, *now, made),
            Op::ExpireFamilies { names } => {
                self.delete_families(|name| names.iter().any(|gone| gone == name), Why::Expired);
                let has_others =
                    |image: &Prepared<'_>| image.families.iter().any(|family| !is_standing(family.name));
                let stays = |image: &Prepared<'_>| has_others(image) || is_expected(image);
                if self.image.as_ref().is_some_and(|image| !stays(image)) {
                    self.end();
                }
                Ok(())
            }
            Op::ExpireSeries { now } => self.expire_series(*now),
            Op::Expire { now } => {
                self.expire(*now);
                Ok(())
            }
        }
    }

    /// A push, or with no facts the group as another gateway had it.
    fn push(
        &mut self,
        record: &'a [u8],
        (mode, counters): (PushMode, Counters),
        facts: Option<Facts>,
    ) -> Result<(), PushError> {
        let preparer = &self.store.preparer;
        let changes = record::decode(record, preparer).unwrap_or_default();
        let Some(Change::Put {
            lifetime, prepared, ..
        }) = changes.into_iter().next()
        else {
            return Ok(());
        };
        let booked = facts.map(|facts| booked(&prepared, mode, facts));
        self.bring(prepared, (mode, counters), lifetime)?;
        if booked.is_none() || !matches!(self.why, Why::Reset { .. }) {
            self.why = Why::Restored;
        }
        self.pushes.extend(booked);
        Ok(())
    }

    /// Folds something in.
    fn bring(
        &mut self,
        prepared: Prepared<'a>,
        (mode, counters): (PushMode, Counters),
        lifetime: Option<Lifetime>,
    ) -> Result<(), PushError> {
        let preparer = &self.store.preparer;
        let names: Vec<&'a str> = prepared.families.iter().map(|family| family.name).collect();
        let intent = Intent {
            key: self.key,
            mode,
            counters,
            delta: prepared,
            lifetime,
            once: None,
            facts: Facts::NONE,
        };
        let image = fold(preparer, self.image.as_ref(), &intent)?;
        let is_anew = self.is_anew || mode == PushMode::ReplaceGroup;
        let touched = self.touched.iter().copied().chain(names);
        let touched: BTreeSet<&'a str> = touched.collect();
        self.check(&image, is_anew, &touched, lifetime)?;
        self.image = Some(completed(preparer, self.key, image));
        self.touched = touched;
        self.is_anew = is_anew;
        self.lifetime = lifetime;
        self.has_changed = true;
        Ok(())
    }

    /// A group or families of it that were removed, if nobody has pushed that since.
    fn put_back(
        &mut self,
        record: &'a [u8],
        now: UnixNanos,
        made: &Mutex<Option<Made>>,
    ) -> Result<(), PushError> {
        let changes = record::decode(record, &self.store.preparer).unwrap_or_default();
        let Some(Change::Put {
            mode,
            lifetime,
            mut prepared,
            ..
        }) = changes.into_iter().next()
        else {
            return Ok(());
        };
        let image = self.image.as_ref();
        let has = |name: &str| image.is_some_and(|image| image.get(name).is_some());
        let present = image.map(|image| Present {
            has: &has,
            is_bare: image.families.iter().all(|family| is_standing(family.name))
                && push_time(image) <= push_time(&prepared),
            lifetime: self.lifetime,
        });
        let fate = fate(present, (mode, lifetime), &prepared.families, now);
        if let Fate::Put {
            mode, keeps_failure, ..
        } = fate
        {
            prepared.families.retain(|family| {
                if keeps_failure {
                    family.name != PUSH_FAILURE_TIME
                } else {
                    mode == PushMode::ReplaceGroup || !has(family.name)
                }
            });
            prepared.digest = None;
        }
        let counts = counts_of(&prepared);
        let brought = match fate {
            Fate::Put { mode, lifetime, .. } => {
                self.why = Why::Restored;
                self.bring(prepared, (mode, Counters::Total), lifetime)
            }
            Fate::Kept | Fate::Expired | Fate::Missing => Ok(()),
        };
        *made.lock().unwrap_or_else(PoisonError::into_inner) = Some(Made { fate, counts });
        brought
    }

    /// Keeps what a removal is about to take away.
    fn take(&mut self, removing: Option<&Arc<Removing>>, mode: PushMode, goes: impl Fn(&str) -> bool) {
        let (Some(removing), Some(image)) = (removing, &self.image) else {
            return;
        };
        let gone = Prepared {
            families: image
                .families
                .iter()
                .filter(|family| goes(family.name))
                .cloned()
                .collect(),
            digest: None,
            text: std::borrow::Cow::Borrowed(&*image.text),
            fingerprints: image.fingerprints.clone(),
        };
        if gone.families.is_empty() {
            return;
        }
        if self.taken.is_some() {
            // Pushed and removed again before the log had the first removal.
            removing.lose(WhyLost::TooMany);
            return;
        }
        // A family that comes back leaves the lifetime of its group as it is then.
        let lifetime = self.lifetime.filter(|_| mode == PushMode::ReplaceGroup);
        self.taken = Some(Taken {
            removing: Arc::clone(removing),
            record: record::put(self.key, mode, lifetime, gone.parts()),
            counts: counts_of(&gone),
        });
    }

    /// Checks what is not as memory has it. What memory has may be held back, and is no reason to refuse anything.
    fn check(
        &self,
        image: &Prepared<'a>,
        is_anew: bool,
        touched: &BTreeSet<&str>,
        lifetime: Option<Lifetime>,
    ) -> Result<(), PushError> {
        let mode = if is_anew {
            PushMode::ReplaceGroup
        } else {
            PushMode::ReplaceFamilies
        };
        let families = image.families.iter();
        let families = families.filter(|family| is_anew || touched.contains(family.name));
        let delta = Prepared {
            families: families.cloned().collect(),
            digest: None,
            text: std::borrow::Cow::Borrowed(&*image.text),
            fingerprints: image.fingerprints.clone(),
        };
        let intent = Intent {
            key: self.key,
            mode,
            counters: Counters::Total,
            delta,
            lifetime,
            once: None,
            facts: Facts::NONE,
        };
        // Some of its own families may be held back, so that the state does not know them.
        for family in &image.families {
            if let Some(base) = line_of(image, family) {
                return Err(Inconsistency::Collision {
                    family: short(family.name),
                    other: short(base.name),
                    other_type: base.metric_type.base(),
                    own: false,
                    holder: Some(self.key.clone()),
                }
                .into());
            }
        }
        self.store.check_against_all(&intent)
    }

    /// The trace of a refused push, if it can be left.
    fn fail(&mut self, makes: bool, lifetime: Option<Lifetime>, at: UnixNanos) {
        let is_new = self.image.is_none();
        if is_new && !makes {
            return;
        }
        let preparer = &self.store.preparer;
        let delta = preparer.times(self.key, is_new.then_some(0.0), Some(at.as_seconds()), at);
        let touched = delta.families.iter().map(|family| family.name);
        let touched: BTreeSet<&'a str> = self.touched.iter().copied().chain(touched).collect();
        let intent = Intent {
            key: self.key,
            mode: PushMode::ReplaceFamilies,
            counters: Counters::Total,
            delta,
            lifetime,
            once: None,
            facts: Facts::NONE,
        };
        let Ok(image) = fold(preparer, self.image.as_ref(), &intent) else {
            return;
        };
        if self.check(&image, self.is_anew, &touched, lifetime).is_err() {
            return;
        }
        self.image = Some(image);
        self.touched = touched;
        if is_new {
            self.lifetime = lifetime;
        }
        if !self.has_changed {
            self.why = Why::Refused;
        }
        self.has_changed = true;
    }

    /// What is to stand in the group beside what is pushed. A group that is not there is made for that.
    fn stand(&mut self, record: &'a [u8]) -> Result<(), PushError> {
        let preparer = &self.store.preparer;
        let changes = record::decode(record, preparer).unwrap_or_default();
        let Some(Change::Put { mut prepared, .. }) = changes.into_iter().next() else {
            return Ok(());
        };
        if self.image.is_some() {
            // A time that it never was pushed at is for a group that is new.
            prepared.families.retain(|family| family.name != PUSH_TIME);
        }
        if !self.has_changed {
            self.why = Why::Restored;
        }
        self.bring(
            prepared,
            (PushMode::ReplaceFamilies, Counters::Total),
            self.lifetime,
        )
    }

    fn end(&mut self) {
        self.image = None;
        self.lifetime = None;
        self.touched.clear();
        self.pushes.clear();
        // Ids stay: what was pushed and deleted was pushed.
        self.why = Why::Restored;
        self.is_anew = true;
        // Also of a group that memory does not have: it may be on its way here.
        self.has_changed = true;
    }

    fn delete_families(&mut self, goes: impl Fn(&str) -> bool, why: Why) {
        let Some(image) = &mut self.image else { return };
        let before = image.families.len();
        image
            .families
            .retain(|family| is_standing(family.name) || !goes(family.name));
        image.digest = None;
        if image.families.len() < before {
            self.why = why;
            self.has_changed = true;
        }
    }

    fn reset(&mut self, anew: Anew) -> Result<(), PushError> {
        let preparer = &self.store.preparer;
        let Some(image) = &self.image else { return Ok(()) };
        let intent = Intent {
            key: self.key,
            mode: PushMode::ReplaceFamilies,
            counters: Counters::Total,
            delta: reset(preparer, self.key, image, anew, None)?,
            lifetime: self.lifetime,
            once: None,
            facts: Facts::NONE,
        };
        let touched = intent.delta.families.iter().map(|family| family.name);
        let touched: BTreeSet<&'a str> = self.touched.iter().copied().chain(touched).collect();
        let image = fold(preparer, Some(image), &intent)?;
        self.check(&image, self.is_anew, &touched, self.lifetime)?;
        self.image = Some(image);
        self.touched = touched;
        // What was pushed before is not in what it counts.
        self.pushes.clear();
        self.why = Why::Reset {
            at: anew.at,
            pushes: Vec::new(),
        };
        self.has_changed = true;
        Ok(())
    }

    fn expire_series(&mut self, now: UnixNanos) -> Result<(), PushError> {
        let preparer = &self.store.preparer;
        let Some(image) = &self.image else { return Ok(()) };
        let ended = end_series(preparer, self.key, image, now, None)?;
        if ended.is_nothing() {
            return Ok(());
        }
        let intent = Intent {
            key: self.key,
            mode: PushMode::ReplaceFamilies,
            counters: Counters::Total,
            delta: ended.rest,
            lifetime: self.lifetime,
            once: None,
            facts: Facts::NONE,
        };
        let touched = intent.delta.families.iter().map(|family| family.name);
        let touched: BTreeSet<&'a str> = self.touched.iter().copied().chain(touched).collect();
        let mut image = fold(preparer, Some(image), &intent)?;
        image.families.retain(|family| !ended.gone.contains(&family.name));
        image.digest = None;
        self.check(&image, self.is_anew, &touched, self.lifetime)?;
        self.image = Some(image);
        self.touched = touched;
        if !self.has_changed {
            self.why = Why::FamiliesDeleted;
        }
        self.has_changed = true;
        Ok(())
    }

    fn expire(&mut self, now: UnixNanos) {
        let Some(lifetime) = self.lifetime.filter(|lifetime| lifetime.expires_at <= now) else {
            return;
        };
        if !lifetime.ttl.keep_times && !self.image.as_ref().is_some_and(is_expected) {
            self.end();
            return;
        }
        self.delete_families(|_| true, Why::Expired);
        self.lifetime = None;
        self.why = Why::Expired;
        self.has_changed = true;
    }
}

/// Whether something stands in the group that stays when a push replaces the rest: that a push was refused once, or what is expected
/// of it. Where that may be expected, another replica may have said it just now.
fn keeps_more(preparer: &Preparer, image: Option<&Prepared<'_>>) -> bool {
    let keeps = |image: &Prepared<'_>| {
        let time = image.get(PUSH_FAILURE_TIME);
        let has_failed = time.is_some_and(|time| !is_never(image, time));
        has_failed
            || [EXPECTED, PAUSED_UNTIL]
                .into_iter()
                .any(|name| image.get(name).is_some())
    };
    preparer.reserved.get(EXPECTED).is_some() || image.is_some_and(keeps)
}

/// Whether a push has said when the next one is expected.
fn is_expected(image: &Prepared<'_>) -> bool {
    image.get(EXPECTED).is_some_and(|expected| expected.lines > 0)
}

/// Whether a time says that it has not come.
fn is_never(image: &Prepared<'_>, time: &PreparedFamily<'_>) -> bool {
    image.text(time).ends_with(b" 0\n")
}

/// How much it is.
fn counts_of(prepared: &Prepared<'_>) -> Counts {
    let size = prepared.size();
    Counts {
        groups: 1,
        series: size.series,
        bytes: size.bytes,
    }
}

/// What is told of a push.
fn booked(delta: &Prepared<'_>, mode: PushMode, facts: Facts) -> Booked {
    let brings = delta.brings();
    Booked {
        mode,
        families: brings.families as u64,
        series: brings.series,
        bytes: brings.bytes,
        pushed_at: brings.pushed_at,
        facts,
    }
}

/// With both times, so that a value says all there is of a group.
fn completed<'a>(preparer: &Preparer, key: &GroupingKey, mut image: Prepared<'a>) -> Prepared<'a> {
    if image.get(PUSH_FAILURE_TIME).is_some() {
        return image;
    }
    let now = image
        .get(PUSH_TIME)
        .map_or_else(UnixNanos::default, |family| family.pushed_at);
    let never = preparer.times(key, None, Some(0.0), now);
    for family in &never.families {
        let (text, first) = (image.text.to_mut(), image.fingerprints.len());
        let start = text.len();
        text.extend_from_slice(never.text(family));
        let text = start..text.len();
        image.fingerprints.extend_from_slice(never.fingerprints(family));
        image.families.push(PreparedFamily {
            name: PUSH_FAILURE_TIME,
            text,
            fingerprints: first..image.fingerprints.len(),
            ..family.clone().without_names()
        });
        if let Some(last) = image.families.last_mut() {
            last.help = family.help.as_ref().map(|help| help.clone().into_owned().into());
        }
    }
    image.families.sort_by(|a, b| a.name.cmp(b.name));
    image.digest = None;
    image
}
