//! Which groups a request is about: those that it asks for, of those that it may have.

use std::fmt;

use crate::effort::{Effort, Stopped};
use crate::pattern::Memory;
use crate::selector::{Matcher, Operator};
use crate::{GroupingKey, Selector};

/// To look at a group, beside the bytes of its key.
const GROUP_STEPS: u64 = 32;
/// To find a label and look at its value.
const MATCHER_STEPS: u64 = 16;
/// Bytes that are compared in a step.
const COMPARED_BYTES: u64 = 16;
/// What all expressions together may remember, in bytes; and one of them.
const MEMORY_BYTES: usize = 8 << 20;
const MAX_MEMORY_BYTES: usize = 1 << 20;

/// Which groups: those for which every condition holds. A condition is that one of some selectors matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    conditions: Vec<Vec<Selector>>,
}

impl Choice {
    /// All groups.
    pub fn all() -> Self {
        Self::default()
    }

    /// Of these groups, those that a request asks for: all of them, unless it says which.
    #[must_use]
    pub fn asked(self, selectors: Vec<Selector>) -> Self {
        if selectors.is_empty() {
            self
        } else {
            self.and(selectors)
        }
    }

    /// Of these groups, those that one of the selectors selects: none of them, without any.
    #[must_use]
    pub fn and(mut self, selectors: Vec<Selector>) -> Self {
        if !selectors.iter().any(Selector::is_unconditional) {
            self.conditions.push(selectors);
        }
        self
    }

    /// Whether it is all groups.
    pub fn is_all(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Begins to look at groups.
    pub fn begin<'c>(&'c self, effort: &'c Effort) -> Choosing<'c> {
        let matchers = self.conditions.iter().flatten().flat_map(Selector::matchers);
        let expressions = matchers.filter(|matcher| matcher.pattern.is_some()).count();
        let bytes = (MEMORY_BYTES / expressions.max(1)).min(MAX_MEMORY_BYTES);
        let asked = |matcher: &'c Matcher| Asked {
            matcher,
            memory: matcher.pattern.as_ref().map(|pattern| pattern.memory(bytes)),
            last: None,
        };
        let selector = |selector: &'c Selector| selector.matchers().iter().map(asked).collect();
        let condition = |selectors: &'c Vec<Selector>| selectors.iter().map(selector).collect();
        Choosing {
            conditions: self.conditions.iter().map(condition).collect(),
            effort,
        }
    }
}

/// For the log: the selectors.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("{}");
        }
        for (index, selectors) in self.conditions.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " and " })?;
            if selectors.is_empty() {
                f.write_str("none")?;
            }
            for (index, selector) in selectors.iter().enumerate() {
                write!(f, "{}{selector}", if index == 0 { "" } else { " or " })?;
            }
        }
        Ok(())
    }
}

/// Looks at one group after the other. What it has found out of an expression is good for the next group.
pub struct Choosing<'c> {
    /// All of these hold, of which one selector each, of which all matchers.
    conditions: Vec<Vec<Vec<Asked<'c>>>>,
    effort: &'c Effort,
}

impl Choosing<'_> {
    /// Whether the group of this key is one of them.
    ///
    /// # Errors
    /// If the effort ends.
    pub fn has(&mut self, key: &GroupingKey) -> Result<bool, Stopped> {
        let effort = self.effort;
        effort.spend(GROUP_STEPS)?;
        if self.conditions.is_empty() {
            return Ok(true);
        }
        effort.spend(key.as_bytes().len() as u64)?;
        let labels: Vec<(&str, &str)> = key.labels().collect();
        for condition in &mut self.conditions {
            if !any(condition, |selector| {
                all(selector, |matcher| matcher.holds(&labels, effort))
            })? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl fmt::Debug for Choosing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choosing").finish_non_exhaustive()
    }
}

