//! The folder that is looked into.

use std::path::Path;

use anyhow::{Context as _, bail};
use wharf_ledger::RealDisk;

/// The folder, which must be there: looking must not make one.
pub(super) fn open(folder: &Path) -> anyhow::Result<RealDisk> {
    if !folder.is_dir() {
        bail!(
            "expected a folder, found nothing of that kind at `{}`",
            folder.display()
        );
    }
    RealDisk::new(folder).with_context(|| format!("open {}", folder.display()))
}
