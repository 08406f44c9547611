//! Whether the gateway can keep its groups where it is told to: rights, owners, kind of the file system, space.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, StatVfsMountFlags, access, statfs, statvfs};

use super::finding::{Level, Report};
use crate::config::{Config, StorageKind};
use crate::tools::output::size;

const STORAGE: &str = "storage";
const OWNER: &str = "owner";
const FILE_SYSTEM: &str = "file-system";
const SPACE: &str = "space";

/// Files of the folder that are looked at.
const MAX_FILES: usize = 10_000;

/// Looks at the folder, or at what it would be made in.
pub(super) fn examine(config: &Config, place: &StorageKind, report: &mut Report) {
    let StorageKind::Folder { path, is_named, .. } = place else {
        report.ok(
            STORAGE,
            "in memory only, as the flags say: a restart loses all groups",
        );
        return;
    };
    let shown = path.display().to_string();
    let stored = match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            if !examine_rights(path, &shown, report) {
                return;
            }
            Some(examine_owners(path, &found, report))
        }
        Ok(_) => {
            let hint = "move it away, or name a folder with --storage.path";
            report.fail(STORAGE, format!("a folder at {shown}"), "something else", hint);
            return;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if !examine_absent(path, *is_named, report) {
                return;
            }
            None
        }
        Err(error) => {
            let hint =
                "let the user of the gateway search the folders above, or name another with --storage.path";
            report.fail(STORAGE, format!("a folder at {shown}"), error.to_string(), hint);
            return;
        }
    };
    let existing = nearest_existing(path);
    examine_file_system(&existing, report);
    examine_space(&existing, stored.unwrap_or(0), config, report);
}

fn examine_rights(path: &Path, shown: &str, report: &mut Report) -> bool {
    match access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => {
            report.ok(STORAGE, format!("{shown} can be read and written"));
            true
        }
        Err(error) => {
            report.fail(
                STORAGE,
                format!("to read and write in {shown}"),
                error.to_string(),
                "give the folder to the user of the gateway (`chown -R`), or run this as that user",
            );
            false
        }
    }
}

/// Whether a folder that is not there can be made.
fn examine_absent(path: &Path, is_named: bool, report: &mut Report) -> bool {
    let shown = path.display();
    if fs::symlink_metadata(path).is_ok() {
        let hint = "mount what it leads to, or remove the link";
        report.fail(
            STORAGE,
            format!("a folder at {shown}"),
            "a link that leads nowhere",
            hint,
        );
        return false;
    }
    let above = nearest_existing(path);
    match access(&above, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if above.is_dir() => {
            report.ok(STORAGE, format!("{shown} is not there yet, and can be made"));
            true
        }
        failed => {
            let why = failed.map_or_else(|error| error.to_string(), |()| "something else".to_owned());
            let level = if is_named { Level::Error } else { Level::Warning };
            report.add(
                STORAGE,
                level,
                format!("to make the folder {shown} in {}", above.display()),
                why,
                if is_named {
                    "make it, and give it to the user of the gateway"
                } else {
                    "groups will be in memory only: name a folder that can be written with --storage.path"
                },
            );
            false
        }
    }
}

/// Whether all files are of one owner, and nobody else's to change; how many bytes they have.
fn examine_owners(path: &Path, folder: &Metadata, report: &mut Report) -> u64 {
    let (mut bytes, mut foreign, mut open) = (0_u64, None, None);
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    for entry in entries.take(MAX_FILES) {
        // One that goes away meanwhile is no longer there.
        let Ok(file) = entry.metadata() else { continue };
        // Prepared space that has not been written takes less than its length.
        bytes = bytes.saturating_add(file.blocks().saturating_mul(512));
        let name = || entry.file_name().to_string_lossy().into_owned();
        if file.uid() != folder.uid() {
            foreign.get_or_insert_with(|| (name(), file.uid()));
        }
        if file.is_file() && file.mode() & 0o006 != 0 {
            open.get_or_insert_with(name);
        }
    }
    let owner = folder.uid();
    if let Some((name, uid)) = foreign {
        report.fail(
            OWNER,
            format!(
                "everything in {} to belong to user {owner}, as the folder does",
                path.display()
            ),
            format!("`{name}` of user {uid}"),
            format!(
                "`chown -R {owner} {}`: mostly somebody has started the gateway as another user once",
                path.display()
            ),
        );
    } else if folder.mode() & 0o002 != 0 || open.is_some() {
        let what = open.map_or_else(
            || format!("the folder with mode {:04o}", folder.mode() & 0o7777),
            |name| format!("`{name}`, which others can read or write"),
        );
        report.warn(
            OWNER,
            format!("nobody else to get at what is in {}", path.display()),
            what,
            format!("`chmod -R o= {}`", path.display()),
        );
    } else {
        report.ok(OWNER, format!("everything belongs to user {owner}"));
    }
    bytes
}

