//! A body without its numbers.
//!
//! Most bodies are like an earlier one but for the values: a job pushes the same series with each run. Two bodies of
//! the same outline say the same of everything except the values, so what has been found out about one holds for
//! the other.

use memchr::{memchr_iter, memrchr};

use crate::number;

/// A body taken apart into lines, each of them what stands before a value, and that value; or a comment.
#[derive(Debug)]
pub struct Outline<'a> {
    heads: Vec<&'a [u8]>,
    samples: Vec<Sample>,
}

/// The value of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The number.
    pub value: f64,
    /// It is written as at most 15 decimal digits and nothing else, so that it may count something.
    pub is_count: bool,
}

/// Bodies of more lines have no outline: one of blank lines would take sixteen times its length.
const MAX_LINES: usize = 8 << 10;

/// As many digits as a double surely holds.
const MAX_COUNT_DIGITS: usize = 15;

impl<'a> Outline<'a> {
    /// The outline of a body; none if a line ends in something else than a number and a line feed, or has
    /// nothing before the number, or if there are very many lines.
    ///
    /// Nothing is said of the lines beyond that: a body that has an outline may still be refused.
    pub fn of(body: &'a [u8]) -> Option<Self> {
        // Lines of metrics are rarely shorter, and a list that grows once is no harm.
        let lines = (body.len() / 48 + 4).min(MAX_LINES);
        let mut outline = Self {
            heads: Vec::with_capacity(lines),
            samples: Vec::with_capacity(lines),
        };
        let mut start = 0;
        for end in memchr_iter(b'\n', body) {
            let line = body.get(start..end)?;
            start = end + 1;
            if outline.heads.len() == MAX_LINES {
                return None;
            }
            if is_comment(line) {
                outline.heads.push(line);
                continue;
            }
            let (head, token) = line.split_at_checked(memrchr(b' ', line)? + 1)?;
            if is_comment(head) {
                // A number alone. Its head must not be taken for that of a blank line.
                return None;
            }
            let is_count = token.len() <= MAX_COUNT_DIGITS && token.iter().all(u8::is_ascii_digit);
            let value = number::parse_f64(token)?;
            outline.heads.push(head);
            outline.samples.push(Sample { value, is_count });
        }
        (start == body.len()).then_some(outline)
    }

    /// All lines: comments whole, others up to the value, the blank before it included.
    pub fn heads(&self) -> &[&'a [u8]] {
        &self.heads
    }

    /// The values, in the order of their lines.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// A body of the same outline with other values.
    pub fn with_values(&self, mut value: impl FnMut(usize) -> u64) -> Vec<u8> {
        let mut body = Vec::new();
        let mut samples = 0;
        for head in &self.heads {
            body.extend_from_slice(head);
            if !is_comment(head) {
                number::write_u64(&mut body, value(samples));
                samples += 1;
            }
            body.push(b'\n');
        }
        body
    }
}

/// Whether a line has no value: it is blank, or a comment.
fn is_comment(line: &[u8]) -> bool {
    let first = line.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
    matches!(first, None | Some(b'#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(body: &str) -> Option<Vec<String>> {
        let outline = Outline::of(body.as_bytes())?;
        let heads = outline.heads().iter();
        Some(
            heads
                .map(|head| String::from_utf8_lossy(head).into_owned())
                .collect(),
        )
    }

    #[test]
    fn values_are_left_out_and_comments_are_not() {
        let body = "# HELP m is 5\n  # odd 5\nm 1\nm{a=\"x y\"} -2.5e3\n\n";
        assert_eq!(
            heads(body).unwrap(),
            ["# HELP m is 5", "  # odd 5", "m ", "m{a=\"x y\"} ", ""]
        );
        let outline = Outline::of(body.as_bytes()).unwrap();
        let samples = [(1.0, true), (-2500.0, false)].map(|(value, is_count)| Sample { value, is_count });
        assert_eq!(outline.samples(), samples);
    }

    #[test]
    fn a_timestamp_belongs_to_the_outline() {
        assert_eq!(heads("m 1 1700000000000\n").unwrap(), ["m 1 "]);
    }

    #[test]
    fn lines_that_end_otherwise_have_no_outline() {
        for body in [
            "m 1", "m 1\r\n", "m 1 \n", "m\t1\n", "m one\n", "m\n", "m 0x1\n", " 5\n", "\t 5\n",
        ] {
            assert_eq!(heads(body), None, "{body:?}");
        }
        assert_eq!(heads("").unwrap(), [""; 0]);
    }

    #[test]
    fn a_count_is_written_in_few_digits() {
        let is_count =
            |value: &str| Outline::of(format!("m {value}\n").as_bytes()).unwrap().samples()[0].is_count;
        assert!(is_count("0") && is_count("007") && is_count("999999999999999"));
        assert!(!is_count("1000000000000000") && !is_count("1.0") && !is_count("+1") && !is_count("NaN"));
    }

    #[test]
    fn other_values_give_a_body_of_the_same_outline() {
        let body = "# TYPE m gauge\nm{a=\"b\"} 1.5\nn 3\n";
        let outline = Outline::of(body.as_bytes()).unwrap();
        let other = outline.with_values(|index| index as u64 + 100);
        assert_eq!(other, b"# TYPE m gauge\nm{a=\"b\"} 100\nn 101\n");
        assert_eq!(Outline::of(&other).unwrap().heads(), outline.heads());
    }
}
