//! Random changes against a plain, slow, obviously right model: a map of maps that is checked as a whole before each
//! change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use wharf_exposition::text;
use wharf_model::{GroupingKey, Meter, Selector};
use wharf_store::{
    Counters, Facts, FragmentView, GroupFragments, GroupPush, Limits, Listing, PushMode, Quota, Restored,
    SortBy, Store, Totals, Ttl, UnixNanos, Usage,
};

use crate::feed::Picture;
use crate::{
    cool, delete_family_matching, delete_matching, exposition, key, list, matching, matching_with_family,
    part, store, wipe,
};

type Labels = BTreeMap<String, String>;

/// A family as it is pushed: type, help, and per metric its labels and a number that all its lines show.
#[derive(Debug, Clone, PartialEq)]
struct Family {
    kind: &'static str,
    help: Option<&'static str>,
    metrics: Vec<(Labels, u32)>,
}

type Families = BTreeMap<String, Family>;

#[derive(Debug, Clone)]
enum Step {
    Push {
        mode: PushMode,
        push: Push,
        timestamp: bool,
    },
    PushAll {
        mode: PushMode,
        pushes: Vec<Push>,
    },
    Delete {
        group: Labels,
    },
    DeleteFamilies {
        group: Labels,
        names: Vec<&'static str>,
    },
    DeleteMatching {
        condition: Condition,
        before: Option<u32>,
    },
    DeleteFamilyMatching {
        condition: Condition,
        before: Option<u32>,
        family: &'static str,
    },
    Expire,
    /// A push that was refused elsewhere.
    Fail(Push),
    /// A group as another gateway had it, with the times of its last pushes, whatever is there.
    Restore {
        push: Push,
        pushed: u32,
        failed: u32,
    },
    SetLimits(Bounds),
    /// Nobody changes anything for a while.
    Rest,
    Wipe,
}

#[derive(Debug, Clone)]
struct Push {
    group: Labels,
    families: Families,
    /// Seconds, and whether the times stay.
    ttl: Option<(u32, bool)>,
}

/// A selector and the same in Rust.
#[derive(Debug, Clone, Copy)]
struct Condition {
    selector: &'static str,
    holds: fn(&Labels) -> bool,
}

fn label<'l>(labels: &'l Labels, name: &str) -> &'l str {
    labels.get(name).map_or("", String::as_str)
}

const CONDITIONS: [Condition; 4] = [
    Condition {
        selector: r#"{job="a"}"#,
        holds: |labels| label(labels, "job") == "a",
    },
    Condition {
        selector: r#"{instance=""}"#,
        holds: |labels| label(labels, "instance").is_empty(),
    },
    Condition {
        selector: r#"{job=~"a|b",x!="1"}"#,
        holds: |labels| matches!(label(labels, "job"), "a" | "b") && label(labels, "x") != "1",
    },
    Condition {
        selector: "{}",
        holds: |_| true,
    },
];

