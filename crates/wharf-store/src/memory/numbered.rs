//! Something by a number.
//!
//! In parts of some hundred, so that none of what is there is moved when there is one more.

const PART: usize = 256;

/// A map whose keys are numbers from 0 on without many gaps.
#[derive(Debug)]
pub(crate) struct Numbered<T> {
    parts: Vec<Vec<Option<T>>>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<T> Numbered<T> {
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let at = number as usize;
        self.parts.get(at / PART)?.get(at % PART)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let at = number as usize;
        self.parts.get_mut(at / PART)?.get_mut(at % PART)?.as_mut()
    }

    /// What is under a number, to be replaced or filled.
    pub(crate) fn place(&mut self, number: u32) -> &mut Option<T> {
        let at = number as usize;
        while self.parts.len() <= at / PART {
            self.parts.push(Vec::new());
        }
        let part = &mut self.parts[at / PART];
        while part.len() <= at % PART {
            part.push(None);
        }
        &mut part[at % PART]
    }

    /// What was there before.
    pub(crate) fn insert(&mut self, number: u32, value: T) -> Option<T> {
        self.place(number).replace(value)
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let at = number as usize;
        self.parts.get_mut(at / PART)?.get_mut(at % PART)?.take()
    }

    /// In the order of their numbers, for whoever keeps them.
    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.parts.into_iter().flatten().flatten()
    }

    /// In the order of their numbers, each with its own.
    pub(crate) fn into_numbered(self) -> impl Iterator<Item = (u32, T)> {
        let places = self.parts.into_iter().flat_map(|mut part| {
            part.resize_with(PART, || None);
            part
        });
        (0..)
            .zip(places)
            .filter_map(|(number, value)| Some((number, value?)))
    }

    /// In the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flatten().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_found_until_it_is_removed() {
        let mut map = Numbered::default();
        for id in [0, 5, 4095, 4096, 9000] {
            assert_eq!(map.insert(id, id), None);
            assert_eq!(map.insert(id, id + 1), Some(id));
        }
        assert_eq!((map.get(4), map.get(9001)), (None, None));
        assert_eq!(map.get(4096), Some(&4097));
        assert_eq!(map.remove(4096), Some(4097));
        assert_eq!((map.remove(4096), map.remove(100_000)), (None, None));
        assert_eq!(map.get(4095), Some(&4096));
    }
}
