//! What has to be the same for all replicas that share their groups.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use wharf_model::name::NameRule;
use wharf_store::{InstanceLabel, ReservedFamily, SharedRules};

use crate::limits::PushLimits;
use crate::policy::Policy;
use crate::settings::{AmountLimits, PushSettings, Settings};
use crate::telemetry;

/// Counted up when a release makes other bytes of the same push, or admits other pushes: replicas of different ones say so.
const RULES_OF_THIS_VERSION: u32 = 1;

/// What decides which bytes a push becomes, and which pushes are taken: the same for all replicas, or they show different things.
///
/// Every setting of pushes and every kind of rule is named here, so that a new one cannot be forgotten: it is compared, or it says why not.
pub fn shared_rules(settings: &Settings, policy: &Policy) -> SharedRules {
    let PushSettings {
        unchecked,
        names,
        default_ttl,
        max_ttl,
        strip_timestamps,
        // How much memory a machine has for a push.
        max_decoded_bytes: _,
        instance_label,
        // They decide for how long a push is known that comes again, not what it comes to.
        id_ttl: _,
        max_ids: _,
    } = &settings.pushes;
    let AmountLimits {
        max_groups,
        max_series,
        max_series_per_push,
    } = settings.amounts;
    let PushLimits {
        max_labels_per_series,
        max_label_name_bytes,
        max_label_value_bytes,
    } = settings.push_limits;
    let Policy {
        expiry,
        quotas,
        aggregation,
        runs,
        expectations,
        relabelling,
        // Who may do something changes nothing of what it comes to.
        access: _,
        tracing: _,
        alerting,
    } = policy;
    let instance = match instance_label {
        InstanceLabel::Empty => "empty".to_owned(),
        InstanceLabel::Omit => "omit".to_owned(),
        InstanceLabel::Value(value) => format!("value {value}"),
    };
    let names = *names == NameRule::Utf8;
    let timestamps = if *strip_timestamps { "strip" } else { "refuse" };
    let reserved: Vec<&str> = reserved_where_shared(settings)
        .map(|family| family.name)
        .collect();
    let expiry: Vec<String> = expiry
        .iter()
        .map(|rule| {
            let (ttl, series_ttl) = (rule.ttl, rule.series_ttl);
            format!("{} {ttl:?} {} {series_ttl:?}\n", rule.selector, rule.keep_times)
        })
        .collect();
    let aggregation: Vec<String> = aggregation
        .iter()
        .map(|rule| format!("{} {:?}\n", rule.selector, rule.aggregation))
        .collect();
    let expectations: Vec<String> = expectations
        .iter()
        .map(|rule| {
            let selector = rule.selector.as_ref().map(ToString::to_string);
            let (always, timing) = (&rule.always, &rule.timing);
            let (since, until) = (rule.since, rule.paused_until);
            format!("{selector:?} {always:?} {timing} {since:?} {until:?}\n")
        })
        .collect();
    // Replicas that know nothing of it say the same as those where it is off.
    let from_push = if settings.expect.from_push {
        "from pushes\n"
    } else {
        ""
    };
    let expected = digest_of(&format!("{from_push}{}", expectations.concat()));
    let runs: Vec<String> = runs.iter().map(ToString::to_string).collect();
    let statsd = settings.statsd.as_ref().map(|statsd| statsd.rules());
    let statsd = statsd.unwrap_or_default();
    let rules = [
        ("--push.instance-label", instance),
        ("--push.enable-utf8-names", names.to_string()),
        ("--push.timestamps", timestamps.to_owned()),
        ("--push.default-ttl", format!("{default_ttl:?}")),
        ("--push.max-ttl", format!("{max_ttl:?}")),
        ("--push.disable-consistency-check", unchecked.to_string()),
        ("--limits.max-groups", format!("{max_groups:?}")),
        ("--limits.max-series", format!("{max_series:?}")),
        ("--limits.max-series-per-push", format!("{max_series_per_push:?}")),
        (
            "--limits.max-labels-per-series",
            format!("{max_labels_per_series:?}"),
        ),
        (
            "--limits.max-label-name-bytes",
            format!("{max_label_name_bytes:?}"),
        ),
        (
            "--limits.max-label-value-bytes",
            format!("{max_label_value_bytes:?}"),
        ),
        ("quotas", digest_of(&format!("{quotas:?}"))),
        ("expiry", digest_of(&expiry.concat())),
        ("aggregation", digest_of(&aggregation.concat())),
        ("runs", digest_of(&runs.join("\n"))),
        ("expect", expected),
        // Which names are reserved; whom it tells is the matter of each.
        ("alerting", alerting.is_some().to_string()),
        ("relabelling", digest_of(&format!("{relabelling:?}"))),
        ("--aggregate.job", settings.aggregate_job.to_string()),
        ("names of own metrics", digest_of(&reserved.join(" "))),
        ("--statsd.mapping-config", digest_of(&statsd)),
        ("version of the rules", RULES_OF_THIS_VERSION.to_string()),
    ];
    rules.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The gateway's own families where groups are shared.
pub(crate) fn reserved_where_shared(settings: &Settings) -> impl Iterator<Item = &'static ReservedFamily> {
    reserved(settings).chain(telemetry::reserved_of_replicas())
}