fn any<T>(items: &mut [T], mut holds: impl FnMut(&mut T) -> Result<bool, Stopped>) -> Result<bool, Stopped> {
    for item in items {
        if holds(item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn all<T>(items: &mut [T], mut holds: impl FnMut(&mut T) -> Result<bool, Stopped>) -> Result<bool, Stopped> {
    any(items, |item| holds(item).map(|holds| !holds)).map(|fails| !fails)
}

/// A matcher of a selector, with what it has found out.
struct Asked<'c> {
    matcher: &'c Matcher,
    /// If it has an expression.
    memory: Option<Memory>,
    /// The last value, and whether the expression matched it: neighbouring groups often have the same.
    last: Option<(String, bool)>,
}

impl Asked<'_> {
    fn holds(&mut self, labels: &[(&str, &str)], effort: &Effort) -> Result<bool, Stopped> {
        let Matcher {
            name,
            operator,
            value: expected,
            ..
        } = self.matcher;
        let found = labels.binary_search_by(|(label, _)| (*label).cmp(name));
        let found = found.ok().and_then(|at| labels.get(at));
        let value = found.map_or("", |(_, value)| *value);
        effort.spend(MATCHER_STEPS + value.len() as u64 / COMPARED_BYTES)?;
        Ok(match operator {
            Operator::Equal => **expected == *value,
            Operator::NotEqual => **expected != *value,
            Operator::Matches => self.matches(value, effort)?,
            Operator::MatchesNot => !self.matches(value, effort)?,
        })
    }

    fn matches(&mut self, value: &str, effort: &Effort) -> Result<bool, Stopped> {
        if let Some((last, matches)) = &self.last
            && last == value
        {
            return Ok(*matches);
        }
        let (Some(pattern), Some(memory)) = (&self.matcher.pattern, &mut self.memory) else {
            return Ok(false);
        };
        let matches = pattern.matches_within(memory, value, effort)?;
        let (last, known) = self.last.get_or_insert_default();
        last.clear();
        last.push_str(value);
        *known = matches;
        Ok(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(job: &str, x: &str) -> GroupingKey {
        GroupingKey::new([("job", job), ("x", x)]).unwrap()
    }

    fn selectors(texts: &[&str]) -> Vec<Selector> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// The jobs that are chosen of these, and the steps that it took.
    fn chosen<'k>(choice: &Choice, keys: &'k [GroupingKey]) -> (Vec<&'k str>, u64) {
        let effort = Effort::unlimited();
        let mut choosing = choice.begin(&effort);
        let chosen = keys.iter().filter(|key| choosing.has(key).unwrap());
        (chosen.map(GroupingKey::job).collect(), effort.steps())
    }

    #[test]
    fn a_choice_is_of_those_for_which_every_condition_holds() {
        let keys = [("a", "1"), ("b", "1"), ("b", "2"), ("c", "")].map(|(job, x)| key(job, x));
        let all = Choice::all();
        assert_eq!(chosen(&all, &keys).0, ["a", "b", "b", "c"]);
        let none = all.clone().and(Vec::new());
        assert_eq!(chosen(&none, &keys).0, [""; 0]);
        let some = all
            .clone()
            .and(selectors(&["{job=~\"a|b\",x!=\"2\"}", "{x=\"\"}"]));
        assert_eq!(chosen(&some, &keys).0, ["a", "b", "c"]);
        let fewer = some.clone().and(selectors(&["{job!~\"a\"}"]));
        assert_eq!(chosen(&fewer, &keys).0, ["b", "c"]);
        assert_eq!(
            fewer.to_string(),
            "{job=~\"a|b\",x!=\"2\"} or {x=\"\"} and {job!~\"a\"}"
        );
        let same = some.and(selectors(&["{job=\"a\"}", "{}"]));
        assert_eq!(chosen(&same, &keys).0, ["a", "b", "c"]);
        assert!(Choice::all().asked(Vec::new()).is_all() && !none.is_all());
        assert!(all.and(selectors(&["{}"])).is_all());
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn a_value_that_neighbours_share_is_matched_once() {
        let choice = Choice::all().and(selectors(&["{x=~\"(?:[ab]*a[ab]{0,400}){2}[cd]\"}"]));
        let jobs: Vec<String> = (0..100).map(|n| format!("{n:03}")).collect();
        let same: Vec<GroupingKey> = jobs.iter().map(|job| key(job, &"ab".repeat(2000))).collect();
        let (_, one) = chosen(&choice, &same[..1]);
        let (_, all) = chosen(&choice, &same);
        assert!(all < one + 100 * 10_000, "{one} for one, {all} for all");
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn eight_simple_selectors_cost_less_than_eight_hundred_steps_a_group() {
        let texts: Vec<String> = (0..8)
            .map(|n| format!("{{job=~\"ci-.*-{n}\",x=~\".*[a-f]+[0-9]*\"}}"))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let choice = Choice::all().and(selectors(&texts));
        let keys: Vec<GroupingKey> = (0..20_000)
            .map(|n| key(&format!("ci-build-{n:06}"), "host-0123.example.org"))
            .collect();
        let (_, steps) = chosen(&choice, &keys);
        let a_group = steps / keys.len() as u64;
        assert!(a_group < 800, "{a_group}");
    }

    #[test]
    fn an_effort_ends_in_the_middle() {
        let choice = Choice::all().and(selectors(&["{x=\"1\"}"]));
        let effort = Effort::new(200, 0);
        let mut choosing = choice.begin(&effort);
        let key = key("a", "1");
        let found: Vec<_> = std::iter::repeat_with(|| choosing.has(&key)).take(5).collect();
        let costly = Err(Stopped::TooCostly { max_steps: 200 });
        assert_eq!(found, [Ok(true), Ok(true), Ok(true), costly, costly]);
    }
}
