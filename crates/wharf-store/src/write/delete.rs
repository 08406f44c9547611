//! Deletion: of groups by key or by selector, of families, of everything.

use std::borrow::Cow;
use std::iter;
use std::sync::Arc;

use wharf_model::{Choice, Effort, GroupingKey, Stopped};

use crate::change::{Cause, Change};
use crate::effect::By;
use crate::memory::state::State;
use crate::mode::PushMode;
use crate::prepare::Prepared;
use crate::record::{self, Several};
use crate::removed::keeper::{About, Keeper};
use crate::removed::taken::{Goes, Taken};
use crate::removed::{Author, Receipt, RemovalKind, WhyLost};
use crate::store::Store;
use crate::write::commit::Commit;
use crate::write::local::Local;
use crate::write::lock::{Guarded, let_others};
use crate::write::shared::removing::Removing;
use crate::write::shared::{Op, Shared};
use crate::write::writer::Writer;
use crate::{PushError, Revision, UnixNanos};

/// To find a family of a group.
const FIND_STEPS: u64 = 256;

/// Groups that are deleted as one change, or lose a family. Each is changed by itself in the end, under the lock.
const MOST_AT_ONCE: usize = 10_000;

/// What came of a removal, what is to be waited for, and whether it can be undone; none if nothing was removed. With a shared log that is
/// known when the commit was waited for, see [`Commit::wait_removed`].
pub type RemovedNow<T> = (T, Commit, Option<Receipt>);

impl Store {
    /// [`Self::remove`] by nobody in particular.
    ///
    /// # Errors
    /// As there.
    pub fn delete(&self, key: &GroupingKey) -> Result<(bool, Commit), PushError> {
        let (existed, commit, _receipt) = self.remove(key, &Author::default())?;
        Ok((existed, commit))
    }

