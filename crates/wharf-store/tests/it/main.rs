//! The store as its users see it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cold;
mod concurrency;
mod contradictions;
mod durable;
mod exact;
mod feed;
mod groups;
mod holds;
mod images;
mod large;
mod lifetimes;
mod limits;
mod merge;
mod model;
mod patience;
mod push_ids;
mod records;
mod reset;
mod rules;
mod series_ttl;
// Minutes of simulated time are too much for an interpreter.
#[cfg(not(miri))]
mod shared;
mod standing;
mod start;
mod stencils;
mod undo;

use wharf_exposition::text;
use wharf_model::name::NameRule;
use wharf_model::{Choice, Effort, GroupingKey, Selector};
use wharf_store::{Author, Commit, Listing, Page, PushError, PushMode, Reserved, Snapshot, Store, UnixNanos};

/// A store without families of its own.
fn store() -> Store {
    Store::new(Reserved::default(), 1 << 24)
}

/// The key of `job/a/instance/i` and the like.
fn key(path: &str) -> GroupingKey {
    let parts: Vec<&str> = path.split('/').collect();
    GroupingKey::new(parts.chunks(2).map(|pair| (pair[0], pair[1]))).unwrap()
}

/// Pushes a body of the text format at a time in seconds.
fn push(store: &Store, mode: PushMode, path: &str, body: &str, seconds: i64) -> Result<(), PushError> {
    let options = text::Options {
        names: NameRule::Utf8,
        strict: false,
    };
    let exposition = text::decode(body.as_bytes(), options).unwrap();
    store
        .push(&key(path), mode, &exposition, UnixNanos(seconds * 1_000_000_000))
        .map(drop)
}

/// What some selectors select, as [`Choice`] has it.
fn choice(selectors: &[Selector]) -> Choice {
    Choice::all().and(selectors.to_vec())
}

fn matching(store: &Store, selectors: &[Selector], before: Option<UnixNanos>) -> Vec<GroupingKey> {
    let effort = Effort::unlimited();
    store.matching(&choice(selectors), before, &effort).unwrap()
}

fn matching_with_family(
    store: &Store,
    selectors: &[Selector],
    before: Option<UnixNanos>,
    family: &str,
) -> Vec<GroupingKey> {
    let (choice, effort) = (choice(selectors), Effort::unlimited());
    store
        .matching_with_family(&choice, before, family, &effort)
        .unwrap()
}

type Deleted = Result<(Vec<GroupingKey>, Commit), PushError>;

fn delete_matching(store: &Store, selectors: &[Selector], before: Option<UnixNanos>) -> Deleted {
    let keys = matching(store, selectors, before);
    let (keys, commit, _receipt) = store.remove_groups(keys, before, &Author::default())?;
    Ok((keys, commit))
}

fn delete_family_matching(
    store: &Store,
    selectors: &[Selector],
    before: Option<UnixNanos>,
    family: &str,
) -> Deleted {
    let keys = matching_with_family(store, selectors, before, family);
    let (keys, commit, _receipt) = store.remove_family_of(keys, before, family, &Author::default())?;
    Ok((keys, commit))
}

/// A part of a snapshot.
fn part(snapshot: &Snapshot, selectors: &[Selector]) -> Snapshot {
    snapshot
        .matching(&choice(selectors), &Effort::unlimited())
        .unwrap()
}

fn list(store: &Store, listing: &Listing) -> Page {
    store.list(listing, &Effort::unlimited()).unwrap()
}

fn delete(store: &Store, path: &str) -> bool {
    store.delete(&key(path)).unwrap().0
}

/// Lets so much time pass that what nobody changes is cold.
fn cool(store: &Store) {
    for _ in 0..6 {
        store.cool();
    }
}

fn wipe(store: &Store) -> usize {
    store.wipe().unwrap().0
}

fn post(store: &Store, path: &str, body: &str) -> Result<(), PushError> {
    push(store, PushMode::ReplaceFamilies, path, body, 100)
}

fn put(store: &Store, path: &str, body: &str) -> Result<(), PushError> {
    push(store, PushMode::ReplaceGroup, path, body, 100)
}

/// The whole exposition of a snapshot.
fn exposition(snapshot: &Snapshot) -> String {
    let mut all = Vec::new();
    for family in snapshot.families() {
        all.extend_from_slice(&family.header().text());
        for leaf in family.leaves() {
            all.extend_from_slice(&leaf.piece().text());
        }
    }
    String::from_utf8(all).unwrap()
}

/// The lines of samples, without those of the push times.
fn samples(store: &Store) -> Vec<String> {
    let text = exposition(&store.snapshot());
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("push_"));
    lines.map(str::to_owned).collect()
}

/// When each group expires.
fn expiries(store: &Store) -> String {
    let listing = Listing {
        limit: usize::MAX,
        ..Listing::default()
    };
    let groups = list(store, &listing).groups.into_iter();
    let lines = groups.map(|group| format!("{} {:?}\n", group.key, group.lifetime));
    lines.collect::<Vec<_>>().concat()
}
