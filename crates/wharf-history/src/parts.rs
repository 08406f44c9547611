//! A list that grows without moving what is in it: neither is anybody kept waiting by that, nor is there room for twice
//! as much.

const PART: usize = 256;

#[derive(Debug)]
pub(crate) struct Parts<T>(Vec<Vec<T>>);

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Parts<T> {
    pub(crate) fn len(&self) -> usize {
        let full = self.0.len().saturating_sub(1);
        full * PART + self.0.last().map_or(0, Vec::len)
    }

    pub(crate) fn push(&mut self, value: T) {
        match self.0.last_mut() {
            Some(last) if last.len() < PART => last.push(value),
            _ => self.0.push(vec![value]),
        }
    }

    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        self.0.get(at / PART)?.get(at % PART)
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.0.get_mut(at / PART)?.get_mut(at % PART)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().flatten()
    }

    /// Those from a position on.
    pub(crate) fn from(&self, start: usize) -> impl Iterator<Item = &T> {
        let parts = self.0.iter().skip(start / PART).flatten();
        parts.skip(start % PART)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list() {
        let mut parts = Parts::default();
        for count in 0..PART * 2 + 10 {
            assert_eq!((parts.len(), parts.get(count)), (count, None));
            parts.push(count);
            assert_eq!(parts.get_mut(count), Some(&mut { count }));
        }
        for value in parts.iter_mut() {
            *value *= 2;
        }
        let doubled: Vec<usize> = (0..PART * 2 + 10).map(|count| count * 2).collect();
        assert!(parts.iter().eq(&doubled));
        for start in [
            0,
            1,
            PART - 1,
            PART,
            PART + 1,
            PART * 2 + 9,
            PART * 2 + 10,
            PART * 4,
        ] {
            assert!(parts.from(start).eq(doubled.iter().skip(start)), "{start}");
        }
    }
}
