//! Whether a copy has the same groups as the folder that it was made of.

use std::path::Path;

use anyhow::bail;
use ring::digest::{SHA256, digest};
use wharf_history::History;
use wharf_ledger::{OpenError, RealDisk, Recovery, Sequence};
use wharf_store::record_key;

use super::scanned::load;

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) groups: u64,
    /// Bytes of all groups, as they are written to a ledger.
    pub(super) bytes: u64,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Compared {
    Same(Contents),
    /// What is not, for people.
    Different(String),
    /// The source has been written out anew, and has more than the copy: nobody can tell any more.
    Overtaken,
}

/// Replays the copy, and the source as far as the copy goes, and compares all groups. The source may be in use.
///
/// # Errors
/// If one of them cannot be read.
pub(super) fn compare(source: &RealDisk, copy: &RealDisk, last: Sequence) -> anyhow::Result<Compared> {
    // One after the other: each takes as much memory as a gateway.
    let (there, recovery) = groups(source, last)?;
    if recovery.settled > last {
        return Ok(Compared::Overtaken);
    }
    let (here, _) = groups(copy, last)?;
    Ok(first_difference(&there, &here).map_or_else(
        || {
            Compared::Same(Contents {
                groups: here.len() as u64,
                bytes: here.iter().map(|group| group.bytes).sum(),
            })
        },
        Compared::Different,
    ))
}

/// What a group comes to.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    name: String,
    bytes: u64,
    digest: [u8; 32],
}

/// All groups after a record, in the order of their keys: with all that is stored of each, and nothing else.
fn groups(disk: &RealDisk, last: Sequence) -> Result<(Vec<Group>, Recovery), OpenError> {
    let (store, recovery) = load(disk, Some(last))?;
    Ok((store.images().map(|image| group(&image)).collect(), recovery))
}

fn group(image: &[u8]) -> Group {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, image).as_ref());
    let key = record_key(image);
    Group {
        name: key.map(|key| key.to_string()).unwrap_or_default(),
        bytes: image.len() as u64,
        digest: sum,
    }
}

fn first_difference(there: &[Group], here: &[Group]) -> Option<String> {
    let pair = there.iter().zip(here).find(|(a, b)| a != b);
    match pair {
        Some((a, b)) if a.name == b.name => Some(format!("{} has other contents", a.name)),
        Some((a, b)) => Some(format!("expected {}, found {}", a.name, b.name)),
        None if there.len() == here.len() => None,
        None => Some(format!("expected {} groups, found {}", there.len(), here.len())),
    }
}

/// Reads the history of a copy.
///
/// # Errors
/// If a part of it cannot be read.
pub(super) fn history(folder: &Path) -> anyhow::Result<()> {
    match History::new(usize::MAX).open(folder)?.damage {
        Some(damage) => bail!("the history of pushes cannot be read: {damage}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, digest: u8) -> Group {
        Group {
            name: name.to_owned(),
            bytes: 1,
            digest: [digest; 32],
        }
    }

    #[test]
    fn the_first_difference_is_named() {
        let there = [of("a", 1), of("b", 2)];
        assert_eq!(first_difference(&there, &[of("a", 1), of("b", 2)]), None);
        let said = |here: &[Group]| first_difference(&there, here).unwrap();
        assert_eq!(said(&[of("a", 1), of("b", 3)]), "b has other contents");
        assert_eq!(said(&[of("a", 1), of("c", 2)]), "expected b, found c");
        assert_eq!(said(&[of("a", 1)]), "expected 2 groups, found 1");
        assert_eq!(said(&[of("b", 2)]), "expected a, found b");
    }
}
