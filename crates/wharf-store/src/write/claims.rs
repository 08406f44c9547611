//! Groups that somebody is about to change, who has to read them first.
//!
//! A push of series reads what is stored, makes of it what is to be stored, and has to do so again if the group has
//! changed meanwhile. Claims see to that this ends: those who read before they change have turns, and if others have
//! been quicker too often, these wait as well. Nobody waits for a claim of another group, and nobody holds the store's
//! lock while he waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use wharf_model::GroupingKey;

type Claimed = HashMap<GroupingKey, bool>;

/// The groups that are claimed.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// Number of groups that nobody else may push to.
    closed: AtomicUsize,
    /// Whether each of them is closed.
    claimed: Mutex<Claimed>,
    given_back: Condvar,
}

impl Claims {
    /// Claims groups as soon as nobody else has a claim on one of them.
    pub(crate) fn claim<'k>(&self, keys: impl Iterator<Item = &'k GroupingKey> + Clone) -> Claim<'_> {
        let mut claimed = self.lock();
        while keys.clone().any(|key| claimed.contains_key(key)) {
            claimed = wait(&self.given_back, claimed);
        }
        let mut own: Vec<GroupingKey> = keys.cloned().collect();
        own.sort_unstable();
        own.dedup();
        claimed.extend(own.iter().cloned().map(|key| (key, false)));
        Claim { claims: self, own }
    }

    /// Claims a group, unless somebody else has.
    pub(crate) fn try_claim(&self, key: &GroupingKey) -> Option<Claim<'_>> {
        let mut claimed = self.lock();
        if claimed.contains_key(key) {
            return None;
        }
        claimed.insert(key.clone(), false);
        let own = vec![key.clone()];
        Some(Claim { claims: self, own })
    }

    /// Whether somebody has closed the group. Costs a look at a number while nobody has closed any.
    pub(crate) fn is_closed(&self, key: &GroupingKey) -> bool {
        self.closed.load(Ordering::Acquire) > 0 && self.lock().get(key).copied().unwrap_or(false)
    }

    /// Waits while somebody has closed the group. Costs a look at a number while nobody has closed any.
    pub(crate) fn wait_for(&self, key: &GroupingKey) {
        if self.closed.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut claimed = self.lock();
        while claimed.get(key).copied().unwrap_or(false) {
            claimed = wait(&self.given_back, claimed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Claimed> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'g>(given_back: &Condvar, guard: MutexGuard<'g, Claimed>) -> MutexGuard<'g, Claimed> {
    given_back.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// A claim on some groups, until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim<'c> {
    claims: &'c Claims,
    own: Vec<GroupingKey>,
}

impl Claim<'_> {
    /// The same of all groups.
    pub(crate) fn close_all(&self) {
        for key in &self.own {
            self.close(key);
        }
    }

    /// Nobody else changes the group from now on, but for those who are about to.
    pub(crate) fn close(&self, key: &GroupingKey) {
        let mut claimed = self.claims.lock();
        if let Some(is_closed) = claimed.get_mut(key).filter(|is_closed| !**is_closed) {
            *is_closed = true;
            self.claims.closed.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut claimed = self.claims.lock();
        for key in &self.own {
            if claimed.remove(key) == Some(true) {
                self.claims.closed.fetch_sub(1, Ordering::AcqRel);
            }
        }
        drop(claimed);
        self.claims.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use super::*;

    fn key(job: &str) -> GroupingKey {
        GroupingKey::new([("job", job)]).unwrap()
    }

    #[test]
    fn who_pushes_to_a_closed_group_waits_until_it_is_given_back_and_others_do_not() {
        let claims = Claims::default();
        let (a, b) = (key("a"), key("b"));
        let claim = claims.claim([&a, &b].into_iter());
        // A claim alone stops nobody but those who claim as well.
        claims.wait_for(&a);
        assert!(claims.try_claim(&a).is_none() && !claims.is_closed(&a));
        drop(claims.try_claim(&key("c")).unwrap());
        claim.close(&a);
        assert!(claims.is_closed(&a) && !claims.is_closed(&b));
        claim.close(&a);
        claims.wait_for(&b);
        claims.wait_for(&key("c"));
        std::thread::scope(|scope| {
            let (sender, waited) = channel();
            let (claims, a) = (&claims, &a);
            scope.spawn(move || {
                claims.wait_for(a);
                sender.send(()).unwrap();
            });
            let timeout = Duration::from_millis(20);
            assert_eq!(waited.recv_timeout(timeout), Err(RecvTimeoutError::Timeout));
            drop(claim);
            waited.recv().unwrap();
        });
        assert_eq!(claims.closed.load(Ordering::Acquire), 0);
        assert!(claims.lock().is_empty());
    }

    #[test]
    fn those_who_claim_the_same_group_take_turns() {
        let claims = Claims::default();
        let (a, b) = (key("a"), key("b"));
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for turn in 0..4 {
                let (claims, a, b, inside) = (&claims, &a, &b, &inside);
                scope.spawn(move || {
                    // In either order, and one of them twice: nobody waits for ever.
                    let keys = if turn % 2 == 0 { [a, b, a] } else { [b, a, b] };
                    for _ in 0..50 {
                        let claim = claims.claim(keys.into_iter());
                        assert_eq!(inside.fetch_add(1, Ordering::AcqRel), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::AcqRel);
                        drop(claim);
                    }
                });
            }
        });
    }
}
