//! What the real etcd does when something is not as it should be, and what becomes of calls.

use std::time::Duration;

use wharf_etcd::{Etcd, SystemTimer, Unusable};
use wharf_shared_log::{
    Committed, Expect, Key, Lane, LogError, Put, Revision, Settled, SharedLog, Timer as _, Txn, Watch as _,
    timeout,
};
use wharf_testkit::{Authority, Etcd as Cluster, LinkMode};

use crate::{runtime, settings};

const PATIENCE: Duration = Duration::from_secs(1);

fn put(key: &str, value: &str) -> Txn {
    Txn {
        puts: vec![Put {
            key: Key::copy_from_slice(key.as_bytes()),
            value: Key::copy_from_slice(value.as_bytes()),
            expect: Expect::Any,
            lease: None,
        }],
        ..Txn::default()
    }
}

/// Makes a transaction, however often it does not get through.
async fn make(lane: &mut Lane, etcd: &Etcd, timer: &SystemTimer, txn: Txn) -> Revision {
    loop {
        match lane.commit(etcd, timer, txn.clone()).await {
            Settled::Committed(at) => return at,
            Settled::Failed(LogError::Unreachable { .. }) => timer.sleep(Duration::from_millis(20)).await,
            other => unreachable!("nothing was expected: {other:?}"),
        }
    }
}

#[test]
fn transactions_go_on_whichever_member_is_killed_and_each_happens_once() {
    let Some(mut cluster) = Cluster::start(3, &["--unsafe-no-fsync"]) else {
        return;
    };
    let runtime = runtime();
    let (etcd, timer) = (Etcd::new(settings(&cluster)), SystemTimer::start());
    let mut lane = Lane::new(Key::from_static(b"marker"), 1, 0, PATIENCE);
    for number in 0..3 {
        // Members are asked in turn, so that the one that is asked is killed, and the leader among them.
        let mut commit = |round: usize| {
            let txn = put(&format!("k{number}/{round}"), "v");
            runtime.block_on(make(&mut lane, &etcd, &timer, txn));
        };
        commit(0);
        cluster.kill(number);
        (1..5).for_each(&mut commit);
        cluster.restart(number);
    }
    let loaded = runtime
        .block_on(Etcd::new(settings(&cluster)).load(None))
        .unwrap();
    let keys: Vec<String> = loaded
        .entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.key).into_owned())
        .collect();
    let mut expected: Vec<String> = (0..3)
        .flat_map(|number| (0..5).map(move |round| format!("k{number}/{round}")))
        .collect();
    expected.push("marker".to_owned());
    assert_eq!(keys, expected);
}

#[test]
fn a_watch_of_a_member_that_is_paused_says_nothing_and_another_one_misses_nothing() {
    let Some(cluster) = Cluster::start(3, &["--unsafe-no-fsync"]) else {
        return;
    };
    let runtime = runtime();
    let timer = SystemTimer::start();
    runtime.block_on(async {
        let (etcd, other) = (Etcd::new(settings(&cluster)), {
            let mut settings = settings(&cluster);
            settings.members.rotate_left(1);
            Etcd::new(settings)
        });
        let mut lane = Lane::new(Key::from_static(b"marker"), 1, 0, PATIENCE);
        let mut watch = etcd.watch(Revision(0)).await.unwrap();
        assert_eq!(watch.next().await.unwrap().changes, []);
        cluster.member(0).pause();
        let at = make(&mut lane, &other, &timer, put("x", "1")).await;
        let silent = tokio::time::timeout(Duration::from_secs(1), async {
            loop {
                let batch = watch.next().await.unwrap();
                if batch.at >= at {
                    return batch;
                }
            }
        });
        silent.await.unwrap_err();
        // Whoever has given up once asks the next member.
        let batch = loop {
            let watching = tokio::time::timeout(PATIENCE, etcd.watch(Revision(at.0 - 1)));
            if let Ok(Ok(mut watch)) = watching.await {
                break watch.next().await.unwrap();
            }
        };
        assert_eq!((batch.at, batch.changes.len()), (at, 2));
        cluster.member(0).resume();
    });
}

