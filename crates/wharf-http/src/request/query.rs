//! The query of a URL: `name=value` pairs with `&` between them.

use std::borrow::Cow;
use std::collections::HashSet;

use wharf_gateway::Refusal;

use crate::request::path::percent_decode;

/// A query that cannot be read: an escape that is none, or what it stands for is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadQuery(String);

impl std::fmt::Display for BadQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "expected percent-encoded UTF-8 in the query, found `{}`",
            self.0
        )
    }
}

/// The pairs in their order, decoded; `+` is a blank. A name alone has an empty value.
fn pairs(query: Option<&str>) -> impl Iterator<Item = Result<(String, String), BadQuery>> {
    raw(query).map(|(name, value)| Ok((decode(name)?, decode(value)?)))
}

/// The pairs of a query in which each name stands once, but for `match[]`. Of two values that contradict each
/// other none is what was meant.
///
/// # Errors
/// 400 if a name stands there again, or the query cannot be read.
pub(crate) fn parameters(query: Option<&str>) -> Result<Vec<(String, String)>, Refusal> {
    let (mut seen, mut parameters) = (HashSet::new(), Vec::new());
    for pair in pairs(query) {
        let (name, value) = pair.map_err(|error| Refusal::parameter(&error))?;
        if name != "match[]" && !seen.insert(name.clone()) {
            let text = format!("expected `{}` once, found it twice", shown(&name));
            return Err(Refusal::parameter(&text));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// What was found in a query as an error text quotes it: cut short, and without control characters.
pub(crate) fn shown(found: &str) -> String {
    let mut text = String::new();
    for c in found.chars().take(100) {
        if c.is_control() {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

/// The decoded values of one name. What else the query has does not matter, not even whether it can be read.
pub(crate) fn values(query: Option<&str>, name: &str) -> impl Iterator<Item = Result<String, BadQuery>> {
    raw(query)
        .filter(move |(found, _)| decode(found).is_ok_and(|found| found == name))
        .map(|(_, value)| decode(value))
}

/// Reads a switch: `name`, `name=true` or `name=false`.
///
/// # Errors
/// 400 if it is something else.
pub(crate) fn flag(name: &str, value: &str) -> Result<bool, Refusal> {
    match value {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(Refusal::parameter(&format!(
            "{name}: expected true or false, found `{}`",
            shown(other)
        ))),
    }
}

/// The refusal of a parameter that does not exist.
pub(crate) fn unknown(name: &str, known: &str) -> Refusal {
    Refusal::parameter(&format!(
        "expected a parameter of {known}, found `{}`",
        shown(name)
    ))
}

fn raw(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let parts = query.unwrap_or_default().split('&');
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn decode(text: &str) -> Result<String, BadQuery> {
    let blanks = if text.contains('+') {
        Cow::Owned(text.replace('+', " "))
    } else {
        Cow::Borrowed(text)
    };
    let bytes = percent_decode(&blanks).and_then(|bytes| String::from_utf8(bytes).ok());
    bytes.ok_or_else(|| BadQuery(text.chars().take(100).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Vec<(String, String)>, BadQuery> {
        pairs(Some(query)).collect()
    }

    #[test]
    fn pairs_are_decoded() {
        let found = read("match[]=%7Bjob%3D%22a+b%22%7D&&dry_run&x=1=2&%6datch%5B%5D=").unwrap();
        let expected = [
            ("match[]", "{job=\"a b\"}"),
            ("dry_run", ""),
            ("x", "1=2"),
            ("match[]", ""),
        ];
        assert_eq!(
            found,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(pairs(None).count(), 0);
    }

    #[test]
    fn values_of_a_name_are_found_among_anything() {
        let found: Vec<_> = values(Some("%zz=1&ttl=2h&x=%&ttl=%zz"), "ttl").collect();
        assert_eq!(found, [Ok("2h".to_owned()), Err(BadQuery("%zz".to_owned()))]);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for query in ["a=%", "a=%4", "a=%zz", "%ff=1"] {
            assert!(read(query).is_err(), "{query}");
        }
        assert_eq!(
            read("x=%ff").unwrap_err().to_string(),
            "expected percent-encoded UTF-8 in the query, found `%ff`"
        );
    }
}
