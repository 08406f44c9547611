use std::borrow::Cow;

use wharf_exposition::text;
use wharf_model::{Exposition, Meter};

use super::*;
use crate::change::Change;
use crate::effect::Facts;
use crate::feed::Batch;
use crate::memory::state::{Before, Tell};
use crate::mode::{Counters, PushMode};
use crate::write::lock::Guarded;
use crate::write::undo::Undo;
use crate::write::writer::Writer;
use crate::{Limits, PUSH_FAILURE_TIME, PUSH_TIME, Quota, Reserved, Revision, UnixNanos};

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

/// A push in the place of a group.
fn intent<'p>(store: &Store, key: &'p GroupingKey, exposition: &'p Exposition<'_>) -> Intent<'p> {
    Intent {
        key,
        mode: PushMode::ReplaceGroup,
        counters: Counters::Total,
        delta: store
            .preparer
            .prepare(key, exposition, UnixNanos(2), &Meter::unlimited())
            .unwrap(),
        lifetime: None,
        once: None,
        facts: Facts::NONE,
    }
}

/// Makes a draft of a push to a group, in which others do something before it takes the place of what is stored.
fn draft(store: &Store, job: &str, body: &str, meanwhile: impl FnOnce()) -> Result<Commit, Stopped> {
    let Writer::Local(local) = &store.writer else {
        panic!("it is alone");
    };
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let key = key(job);
    let intent = intent(store, &key, &exposition);
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
        .filter(|family| !crate::is_standing(family.name()))
    {
        for fragment in family.fragments() {
            let text = String::from_utf8(fragment.text().to_vec()).unwrap();
            lines.extend(text.lines().map(str::to_owned));
        }
    }
    lines
}

/// Families, groups, totals and quotas say the same, the index has each series once, and nothing is left of any draft.
fn check(store: &Store) {
    store.audit(true).unwrap();
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
        let intent = intent(&store, key, &exposition);
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

/// Applies a change as one that is still to be safe, and gives how to take it back.
fn pending(guarded: &mut Guarded, store: &Store, change: Change<'_>) -> Undo {
    let tell = Tell {
        before: true,
        effects: false,
    };
    let applied = guarded.state.apply(&store.preparer, Revision(9), [change], tell);
    Undo::from(applied.before)
}

fn deletion(keys: &[GroupingKey]) -> Change<'_> {
    Change::Delete {
        keys: Cow::Borrowed(keys),
        by: By::Request,
    }
}

/// Puts a draft in the place of what is stored, and keeps how to take it back.
fn switch(mut drafting: Drafting<'_>) -> Undo {
    drafting.make_ready().unwrap();
    let mut guarded = drafting.catch_up().unwrap();
    let quotas = std::mem::take(&mut drafting.quotas);
    let hints = std::mem::take(&mut drafting.hints);
    let ready = drafting.draft.take(quotas, hints);
    drafting.is_over = true;
    let (former, _) = guarded.state.switch(Revision(8), ready);
    drop(guarded);
    Undo::from(Before::Switched(Box::new(former)))
}

fn take_back(store: &Store, undos: impl IntoIterator<Item = Undo>) {
    for undo in undos {
        let leftovers = undo.run(&mut store.lock().state, &store.preparer);
        if let Some(leftovers) = leftovers {
            clear_up(&store.lock, leftovers);
        }
    }
}

fn settle(store: &Store, undos: impl IntoIterator<Item = Undo>) {
    let mut leftovers = Vec::new();
    undos.into_iter().for_each(|undo| undo.settle(&mut leftovers));
    for leftovers in leftovers {
        clear_up(&store.lock, leftovers);
    }
}

#[test]
fn a_group_that_comes_back_has_the_number_that_a_draft_below_counts_on() {
    // One by one, and together with others.
    for gone in [vec![key("a")], vec![key("a"), key("b")]] {
        let store = store();
        put(&store, "a", "m 1\nold 1\n");
        put(&store, "b", "m 2\n");
        let before = samples(&store);
        let exposition = text::decode(b"m 3\nnew 1\n", text::Options::default()).unwrap();
        let mut drafting = Drafting::begin(&store, &[key("a")]).unwrap();
        let a = key("a");
        let intent = intent(&store, &a, &exposition);
        drafting.push(&intent, Cause::Push(intent.facts)).unwrap();
        let below = switch(drafting);
        let deleted = pending(&mut store.lock(), &store, deletion(&gone));
        // Somebody is about to make a group, and has a number for it, when the disk fails.
        let other = Drafting::begin(&store, &[key("x")]).unwrap();
        take_back(&store, [deleted, below]);
        drop(other);
        assert_eq!(samples(&store), before);
        check(&store);
        let copy = GroupingKey::new([("job", "a"), ("instance", "")]).unwrap();
        let exposition = text::decode(b"m 1\n", text::Options::default()).unwrap();
        let pushed = store.push(&copy, PushMode::ReplaceGroup, &exposition, UnixNanos(1));
        assert!(matches!(pushed, Err(PushError::Inconsistent(_))));
    }
}

#[test]
fn the_number_of_a_group_is_free_when_its_end_is_safe() {
    let store = store();
    for job in ["a", "b", "c"] {
        put(&store, job, "m 1\n");
    }
    let keys = [key("a"), key("b")];
    let one = [key("c")];
    let undos = {
        let mut guarded = store.lock();
        let several = pending(&mut guarded, &store, deletion(&keys));
        [several, pending(&mut guarded, &store, deletion(&one))]
    };
    store.audit(false).unwrap();
    let free = |store: &Store| store.lock().state.free_ids();
    assert_eq!(free(&store), 0);
    settle(&store, undos);
    assert_eq!(free(&store), 3);
    check(&store);
}

