//! The real parts in one process, with a clock and turns that the test gives.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wharf_exposition::text;
use wharf_gateway::telemetry::Telemetry;
use wharf_gateway::{Gateway, Parts, Policy, Shutdown, Started};
use wharf_http::ConnectionRoom;
use wharf_model::GroupingKey;
use wharf_model::name::NameRule;
use wharf_store::{Clock, PushMode, Ttl, UnixNanos};

use super::{expiry, history, notices, storage};
use crate::config::Config;
use crate::serve;

/// A clock that stands still until it is told to go on.
#[derive(Debug, Clone, Default)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.0.load(Ordering::Relaxed))
    }
}

/// A gateway with its parts, but without sockets.
struct Process {
    gateway: Arc<Gateway>,
    clock: Hands,
    parts: Parts,
    shutdown: Shutdown,
    storage: Started,
    expiry: Started,
    history: Started,
}

/// Starts one that keeps its groups in this folder, or in memory.
fn start(folder: Option<&Path>) -> Process {
    let mut config = Config::default();
    config.storage.folder.path = folder.map(Into::into).unwrap_or_default();
    config.storage.folder.is_named = true;
    let clock = Hands::default();
    let shutdown = Shutdown::default();
    let mut parts = Parts::by_hand(shutdown.clone());
    let connections = ConnectionRoom {
        max: 8,
        max_ending: 1,
    };
    let gateway = Gateway::new(
        serve::settings(&config, connections),
        Telemetry::new(serve::build_labels()),
        Box::new(clock.clone()),
        (Policy::default(), None),
        Vec::new(),
    );
    let gateway = Arc::new(gateway.with_readiness(parts.readiness()));
    let shared = || Arc::clone(&gateway);
    let (storage, folder): (Started, Arc<OnceLock<_>>) = storage::start(
        &mut parts,
        (config.storage.clone(), config.undo),
        config.place(),
        shared(),
    )
    .unwrap();
    let history = history::start(&mut parts, shared(), storage, folder).unwrap();
    let expiry = expiry::start(&mut parts, shared(), storage).unwrap();
    notices::start(&mut parts, shared(), storage).unwrap();
    Process {
        gateway,
        clock,
        parts,
        shutdown,
        storage,
        expiry,
        history,
    }
}

impl Process {
    async fn push(&self, job: &str, ttl: Option<Duration>) {
        let options = text::Options {
            names: NameRule::Legacy,
            strict: false,
        };
        let exposition = text::decode(b"m 1\n", options).unwrap();
        let key = GroupingKey::new([("job", job)]).unwrap();
        let ttl = ttl.map(|after| Ttl {
            after,
            keep_times: false,
        });
        let store = self.gateway.store();
        let pushed = store.push_with_ttl(&key, PushMode::ReplaceGroup, &exposition, ttl, self.clock.now());
        pushed.unwrap().wait().await.unwrap();
    }

    fn groups(&self) -> usize {
        self.gateway.store().totals().groups
    }

    async fn end(self) {
        self.shutdown.trigger();
        self.parts.run().await.unwrap();
    }
}

#[tokio::test]
async fn groups_expire_in_the_turns_of_their_part() {
    let process = start(None);
    process.parts.all_ready().await;
    assert_eq!(process.parts.readiness().waits_for(), None);
    process.push("short", Some(Duration::from_secs(60))).await;
    process.push("long", None).await;
    process.parts.turn(process.expiry);
    assert_eq!(process.groups(), 2);
    process.clock.forward(61);
    assert_eq!(process.groups(), 2);
    process.parts.turn(process.expiry);
    assert_eq!(process.groups(), 1);
    process.end().await;
}

#[tokio::test]
async fn what_is_stored_is_there_again_after_an_orderly_end() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let process = start(Some(&folder));
    process.parts.all_ready().await;
    process.push("a", None).await;
    process.push("short", Some(Duration::from_secs(60))).await;
    process.parts.turn(process.storage);
    process.parts.turn(process.history);
    process.end().await;
    let files = std::fs::read_dir(&folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let has_checkpoint = names.into_iter().any(|name| name.starts_with("checkpoint-"));
    assert!(has_checkpoint, "the last act of the storage is a checkpoint");

    let process = start(Some(&folder));
    process.parts.all_ready().await;
    // The clock of this start is at its beginning again, so nothing has expired.
    assert_eq!(process.groups(), 2);
    process.end().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_ends_the_process_before_anything_else_begins() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let process = start(Some(&file.join("data")));
    process.parts.all_ready().await;
    assert_eq!(process.parts.readiness().waits_for(), Some("storage"));
    let shutdown = process.shutdown.clone();
    let error = process.parts.run().await.unwrap_err();
    assert_eq!(error.part(), "storage");
    assert!(error.to_string().contains("open the folder"), "{error}");
    assert!(shutdown.is_triggered());
    assert!(
        Arc::strong_count(&process.gateway) == 1,
        "no part has it any more"
    );
}
