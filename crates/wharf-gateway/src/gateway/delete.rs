//! Deleting: one group, or everything.

use std::net::IpAddr;

use wharf_model::GroupingKey;

use crate::access::caller::Caller;
use crate::gateway::Gateway;
use crate::refusal::Refusal;

impl Gateway {
    /// Deletes a group; whether there was one.
    ///
    /// # Errors
    /// If that cannot be stored.
    pub async fn delete(&self, key: &GroupingKey) -> Result<bool, Refusal> {
        let (existed, commit) = self.store.delete(key)?;
        commit.wait().await?;
        if existed {
            self.activity.deleted([key.clone()]);
        } else if let Some(history) = self.activity.history() {
            // A push that was answered while its group was deleted may have left some.
            history.forget(key.clone());
        }
        Ok(existed)
    }

    /// Deletes all groups. That the caller may do that has been asked before.
    ///
    /// # Errors
    /// If that cannot be stored.
    pub async fn wipe(&self, caller: &Caller, address: Option<IpAddr>) -> Result<(), Refusal> {
        let (groups, commit) = self.store.wipe()?;
        commit.wait().await?;
        self.activity.wiped();
        let address = address.map(tracing::field::display);
        tracing::info!(groups, by = caller.who(), address, "all groups wiped");
        Ok(())
    }
}
