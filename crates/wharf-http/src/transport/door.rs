//! A door: what stands before the gateway at one listener, and which routes there are behind it.

use std::sync::Arc;

use crate::transport::access::Front;
use crate::transport::purpose::Purpose;

/// What all connections of a listener come through.
#[derive(Debug)]
pub struct Door {
    front: Option<Arc<Front>>,
    purposes: Vec<Purpose>,
}

impl Door {
    /// For these purposes, and for those only whom `front` admits. Health checks are answered at every door.
    pub fn new(front: Option<Arc<Front>>, purposes: impl IntoIterator<Item = Purpose>) -> Self {
        Self {
            front,
            purposes: purposes.into_iter().collect(),
        }
    }

    pub(crate) fn front(&self) -> Option<&Front> {
        self.front.as_deref()
    }

    /// As [`Self::front`], for those who look at it later.
    pub(crate) fn share_front(&self) -> Option<Arc<Front>> {
        self.front.clone()
    }

    /// Whether one of these purposes is among those of this door.
    pub(crate) fn serves(&self, purposes: &[Purpose]) -> bool {
        purposes.iter().any(|purpose| self.purposes.contains(purpose))
    }
}
