//! Items that end up side by side with those of the same owner, in whatever order they come.

use wharf_model::{Run, TooLarge};

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
    pub(super) fn add_owner(&mut self) {
        self.runs.push(Run::default());
    }

    /// Adds an item at the end of those of `owner`.
    pub(super) fn push(&mut self, owner: u32, item: T) -> Result<(), TooLarge> {
        let index = self.items.len();
        self.items.push(item);
        self.owners.push(owner);
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

    /// The items, and for each owner the run of its items.
    pub(super) fn finish(self) -> Result<(Vec<T>, Vec<Run>), TooLarge> {
        if !self.is_scattered {
            return Ok((self.items, self.runs));
        }
        let mut pairs: Vec<(u32, T)> = self.owners.into_iter().zip(self.items).collect();
        // Stable: the order within an owner is the one of the body.
        pairs.sort_by_key(|(owner, _)| *owner);
        let mut runs = self.runs;
        let mut start = 0;
        for chunk in pairs.chunk_by(|(a, _), (b, _)| a == b) {
            let end = start + chunk.len();
            if let Some(run) = chunk.first().and_then(|(owner, _)| runs.get_mut(*owner as usize)) {
                *run = Run::new(start, end)?;
            }
            start = end;
        }
        Ok((pairs.into_iter().map(|(_, item)| item).collect(), runs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(owners: &[u32]) -> (Vec<usize>, Vec<std::ops::Range<usize>>) {
        let mut grouped = Grouped::default();
        for _ in 0..3 {
            grouped.add_owner();
        }
        for (item, owner) in owners.iter().enumerate() {
            grouped.push(*owner, item).unwrap();
        }
        let (items, runs) = grouped.finish().unwrap();
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
