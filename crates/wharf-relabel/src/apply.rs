//! Running rules over a push.

use std::collections::HashMap;

use md5::Digest;
use regex::Captures;
use thiserror::Error;
use wharf_model::name::NameRule;
use wharf_model::{
    Denied, Effort, Exposition, Family, GroupingKey, Label, Meter, Metric, MetricType, Run, Stopped, TooLarge,
};

use crate::labels::{Changed, Labels};
use crate::rule::{Action, Rule};

/// To run a rule over a metric, beside the bytes that it looks at.
const RULE_STEPS: u64 = 64;
/// For each of these bytes: to copy it, and to go over it.
const BYTE_STEPS: u64 = 2;
/// For each of them and each part of an expression, at the worst.
const PART_STEPS: u64 = 4;
/// So many bytes times parts are gone over without a look at whether anybody waits, at most: a quarter of a second.
const MOST_UNPAID: u64 = 1 << 26;

/// What rules have made of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relabelled {
    /// Metrics that a rule has dropped.
    pub dropped: u64,
}

/// Why a push cannot be relabelled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RelabelError {
    /// The rules leave a metric without a valid name.
    #[error("relabelling: expected a metric name for what was pushed as `{pushed}`, found `{found}`")]
    MetricName {
        /// The name before.
        pushed: String,
        /// The name after; empty if a rule has removed it.
        found: String,
    },
    /// The rules make a label that cannot be one.
    #[error("relabelling: expected a label name in `{family}`, found `{found}`")]
    LabelName {
        /// The family.
        family: String,
        /// The name after.
        found: String,
    },
    /// Two families of different types have got one name.
    #[error("relabelling: expected metrics of one type in `{family}`, found {first} and {second}")]
    Type {
        /// The name of both.
        family: String,
        /// The type of the one that came first.
        first: MetricType,
        /// The type of the other.
        second: MetricType,
    },
    /// The labels take more memory than an exposition may have.
    #[error("relabelling: {0}")]
    TooLarge(#[from] TooLarge),
    /// It was given up: nobody waits for it, or it takes more steps or time than it may.
    #[error("relabelling was given up")]
    Stopped(Stopped),
}

impl From<Stopped> for RelabelError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<Denied> for RelabelError {
    fn from(denied: Denied) -> Self {
        Self::TooLarge(denied.into())
    }
}

/// Runs the rules, in their order, over each metric of a push to the group `key`. Metrics that a rule drops, and
/// families that have none left, are taken out; a metric whose `__name__` changes moves to the family of that name.
///
/// # Errors
/// If the result is no exposition; the push is of no use then.
pub fn relabel(
    rules: &[Rule],
    key: &GroupingKey,
    exposition: &mut Exposition<'_>,
    names: NameRule,
) -> Result<Relabelled, RelabelError> {
    relabel_within(rules, key, exposition, names, &Meter::unlimited())
}

/// [`relabel`], with memory of this meter, and as many steps as it has.
///
/// # Errors
/// As there, and [`RelabelError::TooLarge`] if the meter gives no more memory, [`RelabelError::Stopped`] if its effort ends.
pub fn relabel_within(
    rules: &[Rule],
    key: &GroupingKey,
    exposition: &mut Exposition<'_>,
    names: NameRule,
    memory: &Meter<'_>,
) -> Result<Relabelled, RelabelError> {
    let mut relabelled = Relabelled::default();
    if rules.is_empty() {
        return Ok(relabelled);
    }
    let group: Vec<(&str, &str)> = key.labels().collect();
    let mut families = std::mem::take(&mut exposition.families);
    let mut moved = Vec::new();
    for (at, family) in families.iter_mut().enumerate() {
        let before = family.metrics.capacity() * size_of::<Metric>();
        for mut metric in std::mem::take(&mut family.metrics) {
            match run(rules, names, &group, exposition, family, &metric, memory.effort())? {
                Outcome::Unchanged => memory.push(&mut family.metrics, metric)?,
                Outcome::Dropped => relabelled.dropped += 1,
                Outcome::Changed(changed) => {
                    let name = exposition.text(family.name);
                    check(&changed, name, names)?;
                    let is_renamed = changed.family != name;
                    metric.labels = add_labels(exposition, &changed.labels, memory)?;
                    if is_renamed {
                        memory.take(changed.family.len())?;
                        memory.push(&mut moved, (at, changed.family, metric))?;
                    } else {
                        memory.push(&mut family.metrics, metric)?;
                    }
                }
            }
        }
        memory.give_back(before);
    }
    settle(exposition, &mut families, moved, memory)?;
    families.retain(|family| !family.metrics.is_empty());
    exposition.families = families;
    Ok(relabelled)
}

