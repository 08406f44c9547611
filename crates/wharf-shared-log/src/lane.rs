//! Transactions that happen once, also when answers are lost.
//!
//! Every transaction of a lane puts the lane's **marker**, a key that nobody else writes, and expects it as the transaction
//! before has left it. So of all that was ever sent with the same expectation only one can happen. When an answer is lost, the
//! lane sends a **fence**: a transaction of the marker alone. If the fence happens, the one in doubt never will. If it does not,
//! the marker says which of them did.
//!
//! Deletes leave no value that could carry an identifier, and a value that carries one may be overwritten before it is read.
//! The marker answers for the whole transaction, for one more operation.

use std::time::Duration;

use bytes::Bytes;

use crate::{Committed, Delete, Expect, Key, LogError, Put, Revision, SharedLog, Timer, Txn, timeout};

/// Attempts to find something out, which begin quick and become patient: a log that is without a leader for a second answers
/// soon after that, one that is slow is not asked again before it can have answered.
struct Attempts {
    limit: Duration,
    longest: Duration,
    pause: Duration,
}

impl Attempts {
    const FIRST_PAUSE: Duration = Duration::from_millis(20);
    const LONGEST_PAUSE: Duration = Duration::from_millis(500);

    fn new(patience: Duration) -> Self {
        Self {
            limit: patience / 4,
            longest: patience,
            pause: Self::FIRST_PAUSE,
        }
    }

    /// Waits before the next one.
    async fn wait(&mut self, timer: &impl Timer) {
        timer.sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Self::LONGEST_PAUSE);
        self.limit = (self.limit * 5 / 4).min(self.longest);
    }
}

/// The name of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnId {
    /// Who sent it: a number that no other process has, before or after.
    pub writer: u64,
    /// On which of its lanes.
    pub lane: u16,
    /// The how many-th of the lane.
    pub number: u64,
}

impl TxnId {
    /// As the value of a marker: 18 bytes, little endian.
    pub fn to_bytes(self) -> Bytes {
        let mut bytes = Vec::with_capacity(18);
        bytes.extend_from_slice(&self.writer.to_le_bytes());
        bytes.extend_from_slice(&self.lane.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.into()
    }

    /// What [`Self::to_bytes`] gave; none if the bytes are something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (writer, rest) = bytes.split_first_chunk()?;
        let (lane, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        rest.is_empty().then_some(Self {
            writer: u64::from_le_bytes(*writer),
            lane: u16::from_le_bytes(*lane),
            number: u64::from_le_bytes(*number),
        })
    }
}

/// What became of a transaction, for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It happened, at this revision.
    Committed(Revision),
    /// It did not happen, and never will: these keys were not as expected at this revision.
    Stale {
        /// The revision at which that was seen.
        at: Revision,
        /// The keys.
        keys: Vec<Key>,
    },
    /// It did not happen, and never will. Only with [`LogError::Unknown`] is that not known: somebody has removed the marker.
    Failed(LogError),
}

/// One transaction after the other, each known to have happened or not.
#[derive(Debug)]
pub struct Lane {
    marker: Key,
    /// The last transaction.
    id: TxnId,
    /// How the last transaction that happened has left the marker.
    left: Expect,
    /// How long an answer may take.
    patience: Duration,
}

impl Lane {
    /// A lane of a writer, which nobody has used before. Its marker is this key.
    pub fn new(marker: Key, writer: u64, lane: u16, patience: Duration) -> Self {
        Self {
            marker,
            id: TxnId {
                writer,
                lane,
                number: 0,
            },
            left: Expect::Absent,
            patience,
        }
    }

    /// The transaction that is sent next.
    pub fn next_id(&self) -> TxnId {
        TxnId {
            number: self.id.number + 1,
            ..self.id
        }
    }

    /// Makes a transaction that only removes, in a log that is full: such a log takes no marker, so the transaction takes the marker away
    /// instead. Returns when it is known what became of it, but for [`LogError::Unknown`]: then that cannot be known, because there was
    /// no marker, or because the fence was lost as well.
    ///
    /// # Cancel safety
    /// None, as of [`Self::commit`].
    pub async fn remove(&mut self, log: &impl SharedLog, timer: &impl Timer, mut txn: Txn) -> Settled {
        self.take_id();
        let is_marked = self.left != Expect::Absent;
        if is_marked {
            txn = self.unmark(txn);
        }
        match timeout(timer, self.patience, log.commit(txn)).await {
            Some(Ok(Committed::At(at))) => {
                self.left = Expect::Absent;
                Settled::Committed(at)
            }
            Some(Ok(Committed::Stale { at, keys })) => self.stale(log, timer, at, keys).await,
            Some(Err(LogError::Unknown { .. })) | None if is_marked => self.settle_removal(log, timer).await,
            Some(Err(error)) => Settled::Failed(error),
            None => Settled::Failed(LogError::Unknown {
                reason: "no answer in time".to_owned(),
            }),
        }
    }

    /// Finds out whether the marker was taken away, and sees to it that it is not taken away afterwards.
    async fn settle_removal(&mut self, log: &impl SharedLog, timer: &impl Timer) -> Settled {
        let mut attempts = Attempts::new(self.patience);
        let mut was_lost = false;
        loop {
            let txn = self.unmark(Txn::default());
            match timeout(timer, attempts.limit, log.commit(txn)).await {
                Some(Ok(Committed::At(_))) => {
                    self.left = Expect::Absent;
                    return never_happened();
                }
                Some(Ok(Committed::Stale { at, .. })) => {
                    self.left = self.look(log, timer).await.1;
                    if was_lost {
                        return Settled::Failed(LogError::Unknown {
                            reason: "no answer in time".to_owned(),
                        });
                    }
                    return Settled::Committed(at);
                }
                Some(Err(LogError::Unknown { .. })) | None => was_lost = true,
                Some(Err(_)) => {}
            }
            attempts.wait(timer).await;
        }
    }

