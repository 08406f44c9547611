//! What a gateway says to whoever removes something: whether, and until when, it can be taken back.

use std::io::{self, Read, Write};

use jiff::Timestamp;
use serde::Deserialize;
use wharf_client::{Client, ClientError, Opened, Request};

use super::gateway::GatewayFlags;
use super::output;

/// Removals that a hint names; of more it says where they are listed.
const NAMED: usize = 10;

/// Whether a removal can be taken back. A Pushgateway says nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Receipt {
    Kept { id: u64, until: Timestamp },
    Lost { impossible: String },
}

impl Receipt {
    fn of<R>(answer: &Opened<R>) -> Option<Self> {
        if let Some(why) = answer.header("Wharf-Undo-Impossible") {
            let impossible = why.to_owned();
            return Some(Self::Lost { impossible });
        }
        Some(Self::Kept {
            id: answer.header("Wharf-Undo-Id")?.parse().ok()?,
            until: answer.header("Wharf-Undo-Until")?.parse().ok()?,
        })
    }
}

/// Sends a request that removes something and is answered without a body; what is said of the removal, if there was one.
///
/// # Errors
/// If the gateway refuses it or cannot be reached.
pub(super) fn remove(client: &Client, request: &Request) -> Result<Option<Receipt>, ClientError> {
    let mut answer = client.open(request)?;
    // Read to its end, the connection is good for the next request. What counts has come.
    let _drained = io::copy(&mut answer.by_ref(), &mut io::sink());
    Ok(Receipt::of(&answer))
}

/// Writes how to take back what was removed, or why that cannot be.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write_hint(
    out: &mut dyn Write,
    receipts: &[Receipt],
    gateway: &GatewayFlags,
) -> io::Result<()> {
    // A command that goes to another gateway would take back what somebody else has removed.
    let at = gateway.gateway.as_ref();
    let at = at.map(|address| format!(" --gateway={}", output::clean(address.as_str())));
    let at = at.unwrap_or_default();
    let mut ids = Vec::new();
    let (mut first_end, mut lost) = (None, None);
    for receipt in receipts {
        match receipt {
            Receipt::Kept { id, until } => {
                ids.push(id.to_string());
                first_end = first_end.map_or(Some(*until), |end| Some((*until).min(end)));
            }
            Receipt::Lost { impossible } => lost = Some(impossible),
        }
    }
    if let Some(end) = first_end {
        let end = to_the_second(end);
        match ids.as_slice() {
            [id] => writeln!(out, "take it back with `wharf undo {id}{at}` until {end}")?,
            ids if ids.len() <= NAMED => {
                writeln!(
                    out,
                    "take them back with `wharf undo {}{at}` until {end}",
                    ids.join(" ")
                )?;
            }
            _ => writeln!(
                out,
                "each can be taken back until {end} or later; `wharf undo --list{at}` lists them"
            )?,
        }
    }
    if let Some(why) = lost {
        let what = if ids.is_empty() { "it" } else { "some of it" };
        writeln!(out, "{what} cannot be taken back: {}", output::clean(why))?;
    }
    Ok(())
}

/// A time without its fraction: earlier, never later.
pub(super) fn to_the_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(id: u64) -> Receipt {
        Receipt::Kept {
            id,
            until: "2026-01-02T03:04:05.9Z".parse().unwrap(),
        }
    }

    fn lost() -> Receipt {
        Receipt::Lost {
            impossible: "it is too large".to_owned(),
        }
    }

    fn hint(receipts: &[Receipt], gateway: Option<&str>) -> String {
        let gateway = GatewayFlags {
            gateway: gateway.map(|url| url.parse().unwrap()),
            ..GatewayFlags::default()
        };
        let mut out = Vec::new();
        write_hint(&mut out, receipts, &gateway).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_hint_is_a_command_for_the_same_gateway() {
        assert_eq!(hint(&[], None), "");
        assert_eq!(
            hint(&[kept(7)], None),
            "take it back with `wharf undo 7` until 2026-01-02T03:04:05Z\n"
        );
        assert_eq!(
            hint(&[kept(7), kept(8)], Some("http://gw:9091")),
            "take them back with `wharf undo 7 8 --gateway=http://gw:9091` until 2026-01-02T03:04:05Z\n"
        );
        let many: Vec<Receipt> = (1..=11).map(kept).collect();
        assert_eq!(
            hint(&many, None),
            "each can be taken back until 2026-01-02T03:04:05Z or later; `wharf undo --list` lists them\n"
        );
    }

    #[test]
    fn what_cannot_be_taken_back_is_said() {
        assert_eq!(
            hint(&[lost()], None),
            "it cannot be taken back: it is too large\n"
        );
        assert_eq!(
            hint(&[kept(7), lost()], None),
            "take it back with `wharf undo 7` until 2026-01-02T03:04:05Z\nsome of it cannot be taken back: it is too large\n"
        );
    }

    #[test]
    fn the_json_of_a_deletion_says_the_same() {
        let read = |text: &str| serde_json::from_str::<Option<Receipt>>(text).unwrap();
        assert_eq!(read("null"), None);
        assert_eq!(
            read(r#"{"id":7,"until":"2026-01-02T03:04:05.9Z"}"#),
            Some(kept(7))
        );
        assert_eq!(read(r#"{"impossible":"it is too large"}"#), Some(lost()));
    }
}
