//! Sending traces of requests to where somebody looks at them.

pub(crate) mod otlp;
mod protobuf;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use wharf_gateway::{Gateway, Part, Parts, Started, TraceSender};

/// How often those are sent that wait.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the end of the process waits for the last ones.
const LAST: Duration = Duration::from_secs(5);
/// And how much longer it may take to notice.
const SLACK: Duration = Duration::from_secs(65);

/// Starts it, on a thread that may wait for a receiver. It ends after whatever is started later.
pub(crate) fn start(parts: &mut Parts, gateway: Arc<Gateway>) -> io::Result<Started> {
    let part = Part::new("traces").ends_within(LAST + SLACK);
    parts.thread(part, move |life| {
        life.ready();
        let mut sender = TraceSender::new(gateway);
        while life.turn(PAUSE) {
            sender.turn();
        }
        sender.finish(LAST);
        Ok(())
    })
}
