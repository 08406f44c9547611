//! Signals from outside: the end, and reading the configuration file again.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use wharf_gateway::{Actor, Gateway};
use wharf_gateway::{Life, Part, Parts, Shutdown, Started};

/// Ends on SIGINT, SIGTERM and SIGQUIT, which some images send to stop; reads the configuration file again on SIGHUP, with which
/// service managers ask for it. As process 1 of a container nothing else would end it: the system does nothing by default there.
///
/// From the return on no signal is missed.
///
/// # Errors
/// If the system does not tell us of signals.
pub(crate) fn start(parts: &mut Parts, gateway: Arc<Gateway>, shutdown: Shutdown) -> anyhow::Result<Started> {
    let mut interrupt = signal(SignalKind::interrupt()).context("watch for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("watch for SIGTERM")?;
    let mut quit = signal(SignalKind::quit()).context("watch for SIGQUIT")?;
    let mut hangup = signal(SignalKind::hangup()).context("watch for SIGHUP")?;
    let started = parts.task(Part::new("signals"), async move |life: Life| {
        life.ready();
        let stopping = life.stopping();
        tokio::pin!(stopping);
        let signal = loop {
            tokio::select! {
                () = &mut stopping => return Ok(()),
                _ = interrupt.recv() => break "SIGINT/SIGTERM",
                _ = terminate.recv() => break "SIGINT/SIGTERM",
                _ = quit.recv() => break "SIGQUIT",
                _ = hangup.recv() => {
                    let gateway = Arc::clone(&gateway);
                    // The gateway logs and counts what comes of it.
                    let _reloaded = tokio::task::spawn_blocking(move || gateway.reload(Actor::signal("SIGHUP"))).await;
                }
            }
        };
        tracing::info!("received {signal}; exiting gracefully...");
        shutdown.trigger();
        Ok(())
    });
    Ok(started)
}
