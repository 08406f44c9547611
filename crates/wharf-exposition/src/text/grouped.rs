//! Items that end up side by side with those of the same owner, in whatever order they come.

use wharf_model::{Meter, Run, TooLarge};

/// The buckets of all histograms, or the quantiles of all summaries.
///
/// Bodies list the lines of one histogram together, so the items are kept as they come and nothing more is
/// done; only if an owner is met again after another one, they are sorted once, at the end.
#[derive(Debug)]
pub(super) struct Grouped<T> {
    items: Vec<T>,
    owners: Vec<u32>,
    runs: Vec<Run>,
    is_scattered: bool,
}

impl<T> Default for Grouped<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            owners: Vec::new(),
            runs: Vec::new(),
            is_scattered: false,
        }
    }
}

impl<T: Copy> Grouped<T> {
    /// Adds an owner without items. Owners are numbered as they are added.
    pub(super) fn add_owner(&mut self, memory: &Meter<'_>) -> Result<(), TooLarge> {
        Ok(memory.push(&mut self.runs, Run::default())?)
    }

    /// Adds an item at the end of those of `owner`.
    pub(super) fn push(&mut self, owner: u32, item: T, memory: &Meter<'_>) -> Result<(), TooLarge> {
        let index = self.items.len();
        memory.push(&mut self.items, item)?;
        memory.push(&mut self.owners, owner)?;
        if let Some(run) = self.runs.get_mut(owner as usize) {
            let range = run.range();
            if range.is_empty() {
                *run = Run::new(index, index + 1)?;
            } else if range.end == index {
                *run = Run::new(range.start, index + 1)?;
            } else {
                self.is_scattered = true;
            }
        }
        Ok(())
    }

    /// The items, and for each owner the run of its items, which are to be given back when they have been used.
    pub(super) fn finish(self, memory: &Meter<'_>) -> Result<(Vec<T>, Vec<Run>), TooLarge> {
        let Self {
            items,
            owners,
            mut runs,
            is_scattered,
        } = self;
        if !is_scattered {
            memory.give_back(owners.capacity() * size_of::<u32>());
            return Ok((items, runs));
        }
        let before = memory.taken();
        // The pairs, and as much again while they are sorted.
        memory.take(items.len().saturating_mul(2 * size_of::<(u32, T)>()))?;
        let of_arrival = items.capacity() * size_of::<T>() + owners.capacity() * size_of::<u32>();
        let mut pairs: Vec<(u32, T)> = owners.into_iter().zip(items).collect();
        // Stable: the order within an owner is the one of the body.
        pairs.sort_by_key(|(owner, _)| *owner);
        let mut start = 0;
        for chunk in pairs.chunk_by(|(a, _), (b, _)| a == b) {
            let end = start + chunk.len();
            if let Some(run) = chunk.first().and_then(|(owner, _)| runs.get_mut(*owner as usize)) {
                *run = Run::new(start, end)?;
            }
            start = end;
        }
        let items: Vec<T> = pairs.iter().map(|(_, item)| *item).collect();
        drop(pairs);
        memory.give_back_to(before);
        memory.give_back(of_arrival.saturating_sub(items.capacity() * size_of::<T>()));
        Ok((items, runs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(owners: &[u32]) -> (Vec<usize>, Vec<std::ops::Range<usize>>) {
        let memory = Meter::unlimited();
        let mut grouped = Grouped::default();
        for _ in 0..3 {
            grouped.add_owner(&memory).unwrap();
        }
        for (item, owner) in owners.iter().enumerate() {
            grouped.push(*owner, item, &memory).unwrap();
        }
        let (items, runs) = grouped.finish(&memory).unwrap();
        let taken = items.capacity() * size_of::<usize>() + runs.capacity() * size_of::<Run>();
        assert_eq!(memory.taken(), taken);
        (items, runs.into_iter().map(Run::range).collect())
    }

    #[test]
    fn items_in_order_stay_where_they_are() {
        assert_eq!(
            grouped(&[2, 2, 0, 0, 0]),
            (vec![0, 1, 2, 3, 4], vec![2..5, 0..0, 0..2])
        );
    }

    #[test]
    fn scattered_items_come_together_in_the_order_they_came() {
        assert_eq!(
            grouped(&[1, 0, 1, 0, 1]),
            (vec![1, 3, 0, 2, 4], vec![0..2, 2..5, 0..0])
        );
    }
}
