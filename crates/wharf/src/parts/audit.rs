//! Keeping the audit list beside the groups.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wharf_gateway::Gateway;
use wharf_gateway::{Part, Parts, Started};

/// How often it is written. What is rare is written at once.
const PAUSE: Duration = Duration::from_millis(250);

/// Starts it, on a thread that may wait for the disk. `folder` has the folder of the groups, once the storage is ready and if
/// there is one.
pub(crate) fn start(
    parts: &mut Parts,
    gateway: Arc<Gateway>,
    storage: Started,
    folder: Arc<OnceLock<PathBuf>>,
) -> io::Result<Started> {
    parts.thread(Part::new("audit").after(storage), move |life| {
        // Nobody waits for it: what is done while it is read is added to what it has.
        life.ready();
        if let Some(folder) = folder.get() {
            gateway.open_audit(folder);
        }
        while life.turn(PAUSE) {
            gateway.save_audit();
        }
        gateway.save_audit();
        Ok(())
    })
}
