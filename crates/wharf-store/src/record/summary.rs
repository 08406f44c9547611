//! What records do, in numbers: for people who look for the one before which all was well.

use wharf_model::GroupingKey;

use super::{RecordError, decode};
use crate::change::Change;
use crate::prepare::Preparer;
use crate::{Reserved, UnixNanos, is_standing};

/// What a change of a record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RecordKind {
    /// A group, or families of it, were put: a push, a refused push that moved a time, an import.
    Put,
    /// A group was deleted, or its time was over.
    Delete,
    /// Families of a group were deleted, or their time was over.
    DeleteFamilies,
    /// All groups were wiped.
    Wipe,
}

/// One change of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordChange {
    /// What it does.
    pub kind: RecordKind,
    /// The group; none: all of them.
    pub key: Option<GroupingKey>,
    /// Families that it puts or deletes, the two times aside.
    pub families: usize,
    /// Series that it puts, the two times aside.
    pub series: usize,
    /// When what it puts was pushed or refused, the latest of the times that it has. Deletes and wipes have none.
    pub time: Option<UnixNanos>,
}

/// What a record does, change by change.
///
/// # Errors
/// [`RecordError`] if it is no record, or one of a later version.
pub fn record_changes(record: &[u8]) -> Result<Vec<RecordChange>, RecordError> {
    let preparer = Preparer::new(Reserved::default(), usize::MAX);
    let changes = decode(record, &preparer)?;
    Ok(changes.iter().flat_map(summary).collect())
}

fn summary(change: &Change<'_>) -> Vec<RecordChange> {
    let without_contents = |kind, keys: &[GroupingKey], families| {
        let change = |key: &GroupingKey| RecordChange {
            kind,
            key: Some(key.clone()),
            families,
            series: 0,
            time: None,
        };
        keys.iter().map(change).collect()
    };
    match change {
        Change::Wipe => vec![RecordChange {
            kind: RecordKind::Wipe,
            key: None,
            families: 0,
            series: 0,
            time: None,
        }],
        Change::Delete { keys, .. } => without_contents(RecordKind::Delete, keys, 0),
        Change::DeleteFamilies { keys, names, .. } => {
            without_contents(RecordKind::DeleteFamilies, keys, names.len())
        }
        Change::Put { key, prepared, .. } => {
            let contents = || prepared.parts().filter(|family| !is_standing(family.name));
            let lines = contents().map(|family| memchr::memchr_iter(b'\n', family.text).count());
            vec![RecordChange {
                kind: RecordKind::Put,
                key: Some(key.as_ref().clone()),
                families: contents().count(),
                series: lines.sum(),
                time: prepared.parts().map(|family| family.pushed_at).max(),
            }]
        }
    }
}
