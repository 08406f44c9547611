//! Everything, page by page, as it was at one revision.

use bytes::Bytes;
use wharf_shared_log::{Entry, Loaded, LogError, Revision};

use crate::calls::Method;
use crate::errors::Failure;
use crate::log::{Etcd, end_of, number, revision_of};
use crate::messages::{RangeRequest, RangeResponse};

/// How many bytes a page should have, about: larger ones keep etcd from other work, smaller ones take longer.
const PAGE_BYTES: usize = 4 << 20;
/// Keys of the first page, and of any.
const FIRST_KEYS: usize = 64;
const MAX_KEYS: usize = 10_000;
/// How often it is begun anew, because what was to be read has been compacted meanwhile.
const ATTEMPTS: usize = 5;

impl Etcd {
    /// Everything below the prefix.
    pub(crate) async fn load_all(&self) -> Result<Loaded, Failure> {
        for _ in 0..ATTEMPTS {
            match self.load_once().await {
                Err(Failure::Compacted) => {}
                loaded => return loaded,
            }
        }
        Err(Failure::Log(LogError::Unreachable {
            reason: "etcd is compacted faster than it can be read".to_owned(),
        }))
    }

    async fn load_once(&self) -> Result<Loaded, Failure> {
        let prefix = &self.members.settings().prefix;
        let range_end = end_of(prefix);
        let mut next = prefix.clone();
        let mut at = Revision::default();
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys = FIRST_KEYS;
        loop {
            let question = RangeRequest {
                key: next.clone(),
                range_end: range_end.clone(),
                limit: i64::try_from(keys).unwrap_or(i64::MAX),
                // The first page says which one; it is not older than the call.
                revision: number(at),
                keys_only: false,
            };
            let answer: RangeResponse = match self.call(Method::RANGE, question).await {
                Err(Failure::AnswerTooLarge) if keys > 1 => {
                    keys = keys.div_ceil(4);
                    continue;
                }
                answer => answer?,
            };
            if at == Revision::default() {
                at = revision_of(answer.header.as_ref());
            }
            let bytes: usize = answer.kvs.iter().map(|found| found.value.len()).sum();
            let has_more = answer.more;
            if let Some(last) = answer.kvs.last() {
                next = Bytes::from([&last.key, &b"\0"[..]].concat());
            }
            keys = keys_of_next(answer.kvs.len(), bytes);
            let found = answer.kvs.into_iter();
            entries.extend(found.filter_map(|found| self.entry(found)));
            if !has_more {
                return Ok(Loaded { at, entries });
            }
        }
    }
}

/// How many keys to ask for after a page of so many keys and bytes. The next ones may be larger.
fn keys_of_next(keys: usize, bytes: usize) -> usize {
    let mean = (bytes / keys.max(1)).max(1);
    (PAGE_BYTES / mean).min(keys.saturating_mul(8)).clamp(1, MAX_KEYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_grow_and_shrink_with_what_comes() {
        assert_eq!(keys_of_next(64, 64 * 1000), 512);
        assert_eq!(keys_of_next(4096, 4096 * 1000), 4194);
        assert_eq!(keys_of_next(4096, 4096 * 100_000), 41);
        assert_eq!(keys_of_next(3, 3 << 22), 1);
        assert_eq!(keys_of_next(0, 0), 1);
    }
}
