//! The rules: which groups are expected, and when.

use std::collections::HashMap;

use wharf_model::{GroupingKey, Selector};
use wharf_schedule::Timing;
use wharf_store::UnixNanos;

/// When groups are expected to be pushed to.
#[derive(Debug, Clone)]
pub struct ExpectRule {
    /// Which groups, as soon as there are any; none: only those that are named.
    pub selector: Option<Selector>,
    /// Groups that have to be there.
    pub always: Vec<GroupingKey>,
    /// When they are due, and for how long they are waited for.
    pub timing: Timing,
    /// From when on those are expected that have never come; none: since Wharf has started, or has read the rule.
    pub since: Option<UnixNanos>,
    /// What is due before this time is not expected.
    pub paused_until: Option<UnixNanos>,
}

/// All of them. Of these the first that is about a group decides.
#[derive(Debug, Clone, Default)]
pub struct ExpectRules {
    rules: Vec<ExpectRule>,
    /// Which rule is the first to name a group.
    always: HashMap<GroupingKey, usize>,
    /// In which line of its file each begins, if they stand in one.
    lines: Vec<u64>,
}

impl ExpectRules {
    /// These rules, in this order.
    pub fn new(rules: Vec<ExpectRule>) -> Self {
        let mut always = HashMap::new();
        for (index, rule) in rules.iter().enumerate() {
            for key in &rule.always {
                always.entry(key.clone()).or_insert(index);
            }
        }
        Self {
            rules,
            always,
            lines: Vec::new(),
        }
    }

    /// The same, and these are the lines in which they begin.
    #[must_use]
    pub fn in_lines(self, lines: Vec<u64>) -> Self {
        Self { lines, ..self }
    }

    /// In which line of its file a rule begins, if it stands in one.
    pub(crate) fn line(&self, index: usize) -> Option<u64> {
        self.lines.get(index).copied()
    }

    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &ExpectRule> {
        self.rules.iter()
    }

    /// The rule of this index.
    pub(crate) fn get(&self, index: usize) -> Option<&ExpectRule> {
        self.rules.get(index)
    }

    /// The rule that says when a group is expected, and its index; none if it is not.
    pub fn of(&self, key: &GroupingKey) -> Option<(usize, &ExpectRule)> {
        if self.rules.is_empty() {
            return None;
        }
        let named = self.always.get(key).copied();
        let before = self.rules.iter().take(named.unwrap_or(usize::MAX));
        let selects = |rule: &ExpectRule| {
            rule.selector
                .as_ref()
                .is_some_and(|selector| selector.matches(key))
        };
        let index = before.into_iter().position(selects).or(named)?;
        Some((index, self.rules.get(index)?))
    }

    /// Whether a group has to be there.
    pub(crate) fn is_named(&self, key: &GroupingKey) -> bool {
        self.always.contains_key(key)
    }

    /// The groups that have to be there.
    pub(crate) fn named(&self) -> impl Iterator<Item = &GroupingKey> {
        self.always.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(job: &str) -> GroupingKey {
        GroupingKey::new([("job", job)]).unwrap()
    }

    fn rule(selector: Option<&str>, always: &[&str]) -> ExpectRule {
        ExpectRule {
            selector: selector.map(|text| text.parse().unwrap()),
            always: always.iter().map(|job| key(job)).collect(),
            timing: Timing::parse(Some("1d"), None, None, None).unwrap(),
            since: None,
            paused_until: None,
        }
    }

    #[test]
    fn the_first_rule_that_selects_or_names_a_group_decides() {
        let rules = ExpectRules::new(vec![
            rule(Some(r#"{job="a"}"#), &["b"]),
            rule(Some(r#"{job=~"[a-c]"}"#), &["d"]),
            rule(None, &["b", "e"]),
        ]);
        let of = |job| rules.of(&key(job)).map(|(index, _)| index);
        assert_eq!(
            ["a", "b", "c", "d", "e", "f"].map(of),
            [Some(0), Some(0), Some(1), Some(1), Some(2), None]
        );
        assert!(rules.is_named(&key("e")) && !rules.is_named(&key("a")));
        assert_eq!(ExpectRules::default().of(&key("a")).map(|(index, _)| index), None);
    }
}
