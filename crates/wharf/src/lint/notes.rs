//! Findings while a body is being looked at.

use super::report::{Finding, Place};
use super::rule::Rule;

/// The lines as ranges, without their line feeds.
pub(super) fn lines(body: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut start = 0;
    body.split(|byte| *byte == b'\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end + 1;
        range
    })
}

/// Findings whose places are bytes of the body yet, in no order.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

#[derive(Debug)]
struct Note {
    offset: usize,
    rule: Rule,
    family: String,
    message: String,
    hint: String,
}

impl Notes {
    pub(super) fn add(
        &mut self,
        rule: Rule,
        offset: usize,
        family: &str,
        message: String,
        hint: impl Into<String>,
    ) {
        self.0.push(Note {
            offset,
            rule,
            family: family.to_owned(),
            message,
            hint: hint.into(),
        });
    }

    /// Notes the first of `places`, with the number of the others.
    pub(super) fn add_first<T>(
        &mut self,
        rule: Rule,
        family: &str,
        places: impl IntoIterator<Item = (usize, T)>,
        describe: impl FnOnce(T) -> (String, String),
    ) {
        let mut places = places.into_iter();
        if let Some((offset, first)) = places.next() {
            let (mut message, hint) = describe(first);
            let more = places.count();
            if more > 0 {
                message = format!("{message} ({more} more in this family)");
            }
            self.add(rule, offset, family, message, hint);
        }
    }

    /// Where they are in a text: counts lines and columns, going through it once.
    pub(super) fn locate(self, body: &[u8]) -> Vec<Finding> {
        let (mut line, mut line_start) = (1, 0);
        self.found(|offset| {
            let between = body.get(line_start..offset).unwrap_or_default();
            line += lines(between).skip(1).count();
            if let Some(newline) = between.iter().rposition(|byte| *byte == b'\n') {
                line_start += newline + 1;
            }
            let before = body.get(line_start..offset).unwrap_or_default();
            let column = String::from_utf8_lossy(before).chars().count() + 1;
            Place::Text { line, column }
        })
    }

    /// The findings in the order of their bytes, of which `place` says where they are.
    pub(super) fn found(mut self, mut place: impl FnMut(usize) -> Place) -> Vec<Finding> {
        self.0.sort_by_key(|note| note.offset);
        let notes = self.0.into_iter();
        let findings = notes.map(|note| Finding {
            place: place(note.offset),
            rule: note.rule,
            family: Some(note.family),
            message: note.message,
            hint: note.hint,
        });
        findings.collect()
    }
}
