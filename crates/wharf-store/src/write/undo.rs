//! How changes are taken back that did not get to stable storage.

use std::borrow::Cow;

use crate::Revision;
use crate::change::Change;
use crate::effect::By;
use crate::memory::state::{Before, State, Tell};
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
    /// Takes the change back.
    pub(crate) fn run(self, state: &mut State, preparer: &Preparer) {
        put_back(self.0, state, preparer);
    }
}

fn put_back(before: Before, state: &mut State, preparer: &Preparer) {
    let mut apply = |at: Revision, change: Change<'_>| {
        drop(state.apply(preparer, at, [change], Tell::default()));
    };
    match before {
        Before::Same => {}
        Before::Absent { key } => {
            let keys = Cow::Owned(vec![key]);
            let by = By::Request;
            let without = None;
            apply(Revision::default(), Change::Delete { keys, by, without });
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
        Before::Taken(taken) => {
            let mut image = Image::default();
            for name in &*taken.names {
                let family = taken.families.get(name);
                if let Some((leaf, position)) = family.and_then(|family| family.find(&taken.key)) {
                    image.add(&leaf.view(name, position).parts());
                }
            }
            let record = image.into_record(&taken.key, taken.lifetime);
            for change in record::decode(&record, preparer).unwrap_or_default() {
                apply(taken.revision, change);
            }
        }
        Before::Several(all) => {
            for before in all.into_iter().rev() {
                put_back(before, state, preparer);
            }
        }
        Before::All(before) => state.reinstate(*before),
    }
}
