//! The web config file: TLS, users, headers and a rate limit, in the format of Prometheus' exporters.
//!
//! The file, and the certificates and keys that it names, may change at any time. Whoever asks for the settings in
//! force causes a look at them, a few times a second at most; what they say is compared, not when they were written.
//!
//! * A file that cannot be read any more leaves no settings in force: requests are answered with 500, as the
//!   original does, rather than with what somebody has just tried to change.
//! * What has become empty, or does not fit together, is most likely on its way: certificates, keys and authorities
//!   that cannot be used leave the last ones in force, and users do not go away unless the file says so.

mod document;
mod inputs;
mod loaded;
mod settings;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use anyhow::bail;
use wharf_gateway::Condition;
use wharf_http::tls::Tls;
use wharf_http::{Access, AccessControl, AccessSource, Fixed};
use wharf_store::{Clock, SystemClock, UnixNanos};

use self::document::Problem;
use self::inputs::Inputs;
use self::loaded::{Before, Loaded};

/// How long what was read counts as what is there.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A file that changes while it is read is read again, so many times at most.
const MAX_READS: usize = 3;

/// A web config file, watched.
#[derive(Debug)]
struct WebConfig {
    path: PathBuf,
    flag: String,
    fixed: Fixed,
    state: RwLock<State>,
    watch: Mutex<Watch>,
}

/// What is in force, and what of the file is not.
#[derive(Debug)]
struct State {
    access: Option<Arc<Access>>,
    problems: Vec<Problem>,
    read_at: UnixNanos,
}

#[derive(Debug)]
struct Watch {
    inputs: Inputs,
    next_look: Instant,
    /// What was in force last.
    last: Arc<Access>,
}

/// Reads the web config file that a flag names. The result stands before the gateway and follows the file.
///
/// # Errors
/// Everything that is wrong with the file or with those it names.
pub fn open(path: &Path, flag: &str) -> anyhow::Result<(AccessControl, Fixed)> {
    let (loaded, inputs) = load(path, None);
    // What is wrong stops the start, which says why.
    loaded.warn(&loaded.problems);
    let Some(access) = loaded.access.filter(|_| loaded.problems.is_empty()) else {
        let problems: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
        bail!("{}", problems.join("\n"));
    };
    let fixed = loaded.fixed;
    if let Some(limit) = fixed.rate_limit {
        let (burst, interval) = (limit.burst, wharf_settings::FlagDuration::from(limit.interval));
        tracing::info!(burst, %interval, "Rate Limiter is enabled.");
    }
    let config = WebConfig {
        path: path.to_owned(),
        flag: flag.to_owned(),
        fixed,
        watch: Mutex::new(Watch {
            inputs,
            next_look: Instant::now() + LOOK_EVERY,
            last: Arc::clone(&access),
        }),
        state: RwLock::new(State {
            access: Some(access),
            problems: Vec::new(),
            read_at: SystemClock.now(),
        }),
    };
    Ok((AccessControl::new(Box::new(config), fixed), fixed))
}

impl AccessSource for WebConfig {
    fn current(&self) -> Option<Arc<Access>> {
        // While one looks, the others go on with what was in force before.
        if let Ok(mut watch) = self.watch.try_lock()
            && Instant::now() >= watch.next_look
        {
            tokio::task::block_in_place(|| self.look(&mut watch));
            watch.next_look = Instant::now() + LOOK_EVERY;
        }
        self.state().access.clone()
    }

    fn condition(&self) -> Condition {
        let state = self.state();
        let tls = state.access.as_ref().and_then(|access| access.tls.as_ref());
        Condition {
            flag: self.flag.clone(),
            path: self.path.display().to_string(),
            users: state.access.as_ref().map(|access| access.users.len()),
            certificate_expiry_seconds: tls.map(Tls::expiry_seconds),
            read_at: state.read_at,
            problems: state.problems.iter().map(ToString::to_string).collect(),
        }
    }
}

impl WebConfig {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, watch: &mut Watch) {
        if !watch.inputs.have_changed() {
            return;
        }
        let before = Before {
            access: &watch.last,
            fixed: self.fixed,
        };
        let (loaded, inputs) = load(&self.path, Some(before));
        watch.inputs = inputs;
        loaded.warn(&self.state().problems);
        if loaded.problems.is_empty() {
            let users = loaded.access.as_ref().map_or(0, |access| access.users.len());
            tracing::info!(file = %self.path.display(), users, "web config file read again");
        }
        if let Some(access) = &loaded.access {
            watch.last = Arc::clone(access);
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State {
            access: loaded.access,
            problems: loaded.problems,
            read_at: SystemClock.now(),
        };
    }
}

/// Reads a file and those it names, until they hold still: some of them may just be replaced, one after the other.
fn load(path: &Path, before: Option<Before<'_>>) -> (Loaded, Inputs) {
    let mut reads = 1;
    loop {
        let mut inputs = Inputs::default();
        let loaded = settings::load(path, &mut inputs, before);
        if loaded.problems.is_empty() || reads == MAX_READS || !inputs.have_changed() {
            return (loaded, inputs);
        }
        reads += 1;
    }
}
