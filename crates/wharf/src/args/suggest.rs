//! Which flag or word was meant.

use wharf_settings::Takes;

use super::requests::REQUESTS;
use crate::config::FLAGS;

/// The name of the flag that `typed` resembles most, if any does.
///
/// That is a flag whose last part was typed alone (`listen-address`), or one that few changed letters away.
pub(super) fn nearest_flag(typed: &str) -> Option<String> {
    // Longer than every flag: nothing that was mistyped.
    if typed.is_empty() || typed.len() > 64 {
        return None;
    }
    let flags = FLAGS.iter().map(|flag| flag.name.to_owned());
    let switches = FLAGS.iter().filter(|flag| flag.takes == Takes::Nothing);
    let negations = switches.map(|flag| format!("no-{}", flag.name));
    let requests = REQUESTS.iter().map(|(name, _)| (*name).to_owned());
    let names: Vec<String> = flags.chain(negations).chain(requests).collect();

    let last_part = |name: &&String| {
        name.strip_suffix(typed)
            .is_some_and(|rest| rest.ends_with(['.', '-']))
    };
    let mut candidates = names
        .iter()
        .filter(|name| !name.starts_with("no-"))
        .filter(last_part);
    if let (Some(name), None) = (candidates.next(), candidates.next()) {
        return Some(name.clone());
    }
    nearest(typed, names)
}

/// The word that `typed` is few changed letters away from, if there is one.
pub(crate) fn nearest<W: AsRef<str>>(typed: &str, words: impl IntoIterator<Item = W>) -> Option<W> {
    let close_enough = typed.chars().count().div_ceil(4);
    let distances = words
        .into_iter()
        .map(|word| (distance(typed, word.as_ref()), word));
    let (distance, word) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= close_enough).then_some(word)
}

/// How many letters must be added, removed, replaced or swapped with their neighbour to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // Three rows of the usual table: the distances of prefixes of `a` to all prefixes of `b`.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (row, c) in a.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, d) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, column) + usize::from(c != *d);
            let mut best = replaced
                .min(at(&last, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped = column > 0 && previous == Some(*d) && b.get(column - 1) == Some(&c);
            if swapped {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(c);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_changes() {
        let cases = [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "", 2),
            ("abc", "abd", 1),
            ("abcd", "acbd", 1),
            ("kitten", "sitting", 3),
        ];
        for (a, b, expected) in cases {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn mistyped_flags_are_recognised() {
        let cases = [
            ("web.listen-adress", Some("web.listen-address")),
            ("web.lisetn-address", Some("web.listen-address")),
            ("web-listen-address", Some("web.listen-address")),
            ("listen-address", Some("web.listen-address")),
            ("address", None),
            ("no-web.enable-lifecyle", Some("no-web.enable-lifecycle")),
            ("verison", Some("version")),
            ("log-level", Some("log.level")),
            ("bogus", None),
            ("timeout", None),
            ("enable-lifecycle", Some("web.enable-lifecycle")),
            ("x", None),
            ("", None),
        ];
        for (typed, expected) in cases {
            assert_eq!(nearest_flag(typed).as_deref(), expected, "{typed}");
        }
        assert_eq!(nearest_flag(&"web.listen-address".repeat(1000)), None);
    }
}
