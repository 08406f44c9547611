//! Quantiles of a stream of numbers, in little memory, each with the error that is allowed for it.
//!
//! That is the targeted variant of Cormode, Korn, Muthukrishnan and Srivastava, "Effective Computation of Biased Quantiles over Data
//! Streams", as the Go client has it: numbers are gathered, sorted, merged into a list of tuples, and tuples are joined as far
//! as the errors allow.

use crate::mapping::Objective;

/// So many numbers are gathered before they are merged into the list.
const GATHERED: u64 = 500;

/// Numbers that came, each so many times.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Observed {
    value: f64,
    times: u32,
}

/// A number of the list, and how many ranks it stands for.
#[derive(Debug, Clone, Copy)]
struct Tuple {
    value: f64,
    width: f64,
    delta: f64,
}

/// A stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Stream {
    gathered: Vec<Observed>,
    gathered_times: u64,
    tuples: Vec<Tuple>,
    count: f64,
}

impl Stream {
    pub(super) fn insert(&mut self, value: f64, times: u32, objectives: &[Objective]) {
        self.gathered.push(Observed { value, times });
        self.gathered_times += u64::from(times);
        if self.gathered_times >= GATHERED {
            self.flush(objectives);
        }
    }

    /// Forgets everything. What the lists took stays theirs.
    pub(super) fn reset(&mut self) {
        self.gathered.clear();
        self.gathered_times = 0;
        self.tuples.clear();
        self.count = 0.0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gathered.is_empty() && self.tuples.is_empty()
    }

    /// The number at a rank, from 0 to 1. The stream is not empty.
    pub(super) fn query(&mut self, quantile: f64, objectives: &[Objective]) -> f64 {
        if self.tuples.is_empty() {
            return self.exact(quantile);
        }
        self.flush(objectives);
        let mut target = (quantile * self.count).ceil();
        target += (self.allowed(target, objectives) / 2.0).ceil();
        let mut rank = 0.0;
        let pairs = self.tuples.iter().zip(self.tuples.iter().skip(1));
        for (before, tuple) in pairs {
            rank += before.width;
            if rank + tuple.width + tuple.delta > target {
                return before.value;
            }
        }
        self.tuples.last().map_or(f64::NAN, |tuple| tuple.value)
    }

    /// While there are only few numbers, all of them are known.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "there are less than 500"
    )]
    fn exact(&mut self, quantile: f64) -> f64 {
        self.sort();
        let rank = (self.gathered_times as f64 * quantile).ceil().max(1.0) as u64;
        let mut seen = 0;
        let at_rank = self.gathered.iter().find(|observed| {
            seen += u64::from(observed.times);
            seen >= rank
        });
        at_rank
            .or(self.gathered.last())
            .map_or(f64::NAN, |observed| observed.value)
    }

    fn sort(&mut self) {
        self.gathered.sort_by(|a, b| a.value.total_cmp(&b.value));
    }

    /// How many ranks a tuple at this rank may stand for.
    fn allowed(&self, rank: f64, objectives: &[Objective]) -> f64 {
        let of = |objective: &Objective| {
            let Objective { quantile, error } = *objective;
            if quantile * self.count <= rank {
                2.0 * error * rank / quantile
            } else {
                2.0 * error * (self.count - rank) / (1.0 - quantile)
            }
        };
        // Of a quantile of 0 or 1 it may be no number, which is passed over.
        objectives.iter().map(of).fold(
            f64::MAX,
            |least, allowed| {
                if allowed < least { allowed } else { least }
            },
        )
    }

    fn flush(&mut self, objectives: &[Objective]) {
        self.sort();
        let gathered = std::mem::take(&mut self.gathered);
        let known = std::mem::take(&mut self.tuples);
        let mut merged = Vec::with_capacity(known.len() + 2 * gathered.len());
        let (mut known, mut rank) = (known.into_iter().peekable(), 0.0);
        for Observed { value, times } in &gathered {
            while let Some(tuple) = known.next_if(|tuple| tuple.value <= *value) {
                rank += tuple.width;
                merged.push(tuple);
            }
            let delta = if known.peek().is_some() {
                ((self.allowed(rank, objectives)).floor() - 1.0).max(0.0)
            } else {
                0.0
            };
            // Of equal numbers the first rank is known as well as the last: a query in between finds them.
            let rest = f64::from(*times) - 1.0;
            for width in [1.0, rest].into_iter().filter(|width| *width > 0.0) {
                let value = *value;
                merged.push(Tuple { value, width, delta });
                self.count += width;
                rank += width;
            }
        }
        merged.extend(known);
        self.tuples = merged;
        self.gathered = gathered;
        self.gathered.clear();
        self.gathered_times = 0;
        self.compress(objectives);
    }

    /// Joins neighbours from the right on, as far as the errors allow.
    fn compress(&mut self, objectives: &[Objective]) {
        let mut kept = Vec::with_capacity(self.tuples.len());
        let mut tuples = self.tuples.iter().rev();
        let Some(mut last) = tuples.next().copied() else {
            return;
        };
        let mut rank = self.count - 1.0 - last.width;
        for tuple in tuples {
            if tuple.width + last.width + last.delta <= self.allowed(rank, objectives) {
                last.width += tuple.width;
            } else {
                kept.push(last);
                last = *tuple;
            }
            rank -= tuple.width;
        }
        kept.push(last);
        kept.reverse();
        self.tuples = kept;
    }
}
