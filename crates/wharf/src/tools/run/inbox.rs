//! Metrics from the job itself: a file that it writes, and a URL that it pushes to.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use rustix::fs::OFlags;
use tempfile::TempDir;

use super::listener::{self, MAX_BYTES};
use crate::encoding;
use crate::text_format::looks_like_openmetrics;
use crate::tools::families::{Families, Format};
use crate::tools::voice::Voice;

/// The variable that names the file.
const FILE: &str = "WHARF_METRICS_FILE";

/// The variable that has the URL.
const URL: &str = "WHARF_PUSH_URL";

/// Where a job can leave metrics.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Private, and removed with what is in it.
    folder: Option<TempDir>,
    url: Option<String>,
    /// What came over the URL.
    pushed: Arc<Mutex<Families>>,
}

impl Inbox {
    /// Opens both ways. One that cannot be opened is missing, for the job is more important.
    pub(super) fn open(voice: Voice) -> Self {
        let folder = tempfile::Builder::new().prefix("wharf-run-").tempdir();
        let folder = folder
            .inspect_err(|error| voice.warn(format_args!("no {FILE}: {error}")))
            .ok();
        let pushed = Arc::new(Mutex::new(Families::default()));
        let url = listener::start(Arc::clone(&pushed))
            .inspect_err(|error| voice.warn(format_args!("no {URL}: {error}")))
            .ok();
        Self { folder, url, pushed }
    }

    fn file(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.path().join("metrics.prom"))
    }

    /// The variables that tell the job.
    pub(super) fn variables(&self) -> Vec<(&'static str, OsString)> {
        let file = self.file().map(|file| (FILE, file.into_os_string()));
        let url = self.url.as_ref().map(|url| (URL, OsString::from(url)));
        file.into_iter().chain(url).collect()
    }

    /// What has come over the URL so far.
    pub(super) fn pushed(&self) -> Arc<Mutex<Families>> {
        Arc::clone(&self.pushed)
    }

    /// What the job has left: the file goes before the URL. Nothing if it left nothing.
    ///
    /// # Errors
    /// If the file cannot be used; what came over the URL is beside the error.
    pub(super) fn read(&self) -> (Families, anyhow::Result<()>) {
        let mut families = snapshot(&self.pushed);
        let file = self.read_file().map(|found| families.replace_by(found));
        (families, file)
    }

    fn read_file(&self) -> anyhow::Result<Families> {
        let Some(path) = self.file() else {
            return Ok(Families::default());
        };
        let name = format!("${FILE}");
        // A pipe that somebody has put there must not make us wait for its other end.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(&path);
        let file = match file {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Families::default()),
            file => file.with_context(|| name.clone())?,
        };
        if !file.metadata().with_context(|| name.clone())?.is_file() {
            bail!("{name}: expected a file, found something else");
        }
        let mut text = Vec::new();
        file.take(MAX_BYTES as u64 + 1)
            .read_to_end(&mut text)
            .with_context(|| name.clone())?;
        if text.len() > MAX_BYTES {
            bail!("{name}: expected at most {MAX_BYTES} bytes, found more");
        }
        let text = encoding::to_utf8(&text).with_context(|| name.clone())?;
        let (format, text) = if looks_like_openmetrics(&text) {
            (Format::OpenMetrics, encoding::with_line_feeds(text))
        } else {
            (Format::Text, text)
        };
        Families::read(&text, format).context(name)
    }
}

/// What is there now.
pub(super) fn snapshot(families: &Mutex<Families>) -> Families {
    families.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
