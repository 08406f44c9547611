//! The words of a search.

use memchr::memmem::Finder;
use wharf_gateway::Refusal;
use wharf_model::{Effort, GroupingKey, Stopped};

/// Longer searches are refused: every word is looked for in every group.
const MAX_SEARCH_CHARS: usize = 256;

/// To look for words in a text, beside its bytes: each is copied, put into lower case, and gone over for each word.
const TEXT_STEPS: u64 = 128;
const COPIES: u64 = 2;

/// Words that all have to occur, whatever their case.
#[derive(Debug, Default)]
pub(crate) struct Words(Vec<Finder<'static>>);

impl Words {
    /// The words of a search, with blanks between them.
    ///
    /// # Errors
    /// 400 if it is too long.
    pub(crate) fn of(text: &str) -> Result<Self, Refusal> {
        if text.chars().count() > MAX_SEARCH_CHARS {
            let text = format!("q: expected at most {MAX_SEARCH_CHARS} characters, found more");
            return Err(Refusal::parameter(&text));
        }
        let words = text.split_whitespace().map(str::to_lowercase);
        Ok(Self(
            words
                .map(|word| Finder::new(word.as_bytes()).into_owned())
                .collect(),
        ))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all words occur in a text.
    pub(crate) fn occur_in(&self, text: &str) -> bool {
        if self.is_empty() {
            return true;
        }
        let folded = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            text.to_lowercase()
        };
        self.0.iter().all(|word| word.find(folded.as_bytes()).is_some())
    }

    /// What it takes to look for all words in a text.
    pub(crate) fn steps(&self, bytes: usize) -> u64 {
        TEXT_STEPS + (COPIES + self.0.len() as u64) * bytes as u64
    }

    /// Whether all words occur in the labels of a group, each written as `name=value`.
    ///
    /// # Errors
    /// If the effort ends.
    pub(crate) fn occur_in_key(&self, key: &GroupingKey, effort: &Effort) -> Result<bool, Stopped> {
        if self.is_empty() {
            return Ok(true);
        }
        effort.spend(self.steps(key.as_bytes().len()))?;
        let mut text = String::with_capacity(key.as_bytes().len() + 16);
        for (name, value) in key.labels() {
            for part in [name, "=", value, "\n"] {
                text.push_str(part);
            }
        }
        Ok(self.occur_in(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_have_to_occur_in_some_label() {
        let key = GroupingKey::new([("job", "Nightly-Backup"), ("straße", "Köln")]).unwrap();
        for (search, expected) in [
            ("", true),
            ("backup", true),
            ("  BACKUP  job=night ", true),
            ("STRASSE", false),
            ("Straße=kÖLN", true),
            ("backup missing", false),
            // Not across labels.
            ("backupstraße", false),
        ] {
            let words = Words::of(search).ok().unwrap();
            let effort = Effort::unlimited();
            assert_eq!(words.occur_in_key(&key, &effort), Ok(expected), "{search}");
        }
    }

    #[test]
    fn searches_are_bounded() {
        let error = Words::of(&"a ".repeat(200)).err().unwrap();
        assert_eq!(error.text, "q: expected at most 256 characters, found more");
    }

    #[test]
    fn each_word_costs_the_bytes_of_the_labels() {
        let key = GroupingKey::new([("job", "x".repeat(10_000).as_str())]).unwrap();
        let steps = |search: &str| {
            let effort = Effort::unlimited();
            let words = Words::of(search).ok().unwrap();
            let _found = words.occur_in_key(&key, &effort).unwrap();
            effort.steps()
        };
        assert_eq!(steps(""), 0);
        assert_eq!(steps("a b c") - steps("a b"), key.as_bytes().len() as u64);
    }
}
