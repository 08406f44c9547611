//! Parameters of a query that several routes have.

use jiff::Timestamp;
use wharf_gateway::Refusal;
use wharf_model::{Effort, Selector, SelectorErrorKind};
use wharf_store::{Gauges, UnixNanos, is_standing};

use crate::request::query;

/// Selectors in one request: each is compiled, and looked at for each group.
pub(crate) const MAX_SELECTORS: usize = 32;
/// How many are on a page, unless the request says it.
pub(crate) const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// The selectors of `match[]` parameters.
///
/// # Errors
/// 400 if one cannot be read, or there are too many; if the effort ends.
pub(crate) fn selectors(query: Option<&str>, effort: &Effort) -> Result<Vec<Selector>, Refusal> {
    let mut selectors = Vec::new();
    for text in query::values(query, "match[]") {
        let text = text.map_err(|error| Refusal::parameter(&error))?;
        add_selector(&mut selectors, &text, effort)?;
    }
    Ok(selectors)
}

/// Adds the selector of one `match[]` to those before.
///
/// # Errors
/// As [`selectors`].
pub(crate) fn add_selector(
    selectors: &mut Vec<Selector>,
    text: &str,
    effort: &Effort,
) -> Result<(), Refusal> {
    let selector = Selector::read(text, effort).map_err(|error| match error.kind() {
        SelectorErrorKind::Stopped(stopped) => Refusal::from(*stopped),
        _ => Refusal::parameter(&format!("match[]: {error}")),
    });
    selectors.push(selector?);
    if selectors.len() > MAX_SELECTORS {
        let text = format!("expected at most {MAX_SELECTORS} match[], found more");
        return Err(Refusal::parameter(&text));
    }
    Ok(())
}

/// A time in RFC 3339; none if it is something else, or cannot be said in nanoseconds.
pub(crate) fn time(text: &str) -> Option<UnixNanos> {
    let time: Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok().map(UnixNanos)
}

/// What becomes of gauges.
///
/// # Errors
/// 400 if it is no word for that.
pub(crate) fn gauges(text: &str) -> Result<Gauges, Refusal> {
    let gauges = Gauges::ALL.into_iter().find(|how| how.as_str() == text);
    gauges.ok_or_else(|| {
        let known = Gauges::ALL.map(Gauges::as_str).join(", ");
        let found = query::shown(text);
        Refusal::parameter(&format!("gauge: expected one of {known}, found `{found}`"))
    })
}

/// How many are to be on a page.
///
/// # Errors
/// 400 if it is no such number.
pub(crate) fn limit(text: &str) -> Result<usize, Refusal> {
    let number = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    number.ok_or_else(|| {
        Refusal::parameter(&format!(
            "limit: expected a number from 1 to {MAX_LIMIT}, found `{}`",
            query::shown(text)
        ))
    })
}

/// The name of a family that can be deleted. A group cannot be without its times, which the gateway writes.
///
/// # Errors
/// 400 for these.
pub(crate) fn family(name: String) -> Result<String, Refusal> {
    if is_standing(&name) {
        let text = format!("family: expected a family that was pushed, found `{name}`");
        return Err(Refusal::parameter(&text));
    }
    Ok(name)
}
