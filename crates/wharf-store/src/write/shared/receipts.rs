//! What the sender of a removal is told: whether it can be undone.

use std::sync::Arc;
use std::time::Duration;

use super::queue::Shared;
use super::removal::name_of;
use super::removing::Removing;
use crate::UnixNanos;
use crate::removed::{Author, Receipt, RemovalKind, RemovalState, WhyLost};

/// How often it is looked whether all is written that a wipe took.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often at most: a minute.
const MOST_LOOKS: usize = 6_000;

impl Shared {
    /// A removal that begins now; none if nothing is kept.
    pub(crate) fn removing(&self, kind: RemovalKind, author: &Author) -> Option<Arc<Removing>> {
        let sharing = &self.sharing;
        if sharing.undo_max_age.is_zero() || sharing.undo_max_bytes == 0 {
            return None;
        }
        let at = sharing.clock.now();
        let age = i64::try_from(sharing.undo_max_age.as_nanos()).unwrap_or(i64::MAX);
        let until = UnixNanos(at.0.saturating_add(age));
        let name = name_of(sharing.writer, self.next_removal());
        Some(Arc::new(Removing::new(name, kind, author, (at, until))))
    }

    /// Whether what was removed can be undone, for whoever has been told that it is removed. None if there was nothing; there was something
    /// when it was asked for, or not.
    pub(crate) async fn receipt(&self, removing: &Arc<Removing>, was_there: bool) -> Option<Receipt> {
        let removing = match removing.kept_by() {
            Ok(removing) => removing,
            Err(lost) => return Some(lost),
        };
        for _ in 0..MOST_LOOKS {
            let (is_unfinished, id, until, state) = {
                let kept = self.kept();
                let Some(entry) = kept.get(&removing.name) else {
                    // What a wipe took is let go of where the log takes nothing more.
                    let is_let_go = was_there && removing.is_wipe();
                    return is_let_go.then_some(Receipt::Lost(WhyLost::Full));
                };
                let state = entry.state(self.sharing.undo_max_bytes);
                (entry.is_unfinished(), entry.id, entry.until, state)
            };
            match state {
                RemovalState::Lost(why) => return Some(Receipt::Lost(why)),
                _ if !is_unfinished => return Some(Receipt::Kept { id, until }),
                _ => self.reach()?.sleep(LOOK_EVERY).await,
            }
        }
        Some(Receipt::Lost(WhyLost::Unfinished))
    }
}
