//! What was asked of each group, what the answer was, and whether what is shown agrees.
//!
//! Every request has a turn, a number that grows within its group; pushes have it as their value. A group has one pusher,
//! and is left alone until the next start after a request that nobody answered. So at a start a group has what the last
//! acknowledged request left, or what the unanswered one would have, and nothing else; but for what a disk that failed to
//! the end could not be told to forget.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wharf_testkit::Scrape;

/// Pushers at once.
pub(crate) const PUSHERS: usize = 4;
/// Groups of each.
pub(crate) const GROUPS: usize = 25;
/// The group of pushes that never end: nothing of them may be seen.
pub(crate) const HALF: &str = "half";

/// What a request leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    Pushed,
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Acknowledged,
    /// For what it says.
    Refused,
    /// It could not be stored, the gateway says. Nobody may see it as long as the process runs, and afterwards only if
    /// the disk still failed at the end: what was written, and not synced, cannot be taken back then.
    Failed,
    None,
}

#[derive(Debug, Clone)]
struct Group {
    /// The last request that was sent.
    sent: u64,
    last_delete: u64,
    acknowledged: (u64, State),
    unanswered: Option<(u64, State)>,
    /// Since the last start.
    refused: BTreeSet<u64>,
    /// Since the disk was last known to work.
    failed: BTreeMap<u64, State>,
}

impl Group {
    /// What could not be stored is gone for good.
    fn give_up_failed(&mut self) {
        self.refused.extend(std::mem::take(&mut self.failed).into_keys());
    }
}

/// All groups, and how often something was not as it should be.
#[derive(Debug)]
pub(crate) struct Book {
    groups: Mutex<Vec<Group>>,
    lost: AtomicU64,
    wrong: AtomicU64,
}

/// The groups as they were known at a time.
pub(crate) struct Page(Vec<Group>);

impl Book {
    pub(crate) fn new() -> Self {
        let group = Group {
            sent: 0,
            last_delete: 0,
            acknowledged: (0, State::Absent),
            unanswered: None,
            refused: BTreeSet::new(),
            failed: BTreeMap::new(),
        };
        Self {
            groups: Mutex::new(vec![group; PUSHERS * GROUPS]),
            lost: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
        }
    }

    /// The path of a group.
    pub(crate) fn path(group: usize) -> String {
        format!("/metrics/job/soak{}/instance/{}", group / GROUPS, group % GROUPS)
    }

    /// A request is about to be sent; its turn. None if the group is to be left alone.
    pub(crate) fn send(&self, group: usize, state: State) -> Option<u64> {
        let mut groups = self.lock();
        let group = &mut groups[group];
        if group.unanswered.is_some() {
            return None;
        }
        group.sent += 1;
        if state == State::Absent {
            group.last_delete = group.sent;
        }
        Some(group.sent)
    }

    /// The request of this turn was answered, or is not going to be.
    pub(crate) fn answered(&self, group: usize, turn: u64, state: State, answer: Answer) {
        let mut groups = self.lock();
        let group = &mut groups[group];
        match answer {
            Answer::Acknowledged => {
                group.acknowledged = (turn, state);
                group.give_up_failed();
            }
            Answer::Refused => {
                group.refused.insert(turn);
            }
            Answer::Failed => {
                group.failed.insert(turn, state);
            }
            Answer::None => group.unanswered = Some((turn, state)),
        }
    }

    /// A request has been acknowledged that was sent just now: the disk works, and what could not be stored before is
    /// gone for good.
    pub(crate) fn disk_works(&self) {
        self.lock().iter_mut().for_each(Group::give_up_failed);
    }

    /// What is known now.
    pub(crate) fn page(&self) -> Page {
        Page(self.lock().clone())
    }

    /// Compares a scrape with what was known before it was asked for, and what is known since: nothing older may be
    /// shown than what was acknowledged before, and nothing that was refused before.
    pub(crate) fn compare(&self, before: &Page, scrape: &Scrape) {
        let (shown, after) = (self.read(scrape), self.page());
        for (index, (before, after)) in before.0.iter().zip(&after.0).enumerate() {
            let (turn, state) = before.acknowledged;
            let found = shown.get(&index).copied();
            let is_stale = match found {
                Some(value) => value < turn || (value == turn && state == State::Absent),
                None => state == State::Pushed && after.last_delete <= turn,
            };
            if is_stale {
                Self::note(&self.lost, index, &format!("{found:?} is shown after {before:?}"));
            }
            let is_refused = |value| before.refused.contains(&value) || before.failed.contains_key(&value);
            if found.is_some_and(|value| value > after.sent || is_refused(value)) {
                Self::note(&self.wrong, index, &format!("{found:?} is shown after {after:?}"));
            }
        }
    }

    /// Compares what a gateway shows that was just started, and goes on from there.
    pub(crate) fn check(&self, scrape: &Scrape) {
        let shown = self.read(scrape);
        for (index, group) in self.lock().iter_mut().enumerate() {
            let found = shown.get(&index).copied();
            let fits = |(turn, state): (u64, State)| found == (state == State::Pushed).then_some(turn);
            let failed = group.failed.iter().map(|(turn, state)| (*turn, *state));
            let possible = [group.acknowledged]
                .into_iter()
                .chain(group.unanswered)
                .chain(failed);
            if !possible.into_iter().any(fits) {
                let is_refused = found.is_some_and(|value| group.refused.contains(&value));
                let count = if is_refused { &self.wrong } else { &self.lost };
                Self::note(count, index, &format!("{found:?} is there after {group:?}"));
            }
            let state = if found.is_some() {
                State::Pushed
            } else {
                State::Absent
            };
            group.acknowledged = (found.unwrap_or(group.sent), state);
            group.unanswered = None;
            group.refused.clear();
            group.failed.clear();
        }
    }

