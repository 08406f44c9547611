//! Which groups are to be pushed to in time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_saphyr::Spanned;
use wharf_gateway::{ExpectRule, ExpectRules};
use wharf_model::GroupingKey;
use wharf_schedule::Timing;
use wharf_store::UnixNanos;

use super::Check;
use super::source::{Expected, Text};

impl Check<'_> {
    /// All of them, with the lines in which they begin.
    pub(super) fn expectations(&mut self, rules: Option<Vec<Spanned<Expected>>>) -> ExpectRules {
        let rules = rules.into_iter().flatten().filter_map(|rule| {
            let line = rule.referenced.line();
            Some((self.expected(&rule)?, line))
        });
        let (rules, lines) = rules.unzip();
        ExpectRules::new(rules).in_lines(lines)
    }

    fn expected(&mut self, rule: &Spanned<Expected>) -> Option<ExpectRule> {
        let (at, rule) = (rule.referenced, &rule.value);
        self.unknown(&rule.unknown);
        let before = self.mistakes.len();
        if rule.selector.is_none() && rule.always.is_none() && rule.unknown.is_empty() {
            let text = "expected `match` or `always` in the rule, found neither".to_owned();
            self.mistake(&at, text);
        }
        let selector = rule
            .selector
            .as_ref()
            .and_then(|_| self.selector(rule.selector.as_ref(), &at, &rule.unknown));
        let always = rule
            .always
            .iter()
            .flatten()
            .filter_map(|labels| self.group(labels));
        let always: Vec<GroupingKey> = always.collect();
        let timing = self.timing(rule, &at);
        let since = self.optional(rule.since.as_ref(), time);
        let paused_until = self.optional(rule.paused_until.as_ref(), time);
        if self.mistakes.len() > before {
            return None;
        }
        Some(ExpectRule {
            selector,
            always,
            timing: timing?,
            since,
            paused_until,
        })
    }

    fn timing(&mut self, rule: &Expected, at: &serde_saphyr::Location) -> Option<Timing> {
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.value.clone());
        let texts = [&rule.every, &rule.schedule, &rule.timezone, &rule.grace].map(text);
        let [every, schedule, timezone, grace] = texts.each_ref().map(Option::as_deref);
        let error = match Timing::parse(every, schedule, timezone, grace) {
            Ok(timing) => return Some(timing),
            Err(error) => error,
        };
        let place = match error.key {
            Some("every") => rule.every.as_ref(),
            Some("schedule") => rule.schedule.as_ref(),
            Some("timezone") => rule.timezone.as_ref(),
            Some("grace") => rule.grace.as_ref(),
            // Which of two is too many nobody knows but who wrote them.
            _ if !rule.unknown.is_empty() => return None,
            _ => rule.schedule.as_ref(),
        };
        let at = place.map_or(*at, |text| text.referenced);
        self.mistake(&at, error.text);
        None
    }

    /// The group of these labels.
    fn group(&mut self, labels: &Spanned<BTreeMap<String, String>>) -> Option<GroupingKey> {
        let at = labels.referenced;
        let names = self.names;
        if let Some(name) = labels.value.keys().find(|name| !names.allows_label_name(name)) {
            let name = name.escape_debug();
            self.mistake(&at, format!("expected the name of a label, found `{name}`"));
            return None;
        }
        let pairs = labels
            .value
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let key = GroupingKey::new(pairs);
        key.inspect_err(|error| self.mistake(&at, error.to_string())).ok()
    }
}

/// A time in RFC 3339, as people write it in YAML.
fn time(text: &str) -> Result<UnixNanos, String> {
    let time = text.parse::<Timestamp>().ok();
    let nanos = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    nanos.map(UnixNanos).ok_or_else(|| {
        let found: String = text.escape_debug().take(64).collect();
        format!("expected a time such as `2026-12-24T18:00:00Z`, found `{found}`")
    })
}
