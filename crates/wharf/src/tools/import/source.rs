//! Where an import comes from, brought into one shape.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use jiff::Timestamp;
use wharf_client::{Address, Client, Settings};
use wharf_exposition::{Head, protobuf};
use wharf_http::backup::{Draft, Line, LineError, Part};
use wharf_model::Value;
use wharf_model::name::NameRule;
use wharf_store::{PUSH_FAILURE_TIME, PUSH_TIME, is_standing};

use crate::state_file::{self, Group};
use crate::tools::backup::{self, Told};
use crate::tools::contents;
use crate::tools::output::clean;

/// A group or family that cannot be carried over, and why.
type LeftOut = (String, String);

/// Where groups come from.
pub(super) enum Source {
    Gateway(Client),
    StateFile(Vec<u8>),
    Export(Box<dyn BufRead>),
}

impl Source {
    /// Looks what `typed` is: a URL, or a file and of which kind.
    pub(super) fn open(typed: &str, settings: Option<&Path>, target: &Client) -> anyhow::Result<Self> {
        let scheme = typed
            .split_once("://")
            .map(|(scheme, _)| scheme.to_ascii_lowercase());
        if matches!(scheme.as_deref(), Some("http" | "https")) {
            let address: Address = typed.parse()?;
            if address.as_str() == target.address().as_str() {
                bail!(
                    "expected a source that is not the target, found {} for both\nhint: --gateway names the target",
                    clean(typed)
                );
            }
            let others = settings.map(Settings::from_file).transpose()?.unwrap_or_default();
            let settings = Settings {
                gateway: Some(address),
                ..others
            };
            return Ok(Self::Gateway(Client::new(&settings.target()?)?));
        }
        if settings.is_some() {
            bail!("expected a URL with --source-settings, found a file");
        }
        let mut reader: Box<dyn BufRead> = if typed == "-" {
            Box::new(BufReader::new(io::stdin()))
        } else {
            Box::new(BufReader::new(
                File::open(typed).with_context(|| format!("open {}", clean(typed)))?,
            ))
        };
        let context = || format!("read {}", clean(typed));
        // An export is lines of JSON objects; no state file begins like that.
        if reader.fill_buf().with_context(context)?.starts_with(b"{") {
            return Ok(Self::Export(reader));
        }
        let mut bytes = Vec::new();
        reader
            .take(state_file::MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .with_context(context)?;
        if bytes.len() as u64 > state_file::MAX_BYTES {
            bail!(
                "read {}: expected at most {} bytes, found more",
                clean(typed),
                state_file::MAX_BYTES
            );
        }
        Ok(Self::StateFile(bytes))
    }

    /// Calls `each` for every group, and for everything that is none. Why [`contents::NOT_IN_JSON`] could not be had, if
    /// so.
    pub(super) fn read(
        self,
        mut each: impl FnMut(Result<Told, LeftOut>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Option<String>> {
        let whole = |line| Told {
            line,
            left_out: Vec::new(),
        };
        match self {
            Self::Gateway(client) => backup::read(&client, &[], |group| {
                each(group.map_err(|error| ("a group".to_owned(), format!("{error:#}"))))
            }),
            Self::StateFile(bytes) => {
                let imported = state_file::read(&bytes)?;
                for skipped in imported.skipped {
                    let what = match &skipped.family {
                        Some(family) => format!("family {family} of group {}", skipped.group),
                        None => format!("group {}", skipped.group),
                    };
                    each(Err((what, skipped.reason)))?;
                }
                if imported.more_skipped > 0 {
                    let what = format!("{} more groups or families", imported.more_skipped);
                    each(Err((what, "the first of them are listed".to_owned())))?;
                }
                for group in imported.groups {
                    let shown = clean(&group.key.to_string());
                    let line = from_state(&group).map(whole);
                    each(line.map_err(|error| (format!("group {shown}"), format!("{error:#}"))))?;
                }
                Ok(None)
            }
            Self::Export(mut reader) => {
                let mut number = 0_u64;
                backup::read_lines(&mut reader, |line| {
                    number += 1;
                    each(match check(&line) {
                        Ok(()) => Ok(whole(line)),
                        Err(error) => Err((format!("line {number}"), error.to_string())),
                    })
                })?;
                Ok(None)
            }
        }
    }
}

/// What makes a line no group, whatever the target is.
fn check(line: &Line) -> Result<(), LineError> {
    line.key()?;
    line.exposition(NameRule::Utf8).map(drop)
}

fn from_state(group: &Group<'_>) -> anyhow::Result<Line> {
    let mut body = Vec::new();
    for family in &group.families {
        protobuf::write_length(&mut body, family.message.len());
        body.extend_from_slice(family.message);
    }
    let all = protobuf::decode(&body).map_err(|error| anyhow::anyhow!("{error}"))?;
    let set_at = |name: &str| {
        let family = group.families.iter().find(|family| family.name == name)?;
        Timestamp::from_nanosecond(i128::from(family.pushed_at.0)).ok()
    };
    // When a family of push times was set, unless its value says that it never was.
    let time = |name: &str| {
        let family = all.families.iter().find(|family| all.text(family.name) == name)?;
        let value = family.metrics.first()?.value;
        set_at(name).filter(|_| !matches!(value, Value::Number(0.0)))
    };
    let mut draft = Draft::new(&group.key, time(PUSH_TIME), time(PUSH_FAILURE_TIME));
    for name in [PUSH_TIME, PUSH_FAILURE_TIME] {
        draft.note_time(name, set_at(name));
    }
    for family in &all.families {
        let name = all.text(family.name);
        if !is_standing(name) {
            draft.add(&Part {
                head: Head::of(&all, family),
                exposition: &all,
                family,
                text_keeps_all: contents::text_keeps_all(&all, family),
                pushed_at: set_at(name),
            });
        }
    }
    Ok(draft.finish())
}