    /// Removes the group of exactly this key; whether there was one.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn remove(&self, key: &GroupingKey, author: &Author) -> Result<RemovedNow<bool>, PushError> {
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let existed = self.lock().state.has(key);
                let by = By::Request;
                let removing = shared.removing(RemovalKind::Group, author);
                let commit = shared.change_all([key], || Op::Delete {
                    by,
                    removing: removing.clone(),
                })?;
                return Ok((existed, kept(commit, shared, removing), not_kept(existed)));
            }
        };
        // Also for a group that is not there: its end may still be on the way to the disk, and this answer must not
        // overtake it.
        let record = local.has_ledger().then(|| record::delete(key));
        let keys = std::slice::from_ref(key);
        let by = By::Request;
        let about = About::new(RemovalKind::Group, author);
        let mut guarded = self.lock();
        if !guarded.state.is_heavy(key, self.few) {
            let keeping = Keeping::few(local, &guarded.state, Goes::Group, keys, |_| true);
            let keys = Cow::Borrowed(keys);
            let change = Change::Delete { keys, by };
            let (applied, commit) =
                local.change_one(&mut guarded, &self.preparer, record.as_deref(), change)?;
            let kept = keeping.keep(&guarded, about);
            drop(guarded);
            let existed = applied.groups > 0;
            return Ok((existed, commit, receipt(local, kept, existed)));
        }
        drop(guarded);
        let record = record.map(Arc::new);
        let (mut existed, made) = (false, Arc::default());
        let deleted = self.change_aside(local, keys, |drafting| {
            drafting.keep(Goes::Group, keys, |_| true, about.clone(), &made);
            existed = drafting.delete(keys, by).groups > 0;
            Ok(record.clone())
        });
        let commit = deleted.map_err(|(_, error)| error)?;
        Ok((existed, commit, receipt(local, made.get().copied(), existed)))
    }

    /// [`Self::remove_all`] by nobody in particular.
    ///
    /// # Errors
    /// As there.
    pub fn wipe(&self) -> Result<(usize, Commit), PushError> {
        let (groups, commit, _receipt) = self.remove_all(&Author::default())?;
        Ok((groups, commit))
    }

    /// Removes all groups at once; how many there were. Of those of which pushes have said when the next ones are expected, that and
    /// their push times are left.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn remove_all(&self, author: &Author) -> Result<RemovedNow<usize>, PushError> {
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let (groups, bare) = {
                    let state = &self.lock().state;
                    (state.groups(), state.bare_expected())
                };
                let removing = shared.removing(RemovalKind::Wipe, author);
                let wiped = shared.wipe(removing.clone())?;
                // These wait for the wipe. Whoever pushes before they are back has said then what is expected. They do not expire.
                let now = UnixNanos::default();
                let left = bare.into_iter().map(|(key, record)| {
                    let made = Arc::default();
                    shared.change(&key, Op::PutBack { record, now, made })
                });
                let left = left.collect::<Result<Vec<_>, _>>()?;
                let commit = Commit::shared(iter::once(wiped).chain(left));
                return Ok((groups, kept(commit, shared, removing), not_kept(groups > 0)));
            }
        };
        let mut guarded = self.lock();
        let bare = guarded.state.bare_expected();
        let left = bare.iter();
        let left = left.map(|(key, record)| (key, record::decode_image(record, &self.preparer)));
        let left: Vec<_> = left.collect();
        let record = local.has_ledger().then(|| wipe_but(&left));
        let keeping = Keeping::all(local, &guarded.state);
        let left = left.into_iter().map(|(key, prepared)| Change::Put {
            key: Cow::Borrowed(key),
            mode: PushMode::ReplaceGroup,
            lifetime: None,
            prepared,
            cause: Cause::Noted,
        });
        let changes = iter::once(Change::Wipe).chain(left);
        let (applied, commit) = local.change(&mut guarded, &self.preparer, record.as_deref(), changes)?;
        let kept = keeping.keep(&guarded, About::new(RemovalKind::Wipe, author));
        drop(guarded);
        let groups = applied.groups;
        Ok((groups, commit, receipt(local, kept, groups > 0)))
    }

    /// [`Self::remove_families`] by nobody in particular.
    ///
    /// # Errors
    /// As there.
    pub fn delete_families(&self, key: &GroupingKey, names: &[&str]) -> Result<(usize, Commit), PushError> {
        let (families, commit, _receipt) = self.remove_families(key, names, &Author::default())?;
        Ok((families, commit))
    }

    /// Removes families of a group; how many there were. The group and its push times stay.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn remove_families(
        &self,
        key: &GroupingKey,
        names: &[&str],
        author: &Author,
    ) -> Result<RemovedNow<usize>, PushError> {
        let names: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| !crate::is_standing(name))
            .collect();
        let names = names.as_slice();
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let family_names = self.lock().state.family_names(key).unwrap_or_default();
                let has = |name: &&&str| family_names.has(name);
                let removed = names.iter().filter(has).count();
                let names = || names.iter().map(|name| (*name).to_owned()).collect();
                let removing = shared.removing(RemovalKind::Family, author);
                let commit = shared.change_all([key], || Op::DeleteFamilies {
                    names: names(),
                    removing: removing.clone(),
                })?;
                return Ok((removed, kept(commit, shared, removing), not_kept(removed > 0)));
            }
        };
        let record = local.has_ledger().then(|| {
            let mut record = Several::new();
            record.delete_families(key, names.iter().copied());
            record.finish()
        });
        let keys = std::slice::from_ref(key);
        let by = By::Request;
        let about = About::new(RemovalKind::Family, author);
        let goes = |name: &str| names.contains(&name);
        let mut guarded = self.lock();
        if !guarded.state.is_heavy(key, self.few) {
            let keeping = Keeping::few(local, &guarded.state, Goes::Families, keys, goes);
            let change = Change::DeleteFamilies {
                keys: Cow::Borrowed(keys),
                names: names.to_vec(),
                by,
            };
            let (applied, commit) =
                local.change_one(&mut guarded, &self.preparer, record.as_deref(), change)?;
            let kept = keeping.keep(&guarded, about);
            drop(guarded);
            let families = applied.families;
            return Ok((families, commit, receipt(local, kept, families > 0)));
        }
        drop(guarded);
        let record = record.map(Arc::new);
        let (mut families, made) = (0, Arc::default());
        let deleted = self.change_aside(local, keys, |drafting| {
            drafting.keep(Goes::Families, keys, goes, about.clone(), &made);
            families = drafting.delete_families(keys, names, by).families;
            Ok(record.clone())
        });
        let commit = deleted.map_err(|(_, error)| error)?;
        Ok((
            families,
            commit,
            receipt(local, made.get().copied(), families > 0),
        ))
    }

    /// Removes a family from those of these groups that have it, as [`Self::matching_with_family`] gives them. The keys of
    /// those that had it.
    ///
    /// A group that was pushed meanwhile, so that it is not old enough any more, keeps it. Up to 10,000 groups lose it at once,
    /// or none does, and the ledger has it as one record; of more, as many at a time.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing; of more than 10,000 groups, some may have lost it then.
    pub fn remove_family_of(
        &self,
        keys: Vec<GroupingKey>,
        pushed_before: Option<UnixNanos>,
        family: &str,
        author: &Author,
    ) -> Result<RemovedNow<Vec<GroupingKey>>, PushError> {
        let keys = if crate::is_standing(family) {
            Vec::new()
        } else {
            keys
        };
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let names = || vec![family.to_owned()];
                let removing = shared.removing(RemovalKind::Family, author);
                let commit = shared.change_all(&keys, || Op::DeleteFamilies {
                    names: names(),
                    removing: removing.clone(),
                })?;
                let receipt = not_kept(!keys.is_empty());
                return Ok((keys, kept(commit, shared, removing), receipt));
            }
        };
        let loses = |state: &State, key: &GroupingKey| {
            let family_names = state.family_names(key);
            is_old(state, key, pushed_before) && family_names.is_some_and(|names| names.has(family))
        };
        self.delete_in_steps(local, &keys, loses, Losing::Family(family), author)
    }

    /// The groups that [`Self::matching`] gives and that have a family, its times aside.
    ///
    /// # Errors
    /// If the effort ends.
    pub fn matching_with_family(
        &self,
        choice: &Choice,
        pushed_before: Option<UnixNanos>,
        family: &str,
        effort: &Effort,
    ) -> Result<Vec<GroupingKey>, Stopped> {
        let snapshot = self.snapshot();
        let mut keys = snapshot.keys_matching(choice, pushed_before, effort)?;
        effort.spend(FIND_STEPS * keys.len() as u64)?;
        keys.retain(|key| !crate::is_standing(family) && snapshot.has_family(key, family));
        Ok(keys)
    }

    /// The groups of a choice that were pushed before a time, if one is given, sorted by key. Looks at every group, without
    /// keeping anybody waiting.
    ///
    /// Pushed means the last successful push, or the refused one that made the group.
    ///
    /// # Errors
    /// If the effort ends.
    pub fn matching(
        &self,
        choice: &Choice,
        pushed_before: Option<UnixNanos>,
        effort: &Effort,
    ) -> Result<Vec<GroupingKey>, Stopped> {
        self.snapshot().keys_matching(choice, pushed_before, effort)
    }

    /// Removes these groups, as [`Self::matching`] gives them. The keys of those that are gone.
    ///
    /// A group that was pushed meanwhile, so that it is not old enough any more, stays. Up to 10,000 groups go at once, or none
    /// does, and the ledger has it as one record; of more, as many at a time.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing; of more than 10,000 groups, some may be gone then.
    pub fn remove_groups(
        &self,
        keys: Vec<GroupingKey>,
        pushed_before: Option<UnixNanos>,
        author: &Author,
    ) -> Result<RemovedNow<Vec<GroupingKey>>, PushError> {
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let by = By::Selector;
                let removing = shared.removing(RemovalKind::Selector, author);
                let commit = shared.change_all(&keys, || Op::Delete {
                    by,
                    removing: removing.clone(),
                })?;
                let receipt = not_kept(!keys.is_empty());
                return Ok((keys, kept(commit, shared, removing), receipt));
            }
        };
        let loses = |state: &State, key: &GroupingKey| is_old(state, key, pushed_before);
        self.delete_in_steps(local, &keys, loses, Losing::Group, author)
    }

    /// Takes something from groups, so many at a time as go together; those that had it.
    fn delete_in_steps(
        &self,
        local: &Local,
        keys: &[GroupingKey],
        loses: impl Fn(&State, &GroupingKey) -> bool,
        losing: Losing<'_>,
        author: &Author,
    ) -> Result<RemovedNow<Vec<GroupingKey>>, PushError> {
        let mut about = About::new(losing.kind(), author);
        // One step also if there are none: the end of one may still be on the way to the disk, and this answer must not
        // overtake it.
        let (first, rest) = keys.split_at(keys.len().min(MOST_AT_ONCE));
        let (mut gone, mut commit, made) = self.delete_step(local, first, &loses, losing, &about)?;
        about.of = made;
        for keys in rest.chunks(MOST_AT_ONCE) {
            let_others();
            // When the last one is safe, so are those before it.
            let (more, last, made) = self.delete_step(local, keys, &loses, losing, &about)?;
            gone.extend(more);
            commit = last;
            about.of = about.of.or(made);
        }
        let receipt = receipt(local, about.of, !gone.is_empty());
        Ok((gone, commit, receipt))
    }

    /// One of these steps; under which number what it takes is kept.
    fn delete_step(
        &self,
        local: &Local,
        keys: &[GroupingKey],
        loses: &impl Fn(&State, &GroupingKey) -> bool,
        losing: Losing<'_>,
        about: &About,
    ) -> Result<(Vec<GroupingKey>, Commit, Option<Revision>), PushError> {
        let filter = |state: &State| {
            let keys = keys.iter().filter(|key| loses(state, key));
            keys.cloned().collect::<Vec<_>>()
        };
        let by = By::Selector;
        if keys.len() as u64 <= self.few {
            let mut guarded = self.lock();
            if guarded.state.weight_of(keys.iter()) <= self.few {
                let keys = filter(&guarded.state);
                let record = local.has_ledger().then(|| losing.record(&keys));
                let keeping = Keeping::few(local, &guarded.state, losing.goes(), &keys, |name| {
                    losing.takes(name)
                });
                let change = losing.change(&keys, by);
                let (_, commit) =
                    local.change_one(&mut guarded, &self.preparer, record.as_deref(), change)?;
                let made = keeping.keep(&guarded, about.clone());
                drop(guarded);
                return Ok((keys, commit, made));
            }
        }
        let (mut gone, made) = (Vec::new(), Arc::default());
        let deleted = self.change_aside(local, keys, |drafting| {
            gone = filter(drafting.state());
            drafting.keep(
                losing.goes(),
                &gone,
                |name| losing.takes(name),
                about.clone(),
                &made,
            );
            match losing {
                Losing::Group => drop(drafting.delete(&gone, by)),
                Losing::Family(name) => drop(drafting.delete_families(&gone, &[name], by)),
            }
            Ok(local.has_ledger().then(|| Arc::new(losing.record(&gone))))
        });
        let commit = deleted.map_err(|(_, error)| error)?;
        Ok((gone, commit, made.get().copied()))
    }
}

