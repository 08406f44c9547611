//! One exposition of several groups, taken apart.

use std::collections::{HashMap, HashSet};

use thiserror::Error;
use wharf_model::{Denied, Exposition, Family, GroupingKey, GroupingKeyError, Meter, Metric, TooLarge};

use crate::inconsistency::{describe_labels, short};

/// Why an exposition cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The labels of a series make no grouping key.
    #[error("metric `{family}` {series}: {error}")]
    Key {
        /// The name of the family.
        family: String,
        /// The labels of the series.
        series: String,
        /// What is wrong with the key.
        error: GroupingKeyError,
    },
    /// There are more groups than one request may have.
    #[error("expected at most {limit} groups in one push, found more")]
    TooManyGroups {
        /// How many it may have.
        limit: usize,
    },
    /// The groups take more memory than there is, or the strings of one of them 2 GiB.
    #[error("{0}")]
    TooLarge(TooLarge),
}

/// Takes an exposition apart into one for each group. The labels of the given names that a series has are those of
/// its group; a label that it does not have, or that is empty, is none of its group's.
///
/// Groups come in the order of their first series. Families without series are in no group.
///
/// # Errors
/// If the labels of a series make no grouping key, for instance because there is no `job` among them; or if there
/// are more than `max_groups`.
pub fn split(
    exposition: &Exposition<'_>,
    labels: &[&str],
    max_groups: usize,
    memory: &Meter<'_>,
) -> Result<Vec<(GroupingKey, Exposition<'static>)>, SplitError> {
    let labels: HashSet<&str> = labels.iter().copied().collect();
    let mut groups: Vec<Part> = Vec::new();
    let mut positions: HashMap<GroupingKey, usize> = HashMap::new();
    for (source, family) in exposition.families.iter().enumerate() {
        for metric in &family.metrics {
            let key = key_of(exposition, family, metric, &labels)?;
            let position = match positions.get(&key) {
                Some(position) => *position,
                None if groups.len() == max_groups => {
                    return Err(SplitError::TooManyGroups { limit: max_groups });
                }
                None => {
                    memory.take(group_bytes(&key)).map_err(too_large)?;
                    groups.push(Part::new(key.clone()));
                    positions.insert(key, groups.len() - 1);
                    groups.len() - 1
                }
            };
            if let Some(group) = groups.get_mut(position) {
                group
                    .add(exposition, (source, family), metric, memory)
                    .map_err(SplitError::TooLarge)?;
            }
        }
    }
    Ok(groups
        .into_iter()
        .map(|group| (group.key, group.exposition))
        .collect())
}

/// What a group takes beside what it holds: its key twice, and its places in lists and tables that double.
fn group_bytes(key: &GroupingKey) -> usize {
    2 * (key.as_bytes().len() + 3 * size_of::<Part>())
}

fn too_large(denied: Denied) -> SplitError {
    SplitError::TooLarge(denied.into())
}

fn key_of(
    exposition: &Exposition<'_>,
    family: &Family,
    metric: &Metric,
    labels: &HashSet<&str>,
) -> Result<GroupingKey, SplitError> {
    let of_group = exposition
        .labels(metric.labels)
        .filter(|(name, value)| !value.is_empty() && labels.contains(name));
    GroupingKey::new(of_group).map_err(|error| SplitError::Key {
        family: short(exposition.text(family.name)),
        series: describe_labels(&exposition.labels(metric.labels).collect::<Vec<_>>()),
        error,
    })
}

/// One group in the making.
struct Part {
    key: GroupingKey,
    exposition: Exposition<'static>,
    /// Which family of the source the last one of the exposition is.
    source: Option<usize>,
}

impl Part {
    fn new(key: GroupingKey) -> Self {
        Self {
            key,
            exposition: Exposition::default(),
            source: None,
        }
    }

    fn add(
        &mut self,
        from: &Exposition<'_>,
        (source, family): (usize, &Family),
        metric: &Metric,
        memory: &Meter<'_>,
    ) -> Result<(), TooLarge> {
        let exposition = &mut self.exposition;
        if self.source != Some(source) {
            let head = exposition.adopt_head_within(from, family, memory)?;
            memory.push(&mut exposition.families, head)?;
            self.source = Some(source);
        }
        let metric = exposition.adopt_within(from, metric, memory)?;
        if let Some(family) = exposition.families.last_mut() {
            memory.push(&mut family.metrics, metric)?;
        }
        Ok(())
    }
}
