//! The history as its users see it, with real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

use wharf_history::{History, Method, Push, Refusal};
use wharf_model::GroupingKey;

const MAX_BYTES: usize = 1 << 20;

fn key(job: &str) -> GroupingKey {
    GroupingKey::new([("job", job)]).unwrap()
}

fn stored(at_ms: i64) -> Push {
    Push {
        at_ms,
        method: Method::Post,
        body_bytes: 100,
        series: 3,
        duration_seconds: Some(2.5),
        refusal: None,
    }
}

fn refused(at_ms: i64) -> Push {
    Push {
        duration_seconds: None,
        refusal: Some(Box::new(Refusal {
            reason: "syntax".into(),
            error: "line 1, column 1: expected a name".to_owned(),
        })),
        ..stored(at_ms)
    }
}

fn opened(folder: &Path) -> History {
    let history = History::new(MAX_BYTES);
    assert_eq!(history.open(folder).unwrap().damage, None);
    history
}

/// A file with some pushes of two groups, written in two goes.
fn written(folder: &Path) -> History {
    let history = opened(folder);
    history.push(key("a"), stored(1000));
    history.save().unwrap();
    history.push(key("a"), refused(2000));
    history.push(key("b"), stored(3000));
    history.save().unwrap();
    history
}

fn same(one: &History, other: &History) {
    for job in ["a", "b", "c"] {
        assert_eq!(one.group(&key(job)), other.group(&key(job)), "{job}");
    }
}

#[test]
fn a_history_is_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let history = written(folder.path());
    let group = history.group(&key("a")).unwrap();
    assert_eq!(group.pushes.len(), 2);
    assert_eq!(group.pushes[0].duration_seconds, Some(2.5));
    assert_eq!(group.last_error.as_ref().unwrap().at_ms, 2000);
    let again = opened(folder.path());
    same(&history, &again);
    // The file is written anew then, in its other form.
    again.save().unwrap();
    same(&history, &opened(folder.path()));
}

#[test]
fn what_was_added_up_is_counted_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let history = written(folder.path());
    let add = |history: &History, at_ms| {
        let method = Method::Add;
        history.push(
            key("a"),
            Push {
                method,
                ..stored(at_ms)
            },
        );
        history.save().unwrap();
    };
    for at_ms in 4000..4100 {
        add(&history, at_ms);
    }
    same(&history, &opened(folder.path()));
    // Written anew, the file has fewer pushes than were added up.
    let again = opened(folder.path());
    again.save().unwrap();
    add(&again, 5000);
    let added = |history: &History| {
        let added = history.group(&key("a")).unwrap().added.unwrap();
        (added.pushes, added.since_ms)
    };
    assert_eq!(added(&again), (101, 4000));
    assert_eq!(added(&opened(folder.path())), (101, 4000));
    again.reset(key("a"), 6000);
    add(&again, 7000);
    assert_eq!(added(&opened(folder.path())), (1, 6000));
}

#[test]
fn what_was_forgotten_stays_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let history = written(folder.path());
    history.forget(key("a"));
    history.save().unwrap();
    let again = opened(folder.path());
    assert_eq!(again.group(&key("a")), None);
    same(&history, &again);
    history.forget_all();
    history.push(key("c"), stored(4000));
    history.save().unwrap();
    let again = opened(folder.path());
    assert_eq!(again.group(&key("b")), None);
    assert!(again.group(&key("c")).is_some());
}

#[test]
fn an_end_that_was_being_written_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let file = folder.path().join("history");
    let whole = fs::read(&file).unwrap();
    for end in 12..whole.len() {
        fs::write(&file, &whole[..end]).unwrap();
        let history = opened(folder.path());
        assert!(history.statistics().pushes <= 3);
    }
    // Space that the system had set aside and not filled yet.
    fs::write(&file, [&whole[..], &[0; 100]].concat()).unwrap();
    assert_eq!(opened(folder.path()).statistics().pushes, 3);
}

#[test]
fn a_damaged_file_is_set_aside_and_the_rest_of_it_used() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let file = folder.path().join("history");
    let whole = fs::read(&file).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        fs::write(&file, &damaged).unwrap();
        let history = History::new(MAX_BYTES);
        let opened = history.open(folder.path()).unwrap();
        assert!(history.statistics().pushes <= 3);
        if let Some(aside) = opened.set_aside {
            assert_eq!(fs::read(aside).unwrap(), damaged);
            assert!(!file.exists());
        } else {
            // Only the end may have been torn: two frames, of which the last begins behind the first.
            assert!(history.statistics().pushes >= 1, "{at}");
        }
        // What is left can be built upon.
        history.push(key("z"), stored(9000));
        history.save().unwrap();
        assert!(self::opened(folder.path()).group(&key("z")).is_some());
    }
}

#[test]
fn a_file_of_another_version_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, damage) in [
        (&b"WHARFHIS\x02\0\0\0"[..], "it is of another version"),
        (b"something else", "it is no history"),
        (b"x", "it is no history"),
    ] {
        fs::write(folder.path().join("history"), bytes).unwrap();
        let opened = History::new(MAX_BYTES).open(folder.path()).unwrap();
        assert_eq!(opened.damage.as_deref(), Some(damage));
    }
}

#[test]
fn a_file_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let history = opened(folder.path());
    let mut largest = 0;
    for round in 0..40 {
        for n in 0..2000 {
            history.push(key("a"), stored(round * 2000 + n));
        }
        history.save().unwrap();
        largest = largest.max(fs::metadata(folder.path().join("history")).unwrap().len());
    }
    assert!(largest < (1 << 20) + 200_000, "{largest}");
    same(&history, &opened(folder.path()));
}

#[test]
fn a_disk_that_takes_nothing_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("place");
    fs::create_dir(&place).unwrap();
    let history = opened(&place);
    history.push(key("a"), stored(1));
    fs::remove_dir(&place).unwrap();
    let error = history.save().unwrap_err();
    assert!(error.to_string().starts_with("create "), "{error}");
    fs::create_dir(&place).unwrap();
    history.push(key("b"), stored(2));
    history.save().unwrap();
    same(&history, &opened(&place));
}

#[test]
fn a_full_disk_keeps_the_old_file_and_nothing_of_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let history = written(folder.path());
    let again = opened(folder.path());
    let new = folder.path().join("history.new");
    std::os::unix::fs::symlink("/dev/full", &new).unwrap();
    let error = again.save().unwrap_err();
    assert!(error.to_string().contains("history.new"), "{error}");
    assert!(!new.exists() && !new.is_symlink());
    same(&history, &opened(folder.path()));
}

#[test]
fn memory_is_bounded_also_for_a_large_file() {
    let folder = tempfile::tempdir().unwrap();
    let history = opened(folder.path());
    for n in 0..2000 {
        history.push(key(&format!("job-{n}")), stored(n));
    }
    history.save().unwrap();
    let small = History::new(20_000);
    small.open(folder.path()).unwrap();
    let statistics = small.statistics();
    assert!(
        statistics.bytes <= 20_000 && statistics.groups > 10,
        "{statistics:?}"
    );
    assert!(small.group(&key("job-1999")).is_some());
    assert!(small.group(&key("job-0")).is_none());
}

#[test]
fn pushes_of_many_threads_are_all_there() {
    let history = History::new(MAX_BYTES);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let history = &history;
            scope.spawn(move || {
                for n in 0..50 {
                    history.push(key(&format!("job-{thread}")), stored(n));
                    history.settle();
                }
            });
        }
    });
    assert_eq!(history.statistics().pushes, 200);
}
