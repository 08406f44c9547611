//! Keeping text that nobody changes in its compressed form alone.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use wharf_gateway::{Gateway, Part, Parts, Started};

use crate::freed;

/// How often all leaves are looked at. Those that were not changed since the fourth look before this, about a minute ago, become
/// cold: groups that are pushed every few minutes have neighbours, so their leaves are changed more often than that.
const PAUSE: Duration = Duration::from_secs(15);

/// Starts it, on a thread of its own: to compress what a large push has brought takes seconds. Threads of `runtime` are asked
/// to give back what was freed.
pub(crate) fn start(
    parts: &mut Parts,
    gateway: Arc<Gateway>,
    storage: Started,
    runtime: Handle,
) -> io::Result<Started> {
    parts.thread(Part::new("cooling").after(storage), move |life| {
        life.ready();
        while life.turn(PAUSE) {
            gateway.store().cool();
            freed::ask_for(&runtime);
        }
        Ok(())
    })
}
