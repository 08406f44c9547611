//! The gateway into which groups are imported, and what has become of them there.

use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use wharf_client::{Answer, Client, ClientError, Request, Retry};

/// Where groups go.
pub(super) struct Target {
    pub(super) client: Client,
    pub(super) retry: Retry,
    pub(super) overwrite: bool,
    pub(super) dry_run: bool,
    pub(super) tally: Mutex<Tally>,
}

/// What has become of the groups.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) groups: u64,
    pub(super) series: u64,
    pub(super) already_there: u64,
    /// Groups whose last push had failed at the source, which the target does not know.
    pub(super) failed_at_source: u64,
    /// What is not in the target now, and why.
    pub(super) left_out: Vec<(String, String)>,
    /// Why it had to stop.
    pub(super) stopped: Option<ClientError>,
}

impl Target {
    pub(super) fn send(&self, request: &Request) -> Result<Answer, ClientError> {
        let mut schedule = self.retry.start();
        loop {
            let error = match self.client.send(request) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match schedule.pause_after(&error) {
                Some(pause) => std::thread::sleep(pause),
                None => return Err(error),
            }
        }
    }

    pub(super) fn leave_out(&self, what: String, reason: String) {
        // If standard error is closed, the exit code says it alone.
        let _unwritten = writeln!(io::stderr(), "wharf import: left out: {what}: {reason}");
        self.tally().left_out.push((what, reason));
    }

    pub(super) fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
