//! What the log says of the replicas.

use std::collections::{BTreeMap, BTreeSet};

use wharf_shared_log::{Bytes, Revision, TxnId};

use super::value::{MARKERS, REPLICAS, SWEEPER};
use crate::UnixNanos;

/// What the log says of replicas.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    /// By name.
    there: BTreeMap<String, Replica>,
    /// The name of the one that lets groups expire, and since when.
    pub(super) sweeper: Option<(Bytes, Revision)>,
    /// The markers that are there, with their writers.
    markers: BTreeMap<Bytes, u64>,
}

/// What a replica says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replica {
    pub(super) clock: UnixNanos,
    pub(super) writer: u64,
}

impl Replica {
    /// As a value of the log: two numbers, little endian.
    pub(super) fn encode(self) -> Bytes {
        [self.clock.0.to_le_bytes(), self.writer.to_le_bytes()]
            .concat()
            .into()
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let (clock, rest) = value.split_first_chunk()?;
        Some(Self {
            clock: UnixNanos(i64::from_le_bytes(*clock)),
            writer: u64::from_le_bytes(*rest.first_chunk()?),
        })
    }
}

impl Replicas {
    /// Forgets all, before everything is loaded anew.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes note of a key that is no group.
    pub(super) fn note(&mut self, key: &Bytes, at: Revision, value: Option<Bytes>) {
        if key.as_ref() == SWEEPER {
            self.sweeper = value.map(|name| (name, at));
        } else if let Some(name) = key.strip_prefix(REPLICAS) {
            let name = String::from_utf8_lossy(name).into_owned();
            match value.and_then(|value| Replica::decode(&value)) {
                Some(replica) => drop(self.there.insert(name, replica)),
                None => drop(self.there.remove(&name)),
            }
        } else if key.starts_with(MARKERS) {
            match value.and_then(|value| TxnId::from_bytes(&value)) {
                Some(id) => drop(self.markers.insert(key.clone(), id.writer)),
                None => drop(self.markers.remove(key)),
            }
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.there.keys().cloned().collect()
    }

    /// The markers of writers that are not there.
    pub(super) fn orphans(&self) -> BTreeMap<u64, Vec<Bytes>> {
        let there: BTreeSet<u64> = self.there.values().map(|replica| replica.writer).collect();
        let mut orphans: BTreeMap<u64, Vec<Bytes>> = BTreeMap::new();
        for (key, writer) in self.markers.iter().filter(|(_, writer)| !there.contains(writer)) {
            orphans.entry(*writer).or_default().push(key.clone());
        }
        orphans
    }

    /// The smallest clock of those that are there; none if this one is not among them yet.
    pub(super) fn now(&self, own: &str) -> Option<UnixNanos> {
        self.there.get(own)?;
        self.there.values().map(|replica| replica.clock).min()
    }
}
