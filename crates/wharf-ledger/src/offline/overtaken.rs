//! Reading a ledger while a gateway writes it.
//!
//! Each checkpoint takes files away, or begins them anew. Whoever was about to read them finds nothing, or a gap.

use std::io;

use crate::OpenError;

/// How often to begin anew. Checkpoints are rare: what fails so often is damaged.
const ATTEMPTS: usize = 10;

/// Reads again, from the start, as long as a checkpoint seems to have overtaken the reading.
///
/// # Errors
/// Those of the last attempt.
pub fn until_not_overtaken<T>(mut read: impl FnMut() -> Result<T, OpenError>) -> Result<T, OpenError> {
    for _ in 1..ATTEMPTS {
        match read() {
            Err(error) if is_overtaken(&error) => {}
            outcome => return outcome,
        }
    }
    read()
}

/// Whether files that went away or were begun anew meanwhile may look like this.
pub fn is_overtaken(error: &OpenError) -> bool {
    match error {
        OpenError::Damaged { .. } => true,
        OpenError::Io(error) => error.cause.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}