#[derive(Debug, Clone, Default)]
struct Bounds {
    groups: Option<u64>,
    series: Option<u64>,
    quota: Option<(Condition, Usage, bool)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Group {
    families: Families,
    pushed: u32,
    failed: u32,
    /// When it was pushed with success, or made by a refused push.
    changed: u32,
    /// When it expires, and whether its times stay then.
    end: Option<(u32, bool)>,
}

#[derive(Debug, Clone, Default)]
struct Model {
    groups: BTreeMap<Labels, Group>,
    bounds: Bounds,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Refusal {
    Inconsistent,
    Limited,
}

impl Model {
    /// Whether the step is accepted; the model has changed accordingly.
    fn apply(&mut self, step: &Step, now: u32) -> bool {
        match step {
            Step::Wipe => self.groups.clear(),
            Step::Rest => {}
            Step::Delete { group } => {
                self.groups.remove(group);
            }
            Step::DeleteFamilies { group, names } => {
                if let Some(group) = self.groups.get_mut(group) {
                    group.families.retain(|name, _| !names.contains(&name.as_str()));
                }
            }
            Step::DeleteMatching { condition, before } => {
                let is_old = |group: &Group| before.is_none_or(|before| group.changed < before);
                self.groups
                    .retain(|labels, group| !((condition.holds)(labels) && is_old(group)));
            }
            Step::DeleteFamilyMatching {
                condition,
                before,
                family,
            } => {
                let is_old = |group: &Group| before.is_none_or(|before| group.changed < before);
                for (labels, group) in &mut self.groups {
                    if (condition.holds)(labels) && is_old(group) {
                        group.families.remove(*family);
                    }
                }
            }
            Step::Expire => {
                for group in self.groups.values_mut() {
                    if group.end.is_some_and(|(end, keeps)| end <= now && keeps) {
                        (group.families, group.end) = (Families::new(), None);
                    }
                }
                self.groups
                    .retain(|_, group| group.end.is_none_or(|(end, _)| end > now));
            }
            Step::Fail(push) => self.book_failure(push, Refusal::Inconsistent, now),
            Step::Restore { push, pushed, failed } => {
                let mode = PushMode::ReplaceGroup;
                let Ok(candidate) = self.pushed(mode, push, false, *pushed, Some(*failed)) else {
                    return false;
                };
                *self = candidate;
            }
            Step::SetLimits(bounds) => self.bounds = bounds.clone(),
            Step::Push {
                mode,
                push,
                timestamp,
            } => match self.pushed(*mode, push, *timestamp, now, None) {
                Ok(candidate) => *self = candidate,
                Err(refusal) => {
                    self.book_failure(push, refusal, now);
                    return false;
                }
            },
            Step::PushAll { mode, pushes } => {
                let mut candidate = self.clone();
                for push in pushes {
                    match candidate.pushed(*mode, push, false, now, None) {
                        Ok(next) => candidate = next,
                        Err(refusal) => {
                            self.book_failure(push, refusal, now);
                            return false;
                        }
                    }
                }
                *self = candidate;
            }
        }
        true
    }

    /// A failure time that comes along counts for the limits as everything else does.
    fn pushed(
        &self,
        mode: PushMode,
        push: &Push,
        timestamp: bool,
        now: u32,
        failed: Option<u32>,
    ) -> Result<Self, Refusal> {
        let mut candidate = self.clone();
        let entry = candidate.groups.entry(push.group.clone()).or_insert(Group {
            families: Families::new(),
            pushed: 0,
            failed: 0,
            changed: 0,
            end: None,
        });
        if mode == PushMode::ReplaceGroup {
            entry.families.clear();
        }
        (entry.pushed, entry.changed) = (now, now);
        entry.failed = failed.unwrap_or(entry.failed);
        entry.end = push.ttl.map(|(seconds, keeps)| (now + seconds, keeps));
        for (name, family) in &push.families {
            let metrics = family.metrics.iter();
            let mut new = Family {
                metrics: metrics
                    .map(|(labels, value)| (relabel(&push.group, labels), *value))
                    .collect(),
                ..family.clone()
            };
            if mode == PushMode::ReplaceSeries
                && let Some(old) = entry.families.get(name)
            {
                if old.kind != new.kind {
                    return Err(Refusal::Inconsistent);
                }
                let is_replaced = |labels: &Labels| family_has(&new, labels);
                let stays = old.metrics.iter().filter(|(labels, _)| !is_replaced(labels));
                let stays: Vec<_> = stays.cloned().collect();
                new.metrics.extend(stays);
                new.help = new.help.or(old.help);
            }
            entry.families.insert(name.clone(), new);
        }
        if timestamp || !candidate.is_consistent() {
            return Err(Refusal::Inconsistent);
        }
        self.check_bounds(&candidate, &push.group)?;
        Ok(candidate)
    }

    fn book_failure(&mut self, push: &Push, refusal: Refusal, now: u32) {
        if let Some(group) = self.groups.get_mut(&push.group) {
            group.failed = now;
            return;
        }
        if refusal == Refusal::Limited {
            return;
        }
        let mut candidate = self.clone();
        let group = Group {
            families: Families::new(),
            pushed: 0,
            failed: now,
            changed: now,
            end: push.ttl.map(|(seconds, keeps)| (now + seconds, keeps)),
        };
        candidate.groups.insert(push.group.clone(), group);
        if candidate.is_consistent() && self.check_bounds(&candidate, &push.group).is_ok() {
            *self = candidate;
        }
    }

