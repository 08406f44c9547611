//! Groups that an answer names.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Deserialize;

use super::super::{output, remote};

/// Groups of one kind that are shown.
const SHOWN: usize = 20;

/// Labels of a group.
pub(super) type Labels = BTreeMap<String, String>;

/// How many groups there are of a kind, and the first of them.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) count: u64,
    pub(super) groups: Vec<Labels>,
}

/// Writes the first of so many groups, a line each, with what is to be said of them.
pub(super) fn write_groups<'a>(
    out: &mut dyn Write,
    groups: impl Iterator<Item = (&'a Labels, Option<&'a str>)>,
    count: u64,
) -> io::Result<()> {
    let mut left = count;
    for (labels, text) in groups.take(SHOWN) {
        let shown = output::clean(&remote::shown(labels));
        // The first line says it; what follows is advice for pushes.
        let text = text.and_then(|text| text.lines().next()).map(output::clean);
        let text = text.map(|text| format!(": {text}")).unwrap_or_default();
        writeln!(out, "  {shown}{text}")?;
        left = left.saturating_sub(1);
    }
    if left > 0 {
        writeln!(out, "  ... and {left} more")?;
    }
    Ok(())
}

/// How many groups.
pub(super) fn groups_of(count: u64) -> String {
    output::counted(count, "group", "groups")
}
