//! Importing what the Pushgateway has left: its state file.
//!
//! Beside the file itself and what it comes to in the store, one group at a time takes memory, as much as a push may.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use wharf_exposition::protobuf;
use wharf_model::{Denied, Meter};
use wharf_store::{PushError, Store};

use crate::state_file;

/// What stands before a message says its length in so many bytes at most.
const MAX_LENGTH_BYTES: usize = 10;

/// Reads a state file of the Pushgateway into the store, and writes a checkpoint, so that it is read only once.
///
/// A group that takes more than `max_group_bytes` of memory until it is stored is left out, as one is that does not fit to
/// the others.
pub(super) fn import(file: &Path, store: &Store, max_group_bytes: Option<u64>) -> anyhow::Result<()> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| how_to_go_on(file)),
    };
    let imported = state_file::read(&bytes).with_context(|| how_to_go_on(file))?;
    let mut left_out = imported.skipped.len() + imported.more_skipped;
    for skipped in &imported.skipped {
        tracing::warn!(file = %file.display(), what = %skipped, "left out of the import");
    }
    if imported.more_skipped > 0 {
        let more = imported.more_skipped;
        tracing::warn!(file = %file.display(), more, "left out of the import; the others are not listed");
    }
    let max_group_bytes = max_group_bytes.and_then(|bytes| usize::try_from(bytes).ok());
    for group in &imported.groups {
        let memory = Meter::up_to(max_group_bytes.unwrap_or(usize::MAX));
        if let Err(error) = import_group(group, store, &memory) {
            left_out += 1;
            tracing::warn!(file = %file.display(), group = %group.key, err = format!("{error:#}"), "left out of the import");
        }
    }
    store.checkpoint(false).context("write what was imported")?;
    let totals = store.totals();
    tracing::info!(file = %file.display(), groups = totals.groups, series = totals.series, left_out, "state file of the Pushgateway imported; it is left as it is");
    Ok(())
}

fn how_to_go_on(file: &Path) -> String {
    format!(
        "import the state file {file}: to start without what is in it, move it away; it has not been changed",
        file = file.display()
    )
}

fn import_group(group: &state_file::Group<'_>, store: &Store, memory: &Meter<'_>) -> anyhow::Result<()> {
    let body = body_of(group, memory).map_err(too_large)?;
    let exposition = protobuf::decode_within(&body, memory).map_err(|error| match error.denied() {
        Some(denied) => too_large(denied),
        None => anyhow!("{error}"),
    })?;
    let newest = group
        .families
        .iter()
        .map(|family| family.pushed_at)
        .max()
        .unwrap_or_default();
    let pushed_at = |name: &str| {
        let family = group.families.iter().find(|family| family.name == name);
        family.map_or(newest, |family| family.pushed_at)
    };
    let stored = store.import(&group.key, &exposition, pushed_at, memory);
    stored.map_err(|error| match error {
        PushError::Memory(denied) => too_large(denied),
        error => error.into(),
    })
}

fn too_large(denied: Denied) -> anyhow::Error {
    anyhow!("{denied}\nhint: raise --push.max-decoded-bytes, and bring the group over by `wharf import FILE`")
}

/// The families as a push would have them.
fn body_of(group: &state_file::Group<'_>, memory: &Meter<'_>) -> Result<Vec<u8>, Denied> {
    let mut body = Vec::new();
    for family in &group.families {
        memory.reserve(&mut body, MAX_LENGTH_BYTES + family.message.len())?;
        protobuf::write_length(&mut body, family.message.len());
        body.extend_from_slice(family.message);
    }
    Ok(body)
}
