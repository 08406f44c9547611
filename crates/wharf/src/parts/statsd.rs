//! Lines of `StatsD`: sockets, what lines come to, and groups in which that is kept.
//!
//! ```text
//! sockets -> intake: what lines come to, in memory     (a thread of its own, so that pushes and lines do not wait for each other)
//!            intake -> keeping -> groups of the store  (another one, all the time)
//! ```

mod drops;
mod intake;
mod keeping;
mod mapping_file;
mod partly;
mod relay;
pub(crate) mod settings;
mod sockets;
mod stored;
mod streams;
mod udp;
mod unixgram;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use wharf_gateway::{Gateway, Life, Part, Parts, Started};

pub(crate) use self::intake::Intake;
use self::keeping::Keeping;
pub(crate) use self::relay::Relay;
pub(crate) use self::sockets::Sockets;
use self::streams::Listener;

/// What has changed is kept after this time, and what that takes: a second at the most, unless there is very much.
const PAUSE: Duration = Duration::from_millis(700);

/// Starts keeping what lines come to. Lines come only when it goes on from what is stored.
pub(crate) fn start_keeping(
    parts: &mut Parts,
    gateway: Arc<Gateway>,
    intake: Arc<Intake>,
    job: String,
    storage: Started,
) -> io::Result<Started> {
    let runtime = Handle::current();
    parts.thread(Part::new("statsd-keeping").after(storage), move |life| {
        let mut keeping = Keeping::new(intake, gateway, runtime);
        keeping.take_over(&job);
        life.ready();
        while life.turn(PAUSE) {
            keeping.turn();
        }
        // What came last, before the listeners ended.
        keeping.turn();
        Ok(())
    })
}

/// Starts taking lines, on a thread of its own.
pub(crate) fn start_listening(
    parts: &mut Parts,
    intake: Arc<Intake>,
    sockets: Sockets,
    max_connections: u64,
    keeping: Started,
) -> io::Result<Started> {
    // Nobody misses what comes on the way.
    let _set = intake.udp_inodes.set(sockets.udp_inodes());
    parts.thread(Part::new("statsd").after(keeping), move |life| {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .context("start the runtime for StatsD")?;
        life.ready();
        Ok(runtime.block_on(listen(life, intake, sockets, max_connections))?)
    })
}

async fn listen(
    life: &Life,
    intake: Arc<Intake>,
    mut sockets: Sockets,
    max_connections: u64,
) -> anyhow::Result<()> {
    let mut listening = JoinSet::new();
    if let Some(relay) = intake.relay() {
        let sending = relay::keep_sending(Arc::clone(relay), life.stopping());
        listening.spawn(async {
            sending.await;
            Ok(())
        });
    }
    for socket in std::mem::take(&mut sockets.udp) {
        let receiving = udp::receive(socket, Arc::clone(&intake), life.stopping());
        listening.spawn(async { receiving.await.context("receive StatsD lines over UDP") });
    }
    for socket in std::mem::take(&mut sockets.unixgram) {
        let receiving = unixgram::receive(socket, Arc::clone(&intake), life.stopping());
        listening.spawn(async { receiving.await.context("receive StatsD lines over a Unix socket") });
    }
    let tcp = std::mem::take(&mut sockets.tcp).into_iter().map(Listener::tcp);
    let unix = std::mem::take(&mut sockets.unix).into_iter().map(Listener::unix);
    for listener in tcp.chain(unix) {
        let listener = listener.context("listen for StatsD connections")?;
        let accepting = streams::accept(listener, Arc::clone(&intake), max_connections, life.stopping());
        listening.spawn(async {
            accepting.await;
            Ok(())
        });
    }
    while let Some(ended) = listening.join_next().await {
        ended.context("a listener for StatsD lines has panicked")??;
    }
    // What came last.
    if let Some(relay) = intake.relay() {
        relay.flush();
    }
    Ok(())
}
