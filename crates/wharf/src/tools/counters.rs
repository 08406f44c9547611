//! What counters count, on a command line.

use wharf_client::Counters;

/// The value of `--counters`.
///
/// # Errors
/// If it is not `run`.
pub(super) fn counters(text: &str) -> Result<Counters, String> {
    match text {
        "run" => Ok(Counters::Run),
        _ => Err("expected run".to_owned()),
    }
}
