use std::borrow::Cow;

use wharf_exposition::text;
use wharf_model::Meter;

use super::*;
use crate::change::Change;
use crate::effect::Facts;
use crate::memory::state::Tell;
use crate::mode::PushMode;
use crate::size::Size;
use crate::write::lock::Guarded;
use crate::write::undo::Undo;
use crate::write::writer::Writer;
use crate::{Reserved, Revision, UnixNanos};

fn store() -> Store {
    Store::new(Reserved::default(), 1 << 24)
}

fn key(job: &str) -> GroupingKey {
    GroupingKey::new([("job", job)]).unwrap()
}

fn put(store: &Store, job: &str, body: &str) {
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let pushed = store.push(&key(job), PushMode::ReplaceGroup, &exposition, UnixNanos(1));
    drop(pushed.unwrap());
}

/// Makes a draft of a push to a group, in which others do something before it takes the place of what is stored.
fn draft(store: &Store, job: &str, body: &str, meanwhile: impl FnOnce()) -> Result<Commit, Stopped> {
    let Writer::Local(local) = &store.writer else {
        panic!("it is alone");
    };
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let key = key(job);
    let intent = Intent {
        key: &key,
        mode: PushMode::ReplaceGroup,
        delta: store
            .preparer
            .prepare(&key, &exposition, UnixNanos(2), &Meter::unlimited())
            .unwrap(),
        lifetime: None,
        facts: Facts::NONE,
    };
    let mut drafting = Drafting::begin(store, std::slice::from_ref(&key))?;
    drafting.push(&intent, Cause::Push(intent.facts))?;
    meanwhile();
    drafting.finish(local, None)
}

fn is_disturbed(outcome: &Result<Commit, Stopped>) -> bool {
    matches!(outcome, Err(Stopped::Disturbed))
}

fn samples(store: &Store) -> Vec<String> {
    let snapshot = store.snapshot();
    let mut lines = Vec::new();
    for family in snapshot
        .families()
        .filter(|family| !crate::is_time(family.name()))
    {
        for fragment in family.fragments() {
            let text = String::from_utf8(fragment.text().to_vec()).unwrap();
            lines.extend(text.lines().map(str::to_owned));
        }
    }
    lines
}

/// Families, groups and totals say the same, and the index has each series once.
fn check(store: &Store) {
    let snapshot = store.snapshot();
    let families = snapshot.families();
    let sum = families.fold((0, 0), |sum, family| {
        (sum.0 + family.series(), sum.1 + family.bytes())
    });
    assert_eq!(sum, (store.totals().series, store.totals().bytes));
    let guarded = store.lock();
    let of_groups = snapshot
        .keys()
        .into_iter()
        .map(|key| guarded.state.size_of(&key).unwrap());
    let of_groups = of_groups.fold(Size::default(), Size::plus);
    assert_eq!((of_groups.series, of_groups.bytes), sum);
    assert_eq!(guarded.state.index_len() as u64, sum.0);
}

#[test]
fn what_others_push_and_delete_meanwhile_is_there_with_the_draft() {
    let store = store();
    put(&store, "a", "m 1\nold 1\n");
    put(&store, "b", "m 2\n");
    put(&store, "c", "m 3\nonly_c 1\n");
    let drafted = draft(&store, "a", "m{l=\"1\"} 4\nn 5\n", || {
        put(&store, "b", "m 6\nn 7\n");
        put(&store, "d", "m 8\nown_d 1\n");
        drop(store.delete(&key("c")).unwrap());
    });
    assert!(drafted.is_ok());
    assert_eq!(
        samples(&store),
        [
            r#"m{instance="",job="a",l="1"} 4"#,
            r#"m{instance="",job="b"} 6"#,
            r#"m{instance="",job="d"} 8"#,
            r#"n{instance="",job="a"} 5"#,
            r#"n{instance="",job="b"} 7"#,
            r#"own_d{instance="",job="d"} 1"#,
        ]
    );
    check(&store);
}

#[test]
fn a_draft_is_begun_anew_if_what_others_push_contradicts_it_or_changes_its_group() {
    let store = store();
    put(&store, "b", "k 1\n");
    let before = samples(&store);
    let gauge = "# TYPE m gauge\nm 1\n";
    let types = draft(&store, "a", gauge, || put(&store, "b", "# TYPE m counter\nm 1\n"));
    assert!(is_disturbed(&types));
    let lines = draft(&store, "a", "# TYPE s_sum gauge\ns_sum 1\n", || {
        put(&store, "b", "# TYPE s summary\ns_sum 1\ns_count 1\n");
    });
    assert!(is_disturbed(&lines));
    let lines = draft(
        &store,
        "a",
        "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
        || {
            put(&store, "b", "# TYPE h_count gauge\nh_count 1\n");
        },
    );
    assert!(is_disturbed(&lines));
    let own = draft(&store, "a", gauge, || put(&store, "a", "x 1\n"));
    assert!(is_disturbed(&own));
    drop(store.delete(&key("a")).unwrap());
    let all = draft(&store, "a", gauge, || drop(store.wipe().unwrap()));
    assert!(is_disturbed(&all));
    put(&store, "b", "k 1\n");
    assert_eq!(samples(&store), before);
    check(&store);
}

#[test]
fn a_series_that_another_group_gets_meanwhile_is_found() {
    let store = store();
    let same = GroupingKey::new([("job", "a"), ("instance", "")]).unwrap();
    let exposition = text::decode(b"m 1\n", text::Options::default()).unwrap();
    let drafted = draft(&store, "a", "m 1\n", || {
        drop(
            store
                .push(&same, PushMode::ReplaceGroup, &exposition, UnixNanos(1))
                .unwrap(),
        );
    });
    assert!(is_disturbed(&drafted));
    assert!(matches!(
        draft(&store, "a", "m 1\n", || ()),
        Err(Stopped::Refused { push: Some(0), .. })
    ));
    check(&store);
}