    /// The limits, on the change of one group.
    fn check_bounds(&self, after: &Self, changed: &Labels) -> Result<(), Refusal> {
        let Bounds {
            groups,
            series,
            quota,
        } = self.bounds.clone();
        let all = Condition {
            selector: "",
            holds: |_| true,
        };
        let max = |max: Option<u64>| max.unwrap_or(u64::MAX);
        let on_all = Usage {
            groups: max(groups),
            series: max(series),
            bytes: u64::MAX,
        };
        let on_some = quota.filter(|(condition, ..)| (condition.holds)(changed)).map(
            |(condition, usage, has_bytes)| {
                let bytes = if has_bytes { usage.bytes } else { u64::MAX };
                (condition, Usage { bytes, ..usage })
            },
        );
        for (condition, most) in [(all, on_all)].into_iter().chain(on_some) {
            let part = |model: &Self| {
                let group = model.groups.get_key_value(changed).into_iter();
                usage(group)
            };
            let (total, part, before) = (after.usage(condition), part(after), part(self));
            let passes = |total: u64, most: u64, part: u64, before: u64| total > most && part > before;
            if passes(total.groups, most.groups, part.groups, before.groups)
                || passes(total.series, most.series, part.series, before.series)
                || passes(total.bytes, most.bytes, part.bytes, before.bytes)
            {
                return Err(Refusal::Limited);
            }
        }
        Ok(())
    }

    fn usage(&self, condition: Condition) -> Usage {
        usage(self.groups.iter().filter(|(labels, _)| (condition.holds)(labels)))
    }

    /// The rules of the contract, over everything.
    fn is_consistent(&self) -> bool {
        let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
        let mut series = BTreeSet::new();
        for (key, group) in &self.groups {
            if !series.insert(("push_time_seconds", relabel(key, &Labels::new()))) {
                return false;
            }
            for (name, family) in &group.families {
                if *kinds.entry(name).or_insert(family.kind) != family.kind {
                    return false;
                }
                for (labels, _) in &family.metrics {
                    let explicit = match family.kind {
                        "summary" => "quantile",
                        "histogram" => "le",
                        _ => "-",
                    };
                    let reserved = labels.keys().any(|label| label.starts_with("__"));
                    if reserved || labels.contains_key(explicit) || !series.insert((name, labels.clone())) {
                        return false;
                    }
                }
            }
        }
        kinds.iter().all(|(name, kind)| {
            let suffixes: &[&str] = match *kind {
                "summary" => &["_count", "_sum"],
                "histogram" => &["_count", "_sum", "_bucket"],
                _ => &[],
            };
            suffixes
                .iter()
                .all(|suffix| !kinds.contains_key(format!("{name}{suffix}").as_str()))
        })
    }

    /// Types, helps and lines of the groups for which a condition holds, in no order.
    fn lines(&self, holds: fn(&Labels) -> bool) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        let mut helps: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (key, group) in self.groups.iter().filter(|(labels, _)| holds(labels)) {
            for (name, family) in &group.families {
                lines.insert(format!("# TYPE {name} {}", family.kind));
                helps.entry(name).or_default().extend(family.help);
            }
            lines.extend(group_lines(key, group));
        }
        for (name, helps) in helps {
            lines.extend(helps.first().map(|help| format!("# HELP {name} {help}")));
        }
        lines
    }
}

fn family_has(family: &Family, labels: &Labels) -> bool {
    family.metrics.iter().any(|(candidate, _)| candidate == labels)
}

/// The lines of samples of a group.
fn group_lines(key: &Labels, group: &Group) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, family) in &group.families {
        for (labels, value) in &family.metrics {
            lines.extend(metric_lines(name, family.kind, labels, *value));
        }
    }
    let labels = relabel(key, &Labels::new());
    for (name, value) in [
        ("push_time_seconds", group.pushed),
        ("push_failure_time_seconds", group.failed),
    ] {
        lines.extend(metric_lines(name, "gauge", &labels, value));
    }
    lines
}

fn usage<'g>(groups: impl Iterator<Item = (&'g Labels, &'g Group)>) -> Usage {
    let mut usage = Usage::default();
    for (key, group) in groups {
        let lines = group_lines(key, group);
        usage.groups += 1;
        usage.series += lines.len() as u64;
        usage.bytes += lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>();
    }
    usage
}

