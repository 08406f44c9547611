//! A list in which what is there keeps its place, and places are used again.

/// Such a list.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    /// Puts something in, and says where. Nothing if there are 2^32 already.
    pub(crate) fn insert(&mut self, item: T) -> Option<u32> {
        if let Some(place) = self.free.pop() {
            *self.places.get_mut(place as usize)? = Some(item);
            return Some(place);
        }
        let place = u32::try_from(self.places.len()).ok()?;
        self.places.push(Some(item));
        Some(place)
    }

    #[inline]
    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    pub(crate) fn remove(&mut self, place: u32) -> Option<T> {
        let item = self.places.get_mut(place as usize)?.take()?;
        self.free.push(place);
        Some(item)
    }

    /// How many are there.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// All of them, with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..)
            .zip(&self.places)
            .filter_map(|(place, item)| Some((place, item.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_and_are_used_again() {
        let mut slab = Slab::default();
        let places: Vec<_> = ["a", "b", "c"].map(|item| slab.insert(item).unwrap()).into();
        assert_eq!(slab.remove(1), Some("b"));
        assert_eq!((slab.remove(1), slab.get(1), slab.len()), (None, None, 2));
        assert_eq!(slab.insert("d"), Some(places[1]));
        *slab.get_mut(2).unwrap() = "e";
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(0, &"a"), (1, &"d"), (2, &"e")]);
    }
}
