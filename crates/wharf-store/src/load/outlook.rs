//! What later records of a log replace, so that a start need not make of a group what is gone in the end.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::ops::Range;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use wharf_model::{GroupingKey, GroupingKeyError};

use crate::change::Change;
use crate::mode::PushMode;
use crate::parts::FamilyParts;
use crate::prepare::Prepared;
use crate::record::{self, Names, Reading, Touch};
use crate::{PUSH_FAILURE_TIME, PUSH_TIME, Revision, is_standing};

/// Groups that are looked after: as many as a table of 2,097,152 places takes, 49 bytes each, and half as much besides while it grows.
/// Of further ones all records are applied.
const MOST_GROUPS: usize = 1_800_000;

/// What comes later of each group that the log names.
///
/// A record is replaced only by one with a higher number, never by one of the checkpoint.
#[derive(Debug)]
pub(super) struct Outlook {
    hashers: [RandomState; 2],
    groups: HashTable<Group>,
    most: usize,
    /// The last wipe that nobody has to look at: nothing of what is before it is left.
    wiped: Revision,
    /// The last wipe of which somebody wants to know what it took away: nothing before it may be left out.
    barrier: Revision,
}

/// A group, known by a hash of so many bits that no two have the same. It is keyed anew at each start, so nobody can look for
/// two that do.
#[derive(Debug)]
struct Group {
    hash: u128,
    /// The last record that left nothing of what was before it, but maybe the times.
    replaced: Revision,
    by: Replaced,
    /// The last record that replaced families, and a hash of their names.
    families: Revision,
    names: u64,
    /// Nothing is left out: somebody wants to know what a record takes from this group.
    is_exempt: bool,
}

/// What has replaced a group.
#[derive(Debug, Clone, Copy)]
enum Replaced {
    /// A deletion.
    Deleted,
    /// A put, which brings these times.
    Put { push: bool, failure: bool },
}

/// What is to be done with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of it.
    Whole,
    /// Its times only, and what it removes: a later record puts families of the same names.
    Times,
    /// The times that a later record does not bring, or both if the group is new with this: a later record replaces the group.
    TimesOnly { push: bool, failure: bool },
    /// Nothing: a later record deletes all of it.
    Nothing,
}

impl Verdict {
    pub(super) fn wants(self, name: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Times | Self::TimesOnly { .. } => is_standing(name),
            Self::Nothing => false,
        }
    }
}

impl Default for Outlook {
    fn default() -> Self {
        Self {
            hashers: [RandomState::new(), RandomState::new()],
            groups: HashTable::new(),
            most: MOST_GROUPS,
            wiped: Revision::default(),
            barrier: Revision::default(),
        }
    }
}

impl Outlook {
    /// One that looks after so many groups.
    #[cfg(test)]
    pub(super) fn of(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// Takes down what a record of the log is going to do. What it removes is asked for by somebody if it is `watched`.
    ///
    /// A record that cannot be read is for whoever replays it to refuse. Whether it removes something.
    pub(super) fn note(&mut self, at: Revision, record: &[u8], is_watched: bool) -> bool {
        let mut noting = Noting {
            outlook: self,
            at,
            is_watched,
            removes: false,
        };
        let changes = record::decode_by(record, &mut noting).unwrap_or_default();
        let removes = noting.removes;
        if changes.iter().any(|change| matches!(change, Change::Wipe)) {
            let wipe = if is_watched {
                &mut self.barrier
            } else {
                &mut self.wiped
            };
            *wipe = at;
            // What is said of the groups would not be asked for.
            self.groups.clear();
            return true;
        }
        removes
    }

    fn hash(&self, key: &[u8]) -> u128 {
        let [high, low] = self.hashers.each_ref().map(|hasher| hasher.hash_one(key));
        u128::from(high) << 64 | u128::from(low)
    }

    /// A hash of these names, the times aside, if there are others, and whether the times are among them; none, if they cannot
    /// be read.
    fn names(&self, names: &Names<'_, '_>) -> Option<(Option<u64>, Replaced)> {
        let (mut push, mut failure, mut others) = (false, false, false);
        let [hasher, _] = &self.hashers;
        let mut hash = hasher.build_hasher();
        let all = names.each(|name| {
            if name == PUSH_TIME.as_bytes() {
                push = true;
            } else if name == PUSH_FAILURE_TIME.as_bytes() {
                failure = true;
            } else if !is_noted(name) {
                name.hash(&mut hash);
                others = true;
            }
        });
        let hash = others.then(|| hash.finish());
        all.then_some((hash, Replaced::Put { push, failure }))
    }

    /// Takes down what becomes of a group.
    fn note_group(&mut self, at: Revision, key: &[u8], kind: Touch, names: &Names<'_, '_>, is_watched: bool) {
        let names = match kind {
            Touch::Put(_) => self.names(names),
            Touch::Delete | Touch::DeleteFamilies => None,
        };
        let hash = self.hash(key);
        let is_full = self.groups.len() >= self.most;
        let entry = self
            .groups
            .entry(place(hash), |group| group.hash == hash, |group| place(group.hash));
        let group = match entry {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if is_full => return,
            Entry::Vacant(new) => new.insert(Group::new(hash)).into_mut(),
        };
        match (kind, names) {
            (Touch::Put(PushMode::ReplaceGroup), Some((_, by))) => (group.replaced, group.by) = (at, by),
            (Touch::Put(_), Some((Some(names), _))) => (group.families, group.names) = (at, names),
            (Touch::Delete, _) if !is_watched => (group.replaced, group.by) = (at, Replaced::Deleted),
            (Touch::Delete | Touch::DeleteFamilies, _) if is_watched => group.is_exempt = true,
            _ => {}
        }
    }

    /// What is to be done with what a record puts into a group, or takes from it.
    pub(super) fn verdict(&self, at: Revision, key: &[u8], kind: Touch, names: &Names<'_, '_>) -> Verdict {
        if at < self.wiped {
            return Verdict::Nothing;
        }
        if at <= self.barrier || self.groups.is_empty() {
            return Verdict::Whole;
        }
        let hash = self.hash(key);
        let Some(group) = self.groups.find(place(hash), |group| group.hash == hash) else {
            return Verdict::Whole;
        };
        let Touch::Put(_) = kind else {
            return Verdict::Whole;
        };
        if group.is_exempt {
            return Verdict::Whole;
        }
        if at < group.replaced {
            return match group.by {
                Replaced::Deleted => Verdict::Nothing,
                Replaced::Put { push, failure } => Verdict::TimesOnly {
                    push: !push,
                    failure: !failure,
                },
            };
        }
        if at < group.families
            && self
                .names(names)
                .is_some_and(|(names, _)| names == Some(group.names))
        {
            return Verdict::Times;
        }
        Verdict::Whole
    }
}

impl Group {
    fn new(hash: u128) -> Self {
        Self {
            hash,
            replaced: Revision::default(),
            by: Replaced::Deleted,
            families: Revision::default(),
            names: 0,
            is_exempt: false,
        }
    }
}

/// Whether a family stands beside what is pushed.
fn is_noted(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(is_standing)
}

/// Takes down what a record does, and has nothing of it read.
struct Noting<'o> {
    outlook: &'o mut Outlook,
    at: Revision,
    is_watched: bool,
    removes: bool,
}

