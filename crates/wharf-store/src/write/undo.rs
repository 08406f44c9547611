//! How changes are taken back that did not get to stable storage.

use std::borrow::Cow;

use wharf_model::GroupingKey;

use crate::Revision;
use crate::change::Change;
use crate::effect::By;
use crate::lifetime::Lifetime;
use crate::memory::state::{Before, Leftovers, State, Tell};
use crate::prepare::Preparer;
use crate::record::{self, Image};

/// How to take a change back: what was there before it. Right only for the last change, so changes are taken back from
/// the last one on. That is why nobody but the one writer of a local ledger does it.
#[derive(Debug)]
pub(crate) struct Undo(Before);

impl From<Before> for Undo {
    fn from(before: Before) -> Self {
        Self(before)
    }
}

impl Undo {
    /// All that was there before a wipe, if that is what it takes back.
    pub(crate) fn wiped(&mut self) -> Option<&mut State> {
        match &mut self.0 {
            Before::All(state) => Some(state),
            // What was left of some groups was put after it.
            Before::Several(all) => all.iter_mut().find_map(|before| match before {
                Before::All(state) => Some(&mut **state),
                _ => None,
            }),
            _ => None,
        }
    }

    /// Adds what is to be cleared up when the change stays.
    pub(crate) fn settle(self, leftovers: &mut Vec<Leftovers>) {
        settle(self.0, leftovers);
    }

    /// Takes the change back. What there is to be cleared up then.
    pub(crate) fn run(self, state: &mut State, preparer: &Preparer) -> Option<Leftovers> {
        put_back(self.0, state, preparer)
    }
}

fn settle(before: Before, leftovers: &mut Vec<Leftovers>) {
    match before {
        Before::Gone { number, .. } => match leftovers.last_mut() {
            Some(last) if last.is_of(&number) => last.add(&number),
            _ => leftovers.push(number.into()),
        },
        Before::Switched(former) => leftovers.push(former.into_leftovers()),
        Before::Several(all) => all.into_iter().for_each(|before| settle(before, leftovers)),
        Before::Same | Before::Absent { .. } | Before::Present { .. } | Before::All(_) => {}
    }
}

fn put_back(before: Before, state: &mut State, preparer: &Preparer) -> Option<Leftovers> {
    match before {
        Before::Same => {}
        Before::Absent { key } => {
            let keys = Cow::Owned(vec![key]);
            let by = By::Request;
            apply(state, preparer, Revision::default(), Change::Delete { keys, by });
        }
        Before::Present {
            key,
            revision,
            lifetime,
            image,
            created,
        } => {
            if !created.is_empty() {
                let keys = Cow::Owned(vec![key.clone()]);
                let names = created.iter().map(|name| &**name).collect();
                let by = By::Request;
                apply(
                    state,
                    preparer,
                    revision,
                    Change::DeleteFamilies { keys, names, by },
                );
            }
            put_image(state, preparer, revision, &key, lifetime, image);
        }
        Before::Gone {
            key,
            revision,
            lifetime,
            image,
            number,
        } => {
            state.readmit(&number);
            put_image(state, preparer, revision, &key, lifetime, image);
        }
        Before::Several(all) => {
            for before in all.into_iter().rev() {
                // None of them is a draft, which is a change of its own.
                drop(put_back(before, state, preparer));
            }
        }
        Before::Switched(former) => return Some(state.switch_back(*former)),
        Before::All(before) => state.reinstate(*before),
    }
    None
}

/// Puts fragments back that a group had.
fn put_image(
    state: &mut State,
    preparer: &Preparer,
    revision: Revision,
    key: &GroupingKey,
    lifetime: Option<Lifetime>,
    image: Image,
) {
    let record = image.into_record(key, lifetime);
    for change in record::decode(&record, preparer).unwrap_or_default() {
        apply(state, preparer, revision, change);
    }
}

fn apply(state: &mut State, preparer: &Preparer, at: Revision, change: Change<'_>) {
    drop(state.apply(preparer, at, [change], Tell::default()));
}
