//! Pushes and scrapes at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use wharf_exposition::text;
use wharf_model::Meter;
use wharf_store::{Aggregation, Counters, Facts, GroupPush, PushMode, UnixNanos};

use crate::{exposition, key, post, push, put, samples, store};

#[test]
fn every_scrape_shows_each_group_whole() {
    // An interpreter is some hundred times slower.
    const GROUPS: usize = if cfg!(miri) { 2 } else { 40 };
    const PUSHES: usize = if cfg!(miri) { 2 } else { 200 };
    let store = store();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pushers: Vec<_> = (0..2)
            .map(|pusher| {
                let store = &store;
                scope.spawn(move || {
                    for n in 0..PUSHES {
                        for group in (pusher..GROUPS).step_by(2) {
                            // Odd pushes have a family more, so that groups grow and shrink.
                            let more = if n % 2 == 1 {
                                format!("c {n}\n")
                            } else {
                                String::new()
                            };
                            let body = format!("a {n}\nb{{x=\"{n}\"}} {n}\n{more}");
                            put(store, &format!("job/j{group}"), &body).unwrap();
                        }
                    }
                })
            })
            .collect();
        let (store, done) = (&store, &done);
        let scraper = scope.spawn(move || {
            let mut scrapes = 0;
            while !done.load(Ordering::Relaxed) || scrapes == 0 {
                check_whole(&exposition(&store.snapshot()));
                scrapes += 1;
            }
        });
        for pusher in pushers {
            pusher.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        scraper.join().unwrap();
    });
    check_whole(&exposition(&store.snapshot()));
    assert_eq!(store.totals().groups, GROUPS);
}

/// All families of a group must be of the same push: value n everywhere, and `c` if n is odd.
fn check_whole(text: &str) {
    let mut groups: HashMap<&str, Vec<(&str, usize)>> = HashMap::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("push_"))
    {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let job = series.split("job=\"").nth(1).unwrap().split('"').next().unwrap();
        groups
            .entry(job)
            .or_default()
            .push((&series[..1], value.parse().unwrap()));
    }
    for (job, found) in groups {
        let n = found[0].1;
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        let expected: &[&str] = if n % 2 == 1 { &["a", "b", "c"] } else { &["a", "b"] };
        assert_eq!(names, expected, "group {job}: {found:?}");
        assert!(
            found.iter().all(|(_, value)| *value == n),
            "group {job}: {found:?}"
        );
    }
}

/// What is stored is read before it is replaced, and others change it meanwhile.
#[test]
fn series_that_many_push_to_the_same_groups_at_once_are_all_there_in_the_end() {
    const PUSHERS: usize = 4;
    const PUSHES: usize = if cfg!(miri) { 2 } else { 60 };
    let store = store();
    std::thread::scope(|scope| {
        for pusher in 0..PUSHERS {
            let store = &store;
            scope.spawn(move || {
                for n in 0..PUSHES {
                    let body = format!("m{{pusher=\"{pusher}\",n=\"{n}\"}} {n}\n");
                    if n % 2 == 0 {
                        push(store, PushMode::ReplaceSeries, "job/a", &body, 100).unwrap();
                        continue;
                    }
                    // To both groups at once, and to one of them twice.
                    let to = |path: &str| GroupPush {
                        note: None,
                        key: key(path),
                        exposition: text::decode(body.as_bytes(), text::Options::default()).unwrap(),
                        ttl: None,
                        aggregation: None,
                        counters: Counters::Total,
                        once: None,
                        facts: Facts::default(),
                    };
                    let pushes = [to("job/a"), to("job/b"), to("job/a")];
                    let pushed = store.push_all(
                        &pushes,
                        PushMode::ReplaceSeries,
                        UnixNanos(1),
                        &Meter::unlimited(),
                    );
                    drop(pushed.unwrap());
                    // Another family of the group: what others are about to store is still right.
                    post(store, "job/a", &format!("other{pusher} {n}\n")).unwrap();
                }
            });
        }
    });
    let of = |job: &str| {
        let lines = samples(&store).into_iter();
        lines
            .filter(|line| line.starts_with("m{") && line.contains(&format!("job=\"{job}\"")))
            .count()
    };
    assert_eq!((of("a"), of("b")), (PUSHERS * PUSHES, PUSHERS * PUSHES / 2));
}

#[test]
fn what_many_add_to_the_same_series_at_once_is_all_in_the_sum() {
    const PUSHERS: usize = 4;
    const PUSHES: usize = if cfg!(miri) { 2 } else { 60 };
    let store = store();
    let mode = PushMode::Aggregate(Aggregation::default());
    std::thread::scope(|scope| {
        for pusher in 0..PUSHERS {
            let store = &store;
            scope.spawn(move || {
                for n in 0..PUSHES {
                    let body = format!("all 1\nown{{pusher=\"{pusher}\"}} 1\n");
                    if n % 2 == 0 {
                        push(store, mode, "job/a", &body, 100).unwrap();
                        continue;
                    }
                    // To both groups at once, and to one of them twice.
                    let to = |path: &str| GroupPush {
                        note: None,
                        key: key(path),
                        exposition: text::decode(body.as_bytes(), text::Options::default()).unwrap(),
                        ttl: None,
                        aggregation: Some(Aggregation::default()),
                        counters: Counters::Total,
                        once: None,
                        facts: Facts::default(),
                    };
                    let pushes = [to("job/a"), to("job/b"), to("job/a")];
                    let replaced = PushMode::ReplaceFamilies;
                    let pushed = store.push_all(&pushes, replaced, UnixNanos(1), &Meter::unlimited());
                    drop(pushed.unwrap());
                }
            });
        }
    });
    let all = samples(&store);
    let sum = |job: &str, name: &str| {
        let lines = all.iter().filter(|line| {
            line.starts_with(&format!("{name}{{")) && line.contains(&format!("job=\"{job}\""))
        });
        let values = lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap());
        values.sum::<usize>()
    };
    for name in ["all", "own"] {
        // Half of the pushes once, and the other half twice.
        assert_eq!(sum("a", name), PUSHERS * PUSHES * 3 / 2, "{name}");
        assert_eq!(sum("b", name), PUSHERS * PUSHES / 2, "{name}");
    }
}