#[test]
fn a_failure_that_is_booked_before_a_draft_knows_its_groups_is_counted_once() {
    let store = store();
    store.set_limits(Limits {
        quotas: vec![Quota {
            selector: "{}".parse().unwrap(),
            max_groups: None,
            max_series: None,
            max_bytes: Some(1 << 20),
        }],
        ..Limits::default()
    });
    put(&store, "a", "m 1\n");
    let Writer::Local(local) = &store.writer else {
        panic!("it is alone");
    };
    let fail = |at| store.record_failure_time(&key("a"), None, UnixNanos(at));
    let beginning = Beginning::of(&store);
    fail(123_456_789_000);
    let mut drafting = Drafting::of(beginning, &[key("a")]).unwrap();
    fail(1_234_567_890_123_000_000);
    drop(drafting.delete_families(&[key("a")], &["m"], By::Request));
    drafting.make_ready().unwrap();
    fail(5_000_000_000);
    drop(drafting.catch_up().unwrap());
    // It is taken over as often as it changes.
    fail(123_456_789_000);
    assert!(drafting.put_in_place(local, None).is_ok());
    check(&store);
    let info = store.group(&key("a")).unwrap();
    assert_eq!(info.info().failure_time.to_string(), "123.456789");
}

#[test]
fn numbers_of_groups_that_do_not_come_to_be_are_given_back() {
    for is_taken_back in [false, true] {
        let store = store();
        put(&store, "a", "m 1\n");
        let keys = [key("a"), key("b"), key("c")];
        let mut drafting = Drafting::begin(&store, &keys).unwrap();
        assert_eq!(drafting.delete(&keys, By::Selector).groups, 1);
        let undo = switch(drafting);
        if is_taken_back {
            take_back(&store, [undo]);
        } else {
            settle(&store, [undo]);
        }
        assert_eq!(samples(&store).len(), usize::from(is_taken_back));
        check(&store);
    }
}

#[test]
fn limits_that_are_set_before_a_draft_knows_its_groups_begin_it_anew() {
    let store = store();
    put(&store, "a", "m 1\n");
    let beginning = Beginning::of(&store);
    store.set_limits(Limits {
        max_series: Some(3),
        ..Limits::default()
    });
    let keys = [key("a"), key("b")];
    assert!(Drafting::of(beginning, &keys).is_err());
    check(&store);
    assert!(matches!(
        draft(&store, "b", "m 1\n", || ()),
        Err(Stopped::Refused { .. })
    ));
    check(&store);
}

#[test]
fn a_failure_beside_a_draft_that_says_when_the_last_one_was_begins_it_anew() {
    let store = store();
    put(&store, "a", "m 1\n");
    let a = key("a");
    store.record_failure_time(&a, None, UnixNanos(7_000_000_000));
    let exposition = text::decode(b"m 1\n", text::Options::default()).unwrap();
    let (times, memory) = ([(PUSH_TIME, 1.0), (PUSH_FAILURE_TIME, 7.0)], Meter::unlimited());
    let mut delta = store
        .preparer
        .prepare_with(&a, &exposition, &times, UnixNanos(1), &memory)
        .unwrap();
    for family in &mut delta.families {
        // As it is stored, down to the time of each family.
        family.pushed_at = UnixNanos(7_000_000_000);
    }
    let mut drafting = Drafting::begin(&store, std::slice::from_ref(&a)).unwrap();
    let intent = Intent {
        key: &a,
        mode: PushMode::ReplaceGroup,
        counters: Counters::Total,
        delta,
        lifetime: None,
        once: None,
        facts: Facts::NONE,
    };
    drafting.push(&intent, Cause::Restore).unwrap();
    // In the log it comes before what is restored, which says another time.
    store.record_failure_time(&a, None, UnixNanos(8_000_000_000));
    let Writer::Local(local) = &store.writer else {
        panic!("it is alone");
    };
    assert!(is_disturbed(&drafting.finish(local, None)));
    check(&store);
}

#[test]
fn who_follows_since_a_draft_was_begun_is_told_of_it() {
    let store = store();
    let mut follower = None;
    let first = draft(&store, "a", "m 1\n", || follower = Some(store.follow()));
    assert!(is_disturbed(&first));
    assert!(draft(&store, "a", "m 1\n", || ()).is_ok());
    match follower.unwrap().read() {
        Batch::Effects(effects) => assert_eq!(effects.len(), 1),
        Batch::Lagged { .. } => panic!("one effect is not much"),
    }
    check(&store);
}

#[test]
fn names_of_a_draft_that_is_disturbed_while_it_is_made_ready_are_given_back() {
    let store = store();
    put(&store, "b", "k 1\n");
    let keys = [key("a"), key("b")];
    let mut drafting = Drafting::begin(&store, &keys).unwrap();
    let mut shared = 0;
    for (key, body) in keys.iter().zip(["m 1\n", "n 1\n"]) {
        let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
        let intent = intent(&store, key, &exposition);
        drafting.push(&intent, Cause::Push(intent.facts)).unwrap();
    }
    let made = drafting.draft.make_ready(|names| {
        shared += 1;
        if shared > 1 {
            return Err(Disturbed);
        }
        Ok(store.lock().state.share_names(names))
    });
    assert!(made.is_err());
    drop(drafting);
    check(&store);
}
