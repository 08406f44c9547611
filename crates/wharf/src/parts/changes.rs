//! Booking what has changed in the store: histories, and notices for those who follow.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use wharf_gateway::{Gateway, Part, Parts, Started};

/// Changes are booked after this time at the latest, and earlier if there are many.
const AT_MOST: Duration = Duration::from_millis(250);

/// Starts it, on a thread that waits for nothing else.
pub(crate) fn start(parts: &mut Parts, gateway: Arc<Gateway>, storage: Started) -> io::Result<Started> {
    parts.thread(Part::new("changes").after(storage), move |life| {
        life.ready();
        while life.turn(Duration::ZERO) {
            gateway.catch_up_in_time(AT_MOST);
        }
        Ok(())
    })
}
