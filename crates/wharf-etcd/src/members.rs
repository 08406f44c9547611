//! Which member is asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Mutex;

use crate::connection::{Connection, NotConnected};
use crate::errors::Failure;
use crate::settings::{EtcdSettings, Member};

/// The members, and the connections to them. One is asked as long as it answers, then the next one.
#[derive(Debug)]
pub(crate) struct Members {
    settings: EtcdSettings,
    /// The number of the one that is asked, counted on without end.
    current: AtomicUsize,
    connections: Vec<Mutex<Option<Connection>>>,
}

/// A member that is being asked. Unless it is said that it has answered, the next one is asked from then on: a caller who gives up
/// drops this.
#[derive(Debug)]
pub(crate) struct Turn<'m> {
    members: &'m Members,
    number: usize,
    has_answered: bool,
}

impl Turn<'_> {
    /// It has answered, unless its answer is one that another member may do better with.
    pub(crate) fn judge<T>(mut self, answer: Result<T, Failure>) -> Result<T, Failure> {
        self.has_answered = !answer.as_ref().is_err_and(Failure::is_of_member);
        answer
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.has_answered {
            self.members.give_up(self.number);
        }
    }
}

impl Members {
    pub(crate) fn new(settings: EtcdSettings) -> Self {
        let connections = settings.members.iter().map(|_| Mutex::default()).collect();
        Self {
            settings,
            current: AtomicUsize::new(0),
            connections,
        }
    }

    pub(crate) fn settings(&self) -> &EtcdSettings {
        &self.settings
    }

    /// The member that is asked now.
    pub(crate) fn current(&self) -> Option<&Member> {
        let number = self.current.load(Ordering::Relaxed);
        self.settings.members.get(self.place(number))
    }

    fn place(&self, number: usize) -> usize {
        number.checked_rem(self.settings.members.len()).unwrap_or(0)
    }

    /// A connection to the member whose turn it is; if there is none to be had, to the next one that can be reached.
    ///
    /// # Errors
    /// Why the last of them could not be reached.
    pub(crate) async fn connect(&self) -> Result<(Turn<'_>, &Member, Connection), NotConnected> {
        let mut last = NotConnected::Unreachable("no members are named".to_owned());
        for _ in &self.settings.members {
            let number = self.current.load(Ordering::Relaxed);
            let turn = Turn {
                members: self,
                number,
                has_answered: false,
            };
            let place = self.place(number);
            let (Some(member), Some(kept)) = (self.settings.members.get(place), self.connections.get(place))
            else {
                break;
            };
            let mut kept = kept.lock().await;
            if let Some(connection) = kept.as_ref().filter(|connection| !connection.is_closed()) {
                return Ok((turn, member, connection.clone()));
            }
            match Connection::open(member, &self.settings).await {
                Ok(connection) => {
                    *kept = Some(connection.clone());
                    return Ok((turn, member, connection));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Has the next member asked from now on, if it was this one's turn. Its connection is not used again: what is still on its
    /// way there has its own handle.
    fn give_up(&self, number: usize) {
        let next = number.wrapping_add(1);
        let changed = self
            .current
            .compare_exchange(number, next, Ordering::Relaxed, Ordering::Relaxed);
        if changed.is_err() {
            return;
        }
        if let Some(Ok(mut kept)) = self.connections.get(self.place(number)).map(Mutex::try_lock) {
            *kept = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(addresses: &[&str]) -> Members {
        Members::new(EtcdSettings {
            members: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            prefix: "/".into(),
            user: None,
            authorities: None,
            identity: None,
        })
    }

    fn turn(members: &Members, number: usize) -> Turn<'_> {
        Turn {
            members,
            number,
            has_answered: false,
        }
    }

    #[test]
    fn a_member_keeps_its_turn_until_it_does_not_answer() {
        let members = members(&["http://a:1", "http://b:1", "http://c:1"]);
        let host = || members.current().unwrap().host().to_owned();
        turn(&members, 0).judge(Ok(())).unwrap();
        turn(&members, 0)
            .judge(Err::<(), _>(Failure::Compacted))
            .unwrap_err();
        assert_eq!(host(), "a");
        drop(turn(&members, 0));
        assert_eq!(host(), "b");
        // Others who waited for the same one change nothing.
        drop(turn(&members, 0));
        assert_eq!(host(), "b");
        turn(&members, 1)
            .judge(Err::<(), _>(Failure::unreachable("no leader")))
            .unwrap_err();
        drop(turn(&members, 2));
        assert_eq!(host(), "a");
    }
}
