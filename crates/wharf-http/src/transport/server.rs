//! Listening, accepting, and stopping in bounded time.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wharf_gateway::Peer;

use crate::transport::connection::{Connections, Handler};
use crate::transport::entry_point::EntryPoint;
use crate::transport::progress::Timeouts;
use crate::transport::room::{Room, Seated};
use crate::transport::socket::{Accepting, Listener, Socket};

/// How many connections there may be, and how long they take for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at once.
    pub(crate) max_connections: usize,
    /// Connections that are ending, beside those.
    pub(crate) max_ending: usize,
    pub(crate) timeouts: Timeouts,
    /// For requests in flight, once it is time to stop.
    pub(crate) grace: Duration,
}

/// Serves connections of all listeners, each behind its entry point, until it is time to stop; then closes the listeners and gives
/// requests in flight some time to finish.
///
/// # Errors
/// If a listener cannot be registered with the runtime, or a task that accepts connections or ends them has panicked.
pub(crate) async fn serve<H: Handler>(
    listeners: Vec<(Listener, Arc<EntryPoint>)>,
    handler: Arc<H>,
    limits: Limits,
) -> io::Result<()> {
    let keeps_some = listeners
        .iter()
        .any(|(_, entry_point)| !takes_pushes(entry_point));
    let room = Room::new(limits.max_connections, limits.max_ending, keeps_some);
    // Each connection has one of these; when all are gone, all have ended.
    let (alive, mut ended) = mpsc::channel::<Infallible>(1);
    let mut accepting = JoinSet::new();
    for (listener, entry_point) in listeners {
        let listener = Accepting::new(listener)?;
        let listening = Listening {
            connections: Arc::new(Connections::new(
                Arc::clone(&handler),
                entry_point,
                limits.timeouts,
            )),
            room: Arc::clone(&room),
            alive: alive.clone(),
        };
        accepting.spawn(accept(listener, listening));
    }
    drop(alive);
    let mut watching = JoinSet::new();
    watching.spawn(call_overdue(Arc::clone(&room), limits.timeouts));
    // None of them may be missing while the others go on.
    loop {
        let ended = tokio::select! {
            Some(ended) = watching.join_next() => ended,
            ended = accepting.join_next() => match ended {
                Some(ended) => ended,
                None => break,
            },
        };
        ended?;
    }

    if tokio::time::timeout(limits.grace, ended.recv()).await.is_err() {
        tracing::warn!(
            connections = room.connections(),
            "requests in flight were cut off after --shutdown.timeout"
        );
    }
    Ok(())
}

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_secs(1);

/// Ends connections that have taken too long for something.
async fn call_overdue(room: Arc<Room>, timeouts: Timeouts) {
    let mut tick = tokio::time::interval(TICK);
    loop {
        tick.tick().await;
        room.call_overdue(timeouts);
    }
}

/// Whether a connection that comes through this entry point may have pushes.
fn takes_pushes(entry_point: &EntryPoint) -> bool {
    entry_point.takes_pushes()
}

/// What a listener needs for those who connect.
struct Listening<H> {
    connections: Arc<Connections<H>>,
    room: Arc<Room>,
    alive: mpsc::Sender<Infallible>,
}

impl<H: Handler> Listening<H> {
    fn admit(&self, stream: Socket, peer: Peer, seated: Seated) {
        let connections = Arc::clone(&self.connections);
        let alive = self.alive.clone();
        tokio::spawn(async move {
            let _alive = alive;
            connections.serve(stream, peer, Arc::clone(&seated.0)).await;
        });
    }
}

/// How long nobody is accepted when there are no file descriptors, or no memory for a socket.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// How often the log may say that.
const WARN_AGAIN: Duration = Duration::from_secs(10);

/// Accepts connections until it is time to stop.
async fn accept<H: Handler>(listener: Accepting, listening: Listening<H>) {
    let takes_pushes = takes_pushes(listening.connections.entry_point());
    let stopping = listening.connections.stopping();
    tokio::pin!(stopping);
    let mut warned_at: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopping => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Those who come meanwhile wait in the listener's queue, which is bounded too.
                let seated = tokio::select! {
                    // If there is a seat it is taken, also at the end: what has been accepted may have been sent.
                    biased;
                    seated = listening.room.make_seat(takes_pushes) => seated,
                    () = &mut stopping => break,
                };
                listening.admit(stream, peer, seated);
            }
            // It has gone while it waited.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if warned_at.is_none_or(|at| at.elapsed() > WARN_AGAIN) {
                    tracing::warn!(err = %error, "cannot accept a connection");
                    warned_at = Some(Instant::now());
                }
                listening.room.ask_oldest(false);
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
    // Who has connected by now may have sent something, and is served as far as there is room.
    while let Poll::Ready(Ok((stream, peer))) = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await {
        let Some(seated) = listening.room.try_seat(takes_pushes) else {
            break;
        };
        listening.admit(stream, peer, seated);
    }
}

/// Whether the next connection may be accepted all the same.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
