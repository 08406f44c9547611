//! Memory of pushes: what their bodies come to when they are expanded, decoded and rendered, until they are stored.
//!
//! There is so much for the process and so much for each push. Nobody waits for it. A client may hold three times what it leaves
//! free, so that there is always some for others: the first gets three quarters, which is what one push may take, and the next
//! three quarters of the rest.
//!
//! Each push has [`ALLOWANCE`] bytes by itself, so that small ones touch nothing that others do. Those are in addition: as
//! many times as pushes are dealt with at once, of which each has a thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use wharf_model::{Denied, Effort, Lender, Meter};
use wharf_settings::{kinds, settings};

use crate::client::Client;
use crate::lock::lock;
use crate::refusal::{Reason, Refusal};

settings! {
    /// How much memory pushes may take until they are stored. None: any.
    #[derive(Copy)]
    pub struct MemoryLimits {
        /// Of all pushes at once.
        pub max_decoded_bytes: Option<u64> = Some(256 << 20),
            "limits.max-decoded-bytes" as kinds::SIZE_LIMIT,
            "Memory of all pushes at once until they are stored: their bodies once expanded, what is decoded of them, \
             and the lines that this comes to. One client gets three quarters of what is free.";
    }
}

/// What a push has without asking: a body of some kilobytes takes no more.
pub(crate) const ALLOWANCE: usize = 64 << 10;
/// More is lent in steps of this, so that few questions are asked.
const STEP: usize = 256 << 10;
/// A client may hold so many times what it leaves free.
const SHARE: usize = 3;
/// What a client may hold although it leaves less free.
const A_LITTLE: usize = 4 << 20;

/// The memory of all pushes.
#[derive(Debug)]
pub struct Memory {
    all: usize,
    per_push: usize,
    lent: Mutex<Lent>,
    /// Refused for the limit on one push, on all, and for what a client holds.
    refused: [AtomicU64; 3],
}

#[derive(Debug, Default)]
struct Lent {
    bytes: usize,
    /// To those who hold any.
    by_client: HashMap<Client, usize>,
}

/// The memory of one push. It borrows nothing until a [`Meter`] asks for more than the push has by itself.
#[derive(Debug)]
struct Loan<'c> {
    memory: &'c Arc<Memory>,
    client: &'c Client,
    held: RefCell<Option<Held>>,
}

/// Memory that is held until this is dropped.
#[derive(Debug)]
pub struct Held {
    memory: Arc<Memory>,
    client: Client,
    bytes: usize,
}

impl Memory {
    /// As much as these limits say, for all pushes and for one.
    pub fn new(limits: MemoryLimits, per_push: Option<u64>) -> Arc<Self> {
        let bytes = |limit: Option<u64>| {
            let limit = limit.unwrap_or(u64::MAX);
            usize::try_from(limit).unwrap_or(usize::MAX)
        };
        Arc::new(Self {
            all: bytes(limits.max_decoded_bytes),
            per_push: bytes(per_push),
            lent: Mutex::default(),
            refused: Default::default(),
        })
    }

    /// How many bytes pushes hold.
    pub fn in_use(&self) -> usize {
        lock(&self.lent).bytes
    }

    /// How many there are; none: any number.
    pub fn limit(&self) -> Option<usize> {
        Some(self.all).filter(|all| *all < usize::MAX)
    }

    /// How often there was no more: by the limit on one push, on all, and on what one client gets of it. Sorted by name.
    pub fn refused(&self) -> [(&'static str, u64); 3] {
        let [push, process, client] = &self.refused;
        [("client", client), ("process", process), ("push", push)]
            .map(|(limit, count)| (limit, count.load(Relaxed)))
    }

    /// Does this with memory of a push of this client and with its effort, and returns what was borrowed for it, if anything was: to
    /// be held for as long as what it came to takes memory.
    pub fn lend_for<T>(
        self: &Arc<Self>,
        client: &Client,
        effort: &Effort,
        work: impl FnOnce(&Meter<'_>) -> T,
    ) -> (T, Option<Held>) {
        let loan = self.loan(client);
        let done = work(&loan.meter().with_effort(effort));
        (done, loan.held.into_inner())
    }

    fn loan<'c>(self: &'c Arc<Self>, client: &'c Client) -> Loan<'c> {
        Loan {
            memory: self,
            client,
            held: RefCell::default(),
        }
    }

    /// Lends to a client.
    fn lend(&self, client: &Client, bytes: usize) -> Result<(), Denied> {
        let mut lent = lock(&self.lent);
        let held = lent.by_client.get(client).copied().unwrap_or(0);
        let limit_bytes = self.all;
        let Some(free) = self.all.saturating_sub(lent.bytes).checked_sub(bytes) else {
            return Err(Denied::ByAll { limit_bytes });
        };
        let held = held.saturating_add(bytes);
        if held > free.saturating_mul(SHARE).max(A_LITTLE) {
            return Err(Denied::ByClient { limit_bytes });
        }
        lent.bytes += bytes;
        match lent.by_client.get_mut(client) {
            Some(of_client) => *of_client = held,
            None => drop(lent.by_client.insert(client.clone(), held)),
        }
        Ok(())
    }

    fn take_back(&self, client: &Client, bytes: usize) {
        let mut lent = lock(&self.lent);
        lent.bytes = lent.bytes.saturating_sub(bytes);
        if let Some(held) = lent.by_client.get_mut(client) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                lent.by_client.remove(client);
            }
        }
    }

    #[cold]
    fn refuse(&self, denied: Denied) -> Denied {
        let [push, process, client] = &self.refused;
        let count = match denied {
            Denied::Own { .. } => push,
            Denied::ByAll { .. } => process,
            Denied::ByClient { .. } => client,
        };
        count.fetch_add(1, Relaxed);
        denied
    }
}

