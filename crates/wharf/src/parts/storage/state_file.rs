//! Importing what the Pushgateway has left: its state file.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use wharf_exposition::protobuf;
use wharf_store::Store;

use crate::import;

/// Reads a state file of the Pushgateway into the store, and writes a checkpoint, so that it is read only once.
pub(super) fn import(file: &Path, store: &Store) -> anyhow::Result<()> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| how_to_go_on(file)),
    };
    let imported = import::read(&bytes).with_context(|| how_to_go_on(file))?;
    let mut left_out = imported.skipped.len();
    for skipped in &imported.skipped {
        tracing::warn!(file = %file.display(), what = %skipped, "left out of the import");
    }
    for group in &imported.groups {
        if let Err(error) = import_group(group, store) {
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

fn import_group(group: &import::ImportedGroup, store: &Store) -> anyhow::Result<()> {
    let mut body = Vec::new();
    for family in &group.families {
        protobuf::write_length(&mut body, family.message.len());
        body.extend_from_slice(&family.message);
    }
    let exposition = protobuf::decode(&body).map_err(|error| anyhow!("{error}"))?;
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
    store.import(&group.key, &exposition, pushed_at)?;
    Ok(())
}
