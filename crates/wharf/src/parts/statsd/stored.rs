//! Which group the series of a job are in, and what is stored of it.

use std::sync::{Arc, OnceLock};

use wharf_model::GroupingKey;
use wharf_statsd::Inherited;
use wharf_store::{GroupView, InstanceLabel, Store, is_standing};

/// The label that tells the groups of replicas apart: each has counted for itself, so sums over it are right.
const REPLICA: &str = "replica";
/// The label that a series gets from the gateway if it has none.
const INSTANCE: &str = "instance";

/// The groups of jobs.
#[derive(Debug)]
pub(super) struct Groups {
    replica: Option<String>,
    stored: OnceLock<(Arc<Store>, InstanceLabel)>,
}

impl Groups {
    /// Those of a gateway that is alone, or is called like this among several.
    pub(super) fn new(replica: Option<String>) -> Self {
        Self {
            replica,
            stored: OnceLock::new(),
        }
    }

    pub(super) fn set_store(&self, store: Arc<Store>, instance: InstanceLabel) {
        // Once is enough.
        let _said = self.stored.set((store, instance));
    }

    /// The key of a job's group; none if the job is empty, which none is.
    pub(super) fn key(&self, job: &str) -> Option<GroupingKey> {
        let replica = self.replica.as_deref().map(|name| (REPLICA, name));
        GroupingKey::new([("job", job)].into_iter().chain(replica)).ok()
    }

    /// What is stored of a job.
    pub(super) fn read_back(&self, job: &str) -> Inherited {
        let mut inherited = Inherited::default();
        let (Some((store, instance)), Some(key)) = (self.stored.get(), self.key(job)) else {
            return inherited;
        };
        let given = match instance {
            InstanceLabel::Empty => Some(""),
            InstanceLabel::Omit => None,
            InstanceLabel::Value(value) => Some(&**value),
        };
        let is_own = |name: &str, value: &str| {
            key.value(name).is_none() && !(name == INSTANCE && Some(value) == given)
        };
        // Lines wait meanwhile: only what the group has is looked at, and not all families of the store.
        let group = store.group(&key);
        let fragments = group.iter().flat_map(GroupView::fragments);
        for fragment in fragments.filter(|fragment| !is_standing(fragment.name())) {
            fragment.decode(|exposition, family| inherited.add(exposition, family, is_own));
        }
        inherited
    }
}