/// The record of the end of all groups, but for what is left of some.
fn wipe_but(left: &[(&GroupingKey, Prepared<'_>)]) -> Vec<u8> {
    if left.is_empty() {
        return record::wipe();
    }
    let mut record = Several::new();
    record.wipe();
    for (key, prepared) in left {
        record.put(key, PushMode::ReplaceGroup, None, prepared.parts());
    }
    record.finish()
}

/// What is about to be removed, if somebody keeps it. Taken under the lock, before it is removed.
struct Keeping<'l>(Option<(&'l Keeper, Taken)>);

impl<'l> Keeping<'l> {
    fn all(local: &'l Local, state: &State) -> Self {
        Self(local.keeper().map(|keeper| (keeper, Taken::all(state))))
    }

    fn few(
        local: &'l Local,
        state: &State,
        goes: Goes,
        keys: &[GroupingKey],
        has: impl Fn(&str) -> bool,
    ) -> Self {
        Self(
            local
                .keeper()
                .map(|keeper| (keeper, Taken::held(state, goes, keys.iter(), has))),
        )
    }

    /// It was removed by the last change. Under the same hold of the lock.
    fn keep(self, guarded: &Guarded, about: About) -> Option<Revision> {
        let (keeper, taken) = self.0?;
        keeper.take(guarded.last, taken, about);
        Some(guarded.last)
    }
}