/// Puts metrics with a new name into the family of that name, which is made if it is not there: with the help and
/// unit of the one they come from. The second item is the name, the first the index of the family they come from.
fn settle(
    exposition: &mut Exposition<'_>,
    families: &mut Vec<Family>,
    moved: Vec<(usize, String, Metric)>,
    memory: &Meter<'_>,
) -> Result<(), RelabelError> {
    if moved.is_empty() {
        return Ok(());
    }
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for (at, family) in families.iter().enumerate() {
        // A family that everything has left does not decide on the type.
        if !family.metrics.is_empty() {
            by_name
                .entry(exposition.text(family.name).to_owned())
                .or_insert(at);
        }
    }
    for (from, name, metric) in moved {
        let Some(source) = families.get(from) else {
            continue;
        };
        let (help, unit, metric_type) = (source.help, source.unit, source.metric_type);
        let to = if let Some(&to) = by_name.get(&name) {
            to
        } else {
            let family = Family {
                name: exposition.intern_within(&name, memory)?,
                help,
                unit,
                metric_type,
                metrics: Vec::new(),
            };
            // Its name stands in the table of names too.
            memory.take(2 * name.len())?;
            memory.push(families, family)?;
            by_name.insert(name.clone(), families.len() - 1);
            families.len() - 1
        };
        let Some(target) = families.get_mut(to) else {
            continue;
        };
        if target.metric_type != metric_type {
            return Err(RelabelError::Type {
                family: name,
                first: target.metric_type,
                second: metric_type,
            });
        }
        memory.push(&mut target.metrics, metric)?;
    }
    Ok(())
}

/// What the rules say of one metric.
enum Outcome {
    Unchanged,
    Dropped,
    Changed(Changed),
}

fn run(
    rules: &[Rule],
    names: NameRule,
    group: &[(&str, &str)],
    exposition: &Exposition<'_>,
    family: &Family,
    metric: &Metric,
    effort: Option<&Effort>,
) -> Result<Outcome, Stopped> {
    let name = exposition.text(family.name);
    let Some(mut labels) = Labels::new(group, name, exposition.labels(metric.labels)) else {
        return Ok(Outcome::Unchanged);
    };
    let stays = match effort {
        None => rules.iter().all(|rule| rule.run(&mut labels, names)),
        Some(effort) => run_within(rules, &mut labels, names, effort)?,
    };
    if !stays {
        return Ok(Outcome::Dropped);
    }
    Ok(labels.into_changed().map_or(Outcome::Unchanged, Outcome::Changed))
}

