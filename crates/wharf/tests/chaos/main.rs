//! Three replicas over three members of etcd, while members and replicas are killed, paused, parted, slowed and told wrong times, etcd is full,
//! and replicas are replaced one by one. Whatever was acknowledged is there in the end, on all of them, what was added is counted exactly
//! once, and nothing comes back that was deleted.
//!
//! `cargo xtask chaos --minutes N` runs it for long. `WHARF_CHAOS_SECONDS` and `WHARF_SEED` say how long, and in which order things
//! happen; `WHARF_CHAOS_OTHER` names another version of Wharf, to and from which replicas are changed while the others go on.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod book;
mod writers;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use wharf_testkit::http::{Connection, get};
use wharf_testkit::{Etcd, Gateway, LedClock, Link, LinkMode, Random, Scrape, Spawn, peers, until};

use self::book::Book;
use self::writers::{Addresses, Writers};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// How long it goes on among other tests: each fault once.
const SECONDS: u64 = 1;
const MEMBERS: usize = 3;
/// No power is cut here; what is old goes, so that it is full when it is filled and not before.
const FLAGS: &[&str] = &[
    "--unsafe-no-fsync",
    "--quota-backend-bytes=67108864",
    "--auto-compaction-mode=periodic",
    "--auto-compaction-retention=1m",
];
const REPLICAS: usize = 3;
/// How long a fault lasts at most, in milliseconds: longer than an answer may take, and than a leader is missed.
const LONGEST_MS: usize = 4000;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    None,
    KillReplica,
    EndReplica,
    PauseReplica,
    CutReplica,
    SilenceReplica,
    DeafenReplica,
    SlowReplica,
    KillMember,
    PauseMember,
    PartMember,
    SlowMember,
    KillMostMembers,
    Compact,
    Full,
    ClockAhead,
    ChangeSettings,
    ReplaceReplica,
}

impl Fault {
    const ALL: [Self; 18] = [
        Self::None,
        Self::KillReplica,
        Self::EndReplica,
        Self::PauseReplica,
        Self::CutReplica,
        Self::SilenceReplica,
        Self::DeafenReplica,
        Self::SlowReplica,
        Self::KillMember,
        Self::PauseMember,
        Self::PartMember,
        Self::SlowMember,
        Self::KillMostMembers,
        Self::Compact,
        Self::Full,
        Self::ClockAhead,
        Self::ChangeSettings,
        Self::ReplaceReplica,
    ];
}

/// A replica and its ways to the members.
struct Replica {
    name: String,
    links: Vec<Link>,
    clock: Option<LedClock>,
    rules: PathBuf,
    /// Whether it is of the other version.
    is_other: bool,
    gateway: Option<Gateway>,
}

struct World {
    etcd: Etcd,
    replicas: Vec<Replica>,
    addresses: Addresses,
    folder: tempfile::TempDir,
    /// Another version of Wharf, if there is one.
    other: Option<PathBuf>,
}

impl World {
    fn new() -> Option<Self> {
        let etcd = Etcd::start_apart(MEMBERS, FLAGS)?;
        let folder = tempfile::tempdir().unwrap();
        let members: Vec<_> = etcd
            .urls()
            .iter()
            .map(|url| url.strip_prefix("http://").unwrap().parse().unwrap())
            .collect();
        let replica = |number: usize| {
            let place = folder.path().join(format!("replica{number}"));
            std::fs::create_dir(&place).unwrap();
            let rules = place.join("wharf.yml");
            write_rules(&rules, 0);
            Replica {
                name: format!("replica{number}"),
                links: members.iter().map(|member| Link::to(*member)).collect(),
                clock: LedClock::new(&place),
                rules,
                is_other: false,
                gateway: None,
            }
        };
        let mut world = Self {
            replicas: (0..REPLICAS).map(replica).collect(),
            addresses: Arc::new(Mutex::new(vec![None; REPLICAS])),
            etcd,
            folder,
            other: peers::path_from_environment("WHARF_CHAOS_OTHER"),
        };
        for number in 0..REPLICAS {
            world.start(number);
        }
        Some(world)
    }

    fn start(&mut self, number: usize) {
        let replica = &mut self.replicas[number];
        let other = self.other.as_deref().filter(|_| replica.is_other);
        let program = other.unwrap_or(Path::new(WHARF));
        let spawn = match &replica.clock {
            Some(clock) => {
                clock.set(0);
                clock.wharf(program, false)
            }
            None => Spawn::wharf(program),
        };
        let urls = replica
            .links
            .iter()
            .map(|link| format!("http://{}", link.address()));
        let gateway = spawn
            .arg(format!("--storage.etcd={}", urls.collect::<Vec<_>>().join(",")))
            .arg(format!("--replica.name={}", replica.name))
            .arg(format!("--config.file={}", replica.rules.display()))
            .start();
        self.addresses.lock().unwrap()[number] = Some(gateway.address());
        replica.gateway = Some(gateway);
    }

    fn gateway(&self, number: usize) -> &Gateway {
        self.replicas[number].gateway.as_ref().unwrap()
    }

