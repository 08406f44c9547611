//! An entry as a line of the file.
//!
//! ```text
//! line   = checksum " " field (TAB field)* LF
//! fields = id, time, last time, times, kind, groups, address, who, what, [error]
//! ```
//!
//! The checksum is the CRC-32 of all behind the blank, in eight hexadecimal digits. Times are nanoseconds since 1970. In texts,
//! a backslash, TAB, LF and CR are `\\`, `\t`, `\n` and `\r`. Without an address its field is empty; without an error there is
//! no field for it.

use std::fmt::Write as _;

use wharf_store::UnixNanos;

use super::entry::{Action, ActionKind, Actor, AuditEntry};

/// The line of an entry.
pub(super) fn write(entry: &AuditEntry) -> String {
    let AuditEntry {
        id,
        time,
        last_time,
        times,
        action,
    } = entry;
    let address = action.actor.address.map(|address| address.to_string());
    let mut fields = format!(
        "{id}\t{}\t{}\t{times}\t{}\t{}\t{}\t{}\t{}",
        time.0,
        last_time.0,
        action.kind.as_str(),
        action.groups,
        address.unwrap_or_default(),
        escaped(&action.actor.who),
        escaped(&action.what),
    );
    if let Some(error) = &action.error {
        // Writing to a string cannot fail.
        let _infallible = write!(fields, "\t{}", escaped(error));
    }
    format!("{:08x} {fields}\n", crc32fast::hash(fields.as_bytes()))
}

/// The entry of a line without its end; none if it is damaged.
pub(super) fn read(line: &str) -> Option<AuditEntry> {
    let (checksum, fields) = line.split_once(' ')?;
    if checksum.len() != 8 || u32::from_str_radix(checksum, 16).ok()? != crc32fast::hash(fields.as_bytes()) {
        return None;
    }
    let mut fields = fields.split('\t');
    let mut next = || fields.next();
    let id = next()?.parse().ok()?;
    let (time, last_time) = (next()?.parse().ok()?, next()?.parse().ok()?);
    let times = next()?.parse().ok()?;
    let kind = ActionKind::of(next()?)?;
    let groups = next()?.parse().ok()?;
    let address = match next()? {
        "" => None,
        address => Some(address.parse().ok()?),
    };
    let (who, what) = (plain(next()?)?, plain(next()?)?);
    let error = match next() {
        None => None,
        Some(error) => Some(plain(error)?),
    };
    if next().is_some() {
        return None;
    }
    Some(AuditEntry {
        id,
        time: UnixNanos(time),
        last_time: UnixNanos(last_time),
        times,
        action: Action {
            kind,
            actor: Actor { who, address },
            what,
            groups,
            error,
        },
    })
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str(r"\\"),
            '\t' => out.push_str(r"\t"),
            '\n' => out.push_str(r"\n"),
            '\r' => out.push_str(r"\r"),
            other => out.push(other),
        }
    }
    out
}

fn plain(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next()? {
                '\\' => '\\',
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}
