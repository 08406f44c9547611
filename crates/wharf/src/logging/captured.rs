//! Log lines of a test.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::settings::Log;
use super::subscriber;

/// A place to write lines to.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What this thread logs meanwhile, always at the same time.
pub(crate) fn captured(log: Log, work: impl FnOnce()) -> String {
    let sink = Sink::default();
    let writer = sink.clone();
    let clock = || SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
    let subscriber = subscriber(log, clock, move || writer.clone());
    tracing::subscriber::with_default(subscriber, work);
    let bytes = sink.lock().clone();
    String::from_utf8(bytes).unwrap()
}
