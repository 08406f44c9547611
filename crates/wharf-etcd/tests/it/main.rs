//! The real etcd passes what every log that replicas share has to pass.

use wharf_etcd::{Etcd, EtcdSettings, SystemTimer};
use wharf_shared_log::conformance::{Fixture, Replicas};
use wharf_testkit::Etcd as Cluster;

/// The settings of a replica of this cluster.
fn settings(cluster: &Cluster) -> EtcdSettings {
    let urls = cluster.urls();
    EtcdSettings {
        members: urls
            .iter()
            .map(|url| url.parse().expect("a URL of the cluster"))
            .collect(),
        prefix: "/wharf/".into(),
        user: None,
        authorities: None,
        identity: None,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("start a runtime")
}

mod failures;

mod one_member {
    use super::*;

    struct OneMember;

    impl Fixture for OneMember {
        type Log = Etcd;
        type Timer = SystemTimer;

        fn run<F>(check: impl Fn(Replicas<Etcd, SystemTimer>) -> F)
        where
            F: Future<Output = ()> + Send + 'static,
        {
            // No power is cut here.
            let Some(cluster) = Cluster::start(1, &["--unsafe-no-fsync"]) else {
                return;
            };
            let settings = settings(&cluster);
            let replicas = Replicas {
                first: Etcd::new(settings.clone()),
                second: Etcd::new(settings),
                timer: SystemTimer::start(),
            };
            runtime().block_on(check(replicas));
        }
    }

    wharf_shared_log::conformance!(OneMember);
}
