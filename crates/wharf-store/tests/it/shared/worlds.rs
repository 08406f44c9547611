//! Random worlds: many clients, replicas that are cut off, deaf, killed and started anew, history that is forgotten. After all
//! that, every replica has to show the same, and it has to be what the answers promised.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf_shared_log::{Faults, Limits, Simulation, Timer};
use wharf_store::{Aggregation, PushMode};

use super::replicas::{Answer, Replica, World};

/// How many worlds of each kind, and the first seed: `WHARF_SHARED_SEEDS=5000 WHARF_SEED=1 cargo test -p wharf-store shared`.
#[expect(clippy::disallowed_methods, reason = "tests have no flags")]
fn number(variable: &str, default: u64) -> u64 {
    let number = std::env::var(variable).ok();
    number.and_then(|number| number.parse().ok()).unwrap_or(default)
}

#[expect(clippy::print_stdout, reason = "a test that fails shows what it has printed")]
pub(super) fn each_seed(default: u64, check: impl Fn(u64)) {
    let first = number("WHARF_SEED", 1);
    for seed in first..first + number("WHARF_SHARED_SEEDS", default) {
        // The last line before a failure tells its seed.
        println!("seed {seed}");
        check(seed);
    }
}

/// Something that a client asked for.
#[derive(Debug, Clone)]
struct Request {
    what: What,
    path: String,
    /// A number that no other request has: the label or value of what it pushes.
    tag: u64,
    begun: Duration,
    answered: Duration,
    answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    /// The whole group: one series with the tag for a value.
    Put,
    /// One more series, with the tag for a label.
    Merge,
    /// One more, added to what is counted.
    Add,
    Delete,
    Wipe,
}

impl Request {
    /// Whether this was over before the other was begun.
    fn is_before(&self, other: &Self) -> bool {
        self.answered < other.begun
    }

    /// Whether it certainly happened.
    fn is_done(&self) -> bool {
        self.answer == Answer::Done
    }
}

/// What all clients asked for.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<Vec<Request>>>);

impl Book {
    fn all(&self) -> Vec<Request> {
        self.0.lock().unwrap().clone()
    }

    async fn ask(&self, replica: Arc<Replica>, what: What, path: &str, tag: u64) -> Request {
        // Whoever asks a replica that is killed then is never answered.
        let request = Request {
            what,
            path: path.to_owned(),
            tag,
            begun: replica.timer().now(),
            answered: Duration::MAX,
            answer: Answer::Unavailable,
        };
        let place = {
            let mut all = self.0.lock().unwrap();
            all.push(request.clone());
            all.len() - 1
        };
        let answer = match what {
            What::Put => {
                let body = format!("put {tag}\n");
                replica.push(path, PushMode::ReplaceGroup, &body, None).await
            }
            What::Merge => {
                let body = format!("merged{{tag=\"{tag}\"}} 1\n");
                replica.push(path, PushMode::ReplaceSeries, &body, None).await
            }
            What::Add => {
                let mode = PushMode::Aggregate(Aggregation::default());
                replica
                    .push(path, mode, "# TYPE added counter\nadded 1\n", None)
                    .await
            }
            What::Delete => replica.delete(path).await,
            What::Wipe => replica.wipe().await,
        };
        let request = Request {
            answered: replica.timer().now(),
            answer,
            ..request
        };
        self.0.lock().unwrap()[place] = request.clone();
        request
    }
}

/// Breaks and mends things for a while.
pub(super) async fn break_things(world: World, steps: u64) {
    let simulation = world.simulation.clone();
    for _ in 0..steps {
        simulation
            .sleep(simulation.time_below(Duration::from_secs(3)))
            .await;
        let replica = &world.replicas[below(&simulation, world.replicas.len())];
        match simulation.below(10) {
            0 | 1 => replica.log.set_cut(true),
            2 => replica.log.set_deaf(true),
            3..=5 => {
                replica.log.set_cut(false);
                replica.log.set_deaf(false);
            }
            6 => replica.log.end_watches(),
            7 => world.log.forget_history(),
            8 => world.restart(replica),
            _ => {
                world.log.set_full(true);
                simulation
                    .sleep(simulation.time_below(Duration::from_secs(2)))
                    .await;
                world.log.set_full(false);
            }
        }
    }
}

pub(super) fn below(simulation: &Simulation, bound: usize) -> usize {
    usize::try_from(simulation.below(bound as u64)).unwrap()
}

/// In some worlds transactions are of few groups.
pub(super) fn few_operations(world: &World, seed: u64) {
    if seed.is_multiple_of(3) {
        world.log.set_limits(Limits {
            operations: 4,
            ..Limits::default()
        });
    }
}

