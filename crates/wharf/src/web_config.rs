//! The web config file: TLS, users, headers and a rate limit, in the format of Prometheus' exporters.
//!
//! The file, and the certificates and keys that it names, may change at any time. Whoever asks for the settings in
//! force causes a look at them, a few times a second at most; what they say is compared, not when they were written.
//! A file that cannot be read any more leaves no settings in force: requests are answered with 500, as the
//! original does, rather than with what somebody has just tried to change.

mod document;
mod inputs;
mod settings;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::bail;
use wharf_http::{Access, AccessSource, Fixed, Front};

use self::document::Problem;
use self::inputs::Inputs;

/// How long what was read counts as what is there.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A web config file, watched.
#[derive(Debug)]
struct WebConfig {
    path: PathBuf,
    fixed: Fixed,
    in_force: RwLock<Option<Arc<Access>>>,
    watch: Mutex<Watch>,
}

#[derive(Debug)]
struct Watch {
    inputs: Inputs,
    next_look: Instant,
}

/// What a file says.
#[derive(Debug)]
struct Loaded {
    /// None if the file as a whole is of no use.
    access: Option<(Access, Fixed)>,
    /// What is wrong with it, or with a part that others can do without.
    problems: Vec<Problem>,
    /// What is not as its author may think.
    warnings: Vec<String>,
}

/// Reads a web config file. The result stands before the gateway and follows the file.
///
/// # Errors
/// Everything that is wrong with the file or with those it names.
pub fn open(path: &Path) -> anyhow::Result<(Front, Fixed)> {
    let mut inputs = Inputs::default();
    let loaded = settings::load(path, &mut inputs);
    loaded.warn();
    let Some((access, fixed)) = loaded.access.filter(|_| loaded.problems.is_empty()) else {
        let problems: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
        bail!("{}", problems.join("\n"));
    };
    if let Some(limit) = fixed.rate_limit {
        let (burst, interval) = (limit.burst, crate::config::FlagDuration::from(limit.interval));
        tracing::info!(burst, %interval, "Rate Limiter is enabled.");
    }
    let config = WebConfig {
        path: path.to_owned(),
        fixed,
        in_force: RwLock::new(Some(Arc::new(access))),
        watch: Mutex::new(Watch {
            inputs,
            next_look: Instant::now() + LOOK_EVERY,
        }),
    };
    Ok((Front::new(Box::new(config), fixed), fixed))
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
        let in_force = self.in_force.read().unwrap_or_else(PoisonError::into_inner);
        in_force.clone()
    }
}

impl WebConfig {
    fn look(&self, watch: &mut Watch) {
        if !watch.inputs.have_changed() {
            return;
        }
        let mut inputs = Inputs::default();
        let loaded = settings::load(&self.path, &mut inputs);
        watch.inputs = inputs;
        loaded.warn();
        for problem in &loaded.problems {
            tracing::error!(err = %problem, "Unable to parse configuration");
        }
        let access = loaded.access.map(|(access, fixed)| {
            if fixed != self.fixed {
                tracing::warn!(
                    file = %self.path.display(),
                    "turning TLS or HTTP/2 on or off and changing the rate limit need a restart"
                );
            }
            tracing::info!(file = %self.path.display(), "web config file read again");
            Arc::new(access)
        });
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = access;
    }
}

impl Loaded {
    fn warn(&self) {
        for warning in &self.warnings {
            tracing::warn!(warning, "odd setting in the web config file");
        }
    }
}
