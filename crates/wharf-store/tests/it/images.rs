//! What a checkpoint has of a state that changes while it is written.

use std::sync::Arc;

use proptest::prelude::*;
use wharf_ledger::{Ledger, Options, Replayed, Sequence, SimulatedDisk};
use wharf_store::{Listing, PushMode, Store, UnixNanos};

use crate::{delete, delete_matching, exposition, key, list, push, store, wipe};

/// More groups than are taken at a time.
const GROUPS: usize = 150;

/// Bodies that cannot all be stored: their types differ, and one has a series of group 1.
const BODIES: [&str; 5] = [
    "# TYPE a counter\na 1\n",
    "# HELP a words\n# TYPE a gauge\na 2\nb 1\n",
    "b{x=\"1\"} 1\nb{x=\"2\"} 2\n",
    "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_sum 1\nh_count 3\n",
    "b{job=\"g\",instance=\"1\"} 7\n",
];

#[derive(Debug, Clone)]
enum Step {
    Push(PushMode, usize, &'static str),
    Delete(usize),
    DeleteFamilies(usize),
    DeleteMatching(&'static str),
    Wipe,
    /// So many images are taken.
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let group = 0..GROUPS;
    let mode = prop_oneof![Just(PushMode::ReplaceGroup), Just(PushMode::ReplaceFamilies)];
    prop_oneof![
        12 => (mode, group.clone(), prop::sample::select(&BODIES[..])).prop_map(|(mode, group, body)| Step::Push(mode, group, body)),
        3 => group.clone().prop_map(Step::Delete),
        3 => group.prop_map(Step::DeleteFamilies),
        1 => prop::sample::select(&["{instance=~\"1.*\"}", "{instance=~\".*[3-5]\"}"][..]).prop_map(Step::DeleteMatching),
        1 => Just(Step::Wipe),
        8 => (1..40_usize).prop_map(Step::Take),
    ]
}

fn path(group: usize) -> String {
    format!("job/g/instance/{group}")
}

/// All that can be told of a store.
fn told(store: &Store) -> (String, String, String) {
    let listing = Listing {
        limit: usize::MAX,
        ..Listing::default()
    };
    let groups = list(store, &listing).groups;
    (
        exposition(&store.snapshot()),
        format!("{groups:?}"),
        format!("{:?}", store.totals()),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "too much for an interpreter")]
    fn images_and_what_happened_meanwhile_give_the_state(steps in prop::collection::vec(step(), 1..60)) {
        let disk = SimulatedDisk::new(1);
        let nothing = &mut |_: Replayed<'_>| Ok(());
        let (ledger, _) = Ledger::open(Arc::new(disk.clone()), Options::default(), nothing).unwrap();
        let live = Arc::new(store());
        live.attach(ledger.clone(), Sequence(0), false);
        for group in 0..GROUPS {
            push(&live, PushMode::ReplaceGroup, &path(group), BODIES[group % 3], 100).ok();
        }
        let at = Sequence(ledger.statistics().records);
        let (mut images, mut taken) = (live.images(), Vec::new());
        for (step, now) in steps.iter().zip(101..) {
            match step {
                Step::Push(mode, group, body) => drop(push(&live, *mode, &path(*group), body, now)),
                Step::Delete(group) => drop(delete(&live, &path(*group))),
                Step::DeleteFamilies(group) => drop(live.delete_families(&key(&path(*group)), &["b"]).unwrap()),
                Step::DeleteMatching(selector) => {
                    drop(delete_matching(&live, &[selector.parse().unwrap()], Some(UnixNanos(i64::MAX))).unwrap());
                }
                Step::Wipe => drop(wipe(&live)),
                Step::Take(count) => taken.extend(images.by_ref().take(*count)),
            }
        }
        taken.extend(images);
        ledger.close().unwrap();

        let (restored, replayed_all) = (store(), store());
        for image in &taken {
            restored.replay(image).unwrap();
        }
        let mut replay = |replayed: Replayed<'_>| {
            replayed_all.replay(replayed.record)?;
            if replayed.sequence > at {
                restored.replay(replayed.record)?;
            }
            Ok(())
        };
        Ledger::open(Arc::new(disk), Options::default(), &mut replay).unwrap();
        prop_assert_eq!(told(&restored), told(&live));
        // The index knows the same series.
        for body in BODIES {
            for group in ["job/g/instance/1", "job/g"] {
                let answers = [&restored, &replayed_all].map(|store| push(store, PushMode::ReplaceFamilies, group, body, 999).map_err(|error| error.to_string()));
                prop_assert_eq!(&answers[0], &answers[1]);
            }
        }
    }
}

#[test]
fn large_groups_are_all_there_once_and_in_order() {
    let store = store();
    let body = format!("m{{pad=\"{}\"}} 1\n", "x".repeat(20_000));
    for group in 10..40 {
        push(&store, PushMode::ReplaceGroup, &path(group), &body, 1).unwrap();
    }
    let restored = self::store();
    let images: Vec<_> = store.images().collect();
    assert_eq!(images.len(), 30);
    for image in &images {
        restored.replay(image).unwrap();
    }
    assert_eq!(told(&restored), told(&store));
    let (first, last) = (&images[0], &images[29]);
    assert!(
        first.windows(3).any(|bytes| bytes == b"10\xff") && last.windows(3).any(|bytes| bytes == b"39\xff")
    );
}
