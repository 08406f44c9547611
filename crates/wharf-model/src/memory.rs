//! Memory that is counted before it is taken.
//!
//! Bodies that are small when they are sent can come to gigabytes when they are read: two bytes of protobuf are a
//! quantile of sixteen, and the labels of a group stand on each line. Whoever makes something of a body asks a [`Meter`]
//! before it allocates, so that what is too much is refused while it is read, not when all of it is there.

use std::cell::Cell;
use std::fmt;

use crate::effort::{Effort, Stopped};

/// Where a [`Meter`] borrows what it gives.
pub trait Lender {
    /// Lends at least so many bytes more; how many it lends. The lender takes them back by itself when the work is done.
    ///
    /// # Errors
    /// If there are not as many; then nothing is lent.
    fn lend(&self, bytes: usize) -> Result<usize, Denied>;
}

/// Why there is no more memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// One piece of work may not take more.
    Own {
        /// How much that is.
        limit_bytes: usize,
    },
    /// Others have taken what there is for all.
    ByAll {
        /// How much there is for all.
        limit_bytes: usize,
    },
    /// The client has taken as much of what there is for all as it leaves to others.
    ByClient {
        /// How much there is for all.
        limit_bytes: usize,
    },
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own { limit_bytes } => write!(
                f,
                "expected a push that takes at most {limit_bytes} bytes of memory, found one that takes more"
            ),
            Self::ByAll { limit_bytes } => write!(
                f,
                "expected pushes that take at most {limit_bytes} bytes of memory at once, found more; try again"
            ),
            Self::ByClient { limit_bytes } => write!(
                f,
                "expected pushes of one client that take at most three quarters of what others leave of {limit_bytes} bytes \
                 of memory, found more; try again"
            ),
        }
    }
}

impl std::error::Error for Denied {}

/// Up to so many bytes a list doubles when it is full; beyond, it grows by a quarter.
const DOUBLES_UP_TO: usize = 1 << 20;

/// Counts the memory of one piece of work. Whoever allocates takes from it first, and gives back what is freed before the
/// work is done.
///
/// A meter is for one thread, and to take from it is a subtraction.
pub struct Meter<'l> {
    source: Source<'l>,
    /// What it has to give before it has to borrow.
    free: Cell<usize>,
    /// What it had at first and has borrowed.
    lent: Cell<usize>,
    has_denied: Cell<bool>,
    /// What else it may cost, if that is counted.
    effort: Option<&'l Effort>,
}

#[derive(Clone, Copy)]
enum Source<'l> {
    /// There is no more.
    Nothing,
    Lender(&'l dyn Lender),
}

impl fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter")
            .field("taken", &self.taken())
            .field("lent", &self.lent)
            .finish_non_exhaustive()
    }
}

impl Meter<'static> {
    /// One that gives everything: for what the work does not come from outside.
    pub fn unlimited() -> Self {
        Self::up_to(usize::MAX)
    }

    /// One that gives so many bytes.
    pub fn up_to(bytes: usize) -> Self {
        Self::of(Source::Nothing, bytes)
    }
}

impl<'l> Meter<'l> {
    /// One that gives so many bytes by itself and borrows the rest.
    pub fn of_lender(lender: &'l dyn Lender, bytes: usize) -> Self {
        Self::of(Source::Lender(lender), bytes)
    }

    fn of(source: Source<'l>, bytes: usize) -> Self {
        Self {
            source,
            free: Cell::new(bytes),
            lent: Cell::new(bytes),
            has_denied: Cell::new(false),
            effort: None,
        }
    }

    /// The same for a piece of work that pays for what it looks at, and ends when its effort does. Without one, it is known before
    /// that the work is little.
    #[must_use]
    pub fn with_effort(self, effort: &'l Effort) -> Self {
        Self {
            effort: Some(effort),
            ..self
        }
    }

