//! Folders that released versions have written: a ledger, and what was removed beside it. They are read by every later version,
//! and never written again.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use expect_test::expect;
use wharf_ledger::{Disk as _, SimulatedDisk};

use super::{Disks, author, fill, id};
use crate::durable::block_on;
use crate::{exposition, key};

fn folder(name: &str) -> PathBuf {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fixtures.join("removed-v1").join(name)
}

fn read(name: &str) -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    for file in fs::read_dir(folder(name)).unwrap() {
        let file = file.unwrap();
        let bytes = fs::read(file.path()).unwrap();
        disk.put(file.file_name().to_str().unwrap(), &bytes);
    }
    disk
}

fn write(name: &str, disk: &SimulatedDisk) {
    let folder = folder(name);
    assert!(!folder.exists(), "the fixtures are there and must not change");
    fs::create_dir_all(&folder).unwrap();
    for file in disk.list().unwrap() {
        let open = disk.open(&file).unwrap();
        let mut bytes = vec![0; usize::try_from(open.length().unwrap()).unwrap()];
        let mut read = 0;
        while read < bytes.len() {
            read += open.read_at(read as u64, &mut bytes[read..]).unwrap();
        }
        fs::write(folder.join(file), bytes).unwrap();
    }
}

#[test]
fn version_1_is_read_and_comes_back() {
    let disks = Disks {
        ledger: read("ledger"),
        removed: read("removed"),
        ..Disks::new(0)
    };
    let world = disks.open();
    assert_eq!(world.problems, [""; 0]);
    let mut found = String::new();
    let removals = world.store.removals(None, 9);
    for removal in &removals {
        let at = removal.at.0;
        let super::Removal {
            id,
            kind,
            groups,
            series,
            bytes,
            is_recovered,
            state,
            ..
        } = removal;
        let by = &removal.author;
        writeln!(
            found,
            "{id} at {at}: {kind:?} by {} at {} of `{}`: {groups} groups, {series} series, {bytes} bytes, recovered {is_recovered}, {state:?}",
            by.by, by.address, by.what
        )
        .unwrap();
    }
    expect![[r#"
        11 at 1000000000000: Wipe by  at  of ``: 2 groups, 10 series, 458 bytes, recovered true, Kept
        10 at 1004000000000: Selector by selecting at 192.0.2.1 of ``: 1 groups, 4 series, 159 bytes, recovered false, Kept
        9 at 1004000000000: Family by user `ä` at 192.0.2.1 of `m of {job="b"}`: 1 groups, 1 series, 25 bytes, recovered false, Kept
        7 at 1004000000000: Group by deleter at 192.0.2.1 of ``: 1 groups, 3 series, 121 bytes, recovered false, Undone(UnixNanos(1004000000000))
        6 at 1004000000000: Group by deleter at 192.0.2.1 of ``: 1 groups, 6 series, 376 bytes, recovered false, Kept
    "#]].assert_eq(&found);
    for removal in removals {
        if removal.state == super::RemovalState::Kept {
            let undone = world.undo(removal.id).unwrap();
            assert!(undone.is_complete(), "{undone:?}");
        }
    }
    expect![[r#"
        # TYPE c_total untyped
        c_total{a="\n",instance="",job="a"} 1.2345678901234567e+19
        # HELP h of things
        # TYPE h histogram
        h_bucket{instance="",job="a",le="1"} 2
        h_bucket{instance="",job="a",le="+Inf"} 3
        h_sum{instance="",job="a"} 4.5
        h_count{instance="",job="a"} 3
        # TYPE m untyped
        m{instance="ä",job="a"} 1
        m{instance="",job="b"} 2
        # TYPE n untyped
        n{instance="ä",job="a",x="y"} NaN
        # TYPE native histogram
        native_bucket{instance="",job="c",le="1"} 2
        native_bucket{instance="",job="c",le="+Inf"} 2
        native_sum{instance="",job="c"} 1.5
        native_count{instance="",job="c"} 2
        # HELP push_failure_time_seconds Last Unix time when changing this group in the Pushgateway failed.
        # TYPE push_failure_time_seconds gauge
        push_failure_time_seconds{instance="ä",job="a"} 0
        push_failure_time_seconds{instance="",job="a"} 0
        push_failure_time_seconds{instance="",job="b"} 1003
        push_failure_time_seconds{instance="",job="c"} 0
        # HELP push_time_seconds Last Unix time when changing this group in the Pushgateway succeeded.
        # TYPE push_time_seconds gauge
        push_time_seconds{instance="ä",job="a"} 1000
        push_time_seconds{instance="",job="a"} 1000
        push_time_seconds{instance="",job="b"} 1003
        push_time_seconds{instance="",job="c"} 1003
        # TYPE u untyped
        u{instance="",job="a"} 0
    "#]]
    .assert_eq(&exposition(&world.store.snapshot()));
}

#[test]
#[ignore = "writes the fixtures; run it once for a format version, before its release"]
fn write_version_1() {
    let disks = Disks::new(70);
    let world = disks.open();
    fill(&world);
    world.delete("job/c");
    let undone = world.delete("job/b");
    world.undo(id(&undone)).unwrap();
    let by = super::Author {
        what: "m of {job=\"b\"}".to_owned(),
        ..author("user `ä`")
    };
    let (_, commit, _) = world.store.remove_families(&key("job/b"), &["m"], &by).unwrap();
    block_on(commit).unwrap();
    world.delete_matching("{instance!=\"\"}");
    world.keep();
    // What the archive does not have is in the ledger.
    world.wipe();
    drop(world);
    let disks = disks.crash();
    write("ledger", &disks.ledger);
    write("removed", &disks.removed);
}
