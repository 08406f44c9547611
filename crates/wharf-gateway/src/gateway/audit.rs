//! Booking what was done, by whatever way it came in: in the log, in the metrics and in the audit list.

use std::path::Path;
use std::sync::Arc;

use crate::audit::{Action, ActionKind, Audit, Saved};
use crate::gateway::Gateway;

impl Gateway {
    /// The audit list.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Books what was done, or tried by somebody who may do it. It gets to the disk soon.
    pub(crate) fn book(&self, action: Action) {
        let Action {
            kind,
            actor,
            what,
            groups,
            error,
        } = &action;
        let outcome = if error.is_none() { "success" } else { "failure" };
        self.telemetry.record_action(kind.as_str(), outcome);
        let (kind, groups) = (*kind, *groups);
        let (by, address) = (actor.who.clone(), actor.address);
        let (what, error) = (what.clone(), error.clone());
        let is_new = self.audit.add(action, self.now());
        let address = address.map(tracing::field::display);
        // Selectors have always been called so.
        let (selector, what) = match kind {
            ActionKind::DeleteBySelector => (Some(what), None),
            _ => (None, Some(what).filter(|what| !what.is_empty())),
        };
        match error {
            // Whoever reads the rules has said what is wrong with them.
            Some(_) if kind == ActionKind::Reload => {}
            Some(err) => {
                let kind = kind.as_str();
                tracing::warn!(
                    kind,
                    what,
                    selector,
                    by,
                    address,
                    err,
                    "what somebody asked for has failed"
                );
            }
            None if kind == ActionKind::Quit => tracing::warn!(by, address, "{}", done(kind)),
            None if kind == ActionKind::Reload => tracing::info!(by, address, "{}", done(kind)),
            None if is_new => {
                tracing::info!(groups, what, selector, by, address, "{}", done(kind));
            }
            // The same client does the same again and again.
            None => tracing::debug!(groups, what, selector, by, address, "{}", done(kind)),
        }
    }

    /// The same of what is rare: it is on the disk when this returns, or cannot be.
    pub(crate) async fn book_safely(self: &Arc<Self>, action: Action) {
        self.book(action);
        let gateway = Arc::clone(self);
        // If it panics, the next turn writes it.
        let _saved = tokio::task::spawn_blocking(move || gateway.save_audit()).await;
    }

    /// Reads the audit list of a folder, in which it is kept from now on. To be called once the folder is ours. Blocks.
    pub fn open_audit(&self, folder: &Path) {
        match self.audit.open(folder) {
            Ok(opened) => {
                if let Some(aside) = opened.set_aside {
                    let file = aside.display();
                    tracing::warn!(%file, "a part of the audit list cannot be read; its file was set aside");
                }
            }
            Err(error) => tracing::warn!(err = %error, "the audit list is in memory only"),
        }
    }

    /// Writes what is new in the audit list, if it is kept. To be called some times a second, and at the end. Blocks.
    pub fn save_audit(&self) {
        match self.audit.save() {
            Ok(Saved::Nothing | Saved::Written) => {}
            Ok(Saved::Again) => tracing::info!("the audit list is written again"),
            Err(error) => tracing::warn!(err = %error, "the audit list cannot be written"),
        }
    }
}

fn done(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Delete => "group deleted",
        ActionKind::DeleteFamily => "family of a group deleted",
        ActionKind::DeleteBySelector => "deleted by selector",
        ActionKind::Reset => "group begun anew",
        ActionKind::Wipe => "all groups wiped",
        ActionKind::Undo => "removed groups are back",
        ActionKind::Import => "groups imported",
        ActionKind::Reload => "configuration file read again",
        ActionKind::PauseExpectation => "expectation of a group paused",
        ActionKind::ResumeExpectation => "pause of an expectation ended",
        ActionKind::RemoveExpectation => "expectation of a group removed",
        ActionKind::Quit => "received termination request via web service, exiting gracefully...",
    }
}
