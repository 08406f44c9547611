//! What the log says of the replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wharf_shared_log::{Bytes, Revision, TxnId};

use super::ids::Minutes;
use super::rules::digest;
use super::sharing::ReplicaStatus;
use super::value::{MARKERS, REPLICAS, RULES, SWEEPER};
use crate::UnixNanos;

/// What the log says of replicas.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    /// By name, each with how far its clock was before ours when its word came, in nanoseconds.
    there: BTreeMap<String, (Replica, i64)>,
    /// The name of the one that lets groups expire, and since when.
    pub(super) sweeper: Option<(Bytes, Revision)>,
    /// The markers that are there, with their writers.
    markers: BTreeMap<Bytes, u64>,
    /// The ids of pushes that the log has.
    pub(super) ids: Minutes,
    /// The settings in force, as the log has them.
    pub(super) rules: Option<(Bytes, Revision)>,
    /// Whether this replica's own word has come since everything was loaded.
    is_own_there: bool,
    /// When another one has said something under the name of this one.
    twin_at: Option<UnixNanos>,
}

/// For how long after its last word another one of the same name is taken to be there.
const TWIN_FOR: Duration = Duration::from_secs(30);

/// What a replica says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Replica {
    pub(super) clock: UnixNanos,
    pub(super) writer: u64,
    /// The last revision that it has.
    pub(super) revision: u64,
    /// How old its memory is, in milliseconds.
    pub(super) lag_ms: u64,
    /// When it was scraped last; 0 for never.
    pub(super) scraped_at: UnixNanos,
    pub(super) started_at: UnixNanos,
    pub(super) address: String,
    pub(super) version: String,
    /// A digest of its settings; 0 if it does not say.
    pub(super) rules: u32,
}

/// Most bytes of an address or a version.
const MAX_TEXT_BYTES: usize = 1024;

impl Replica {
    /// As a value of the log: six numbers, two texts with their lengths, the digest; little endian. What later versions add comes
    /// behind.
    pub(super) fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        let Self {
            clock,
            writer,
            revision,
            lag_ms,
            scraped_at,
            started_at,
            address,
            version,
            rules,
        } = self;
        out.extend_from_slice(&clock.0.to_le_bytes());
        for number in [writer, revision, lag_ms] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&scraped_at.0.to_le_bytes());
        out.extend_from_slice(&started_at.0.to_le_bytes());
        for text in [address, version] {
            let text = text.as_bytes();
            let text = text.get(..MAX_TEXT_BYTES).unwrap_or(text);
            out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
            out.extend_from_slice(text);
        }
        out.extend_from_slice(&rules.to_le_bytes());
        out.into()
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut rest = value;
        let mut eight = || {
            let (bytes, behind) = rest.split_first_chunk::<8>()?;
            rest = behind;
            Some(*bytes)
        };
        let clock = UnixNanos(i64::from_le_bytes(eight()?));
        let writer = u64::from_le_bytes(eight()?);
        let revision = u64::from_le_bytes(eight()?);
        let lag_ms = u64::from_le_bytes(eight()?);
        let scraped_at = UnixNanos(i64::from_le_bytes(eight()?));
        let started_at = UnixNanos(i64::from_le_bytes(eight()?));
        let mut text = || {
            let (length, behind) = rest.split_first_chunk::<2>()?;
            let (text, behind) = behind.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            rest = behind;
            Some(String::from_utf8_lossy(text).into_owned())
        };
        let (address, version) = (text()?, text()?);
        let rules = rest.first_chunk::<4>()?;
        Some(Self {
            rules: u32::from_le_bytes(*rules),
            clock,
            writer,
            revision,
            lag_ms,
            scraped_at,
            started_at,
            address,
            version,
        })
    }
}

