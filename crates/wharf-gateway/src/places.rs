//! Places for what takes long: answers being sent, bodies being received, readers of events.
//!
//! There are so many, and nobody waits for one. A client may hold as many as it leaves free, so that there are always
//! some for others: the first gets half of them, the next half of the rest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::Client;
use crate::refusal::Refusal;

/// Places that a client may hold although it leaves fewer free.
const A_FEW: usize = 4;

/// So many places.
#[derive(Debug)]
pub struct Places {
    all: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    /// Of those who have any.
    by_client: HashMap<Client, usize>,
}

/// There is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// For nobody.
    ForAll,
    /// For this client, which has many.
    ForOne,
}

/// Places that a client has taken, until this is dropped. As many as one large thing needs may be one permit.
#[derive(Debug)]
pub struct Permit {
    places: Arc<Places>,
    client: Client,
    count: usize,
}

impl Places {
    /// So many.
    pub fn new(all: usize) -> Arc<Self> {
        let taken = Mutex::default();
        Arc::new(Self { all, taken })
    }

    /// How many there are.
    pub fn all(&self) -> usize {
        self.all
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.lock().count
    }

    /// Takes a place.
    ///
    /// # Errors
    /// If there is none for this client.
    pub fn take(self: &Arc<Self>, client: &Client) -> Result<Permit, Full> {
        self.lock().add(self.all, client)?;
        Ok(Permit {
            places: Arc::clone(self),
            client: client.clone(),
            count: 1,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Full {
    /// The refusal of a client for which there is no place among `all` of them, each for one of `what`.
    pub fn refusal(self, what: &str, all: usize) -> Refusal {
        let refusal = Refusal::overloaded(what, all);
        match self {
            Self::ForAll => refusal,
            Self::ForOne => Refusal {
                text: format!(
                    "expected at most half of {all} {what} at once from one client, found more; try again"
                ),
                ..refusal
            },
        }
    }
}

impl Taken {
    fn add(&mut self, all: usize, client: &Client) -> Result<(), Full> {
        let free = all.saturating_sub(self.count);
        if free == 0 {
            return Err(Full::ForAll);
        }
        let held = self.by_client.get(client).copied().unwrap_or(0);
        if held >= free.max(A_FEW) {
            return Err(Full::ForOne);
        }
        self.count += 1;
        self.by_client.insert(client.clone(), held + 1);
        Ok(())
    }
}

impl Permit {
    /// How many places this is.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes one more.
    ///
    /// # Errors
    /// As [`Places::take`]; those that were taken already stay so.
    pub fn grow(&mut self) -> Result<(), Full> {
        self.places.lock().add(self.places.all, &self.client)?;
        self.count += 1;
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.count = taken.count.saturating_sub(self.count);
        if let Some(held) = taken.by_client.get_mut(&self.client) {
            *held = held.saturating_sub(self.count);
            if *held == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str) -> Client {
        Client::Known(name.to_owned())
    }

    /// As many as this client gets.
    fn take_all(places: &Arc<Places>, name: &str) -> (Vec<Permit>, Full) {
        let mut taken = Vec::new();
        loop {
            match places.take(&client(name)) {
                Ok(place) => taken.push(place),
                Err(full) => return (taken, full),
            }
        }
    }

    #[test]
    fn each_client_leaves_as_many_as_it_takes() {
        let places = Places::new(40);
        let shares = ["a", "b", "c", "d"].map(|name| take_all(&places, name));
        let counts = shares.each_ref().map(|(taken, full)| (taken.len(), *full));
        let one = Full::ForOne;
        assert_eq!(counts, [(20, one), (10, one), (5, one), (4, one)]);
        assert_eq!(places.take(&client("a")).unwrap_err(), one);
        let last = places.take(&client("e")).unwrap();
        assert_eq!(places.take(&client("f")).unwrap_err(), Full::ForAll);
        assert_eq!(places.taken(), 40);
        drop((shares, last));
        assert_eq!(places.taken(), 0);
        assert!(places.lock().by_client.is_empty());
    }

    #[test]
    fn a_few_are_for_everybody() {
        let places = Places::new(3);
        assert_eq!(take_all(&places, "a").0.len(), 3);
        assert_eq!(take_all(&Places::new(6), "a").0.len(), 4);
        assert_eq!(take_all(&Places::new(0), "a").1, Full::ForAll);
    }

    #[test]
    fn a_place_grows_and_is_given_back_whole() {
        let places = Places::new(20);
        let mut place = places.take(&client("a")).unwrap();
        for _ in 1..10 {
            place.grow().unwrap();
        }
        assert_eq!(place.grow(), Err(Full::ForOne));
        assert_eq!((place.count(), places.taken()), (10, 10));
        drop(place);
        assert_eq!(places.taken(), 0);
    }
}