/// A world in which things break while clients ask; at rest in the end.
fn lived(seed: u64, ask: impl Fn(&Simulation) -> (What, String)) -> (World, Vec<Request>) {
    let world = World::new(seed, 2 + usize::try_from(seed % 2).unwrap(), Faults::bad());
    let simulation = &world.simulation;
    few_operations(&world, seed);
    let book = Book::default();
    for client in 0..6 {
        for number in 0..12 {
            let tag = client * 1000 + number;
            let (what, path) = ask(simulation);
            let replica = Arc::clone(&world.replicas[below(simulation, world.replicas.len())]);
            let (book, timer) = (book.clone(), simulation.clone());
            let after = Duration::from_secs(5) + simulation.time_below(Duration::from_secs(20));
            simulation.spawn(async move {
                timer.sleep(after).await;
                book.ask(replica, what, &path, tag).await;
            });
        }
    }
    simulation.spawn(break_things(world.clone(), 12));
    simulation.run_for(Duration::from_secs(45));
    world.calm();
    (world, book.all())
}

/// The numbers behind this in the lines of each group.
fn tags(exposition: &str, job: &str, family: &str) -> Vec<u64> {
    let lines = exposition
        .lines()
        .filter(|line| line.starts_with(&format!("{family}{{")) && line.contains(&format!("job=\"{job}\"")));
    let tags = lines.filter_map(|line| {
        let (_, tag) = line.split_once("tag=\"").or_else(|| line.rsplit_once(' '))?;
        tag.trim_end_matches("} 1").trim_end_matches('"').parse().ok()
    });
    tags.collect()
}

#[test]
fn all_replicas_show_the_same_and_nothing_that_was_acknowledged_is_lost() {
    let (done, asked) = (Cell::new(0), Cell::new(0));
    each_seed(12, |seed| {
        let (world, requests) = lived(seed, |simulation| {
            (What::Merge, format!("job/{}", simulation.below(3)))
        });
        let exposition = world.exposition();
        asked.set(asked.get() + requests.len());
        for request in &requests {
            let job = request.path.trim_start_matches("job/");
            let is_there = tags(&exposition, job, "merged").contains(&request.tag);
            match request.answer {
                Answer::Done => {
                    done.set(done.get() + 1);
                    assert!(is_there, "seed {seed}: {request:?} is lost\n{exposition}");
                }
                Answer::Refused => panic!("seed {seed}: nothing contradicts {request:?}"),
                Answer::Unavailable => {}
            }
        }
    });
    // However bad the network is, much gets through.
    let (done, asked) = (done.get(), asked.get());
    assert!(done > asked / 3, "{done} of {asked} were done");
}

#[test]
fn what_was_added_is_counted_once_by_all() {
    each_seed(12, |seed| {
        let (world, requests) = lived(seed, |simulation| {
            (What::Add, format!("job/{}", simulation.below(2)))
        });
        let exposition = world.exposition();
        for job in ["0", "1"] {
            let path = format!("job/{job}");
            let of_group = requests.iter().filter(|request| request.path == path);
            let done = of_group.clone().filter(|request| request.is_done()).count() as u64;
            let asked = of_group.count() as u64;
            let found = tags(&exposition, job, "added")
                .first()
                .copied()
                .unwrap_or_default();
            // Of those without an answer some were made, and others not.
            let fits = done <= found && found <= asked;
            assert!(
                fits,
                "seed {seed}: {done} done, {found} counted, {asked} asked for"
            );
        }
    });
}

#[test]
fn the_last_one_wins_and_nothing_comes_back() {
    each_seed(12, |seed| {
        let (world, requests) = lived(seed, |simulation| {
            let what = match simulation.below(10) {
                0 => What::Wipe,
                1..=3 => What::Delete,
                _ => What::Put,
            };
            (what, format!("job/{}", simulation.below(2)))
        });
        let exposition = world.exposition();
        for job in ["0", "1"] {
            let path = format!("job/{job}");
            let of_group = |request: &&Request| request.what == What::Wipe || request.path == path;
            let of_group: Vec<&Request> = requests.iter().filter(of_group).collect();
            let found = tags(&exposition, job, "put");
            assert!(found.len() <= 1, "seed {seed}: {found:?}");
            // Whoever decided what is there now must not have been over before another was begun that was done.
            let is_last = |candidate: &Request| {
                let mut others = of_group.iter();
                !others.any(|other| other.is_done() && candidate.is_before(other))
            };
            let mut candidates = of_group
                .iter()
                .filter(|request| request.answer != Answer::Refused);
            let explained = match found.first() {
                Some(tag) => candidates.any(|request| {
                    let is_it = request.what == What::Put && request.tag == *tag;
                    is_it && (!request.is_done() || is_last(request))
                }),
                // Nothing was there before the first.
                None => {
                    candidates.clone().all(|request| !request.is_done())
                        || candidates.any(|request| {
                            request.what != What::Put && (!request.is_done() || is_last(request))
                        })
                }
            };
            assert!(explained, "seed {seed}: found {found:?} after {of_group:#?}");
        }
    });
}