    /// The transaction, which takes the marker away as well.
    fn unmark(&self, mut txn: Txn) -> Txn {
        txn.deletes.push(Delete {
            key: self.marker.clone(),
            expect: self.left,
        });
        txn
    }

    /// Makes a transaction. Returns when it is known what became of it, however long that takes.
    ///
    /// # Cancel safety
    /// None: a lane whose commit was dropped must not be used again.
    pub async fn commit(&mut self, log: &impl SharedLog, timer: &impl Timer, mut txn: Txn) -> Settled {
        let id = self.take_id();
        txn.puts.push(self.mark(id));
        match timeout(timer, self.patience, log.commit(txn)).await {
            Some(Ok(Committed::At(at))) => {
                self.left = Expect::At(at);
                Settled::Committed(at)
            }
            Some(Ok(Committed::Stale { at, keys })) => self.stale(log, timer, at, keys).await,
            Some(Err(LogError::Unknown { .. })) | None => self.settle(log, timer, id).await,
            Some(Err(error @ LogError::Full { .. })) => {
                // One that becomes full in this very transaction may say so of a transaction that has happened.
                let (found, left) = self.look(log, timer).await;
                self.left = left;
                match left {
                    Expect::At(at) if found == Some(id) => Settled::Committed(at),
                    _ => Settled::Failed(error),
                }
            }
            Some(Err(error)) => Settled::Failed(error),
        }
    }

    /// A transaction that did not happen, for these keys.
    async fn stale(
        &mut self,
        log: &impl SharedLog,
        timer: &impl Timer,
        at: Revision,
        mut keys: Vec<Key>,
    ) -> Settled {
        if keys.contains(&self.marker) {
            // Somebody takes this writer for dead and has tidied up. No transaction is in doubt, so it does not matter.
            self.left = self.look(log, timer).await.1;
            keys.retain(|key| *key != self.marker);
        }
        Settled::Stale { at, keys }
    }

    fn take_id(&mut self) -> TxnId {
        self.id = self.next_id();
        self.id
    }

    fn mark(&self, id: TxnId) -> Put {
        Put {
            key: self.marker.clone(),
            value: id.to_bytes(),
            expect: self.left,
            lease: None,
        }
    }

    /// Finds out what became of a transaction, and sees to it that nothing becomes of it afterwards.
    async fn settle(&mut self, log: &impl SharedLog, timer: &impl Timer, doubtful: TxnId) -> Settled {
        let mut attempts = Attempts::new(self.patience);
        loop {
            let fence = self.take_id();
            let puts = vec![self.mark(fence)];
            let txn = Txn {
                puts,
                ..Txn::default()
            };
            match timeout(timer, attempts.limit, log.commit(txn)).await {
                Some(Ok(Committed::At(at))) => {
                    self.left = Expect::At(at);
                    return never_happened();
                }
                Some(Ok(Committed::Stale { .. })) => break,
                Some(Err(LogError::Full { .. })) if self.left != Expect::Absent => {
                    // It takes no fence, but it lets the marker go, which is as good a one.
                    let txn = self.unmark(Txn::default());
                    match timeout(timer, attempts.limit, log.commit(txn)).await {
                        Some(Ok(Committed::At(_))) => {
                            self.left = Expect::Absent;
                            return never_happened();
                        }
                        Some(Ok(Committed::Stale { .. })) => break,
                        Some(Err(_)) | None => attempts.wait(timer).await,
                    }
                }
                Some(Err(_)) | None => attempts.wait(timer).await,
            }
        }
        // Either the transaction or one of the fences before has happened, whose answers are lost as well.
        let (found, left) = self.look(log, timer).await;
        self.left = left;
        match (found, left) {
            (Some(id), Expect::At(at)) if id == doubtful => Settled::Committed(at),
            (Some(id), _) if id.writer == doubtful.writer && id > doubtful => never_happened(),
            _ => Settled::Failed(LogError::Unknown {
                reason: "the marker of this writer was removed".to_owned(),
            }),
        }
    }

    /// What the marker is, and what to expect of it.
    async fn look(&self, log: &impl SharedLog, timer: &impl Timer) -> (Option<TxnId>, Expect) {
        let mut attempts = Attempts::new(self.patience);
        loop {
            if let Some(Ok(found)) = timeout(timer, attempts.limit, log.read(&self.marker)).await {
                let expect = Expect::found(found.as_ref().map(|entry| entry.at));
                return (found.and_then(|entry| TxnId::from_bytes(&entry.value)), expect);
            }
            attempts.wait(timer).await;
        }
    }
}

fn never_happened() -> Settled {
    Settled::Failed(LogError::Unreachable {
        reason: "no answer in time".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_transaction_is_read_back_and_nothing_else_is() {
        let id = TxnId {
            writer: 0x0102_0304_0506_0708,
            lane: 9,
            number: u64::MAX,
        };
        let bytes = id.to_bytes();
        assert_eq!(TxnId::from_bytes(&bytes), Some(id));
        assert_eq!(TxnId::from_bytes(&bytes[..17]), None);
        assert_eq!(TxnId::from_bytes(b"nineteen bytes of ."), None);
    }
}
