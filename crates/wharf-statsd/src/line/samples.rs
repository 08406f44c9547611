//! Several samples behind one name, as `StatsD` has had them for long: `1|c|@0.1:320|ms`.

use super::Kind;
use crate::number;

/// The samples that are left.
#[derive(Debug)]
pub(super) struct Samples<'l>(pub(super) Option<&'l str>);

impl<'l> Iterator for Samples<'l> {
    type Item = &'l str;

    fn next(&mut self) -> Option<&'l str> {
        let rest = self.0.take()?;
        let Some((sample, after)) = split(rest) else {
            return Some(rest);
        };
        self.0 = Some(after);
        Some(sample)
    }
}

/// The first sample and those behind it, if there are some.
///
/// A colon begins the next one. But those in the fields `c:`, `e:` and `card:` belong to the field, unless a number and a type
/// stand behind them.
fn split(rest: &str) -> Option<(&str, &str)> {
    let (mut parts, mut part) = (0, 0);
    for (at, byte) in rest.bytes().enumerate() {
        if byte == b'|' {
            (parts, part) = (parts + 1, at + 1);
        } else if byte == b':' {
            let (before, after) = (rest.get(..at)?, rest.get(at + 1..)?);
            let field = before.get(part..)?;
            if parts < 2 || !is_field_with_colon(field) || begins_sample(after) {
                return Some((before, after));
            }
        }
    }
    None
}

/// Whether what stands in front of a colon begins a field that may have some.
fn is_field_with_colon(field: &str) -> bool {
    matches!(field, "c" | "e" | "card")
        || ["c:", "e:", "card:"]
            .iter()
            .any(|prefix| field.starts_with(prefix))
}

/// Whether a number and a type stand here. `c` with a colon behind it is the field of a container, unless what follows is the next
/// sample.
fn begins_sample(text: &str) -> bool {
    let Some((kind, behind)) = number_and_kind(text) else {
        return false;
    };
    Kind::of(kind).is_some() && (kind != "c" || behind.is_none_or(|behind| number_and_kind(behind).is_some()))
}

/// What stands behind a number and `|` up to the next `|` or `:`, and what stands behind that, if it is a `:`. No more of the text is
/// looked at, however much there is.
fn number_and_kind(text: &str) -> Option<(&str, Option<&str>)> {
    let end = text.find(['|', ':'])?;
    let (value, rest) = text.split_at_checked(end)?;
    let rest = rest.strip_prefix('|')?;
    number::parse(value)?;
    let end = rest.find(['|', ':']).unwrap_or(rest.len());
    let (kind, behind) = rest.split_at_checked(end)?;
    Some((kind, behind.strip_prefix(':')))
}
