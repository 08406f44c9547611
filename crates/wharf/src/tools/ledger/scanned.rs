//! What reading a folder has come to: its groups, and in words.

use anyhow::anyhow;
use wharf_ledger::{OpenError, RealDisk, Recovery, Sequence};
use wharf_store::{Reserved, Store};

/// All groups of the folder, which may be in use: as they were after a record, or as they are, without one.
pub(super) fn load(disk: &RealDisk, last: Option<Sequence>) -> Result<(Store, Recovery), OpenError> {
    wharf_ledger::until_not_overtaken(|| {
        // Nothing is pushed to it, so it needs neither limits nor families of a gateway.
        let store = Store::new(Reserved::default(), usize::MAX);
        let recovery = wharf_ledger::scan(disk, &mut |found| {
            if found.checkpoint || last.is_none_or(|last| found.sequence <= last) {
                store.replay(found.record)?;
            }
            Ok(())
        })?;
        Ok((store, recovery))
    })
}

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
