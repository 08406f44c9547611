//! Stores for tests of what shows them.

use wharf_exposition::{openmetrics, text};
use wharf_model::GroupingKey;
use wharf_model::name::NameRule;
use wharf_store::{PushMode, Reserved, Store, UnixNanos};

/// A store with these jobs, each with its text.
pub(crate) fn stored(jobs: impl IntoIterator<Item = (String, String)>) -> Store {
    let store = Store::new(Reserved::default(), 64 << 20);
    let options = text::Options {
        names: NameRule::Utf8,
        strict: false,
    };
    for (job, body) in jobs {
        let key = GroupingKey::new([("job", job.as_str())]).unwrap();
        let exposition = text::decode(body.as_bytes(), options).unwrap();
        let pushed = store.push(&key, PushMode::ReplaceGroup, &exposition, UnixNanos(1));
        drop(pushed.unwrap());
    }
    store
}

/// The same with the job `o` alone, from what is no text.
pub(crate) fn stored_from_openmetrics(body: &str) -> Store {
    let store = Store::new(Reserved::default(), 64 << 20);
    let names = NameRule::Utf8;
    let exposition = openmetrics::decode(body.as_bytes(), openmetrics::Options { names }).unwrap();
    let key = GroupingKey::new([("job", "o")]).unwrap();
    let pushed = store.push(&key, PushMode::ReplaceGroup, &exposition, UnixNanos(1));
    drop(pushed.unwrap());
    store
}
