//! Deleting: one group, one of its families, what selectors select, or everything.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use wharf_model::{GroupingKey, Selector};
use wharf_store::{Commit, UnixNanos};

use crate::access::caller::Caller;
use crate::access::right::{Right, Scope};
use crate::gateway::Gateway;
use crate::refusal::Refusal;

/// Which groups are to be deleted, or lose a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Groups that one of these selects.
    pub selectors: Vec<Selector>,
    /// Of them, those that were not pushed for so long.
    pub older_than: Option<Duration>,
    /// Only this family of each group.
    pub family: Option<String>,
    /// Whether it is only to be said what would go.
    pub dry_run: bool,
}

/// For the log: the selectors.
impl std::fmt::Display for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, selector) in self.selectors.iter().enumerate() {
            write!(f, "{}{selector}", if index == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}

impl Gateway {
    /// Deletes a group; whether there was one.
    ///
    /// # Errors
    /// If the caller may not, or that cannot be stored.
    pub async fn delete(&self, caller: &Caller, key: &GroupingKey) -> Result<bool, Refusal> {
        caller.demand_for(Right::Delete, key)?;
        let (existed, commit) = if self.store.is_large(key) {
            // Other threads go on with their requests; so should this one.
            let (store, key) = (Arc::clone(&self.store), key.clone());
            let deleted = tokio::task::spawn_blocking(move || store.delete(&key));
            deleted.await.map_err(|_panicked| Refusal::internal())??
        } else {
            self.store.delete(key)?
        };
        commit.wait().await?;
        if !existed && let Some(history) = self.activity.history() {
            // A push that was refused while its group was deleted may have left some.
            history.forget(key.clone());
        }
        Ok(existed)
    }

    /// Deletes a family of a group; whether there was one.
    ///
    /// # Errors
    /// If the caller may not, or that cannot be stored.
    pub async fn delete_family(
        &self,
        caller: &Caller,
        key: &GroupingKey,
        family: &str,
    ) -> Result<bool, Refusal> {
        caller.demand_for(Right::Delete, key)?;
        let (families, commit) = self.store.delete_families(key, &[family])?;
        commit.wait().await?;
        Ok(families > 0)
    }

    /// Deletes groups, or a family of them, as one change: all of them or, if that cannot be stored, none. Those that it was.
    ///
    /// Groups that may not be seen are as if they were not there.
    ///
    /// # Errors
    /// If a group may be seen that is selected, and may not be deleted: nothing stays behind in silence. If it is not
    /// enabled, or cannot be stored.
    pub async fn delete_selected(
        self: &Arc<Self>,
        caller: &Caller,
        selection: Selection,
        address: Option<IpAddr>,
    ) -> Result<Vec<GroupingKey>, Refusal> {
        self.settings.admin.allow_selectors()?;
        let (gateway, who) = (Arc::clone(self), caller.clone());
        let deleted = tokio::task::spawn_blocking(move || {
            let pushed_before = gateway.before(selection.older_than);
            let selection = gateway.within(&who, selection, pushed_before)?;
            let deleted = gateway.delete_matching(&selection, pushed_before)?;
            Ok((selection, deleted))
        });
        let deleted = deleted.await.unwrap_or_else(|_| Err(Refusal::internal()));
        let (selection, (keys, commit)) = deleted?;
        let Some(commit) = commit else { return Ok(keys) };
        commit.wait().await?;
        self.telemetry.record_deleted(keys.len() as u64);
        tracing::info!(
            groups = keys.len(),
            selector = selection.to_string(),
            by = caller.who(),
            address = address.map(tracing::field::display),
            "deleted by selector"
        );
        Ok(keys)
    }

    /// Deletes all groups. That the caller may do that has been asked before.
    ///
    /// # Errors
    /// If that cannot be stored.
    pub async fn wipe(&self, caller: &Caller, address: Option<IpAddr>) -> Result<(), Refusal> {
        let (groups, commit) = self.store.wipe()?;
        commit.wait().await?;
        let address = address.map(tracing::field::display);
        tracing::info!(groups, by = caller.who(), address, "all groups wiped");
        Ok(())
    }

    fn before(&self, older_than: Option<Duration>) -> Option<UnixNanos> {
        older_than.map(|age| {
            let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
            UnixNanos(self.now().0.saturating_sub(age))
        })
    }

    /// The same selection, of groups that the caller may delete.
    fn within(
        &self,
        caller: &Caller,
        selection: Selection,
        pushed_before: Option<UnixNanos>,
    ) -> Result<Selection, Refusal> {
        let allowed = caller.scope(Right::Delete);
        if allowed == Scope::Everything {
            return Ok(selection);
        }
        let seen = caller.scope(Right::Read).narrow(selection.selectors.clone());
        let seen = self.store.matching(&seen, pushed_before);
        seen.iter()
            .try_for_each(|key| caller.demand_for(Right::Delete, key))?;
        Ok(Selection {
            selectors: allowed.narrow(selection.selectors),
            ..selection
        })
    }

    /// What goes, or would go: then there is nothing to wait for.
    fn delete_matching(
        &self,
        selection: &Selection,
        pushed_before: Option<UnixNanos>,
    ) -> Result<(Vec<GroupingKey>, Option<Commit>), Refusal> {
        let (store, selectors) = (&self.store, &selection.selectors);
        Ok(match (&selection.family, selection.dry_run) {
            (None, true) => (store.matching(selectors, pushed_before), None),
            (Some(family), true) => (store.matching_with_family(selectors, pushed_before, family), None),
            (None, false) => {
                let (keys, commit) = store.delete_matching(selectors, pushed_before)?;
                (keys, Some(commit))
            }
            (Some(family), false) => {
                let (keys, commit) = store.delete_family_matching(selectors, pushed_before, family)?;
                (keys, Some(commit))
            }
        })
    }
}
