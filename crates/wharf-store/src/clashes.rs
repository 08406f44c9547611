//! All that a push contradicts, as far as somebody is going to read it.

use std::fmt;

use wharf_model::GroupingKey;

use crate::inconsistency::Inconsistency;

/// Contradictions that are named; beyond, they are counted.
const MAX_NAMED: usize = 40;
/// Bytes of the text that names them; beyond, they are counted.
const MAX_TEXT_BYTES: usize = 8 * 1024;
/// Bytes of one of several: a group's key may be very long.
const MAX_ITEM_BYTES: usize = 1024;

/// What a push contradicts: at least one thing, the first ones by name.
///
/// Displayed as the Pushgateway does it: one contradiction alone, or how many there are and a line for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clashes {
    /// Boxed, so that results stay small on the way where nothing is wrong.
    first: Box<Inconsistency>,
    others: Vec<Inconsistency>,
    /// How many there are beyond these.
    more: usize,
}

impl Clashes {
    /// The first one.
    pub fn first(&self) -> &Inconsistency {
        &self.first
    }

    /// Those that are known by name, from the first on.
    pub fn named(&self) -> impl Iterator<Item = &Inconsistency> {
        std::iter::once(&*self.first).chain(&self.others)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        1 + self.others.len() + self.more
    }

    /// Leaves the groups in the way unnamed, unless `may_know` says that they may be named.
    pub fn name_holders_if(&mut self, may_know: impl Fn(&GroupingKey) -> bool) {
        for clash in std::iter::once(&mut *self.first).chain(&mut self.others) {
            clash.name_holder_if(&may_know);
        }
    }
}

impl From<Inconsistency> for Clashes {
    fn from(first: Inconsistency) -> Self {
        Self {
            first: Box::new(first),
            others: Vec::new(),
            more: 0,
        }
    }
}

impl fmt::Display for Clashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count();
        if count == 1 {
            return self.first.fmt(f);
        }
        write!(f, "{count} error(s) occurred:")?;
        let (mut shown, mut bytes) = (0, 0);
        for clash in self.named() {
            let text = clash.to_string();
            let text = cut(&text, MAX_ITEM_BYTES);
            bytes += text.len();
            if bytes > MAX_TEXT_BYTES && shown > 0 {
                break;
            }
            write!(f, "\n* {text}")?;
            shown += 1;
        }
        match count - shown {
            0 => Ok(()),
            more => write!(f, "\n* and {more} more"),
        }
    }
}

/// Contradictions as they are found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    named: Vec<Inconsistency>,
    more: usize,
}

impl Found {
    /// How many more would be named. The rest need not be told, only counted.
    pub(crate) fn room(&self) -> usize {
        MAX_NAMED.saturating_sub(self.named.len())
    }

    pub(crate) fn has_room(&self) -> bool {
        self.room() > 0
    }

    pub(crate) fn add(&mut self, clash: Inconsistency) {
        if self.named.iter().any(|named| clash.is_other_side_of(named)) {
            return;
        }
        if self.has_room() {
            self.named.push(clash);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn count_more(&mut self, more: usize) {
        self.more += more;
    }

    /// All of them, if there are any.
    pub(crate) fn into_clashes(self) -> Option<Clashes> {
        let mut named = self.named.into_iter();
        Some(Clashes {
            first: Box::new(named.next()?),
            others: named.collect(),
            more: self.more,
        })
    }
}

impl From<Clashes> for Found {
    fn from(clashes: Clashes) -> Self {
        let Clashes { first, others, more } = clashes;
        let mut named = vec![*first];
        named.extend(others);
        Self { named, more }
    }
}

/// The first bytes of a text, if it is longer.
fn cut(text: &str, limit_bytes: usize) -> &str {
    let ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
    let end = ends.take_while(|end| *end <= limit_bytes).last();
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duplicate(family: &str) -> Inconsistency {
        Inconsistency::DuplicateSeries {
            family: family.to_owned(),
            series: "{}".to_owned(),
            other_group: false,
            holder: None,
        }
    }

    fn shown(families: impl IntoIterator<Item = String>) -> String {
        let mut found = Found::default();
        for family in families {
            found.add(duplicate(&family));
        }
        found.into_clashes().map(|clashes| clashes.to_string()).unwrap()
    }

    #[test]
    fn one_stands_alone_and_several_are_counted() {
        let text = |name| {
            format!(
                "collected metric \"{name}\" {{}} was collected before with the same name and label values"
            )
        };
        assert_eq!(shown(["a".to_owned()]), text("a"));
        assert_eq!(
            shown(["a".to_owned(), "b".to_owned()]),
            format!("2 error(s) occurred:\n* {}\n* {}", text("a"), text("b"))
        );
    }

    #[test]
    fn beyond_some_they_are_counted_only() {
        let text = shown((0..100_000).map(|n| format!("m{n}")));
        assert!(text.starts_with("100000 error(s) occurred:\n* collected metric \"m0\""));
        assert_eq!(text.lines().count(), MAX_NAMED + 2);
        assert!(text.ends_with("\n* and 99960 more"), "{text}");
    }

    #[test]
    fn long_ones_are_cut_and_their_text_is_bounded() {
        let text = shown((0..30).map(|_| "ä".repeat(5000)));
        assert!(text.len() < MAX_TEXT_BYTES + 100, "{}", text.len());
        assert!(text.starts_with("30 error(s) occurred:\n* ") && text.ends_with(" more"));
        assert!(text.lines().all(|line| line.len() <= MAX_ITEM_BYTES + 2));
    }
}
