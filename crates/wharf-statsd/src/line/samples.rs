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

fn begins_sample(text: &str) -> bool {
    let Some((value, behind)) = text.split_once('|') else {
        return false;
    };
    let kind = behind.split(['|', ':']).next().unwrap_or_default();
    Kind::of(kind).is_some() && number::parse(value).is_some()
}
