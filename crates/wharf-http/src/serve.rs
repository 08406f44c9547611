//! The service of HTTP behind the connections of its listeners.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Response;

use crate::service::Service;
use crate::transport::arrived::{Arrived, Sender};
use crate::transport::chunks::ResponseBody;
use crate::transport::connection::Handler;
use crate::transport::entry_point::EntryPoint;
use crate::transport::server::{self, Limits};
use crate::transport::socket::Listener;

/// Serves connections of all listeners, each behind its entry point, until the gateway is told to stop; then closes the listeners and gives
/// requests in flight `grace` to finish.
///
/// Boxed, so that what a request runs through is compiled with this crate, and once: the body of an `async fn` is compiled
/// with the crate that awaits it, which here is the one that has all the tools.
///
/// # Errors
/// If a listener cannot be registered with the runtime, or a task that accepts connections or ends them has panicked.
pub fn serve(
    listeners: Vec<(Listener, Arc<EntryPoint>)>,
    service: Arc<Service>,
    grace: Duration,
) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send>> {
    let limits = Limits {
        max_connections: service.settings.connections.max,
        max_ending: service.settings.connections.max_ending,
        timeouts: service.settings.timeouts.of_connections(),
        grace,
    };
    Box::pin(server::serve(listeners, service, limits))
}

impl Handler for Service {
    fn answer(
        self: Arc<Self>,
        request: Arrived,
        sender: &Sender,
        entry_point: &EntryPoint,
    ) -> impl Future<Output = Response<ResponseBody>> + Send {
        self.handle(request, sender, entry_point)
    }

    fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        self.shutdown.wait()
    }

    fn connection_opened(&self) -> impl Send {
        self.gateway.telemetry().connection_opened()
    }

    fn gave_way(&self) {
        self.gateway.telemetry().record_gave_way();
    }
}
