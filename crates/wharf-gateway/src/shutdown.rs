//! The switch that stops everything.

use tokio::sync::watch;

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

    /// Whether [`Self::trigger`] has been called.
    pub fn is_triggered(&self) -> bool {
        *self.stopping.borrow()
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
