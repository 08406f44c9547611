//! Telling those who follow events what has changed, and taking down each second how much there is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use wharf_gateway::Gateway;
use wharf_gateway::{Part, Parts, Started};

/// How often readers are told of changes.
const PAUSE: Duration = Duration::from_millis(250);
/// How much there is, is taken down each so many times.
const MEASURED_TURNS: u32 = 4;

/// Starts it, on a thread that waits for no disk.
pub(crate) fn start(parts: &mut Parts, gateway: Arc<Gateway>, storage: Started) -> io::Result<Started> {
    parts.thread(Part::new("notices").after(storage), move |life| {
        life.ready();
        let mut turns = 0u32;
        while life.turn(PAUSE) {
            gateway.observe();
            if turns.is_multiple_of(MEASURED_TURNS) {
                gateway.measure();
            }
            turns = turns.wrapping_add(1);
        }
        Ok(())
    })
}
