//! The log: transactions, single keys, leases.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wharf_shared_log::{
    Committed, Entry, Expect, Key, LeaseId, Limits, Loaded, LogError, Revision, SharedLog, Txn, WatchError,
};

use crate::calls::Method;
use crate::errors::Failure;
use crate::login::Login;
use crate::members::Members;
use crate::messages::{
    CompactionRequest, Compare, CompareTarget, DeleteRangeRequest, Header, KeyValue, LeaseGrantRequest,
    LeaseGrantResponse, LeaseKeepAliveResponse, LeaseRequest, Nothing, PutRequest, RangeRequest,
    RangeResponse, Request, RequestOp, ResponseOp, TxnRequest, TxnResponse,
};
use crate::settings::EtcdSettings;
use crate::watch::EtcdWatch;

/// The way of one replica to etcd. Clones share connections and token.
#[derive(Debug, Clone)]
pub struct Etcd {
    pub(crate) members: Arc<Members>,
    pub(crate) login: Arc<Login>,
}

impl Etcd {
    /// The way to these members. Nothing is asked of them yet.
    pub fn new(settings: EtcdSettings) -> Self {
        Self {
            members: Arc::new(Members::new(settings)),
            login: Arc::default(),
        }
    }

    /// The key in etcd.
    pub(crate) fn full(&self, key: &[u8]) -> Bytes {
        [&self.members.settings().prefix, key].concat().into()
    }

    /// The key without the prefix; none if it is one of others.
    pub(crate) fn own(&self, full: &Bytes) -> Option<Key> {
        let prefix = &self.members.settings().prefix;
        full.starts_with(prefix).then(|| full.slice(prefix.len()..))
    }

    fn compare(&self, key: &Key, expect: Expect) -> Compare {
        // A key that is not there counts as one of revision 0.
        let revision = match expect {
            Expect::At(revision) => number(revision),
            Expect::Absent | Expect::Any => 0,
        };
        Compare {
            target: CompareTarget::Mod.into(),
            key: self.full(key),
            mod_revision: Some(revision),
        }
    }

    /// What a transaction is in etcd's words. If something is not as expected, it reads what it is.
    fn request_of(&self, txn: Txn) -> TxnRequest {
        let expectations: Vec<(&Key, Expect)> = txn.expectations().collect();
        let compare = expectations
            .iter()
            .map(|(key, expect)| self.compare(key, *expect))
            .collect();
        let look = |(key, _): &(&Key, Expect)| {
            op(Request::Range(RangeRequest {
                key: self.full(key),
                keys_only: true,
                ..RangeRequest::default()
            }))
        };
        let failure = expectations.iter().map(look).collect();
        drop(expectations);
        let puts = txn.puts.into_iter().map(|put| {
            op(Request::Put(PutRequest {
                key: self.full(&put.key),
                value: put.value,
                lease: put.lease.map_or(0, |lease| lease.0),
            }))
        });
        let deletes = txn.deletes.iter().map(|delete| {
            let key = self.full(&delete.key);
            (key, Bytes::new())
        });
        let prefixes = txn.delete_prefixes.iter().map(|prefix| {
            let key = self.full(prefix);
            let end = end_of(&key);
            (key, end)
        });
        let gone = deletes.chain(prefixes);
        let gone =
            gone.map(|(key, range_end)| op(Request::DeleteRange(DeleteRangeRequest { key, range_end })));
        TxnRequest {
            compare,
            success: puts.chain(gone).collect(),
            failure,
        }
    }
}

impl SharedLog for Etcd {
    type Watch = EtcdWatch;

    async fn load(&self, without: Option<&Key>) -> Result<Loaded, LogError> {
        self.load_all(without).await.map_err(Failure::into_log_error)
    }

    async fn page(&self, beginning: &Key, after: Option<&Key>, at: Revision) -> Result<Vec<Entry>, LogError> {
        let page = self.page_at(beginning, after, at).await;
        page.map_err(Failure::into_log_error)
    }

    async fn read(&self, key: &Key) -> Result<Option<Entry>, LogError> {
        let question = RangeRequest {
            key: self.full(key),
            ..RangeRequest::default()
        };
        let answer: Result<RangeResponse, Failure> = self.call(Method::RANGE, question).await;
        let answer = answer.map_err(Failure::into_log_error)?;
        Ok(answer.kvs.into_iter().next().and_then(|found| self.entry(found)))
    }

