//! What a server should hold after a load.

/// What the groups of a server should hold: the last value that was acknowledged for each.
#[derive(Debug, Default)]
pub struct Pushed {
    last: Vec<Last>,
    /// Pushes so far, which makes the values of later ones different.
    pub(super) sequence: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Last {
    /// Nothing was pushed.
    #[default]
    Nothing,
    /// This value was acknowledged.
    Value(u32),
    /// The answer to the last push never came.
    Unknown,
}

impl Pushed {
    /// The groups that hold something, each with its value if that is known.
    pub fn groups(&self) -> impl Iterator<Item = (u32, Option<u32>)> + '_ {
        (0..).zip(&self.last).filter_map(|(group, last)| match last {
            Last::Nothing => None,
            Last::Value(value) => Some((group, Some(*value))),
            Last::Unknown => Some((group, None)),
        })
    }

    /// How many groups hold something.
    pub fn count(&self) -> usize {
        self.groups().count()
    }

    /// Whether `group` may hold `value`.
    pub fn allows(&self, group: u32, value: u32) -> bool {
        match self.last.get(group as usize) {
            None | Some(Last::Nothing) => false,
            Some(Last::Value(expected)) => *expected == value,
            Some(Last::Unknown) => true,
        }
    }

    /// What another load has pushed to other groups of the same server.
    pub fn add(&mut self, other: Self) {
        self.sequence = self.sequence.max(other.sequence);
        for (group, last) in (0..).zip(other.last) {
            if last != Last::Nothing {
                self.set(group, last);
            }
        }
    }

    /// Groups were removed.
    pub fn remove(&mut self, goes: impl Fn(u32) -> bool) {
        let gone = (0..).zip(&mut self.last).filter(|(group, _)| goes(*group));
        gone.for_each(|(_, last)| *last = Last::Nothing);
    }

    /// Groups from 0 on with these values.
    #[cfg(test)]
    pub(crate) fn of(values: &[u32]) -> Self {
        let mut pushed = Self::default();
        for (group, value) in (0..).zip(values) {
            pushed.set(group, Last::Value(*value));
        }
        pushed
    }

    pub(super) fn set(&mut self, group: u32, last: Last) {
        let index = group as usize;
        if self.last.len() <= index {
            self.last.resize(index + 1, Last::Nothing);
        }
        self.last[index] = last;
    }
}
