//! Groups of a backup that have been stored.

use crate::audit::{Action, ActionKind, Actor, why};
use crate::gateway::Gateway;
use crate::refusal::Refusal;

/// What has become of the groups of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Groups that are stored.
    pub stored: u64,
    /// Groups that were there already, as late or later.
    pub already_there: u64,
    /// Groups that were refused.
    pub refused: u64,
}

impl Gateway {
    /// Books an import, for somebody who may do it.
    pub fn book_import(&self, actor: Actor, imported: Result<Imported, &Refusal>) {
        let (groups, what, error) = match imported {
            Ok(Imported {
                stored,
                already_there,
                refused,
            }) => {
                let what = if already_there == 0 && refused == 0 {
                    String::new()
                } else {
                    format!("{already_there} already there, {refused} refused")
                };
                (stored, what, None)
            }
            Err(refusal) => (0, String::new(), Some(why(refusal))),
        };
        self.book(Action {
            kind: ActionKind::Import,
            actor,
            what,
            groups,
            error,
        });
    }
}