#[test]
fn a_member_that_is_parted_from_the_others_answers_nothing_and_the_others_go_on() {
    let Some(cluster) = Cluster::start_apart(3, &["--unsafe-no-fsync"]) else {
        return;
    };
    let (runtime, timer) = (runtime(), SystemTimer::start());
    for member in 0..3 {
        let mut of_one = settings(&cluster);
        of_one.members = vec![of_one.members.swap_remove(member)];
        let mut of_others = settings(&cluster);
        drop(of_others.members.remove(member));
        let (alone, others) = (Etcd::new(of_one), Etcd::new(of_others));
        let marker = Key::from(format!("marker/{member}"));
        let mut lane = Lane::new(marker, member as u64, 0, PATIENCE);
        runtime.block_on(alone.load(None)).unwrap();
        cluster.around(member, LinkMode::Cut);
        // A leader that is parted believes in itself for a while, but commits nothing.
        let asked = timeout(&timer, PATIENCE * 3, alone.commit(put("alone", "v")));
        let answer = runtime.block_on(asked);
        assert!(!matches!(answer, Some(Ok(_))), "{member}: {answer:?}");
        let txn = put(&format!("others/{member}"), "v");
        runtime.block_on(make(&mut lane, &others, &timer, txn));
        cluster.around(member, LinkMode::Open);
        let healed = async {
            while alone.read(&Key::from(format!("others/{member}"))).await.is_err() {
                timer.sleep(Duration::from_millis(50)).await;
            }
        };
        runtime
            .block_on(timeout(&timer, Duration::from_secs(30), healed))
            .unwrap();
    }
}