    /// What the work may still cost, if that is counted.
    pub fn effort(&self) -> Option<&'l Effort> {
        self.effort
    }

    /// Takes so many steps, if they are counted.
    ///
    /// # Errors
    /// As [`Effort::spend`].
    #[inline]
    pub fn spend(&self, steps: u64) -> Result<(), Stopped> {
        self.effort.map_or(Ok(()), |effort| effort.spend(steps))
    }

    /// Takes so many bytes.
    ///
    /// # Errors
    /// If there are not as many; then nothing is taken.
    #[inline]
    pub fn take(&self, bytes: usize) -> Result<(), Denied> {
        match self.free.get().checked_sub(bytes) {
            Some(free) => {
                self.free.set(free);
                Ok(())
            }
            None => self.borrow(bytes),
        }
    }

    #[cold]
    fn borrow(&self, bytes: usize) -> Result<(), Denied> {
        self.try_borrow(bytes).inspect_err(|_| self.has_denied.set(true))
    }

    fn try_borrow(&self, bytes: usize) -> Result<(), Denied> {
        let free = self.free.get();
        let Source::Lender(lender) = self.source else {
            return Err(Denied::Own {
                limit_bytes: self.lent.get(),
            });
        };
        let lent = lender.lend(bytes.saturating_sub(free))?;
        self.lent.set(self.lent.get().saturating_add(lent));
        self.free.set(free.saturating_add(lent).saturating_sub(bytes));
        Ok(())
    }

    /// Gives back what was taken and has been freed.
    #[inline]
    pub fn give_back(&self, bytes: usize) {
        self.free
            .set(self.free.get().saturating_add(bytes).min(self.lent.get()));
    }

    /// Whether it did not have what was asked for once.
    pub fn has_denied(&self) -> bool {
        self.has_denied.get()
    }

    /// How much is taken.
    pub fn taken(&self) -> usize {
        self.lent.get().saturating_sub(self.free.get())
    }

    /// Gives back what has been taken since as much was taken: all of that has been freed.
    pub fn give_back_to(&self, taken: usize) {
        self.give_back(self.taken().saturating_sub(taken));
    }

    /// Puts an item into a list, which grows by what is taken here.
    ///
    /// # Errors
    /// As [`Self::take`].
    #[inline]
    pub fn push<T>(&self, list: &mut Vec<T>, item: T) -> Result<(), Denied> {
        if list.len() == list.capacity() {
            self.grow(list, 1)?;
        }
        list.push(item);
        Ok(())
    }

    /// Makes room for so many more items in a list.
    ///
    /// # Errors
    /// As [`Self::take`].
    #[inline]
    pub fn reserve<T>(&self, list: &mut Vec<T>, more: usize) -> Result<(), Denied> {
        if list.capacity() - list.len() < more {
            self.grow(list, more)?;
        }
        Ok(())
    }

    /// Puts a text behind another one.
    ///
    /// # Errors
    /// As [`Self::take`].
    #[inline]
    pub fn append(&self, text: &mut String, more: &str) -> Result<(), Denied> {
        let before = text.capacity();
        if before - text.len() < more.len() {
            let after = grown(before, text.len(), more.len(), 1);
            self.take(after)?;
            text.reserve_exact(after - text.len());
            self.give_back(before);
        }
        text.push_str(more);
        Ok(())
    }

    /// While a list moves, both places count.
    #[cold]
    fn grow<T>(&self, list: &mut Vec<T>, more: usize) -> Result<(), Denied> {
        let bytes = |items: usize| items.saturating_mul(size_of::<T>());
        let before = list.capacity();
        let after = grown(before, list.len(), more, size_of::<T>());
        self.take(bytes(after))?;
        list.reserve_exact(after - list.len());
        self.give_back(bytes(before));
        Ok(())
    }
}

/// How many items a list is to have room for next.
fn grown(before: usize, len: usize, more: usize, item_bytes: usize) -> usize {
    let step = if before.saturating_mul(item_bytes) < DOUBLES_UP_TO {
        before.max(4)
    } else {
        before / 4
    };
    before.saturating_add(step).max(len.saturating_add(more))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lends as much as is asked for, up to a limit.
    struct Purse(Cell<usize>);

    impl Lender for Purse {
        fn lend(&self, bytes: usize) -> Result<usize, Denied> {
            let left = self
                .0
                .get()
                .checked_sub(bytes)
                .ok_or(Denied::ByAll { limit_bytes: 0 })?;
            self.0.set(left);
            Ok(bytes)
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let meter = Meter::up_to(10);
        meter.take(7).unwrap();
        assert_eq!(meter.take(4), Err(Denied::Own { limit_bytes: 10 }));
        meter.give_back(2);
        meter.take(4).unwrap();
        assert_eq!(meter.taken(), 9);
        meter.give_back_to(1);
        assert_eq!(meter.taken(), 1);
        meter.give_back(100);
        assert_eq!(meter.taken(), 0);
    }

    #[test]
    fn only_what_is_missing_is_borrowed() {
        let purse = Purse(Cell::new(100));
        let meter = Meter::of_lender(&purse, 10);
        meter.take(10).unwrap();
        assert_eq!(purse.0.get(), 100);
        meter.take(5).unwrap();
        meter.give_back(5);
        meter.take(8).unwrap();
        assert_eq!(purse.0.get(), 92);
        assert_eq!(meter.take(100), Err(Denied::ByAll { limit_bytes: 0 }));
        assert_eq!((purse.0.get(), meter.taken()), (92, 18));
    }

    #[test]
    fn a_list_grows_by_bounded_steps_and_pays_for_the_move() {
        let meter = Meter::unlimited();
        let mut list: Vec<u64> = Vec::new();
        let mut before = 0;
        for item in 0..1_000_000 {
            meter.push(&mut list, item).unwrap();
            let bytes = list.capacity() * 8;
            assert_eq!(meter.taken(), bytes);
            if before > DOUBLES_UP_TO {
                assert!(bytes <= before + before / 4);
            }
            before = bytes;
        }
        // There would be room for the new place, but not as long as the old one is there too.
        let full = Meter::up_to(8 * (list.capacity() + 8));
        full.take(8 * list.capacity()).unwrap();
        let more = list.capacity() - list.len() + 1;
        assert!(full.reserve(&mut list, more).is_err());
    }

    #[test]
    fn a_text_grows_within_what_there_is() {
        let meter = Meter::up_to(64);
        let mut text = String::new();
        for _ in 0..5 {
            meter.append(&mut text, "abcd").unwrap();
        }
        assert_eq!((text.len(), meter.taken()), (20, text.capacity()));
        assert!(meter.append(&mut text, &"x".repeat(100)).is_err());
        assert_eq!(text.len(), 20);
    }
}
