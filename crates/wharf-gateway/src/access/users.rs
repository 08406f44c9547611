//! Basic authentication: users with bcrypt hashes, checked in a way that honest pushers hardly notice and that
//! guessing does not get through.
//!
//! * A check costs a processor tens of milliseconds. It runs beside the threads that serve requests, and only on
//!   some of the processors at once; who asks for the same check shares it. Networks take turns.
//! * A user's last right password is remembered, so that it is checked once. So are some wrong ones, since a
//!   misconfigured job comes again and again. What is remembered is not the password but its tag, under a key that
//!   nobody knows: it cannot be read back, and no choice of names and passwords makes two of them the same.
//! * A name that does not exist costs what one that does would have cost.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;

use ring::{hmac, rand};
use tokio::sync::watch;

use crate::access::claim::{Claim, Claims, Credentials};
use crate::access::hash::PasswordHash;
use crate::access::randomness::NoRandomness;
use crate::client::{Client, Remote};
use crate::lock::lock;
use crate::places::Places;
use crate::turns::{Limits, TooMany, Turns};

/// Requests that wait for the outcome of these checks.
const MAX_WAITING: usize = 4096;
/// Checks that wait for their turn.
const TURNS: Limits = Limits {
    all: 256,
    of_one_source: 32,
};
/// Longer credentials are wrong: those that wait for a check are kept in memory.
const MAX_CREDENTIALS_BYTES: usize = 8 << 10;
/// Wrong passwords that are remembered.
const MAX_REFUSED: usize = 256;

/// The users, and what is known of their passwords.
///
/// Without any, there is no authentication.
pub struct Users {
    by_name: HashMap<String, User>,
    /// The hashes of all users, to check what unknown users send.
    stand_ins: Vec<PasswordHash>,
    key: hmac::Key,
    refused: Mutex<VecDeque<Tag>>,
    checks: Mutex<Checks>,
    waiting: Arc<Places>,
    /// How many checks run at once.
    max_running: usize,
}

#[derive(Debug)]
struct User {
    /// None: no password is right.
    hash: Option<PasswordHash>,
    /// What was right last.
    proven: Mutex<Option<Tag>>,
}

/// Checks that have not ended yet.
struct Checks {
    /// What will be told about them.
    outcomes: HashMap<Tag, watch::Receiver<Option<bool>>>,
    /// Those that have not begun.
    waiting: Turns<Remote, Check>,
    running: usize,
}

struct Check {
    credentials: Credentials,
    tag: Tag,
    told: watch::Sender<Option<bool>>,
}

/// What stands for a name and a password. Whoever does not know the key learns nothing from tags that differ, so
/// they may be compared as anything else.
type Tag = [u8; 32];

/// What became of a request's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They are right, or none are needed.
    Admitted,
    /// They are wrong, or missing.
    Refused,
    /// Too many are being checked already.
    Busy,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("count", &self.by_name.len())
            .finish_non_exhaustive()
    }
}

