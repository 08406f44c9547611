//! Deleting: one group, or everything.

use std::net::IpAddr;
use std::sync::Arc;

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
        let (existed, commit) = if self.store.is_large(key) {
            // Other threads go on with their requests; so should this one.
            let (store, key) = (Arc::clone(&self.store), key.clone());
            let deleted = tokio::task::spawn_blocking(move || store.delete(&key));
            deleted.await.map_err(|_panicked| Refusal::internal())??
        } else {
            self.store.delete(key)?
        };
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
