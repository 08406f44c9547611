//! Ids that clients give to their pushes, so that one which is repeated is not counted twice.

use ring::digest::{Context, SHA256};
use wharf_model::GroupingKey;
use wharf_store::{PushId, UnixNanos};

use crate::access::caller::Caller;

/// An id as a client gave it, by its digest: it may have any length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedId([u8; 32]);

impl AskedId {
    /// The id of these bytes.
    pub fn new(id: &[u8]) -> Self {
        Self(digest([id]))
    }

    /// The id within a place of its own: the same id elsewhere is another one.
    #[must_use]
    pub fn within(self, place: &[u8]) -> Self {
        Self(digest([self.0.as_slice(), place]))
    }
}

/// The ids that a push with a body has, one for each group that it goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PushIds<'c> {
    asked: AskedId,
    body: [u8; 8],
    caller: &'c Caller,
    at: UnixNanos,
}

impl<'c> PushIds<'c> {
    /// Those of a push that came at this time.
    pub(crate) fn of(asked: AskedId, body: &[u8], caller: &'c Caller, at: UnixNanos) -> Self {
        Self {
            asked,
            body: digest([body]),
            caller,
            at,
        }
    }

    /// The one for a group. Whoever may push as another caller cannot stand in the way of this one's ids.
    pub(crate) fn of_group(&self, key: &GroupingKey) -> PushId {
        let id = [self.asked.0.as_slice(), key.as_bytes()];
        let identities = self.caller.identities().iter().map(String::as_bytes);
        PushId {
            name: digest(id.into_iter().chain(identities)),
            body: self.body,
            at: self.at,
        }
    }
}

/// The beginning of a digest of parts, which cannot be divided in another way to give the same.
fn digest<'p, const LENGTH: usize>(parts: impl IntoIterator<Item = &'p [u8]>) -> [u8; LENGTH] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    let mut bytes = [0; LENGTH];
    for (byte, digest) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *byte = *digest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use crate::access::caller::Caller;
    use crate::client::Remote;

    use super::*;

    fn id(asked: &str, body: &str, job: &str, caller: &Caller) -> PushId {
        let key = GroupingKey::new([("job", job)]).unwrap();
        PushIds::of(
            AskedId::new(asked.as_bytes()),
            body.as_bytes(),
            caller,
            UnixNanos(1),
        )
        .of_group(&key)
    }

    #[test]
    fn an_id_is_one_of_its_group_and_its_body_stands_beside_it() {
        let caller = Caller::unlimited(Remote::User(None), None);
        let first = id("1", "body", "a", &caller);
        assert_eq!(id("1", "body", "a", &caller), first);
        let other_place = Caller::unlimited(Remote::User(Some(5)), None);
        assert_eq!(id("1", "body", "a", &other_place), first);
        assert_ne!(id("2", "body", "a", &caller).name, first.name);
        assert_ne!(id("1", "body", "b", &caller).name, first.name);
        let other = id("1", "other", "a", &caller);
        assert_eq!(other.name, first.name);
        assert_ne!(other.body, first.body);
    }

    #[test]
    fn parts_are_not_joined() {
        assert_ne!(digest::<8>([&b"ab"[..], b"c"]), digest([&b"a"[..], b"bc"]));
    }
}
