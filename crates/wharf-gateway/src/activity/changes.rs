//! Notices of changes, for readers that follow them.
//!
//! Changes are gathered while anybody follows them, and a few times a second made into one notice, which all followers share.
//! One that has missed a notice is told that there were many changes: nothing is kept for anybody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use wharf_model::GroupingKey;

use crate::client::Client;
use crate::lock::lock;
use crate::places::{Full, Permit, Places};

/// Groups in one notice.
const MAX_GROUPS: usize = 50;
/// Bytes of their keys.
const MAX_KEY_BYTES: usize = 16 * 1024;

/// What has become of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A push to it was stored.
    Pushed,
    /// A push to it was refused.
    Refused,
    /// It has lost a family.
    Changed,
    /// It is gone.
    Deleted,
}

impl Change {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pushed => "pushed",
            Self::Refused => "refused",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

#[derive(Debug, Default)]
struct Gathered {
    groups: BTreeMap<GroupingKey, Change>,
    key_bytes: usize,
    /// There were too many to name them.
    many: bool,
}

/// What has changed since the notice before.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Notices are numbered from 1 on.
    pub number: u64,
    /// The groups, with what has become of each; none: there were too many to name them, or some notices were missed.
    pub groups: Option<Arc<BTreeMap<GroupingKey, Change>>>,
}

/// Who follows changes, and what has changed since the last notice.
#[derive(Debug)]
pub struct Changes {
    gathered: Mutex<Gathered>,
    notices: watch::Sender<Notice>,
    places: Arc<Places>,
}

impl Changes {
    /// For so many followers at once.
    pub fn new(max_followers: usize) -> Self {
        Self {
            gathered: Mutex::default(),
            notices: watch::Sender::new(Notice {
                number: 0,
                groups: None,
            }),
            places: Places::new(max_followers),
        }
    }

    /// A group has changed. Costs nothing to speak of while nobody reads.
    pub(crate) fn note(&self, key: &GroupingKey, change: Change) {
        if self.notices.receiver_count() == 0 {
            return;
        }
        let mut gathered = lock(&self.gathered);
        if gathered.many {
            return;
        }
        if gathered.groups.insert(key.clone(), change).is_none() {
            gathered.key_bytes += key.as_bytes().len();
        }
        if gathered.groups.len() > MAX_GROUPS || gathered.key_bytes > MAX_KEY_BYTES {
            *gathered = Gathered {
                many: true,
                ..Gathered::default()
            };
        }
    }

    /// Very many groups have changed.
    pub(crate) fn note_many(&self) {
        lock(&self.gathered).many = true;
    }

    /// Tells readers what has changed since the last time. To be called a few times a second.
    pub(crate) fn publish(&self) {
        let gathered = std::mem::take(&mut *lock(&self.gathered));
        if gathered.groups.is_empty() && !gathered.many {
            return;
        }
        let Gathered { groups, many, .. } = gathered;
        self.notices.send_modify(|notice| {
            notice.number += 1;
            notice.groups = (!many).then(|| Arc::new(groups));
        });
    }

    /// How many may follow at once.
    pub fn max_followers(&self) -> usize {
        self.places.all()
    }

    /// Follows changes from now on.
    ///
    /// # Errors
    /// If too many do, or this client has as many places as it may have.
    pub fn follow(&self, client: &Client) -> Result<Follower, Full> {
        let place = self.places.take(client)?;
        let mut notices = self.notices.subscribe();
        let number = notices.borrow_and_update().number;
        Ok(Follower {
            notices,
            number,
            _place: place,
        })
    }
}

/// One who follows changes.
#[derive(Debug)]
pub struct Follower {
    notices: watch::Receiver<Notice>,
    /// Of the last notice that it has got.
    number: u64,
    _place: Permit,
}

impl Follower {
    /// The number of the last notice that it has got, or that there was before.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next notice; none if there will be none. Nothing is lost if this is dropped before it is ready.
    pub async fn next(&mut self) -> Option<Notice> {
        self.notices.changed().await.ok()?;
        let mut notice = self.notices.borrow_and_update().clone();
        if notice.number > self.number + 1 {
            notice.groups = None;
        }
        self.number = notice.number;
        Some(notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: usize) -> Client {
        Client::Known(number.to_string())
    }

    fn key(job: &str) -> GroupingKey {
        GroupingKey::new([("job", job)]).unwrap()
    }

    async fn next(follower: &mut Follower) -> (u64, Option<Vec<(String, Change)>>) {
        let notice = follower.next().await.unwrap();
        let named = |groups: Arc<BTreeMap<GroupingKey, Change>>| {
            let groups = groups.iter();
            groups
                .map(|(key, change)| (key.job().to_owned(), *change))
                .collect()
        };
        (notice.number, notice.groups.map(named))
    }

    #[tokio::test]
    async fn a_follower_is_told_which_groups_have_changed() {
        let changes = Changes::new(9);
        changes.note(&key("before"), Change::Pushed);
        let mut follower = changes.follow(&client(0)).unwrap();
        assert_eq!(follower.number(), 0);
        changes.note(&key("a"), Change::Pushed);
        changes.note(&key("b"), Change::Refused);
        changes.note(&key("a"), Change::Deleted);
        changes.publish();
        changes.publish();
        let groups = [("a", Change::Deleted), ("b", Change::Refused)];
        let groups = groups.map(|(job, change)| (job.to_owned(), change));
        assert_eq!(next(&mut follower).await, (1, Some(groups.to_vec())));
    }

    #[tokio::test]
    async fn a_follower_that_has_missed_a_notice_is_told_that_there_were_many() {
        let changes = Changes::new(9);
        let mut follower = changes.follow(&client(0)).unwrap();
        for _ in 0..3 {
            changes.note(&key("a"), Change::Pushed);
            changes.publish();
        }
        assert_eq!(next(&mut follower).await, (3, None));
        changes.note(&key("a"), Change::Pushed);
        changes.publish();
        assert_eq!(next(&mut follower).await.0, 4);
    }

    #[tokio::test]
    async fn more_groups_than_can_be_named_are_many() {
        let changes = Changes::new(9);
        let mut follower = changes.follow(&client(0)).unwrap();
        for n in 0..=MAX_GROUPS {
            changes.note(&key(&n.to_string()), Change::Pushed);
        }
        changes.publish();
        assert_eq!(next(&mut follower).await, (1, None));
        changes.note(&key(&"x".repeat(MAX_KEY_BYTES)), Change::Pushed);
        changes.publish();
        assert_eq!(next(&mut follower).await, (2, None));
    }

    #[test]
    fn followers_are_so_many_and_no_more() {
        let changes = Changes::new(100);
        let follow = |number| changes.follow(&client(number));
        let followers: Vec<Follower> = (0..100).filter_map(|number| follow(number).ok()).collect();
        assert_eq!(followers.len(), 100);
        assert_eq!(follow(0).err(), Some(Full::ForAll));
        drop(followers);
        assert!(follow(0).is_ok());
    }
}
