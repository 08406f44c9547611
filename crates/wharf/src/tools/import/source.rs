//! Where an import comes from, brought into one shape.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use jiff::Timestamp;
use wharf_client::{Address, Client, Settings};
use wharf_exposition::protobuf;
use wharf_model::{GroupingKey, Value};

use crate::import::{self, ImportedGroup};
use crate::tools::contents;
use crate::tools::export::{self, Line};
use crate::tools::output::clean;
use crate::tools::remote::Remote;

/// A larger state file is refused.
const MAX_STATE_BYTES: u64 = 4 << 30;

/// A longer line of an export is refused: one group, whose metrics no gateway would take in one push.
const MAX_LINE_BYTES: u64 = 256 << 20;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// One group as it is to be pushed.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) key: GroupingKey,
    /// None if it never was, with success.
    pub(super) pushed_at: Option<Timestamp>,
    pub(super) last_push_failed: bool,
    pub(super) ttl: Option<String>,
    pub(super) series: u64,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// Families that the source does not tell in full, and why.
    pub(super) left_out: Vec<(String, String)>,
}

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
            .take(MAX_STATE_BYTES + 1)
            .read_to_end(&mut bytes)
            .with_context(context)?;
        if bytes.len() as u64 > MAX_STATE_BYTES {
            bail!(
                "read {}: expected at most {MAX_STATE_BYTES} bytes, found more",
                clean(typed)
            );
        }
        Ok(Self::StateFile(bytes))
    }

    /// Calls `each` for every group, and for everything that is none.
    pub(super) fn read(
        self,
        mut each: impl FnMut(Result<Incoming, LeftOut>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Gateway(client) => {
                let remote = Remote { client };
                let mut ttls = export::ttls(&remote, Vec::new())?;
                contents::read(&remote.client, |group| {
                    each(match group {
                        Ok(group) => Ok(Incoming {
                            pushed_at: group.pushed_at,
                            last_push_failed: !group.is_successful(),
                            ttl: ttls.remove(&group.key),
                            series: group.series(),
                            content_type: TEXT,
                            body: group.text(),
                            key: group.key,
                            left_out: group.left_out,
                        }),
                        Err(error) => Err(("a group".to_owned(), format!("{error:#}"))),
                    })
                })
            }
            Self::StateFile(bytes) => {
                let imported = import::read(&bytes)?;
                for skipped in imported.skipped {
                    let what = match &skipped.family {
                        Some(family) => format!("family {family} of group {}", skipped.group),
                        None => format!("group {}", skipped.group),
                    };
                    each(Err((what, skipped.reason)))?;
                }
                for group in imported.groups {
                    let shown = clean(&group.key.to_string());
                    each(
                        from_state(group).map_err(|error| (format!("group {shown}"), format!("{error:#}"))),
                    )?;
                }
                Ok(())
            }
            Self::Export(mut reader) => {
                let mut number = 0;
                while let Some(line) = next_line(&mut reader)? {
                    number += 1;
                    let line = serde_json::from_slice(&line)
                        .with_context(|| format!("line {number}: expected a group of an export"))?;
                    each(
                        from_export(line).map_err(|error| (format!("line {number}"), format!("{error:#}"))),
                    )?;
                }
                Ok(())
            }
        }
    }
}

fn from_state(group: ImportedGroup) -> anyhow::Result<Incoming> {
    let mut body = Vec::new();
    for family in &group.families {
        protobuf::write_length(&mut body, family.message.len());
        body.extend_from_slice(&family.message);
    }
    let all = protobuf::decode(&body).map_err(|error| anyhow::anyhow!("{error}"))?;
    // When a family of push times was set, unless its value says that it never was.
    let time = |name: &str| {
        let set = all.families.iter().find(|family| all.text(family.name) == name)?;
        let value = set.metrics.first()?.value;
        let at = group
            .families
            .iter()
            .find(|family| family.name == name)?
            .pushed_at;
        let at = Timestamp::from_nanosecond(i128::from(at.0)).ok();
        at.filter(|_| !matches!(value, Value::Number(0.0)))
    };
    let (pushed_at, failed_at) = (time("push_time_seconds"), time("push_failure_time_seconds"));
    let series = contents::series(&all).saturating_sub(2);
    let own = |name: &str| !matches!(name, "push_time_seconds" | "push_failure_time_seconds");
    let mut pushed = Vec::with_capacity(body.len());
    for family in group.families.iter().filter(|family| own(&family.name)) {
        protobuf::write_length(&mut pushed, family.message.len());
        pushed.extend_from_slice(&family.message);
    }
    Ok(Incoming {
        pushed_at,
        last_push_failed: failed_at > pushed_at,
        ttl: None,
        series,
        content_type: PROTOBUF,
        body: pushed,
        left_out: Vec::new(),
        key: group.key,
    })
}

fn from_export(line: Line) -> anyhow::Result<Incoming> {
    let labels = line
        .labels
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let pushed_at = line.push_time.map(|time| time.parse()).transpose()?;
    let options = wharf_exposition::text::Options {
        names: wharf_model::name::NameRule::Utf8,
        strict: false,
    };
    let series =
        wharf_exposition::text::decode(line.text.as_bytes(), options).map(|text| contents::series(&text))?;
    Ok(Incoming {
        key: GroupingKey::new(labels)?,
        pushed_at,
        last_push_failed: false,
        ttl: line.ttl,
        series,
        content_type: TEXT,
        body: line.text.into_bytes(),
        left_out: Vec::new(),
    })
}

/// The next line that is not empty.
fn next_line(reader: &mut dyn BufRead) -> anyhow::Result<Option<Vec<u8>>> {
    loop {
        let mut line = Vec::new();
        let count = reader.take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if count as u64 == MAX_LINE_BYTES {
            bail!("expected lines of less than {MAX_LINE_BYTES} bytes, found a longer one");
        }
        match (count, line.trim_ascii().is_empty()) {
            (0, _) => return Ok(None),
            (_, true) => {}
            (_, false) => return Ok(Some(line)),
        }
    }
}
