//! Random pushes, deletes and wipes against a plain, slow, obviously right model: a map of maps that is checked
//! as a whole before each change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use proptest::prelude::*;
use wharf_store::{PushMode, Store};

use crate::{delete, exposition, push, store, wipe};

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
        group: Labels,
        families: Families,
        timestamp: bool,
    },
    Delete {
        group: Labels,
    },
    Wipe,
}

#[derive(Debug, Clone, PartialEq)]
struct Group {
    families: Families,
    pushed: u32,
    failed: u32,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    groups: BTreeMap<Labels, Group>,
}

impl Model {
    /// Whether the step is accepted; the model has changed accordingly.
    fn apply(&mut self, step: &Step, now: u32) -> bool {
        match step {
            Step::Wipe => self.groups.clear(),
            Step::Delete { group } => {
                self.groups.remove(group);
            }
            Step::Push {
                mode,
                group,
                families,
                timestamp,
            } => {
                let mut candidate = self.clone();
                let new = Group {
                    families: Families::new(),
                    pushed: 0,
                    failed: 0,
                };
                let entry = candidate.groups.entry(group.clone()).or_insert(new);
                if *mode == PushMode::ReplaceGroup {
                    entry.families.clear();
                }
                entry.pushed = now;
                for (name, family) in families {
                    let metrics = family.metrics.iter();
                    let metrics = metrics
                        .map(|(labels, value)| (relabel(group, labels), *value))
                        .collect();
                    entry.families.insert(
                        name.clone(),
                        Family {
                            metrics,
                            ..family.clone()
                        },
                    );
                }
                if !timestamp && candidate.is_consistent() {
                    *self = candidate;
                    return true;
                }
                let mut failed = self.clone();
                let new = Group {
                    families: Families::new(),
                    pushed: 0,
                    failed: 0,
                };
                failed.groups.entry(group.clone()).or_insert(new).failed = now;
                if failed.is_consistent() {
                    *self = failed;
                }
                return false;
            }
        }
        true
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

    /// Types, helps and lines, in no order.
    fn lines(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        let mut helps: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (key, group) in &self.groups {
            for (name, family) in &group.families {
                lines.insert(format!("# TYPE {name} {}", family.kind));
                helps.entry(name).or_default().extend(family.help);
                for (labels, value) in &family.metrics {
                    lines.extend(metric_lines(name, family.kind, labels, *value));
                }
            }
            let labels = relabel(key, &Labels::new());
            lines.extend(metric_lines("push_time_seconds", "gauge", &labels, group.pushed));
            lines.extend(metric_lines(
                "push_failure_time_seconds",
                "gauge",
                &labels,
                group.failed,
            ));
        }
        for (name, helps) in helps {
            lines.extend(helps.first().map(|help| format!("# HELP {name} {help}")));
        }
        lines
    }
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
    let mode = prop::sample::select(vec![PushMode::ReplaceGroup, PushMode::ReplaceFamilies]);
    let push = (mode, group.clone(), families, prop::bool::weighted(0.05)).prop_map(
        |(mode, group, families, timestamp)| Step::Push {
            mode,
            group,
            families,
            timestamp,
        },
    );
    let step = prop_oneof![
        20 => push,
        4 => group.prop_map(|group| Step::Delete { group }),
        1 => Just(Step::Wipe),
    ];
    prop::collection::vec(step, 1..40)
}

fn apply(store: &Store, step: &Step, now: u32) -> bool {
    let path = |group: &Labels| {
        let parts: Vec<String> = group
            .iter()
            .map(|(name, value)| format!("{name}/{value}"))
            .collect();
        parts.join("/")
    };
    match step {
        Step::Wipe => {
            wipe(store);
            true
        }
        Step::Delete { group } => {
            delete(store, &path(group));
            true
        }
        Step::Push {
            mode,
            group,
            families,
            timestamp,
        } => {
            // A push without samples has no timestamps.
            let body = body(families, *timestamp);
            push(store, *mode, &path(group), &body, i64::from(now)).is_ok()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_model_does(steps in steps()) {
        let (store, mut model) = (store(), Model::default());
        for (step, now) in steps.iter().zip(1..) {
            let mut step = step.clone();
            if let Step::Push { families, timestamp, .. } = &mut step {
                *timestamp &= !families.is_empty();
            }
            let accepted = apply(&store, &step, now);
            prop_assert_eq!(accepted, model.apply(&step, now), "step {:?}", step);
            let snapshot = store.snapshot();
            let exposed = exposition(&snapshot);
            let lines: Vec<&str> = exposed.lines().filter(|line| !line.contains("HELP push_") && !line.contains("TYPE push_")).collect();
            let set: BTreeSet<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            prop_assert_eq!(set.len(), lines.len(), "no line twice: {}", exposed);
            prop_assert_eq!(&set, &model.lines(), "after {:?}", step);
            let samples = lines.iter().filter(|line| !line.starts_with('#')).count();
            prop_assert_eq!(snapshot.totals().series, samples as u64);
            prop_assert_eq!(snapshot.totals().groups, model.groups.len());
            prop_assert_eq!(snapshot.groups().len(), model.groups.len());
        }
    }
}