fn nearest_existing(path: &Path) -> PathBuf {
    let mut above = path.ancestors().filter(|above| !above.as_os_str().is_empty());
    let found = above.find(|above| above.exists());
    found.map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Kinds of file systems, by the number that Linux has for them, and what is to be known of them.
const KINDS: [(u64, &str, Option<&str>); 16] = [
    (0xEF53, "ext4", None),
    (0x5846_5342, "xfs", None),
    (0x9123_683E, "btrfs", None),
    (0x2FC1_2FC1, "zfs", None),
    (0xF2F5_2010, "f2fs", None),
    (0x0102_1994, "tmpfs", Some(MEMORY)),
    (0x8584_58F6, "ramfs", Some(MEMORY)),
    (
        0x794C_7630,
        "overlayfs",
        Some("the layer of a container, which goes with it"),
    ),
    (0x6969, "NFS", Some(NETWORK)),
    (0x517B, "SMB", Some(NETWORK)),
    (0xFE53_4D42, "SMB", Some(NETWORK)),
    (0xFF53_4D42, "CIFS", Some(NETWORK)),
    (0x00C3_6400, "Ceph", Some(NETWORK)),
    (0x0102_1997, "9p", Some(NETWORK)),
    (
        0x6573_5546,
        "FUSE",
        Some("a program, which need not keep what it says it has written"),
    ),
    (0x7371_7368, "squashfs", Some("read-only")),
];
const MEMORY: &str = "memory, which a restart of the machine empties";
const NETWORK: &str = "the network, where locks and syncs depend on the server";

fn kind(number: u64) -> (String, Option<&'static str>) {
    let found = KINDS.iter().find(|(known, ..)| *known == number);
    found.map_or_else(
        || (format!("file system {number:#x}"), None),
        |(_, name, what)| ((*name).to_owned(), *what),
    )
}

fn examine_file_system(path: &Path, report: &mut Report) {
    let Ok(found) = statfs(path) else { return };
    let (name, what) = kind(found.f_type.cast_unsigned());
    if statvfs(path).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        report.fail(
            FILE_SYSTEM,
            format!("to write to {}", path.display()),
            format!("{name}, mounted read-only"),
            "mount it for writing, or name another folder with --storage.path",
        );
        return;
    }
    match what {
        None => report.ok(FILE_SYSTEM, name),
        Some(what) => report.warn(
            FILE_SYSTEM,
            format!("a disk beneath {}", path.display()),
            format!("{name}: {what}"),
            "name a folder on a disk of this machine with --storage.path, or mount a volume there",
        ),
    }
}

fn examine_space(path: &Path, stored: u64, config: &Config, report: &mut Report) {
    let Ok(mount) = statvfs(path) else { return };
    let free = mount.f_bavail.saturating_mul(mount.f_frsize);
    let storage = &config.storage;
    match room(free, stored, storage.segment_bytes, storage.checkpoint_bytes) {
        Room::Enough => report.ok(SPACE, format!("{} free", size(free))),
        Room::None { needed } => report.fail(
            SPACE,
            format!(
                "at least {} free in {}, for the next files of the log",
                size(needed),
                path.display()
            ),
            size(free),
            "free some, or move the folder: pushes are refused when nothing is left",
        ),
        Room::Short { needed } => report.warn(
            SPACE,
            format!(
                "{} free in {}, for a checkpoint beside what is there",
                size(needed),
                path.display()
            ),
            size(free),
            "free some, or move the folder",
        ),
    }
    // File systems that make room for files as they come say 0 of 0.
    if mount.f_files > 0 && mount.f_favail < 100 {
        report.fail(
            SPACE,
            format!("room for 100 files in {}", path.display()),
            format!("room for {}", mount.f_favail),
            "remove files: the file system has no more inodes",
        );
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Room {
    Enough,
    Short { needed: u64 },
    None { needed: u64 },
}

/// What so much space is good for, beside so many bytes of the folder.
fn room(free: u64, stored: u64, segment_bytes: u64, checkpoint_bytes: u64) -> Room {
    // The next two files of the log are prepared.
    let log = segment_bytes.saturating_mul(2);
    // The log grows to its bound, and then everything is written out beside it.
    let checkpoint = log.saturating_add(checkpoint_bytes).saturating_add(stored);
    match free {
        free if free < log => Room::None { needed: log },
        free if free < checkpoint => Room::Short { needed: checkpoint },
        _ => Room::Enough,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_for_the_log_and_a_checkpoint() {
        assert_eq!(room(1_000, 200, 100, 300), Room::Enough);
        assert_eq!(room(700, 200, 100, 300), Room::Enough);
        assert_eq!(room(699, 200, 100, 300), Room::Short { needed: 700 });
        assert_eq!(room(200, 200, 100, 300), Room::Short { needed: 700 });
        assert_eq!(room(199, 200, 100, 300), Room::None { needed: 200 });
        assert_eq!(
            room(5, u64::MAX, u64::MAX, u64::MAX),
            Room::None { needed: u64::MAX }
        );
    }

    #[test]
    fn file_systems_are_known_by_their_numbers() {
        assert_eq!(kind(0xEF53), ("ext4".to_owned(), None));
        assert_eq!(kind(0x0102_1994), ("tmpfs".to_owned(), Some(MEMORY)));
        assert_eq!(kind(7), ("file system 0x7".to_owned(), None));
    }
}