impl Loan<'_> {
    /// A meter that takes from this.
    fn meter(&self) -> Meter<'_> {
        Meter::of_lender(self, ALLOWANCE.min(self.memory.per_push))
    }
}

impl Lender for Loan<'_> {
    fn lend(&self, bytes: usize) -> Result<usize, Denied> {
        let Self { memory, client, held } = self;
        let mut held = held.borrow_mut();
        let so_far = held.as_ref().map_or(0, |held| held.bytes);
        let left = memory.per_push.saturating_sub(ALLOWANCE).saturating_sub(so_far);
        if bytes > left {
            let limit_bytes = memory.per_push;
            return Err(memory.refuse(Denied::Own { limit_bytes }));
        }
        let step = bytes.max(STEP).min(left);
        let lent = match memory.lend(client, step) {
            Ok(()) => step,
            // The last of it is lent to the byte.
            Err(_) => memory
                .lend(client, bytes)
                .map(|()| bytes)
                .map_err(|denied| memory.refuse(denied))?,
        };
        let held = held.get_or_insert_with(|| Held {
            memory: Arc::clone(memory),
            client: (*client).clone(),
            bytes: 0,
        });
        held.bytes += lent;
        Ok(lent)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.take_back(&self.client, self.bytes);
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let (flag, more) = match denied {
            Denied::Own { .. } => ("push.max-decoded-bytes", "push less at once, or raise"),
            Denied::ByAll { .. } | Denied::ByClient { .. } => ("limits.max-decoded-bytes", "raise"),
        };
        let text = format!("{denied}\nhint: {more} --{flag}");
        match denied {
            Denied::Own { .. } => Self::new(Reason::TooLarge, text),
            Denied::ByAll { .. } | Denied::ByClient { .. } => Self::busy(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn memory(all: usize, push: usize) -> Arc<Memory> {
        let max_decoded_bytes = Some(all as u64);
        Memory::new(MemoryLimits { max_decoded_bytes }, Some(push as u64))
    }

    fn client(name: &str) -> Client {
        Client::Known(name.to_owned())
    }

    #[test]
    fn a_small_push_borrows_nothing() {
        let (memory, client) = (memory(MIB, MIB), client("a"));
        let (taken, held) = memory.lend_for(&client, &Effort::unlimited(), |meter| meter.take(ALLOWANCE));
        assert_eq!((taken, memory.in_use()), (Ok(()), 0));
        assert!(held.is_none());
    }

    #[test]
    fn a_push_gets_what_one_may_have_and_gives_it_back() {
        let (memory, client) = (memory(64 * MIB, 8 * MIB), client("a"));
        let limit_bytes = 8 * MIB;
        let (taken, held) = memory.lend_for(&client, &Effort::unlimited(), |meter| {
            [meter.take(8 * MIB), meter.take(1)]
        });
        assert_eq!(taken, [Ok(()), Err(Denied::Own { limit_bytes })]);
        assert_eq!(memory.in_use(), 8 * MIB - ALLOWANCE);
        drop(held);
        assert_eq!(memory.in_use(), 0);
        assert!(lock(&memory.lent).by_client.is_empty());
        assert_eq!(memory.refused(), [("client", 0), ("process", 0), ("push", 1)]);
    }

    #[test]
    fn a_client_leaves_a_third_of_what_it_takes() {
        let memory = memory(64 * MIB, 64 * MIB);
        let (a, b, c) = (client("a"), client("b"), client("c"));
        let loans = [memory.loan(&a), memory.loan(&a), memory.loan(&b), memory.loan(&c)];
        let [first, second, of_b, of_c] = loans.each_ref().map(Loan::meter);
        let limit_bytes = 64 * MIB;
        first.take(40 * MIB).unwrap();
        // Three quarters of it, with what its other push holds.
        assert_eq!(second.take(9 * MIB), Err(Denied::ByClient { limit_bytes }));
        second.take(8 * MIB).unwrap();
        of_b.take(12 * MIB).unwrap();
        assert_eq!(of_c.take(40 * MIB), Err(Denied::ByAll { limit_bytes }));
        of_c.take(4 * MIB).unwrap();
        assert_eq!(memory.refused(), [("client", 1), ("process", 1), ("push", 0)]);
    }

    #[test]
    fn the_largest_push_passes_by_default_if_there_is_no_other() {
        let one = crate::settings::PushSettings::default()
            .max_decoded_bytes
            .unwrap();
        let (memory, a) = (Memory::new(MemoryLimits::default(), Some(one)), client("a"));
        let loan = memory.loan(&a);
        loan.meter().take(usize::try_from(one).unwrap()).unwrap();
    }

    #[test]
    fn a_little_is_for_everybody() {
        let memory = memory(6 * MIB, 6 * MIB);
        let (a, b) = (client("a"), client("b"));
        let (of_a, of_b) = (memory.loan(&a), memory.loan(&b));
        of_a.meter().take(4 * MIB).unwrap();
        of_b.meter().take(2 * MIB).unwrap();
        assert!(of_b.meter().take(MIB).is_err());
    }

    #[test]
    fn refusals_name_number_and_flag() {
        let own = Refusal::from(Denied::Own { limit_bytes: 100 });
        assert_eq!(own.reason, Reason::TooLarge);
        assert_eq!(
            own.text,
            "expected a push that takes at most 100 bytes of memory, found one that takes more\n\
             hint: push less at once, or raise --push.max-decoded-bytes"
        );
        let all = Refusal::from(Denied::ByAll { limit_bytes: 100 });
        assert_eq!(all.reason, Reason::Overload);
        assert!(all.text.ends_with("\nhint: raise --limits.max-decoded-bytes"));
        assert_ne!(all.again, crate::refusal::Again::Never);
    }
}