    /// How often something was not there that should have been, and the other way round.
    pub(crate) fn lost_and_wrong(&self) -> (u64, u64) {
        (
            self.lost.load(Ordering::Relaxed),
            self.wrong.load(Ordering::Relaxed),
        )
    }

    /// The values of the groups. A group whose families are of different pushes is torn.
    fn read(&self, scrape: &Scrape) -> BTreeMap<usize, u64> {
        let mut values: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for sample in &scrape.samples {
            let label = |name: &str| sample.labels.get(name).map(String::as_str);
            if label("job") == Some(HALF) {
                Self::note(&self.wrong, 0, "a push that never ended is shown");
            }
            let job = label("job").and_then(|job| job.strip_prefix("soak"));
            let (Some(job), Some(instance)) = (job, label("instance")) else {
                continue;
            };
            let index = job.parse::<usize>().unwrap() * GROUPS + instance.parse::<usize>().unwrap();
            match sample.name.as_str() {
                "turn" => values.entry(index).or_default().push(whole(&sample.value)),
                "turn_again" => {
                    let labelled = label("turn").unwrap().parse().unwrap();
                    let pair = [whole(&sample.value), labelled];
                    values.entry(index).or_default().extend(pair);
                }
                _ => {}
            }
        }
        let mut whole = BTreeMap::new();
        for (index, values) in values {
            if values.len() != 3 || values.iter().any(|value| *value != values[0]) {
                Self::note(&self.wrong, index, &format!("torn: {values:?}"));
            }
            whole.insert(index, values[0]);
        }
        whole
    }

    fn note(count: &AtomicU64, group: usize, what: &str) {
        // The first ones tell the story.
        if count.fetch_add(1, Ordering::Relaxed) < 10 {
            eprintln!("{}: {what}", Self::path(group));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the values are whole numbers that were pushed"
)]
fn whole(value: &str) -> u64 {
    value.parse::<f64>().unwrap() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Group 0 with what is acknowledged, refused and unanswered after that.
    fn book(acknowledged: State, then: Answer) -> Book {
        let book = Book::new();
        for (state, answer) in [
            (State::Pushed, Answer::Acknowledged),
            (acknowledged, Answer::Acknowledged),
            (State::Pushed, then),
        ] {
            let turn = book.send(0, state).unwrap();
            book.answered(0, turn, state, answer);
        }
        book
    }

    fn shows(value: Option<u64>) -> Scrape {
        let group = r#"instance="0",job="soak0""#;
        let text = value.map_or_else(String::new, |value| {
            format!(
                "# TYPE turn untyped\nturn{{{group}}} {value}\n# TYPE turn_again untyped\n\
                 turn_again{{{group},turn=\"{value}\"}} {value}\n"
            )
        });
        Scrape::parse(&text).unwrap()
    }

    #[track_caller]
    fn after_start(book: &Book, value: Option<u64>, expected: (u64, u64)) {
        book.check(&shows(value));
        assert_eq!(book.lost_and_wrong(), expected, "{value:?}");
    }

    #[test]
    fn after_a_start_there_is_what_was_acknowledged_or_went_unanswered() {
        for (value, lost) in [(None, 1), (Some(1), 1), (Some(2), 0), (Some(3), 0), (Some(4), 1)] {
            after_start(&book(State::Pushed, Answer::None), value, (lost, 0));
        }
        for (value, lost) in [(None, 0), (Some(1), 1), (Some(3), 0)] {
            after_start(&book(State::Absent, Answer::None), value, (lost, 0));
        }
        after_start(&book(State::Pushed, Answer::Refused), Some(3), (0, 1));
    }

    #[test]
    fn what_a_failing_disk_has_refused_may_be_there_after_a_start_unless_the_disk_worked_again() {
        for (value, lost) in [(Some(1), 1), (Some(2), 0), (Some(3), 0), (None, 1)] {
            after_start(&book(State::Pushed, Answer::Failed), value, (lost, 0));
        }
        let recovered = book(State::Pushed, Answer::Failed);
        recovered.disk_works();
        after_start(&recovered, Some(3), (0, 1));
        let pushed_again = book(State::Pushed, Answer::Failed);
        let turn = pushed_again.send(0, State::Pushed).unwrap();
        pushed_again.answered(0, turn, State::Pushed, Answer::Acknowledged);
        after_start(&pushed_again, Some(3), (0, 1));
    }

    #[test]
    fn a_scrape_shows_nothing_older_than_what_was_acknowledged_before() {
        let compared = |answer, value| {
            let book = book(State::Pushed, answer);
            book.compare(&book.page(), &shows(value));
            book.lost_and_wrong()
        };
        assert_eq!(compared(Answer::None, Some(2)), (0, 0));
        assert_eq!(compared(Answer::None, Some(3)), (0, 0));
        assert_eq!(compared(Answer::Acknowledged, Some(2)), (1, 0));
        assert_eq!(compared(Answer::Acknowledged, None), (1, 0));
        assert_eq!(compared(Answer::Refused, Some(3)), (0, 1));
        assert_eq!(compared(Answer::Failed, Some(3)), (0, 1));
        assert_eq!(compared(Answer::Acknowledged, Some(4)), (0, 1));
    }

    #[test]
    fn a_torn_group_is_wrong() {
        let torn = "# TYPE turn untyped\nturn{instance=\"0\",job=\"soak0\"} 2\n";
        let book = book(State::Pushed, Answer::None);
        book.check(&Scrape::parse(torn).unwrap());
        assert_eq!(book.lost_and_wrong(), (0, 1));
    }
}