#[test]
fn a_refused_push_to_the_group_of_a_draft_is_booked_and_disturbs_nobody() {
    let store = store();
    put(&store, "a", "m 1\n");
    let drafted = draft(&store, "a", "n 1\n", || {
        store.record_failure_time(&key("a"), None, UnixNanos(123_456_789_000));
    });
    assert!(drafted.is_ok());
    let group = store.group(&key("a")).unwrap();
    assert_eq!(group.info().failure_time.to_string(), "123.456789");
    assert_eq!(samples(&store), [r#"n{instance="",job="a"} 1"#]);
    check(&store);
}

#[test]
fn a_group_that_a_draft_is_about_to_make_stands_in_nobodys_way() {
    let store = store();
    let drafted = draft(&store, "a", "m{k=\"1\"} 1\nm{k=\"2\"} 1\n", || {
        put(&store, "a", "m{k=\"1\"} 1\n");
        put(&store, "a", "m{k=\"1\"} 2\nm{k=\"3\"} 1\n");
    });
    assert!(is_disturbed(&drafted));
    assert_eq!(samples(&store).len(), 2);
    check(&store);
}

#[test]
fn pushes_that_are_refused_do_not_disturb_for_ever() {
    let store = store();
    put(&store, "a", "m 1\n");
    let key = key("a");
    let claim = store.claims.claim([&key].into_iter());
    let failed_at = || store.group(&key).unwrap().info().failure_time.to_string();
    store.record_failure_time(&key, None, UnixNanos(1_000_000_000));
    assert_eq!(failed_at(), "1");
    // Whoever has been disturbed too often closes the groups that are to be changed.
    claim.close(&key);
    store.record_failure_time(&key, None, UnixNanos(2_000_000_000));
    assert_eq!(failed_at(), "1");
    drop(claim);
    store.record_failure_time(&key, None, UnixNanos(3_000_000_000));
    assert_eq!(failed_at(), "3");
}

#[test]
fn a_draft_that_is_given_up_leaves_nothing_behind() {
    let store = store();
    put(&store, "b", "# TYPE m gauge\nm 1\n");
    let ids = |store: &Store| store.lock().state.free_ids();
    for _ in 0..3 {
        let refused = draft(&store, "a", "k 1\n# TYPE m counter\nm 1\n", || ());
        assert!(matches!(refused, Err(Stopped::Refused { .. })));
        assert_eq!(ids(&store), 1);
        check(&store);
    }
}

#[test]
fn what_a_draft_has_left_is_cleared_up_also_in_what_was_wiped_and_is_put_back() {
    let store = store();
    put(&store, "a", "m 1\nn 1\n");
    put(&store, "b", "m 2\n");
    let (ids, hints) = {
        let state = &store.lock().state;
        (state.identity(), state.index_len())
    };
    let preparer = &store.preparer;
    let mut guarded = store.lock();
    let Guarded { state, undos, .. } = &mut *guarded;
    // The group is gone, and the index has its series still.
    let owner = state.id_of(&key("a")).unwrap();
    let text = b"m{instance=\"\",job=\"a\"}".as_slice();
    let mut leftovers = Leftovers::new(vec![(preparer.fingerprint(text), owner)], ids);
    let tell = Tell {
        before: true,
        effects: false,
    };
    let applied = state.apply(preparer, Revision(9), [Change::Wipe], tell);
    undos.push_back((Revision(9), Undo::from(applied.before)));
    assert!(guarded.clear_up(&mut leftovers, 10));
    let (_, undo) = guarded.undos.pop_back().unwrap();
    assert!(undo.run(&mut guarded.state, preparer).is_none());
    assert_eq!(guarded.state.index_len(), hints - 1);
}

#[test]
fn a_draft_that_is_taken_back_leaves_what_was_there() {
    let store = store();
    put(&store, "a", "m 1\nold 1\n");
    put(&store, "b", "m 2\n");
    let before = samples(&store);
    let Writer::Local(local) = &store.writer else {
        panic!("it is alone");
    };
    let keys = [key("a"), key("c")];
    let exposition = text::decode(b"m 3\nnew 1\n", text::Options::default()).unwrap();
    let mut drafting = Drafting::begin(&store, &keys).unwrap();
    for key in &keys {
        let intent = Intent {
            key,
            mode: PushMode::ReplaceGroup,
            delta: store
                .preparer
                .prepare(key, &exposition, UnixNanos(2), &Meter::unlimited())
                .unwrap(),
            lifetime: None,
            facts: Facts::NONE,
        };
        drafting.push(&intent, Cause::Push(intent.facts)).unwrap();
    }
    drafting.make_ready().unwrap();
    let mut guarded = drafting.catch_up().unwrap();
    let ready = drafting
        .draft
        .take(Vec::new(), std::mem::take(&mut drafting.hints));
    drafting.is_over = true;
    let former = local.switch(&mut guarded, ready).unwrap();
    let leftovers = guarded.state.switch_back(former);
    drop(guarded);
    drop(drafting);
    clear_up(&store.lock, leftovers);
    assert_eq!(samples(&store), before);
    check(&store);
    let change = Change::Delete {
        keys: Cow::Borrowed(&keys),
        by: By::Request,
    };
    let mut guarded = store.lock();
    drop(
        guarded
            .state
            .apply(&store.preparer, Revision(9), [change], Tell::default()),
    );
    drop(guarded);
    check(&store);
}
