//! The end that somebody has asked for.

use std::sync::Arc;

use crate::audit::{Action, ActionKind, Actor};
use crate::gateway::Gateway;
use crate::shutdown::Shutdown;

impl Gateway {
    /// Ends the process, for somebody; that the caller may do that has been asked before.
    pub async fn quit(self: &Arc<Self>, actor: Actor, shutdown: &Shutdown) {
        let booked = self.book_safely(Action {
            kind: ActionKind::Quit,
            actor,
            what: String::new(),
            groups: 0,
            error: None,
        });
        booked.await;
        shutdown.trigger();
    }
}