impl<'a> Reading<'a> for Noting<'_> {
    fn begin(
        &mut self,
        key: &'a [u8],
        kind: Touch,
        names: Names<'_, 'a>,
    ) -> Result<Option<GroupingKey>, GroupingKeyError> {
        self.removes |= !matches!(kind, Touch::Put(_));
        self.outlook
            .note_group(self.at, key, kind, &names, self.is_watched);
        Ok(None)
    }

    fn wants(&self, _: &str) -> bool {
        false
    }

    fn add(&mut self, _: &mut Prepared<'a>, _: &FamilyParts<'a>, _: Range<usize>) {}
}

/// The low bits choose the place, and no two hashes are the same.
#[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
fn place(hash: u128) -> u64 {
    hash as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_groups_beyond_the_bound_everything_is_made() {
        let key = |job| GroupingKey::new([("job", job)]).unwrap();
        let (known, beyond) = (key("a"), key("b"));
        let mut outlook = Outlook::of(1);
        for (at, key) in [(2, &known), (3, &beyond), (4, &known)] {
            outlook.note(Revision(at), &record::delete(key), false);
        }
        let verdict = |at, key: &GroupingKey| {
            let put = Touch::Put(PushMode::ReplaceGroup);
            outlook.verdict(Revision(at), key.as_bytes(), put, &Names::none())
        };
        assert_eq!(verdict(3, &known), Verdict::Nothing);
        assert_eq!(verdict(4, &known), Verdict::Whole);
        assert_eq!(verdict(1, &beyond), Verdict::Whole);
    }

    #[test]
    fn what_a_removal_takes_that_somebody_wants_to_know_is_made_before() {
        let key = |job| GroupingKey::new([("job", job)]).unwrap();
        let (first, second) = (key("a"), key("b"));
        let mut outlook = Outlook::default();
        outlook.note(Revision(2), &record::wipe(), false);
        outlook.note(Revision(5), &record::delete(&first), true);
        for key in [&first, &second] {
            outlook.note(Revision(6), &record::delete(key), false);
        }
        let verdict = |outlook: &Outlook, at, key: &GroupingKey| {
            let put = Touch::Put(PushMode::ReplaceGroup);
            outlook.verdict(Revision(at), key.as_bytes(), put, &Names::none())
        };
        assert_eq!(verdict(&outlook, 1, &first), Verdict::Nothing);
        assert_eq!(verdict(&outlook, 4, &first), Verdict::Whole);
        assert_eq!(verdict(&outlook, 4, &second), Verdict::Nothing);
        outlook.note(Revision(7), &record::wipe(), true);
        assert_eq!(verdict(&outlook, 4, &second), Verdict::Whole);
        assert_eq!(verdict(&outlook, 1, &second), Verdict::Nothing);
    }
}