    fn stop(&mut self, number: usize, is_kind: bool) {
        self.addresses.lock().unwrap()[number] = None;
        let mut gateway = self.replicas[number].gateway.take().unwrap();
        if is_kind {
            gateway.terminate();
        } else {
            gateway.kill();
        }
        let exit = gateway.wait();
        assert!(!is_kind || exit.code == Some(0), "{}", exit.stderr);
    }

    fn link(&self, number: usize, mode: LinkMode) {
        for link in &self.replicas[number].links {
            link.set(mode);
        }
    }

    /// Lets something go wrong for a while, and mends it.
    fn inflict(&mut self, fault: Fault, random: &mut Random) {
        let (replica, member) = (random.below(REPLICAS), random.below(MEMBERS));
        let lasting = Duration::from_millis(500 + random.below(LONGEST_MS) as u64);
        let through = |mode| {
            self.link(replica, mode);
            thread::sleep(lasting);
            self.link(replica, LinkMode::Open);
        };
        match fault {
            Fault::None => thread::sleep(Duration::from_secs(1)),
            Fault::KillReplica | Fault::EndReplica => {
                thread::sleep(lasting / 4);
                self.stop(replica, fault == Fault::EndReplica);
                thread::sleep(lasting / 4);
                self.start(replica);
                thread::sleep(lasting / 4);
            }
            Fault::PauseReplica => {
                self.gateway(replica).pause();
                thread::sleep(lasting);
                self.gateway(replica).resume();
            }
            Fault::CutReplica => through(LinkMode::Cut),
            Fault::SilenceReplica => through(LinkMode::Silent),
            Fault::DeafenReplica => through(LinkMode::Deaf),
            Fault::SlowReplica => through(LinkMode::Slow),
            Fault::KillMember => {
                self.etcd.kill(member);
                thread::sleep(lasting);
                self.etcd.restart(member);
            }
            Fault::PauseMember => {
                self.etcd.member(member).pause();
                thread::sleep(lasting);
                self.etcd.member(member).resume();
            }
            Fault::PartMember | Fault::SlowMember => {
                let is_parted = fault == Fault::PartMember;
                let mode = if is_parted { LinkMode::Cut } else { LinkMode::Slow };
                self.etcd.around(member, mode);
                thread::sleep(lasting);
                self.etcd.around(member, LinkMode::Open);
            }
            Fault::KillMostMembers => {
                let other = (member + 1) % MEMBERS;
                self.etcd.kill(member);
                self.etcd.kill(other);
                thread::sleep(lasting);
                self.etcd.restart_together(&[member, other]);
            }
            Fault::Compact => {
                // A replica that is cut off has not seen what is forgotten.
                self.link(replica, LinkMode::Cut);
                thread::sleep(lasting / 2);
                let standing = self
                    .gateway((replica + 1) % REPLICAS)
                    .send(&get("/api/v1/replicas"));
                let revision = standing.json()["data"]["revision"].as_u64().unwrap();
                self.etcd.control(&["compact", &revision.to_string()]);
                self.link(replica, LinkMode::Open);
                thread::sleep(lasting / 2);
            }
            Fault::Full => {
                self.etcd.fill();
                thread::sleep(lasting / 2);
                self.etcd.make_room();
            }
            Fault::ReplaceReplica => {
                self.stop(replica, true);
                let replaced = &mut self.replicas[replica];
                replaced.is_other = !replaced.is_other;
                write_rules(&replaced.rules, random.below(1000));
                self.start(replica);
                thread::sleep(lasting / 2);
            }
            Fault::ClockAhead => {
                let Some(clock) = &self.replicas[replica].clock else {
                    return;
                };
                clock.set(7200);
                thread::sleep(lasting);
                clock.set(0);
            }
            Fault::ChangeSettings => {
                let change = random.below(1000);
                for replica in &self.replicas {
                    write_rules(&replica.rules, change);
                    replica.gateway.as_ref().unwrap().hang_up();
                    thread::sleep(lasting / 6);
                }
            }
        }
    }

