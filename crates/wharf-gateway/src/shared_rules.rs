//! What has to be the same for all replicas that share their groups.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use wharf_model::name::NameRule;
use wharf_store::{InstanceLabel, ReservedFamily, SharedRules};

use crate::policy::Policy;
use crate::settings::Settings;
use crate::telemetry;

/// Counted up when a release makes other bytes of the same push, or admits other pushes: replicas of different ones say so.
const RULES_OF_THIS_VERSION: u32 = 1;

/// What decides which bytes a push becomes, and which pushes are taken: the same for all replicas, or they show different things.
pub fn shared_rules(settings: &Settings, policy: &Policy) -> SharedRules {
    let pushes = &settings.pushes;
    let instance = match &pushes.instance_label {
        InstanceLabel::Empty => "empty".to_owned(),
        InstanceLabel::Omit => "omit".to_owned(),
        InstanceLabel::Value(value) => format!("value {value}"),
    };
    let names = if pushes.names == NameRule::Utf8 {
        "true"
    } else {
        "false"
    };
    let timestamps = if pushes.strip_timestamps {
        "strip"
    } else {
        "refuse"
    };
    let reserved: Vec<&str> = reserved_where_shared().map(|family| family.name).collect();
    let expiry = policy.expiry.iter();
    let expiry: Vec<String> = expiry
        .map(|rule| format!("{} {:?} {}\n", rule.selector, rule.ttl, rule.keep_times))
        .collect();
    let aggregation = policy.aggregation.iter();
    let aggregation: Vec<String> = aggregation
        .map(|rule| format!("{} {:?}\n", rule.selector, rule.aggregation))
        .collect();
    let expectations = policy.expectations.iter();
    let expectations: Vec<String> = expectations
        .map(|rule| {
            let selector = rule.selector.as_ref().map(ToString::to_string);
            let (always, timing) = (&rule.always, &rule.timing);
            let (since, until) = (rule.since, rule.paused_until);
            format!("{selector:?} {always:?} {timing} {since:?} {until:?}\n")
        })
        .collect();
    let runs: Vec<String> = policy.runs.iter().map(ToString::to_string).collect();
    let rules = [
        ("--push.instance-label", instance),
        ("--push.enable-utf8-names", names.to_owned()),
        ("--push.timestamps", timestamps.to_owned()),
        ("--push.default-ttl", format!("{:?}", pushes.default_ttl)),
        ("expiry", digest_of(&expiry.concat())),
        ("aggregation", digest_of(&aggregation.concat())),
        ("runs", digest_of(&runs.join("\n"))),
        ("expect", digest_of(&expectations.concat())),
        ("relabelling", digest_of(&format!("{:?}", policy.relabelling))),
        ("names of own metrics", digest_of(&reserved.join(" "))),
        ("version of the rules", RULES_OF_THIS_VERSION.to_string()),
    ];
    rules.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The gateway's own families where groups are shared.
pub(crate) fn reserved_where_shared() -> impl Iterator<Item = &'static ReservedFamily> {
    let usual = telemetry::reserved().iter();
    usual.chain(telemetry::reserved_of_replicas())
}

fn digest_of(text: &str) -> String {
    let bytes = digest(&SHA256, text.as_bytes());
    bytes
        .as_ref()
        .iter()
        .take(8)
        .fold(String::new(), |mut out, byte| {
            // A string takes everything.
            let _written = write!(out, "{byte:02x}");
            out
        })
}

#[cfg(test)]
mod tests {
    use wharf_schedule::Timing;

    use super::*;
    use crate::expectations::{ExpectRule, ExpectRules};

    #[test]
    fn what_is_expected_has_to_be_the_same_for_all() {
        let with = |every: Option<&str>| {
            let rule = every.map(|every| ExpectRule {
                selector: Some("{}".parse().unwrap()),
                always: Vec::new(),
                timing: Timing::parse(Some(every), None, None, None).unwrap(),
                since: None,
                paused_until: None,
            });
            let policy = Policy {
                expectations: ExpectRules::new(rule.into_iter().collect()),
                ..Policy::default()
            };
            shared_rules(&Settings::default(), &policy)
        };
        assert_eq!(with(Some("1d")), with(Some("24h")));
        assert_ne!(with(Some("1d")), with(Some("2d")));
        assert_ne!(with(Some("1d")), with(None));
    }
}
