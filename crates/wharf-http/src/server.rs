//! Listening, accepting, and stopping in bounded time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::connection;
use crate::door::Door;
use crate::gateway::Gateway;
use crate::socket::{Accepting, Listener};

/// A switch that stops the gateway, for whoever asks first: a signal or a request.
#[derive(Debug, Clone)]
pub struct Shutdown {
    stopping: watch::Sender<bool>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            stopping: watch::Sender::new(false),
        }
    }
}

impl Shutdown {
    /// Begins to stop. Nothing more happens the second time.
    pub fn trigger(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns when [`Self::trigger`] has been called.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.stopping.subscribe();
        async move {
            // The sender cannot be gone before its subscribers, and if so, it is time to stop.
            let _stopped_either_way = stopping.wait_for(|stopping| *stopping).await;
        }
    }
}

/// Serves connections of all listeners, each behind its door, until the gateway is told to stop; then closes the listeners and gives
/// requests in flight `grace` to finish.
///
/// # Errors
/// If a listener cannot be registered with the runtime.
pub async fn serve(
    listeners: Vec<(Listener, Arc<Door>)>,
    gateway: Arc<Gateway>,
    grace: Duration,
) -> io::Result<()> {
    // As many permits as can be waited for at once.
    let all = u32::try_from(gateway.settings.max_connections).unwrap_or(u32::MAX);
    let connections = Arc::new(Semaphore::new(all as usize));
    let mut accepting = JoinSet::new();
    for (listener, door) in listeners {
        let listener = Accepting::new(listener)?;
        accepting.spawn(accept(
            listener,
            door,
            Arc::clone(&gateway),
            Arc::clone(&connections),
        ));
    }
    while accepting.join_next().await.is_some() {}

    // Each connection holds a permit; all of them back means that all have ended.
    if tokio::time::timeout(grace, connections.acquire_many(all))
        .await
        .is_err()
    {
        let open = all as usize - connections.available_permits();
        tracing::warn!(
            connections = open,
            "requests in flight were cut off after --shutdown.timeout"
        );
    }
    Ok(())
}

/// Accepts connections until the gateway is told to stop.
async fn accept(listener: Accepting, door: Arc<Door>, gateway: Arc<Gateway>, connections: Arc<Semaphore>) {
    let stopping = gateway.shutdown.wait();
    tokio::pin!(stopping);
    loop {
        // Beyond the limit connections wait in the listener's queue, which is bounded too.
        let permit = tokio::select! {
            permit = Arc::clone(&connections).acquire_owned() => permit,
            () = &mut stopping => return,
        };
        let Ok(permit) = permit else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopping => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (gateway, door) = (Arc::clone(&gateway), Arc::clone(&door));
                tokio::spawn(async move {
                    let _permit = permit;
                    let _open = gateway.telemetry.connection_opened();
                    connection::serve(Arc::clone(&gateway), door, stream, peer).await;
                });
            }
            Err(error) => {
                // Out of file descriptors, mostly: others may close theirs soon.
                tracing::warn!(err = %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