    /// Waits until nothing is under way and all replicas show the same. What that is; none if they do not come to that.
    fn settle(&self) -> Option<Scrape> {
        let began = Instant::now();
        loop {
            let quiet = (0..REPLICAS).all(|number| {
                let standing = self.gateway(number).send(&get("/api/v1/replicas")).json();
                let data = &standing["data"];
                data["waiting_changes"] == 0 && data["lag_seconds"].as_f64().is_some_and(|lag| lag < 2.0)
            });
            // What expires goes on by itself.
            let path = "/metrics?match[]=%7Bjob%21~%22ttl-.*%22%7D";
            // One that has just started may still be loading.
            let shown: Option<Vec<String>> = (0..REPLICAS)
                .map(|number| {
                    let answer = self.gateway(number).send(&get(path));
                    (answer.status == 200).then(|| answer.text())
                })
                .collect();
            if let Some(shown) = shown
                && quiet
                && shown.windows(2).all(|two| two[0] == two[1])
            {
                return Some(Scrape::parse(shown.first().unwrap()).unwrap());
            }
            if began.elapsed() > Duration::from_secs(40) {
                return None;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Rules that change nothing that is pushed here, and whose text is another one for each number.
fn write_rules(path: &Path, number: usize) {
    let rules = format!("expiry:\n  - match: '{{job=\"nobody-{number}\"}}'\n    ttl: 1h\n");
    std::fs::write(path, rules).unwrap();
}

/// The number of each group that writers own, and how many groups have two.
fn halves(scrape: &Scrape) -> (BTreeMap<String, f64>, u64) {
    let of = |name: &str| -> BTreeMap<String, f64> {
        let samples = scrape.samples.iter().filter(|sample| sample.name == name);
        samples
            .map(|sample| (sample.labels["job"].clone(), sample.number()))
            .collect()
    };
    let (left, right) = (of("left"), of("right"));
    let torn = left.iter().filter(|(job, value)| right.get(*job) != Some(value));
    let torn = torn.count() + right.keys().filter(|job| !left.contains_key(*job)).count();
    (left, torn as u64)
}

/// The merged series, by their group and number.
fn merged(scrape: &Scrape) -> BTreeSet<String> {
    let samples = scrape.samples.iter().filter(|sample| sample.name == "merged");
    samples
        .map(|sample| format!("{} {}", sample.labels["job"], sample.labels["n"]))
        .collect()
}

/// What was added in each group, by the number of the push, and what all of them come to.
fn added(scrape: &Scrape) -> BTreeMap<String, BTreeMap<String, f64>> {
    let mut groups: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for sample in scrape.samples.iter().filter(|sample| sample.name == "added") {
        let group = groups.entry(sample.labels["job"].clone()).or_default();
        group.insert(sample.labels["n"].clone(), sample.number());
    }
    groups
}

#[test]
fn nothing_is_lost_and_nothing_comes_back_whatever_happens() {
    let seconds = peers::number_from_environment("WHARF_CHAOS_SECONDS").unwrap_or(SECONDS);
    let seed = peers::number_from_environment("WHARF_SEED");
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let Some(mut world) = World::new() else { return };
    eprintln!("chaos: {seconds} s, WHARF_SEED={seed}");
    let (book, mut random) = (Arc::new(Book::default()), Random::new(seed));
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut rounds: BTreeMap<Fault, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut round = 0;
    while Instant::now() < end || round < Fault::ALL.len() {
        let fault = Fault::ALL.get(round).copied();
        let fault = fault.unwrap_or_else(|| *random.pick(&Fault::ALL));
        let expires = fault != Fault::ClockAhead;
        let writers = Writers::start(&world.addresses, &book, random.bits(), (round, expires));
        thread::sleep(Duration::from_millis(200));
        let ends = AtomicBool::new(false);
        thread::scope(|scope| {
            // A look at every replica while it goes on.
            let addresses = Arc::clone(&world.addresses);
            let looking = scope.spawn({
                let (book, ends) = (&book, &ends);
                move || look(&addresses, book, ends)
            });
            world.inflict(fault, &mut random);
            ends.store(true, Ordering::Relaxed);
            looking.join().unwrap();
        });
        writers.stop();
        match world.settle() {
            None => {
                book.different();
                wrong.push(format!(
                    "round {round}, {fault:?}: the replicas do not come to the same"
                ));
            }
            Some(scrape) => {
                let (shown, torn) = halves(&scrape);
                book.torn(torn);
                let mistakes = book.check(&shown, &merged(&scrape));
                for mistake in mistakes.into_iter().chain(book.check_added(&added(&scrape))) {
                    wrong.push(format!("round {round}, {fault:?}: {mistake}"));
                }
            }
        }
        *rounds.entry(fault).or_default() += 1;
        round += 1;
        if seconds > SECONDS && round % 20 == 0 {
            eprintln!("chaos: round {round}, {:?}", book.tally());
        }
        if wrong.len() > 20 {
            break;
        }
    }
    until("the end of all that was to expire", || {
        let shown = world
            .gateway(0)
            .send(&get("/metrics?match[]=%7Bjob%3D~%22ttl-.*%22%7D"));
        shown.text().is_empty().then_some(())
    });
    let tally = book.tally();
    eprintln!("chaos: {round} rounds, {rounds:?}\nchaos: {tally:?}");
    let is_wrong = tally.lost + tally.resurrected + tally.torn + tally.different + tally.inexact > 0;
    assert!(!is_wrong && wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tally.acknowledged > 100, "{tally:?}");
    drop(world.folder);
}

/// Looks at the replicas again and again: each scrape can be read, and no group of it is half of one and half of another.
fn look(addresses: &Addresses, book: &Book, ends: &AtomicBool) {
    while !ends.load(Ordering::Relaxed) {
        let now: Vec<_> = addresses.lock().unwrap().iter().flatten().copied().collect();
        for address in now {
            let Ok(mut connection) = Connection::open(address) else {
                continue;
            };
            let answer = connection.send(&get("/metrics"));
            if let Ok(answer) = answer
                && answer.status == 200
            {
                book.torn(halves(&Scrape::parse(&answer.text()).unwrap()).1);
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
}
