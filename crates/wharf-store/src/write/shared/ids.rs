//! Ids of pushes in the log, one key for those of a transaction.
//!
//! ```text
//! key   = i/ minute (8 hexadecimal digits) / writer / lane / number of the transaction
//! value = version (1), ids
//! id    = digest of the id and its scope (16 bytes), digest of the body (8 bytes), time
//! ```
//!
//! The key is put by the transaction that puts the groups. A push that adds up expects its group as memory has it, so whoever is
//! about to make it again, at another replica, finds the group changed, and then the id. The minute is that of the first id, so that
//! all keys of a minute go at once when their time is over.

use std::collections::BTreeMap;

use wharf_shared_log::{Bytes, TxnId};

use super::value::{IDS, Reader};
use crate::{PushId, PushIdLimits, UnixNanos};

const VERSION: u8 = 1;
const MINUTE: i64 = 60_000_000_000;

/// What an id takes.
pub(super) const ID_BYTES: usize = 32;

/// Key and value of the ids of a transaction, which has some.
pub(super) fn encode(ids: &[PushId], txn: TxnId) -> Option<(Bytes, Bytes)> {
    let minute = minute_of(ids.first()?.at);
    let TxnId { writer, lane, number } = txn;
    let key = format!("{minute:08x}/{writer:016x}/{lane}/{number}");
    let mut value = Vec::with_capacity(1 + ids.len() * ID_BYTES);
    value.push(VERSION);
    for PushId { name, body, at } in ids {
        value.extend_from_slice(name);
        value.extend_from_slice(body);
        value.extend_from_slice(&at.0.to_le_bytes());
    }
    Some(([IDS, key.as_bytes()].concat().into(), value.into()))
}

/// The ids of a value; none if it is something else, or of a later version.
pub(super) fn decode(value: &[u8]) -> Option<Vec<PushId>> {
    let mut reader = Reader(value);
    if reader.byte()? != VERSION {
        return None;
    }
    let mut ids = Vec::with_capacity(value.len() / ID_BYTES);
    while !reader.0.is_empty() {
        ids.push(PushId {
            name: reader.array()?,
            body: reader.array()?,
            at: UnixNanos(i64::from_le_bytes(reader.array()?)),
        });
    }
    Some(ids)
}

fn minute_of(at: UnixNanos) -> u32 {
    u32::try_from(at.0.div_euclid(MINUTE)).unwrap_or_default()
}

/// The minute of a key; none if it is another kind of key.
fn minute_of_key(key: &[u8]) -> Option<u32> {
    let digits = key.strip_prefix(IDS)?.first_chunk::<8>()?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// How many ids the log has of each minute.
#[derive(Debug, Default)]
pub(super) struct Minutes(BTreeMap<u32, usize>);

impl Minutes {
    /// The log has these ids under this key.
    pub(super) fn add(&mut self, key: &[u8], ids: usize) {
        if let Some(minute) = minute_of_key(key) {
            *self.0.entry(minute).or_default() += ids;
        }
    }

    /// A key has gone: the others of its minute go with it.
    pub(super) fn remove(&mut self, key: &[u8]) {
        if let Some(minute) = minute_of_key(key) {
            self.0.remove(&minute);
        }
    }

    /// How the keys begin of the oldest minute, if its time is over, or there are enough ids without it.
    pub(super) fn due(&self, limits: PushIdLimits, now: UnixNanos) -> Option<Bytes> {
        let (minute, ids) = self.0.first_key_value()?;
        let ttl = i64::try_from(limits.ttl.as_nanos()).unwrap_or(i64::MAX);
        let end = (i64::from(*minute) + 1)
            .saturating_mul(MINUTE)
            .saturating_add(ttl);
        let others: usize = self.0.values().sum::<usize>() - ids;
        let is_due = end <= now.0 || others >= limits.max;
        is_due.then(|| [IDS, format!("{minute:08x}/").as_bytes()].concat().into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(number: u8, minutes: i64) -> PushId {
        PushId {
            name: [number; 16],
            body: [number + 1; 8],
            at: UnixNanos(minutes * MINUTE + 1),
        }
    }

    fn txn(number: u64) -> TxnId {
        TxnId {
            writer: 7,
            lane: 1,
            number,
        }
    }

    /// A key and a value as version 1 writes them, in hexadecimal digits. They are read for ever.
    const VERSION_1: &str = include_str!("../../../tests/fixtures/shared-push-ids-v1");

    fn digits(bytes: &[u8]) -> String {
        let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.concat()
    }

    fn bytes(digits: &str) -> Vec<u8> {
        let pairs = (0..digits.len() / 2).map(|at| &digits[2 * at..2 * at + 2]);
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    #[test]
    fn ids_are_read_back_and_no_part_of_a_value_is_one() {
        let ids = [id(1, 29_000_000), id(2, 29_000_001)];
        let (key, value) = encode(&ids, txn(9)).unwrap();
        assert_eq!(&*key, b"i/01ba8140/0000000000000007/1/9");
        assert_eq!(decode(&value).unwrap(), ids);
        for end in 0..value.len() {
            // One of whole ids is shorter, and no other.
            let is_whole = end > 0 && (end - 1) % ID_BYTES == 0;
            assert_eq!(decode(&value[..end]).is_some(), is_whole, "{end}");
        }
        assert_eq!(decode(&[2]), None);
        assert_eq!(encode(&[], txn(9)), None);
    }

    #[test]
    fn ids_of_version_1_are_read() {
        let mut lines = VERSION_1.lines();
        assert_eq!(minute_of_key(&bytes(lines.next().unwrap())), Some(29_000_000));
        let ids = [id(1, 29_000_000), id(2, 29_000_001)];
        assert_eq!(decode(&bytes(lines.next().unwrap())).unwrap(), ids);
    }

    #[test]
    #[ignore = "prints the fixture; run it once for a version, before its release"]
    fn print_version_1() {
        let (key, value) = encode(&[id(1, 29_000_000), id(2, 29_000_001)], txn(9)).unwrap();
        println!("{}\n{}", digits(&key), digits(&value));
    }

    #[test]
    fn a_minute_goes_when_its_time_is_over_or_there_are_enough_without_it() {
        let mut minutes = Minutes::default();
        let limits = PushIdLimits {
            ttl: Duration::from_secs(60),
            max: 5,
        };
        let at = |minute: i64| UnixNanos(minute * MINUTE);
        let first = encode(&[id(1, 10)], txn(1)).unwrap().0;
        minutes.add(&first, 4);
        minutes.add(&encode(&[id(2, 11)], txn(2)).unwrap().0, 2);
        minutes.add(&encode(&[id(2, 11)], txn(3)).unwrap().0, 2);
        assert_eq!(minutes.due(limits, UnixNanos(at(12).0 - 1)), None);
        assert_eq!(minutes.due(limits, at(12)).as_deref(), Some(&b"i/0000000a/"[..]));
        minutes.add(&encode(&[id(3, 11)], txn(4)).unwrap().0, 1);
        assert_eq!(minutes.due(limits, at(0)).as_deref(), Some(&b"i/0000000a/"[..]));
        minutes.remove(&first);
        assert_eq!(minutes.due(limits, at(12)), None);
        assert!(minutes.due(limits, at(13)).is_some());
    }
}
