//! Keeping the history of pushes beside the groups.

pub(crate) mod settings;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wharf_gateway::Gateway;
use wharf_gateway::{Part, Parts, Started};

/// How often it is written.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts it, on a thread that may take its time for reading and writing. `folder` has the folder of the groups, once the storage
/// is ready and if there is one.
pub(crate) fn start(
    parts: &mut Parts,
    gateway: Arc<Gateway>,
    storage: Started,
    folder: Arc<OnceLock<PathBuf>>,
) -> io::Result<Started> {
    parts.thread(Part::new("history").after(storage), move |life| {
        // Nobody waits for it: pushes that come while it is read are added to what it has.
        life.ready();
        if let Some(folder) = folder.get() {
            gateway.open_history(folder);
        }
        while life.turn(PAUSE) {
            gateway.save_history();
        }
        // What came after those who book changes have stopped.
        gateway.catch_up();
        gateway.save_history();
        Ok(())
    })
}