#[test]
fn whoever_was_answered_reads_what_he_wrote() {
    each_seed(8, |seed| {
        let world = World::new(seed, 3, Faults::bad());
        let simulation = &world.simulation;
        let book = Book::default();
        let failures = Arc::new(Mutex::new(Vec::new()));
        for client in 0..5 {
            let replica = Arc::clone(&world.replicas[client % 3]);
            let (book, failures, timer) = (book.clone(), Arc::clone(&failures), simulation.clone());
            simulation.spawn(async move {
                timer.sleep(Duration::from_secs(5)).await;
                for number in 0..10 {
                    let tag = client as u64 * 1000 + number;
                    let request = book.ask(Arc::clone(&replica), What::Merge, "job/0", tag).await;
                    let is_seen = tags(&replica.seen(), "0", "merged").contains(&tag);
                    // Nobody deletes anything here.
                    if request.is_done() && !is_seen {
                        failures.lock().unwrap().push(request);
                    }
                }
            });
        }
        simulation.run_for(Duration::from_secs(120));
        assert_eq!(failures.lock().unwrap().len(), 0, "seed {seed}: {failures:?}");
        world.calm();
        world.exposition();
    });
}

#[test]
fn wiped_is_wiped() {
    each_seed(12, |seed| {
        let (world, requests) = lived(seed, |simulation| {
            let what = if simulation.below(12) == 0 {
                What::Wipe
            } else {
                What::Merge
            };
            (what, format!("job/{}", simulation.below(3)))
        });
        let exposition = world.exposition();
        let wipes: Vec<&Request> = requests
            .iter()
            .filter(|request| request.what == What::Wipe && request.answer != Answer::Refused)
            .collect();
        for request in requests.iter().filter(|request| request.what == What::Merge) {
            let job = request.path.trim_start_matches("job/");
            let is_there = tags(&exposition, job, "merged").contains(&request.tag);
            let is_wiped = |wipe: &&&Request| wipe.is_done() && request.is_done() && request.is_before(wipe);
            if let Some(wipe) = wipes.iter().find(is_wiped) {
                assert!(!is_there, "seed {seed}: {request:?} is back after {wipe:?}");
            }
            let may_be_wiped = |wipe: &&Request| !wipe.is_done() || !wipe.is_before(request);
            if request.is_done() && !wipes.iter().copied().any(|wipe| may_be_wiped(&wipe)) {
                assert!(is_there, "seed {seed}: {request:?} is lost without a wipe");
            }
        }
    });
}

/// Families that contradict each other, by what this number stands for.
fn contradicting(number: u64) -> &'static str {
    let bodies = [
        "# TYPE m gauge\nm 1\n",
        "# TYPE m counter\nm 2\nn 2\n",
        "# TYPE m histogram\nm_bucket{le=\"+Inf\"} 1\nm_sum 1\nm_count 1\n",
        "m_count 4\nn 4\n",
        "o{job=\"x\",instance=\"y\"} 5\n",
    ];
    bodies[usize::try_from(number).unwrap() % bodies.len()]
}

#[test]
fn what_contradicts_is_shown_alike_by_all() {
    each_seed(12, |seed| {
        let world = World::new(seed, 3, Faults::bad());
        let simulation = &world.simulation;
        let paths = ["job/a", "job/a/instance/", "job/b", "job/b/instance/x", "job/c"];
        let answers = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
        for _ in 0..60 {
            let replica = Arc::clone(&world.replicas[below(simulation, 3)]);
            let path = paths[below(simulation, paths.len())];
            let (what, body) = (simulation.below(8), contradicting(simulation.below(5)));
            // All at once, so that replicas do not know of each other.
            let after = Duration::from_secs(5 + 4 * simulation.below(4))
                + simulation.time_below(Duration::from_millis(80));
            let (timer, answers) = (simulation.clone(), Arc::clone(&answers));
            simulation.spawn(async move {
                timer.sleep(after).await;
                let answer = match what {
                    0 => replica.delete(path).await,
                    1..=4 => replica.push(path, PushMode::ReplaceGroup, body, None).await,
                    _ => replica.push(path, PushMode::ReplaceFamilies, body, None).await,
                };
                *answers.lock().unwrap().entry(format!("{answer:?}")).or_default() += 1;
            });
        }
        simulation.spawn(break_things(world.clone(), 6));
        simulation.run_for(Duration::from_secs(40));
        world.calm();
        world.exposition();
    });
}