fn relabel(group: &Labels, labels: &Labels) -> Labels {
    let mut all = labels.clone();
    all.extend(group.clone());
    all.entry("instance".to_owned()).or_default();
    all
}

/// The lines of a metric as the text format has them.
fn metric_lines(name: &str, kind: &str, labels: &Labels, value: u32) -> Vec<String> {
    let line = |suffix: &str, extra: &str, value: u32| {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let mut labels = labels.join(",");
        if !extra.is_empty() {
            labels.push_str(if labels.is_empty() { "" } else { "," });
            labels.push_str(extra);
        }
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{labels}}}")
        };
        format!("{name}{suffix}{labels} {value}")
    };
    match kind {
        "summary" => vec![
            line("", "quantile=\"0.5\"", value),
            line("_sum", "", value),
            line("_count", "", value),
        ],
        "histogram" => vec![
            line("_bucket", "le=\"1\"", value),
            line("_bucket", "le=\"+Inf\"", value),
            line("_sum", "", value),
            line("_count", "", value),
        ],
        _ => vec![line("", "", value)],
    }
}

fn body(families: &Families, timestamp: bool) -> String {
    let mut body = String::new();
    for (name, family) in families {
        if let Some(help) = family.help {
            writeln!(body, "# HELP {name} {help}").unwrap();
        }
        writeln!(body, "# TYPE {name} {}", family.kind).unwrap();
        for (labels, value) in &family.metrics {
            for line in metric_lines(name, family.kind, labels, *value) {
                body.push_str(&line);
                body.push_str(if timestamp { " 5\n" } else { "\n" });
            }
        }
    }
    body
}

/// A small universe, so that everything meets everything.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let group = (
        prop::sample::select(vec!["a", "b", "c"]),
        prop::option::weighted(0.4, prop::sample::select(vec!["", "i", "k"])),
        prop::option::weighted(0.1, prop::sample::select(vec!["le", "quantile", "x"])),
    )
        .prop_map(|(job, instance, other)| {
            let mut labels = Labels::from([("job".to_owned(), job.to_owned())]);
            labels.extend(instance.map(|instance| ("instance".to_owned(), instance.to_owned())));
            labels.extend(other.map(|name| (name.to_owned(), "1".to_owned())));
            labels
        });
    let labels = prop::collection::btree_map(
        prop::sample::select(vec!["x", "y", "instance", "job", "x", "y", "x", "__z"]).prop_map(str::to_owned),
        prop::sample::select(vec!["", "1", "i"]).prop_map(str::to_owned),
        0..3,
    );
    let kinds = vec![
        "counter",
        "gauge",
        "gauge",
        "gauge",
        "untyped",
        "summary",
        "histogram",
    ];
    // Two metrics of one body with the same labels are possible for plain types only: the decoder merges the
    // lines of summaries and histograms by labels.
    let family = (
        prop::sample::select(kinds),
        prop::option::of(prop::sample::select(vec!["one", "two"])),
        prop::collection::vec((labels, 0..50u32), 1..4),
    )
        .prop_map(|(kind, help, mut metrics)| {
            if kind == "summary" || kind == "histogram" {
                let mut seen = BTreeSet::new();
                metrics.retain(|(labels, _)| seen.insert(labels.clone()));
            }
            Family { kind, help, metrics }
        });
    let names = vec!["m", "n", "h", "h", "h_count", "h_bucket", "m_sum"];
    let families =
        prop::collection::btree_map(prop::sample::select(names).prop_map(str::to_owned), family, 0..4)
            .prop_map(|mut families| {
                // The text decoder would read these lines as those of the histogram or summary.
                let lines_of_others: Vec<String> = families
                    .iter()
                    .filter(|(_, family)| family.kind == "histogram" || family.kind == "summary")
                    .flat_map(|(name, _)| {
                        ["_count", "_sum", "_bucket"].map(|suffix| format!("{name}{suffix}"))
                    })
                    .collect();
                families.retain(|name, _| !lines_of_others.contains(name));
                families
            });
    let mode = prop::sample::select(vec![
        PushMode::ReplaceGroup,
        PushMode::ReplaceFamilies,
        PushMode::ReplaceSeries,
    ]);
    let ttl = prop::option::weighted(0.4, (0..8u32, any::<bool>()));
    let push =
        (group.clone(), families, ttl).prop_map(|(group, families, ttl)| Push { group, families, ttl });
    let pushes = (mode.clone(), prop::collection::vec(push.clone(), 0..5));
    let condition = prop::sample::select(CONDITIONS.to_vec());
    let usage = (1..6u64, 4..20u64, 100..1000u64).prop_map(|(groups, series, bytes)| Usage {
        groups,
        series,
        bytes,
    });
    let bounds = (
        prop::option::of(1..8u64),
        prop::option::of(6..40u64),
        prop::option::weighted(0.8, (condition.clone(), usage, any::<bool>())),
    )
        .prop_map(|(groups, series, quota)| Bounds {
            groups,
            series,
            quota,
        });
    let restore = (push.clone(), 1..40u32, 0..40u32).prop_map(|(push, pushed, failed)| Step::Restore {
        push,
        pushed,
        failed,
    });
    let fail = push.clone().prop_map(Step::Fail);
    let push = (mode, push, prop::bool::weighted(0.05)).prop_map(|(mode, push, timestamp)| Step::Push {
        mode,
        push,
        timestamp,
    });
    let names = prop::collection::vec(
        prop::sample::select(vec!["m", "h", "n", "push_time_seconds"]),
        0..3,
    );
    let before = prop::option::of(0..40u32);
    let step = prop_oneof![
        20 => push,
        3 => pushes.prop_map(|(mode, pushes)| Step::PushAll { mode, pushes }),
        3 => group.clone().prop_map(|group| Step::Delete { group }),
        3 => (group, names).prop_map(|(group, names)| Step::DeleteFamilies { group, names }),
        2 => (condition.clone(), before.clone())
            .prop_map(|(condition, before)| Step::DeleteMatching { condition, before }),
        2 => (condition, before, prop::sample::select(vec!["m", "h", "push_time_seconds"])).prop_map(
            |(condition, before, family)| Step::DeleteFamilyMatching { condition, before, family }
        ),
        4 => Just(Step::Expire),
        2 => fail,
        3 => restore,
        1 => bounds.prop_map(Step::SetLimits),
        1 => Just(Step::SetLimits(Bounds::default())),
        4 => Just(Step::Rest),
        1 => Just(Step::Wipe),
    ];
    prop::collection::vec(step, 1..40)
}

