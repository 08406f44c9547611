//! What scrapes leave behind.

use std::time::Duration;

use wharf_model::Exposition;
use wharf_store::{FormKey, PushMode, Shelf};

use crate::support::{key, plain};

#[test]
fn what_is_kept_for_scrapes_goes_when_they_come_no_more() {
    let world = plain();
    let store = world.gateway.store();
    drop(
        store
            .push(
                &key("a"),
                PushMode::ReplaceGroup,
                &Exposition::default(),
                world.gateway.now(),
            )
            .unwrap(),
    );
    let snapshot = store.snapshot();
    let leaf = snapshot
        .families()
        .flat_map(|family| family.leaves())
        .next()
        .unwrap();
    let form = Shelf::form(leaf, FormKey(0), |_| true, || "in another format");
    assert!(store.shelf().keep(FormKey(0), &form, 17, 1 << 20));
    world.clock.later(Duration::from_secs(240));
    world.gateway.expire();
    assert!(store.shelf().bytes() > 0);
    world.clock.later(Duration::from_secs(120));
    world.gateway.expire();
    assert_eq!(store.shelf().bytes(), 0);
}