impl Users {
    /// The users of these names, with their hashes. Nobody gets in as a user without one.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn new(
        users: impl IntoIterator<Item = (String, Option<PasswordHash>)>,
    ) -> Result<Self, NoRandomness> {
        let by_name: HashMap<_, _> = users
            .into_iter()
            .map(|(name, hash)| {
                let proven = Mutex::default();
                (name, User { hash, proven })
            })
            .collect();
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            stand_ins: by_name.values().filter_map(|user| user.hash.clone()).collect(),
            by_name,
            key: hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new())
                .map_err(|_| NoRandomness)?,
            refused: Mutex::default(),
            checks: Mutex::new(Checks {
                outcomes: HashMap::new(),
                waiting: Turns::new(TURNS),
                running: 0,
            }),
            waiting: Places::new(MAX_WAITING),
            max_running: (processors / 2).max(1),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Whether whoever claims this may go on. Of several claims the first counts, as with the Pushgateway.
    pub(crate) async fn admit_claim(self: &Arc<Self>, claims: Claims<'_>, from: Remote) -> Verdict {
        if self.by_name.is_empty() {
            return Verdict::Admitted;
        }
        match claims.first {
            Claim::User(credentials) => self.admit(credentials, from).await,
            Claim::None | Claim::Token(_) | Claim::Unreadable => Verdict::Refused,
        }
    }

    /// Whether a password is that of a user.
    pub(crate) async fn admit(self: &Arc<Self>, credentials: Credentials, from: Remote) -> Verdict {
        if credentials.len() > MAX_CREDENTIALS_BYTES {
            return Verdict::Refused;
        }
        let tag = self.tag(&credentials);
        if let Some(verdict) = self.remembered(&credentials.name, &tag) {
            return verdict;
        }
        let Ok(_waiting) = self.waiting.take(&Client::At(from)) else {
            return Verdict::Busy;
        };
        let Ok(mut outcome) = self.check(credentials, tag, from) else {
            return Verdict::Busy;
        };
        let outcome = outcome.wait_for(Option::is_some).await;
        match outcome.as_deref() {
            Ok(Some(true)) => Verdict::Admitted,
            Ok(_) => Verdict::Refused,
            // It has left for one of somebody else.
            Err(_) => Verdict::Busy,
        }
    }

    /// Lengths stand before what they are the lengths of, so that no two pairs give the same bytes.
    fn tag(&self, credentials: &Credentials) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [credentials.name.as_bytes(), credentials.password.as_slice()] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut tag = Tag::default();
        for (to, from) in tag.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        tag
    }

    fn remembered(&self, name: &str, tag: &Tag) -> Option<Verdict> {
        if let Some(user) = self.by_name.get(name)
            && lock(&user.proven).as_ref() == Some(tag)
        {
            return Some(Verdict::Admitted);
        }
        lock(&self.refused).contains(tag).then_some(Verdict::Refused)
    }

    /// Begins a check, or joins one that is under way. It goes on if nobody waits any more: the next one with the
    /// same password will.
    fn check(
        self: &Arc<Self>,
        credentials: Credentials,
        tag: Tag,
        from: Remote,
    ) -> Result<watch::Receiver<Option<bool>>, TooMany> {
        let mut checks = lock(&self.checks);
        if let Some(same) = checks.outcomes.get(&tag) {
            return Ok(same.clone());
        }
        // Between the look at what is remembered and this one a check may have ended.
        if let Some(verdict) = self.remembered(&credentials.name, &tag) {
            return Ok(watch::channel(Some(verdict == Verdict::Admitted)).1);
        }
        let (told, outcome) = watch::channel(None);
        let check = Check {
            credentials,
            tag,
            told,
        };
        if let Some(leaves) = checks.waiting.push(from, check)? {
            checks.outcomes.remove(&leaves.tag);
        }
        checks.outcomes.insert(tag, outcome.clone());
        if checks.running < self.max_running {
            checks.running += 1;
            tokio::spawn(Arc::clone(self).run_all());
        }
        Ok(outcome)
    }

    /// Runs what waits, one after the other, until nothing does.
    async fn run_all(self: Arc<Self>) {
        while let Some(Check {
            credentials,
            tag,
            told,
        }) = self.next()
        {
            let is_right = self.run(credentials, &tag).await;
            lock(&self.checks).outcomes.remove(&tag);
            told.send_replace(Some(is_right));
        }
    }

    fn next(&self) -> Option<Check> {
        let mut checks = lock(&self.checks);
        let next = checks.waiting.pop();
        checks.running -= usize::from(next.is_none());
        next
    }

    async fn run(&self, credentials: Credentials, tag: &Tag) -> bool {
        let Credentials { name, password } = credentials;
        let user = self.by_name.get(&name);
        let own = user.and_then(|user| user.hash.as_ref());
        let Some(hash) = own.or_else(|| self.stand_in(&name)).cloned() else {
            return false;
        };
        let matches = tokio::task::spawn_blocking(move || hash.matches(&password));
        let matches = matches.await.unwrap_or(false);
        match user {
            Some(user) if matches && own.is_some() => {
                *lock(&user.proven) = Some(*tag);
                true
            }
            _ => {
                let mut refused = lock(&self.refused);
                refused.truncate(MAX_REFUSED - 1);
                refused.push_front(*tag);
                false
            }
        }
    }

    /// The hash to check an unknown user's password with. Where hashes differ in cost, unknown names do as well.
    fn stand_in(&self, name: &str) -> Option<&PasswordHash> {
        let random = hmac::sign(&self.key, name.as_bytes());
        let random = random.as_ref().first_chunk().copied().map(u64::from_le_bytes)?;
        let index = random.checked_rem(self.stand_ins.len() as u64)?;
        self.stand_ins.get(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests;