fn key_of(group: &Labels) -> GroupingKey {
    let parts: Vec<String> = group
        .iter()
        .map(|(name, value)| format!("{name}/{value}"))
        .collect();
    key(&parts.join("/"))
}

fn ttl(ttl: Option<(u32, bool)>) -> Option<Ttl> {
    ttl.map(|(seconds, keep_times)| Ttl {
        after: Duration::from_secs(u64::from(seconds)),
        keep_times,
    })
}

fn seconds(seconds: u32) -> UnixNanos {
    UnixNanos(i64::from(seconds) * 1_000_000_000)
}

fn selectors(condition: Condition) -> Vec<Selector> {
    // Reading a pattern takes longer than all the rest of a step.
    static READ: LazyLock<Vec<Selector>> = LazyLock::new(|| {
        CONDITIONS
            .map(|condition| condition.selector.parse().unwrap())
            .to_vec()
    });
    let position = CONDITIONS
        .iter()
        .position(|known| known.selector == condition.selector);
    vec![READ[position.unwrap()].clone()]
}

fn limits(bounds: &Bounds) -> Limits {
    let quotas = bounds.quota.iter().map(|(condition, usage, has_bytes)| Quota {
        selector: selectors(*condition).remove(0),
        max_groups: Some(usage.groups),
        max_series: Some(usage.series),
        max_bytes: has_bytes.then_some(usage.bytes),
    });
    Limits {
        max_groups: bounds.groups,
        max_series: bounds.series,
        max_push_series: None,
        quotas: quotas.collect(),
    }
}

