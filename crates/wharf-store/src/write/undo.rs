//! How changes are taken back that did not get to stable storage.

use std::borrow::Cow;

use crate::Revision;
use crate::change::Change;
use crate::effect::By;
use crate::memory::state::{Before, Leftovers, State, Tell};
use crate::prepare::Preparer;
use crate::record;

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
            _ => None,
        }
    }

    /// What is to be cleared up when the change stays.
    pub(crate) fn into_leftovers(self) -> Option<Leftovers> {
        match self.0 {
            Before::Switched(former) => Some(former.into_leftovers()),
            _ => None,
        }
    }

    /// Takes the change back. What there is to be cleared up then.
    pub(crate) fn run(self, state: &mut State, preparer: &Preparer) -> Option<Leftovers> {
        put_back(self.0, state, preparer)
    }
}

fn put_back(before: Before, state: &mut State, preparer: &Preparer) -> Option<Leftovers> {
    let mut apply = |at: Revision, change: Change<'_>| {
        drop(state.apply(preparer, at, [change], Tell::default()));
    };
    match before {
        Before::Same => {}
        Before::Absent { key } => {
            let keys = Cow::Owned(vec![key]);
            let by = By::Request;
            apply(Revision::default(), Change::Delete { keys, by });
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
                apply(revision, Change::DeleteFamilies { keys, names, by });
            }
            let record = image.into_record(&key, lifetime);
            for change in record::decode(&record, preparer).unwrap_or_default() {
                apply(revision, change);
            }
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
