//! Where further forms of a leaf are to be found: what it looks like in another format, say.
//!
//! A leaf knows of its forms, and keeps none: somebody else does (see [`crate::Shelf`]), for as long as they are asked for. A leaf
//! that changes forgets them, and has them in no copy.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Something that is made of a leaf.
pub(crate) type AnyForm = dyn Any + Send + Sync;

/// Which form of a leaf it is. What the numbers mean is up to whoever makes the forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormKey(pub u8);

/// The forms of one leaf: none, for most leaves there are, so it is as small as can be.
#[derive(Default)]
pub(crate) struct Forms(Mutex<Option<Box<Noted>>>);

struct Noted(Vec<(FormKey, Weak<AnyForm>)>);

impl Forms {
    /// Whether there ever was one.
    pub(super) fn are_noted(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The form under this key if it is right, otherwise a new one, which takes its place.
    pub(crate) fn get_or_note<F: Any + Send + Sync>(
        &self,
        key: FormKey,
        is_right: impl FnOnce(&F) -> bool,
        new: impl FnOnce() -> F,
    ) -> Arc<F> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Noted(forms) = &mut **noted.get_or_insert_with(|| Box::new(Noted(Vec::with_capacity(1))));
        let found = forms.iter().find(|(other, _)| *other == key);
        let found = found.and_then(|(_, form)| form.upgrade()?.downcast::<F>().ok());
        if let Some(form) = found.filter(|form| is_right(form)) {
            return form;
        }
        let form = Arc::new(new());
        let any: Arc<AnyForm> = Arc::clone(&form) as _;
        forms.retain(|(other, form)| *other != key && form.strong_count() > 0);
        forms.push((key, Arc::downgrade(&any)));
        form
    }

    /// To be called before anything changes that a form may be made of.
    pub(super) fn forget(&mut self) {
        *self.0.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A copy is made to be changed.
impl Clone for Forms {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forms").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: FormKey = FormKey(1);
    const B: FormKey = FormKey(2);

    fn noted(forms: &Forms, key: FormKey, form: u32) -> Arc<u32> {
        forms.get_or_note(key, |_| true, || form)
    }

    #[test]
    fn a_form_is_found_under_its_key_for_as_long_as_somebody_keeps_it() {
        let forms = Forms::default();
        assert!(!forms.are_noted());
        let (a, b) = (noted(&forms, A, 1), noted(&forms, B, 2));
        assert_eq!((*noted(&forms, A, 3), *noted(&forms, B, 4)), (1, 2));
        drop(a);
        assert_eq!((*noted(&forms, A, 3), *noted(&forms, B, 4)), (3, 2));
        drop(b);
        assert!(forms.are_noted());
    }

    #[test]
    fn a_leaf_without_forms_has_two_words_for_them() {
        assert!(size_of::<Forms>() <= 2 * size_of::<usize>());
    }

    #[test]
    fn one_that_is_not_right_gives_way() {
        let forms = Forms::default();
        let wrong = noted(&forms, A, 1);
        let right = forms.get_or_note(A, |form: &u32| *form == 2, || 2);
        assert_eq!((*wrong, *right, *noted(&forms, A, 3)), (1, 2, 2));
        assert_eq!(Arc::weak_count(&wrong), 0);
    }

    #[test]
    fn no_form_is_found_after_a_change_or_in_a_copy() {
        let mut forms = Forms::default();
        let form = noted(&forms, A, 1);
        assert_eq!(*noted(&forms.clone(), A, 2), 2);
        assert_eq!(Arc::weak_count(&form), 1);
        forms.forget();
        assert_eq!(Arc::weak_count(&form), 0);
        assert_eq!(*noted(&forms, A, 2), 2);
    }
}