fn apply(store: &Store, step: &Step, now: u32) -> bool {
    let options = text::Options {
        names: wharf_model::name::NameRule::Utf8,
        strict: false,
    };
    match step {
        Step::Wipe => {
            wipe(store);
        }
        Step::Rest => {
            cool(store);
            let Totals { groups, bytes, .. } = store.totals();
            let cold = store.cold().text_bytes;
            assert_eq!(cold, if groups == 0 { 0 } else { bytes });
        }
        Step::Delete { group } => {
            drop(store.delete(&key_of(group)).unwrap());
        }
        Step::DeleteFamilies { group, names } => {
            drop(store.delete_families(&key_of(group), names).unwrap());
        }
        Step::DeleteMatching { condition, before } => {
            let (selectors, before) = (selectors(*condition), before.map(seconds));
            let matching = matching(store, &selectors, before);
            let (deleted, _) = delete_matching(store, &selectors, before).unwrap();
            assert_eq!(deleted, matching);
        }
        Step::DeleteFamilyMatching {
            condition,
            before,
            family,
        } => {
            let (selectors, before) = (selectors(*condition), before.map(seconds));
            let matching = matching_with_family(store, &selectors, before, family);
            let (deleted, _) = delete_family_matching(store, &selectors, before, family).unwrap();
            assert_eq!(deleted, matching);
        }
        Step::Expire => {
            store.expire(seconds(now)).unwrap();
        }
        Step::Fail(push) => store.record_failure_time(&key_of(&push.group), ttl(push.ttl), seconds(now)),
        Step::Restore { push, pushed, failed } => {
            let body = body(&push.families, false);
            let restored = Restored {
                notes: &[],
                key: &key_of(&push.group),
                exposition: &text::decode(body.as_bytes(), options).unwrap(),
                push_time: f64::from(*pushed),
                failure_time: f64::from(*failed),
                pushed_at: &|_| seconds(*pushed),
                ttl: ttl(push.ttl),
                memory: &Meter::unlimited(),
            };
            return store.restore(&restored, true).is_ok();
        }
        Step::SetLimits(bounds) => store.set_limits(limits(bounds)),
        Step::Push {
            mode,
            push,
            timestamp,
        } => {
            // A push without samples has no timestamps.
            let body = body(&push.families, *timestamp);
            let decoded = text::decode(body.as_bytes(), options).unwrap();
            let (key, now) = (key_of(&push.group), seconds(now));
            return store
                .push_with_ttl(&key, *mode, &decoded, ttl(push.ttl), now)
                .is_ok();
        }
        Step::PushAll { mode, pushes } => {
            let bodies: Vec<String> = pushes.iter().map(|push| body(&push.families, false)).collect();
            let pushes: Vec<_> = pushes
                .iter()
                .zip(&bodies)
                .map(|(push, body)| GroupPush {
                    note: None,
                    key: key_of(&push.group),
                    exposition: text::decode(body.as_bytes(), options).unwrap(),
                    ttl: ttl(push.ttl),
                    aggregation: None,
                    counters: Counters::Total,
                    once: None,
                    facts: Facts::default(),
                })
                .collect();
            return store
                .push_all(&pushes, *mode, seconds(now), &Meter::unlimited())
                .is_ok();
        }
    }
    true
}

/// Everything that can be asked about the store, against the model.
fn check(store: &Store, model: &Model) {
    let snapshot = store.snapshot();
    for condition in CONDITIONS {
        let part = part(&snapshot, &selectors(condition));
        let exposed = exposition(&part);
        let lines = exposed
            .lines()
            .filter(|line| !line.contains("HELP push_") && !line.contains("TYPE push_"));
        let lines: Vec<&str> = lines.collect();
        let set: BTreeSet<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(set.len(), lines.len(), "no line twice: {exposed}");
        assert_eq!(set, model.lines(condition.holds), "{}", condition.selector);
        let Usage {
            groups,
            series,
            bytes,
        } = model.usage(condition);
        let totals = part.totals();
        assert_eq!(
            (totals.groups as u64, totals.series, totals.bytes),
            (groups, series, bytes),
            "{}",
            condition.selector
        );
        let in_turn: Vec<_> = part.groups_in_turn().collect();
        assert_eq!(in_turn.len(), totals.groups);
        let in_turn: Vec<_> = in_turn.iter().flat_map(GroupFragments::fragments).collect();
        assert!(in_turn.is_sorted_by_key(|fragment| (fragment.key(), fragment.name())));
        let all = part.families().flat_map(|family| family.fragments());
        let text = |fragment: FragmentView<'_>| (fragment.key().clone(), fragment.text().to_vec());
        let (found, expected): (BTreeSet<_>, BTreeSet<_>) =
            (in_turn.into_iter().map(text).collect(), all.map(text).collect());
        assert_eq!(found, expected);
    }
    assert_eq!(
        exposition(&snapshot),
        exposition(&part(&snapshot, &selectors(CONDITIONS[3])))
    );
    assert_eq!(
        snapshot.totals(),
        part(&snapshot, &selectors(CONDITIONS[3])).totals()
    );

    let usage = model
        .bounds
        .quota
        .iter()
        .map(|(condition, ..)| model.usage(*condition));
    assert_eq!(store.quota_usage(), usage.collect::<Vec<_>>());
    store.audit(true).unwrap();
}

