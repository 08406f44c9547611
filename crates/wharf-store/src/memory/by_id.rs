//! Something by the number of a group.
//!
//! In parts of some thousand, so that none of what is there is moved when there is one more.

use crate::memory::index::GroupId;

const PART: usize = 4096;

/// A map whose keys are numbers from 0 on without many gaps.
#[derive(Debug)]
pub(crate) struct ById<T> {
    parts: Vec<Vec<Option<T>>>,
}

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<T> ById<T> {
    pub(crate) fn get(&self, id: GroupId) -> Option<&T> {
        let at = id.0 as usize;
        self.parts.get(at / PART)?.get(at % PART)?.as_ref()
    }

    /// What was there before.
    pub(crate) fn insert(&mut self, id: GroupId, value: T) -> Option<T> {
        let at = id.0 as usize;
        while self.parts.len() <= at / PART {
            self.parts.push(Vec::new());
        }
        let part = &mut self.parts[at / PART];
        while part.len() <= at % PART {
            part.push(None);
        }
        part[at % PART].replace(value)
    }

    pub(crate) fn remove(&mut self, id: GroupId) -> Option<T> {
        let at = id.0 as usize;
        self.parts.get_mut(at / PART)?.get_mut(at % PART)?.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_found_until_it_is_removed() {
        let mut map = ById::default();
        for id in [0, 5, 4095, 4096, 9000] {
            assert_eq!(map.insert(GroupId(id), id), None);
            assert_eq!(map.insert(GroupId(id), id + 1), Some(id));
        }
        assert_eq!((map.get(GroupId(4)), map.get(GroupId(9001))), (None, None));
        assert_eq!(map.get(GroupId(4096)), Some(&4097));
        assert_eq!(map.remove(GroupId(4096)), Some(4097));
        assert_eq!(
            (map.remove(GroupId(4096)), map.remove(GroupId(100_000))),
            (None, None)
        );
        assert_eq!(map.get(GroupId(4095)), Some(&4096));
    }
}
