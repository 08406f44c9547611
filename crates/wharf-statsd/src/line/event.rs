//! Events and service checks of `DogStatsD`.

use super::Tag;

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The title; a line feed in it is `\n`.
    pub title: &'a str,
    /// The text, likewise.
    pub text: &'a str,
    /// `error`, `warning`, `info` or `success`; `info` if the client does not say.
    pub alert_type: &'a str,
    /// `normal` or `low`; `normal` if the client does not say.
    pub priority: &'a str,
    /// In the order they came.
    pub tags: &'a [Tag<'a>],
    pub(super) tags_text: &'a str,
}

impl<'a> Event<'a> {
    pub(super) fn with(self, tags: &'a [Tag<'a>]) -> Self {
        Self { tags, ..self }
    }
}

/// A service check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceCheck<'a> {
    /// What was checked.
    pub name: &'a str,
    /// 0 is fine, 1 a warning, 2 critical, 3 not known.
    pub status: u8,
    /// What the client says about it.
    pub message: &'a str,
    /// In the order they came.
    pub tags: &'a [Tag<'a>],
    pub(super) tags_text: &'a str,
}

impl<'a> ServiceCheck<'a> {
    pub(super) fn with(self, tags: &'a [Tag<'a>]) -> Self {
        Self { tags, ..self }
    }
}

/// Reads what stands behind `_e{`: `5,4}:title|text|t:error`.
pub(super) fn event(rest: &str) -> Option<Event<'_>> {
    let (lengths, rest) = rest.split_once("}:")?;
    let (title, text) = lengths.split_once(',')?;
    let (title, text) = (title.parse().ok()?, text.parse().ok()?);
    // Lengths are in bytes, says the protocol, and Node counts otherwise.
    let (title, text, fields) = measured(rest, title, text).or_else(|| separated(rest))?;
    let mut event = Event {
        title,
        text,
        alert_type: "info",
        priority: "normal",
        tags: &[],
        tags_text: "",
    };
    for field in fields.split('|') {
        if let Some(alert_type) = field.strip_prefix("t:") {
            event.alert_type = alert_type;
        } else if let Some(priority) = field.strip_prefix("p:") {
            event.priority = priority;
        } else if let Some(tags) = field.strip_prefix('#') {
            event.tags_text = tags;
        }
    }
    Some(event)
}

/// The title, the text and the fields, if they are as long as is said.
fn measured(rest: &str, title_bytes: usize, text_bytes: usize) -> Option<(&str, &str, &str)> {
    let title = rest.get(..title_bytes)?;
    let rest = rest.get(title_bytes..)?.strip_prefix('|')?;
    let text = rest.get(..text_bytes)?;
    let fields = rest.get(text_bytes..)?;
    let fields = if fields.is_empty() {
        fields
    } else {
        fields.strip_prefix('|')?
    };
    Some((title, text, fields))
}

/// The same by what stands between them.
fn separated(rest: &str) -> Option<(&str, &str, &str)> {
    let (title, rest) = rest.split_once('|')?;
    let (text, fields) = rest.split_once('|').unwrap_or((rest, ""));
    Some((title, text, fields))
}

/// Reads what stands behind `_sc|`: `name|0|#key:value|m:text`.
pub(super) fn check(rest: &str) -> Option<ServiceCheck<'_>> {
    let (name, rest) = rest.split_once('|')?;
    let (status, fields) = rest.split_once('|').unwrap_or((rest, ""));
    let status = status.parse().ok().filter(|status| *status <= 3)?;
    if name.is_empty() {
        return None;
    }
    let mut check = ServiceCheck {
        name,
        status,
        message: "",
        tags: &[],
        tags_text: "",
    };
    let mut rest = fields;
    loop {
        // The message is the last field, and may have any character.
        if let Some(message) = rest.strip_prefix("m:") {
            check.message = message;
            return Some(check);
        }
        let (field, behind) = rest.split_once('|').unwrap_or((rest, ""));
        if let Some(tags) = field.strip_prefix('#') {
            check.tags_text = tags;
        }
        if behind.is_empty() {
            return Some(check);
        }
        rest = behind;
    }
}