#[test]
fn with_users_a_token_is_had_and_renewed_when_etcd_has_forgotten_it() {
    let Some(mut cluster) = Cluster::start(1, &["--unsafe-no-fsync"]) else {
        return;
    };
    cluster.control(&["user", "add", "root:secret"]);
    cluster.control(&["user", "grant-role", "root", "root"]);
    cluster.control(&["user", "add", "wharf:pushes"]);
    cluster.control(&["role", "add", "wharf"]);
    cluster.control(&[
        "role",
        "grant-permission",
        "wharf",
        "--prefix=true",
        "readwrite",
        "/wharf/",
    ]);
    cluster.control(&["user", "grant-role", "wharf", "wharf"]);
    cluster.control(&["auth", "enable"]);
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    let with_password = |text: &str| {
        std::fs::write(&password, text).unwrap();
        let mut settings = settings(&cluster);
        settings.user = Some(("wharf".to_owned(), password.clone()));
        settings
    };
    let runtime = runtime();
    let nobody = runtime.block_on(Etcd::new(settings(&cluster)).about());
    assert!(
        matches!(&nobody, Err(Unusable::NotSo(why)) if why.contains("user name is empty")),
        "{nobody:?}"
    );
    let wrong = runtime.block_on(Etcd::new(with_password("guess")).about());
    assert!(
        matches!(&wrong, Err(Unusable::NotSo(why)) if why.contains("invalid user ID or password")),
        "{wrong:?}"
    );
    let mut elsewhere = with_password("pushes\n");
    elsewhere.prefix = "/others/".into();
    let denied = runtime.block_on(Etcd::new(elsewhere).about());
    assert!(
        matches!(&denied, Err(Unusable::NotSo(why)) if why.contains("permission denied")),
        "{denied:?}"
    );
    let etcd = Etcd::new(with_password("pushes\n"));
    let about = runtime.block_on(etcd.about()).unwrap();
    assert!(about.version.starts_with("3."), "{about:?}");
    runtime.block_on(etcd.commit(put("x", "1"))).unwrap();
    // A member that restarts has forgotten its tokens.
    cluster.restart(0);
    let at = runtime.block_on(async {
        loop {
            // The first answer may be that the connection is gone.
            match etcd.commit(put("x", "2")).await {
                Ok(Committed::At(at)) => return at,
                Ok(other) => panic!("{other:?}"),
                Err(LogError::Unreachable { .. } | LogError::Unknown { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
    cluster.restart(0);
    let batch = runtime.block_on(async {
        let mut watch = loop {
            match etcd.watch(Revision(at.0 - 1)).await {
                Ok(watch) => break watch,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        watch.next().await.unwrap()
    });
    assert_eq!(batch.at, at);
}

#[test]
fn certificates_are_checked_on_both_sides() {
    if wharf_testkit::peers::etcd().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    std::fs::write(path("ca.crt"), &authority.certificate).unwrap();
    std::fs::write(path("stranger.crt"), &stranger.certificate).unwrap();
    authority.issue("wharf", &[]).write(folder.path(), "client");
    let flag = |name: &str, file: &str| format!("{name}={}", path(file).display());
    let flags = [
        "--unsafe-no-fsync".to_owned(),
        flag("--cert-file", "server.crt"),
        flag("--key-file", "server.key"),
        flag("--trusted-ca-file", "ca.crt"),
        "--client-cert-auth".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let cluster = Cluster::start_with(1, &flags, |address| {
        authority.issue("etcd", &[address]).write(folder.path(), "server");
    });
    let Some(cluster) = cluster else { return };
    let runtime = runtime();
    let about = |authorities: &str, identity: bool| {
        let mut settings = settings(&cluster);
        settings.authorities = Some(path(authorities));
        settings.identity = identity.then(|| (path("client.crt"), path("client.key")));
        runtime.block_on(Etcd::new(settings).about())
    };
    about("ca.crt", true).unwrap();
    let unknown = about("stranger.crt", true);
    assert!(
        matches!(&unknown, Err(Unusable::NotSo(why)) if why.contains("certificate")),
        "{unknown:?}"
    );
    let without = about("ca.crt", false);
    assert!(
        matches!(&without, Err(Unusable::NotSo(why)) if why.to_lowercase().contains("certificate")),
        "{without:?}"
    );
    let missing = about("nowhere.crt", true);
    assert!(
        matches!(&missing, Err(Unusable::NotSo(why)) if why.contains("nowhere.crt")),
        "{missing:?}"
    );
}

#[test]
fn a_full_etcd_says_so_and_takes_deletes() {
    let Some(cluster) = Cluster::start(1, &["--unsafe-no-fsync", "--quota-backend-bytes=4194304"]) else {
        return;
    };
    let etcd = Etcd::new(settings(&cluster));
    runtime().block_on(async {
        let value = "x".repeat(1_000_000);
        let full = loop {
            if let Err(error) = etcd.commit(put("large", &value)).await {
                break error;
            }
        };
        assert!(matches!(full, LogError::Full { .. }), "{full:?}");
        let delete = Txn {
            deletes: vec![wharf_shared_log::Delete {
                key: Key::from_static(b"large"),
                expect: Expect::Any,
            }],
            ..Txn::default()
        };
        etcd.commit(delete).await.unwrap();
        assert_eq!(etcd.load(None).await.unwrap().entries, []);
    });
}

#[test]
fn much_is_loaded_page_by_page_as_it_was_at_one_revision() {
    let Some(cluster) = Cluster::start(1, &["--unsafe-no-fsync"]) else {
        return;
    };
    let etcd = Etcd::new(settings(&cluster));
    runtime().block_on(async {
        let mut last = Revision(0);
        // Small ones first, so that the pages are long when the large ones come.
        for round in 0..20 {
            let value = if round < 16 {
                "small".to_owned()
            } else {
                "x".repeat(100_000)
            };
            let puts = 0..10 + 90 * usize::from(round < 16);
            let puts = puts.map(|index| put(&format!("{round:02}/{index:03}"), &value).puts);
            let txn = Txn {
                puts: puts.flatten().collect(),
                ..Txn::default()
            };
            let Committed::At(at) = etcd.commit(txn).await.unwrap() else {
                panic!("nothing was expected")
            };
            last = at;
        }
        // Keys of others, before and behind ours.
        cluster.control(&["put", "/wharf", "1"]);
        cluster.control(&["put", "/wharf0", "1"]);
        let loaded = etcd.load(None).await.unwrap();
        assert!(loaded.at > last, "{} after {last}", loaded.at);
        assert_eq!(loaded.entries.len(), 16 * 100 + 4 * 10);
        assert!(loaded.entries.is_sorted_by(|a, b| a.key < b.key));
    });
}

#[test]
fn nobody_there_is_another_thing_than_a_refusal() {
    let mut cluster_settings = wharf_etcd::EtcdSettings {
        members: vec!["http://127.0.0.1:1".parse().unwrap()],
        prefix: "/wharf/".into(),
        user: None,
        authorities: None,
        identity: None,
    };
    let runtime = runtime();
    let nobody = runtime.block_on(Etcd::new(cluster_settings.clone()).about());
    assert!(
        matches!(&nobody, Err(Unusable::NotNow(why)) if why.contains("http://127.0.0.1:1")),
        "{nobody:?}"
    );
    cluster_settings.members.clear();
    let none = runtime.block_on(Etcd::new(cluster_settings).about());
    assert!(matches!(none, Err(Unusable::NotNow(_))), "{none:?}");
}
