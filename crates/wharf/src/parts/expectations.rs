//! Finding out which groups are overdue.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use wharf_gateway::{Gateway, Part, Parts, Started};

/// After this time at the latest it is known what has changed, and what is overdue: well within a second.
const AT_MOST: Duration = Duration::from_millis(250);

/// Starts it, on a thread that waits for nothing else.
pub(crate) fn start(parts: &mut Parts, gateway: Arc<Gateway>, storage: Started) -> io::Result<Started> {
    parts.thread(Part::new("expectations").after(storage), move |life| {
        // The first look is at all groups, so that the first scrape has what is overdue.
        gateway.look_at_expectations();
        life.ready();
        while life.turn(Duration::ZERO) {
            gateway.watch_expectations(AT_MOST);
        }
        Ok(())
    })
}
