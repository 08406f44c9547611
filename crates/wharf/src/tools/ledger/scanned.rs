//! What reading a folder has come to, in words.

use anyhow::anyhow;
use wharf_ledger::{OpenError, Recovery};

/// How much there was to read.
pub(super) fn describe(recovery: &Recovery) -> String {
    let torn = recovery.torn.as_ref().map(|torn| {
        format!(
            "; cut at byte {} of {}, where a write was never acknowledged",
            torn.offset, torn.file
        )
    });
    format!(
        "{} records in the checkpoint, {} after it, the last one is number {}{}",
        recovery.checkpoint_records,
        recovery.log_records,
        recovery.last,
        torn.unwrap_or_default()
    )
}

/// The error of a scan whose results have been printed as they came.
pub(super) fn overtaken(error: OpenError, has_begun: bool) -> anyhow::Error {
    // What is printed is printed: another attempt would say it twice.
    if has_begun && wharf_ledger::is_overtaken(&error) {
        return anyhow!(
            "{error}\nhint: if Wharf uses the folder, a checkpoint may have overtaken this; run it again, or look at a copy made by \
             `wharf ledger backup`"
        );
    }
    error.into()
}