fn check_lists(store: &Store, model: &Model) {
    for (sort, descending) in [
        SortBy::Key,
        SortBy::Job,
        SortBy::PushTime,
        SortBy::FailureTime,
        SortBy::Series,
        SortBy::Bytes,
        SortBy::Expiry,
    ]
    .into_iter()
    .flat_map(|sort| [(sort, false), (sort, true)])
    {
        let mut expected: Vec<_> = model.groups.iter().collect();
        expected.sort_by_cached_key(|(labels, group)| {
            let usage = usage([(*labels, *group)].into_iter());
            let rank = i128::from(match sort {
                SortBy::Key | SortBy::Job => 0,
                SortBy::PushTime => u64::from(group.pushed),
                SortBy::FailureTime => u64::from(group.failed),
                SortBy::Series => usage.series,
                SortBy::Bytes => usage.bytes,
                SortBy::Expiry => match group.end {
                    Some((end, _)) => u64::from(end),
                    None if descending => 0,
                    None => u64::MAX,
                },
            });
            (if descending { -rank } else { rank }, key_of(labels))
        });
        if sort == SortBy::Key && descending {
            expected.reverse();
        }
        if sort == SortBy::Job {
            expected.sort_by(|(a, _), (b, _)| {
                let order = key_of(a).job().cmp(key_of(b).job());
                if descending { order.reverse() } else { order }
            });
        }
        let mut listing = Listing {
            sort,
            descending,
            limit: 2,
            ..Listing::default()
        };
        let mut listed = Vec::new();
        loop {
            let page = list(store, &listing);
            assert_eq!(page.total, Some(model.groups.len()));
            listed.extend(page.groups);
            match page.next {
                Some(next) => listing.after = Some(next),
                None => break,
            }
        }
        assert_eq!(listed.len(), expected.len());
        for (info, (labels, group)) in listed.iter().zip(expected) {
            let Usage { series, bytes, .. } = usage([(labels, group)].into_iter());
            let end = info
                .lifetime
                .map(|lifetime| (lifetime.expires_at, lifetime.ttl.keep_times));
            assert_eq!(info.key, key_of(labels), "{sort:?} {descending}");
            assert_eq!(
                (info.push_time, info.failure_time),
                (f64::from(group.pushed), f64::from(group.failed))
            );
            assert_eq!(
                (info.families, info.series, info.bytes),
                (group.families.len() + 2, series, bytes)
            );
            assert_eq!(end, group.end.map(|(end, keeps)| (seconds(end), keeps)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn the_store_does_what_the_model_does(steps in steps(), few in prop::sample::select(vec![0, 3, 512])) {
        // In one of three cases all groups are removed as those of very many families are.
        let store = store().with_few_families(few).with_cold_leaves_of(1);
        let mut model = Model::default();
        let mut picture = Picture::of(&store);
        for (step, now) in steps.iter().zip(1..) {
            let mut step = step.clone();
            if let Step::Push { push, timestamp, .. } = &mut step {
                *timestamp &= !push.families.is_empty();
            }
            let accepted = apply(&store, &step, now);
            prop_assert_eq!(accepted, model.apply(&step, now), "step {:?}", step);
            check(&store, &model);
            // Who is told of the changes knows the groups without looking at all of them.
            prop_assert_eq!(picture.catch_up(&store), 0);
            prop_assert_eq!(&picture.groups, &Picture::of(&store).groups);
        }
        check_lists(&store, &model);
    }
}
