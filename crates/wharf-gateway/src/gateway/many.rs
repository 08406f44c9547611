//! A push to many groups at once, whose series carry the labels of their group. What becomes of it is known for each group.

use tokio::runtime::Handle;
use wharf_model::{Effort, Exposition, GroupingKey, Meter};
use wharf_store::{Commit, Facts, GroupPush, Patience, PushError, PushMode, PushOptions, UnixNanos};

use crate::access::right::Right;
use crate::activity::{Content, Pushed};
use crate::body::Body;
use crate::conflict;
use crate::expectations::Said;
use crate::gateway::Gateway;
use crate::gateway::admit::ManyAdmission;
use crate::memory::Held;
use crate::push_id::PushIds;
use crate::refusal::Refusal;
use crate::source::Source;

/// Groups in one push that is stored whole or not at all: nobody else can push or scrape meanwhile.
const MAX_GROUPS_AT_ONCE: usize = 10_000;
/// Groups in one push that is stored group by group.
const MAX_GROUPS: usize = 1_000_000;
/// Longest grouping key. In a URL it could not be much longer either; a compressed body has room for any.
const MAX_KEY_BYTES: usize = 16 * 1024;
/// How many of the refused groups are logged one by one: the sender decides how many there are.
const MAX_LOGGED: usize = 10;

/// Which group a series belongs to, and what if some groups are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// The labels whose values say which group a series belongs to.
    pub labels: Vec<String>,
    /// Whether groups that can be stored are, although others cannot.
    pub partial: bool,
}

/// What has become of the groups of a push.
#[derive(Debug)]
pub struct ManyOutcome {
    /// How many are stored, as safe as the storage promises.
    pub stored: usize,
    /// Those that are not, and why.
    pub refused: Vec<(GroupingKey, Refusal)>,
}

/// A push of which groups were stored or refused, and that is still to be settled. Dropped before it is, it is settled in the
/// background.
#[derive(Debug)]
#[must_use = "a push is only safe once it is settled"]
pub struct PendingMany(Option<Unsettled>);

#[derive(Debug)]
struct Unsettled {
    admission: ManyAdmission,
    groups: Groups,
    /// What the push has borrowed: its records wait for the disk.
    _held: Option<Held>,
}

#[derive(Debug)]
enum Groups {
    /// Of a push that is stored whole or not at all: those that it has, as far as they may be pushed to.
    Together(Vec<Pushed>, Result<Commit, Refusal>),
    /// Each for itself.
    Each {
        /// Those that are visible.
        visible: Vec<(Pushed, Commit)>,
        /// What has become of the first of them.
        committed: Vec<Result<(), PushError>>,
        /// Those that were refused, which has been booked.
        refused: Vec<(GroupingKey, Refusal)>,
    },
}