/// Those where they are not. Names that others use as well are reserved only while the gateway uses them.
pub(crate) fn reserved(settings: &Settings) -> impl Iterator<Item = &'static ReservedFamily> {
    let of_statsd = settings.statsd.as_ref().map(|_| telemetry::reserved_of_statsd());
    telemetry::reserved()
        .iter()
        .chain(of_statsd.into_iter().flatten())
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
    use std::time::Duration;

    use crate::Lifespan;
    use wharf_model::Selector;
    use wharf_schedule::Timing;

    use super::*;
    use crate::expectations::{ExpectRule, ExpectRules};
    use crate::policy::{AggregationRule, ExpiryRule, QuotaRule};

    fn differing(change: impl FnOnce(&mut Settings, &mut Policy)) -> Vec<String> {
        let (mut settings, mut policy) = (Settings::default(), Policy::default());
        let before = shared_rules(&settings, &policy);
        change(&mut settings, &mut policy);
        let after = shared_rules(&settings, &policy);
        let changed = after
            .into_iter()
            .filter(|(name, value)| before.get(name) != Some(value));
        changed.map(|(name, _)| name).collect()
    }

    fn selector() -> Selector {
        "{job=\"a\"}".parse().unwrap()
    }

    #[test]
    fn what_changes_what_a_push_becomes_or_whether_it_is_taken_is_compared_under_its_name() {
        let hour = Duration::from_secs(3600);
        let of = |change: fn(&mut Settings)| differing(|settings, _| change(settings));
        assert_eq!(
            of(|to| to.pushes.instance_label = InstanceLabel::Omit),
            ["--push.instance-label"]
        );
        assert_eq!(
            of(|to| to.pushes.names = NameRule::Utf8),
            ["--push.enable-utf8-names"]
        );
        assert_eq!(of(|to| to.pushes.strip_timestamps = true), ["--push.timestamps"]);
        assert_eq!(
            of(|to| to.pushes.default_ttl = Some(Duration::from_secs(1))),
            ["--push.default-ttl"]
        );
        assert_eq!(
            of(|to| to.pushes.max_ttl = Some(Duration::from_secs(1))),
            ["--push.max-ttl"]
        );
        assert_eq!(
            of(|to| to.pushes.unchecked = true),
            ["--push.disable-consistency-check"]
        );
        assert_eq!(of(|to| to.amounts.max_groups = Some(1)), ["--limits.max-groups"]);
        assert_eq!(of(|to| to.amounts.max_series = Some(1)), ["--limits.max-series"]);
        assert_eq!(
            of(|to| to.push_limits.max_label_name_bytes = None),
            ["--limits.max-label-name-bytes"]
        );
        let rule = |change: fn(&mut Policy, Duration)| differing(|_, policy| change(policy, hour));
        assert_eq!(rule(|to, _| to.runs.push(selector())), ["runs"]);
        assert_eq!(
            rule(|to, ttl| to.expiry.push(ExpiryRule {
                selector: selector(),
                ttl: Some(Lifespan::Limited(ttl)),
                keep_times: false,
                series_ttl: None,
            })),
            ["expiry"]
        );
        let of_series = |series_ttl| {
            let policy = Policy {
                expiry: vec![ExpiryRule {
                    selector: selector(),
                    ttl: None,
                    keep_times: false,
                    series_ttl,
                }],
                ..Policy::default()
            };
            shared_rules(&Settings::default(), &policy)
        };
        assert_ne!(of_series(None), of_series(Some(hour)));
        assert_eq!(
            rule(|to, _| to.quotas.push(QuotaRule {
                selector: selector(),
                max_groups: Some(1),
                max_series: None,
                max_bytes: None,
                rate: None,
                rate_per: Vec::new(),
            })),
            ["quotas"]
        );
        assert_eq!(
            rule(|to, _| to.aggregation.push(AggregationRule {
                selector: selector(),
                aggregation: wharf_store::Aggregation::default(),
            })),
            ["aggregation"]
        );
    }

    #[test]
    fn what_is_of_one_machine_alone_is_not_compared() {
        let none: [&str; 0] = [];
        let changed = differing(|settings, _| {
            settings.pushes.max_decoded_bytes = Some(1);
            settings.admin.enabled = true;
            settings.history_bytes = 1;
            settings.replicas.max_lag = Duration::from_secs(1);
        });
        assert_eq!(changed, none);
    }

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
