//! Which groups a load pushes to, and in which order.

/// Which groups a load pushes to: `count` of them from `first` on, `step` apart.
///
/// They are pushed to in an order in which neighbours are far from one another, as jobs do that know nothing of each
/// other.
#[derive(Debug, Clone, Copy)]
pub struct Groups {
    first: u32,
    count: u32,
    step: u32,
    factor: u64,
}

impl Groups {
    /// The groups 0 to `count - 1`.
    pub fn all(count: u32) -> Self {
        Self::spaced(0, count, 1)
    }

    /// `count` groups from `first` on, `step` apart.
    pub fn spaced(first: u32, count: u32, step: u32) -> Self {
        Self {
            first,
            count,
            step,
            factor: scatter(count),
        }
    }

    /// One group that so many connections push to at once.
    pub fn shared(connections: u32) -> Self {
        Self::spaced(0, connections, 0)
    }

    /// How many.
    pub fn count(self) -> u32 {
        self.count
    }

    /// The group at a position of that order.
    pub(super) fn number(self, slot: u32) -> u32 {
        let count = u64::from(self.count);
        let scattered = u64::from(slot) * self.factor % count;
        // Less than `count`, so it fits.
        self.first + u32::try_from(scattered).unwrap_or(0) * self.step
    }
}

/// A factor that maps the numbers below `count` onto themselves and puts neighbours far apart: near the golden ratio
/// of `count`, and without a divisor in common with it.
fn scatter(count: u32) -> u64 {
    let count = u64::from(count);
    let start = count * 618 / 1000;
    (start.max(1)..=count)
        .find(|&factor| greatest_common_divisor(factor, count) == 1)
        .unwrap_or(1)
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_its_turn() {
        for count in [1, 2, 3, 64, 100, 1_000, 76_924, 1_000_000] {
            let groups = Groups::spaced(5, count, 3);
            let mut numbers: Vec<u32> = (0..count).map(|slot| groups.number(slot)).collect();
            numbers.sort_unstable();
            assert!(
                numbers.into_iter().eq((0..count).map(|index| 5 + 3 * index)),
                "{count}"
            );
        }
    }

    #[test]
    fn a_shared_group_has_a_place_for_each_connection() {
        let groups = Groups::shared(64);
        assert_eq!(groups.count(), 64);
        assert!((0..64).all(|slot| groups.number(slot) == 0));
    }

    #[test]
    fn neighbours_in_time_are_no_neighbours() {
        let groups = Groups::all(1_000);
        let near = (1..1_000).filter(|&slot| groups.number(slot).abs_diff(groups.number(slot - 1)) < 100);
        assert_eq!(near.count(), 0);
    }
}
