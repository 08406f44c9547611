//! What else a refused push contradicts.
//!
//! The lock is held until the first contradiction is found, which decides. All that follows is for the person who has
//! to mend the push, so nobody waits for it: the families are looked at in a copy of their root, and the index is
//! asked for some hundred series at a time.

use std::collections::{HashMap, HashSet};

use wharf_model::GroupingKey;

use crate::clashes::{Clashes, Found};
use crate::memory::checks::{Checks, Incoming, duplicate};
use crate::mode::{Patience, PushMode};
use crate::prepare::{Prepared, PreparedFamily, Unfit};
use crate::series::series_of;
use crate::store::Store;
use crate::write::lock::let_others;
use crate::{Inconsistency, PushError};

/// Series that are looked up under one hold of the lock: some ten microseconds.
const LOOKED_UP_AT_ONCE: usize = 256;

/// A series of the push that another group seems to have.
pub(crate) struct Suspect {
    /// Which of its family.
    pub(crate) position: usize,
    pub(crate) holder: GroupingKey,
}

impl Store {
    /// Whether there is time to find out all that a push contradicts: the lines of other groups are read for that.
    ///
    /// # Errors
    /// [`PushError::TakesLong`], with little patience and if there was ever a group of many lines.
    pub(crate) fn is_survey_quick(&self, patience: Patience) -> Result<(), PushError> {
        if patience == Patience::Little && self.lock.heaviest() > self.few {
            return Err(PushError::TakesLong);
        }
        Ok(())
    }

    /// The refusal of a push that was found to contradict what is stored, with all else that it contradicts.
    pub(crate) fn explain(&self, incoming: Incoming<'_>, error: PushError) -> PushError {
        match error {
            // Somebody may have mended it meanwhile: it was refused all the same.
            PushError::Inconsistent(first) => self.clashes_of(incoming).unwrap_or(first).into(),
            error => error,
        }
    }

    /// What a push contradicts in what is stored now.
    pub(crate) fn clashes_of(&self, incoming: Incoming<'_>) -> Option<Clashes> {
        let mut found = Found::default();
        self.survey(incoming, |_| true, &mut found);
        found.into_clashes()
    }

    /// The refusal of a push that contradicts itself, with what the rest of it contradicts.
    pub(crate) fn explain_unfit(&self, key: &GroupingKey, mode: PushMode, unfit: Unfit<'_>) -> PushError {
        match (*unfit.error, unfit.sound) {
            (PushError::Inconsistent(clashes), Some(sound)) => {
                let prepared = &sound;
                let incoming = Incoming { key, mode, prepared };
                self.with_others(clashes, incoming).into()
            }
            (error, _) => error,
        }
    }

    /// The refusal of a push that contradicts series of its own group that are to stay, with all else that it
    /// contradicts.
    pub(crate) fn explain_merge(
        &self,
        key: &GroupingKey,
        pushed: &Prepared<'_>,
        error: PushError,
    ) -> PushError {
        let PushError::Inconsistent(clashes) = error else {
            return error;
        };
        let incoming = Incoming {
            key,
            mode: PushMode::ReplaceFamilies,
            prepared: pushed,
        };
        self.with_others(clashes, incoming).into()
    }

    /// Adds what the families contradict that are not among those that are known to contradict something.
    fn with_others(&self, clashes: Clashes, incoming: Incoming<'_>) -> Clashes {
        let known: HashSet<String> = clashes.named().map(|clash| clash.family().to_owned()).collect();
        let mut found = Found::from(clashes.clone());
        self.survey(incoming, |name| !known.contains(name), &mut found);
        found.into_clashes().unwrap_or(clashes)
    }

    /// Adds all that some families of a push contradict in what is stored now.
    fn survey(&self, incoming: Incoming<'_>, concerns: impl Fn(&str) -> bool, found: &mut Found) {
        let (families, has_group) = {
            let guarded = self.lock();
            let has_group = guarded.state.family_names(incoming.key).is_some();
            (guarded.state.families().clone(), has_group)
        };
        let checks = Checks {
            preparer: &self.preparer,
            families: &families,
            incoming,
            has_group,
        };
        let mut new = Vec::new();
        let families = incoming.prepared.families.iter();
        for family in families.filter(|family| concerns(family.name)) {
            let Some(stored) = checks.stored(family) else {
                continue;
            };
            match checks.check_names(family, stored) {
                Err(clash) => found.add(clash),
                Ok(()) if Checks::has_new_series(family, stored) => new.push(family),
                Ok(()) => {}
            }
        }
        self.survey_series(&checks, &new, found);
    }

    /// Adds the series of these families that other groups have.
    fn survey_series(&self, checks: &Checks<'_>, families: &[&PreparedFamily<'_>], found: &mut Found) {
        let mut lookups = 0;
        let mut guarded = None;
        for family in families {
            let fingerprints = checks.incoming.prepared.fingerprints(family);
            let (mut suspects, mut more) = (Vec::new(), 0);
            for (position, fingerprint) in fingerprints.iter().enumerate() {
                if lookups == LOOKED_UP_AT_ONCE {
                    drop(guarded.take());
                    let_others();
                    lookups = 0;
                }
                lookups += 1;
                let state = &guarded.get_or_insert_with(|| self.lock()).state;
                let Some(holder) = state.likely_holder(checks.incoming.key, *fingerprint) else {
                    continue;
                };
                if suspects.len() < found.room() {
                    let holder = holder.clone();
                    suspects.push(Suspect { position, holder });
                } else {
                    more += 1;
                }
            }
            if !suspects.is_empty() {
                // Stored lines may be long to read.
                drop(guarded.take());
                for clash in verify(checks, family, &suspects) {
                    found.add(clash);
                }
            }
            found.count_more(more);
        }
    }
}

/// Those of the suspects whose series the holder really has.
pub(crate) fn verify(
    checks: &Checks<'_>,
    family: &PreparedFamily<'_>,
    suspects: &[Suspect],
) -> Vec<Inconsistency> {
    let text = checks.incoming.prepared.text(family);
    let all = series_of(family.name, family.metric_type, text);
    // One look at each holder, however many series it has.
    let mut wanted: HashMap<&GroupingKey, HashSet<&[u8]>> = HashMap::new();
    for suspect in suspects {
        if let Some(series) = all.get(suspect.position) {
            wanted.entry(&suspect.holder).or_default().insert(series);
        }
    }
    let held: HashMap<&GroupingKey, HashSet<&[u8]>> = wanted
        .into_iter()
        .map(|(holder, series)| (holder, checks.held(holder, family.name, series)))
        .collect();
    let clashes = suspects.iter().filter_map(|Suspect { position, holder }| {
        let series = all.get(*position)?;
        let is_held = held.get(holder).is_some_and(|held| held.contains(series));
        is_held.then(|| duplicate(family.name, series, holder))
    });
    clashes.collect()
}