    async fn commit(&self, txn: Txn) -> Result<Committed, LogError> {
        check(&txn, &self.limits())?;
        let found_bytes = txn.bytes();
        let expectations: Vec<(Key, Expect)> = txn
            .expectations()
            .map(|(key, expect)| (key.clone(), expect))
            .collect();
        let answer: Result<TxnResponse, Failure> = self.call(Method::TXN, self.request_of(txn)).await;
        let answer = answer.map_err(|failure| match failure {
            Failure::RequestTooLarge => LogError::TooLarge {
                // Etcd does not say its limit. Whoever has set a smaller one has to be told something.
                limit_bytes: found_bytes.saturating_sub(1),
                found_bytes,
            },
            other => other.into_log_error(),
        })?;
        let at = revision_of(answer.header.as_ref());
        if answer.succeeded {
            return Ok(Committed::At(at));
        }
        let found = answer.responses.iter().map(mod_revision);
        let keys = expectations
            .into_iter()
            .zip(found)
            .filter(|((_, expect), found)| !expect.holds(*found))
            .map(|((key, _), _)| key);
        Ok(Committed::Stale {
            at,
            keys: keys.collect(),
        })
    }

    async fn watch(&self, after: Revision) -> Result<EtcdWatch, WatchError> {
        EtcdWatch::open(self, after).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, LogError> {
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let question = LeaseGrantRequest {
            ttl_seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        };
        let answer: Result<LeaseGrantResponse, Failure> = self.call(Method::GRANT, question).await;
        answer
            .map(|granted| LeaseId(granted.id))
            .map_err(Failure::into_log_error)
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), LogError> {
        let question = LeaseRequest { id: lease.0 };
        let questions = || tokio_stream::once(question.clone());
        let answers = self
            .open::<_, LeaseKeepAliveResponse, _>(Method::KEEP_ALIVE, questions)
            .await;
        let mut answers = answers.map_err(Failure::into_log_error)?;
        match answers.message().await {
            Ok(Some(answer)) if answer.ttl_seconds > 0 => Ok(()),
            // That of a lease that is over is no error for etcd.
            Ok(Some(_)) => Err(LogError::NoLease),
            Ok(None) => Err(LogError::Unreachable {
                reason: "the stream has ended before the answer".to_owned(),
            }),
            Err(status) => Err(crate::errors::failure_of(&status).into_log_error()),
        }
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), LogError> {
        let question = LeaseRequest { id: lease.0 };
        let answer: Result<Nothing, Failure> = self.call(Method::REVOKE, question).await;
        match answer.map_err(Failure::into_log_error) {
            Ok(_) | Err(LogError::NoLease) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn compact(&self, at: Revision) -> Result<(), LogError> {
        let question = CompactionRequest { revision: number(at) };
        let answer: Result<Nothing, Failure> = self.call(Method::COMPACT, question).await;
        match answer {
            Ok(_) | Err(Failure::Compacted) => Ok(()),
            Err(failure) => Err(failure.into_log_error()),
        }
    }
}

impl Etcd {
    /// A key with its value; none if it is not one of ours, or its revision makes no sense.
    pub(crate) fn entry(&self, found: KeyValue) -> Option<Entry> {
        Some(Entry {
            key: self.own(&found.key)?,
            value: found.value,
            at: Revision(u64::try_from(found.mod_revision).ok()?),
        })
    }
}

/// What etcd would refuse after a round trip, or would do otherwise than the log says: deleting a key twice is fine for it.
fn check(txn: &Txn, limits: &Limits) -> Result<(), LogError> {
    txn.check(limits)?;
    let refused = |reason: &str| {
        Err(LogError::Refused {
            reason: reason.to_owned(),
        })
    };
    if txn.operations() == 0 {
        return refused("expected an operation in a transaction, found none");
    }
    let changed = txn.puts.iter().map(|put| &put.key);
    let changed = changed.chain(txn.deletes.iter().map(|delete| &delete.key));
    let mut changed: Vec<&Key> = changed.collect();
    changed.sort_unstable();
    if changed.windows(2).any(|two| two.first() == two.last()) {
        return refused("expected each key once in a transaction, found one twice");
    }
    if txn
        .delete_prefixes
        .iter()
        .any(|prefix| changed.iter().any(|key| key.starts_with(prefix)))
    {
        return refused("expected no other change of keys that all go, found one");
    }
    Ok(())
}

fn op(request: Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

/// The first key behind all that begin so.
pub(crate) fn end_of(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end.into();
        }
    }
    // All keys: etcd's word for the end of everything.
    Bytes::from_static(&[0])
}

pub(crate) fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

pub(crate) fn revision_of(header: Option<&Header>) -> Revision {
    let revision = header.map_or(0, |header| header.revision);
    Revision(u64::try_from(revision).unwrap_or(0))
}

fn mod_revision(response: &ResponseOp) -> Option<Revision> {
    let found = response.range.as_ref()?.kvs.first()?;
    u64::try_from(found.mod_revision).ok().map(Revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_behind_all_that_begin_so() {
        assert_eq!(&*end_of(b"/wharf/"), b"/wharf0");
        assert_eq!(&*end_of(b"a\xff\xff"), b"b");
        assert_eq!(&*end_of(b"\xff"), b"\0");
        assert_eq!(&*end_of(b""), b"\0");
    }
}