/// What to tell whoever has removed something.
fn receipt(local: &Local, made: Option<Revision>, is_removed: bool) -> Option<Receipt> {
    match (local.keeper(), made) {
        (Some(keeper), Some(made)) if is_removed => keeper.receipt(made),
        _ => not_kept(is_removed),
    }
}

/// The commit of a removal that replicas keep, if they do: whoever waits for it is told whether it can be undone.
fn kept(commit: Commit, shared: &Arc<Shared>, removing: Option<Arc<Removing>>) -> Commit {
    let Some(removing) = removing else {
        return commit;
    };
    let shared = Arc::clone(shared);
    commit.with_receipt(move |was_there| async move { shared.receipt(&removing, was_there).await })
}

fn not_kept(is_removed: bool) -> Option<Receipt> {
    is_removed.then_some(Receipt::Lost(WhyLost::Off))
}

/// What groups lose.
#[derive(Clone, Copy)]
enum Losing<'n> {
    Group,
    Family(&'n str),
}

impl<'n> Losing<'n> {
    fn kind(self) -> RemovalKind {
        match self {
            Self::Group => RemovalKind::Selector,
            Self::Family(_) => RemovalKind::Family,
        }
    }

    fn goes(self) -> Goes {
        match self {
            Self::Group => Goes::Group,
            Self::Family(_) => Goes::Families,
        }
    }

    fn takes(self, name: &str) -> bool {
        match self {
            Self::Group => true,
            Self::Family(family) => name == family && !crate::is_standing(name),
        }
    }

    fn record(self, keys: &[GroupingKey]) -> Vec<u8> {
        let mut record = Several::new();
        for key in keys {
            match self {
                Self::Group => record.delete(key),
                Self::Family(name) => record.delete_families(key, [name].into_iter()),
            }
        }
        record.finish()
    }

    fn change<'c>(self, keys: &'c [GroupingKey], by: By) -> Change<'c>
    where
        'n: 'c,
    {
        let keys = Cow::Borrowed(keys);
        match self {
            Self::Group => Change::Delete { keys, by },
            Self::Family(name) => {
                let names = vec![name];
                Change::DeleteFamilies { keys, names, by }
            }
        }
    }
}

/// Whether a group is there and was pushed before a time, if one is given.
fn is_old(state: &State, key: &GroupingKey, pushed_before: Option<UnixNanos>) -> bool {
    let pushed_at = state.pushed_at(key);
    pushed_at.is_some_and(|at| pushed_before.is_none_or(|before| at < before))
}