impl ManyAdmission {
    /// Makes a body and stores its groups, with memory that its sender borrows until they are settled: visible to scrapes when
    /// this returns, unless they are refused.
    pub fn push<B: Body>(
        self,
        grouping: &Grouping,
        effort: &Effort,
        body: impl FnOnce(&Meter<'_>) -> Result<B, Refusal>,
    ) -> PendingMany {
        let mut together = Vec::new();
        let store = |memory: &Meter<'_>| self.store(&body(memory)?, grouping, &mut together, memory);
        let (groups, held) = self.gateway.memory.lend_for(&self.caller.client(), effort, store);
        PendingMany(Some(Unsettled {
            groups: groups.unwrap_or_else(|refusal| Groups::Together(together, Err(refusal))),
            admission: self,
            _held: held,
        }))
    }

    /// If all groups are stored or none, `together` gets them as soon as it is known that they may be pushed to.
    fn store<B: Body>(
        &self,
        body: &B,
        grouping: &Grouping,
        together: &mut Vec<Pushed>,
        memory: &Meter<'_>,
    ) -> Result<Groups, Refusal> {
        let decoding = self.source.step("decode");
        let mut exposition = body.decode(body.bytes(), memory)?;
        self.gateway.limit(&mut exposition)?;
        drop(decoding);
        let _storing = self.source.step("check and store");
        let now = self.gateway.now();
        let ids = self
            .wish
            .id
            .map(|asked| PushIds::of(asked, body.bytes(), &self.caller, now));
        let labels: Vec<&str> = grouping.labels.iter().map(String::as_str).collect();
        let max_groups = if grouping.partial {
            MAX_GROUPS
        } else {
            MAX_GROUPS_AT_ONCE
        };
        let split = wharf_store::split(&exposition, &labels, max_groups, memory)?;
        let keys = split.iter().map(|(key, _)| key);
        if let Some(long) = keys.clone().find(|key| key.as_bytes().len() > MAX_KEY_BYTES) {
            let length = long.as_bytes().len();
            let text =
                format!("expected grouping keys of at most {MAX_KEY_BYTES} bytes, found one of {length}");
            return Err(Refusal::parameter(&text));
        }
        if grouping.partial {
            return Ok(self.store_each(split, ids, memory));
        }
        for key in keys.clone() {
            self.caller.demand_for(Right::Push, key)?;
        }
        together.extend(
            keys.clone()
                .map(|key| self.pushed(key.clone(), Content::default())),
        );
        self.rules
            .admit_all(keys, || self.gateway.instant())
            .map_err(|(key, error)| Refusal::from(&error).of_group(key))?;
        self.store_together((split, ids), together, memory)
    }

    fn store_together(
        &self,
        (split, ids): (Vec<(GroupingKey, Exposition<'_>)>, Option<PushIds<'_>>),
        together: &mut Vec<Pushed>,
        memory: &Meter<'_>,
    ) -> Result<Groups, Refusal> {
        let mut groups = Vec::with_capacity(split.len());
        for (key, exposition) in split {
            let limits = &self.gateway.settings.push_limits;
            let group = limits
                .check_key(&key)
                .and_then(|()| self.prepare(key.clone(), exposition, ids, memory));
            groups.push(group.map_err(|refusal| refusal.of_group(&key))?);
        }
        let now = self.wish.time(self.gateway.now());
        match self.gateway.store.push_all(&groups, self.wish.mode, now, memory) {
            Ok(commit) => Ok(Groups::Together(std::mem::take(together), Ok(commit))),
            Err(refused) => {
                if let Some(key) = &refused.key
                    && conflict::is_of_content(&refused.error)
                {
                    let pushed = self.pushed(key.clone(), Content::default());
                    conflict::log(&refused.error, &self.source, &pushed);
                }
                Err(conflict::of_groups(refused, &self.caller))
            }
        }
    }

    fn store_each(
        &self,
        split: Vec<(GroupingKey, Exposition<'_>)>,
        ids: Option<PushIds<'_>>,
        memory: &Meter<'_>,
    ) -> Groups {
        let (mut groups, mut refused) = (Vec::with_capacity(split.len()), Vec::new());
        for (key, exposition) in split {
            let prepared = self
                .admit_one(&key)
                .and_then(|()| self.prepare(key.clone(), exposition, ids, memory));
            match prepared {
                Ok(group) => groups.push(group),
                Err(refusal) => refused.push((self.pushed(key, Content::default()), refusal)),
            }
        }
        let now = self.wish.time(self.gateway.now());
        let mut visible = Vec::with_capacity(groups.len());
        let mut inconsistent = 0;
        for group in groups {
            let pushed = self.pushed(group.key.clone(), content(&group.exposition));
            match self.store_one(&group, now, memory) {
                Ok(commit) => visible.push((pushed, commit)),
                Err(error) => {
                    if conflict::is_of_content(&error) {
                        inconsistent += 1;
                        if inconsistent <= MAX_LOGGED {
                            conflict::log(&error, &self.source, &pushed);
                        }
                    }
                    let pushed = self.pushed(group.key, Content::default());
                    refused.push((pushed, conflict::of_push(error, &self.caller)));
                }
            }
        }
        if let Some(groups) = inconsistent.checked_sub(MAX_LOGGED).filter(|groups| *groups > 0) {
            conflict::log_more(groups, &self.source, self.wish.mode);
        }
        Groups::Each {
            committed: Vec::with_capacity(visible.len()),
            visible,
            // Here, where it may take its time: there can be a million of them.
            refused: self.gateway.book_each(&self.source, refused),
        }
    }

    fn store_one(
        &self,
        group: &GroupPush<'_>,
        now: UnixNanos,
        memory: &Meter<'_>,
    ) -> Result<Commit, PushError> {
        let options = PushOptions {
            mode: group.mode(self.wish.mode),
            counters: group.counters,
            ttl: group.ttl,
            now,
            once: group.once,
            note: group.note,
            facts: group.facts,
            memory,
            patience: Patience::Unlimited,
        };
        self.gateway
            .store
            .push_with(&group.key, &group.exposition, &options)
    }

    /// What [`Gateway::admit`] asks of a push to one group, of one of those that are stored each for itself.
    fn admit_one(&self, key: &GroupingKey) -> Result<(), Refusal> {
        self.gateway.settings.push_limits.check_key(key)?;
        self.caller.demand_for(Right::Push, key)?;
        self.rules
            .admit(key, || self.gateway.instant())
            .map_err(|error| Refusal::from(&error))
    }

    /// One group as it is to be stored. The body is that of all groups, so none of its bytes are counted as this one's.
    fn prepare<'e>(
        &'e self,
        key: GroupingKey,
        mut exposition: Exposition<'e>,
        ids: Option<PushIds<'_>>,
        memory: &Meter<'_>,
    ) -> Result<GroupPush<'e>, Refusal> {
        let settings = &self.gateway.settings;
        if let Some(said) = &self.wish.expect {
            said.check_key(&key)?;
        }
        let mode = self.rules.mode(&key, &self.wish)?;
        let dropped = self.gateway.relabel(&self.rules, &key, &mut exposition, memory)?;
        self.gateway.telemetry.record_dropped(dropped);
        let Content {
            series,
            duration_seconds,
            ..
        } = content(&exposition);
        Ok(GroupPush {
            ttl: self.rules.ttl(&key, self.wish.ttl, settings.pushes.default_ttl()),
            aggregation: match mode {
                PushMode::Aggregate(aggregation) => Some(aggregation),
                _ => None,
            },
            counters: self.rules.counters(&key, self.wish.counters, mode),
            once: ids.map(|ids| ids.of_group(&key)),
            note: self.wish.expect.as_ref().map(Said::note),
            key,
            exposition,
            facts: Facts {
                received_at: self.gateway.now(),
                input: self.source.input.as_str(),
                address: self.source.address(),
                series,
                duration_seconds,
                ..Facts::default()
            },
        })
    }

    fn pushed(&self, key: GroupingKey, content: Content) -> Pushed {
        Pushed {
            key,
            mode: self.wish.mode,
            content,
        }
    }
}

fn content(exposition: &Exposition<'_>) -> Content {
    let mut content = Content::default();
    content.read(exposition);
    content
}

impl PendingMany {
    /// Waits until the groups are as safe as the storage promises, and books them.
    ///
    /// # Errors
    /// If nothing of it was stored, for one reason.
    ///
    /// # Cancel safety
    /// Each group is settled and booked once, also if this is dropped.
    pub async fn settle(mut self) -> Result<ManyOutcome, Refusal> {
        let mut committed = Ok(());
        if let Some(unsettled) = &mut self.0 {
            let trace = unsettled.admission.source.trace.clone();
            let _waiting = trace.as_ref().map(|trace| trace.step("ledger"));
            committed = unsettled.commit().await;
        }
        // It is there until it is taken here, or by the drop.
        let nothing = ManyOutcome {
            stored: 0,
            refused: Vec::new(),
        };
        self.0
            .take()
            .map_or(Ok(nothing), |unsettled| unsettled.book(committed))
    }
}

impl Drop for PendingMany {
    fn drop(&mut self) {
        let (Some(mut unsettled), Ok(runtime)) = (self.0.take(), Handle::try_current()) else {
            return;
        };
        runtime.spawn(async move {
            let committed = unsettled.commit().await;
            unsettled.book(committed)
        });
    }
}

impl Unsettled {
    /// Waits for what is not safe yet; the outcome is that of a push that is stored as a whole. Dropped, it goes on where it
    /// was.
    async fn commit(&mut self) -> Result<(), PushError> {
        match &mut self.groups {
            Groups::Together(_, Ok(commit)) => commit.settled().await,
            Groups::Together(_, Err(_)) => Ok(()),
            Groups::Each {
                visible, committed, ..
            } => {
                for (_, commit) in visible.iter_mut().skip(committed.len()) {
                    committed.push(commit.settled().await);
                }
                Ok(())
            }
        }
    }

