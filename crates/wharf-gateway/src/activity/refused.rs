//! The last pushes that were refused.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Mutex;

use wharf_model::GroupingKey;
use wharf_store::UnixNanos;

use super::visible;
use crate::lock::lock;
use crate::refusal::{Reason, Refusal};
use crate::source::Source;

const MAX_REFUSED: usize = 100;
const MAX_ERROR_CHARS: usize = 500;
/// A longer key is left out.
const MAX_KEY_BYTES: usize = 4096;

/// A push that was refused. Nothing of its headers is here, so no credentials.
#[derive(Debug, Clone)]
pub struct RefusedPush {
    /// When.
    pub at: UnixNanos,
    /// Why.
    pub reason: Reason,
    /// Who sent it, if it came over a network.
    pub address: Option<IpAddr>,
    /// What its request was called.
    pub request_id: String,
    /// The group, if there was one, and its key is not too long.
    pub key: Option<GroupingKey>,
    /// What its sender was told, as far as others may know it: cut, and with what cannot be seen escaped.
    pub error: String,
    /// The family in which it contradicted itself or others.
    pub family: Option<String>,
}

impl RefusedPush {
    /// Refused at this moment.
    pub fn new(at: UnixNanos, error: &Refusal, source: &Source, key: Option<&GroupingKey>) -> Self {
        Self {
            at,
            reason: error.reason,
            address: source.address(),
            request_id: source.request_id.to_string(),
            key: key.filter(|key| key.as_bytes().len() <= MAX_KEY_BYTES).cloned(),
            error: visible::shown(error.text_for_others(), MAX_ERROR_CHARS),
            family: error
                .family
                .as_deref()
                .filter(|family| family.len() <= MAX_KEY_BYTES)
                .map(str::to_owned),
        }
    }
}

/// The last pushes that were refused, the newest first.
#[derive(Debug, Default)]
pub struct RefusedPushes(Mutex<VecDeque<RefusedPush>>);

impl RefusedPushes {
    pub fn add(&self, push: RefusedPush) {
        let mut pushes = lock(&self.0);
        pushes.truncate(MAX_REFUSED - 1);
        pushes.push_front(push);
    }

    pub fn list(&self) -> Vec<RefusedPush> {
        lock(&self.0).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::request_id::RequestIds;
    use crate::source::Input;

    #[test]
    fn the_last_refusals_are_kept_and_long_texts_are_cut() {
        let refused = RefusedPushes::default();
        let key = GroupingKey::new([("job", "x".repeat(5000).as_str())]).unwrap();
        let source = Source {
            input: Input::Push,
            peer: None,
            request_id: RequestIds::default().make(),
            trace: None,
            began: Instant::now(),
            request_bytes: 0,
        };
        for n in 0..150 {
            let error = Refusal::parameter(&format!("{n}: {}", "\0".repeat(1000)));
            refused.add(RefusedPush::new(UnixNanos(n), &error, &source, Some(&key)));
        }
        let list = refused.list();
        assert_eq!(list.len(), MAX_REFUSED);
        assert_eq!((list[0].at, list[99].at), (UnixNanos(149), UnixNanos(50)));
        assert!(list[0].error.starts_with("149: \\u{0}") && list[0].error.chars().count() <= 501);
        assert_eq!(list[0].request_id, source.request_id.to_string());
        assert_eq!(list[0].key, None);
    }
}
