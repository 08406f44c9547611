//! Transactions.

use bytes::Bytes;

use crate::{Key, LeaseId, LogError, Revision};

/// What a transaction expects of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Any,
    /// That it is not there.
    Absent,
    /// That it was put at this revision, and not since.
    At(Revision),
}

impl Expect {
    /// What was found: the revision that put the key, or none if it is not there.
    pub fn found(at: Option<Revision>) -> Self {
        at.map_or(Self::Absent, Self::At)
    }

    /// Whether a key that was put at this revision, or is not there, is as expected.
    pub fn holds(self, found: Option<Revision>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => found.is_none(),
            Self::At(revision) => found == Some(revision),
        }
    }
}

/// A key that is to have a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Bytes,
    /// What is expected of the key.
    pub expect: Expect,
    /// The lease that it lives under; without one, it stays.
    pub lease: Option<LeaseId>,
}

/// A key that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The key.
    pub key: Key,
    /// What is expected of it.
    pub expect: Expect,
}

/// What is expected of a key that a transaction does not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The key.
    pub key: Key,
    /// What is expected of it.
    pub expect: Expect,
}

/// Changes that happen together or not at all. No key may be changed twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    /// Keys that get a value.
    pub puts: Vec<Put>,
    /// Keys that go.
    pub deletes: Vec<Delete>,
    /// Beginnings of keys: all keys that begin so go, however many there are. No other key of the transaction may begin so.
    pub delete_prefixes: Vec<Key>,
    /// What else is expected.
    pub expected: Vec<Expected>,
}

/// Bytes of a transaction for each key beside key and value: an estimate from above.
const OVERHEAD_BYTES: usize = 64;

impl Txn {
    /// How many operations it has.
    pub fn operations(&self) -> usize {
        self.puts.len() + self.deletes.len() + self.delete_prefixes.len()
    }

    /// What it expects of which keys.
    pub fn expectations(&self) -> impl Iterator<Item = (&Key, Expect)> {
        let puts = self.puts.iter().map(|put| (&put.key, put.expect));
        let deletes = self.deletes.iter().map(|delete| (&delete.key, delete.expect));
        let others = self
            .expected
            .iter()
            .map(|expected| (&expected.key, expected.expect));
        let all = puts.chain(deletes).chain(others);
        all.filter(|(_, expect)| *expect != Expect::Any)
    }

    /// About as many bytes as the request has, at most.
    pub fn bytes(&self) -> usize {
        let puts = self.puts.iter().map(|put| put_bytes(&put.key, &put.value));
        let deletes = self.deletes.iter().map(|delete| &delete.key);
        let expected = self.expected.iter().map(|expected| &expected.key);
        let keys = deletes.chain(&self.delete_prefixes).chain(expected);
        puts.chain(keys.map(|key| key.len() + OVERHEAD_BYTES)).sum()
    }

    /// Checks it against the limits.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] for values and the whole, [`LogError::Refused`] for too many operations.
    pub fn check(&self, limits: &Limits) -> Result<(), LogError> {
        for put in &self.puts {
            if put.value.len() > limits.value_bytes {
                return Err(LogError::TooLarge {
                    limit_bytes: limits.value_bytes,
                    found_bytes: put.value.len(),
                });
            }
        }
        let operations = self.operations().max(self.expectations().count());
        if operations > limits.operations {
            let limit = limits.operations;
            return Err(LogError::Refused {
                reason: format!("expected at most {limit} operations in a transaction, found {operations}"),
            });
        }
        // A single value may fill a transaction alone, however small these are kept otherwise.
        let limit_bytes = limits.txn_bytes.max(limits.value_bytes + (64 << 10));
        let found_bytes = self.bytes();
        if found_bytes > limit_bytes {
            return Err(LogError::TooLarge {
                limit_bytes,
                found_bytes,
            });
        }
        Ok(())
    }
}

/// About as many bytes as a put takes in a request, at most.
pub(crate) fn put_bytes(key: &Key, value: &Bytes) -> usize {
    key.len() * 2 + value.len() + OVERHEAD_BYTES
}

/// How large things may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most operations of a transaction, and most expectations.
    pub operations: usize,
    /// Bytes of a transaction at which no more is added to it.
    pub txn_bytes: usize,
    /// Most bytes of a value.
    pub value_bytes: usize,
}

impl Default for Limits {
    /// What etcd takes by default: 128 operations, 1.5 MiB a request. Transactions are kept small, so that one does not hold
    /// up those behind it.
    fn default() -> Self {
        Self {
            operations: 128,
            txn_bytes: 256 << 10,
            value_bytes: 1_500_000,
        }
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// It happened, at this revision. One that changed nothing says the revision at which that was seen.
    At(Revision),
    /// It did not happen, and never will: something was not as expected.
    Stale {
        /// The revision at which that was seen.
        at: Revision,
        /// The keys that were not as expected.
        keys: Vec<Key>,
    },
}
