//! Taking away groups whose time is over.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use wharf_gateway::Gateway;
use wharf_gateway::{Part, Parts, Started};

/// How often groups are looked for whose time is over. That is within a second of it, as promised, with room to spare; and there
/// is one line in the log each time that something expires.
const PAUSE: Duration = Duration::from_millis(250);

/// Starts it, on a thread apart from the storage's, which is busy for as long as a checkpoint takes.
pub(crate) fn start(parts: &mut Parts, gateway: Arc<Gateway>, storage: Started) -> io::Result<Started> {
    parts.thread(Part::new("expiry").after(storage), move |life| {
        life.ready();
        while life.turn(PAUSE) {
            gateway.expire();
        }
        Ok(())
    })
}
