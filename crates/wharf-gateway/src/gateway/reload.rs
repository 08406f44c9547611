//! Reading the rules again.

use crate::audit::{Action, ActionKind, Actor};
use crate::gateway::Gateway;
use crate::policy::ReloadError;
use crate::shared_rules::shared_rules;

impl Gateway {
    /// Reads the rules again, those for `StatsD` too, for somebody. What a reload has made of them is in the log, in the metrics, and on
    /// the page. Blocks.
    ///
    /// # Errors
    /// If there is nothing to read, or something cannot be read; the old rules stay in force there.
    pub fn reload(&self, actor: Actor) -> Result<(), ReloadError> {
        // First, since what all replicas have to have the same is made of both.
        let statsd = self.settings.statsd.as_ref().and_then(|statsd| statsd.reload());
        let now = (self.now(), self.instant());
        let reloaded = self.policies.reload(now, |rules| {
            self.store.set_limits(rules.limits(&self.settings.amounts));
            self.traces().set(rules.tracing());
        });
        if let Err(ReloadError::Refused(why)) = &reloaded {
            tracing::error!(
                err = why,
                "the configuration file is not used, the old rules stay"
            );
        }
        if reloaded.is_ok() || statsd == Some(Ok(())) {
            let rules = self.policy();
            self.store
                .set_shared_rules(shared_rules(&self.settings, rules.policy()));
        }
        let reloaded = match (reloaded, statsd) {
            (Err(ReloadError::NoFile), None) => {
                tracing::info!("there is nothing to reload without --config.file");
                return Err(ReloadError::NoFile);
            }
            (Ok(()) | Err(ReloadError::NoFile), Some(of_statsd)) => of_statsd.map_err(ReloadError::Refused),
            (Err(ReloadError::Refused(why)), Some(Err(of_statsd))) => {
                Err(ReloadError::Refused(format!("{why}\n{of_statsd}")))
            }
            (reloaded, _) => reloaded,
        };
        // What is wrong in a file may be what nobody else is to read.
        let error = reloaded
            .is_err()
            .then(|| "the configuration file is not used, the old rules stay".to_owned());
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
