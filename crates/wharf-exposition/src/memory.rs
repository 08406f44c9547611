//! What decoders take from a meter beside what grows in the arenas.

use hashbrown::HashTable;
use wharf_model::{Denied, Meter};

/// Bodies up to this size are not looked through for long lines: what is copied of one is no more.
const SMALL_BYTES: usize = 4 << 10;
/// Beside its buckets a table has a byte for each of them, and some more behind the last.
const TABLE_TAIL_BYTES: usize = 64;

/// Makes room for one more in a table.
#[inline]
pub(crate) fn reserve<T>(
    memory: &Meter<'_>,
    table: &mut HashTable<T>,
    more: usize,
    hash: impl Fn(&T) -> u64,
) -> Result<(), Denied> {
    if table.capacity() - table.len() >= more {
        return Ok(());
    }
    grow(memory, table, more, hash)
}

/// While a table moves, both places count.
#[cold]
fn grow<T>(
    memory: &Meter<'_>,
    table: &mut HashTable<T>,
    more: usize,
    hash: impl Fn(&T) -> u64,
) -> Result<(), Denied> {
    let before = table.allocation_size();
    let items = table.len().saturating_add(more).max(table.capacity() + 1);
    let most = table_bytes::<T>(items);
    memory.take(most)?;
    table.reserve(more, hash);
    memory.give_back(before + most.saturating_sub(table.allocation_size()));
    Ok(())
}

/// The most that a table of so many items takes: seven of eight buckets are in use, and their number is a power of two.
pub(crate) fn table_bytes<T>(items: usize) -> usize {
    let buckets = items.saturating_mul(8) / 7;
    let buckets = buckets.saturating_add(1).max(16).checked_next_power_of_two();
    let bytes = buckets.and_then(|buckets| buckets.checked_mul(size_of::<T>() + 1));
    bytes.map_or(usize::MAX, |bytes| bytes.saturating_add(TABLE_TAIL_BYTES))
}

/// The length of the longest line of a body in text, if it matters. Strings with escapes are copied, and mistakes are
/// quoted, one at a time; none is longer.
pub(crate) fn longest_line(body: &[u8]) -> usize {
    if body.len() <= SMALL_BYTES {
        return 0;
    }
    let mut longest = 0;
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', body).chain([body.len()]) {
        longest = longest.max(end.saturating_sub(start));
        start = end + 1;
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_what_it_has_allocated() {
        let memory = Meter::unlimited();
        let mut table: HashTable<(u64, u32)> = HashTable::new();
        for item in 0..100_000 {
            let hash = |item: &(u64, u32)| item.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            reserve(&memory, &mut table, 1, hash).unwrap();
            let item = (item, 0);
            table.insert_unique(hash(&item), item, hash);
            assert_eq!(memory.taken(), table.allocation_size());
        }
        assert!(table_bytes::<(u64, u32)>(table.len()) >= table.allocation_size());
    }

    #[test]
    fn the_longest_line_counts_if_the_body_is_not_small() {
        assert_eq!(longest_line(b"abc\n"), 0);
        let body = format!("a\n{}\n{}", "b".repeat(5_000), "c".repeat(6_000));
        assert_eq!(longest_line(body.as_bytes()), 6_000);
    }
}
