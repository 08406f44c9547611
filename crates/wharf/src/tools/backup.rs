//! Groups as lines of a backup, with all that their gateway tells of them. Wharf has such lines; those of the
//! Pushgateway are pieced together.

use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, bail};
use wharf_client::{Client, Request};
use wharf_exposition::Head;
use wharf_http::backup::{Draft, GROUPS_HEADER, Line, Part};
use wharf_store::{PUSH_FAILURE_TIME, PUSH_TIME};

use super::contents::{self, Contents};
use super::remote::{self, Remote};

/// A longer line is refused: one group, whose metrics no gateway would take in one push.
const MAX_LINE_BYTES: u64 = 512 << 20;

/// A group, and what of it the gateway does not tell: a family and the reason.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) line: Line,
    pub(super) left_out: Vec<(String, String)>,
}

/// Calls `each` for every group that the selectors name, which is all groups if there are none; one that cannot be
/// understood is an error of its own. Why [`contents::NOT_IN_JSON`] could not be had of any, if so.
///
/// # Errors
/// If the gateway does not answer, or something else, or what `each` returns.
pub(super) fn read(
    client: &Client,
    selectors: &[String],
    mut each: impl FnMut(anyhow::Result<Told>) -> anyhow::Result<()>,
) -> anyhow::Result<Option<String>> {
    let remote = Remote {
        client: client.clone(),
    };
    if !remote.is_original()? {
        return read_wharf(client, selectors, |line| {
            each(Ok(Told {
                line,
                left_out: Vec::new(),
            }))
        })
        .map(|()| None);
    }
    let selectors = remote::parsed(selectors)?;
    contents::read_exact(client, &selectors, |group| {
        each(group.map(|group| Told {
            line: line(&group),
            left_out: group.left_out,
        }))
    })
}

fn read_wharf(
    client: &Client,
    selectors: &[String],
    mut each: impl FnMut(Line) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let matching = remote::matching(selectors);
    let path = format!("/api/v1/export{}", matching.replacen('&', "?", 1));
    let mut request = Request::get(path);
    // As large as what the gateway holds.
    request.whole_answer_in_time = false;
    request.max_answer_bytes = contents::MAX_ANSWER_BYTES;
    let answer = client.open(&request)?;
    let expected: Option<u64> = answer
        .header(GROUPS_HEADER)
        .and_then(|groups| groups.parse().ok());
    let mut reader = BufReader::with_capacity(1 << 16, answer);
    let mut found = 0;
    read_lines(&mut reader, |line| {
        found += 1;
        each(line)
    })?;
    // An answer that was cut short may end with a whole line.
    if expected != Some(found) {
        let expected = expected.map_or_else(|| "a number of".to_owned(), |expected| expected.to_string());
        bail!("expected {expected} groups from the gateway, found {found}");
    }
    Ok(())
}

/// Calls `each` for every line of an export.
///
/// # Errors
/// If one is none, or what `each` returns.
pub(super) fn read_lines(
    reader: &mut dyn BufRead,
    mut each: impl FnMut(Line) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut bytes, mut number) = (Vec::new(), 0_u64);
    loop {
        bytes.clear();
        let count = reader.take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes)?;
        if count as u64 == MAX_LINE_BYTES {
            bail!("expected lines of less than {MAX_LINE_BYTES} bytes, found a longer one");
        }
        if count == 0 {
            return Ok(());
        }
        number += 1;
        if !bytes.trim_ascii().is_empty() {
            let line = serde_json::from_slice(&bytes);
            each(line.with_context(|| format!("line {number}: expected a group of an export"))?)?;
        }
    }
}

/// A group of the Pushgateway.
fn line(group: &Contents) -> Line {
    let mut draft = Draft::new(&group.key, group.pushed_at, group.failed_at);
    for name in [PUSH_TIME, PUSH_FAILURE_TIME] {
        draft.note_time(name, group.set_at(name));
    }
    for family in &group.families.families {
        let name = group.families.text(family.name);
        draft.add(&Part {
            head: Head::of(&group.families, family),
            exposition: &group.families,
            family,
            text_keeps_all: contents::text_keeps_all(&group.families, family),
            pushed_at: group.set_at(name),
        });
    }
    draft.finish()
}