impl Replicas {
    /// Forgets all, before everything is loaded anew.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes note of a key that is no group, at this time of our clock; `own` is what this replica is called, and its writer.
    pub(super) fn note(
        &mut self,
        key: &Bytes,
        at: Revision,
        value: Option<Bytes>,
        (now, own): (UnixNanos, (&str, u64)),
    ) {
        if key.as_ref() == SWEEPER {
            self.sweeper = value.map(|name| (name, at));
        } else if key.as_ref() == RULES {
            self.rules = value.map(|rules| (rules, at));
        } else if let Some(name) = key.strip_prefix(REPLICAS) {
            let name = String::from_utf8_lossy(name).into_owned();
            match value.and_then(|value| Replica::decode(&value)) {
                Some(replica) => {
                    if name == own.0 && replica.writer == own.1 {
                        self.is_own_there = true;
                    } else if name == own.0 && self.is_own_there {
                        self.twin_at = Some(now);
                    }
                    let offset = replica.clock.0.saturating_sub(now.0);
                    self.there.insert(name, (replica, offset));
                }
                None => drop(self.there.remove(&name)),
            }
        } else if key.starts_with(MARKERS) {
            match value.and_then(|value| TxnId::from_bytes(&value)) {
                Some(id) => drop(self.markers.insert(key.clone(), id.writer)),
                None => drop(self.markers.remove(key)),
            }
        }
    }

    /// Whether another one has the name of this one.
    pub(super) fn has_twin(&self, now: UnixNanos) -> bool {
        let for_nanos = i64::try_from(TWIN_FOR.as_nanos()).unwrap_or(i64::MAX);
        self.twin_at
            .is_some_and(|at| now.0.saturating_sub(at.0) < for_nanos)
    }

    /// How those are that are there.
    pub(super) fn statuses(&self, own: &str) -> Vec<ReplicaStatus> {
        let sweeper = self.sweeper.as_ref().map(|(name, _)| &**name);
        let statuses = self.there.iter().map(|(name, (replica, offset))| ReplicaStatus {
            name: name.clone(),
            address: replica.address.clone(),
            version: replica.version.clone(),
            revision: crate::Revision(replica.revision),
            lag: Duration::from_millis(replica.lag_ms),
            clock_offset_seconds: if name == own {
                0.0
            } else {
                UnixNanos(*offset).as_seconds()
            },
            scraped_at: Some(replica.scraped_at).filter(|at| at.0 != 0),
            started_at: replica.started_at,
            is_self: name == own,
            is_sweeper: sweeper == Some(name.as_bytes()),
        });
        statuses.collect()
    }

    /// Whether nobody who is there, beside this one, has the settings that are in force.
    pub(super) fn rules_are_of_nobody(&self, own: &str) -> bool {
        let Some((rules, _)) = &self.rules else {
            return false;
        };
        let digest = digest(rules);
        let mut others = self.there.iter().filter(|(name, _)| *name != own);
        others.all(|(_, (replica, _))| replica.rules != digest)
    }

    /// Whether the replica is there that has this writer.
    pub(super) fn has_writer(&self, writer: u64) -> bool {
        self.there.values().any(|(replica, _)| replica.writer == writer)
    }

    /// The last revision that all have who are there.
    pub(super) fn slowest(&self) -> Option<Revision> {
        let revisions = self.there.values().map(|(replica, _)| replica.revision);
        revisions.min().map(Revision)
    }

    /// The markers of writers that are not there.
    pub(super) fn orphans(&self) -> BTreeMap<u64, Vec<Bytes>> {
        let there: BTreeSet<u64> = self.there.values().map(|(replica, _)| replica.writer).collect();
        let mut orphans: BTreeMap<u64, Vec<Bytes>> = BTreeMap::new();
        for (key, writer) in self.markers.iter().filter(|(_, writer)| !there.contains(writer)) {
            orphans.entry(*writer).or_default().push(key.clone());
        }
        orphans
    }

    /// The smallest clock of those that are there; none if this one is not among them yet.
    pub(super) fn now(&self, own: &str) -> Option<UnixNanos> {
        self.there.get(own)?;
        self.there.values().map(|(replica, _)| replica.clock).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_replica_says_is_read_back_also_when_a_later_version_says_more() {
        let replica = Replica {
            clock: UnixNanos(-1),
            writer: u64::MAX,
            revision: 3,
            lag_ms: 4,
            scraped_at: UnixNanos(5),
            started_at: UnixNanos(6),
            address: "http://wharf-0:9091".to_owned(),
            version: "0.1.0".to_owned(),
            rules: 7,
        };
        let value = replica.encode();
        assert_eq!(Replica::decode(&value), Some(replica.clone()));
        let longer = [&value, &b"more"[..]].concat();
        assert_eq!(Replica::decode(&longer), Some(replica));
        for end in 0..value.len() {
            assert_eq!(Replica::decode(&value[..end]), None, "{end}");
        }
    }
}
