//! Reading the rules again.

use crate::gateway::Gateway;
use crate::policy::ReloadError;

impl Gateway {
    /// Reads the rules again. What a reload has made of them is in the log, in the metrics, and on the page. Blocks.
    ///
    /// # Errors
    /// If there is nothing to read, or it cannot be read; the old rules stay in force.
    pub fn reload(&self) -> Result<(), ReloadError> {
        let now = (self.now(), self.instant());
        let reloaded = self.policies.reload(now, |rules| {
            self.store.set_limits(rules.limits(&self.settings.amounts));
        });
        match &reloaded {
            Ok(()) => tracing::info!("configuration file read again"),
            Err(ReloadError::NoFile) => tracing::info!("there is nothing to reload without --config.file"),
            Err(ReloadError::Refused(why)) => {
                tracing::error!(
                    err = why,
                    "the configuration file is not used, the old rules stay"
                );
            }
        }
        reloaded
    }
}
