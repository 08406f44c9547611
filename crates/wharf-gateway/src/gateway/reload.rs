//! Reading the rules again.

use crate::audit::{Action, ActionKind, Actor};
use crate::gateway::Gateway;
use crate::policy::ReloadError;
use crate::shared_rules::shared_rules;

impl Gateway {
    /// Reads the rules again, for somebody. What a reload has made of them is in the log, in the metrics, and on the page. Blocks.
    ///
    /// # Errors
    /// If there is nothing to read, or it cannot be read; the old rules stay in force.
    pub fn reload(&self, actor: Actor) -> Result<(), ReloadError> {
        let now = (self.now(), self.instant());
        let reloaded = self.policies.reload(now, |rules| {
            self.store.set_limits(rules.limits(&self.settings.amounts));
            self.traces().set(rules.tracing());
            self.store
                .set_shared_rules(shared_rules(&self.settings, rules.policy()));
        });
        let error = match &reloaded {
            Ok(()) => None,
            Err(ReloadError::NoFile) => {
                tracing::info!("there is nothing to reload without --config.file");
                return reloaded;
            }
            Err(ReloadError::Refused(why)) => {
                tracing::error!(
                    err = why,
                    "the configuration file is not used, the old rules stay"
                );
                // What is wrong in it may be what nobody else is to read.
                Some("the configuration file is not used, the old rules stay".to_owned())
            }
        };
        self.book(Action {
            kind: ActionKind::Reload,
            actor,
            what: String::new(),
            groups: 0,
            error,
        });
        reloaded
    }
}
