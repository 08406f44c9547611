//! Work that blocks, on threads beside those that serve connections.

use wharf_gateway::{Permit, Refusal, Work};
use wharf_model::Effort;

/// Does work on a thread that may block. It is for what costs the same whatever is stored and asked for; all else has a place.
///
/// # Errors
/// Those of the work; [`Refusal::internal`] if it panics.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Refusal::internal()))
}

/// Does work that may take long, if there is a place for it: see [`Work::run`].
///
/// # Errors
/// As there; that of `place`, if there is none.
pub(crate) async fn run_in<T: Send + 'static>(
    place: Result<Work, Refusal>,
    work: impl FnOnce(&Effort, Permit) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    place?.run(work).await
}

#[cfg(test)]
mod tests {
    use wharf_gateway::Reason;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let done = run::<()>(|| std::panic::resume_unwind(Box::new("a bug"))).await;
        assert!(matches!(done, Err(refusal) if refusal.reason == Reason::Internal));
    }

    #[tokio::test]
    async fn without_a_place_nothing_is_done() {
        let full = Err(Refusal::new(Reason::Overload, "full"));
        let done = run_in(full, |_, _| -> Result<(), Refusal> {
            unreachable!("there is no place")
        })
        .await;
        assert!(matches!(done, Err(refusal) if refusal.reason == Reason::Overload));
    }
}
