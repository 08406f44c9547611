//! Everything, page by page, as it was at one revision.

use bytes::Bytes;
use wharf_shared_log::{Entry, Key, Loaded, LogError, Revision};

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

/// Keys from one up to another, the last one not among them.
#[derive(Debug)]
struct Span {
    next: Bytes,
    end: Bytes,
}

impl Etcd {
    /// Everything below the prefix, but for keys that begin so.
    pub(crate) async fn load_all(&self, without: Option<&Key>) -> Result<Loaded, Failure> {
        for _ in 0..ATTEMPTS {
            match self.load_once(without).await {
                Err(Failure::Compacted) => {}
                loaded => return loaded,
            }
        }
        Err(Failure::Log(LogError::Unreachable {
            reason: "etcd is compacted faster than it can be read".to_owned(),
        }))
    }

    async fn load_once(&self, without: Option<&Key>) -> Result<Loaded, Failure> {
        let mut at = Revision::default();
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys = FIRST_KEYS;
        for mut span in self.spans(without) {
            loop {
                let answer = self.range(&mut span, at, &mut keys).await?;
                if at == Revision::default() {
                    // The first page says which one; it is not older than the call.
                    at = revision_of(answer.header.as_ref());
                }
                let has_more = answer.more;
                let found = answer.kvs.into_iter();
                entries.extend(found.filter_map(|found| self.entry(found)));
                if !has_more {
                    break;
                }
            }
        }
        Ok(Loaded { at, entries })
    }

    /// All keys of ours, but for those that begin so.
    fn spans(&self, without: Option<&Key>) -> Vec<Span> {
        let first = self.members.settings().prefix.clone();
        let end = end_of(&first);
        let Some(without) = without.map(|without| self.full(without)) else {
            return vec![Span { next: first, end }];
        };
        let behind = end_of(&without);
        let before = Span {
            next: first,
            end: without,
        };
        vec![before, Span { next: behind, end }]
    }

    /// Some of the keys that begin so, as they were at a revision.
    pub(crate) async fn page_at(
        &self,
        beginning: &Key,
        after: Option<&Key>,
        at: Revision,
    ) -> Result<Vec<Entry>, Failure> {
        let beginning = self.full(beginning);
        let end = end_of(&beginning);
        let next = after.map_or(beginning, |after| behind(&self.full(after)));
        // A revision of 0 would be the current one; nothing is older than 1.
        let at = at.max(Revision(1));
        let answer = self
            .range(&mut Span { next, end }, at, &mut FIRST_KEYS.clone())
            .await?;
        let found = answer.kvs.into_iter();
        Ok(found.filter_map(|found| self.entry(found)).collect())
    }

    /// One page of a span, which is shorter by it then, and how many keys to ask for the next time.
    async fn range(&self, span: &mut Span, at: Revision, keys: &mut usize) -> Result<RangeResponse, Failure> {
        loop {
            let question = RangeRequest {
                key: span.next.clone(),
                range_end: span.end.clone(),
                limit: i64::try_from(*keys).unwrap_or(i64::MAX),
                revision: number(at),
                keys_only: false,
            };
            let answer: RangeResponse = match self.call(Method::RANGE, question).await {
                Err(Failure::AnswerTooLarge) if *keys > 1 => {
                    *keys = keys.div_ceil(4);
                    continue;
                }
                answer => answer?,
            };
            let bytes: usize = answer.kvs.iter().map(|found| found.value.len()).sum();
            if let Some(last) = answer.kvs.last() {
                span.next = behind(&last.key);
            }
            *keys = keys_of_next(answer.kvs.len(), bytes);
            return Ok(answer);
        }
    }
}

/// The first key after this one.
fn behind(key: &[u8]) -> Bytes {
    [key, b"\0"].concat().into()
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
