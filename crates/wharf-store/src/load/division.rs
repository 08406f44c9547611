//! Which part of a start has which group.
//!
//! The records of a checkpoint come in the order of their keys. Neighbours belong together: they share leaves, and where each part has
//! whole runs of neighbours, its leaves are taken over as they are in the end. So the checkpoint is divided into runs, which the parts take
//! in turns, and a record of the log belongs to the run that its key falls into. Of keys beyond all of the checkpoint a hash decides.

/// Bytes of records from which on the first run is over. Each further one is twice as long: so all parts have some of a small checkpoint.
pub(super) const FIRST_RUN_BYTES: usize = 32 << 10;
/// But no longer than this: many times the records of a leaf, and few enough that all parts have something to do while eight times as
/// much is under way.
const LONGEST_RUN_BYTES: usize = 1 << 20;

/// Divides groups among parts. The same key always belongs to the same part.
#[derive(Debug, Clone, Default)]
pub(super) struct Division {
    parts: usize,
    run_bytes: usize,
    /// The first key of each run but the first one.
    starts: Vec<Box<[u8]>>,
    /// The last key that has come in order, and the bytes of its run so far.
    last: Vec<u8>,
    bytes: usize,
    has_runs: bool,
}

impl Division {
    /// Among so many parts; the first run has so many bytes.
    pub(super) fn among(parts: usize, run_bytes: usize) -> Self {
        Self {
            parts: parts.max(1),
            run_bytes,
            ..Self::default()
        }
    }

    /// Takes note of the next record of a checkpoint, of so many bytes, before it is asked whose it is.
    pub(super) fn note(&mut self, key: &[u8], bytes: usize) {
        let is_next = key > self.last.as_slice() || !self.has_runs;
        if !is_next {
            return;
        }
        self.has_runs = true;
        if self.bytes >= self.run_bytes {
            self.starts.push(key.into());
            self.bytes = 0;
            self.run_bytes = (2 * self.run_bytes).min(LONGEST_RUN_BYTES);
        }
        self.bytes += bytes;
        self.last.clear();
        self.last.extend_from_slice(key);
    }

    /// The part that has a group.
    pub(super) fn part_of(&self, key: &[u8]) -> usize {
        let number = if self.has_runs && key <= self.last.as_slice() {
            self.starts.partition_point(|start| &**start <= key)
        } else {
            crc32fast::hash(key) as usize
        };
        number % self.parts.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Vec<u8> {
        format!("job\u{ff}{number:06}").into_bytes()
    }

    #[test]
    fn neighbours_of_a_checkpoint_stay_together_and_all_parts_have_some() {
        let mut division = Division::among(3, FIRST_RUN_BYTES);
        let bytes = FIRST_RUN_BYTES / 4;
        let parts: Vec<usize> = (0..4000)
            .map(|number| {
                division.note(&key(number), bytes);
                division.part_of(&key(number))
            })
            .collect();
        let changes = parts.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let records_of_a_run = LONGEST_RUN_BYTES / bytes;
        assert_eq!(changes, 5 + (4000 - records_of_a_run) / records_of_a_run);
        for part in 0..3 {
            assert!(parts.iter().filter(|other| **other == part).count() > 1000);
        }
        // What comes later goes where its neighbours are, also a key that is not there; but for those behind all of them.
        for (number, part) in parts.iter().enumerate() {
            assert_eq!(division.part_of(&key(number)), *part);
            let beside = [&key(number)[..], b"\xffx\xffy"].concat();
            if number + 1 < parts.len() {
                assert_eq!(division.part_of(&beside), *part, "{number}");
            }
        }
        for part in 0..3 {
            assert!((5000..5100).any(|number| division.part_of(&key(number)) == part));
        }
    }

    #[test]
    fn a_key_that_comes_out_of_order_moves_nobody() {
        let mut division = Division::among(2, 1);
        let mut known = Vec::new();
        for number in [0, 5, 3, 5, 9, 9, 1, 12, 40, 41] {
            division.note(&key(number), 1);
            known.push((number, division.part_of(&key(number))));
            for (number, part) in &known {
                assert_eq!(division.part_of(&key(*number)), *part, "{number}");
            }
        }
    }

    #[test]
    fn without_a_checkpoint_all_parts_have_some() {
        let division = Division::among(4, 1);
        for part in 0..4 {
            assert!((0..100).any(|number| division.part_of(&key(number)) == part));
        }
    }
}