    fn book(self, committed: Result<(), PushError>) -> Result<ManyOutcome, Refusal> {
        let Self {
            admission, groups, ..
        } = self;
        let ManyAdmission {
            gateway,
            source,
            caller,
            ..
        } = admission;
        match groups {
            Groups::Together(groups, stored) => {
                let stored = stored.and_then(|_| committed.map_err(Refusal::from));
                if let Err(refusal) = &stored {
                    gateway.refuse(&source, None, refusal);
                    for pushed in groups {
                        let refusal = conflict::in_history_of(refusal, &pushed.key, &caller);
                        gateway.refuse_group(pushed, &refusal);
                    }
                    return Err(refusal.clone());
                }
                gateway.book_request(&source, true);
                Ok(ManyOutcome {
                    stored: groups.len(),
                    refused: Vec::new(),
                })
            }
            Groups::Each {
                visible,
                committed,
                mut refused,
            } => {
                let (mut stored, mut failed) = (0, Vec::new());
                for ((pushed, _), committed) in visible.into_iter().zip(committed) {
                    match committed {
                        Ok(()) => stored += 1,
                        Err(error) => failed.push((pushed, error.into())),
                    }
                }
                refused.extend(gateway.book_each(&source, failed));
                gateway.book_request(&source, stored > 0 || refused.is_empty());
                Ok(ManyOutcome { stored, refused })
            }
        }
    }
}

impl Gateway {
    /// Books each of these groups; what an answer has of them.
    fn book_each(&self, source: &Source, refused: Vec<(Pushed, Refusal)>) -> Vec<(GroupingKey, Refusal)> {
        let refused = refused.into_iter().map(|(pushed, refusal)| {
            if let Some(right) = refusal.reason.lacks() {
                self.telemetry.record_denial(right);
            }
            let key = pushed.key.clone();
            self.book_refusal(source, Some(pushed), &refusal);
            (key, refusal)
        });
        refused.collect()
    }
}

#[cfg(test)]
mod tests;