/// Runs the rules, each when it has been paid for; whether the metric stays.
fn run_within(
    rules: &[Rule],
    labels: &mut Labels<'_>,
    names: NameRule,
    effort: &Effort,
) -> Result<bool, Stopped> {
    for rule in rules {
        effort.spend(rule.steps(labels))?;
        if !rule.run(labels, names) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn check(changed: &Changed, pushed: &str, names: NameRule) -> Result<(), RelabelError> {
    if !names.allows_metric_name(&changed.family) {
        return Err(RelabelError::MetricName {
            pushed: pushed.to_owned(),
            found: changed.family.clone(),
        });
    }
    let improper = changed
        .labels
        .iter()
        .find(|(name, _)| !names.allows_label_name(name));
    improper.map_or(Ok(()), |(name, _)| {
        Err(RelabelError::LabelName {
            family: changed.family.clone(),
            found: name.clone(),
        })
    })
}

fn add_labels(
    exposition: &mut Exposition<'_>,
    labels: &[(String, String)],
    memory: &Meter<'_>,
) -> Result<Run, TooLarge> {
    let start = exposition.labels.len();
    for (name, value) in labels {
        let label = Label {
            name: exposition.intern_within(name, memory)?,
            value: exposition.intern_within(value, memory)?,
        };
        memory.push(&mut exposition.labels, label)?;
    }
    Run::new(start, exposition.labels.len())
}

impl Rule {
    /// What it costs to run it over these labels.
    fn steps(&self, labels: &Labels<'_>) -> u64 {
        let bytes = match self.action {
            Action::LabelMap | Action::LabelDrop | Action::LabelKeep => {
                labels.iter().map(|(name, _)| name.len() + 1).sum::<usize>()
            }
            _ => {
                let source = self.source_labels.iter();
                source
                    .map(|name| labels.get(name).len() + self.separator.len())
                    .sum()
            }
        } as u64;
        let at_the_worst = bytes.saturating_mul(self.parts);
        let of_parts = if at_the_worst > MOST_UNPAID {
            at_the_worst.saturating_mul(PART_STEPS)
        } else {
            0
        };
        (RULE_STEPS + BYTE_STEPS * bytes).saturating_add(of_parts)
    }

    /// Runs the rule; whether the metric stays.
    fn run(&self, labels: &mut Labels<'_>, names: NameRule) -> bool {
        match self.action {
            Action::Replace => self.replace(labels, names),
            Action::Keep => return self.regex.is_match(&self.source(labels)),
            Action::Drop => return !self.regex.is_match(&self.source(labels)),
            Action::KeepEqual => return labels.get(&self.target_label) == self.source(labels),
            Action::DropEqual => return labels.get(&self.target_label) != self.source(labels),
            Action::HashMod => {
                let hash = hash(&self.source(labels));
                // A rule of this action has a modulus above 0.
                let shard = hash.checked_rem(self.modulus).unwrap_or(0);
                labels.set(self.target_label.clone(), shard.to_string());
            }
            Action::LabelMap => self.map(labels),
            Action::LabelDrop => labels.retain(|name| !self.regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name| self.regex.is_match(name)),
            Action::Lowercase => labels.set(self.target_label.clone(), self.source(labels).to_lowercase()),
            Action::Uppercase => labels.set(self.target_label.clone(), self.source(labels).to_uppercase()),
        }
        true
    }

    /// The values of the source labels with the separator between them.
    fn source(&self, labels: &Labels<'_>) -> String {
        let values: Vec<&str> = self.source_labels.iter().map(|name| labels.get(name)).collect();
        values.join(&self.separator)
    }

    fn replace(&self, labels: &mut Labels<'_>, names: NameRule) {
        let source = self.source(labels);
        let Some(captures) = self.regex.captures(&source) else {
            return;
        };
        let target = expand(&captures, &self.target_label);
        // Variables may make something that is no name; Prometheus does nothing then.
        if names.allows_label_name(&target) {
            labels.set(target, expand(&captures, &self.replacement));
        }
    }

    fn map(&self, labels: &mut Labels<'_>) {
        let mapped: Vec<(String, String)> = labels
            .iter()
            .filter_map(|(name, value)| {
                let captures = self.regex.captures(name)?;
                Some((expand(&captures, &self.replacement), value.to_owned()))
            })
            .collect();
        for (name, value) in mapped {
            labels.set(name, value);
        }
    }
}

fn expand(captures: &Captures<'_>, template: &str) -> String {
    let mut expanded = String::new();
    captures.expand(template, &mut expanded);
    expanded
}

/// The second half of the MD5 sum as a big-endian number, so that shards are those that Prometheus would take.
fn hash(text: &str) -> u64 {
    let Digest(sum) = md5::compute(text);
    let [_, _, _, _, _, _, _, _, half @ ..] = sum;
    u64::from_be_bytes(half)
}

#[cfg(test)]
mod tests;
