//! An entry point: what stands before the gateway at one listener, and which routes there are behind it.

use std::sync::Arc;

use crate::transport::access::AccessControl;
use crate::transport::purpose::Purpose;

/// What all connections of a listener come through.
#[derive(Debug)]
pub struct EntryPoint {
    access: Option<Arc<AccessControl>>,
    purposes: Vec<Purpose>,
}

impl EntryPoint {
    /// For these purposes, and for those only whom `access` admits. Health checks are answered at every entry point.
    pub fn new(access: Option<Arc<AccessControl>>, purposes: impl IntoIterator<Item = Purpose>) -> Self {
        Self {
            access,
            purposes: purposes.into_iter().collect(),
        }
    }

    pub(crate) fn access_control(&self) -> Option<&AccessControl> {
        self.access.as_deref()
    }

    /// As [`Self::access_control`], for those who look at it later.
    pub(crate) fn share_access_control(&self) -> Option<Arc<AccessControl>> {
        self.access.clone()
    }

    /// Whether a connection that comes through it may have pushes.
    pub(crate) fn takes_pushes(&self) -> bool {
        self.serves(&[Purpose::Push, Purpose::Aggregate])
    }

    /// Whether it has the routes of prom-aggregation-gateway instead of the usual ones.
    pub(crate) fn is_aggregate(&self) -> bool {
        self.serves(&[Purpose::Aggregate, Purpose::AggregateLifecycle])
    }

    /// Whether one of these purposes is among those of this entry point.
    pub(crate) fn serves(&self, purposes: &[Purpose]) -> bool {
        purposes.iter().any(|purpose| self.purposes.contains(purpose))
    }
}
