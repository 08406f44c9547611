//! The settings that decide which bytes a push becomes: the same for all replicas, or said so.
//!
//! The replica that has started or read its rules last writes its own to the log, by compare and swap. Whoever finds others there
//! than its own goes on, and tells for how long that has been so; unless nobody who is there has them any more.

use std::collections::BTreeSet;
use std::time::Duration;

use wharf_shared_log::{Bytes, Revision};

use super::sharing::{Rules, RulesDiffer};

/// The settings of this replica.
#[derive(Debug, Default)]
pub(super) struct OwnRules {
    rules: Rules,
    /// Whether they are still to be written to the log.
    is_to_claim: bool,
    /// Whether it has been tried to write some, since the start.
    was_tried: bool,
    /// When they were written to the log: what memory has from before is no news.
    claimed_at: Revision,
    /// Since when the log has others.
    differs_since: Option<Duration>,
}

impl OwnRules {
    pub(super) fn new(rules: Rules) -> Self {
        let is_to_claim = !rules.is_empty();
        Self {
            rules,
            is_to_claim,
            was_tried: false,
            claimed_at: Revision::default(),
            differs_since: None,
        }
    }

    /// Puts these in force, and among the replicas too.
    pub(super) fn set(&mut self, rules: Rules) {
        let was_tried = self.was_tried;
        *self = Self {
            was_tried,
            ..Self::new(rules)
        };
    }

    /// They have been written to the log, or that has not worked.
    pub(super) fn note_tried(&mut self) {
        self.was_tried = true;
    }

    /// Whether others that start from now on find the settings of this replica, if the log takes any.
    pub(super) fn was_tried(&self) -> bool {
        self.was_tried
    }

    /// A digest of them, by which replicas know whose are in force.
    pub(super) fn digest(&self) -> u32 {
        digest(&encode(&self.rules))
    }

    /// Those in force are of nobody who is there: these are to be.
    pub(super) fn claim_anew(&mut self) {
        self.is_to_claim = !self.rules.is_empty();
    }

    /// As the log is to have them, if they are still to be written.
    pub(super) fn to_claim(&self) -> Option<Bytes> {
        self.is_to_claim.then(|| encode(&self.rules))
    }

    /// The log has these, from this revision on. They may have been set anew meanwhile.
    pub(super) fn claimed(&mut self, value: &Bytes, at: Revision) {
        if encode(&self.rules) == *value {
            self.is_to_claim = false;
            self.claimed_at = at;
        }
    }

    /// How they differ from those that the log has, which has them from a revision on.
    pub(super) fn compare(
        &mut self,
        others: Option<(&[u8], Revision)>,
        now: Duration,
    ) -> Option<RulesDiffer> {
        let own = encode(&self.rules);
        let is_news = |at: Revision| !self.is_to_claim && at >= self.claimed_at;
        let others = others.filter(|(others, at)| is_news(*at) && **others != *own);
        let Some((others, _)) = others else {
            self.differs_since = None;
            return None;
        };
        let since = *self.differs_since.get_or_insert(now);
        Some(RulesDiffer {
            since: now.saturating_sub(since),
            settings: differing(&lines_of(&own), &lines_of(others)),
        })
    }
}

/// A digest of settings, as the log has them.
pub(super) fn digest(rules: &[u8]) -> u32 {
    crc32fast::hash(rules)
}

/// A line for each: its name, `=`, what it is.
fn encode(rules: &Rules) -> Bytes {
    let lines = rules.iter().map(|(name, value)| {
        // A line feed would begin another setting.
        let value = value.replace(['\n', '\r'], " ");
        format!("{name}={value}\n")
    });
    lines.collect::<String>().into()
}

fn lines_of(text: &[u8]) -> BTreeSet<String> {
    String::from_utf8_lossy(text).lines().map(str::to_owned).collect()
}

/// The names of the settings that stand in one of them only, or in both with different values.
fn differing(own: &BTreeSet<String>, others: &BTreeSet<String>) -> Vec<String> {
    let names = own.symmetric_difference(others);
    let names = names.map(|line| line.split('=').next().unwrap_or_default().to_owned());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(pairs: &[(&str, &str)]) -> Rules {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn settings_that_differ_are_named_with_the_time_since_when() {
        let mut own = OwnRules::new(rules(&[("a", "1"), ("b", "2"), ("c", "3")]));
        let others = encode(&rules(&[("a", "1"), ("b", "x"), ("d", "4")]));
        let seconds = Duration::from_secs;
        let at = Revision(5);
        // Ours are on their way.
        assert_eq!(own.compare(Some((&others, at)), seconds(1)), None);
        own.is_to_claim = false;
        assert_eq!(own.compare(None, seconds(2)), None);
        assert!(own.compare(Some((&others, at)), seconds(3)).is_some());
        let differ = own.compare(Some((&others, at)), seconds(10)).unwrap();
        assert_eq!(differ.since, seconds(7));
        assert_eq!(differ.settings, ["b", "c", "d"]);
        let same = encode(&own.rules);
        assert_eq!(own.compare(Some((&same, at)), seconds(11)), None);
        assert_eq!(
            own.compare(Some((&others, at)), seconds(12)).unwrap().since,
            seconds(0)
        );
    }

    #[test]
    fn what_was_there_before_these_were_written_is_no_difference() {
        let mut own = OwnRules::new(rules(&[("a", "1")]));
        let others = encode(&rules(&[("a", "2")]));
        let value = own.to_claim().unwrap();
        own.claimed(&value, Revision(7));
        let now = Duration::from_secs(1);
        // The watch has not brought them yet.
        assert_eq!(own.compare(Some((&others, Revision(6))), now), None);
        assert_eq!(own.compare(Some((&value, Revision(7))), now), None);
        assert!(own.compare(Some((&others, Revision(8))), now).is_some());
    }

    #[test]
    fn a_value_of_several_lines_is_one_setting() {
        let encoded = encode(&rules(&[("a", "1\nb=2")]));
        assert_eq!(&*encoded, b"a=1 b=2\n");
    }
}
