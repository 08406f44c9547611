//! Where and how the groups are kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use wharf_settings::{FlagDuration, Kind, Takes, ValueError, kinds, settings};

/// A folder that somebody may have named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its path; empty for none at all.
    pub path: PathBuf,
    /// Whether somebody has named it, by a flag or in the environment.
    pub is_named: bool,
}

const DEFAULT_FOLDER: &str = "wharf-data/";

impl Default for Folder {
    fn default() -> Self {
        Self {
            path: DEFAULT_FOLDER.into(),
            is_named: false,
        }
    }
}

const FOLDER: Kind<Folder> = Kind::new(
    Takes::Folder,
    |value| {
        Ok(Folder {
            path: value.into(),
            is_named: true,
        })
    },
    |folder| folder.path.display().to_string(),
);

/// When a change is on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Before it is answered.
    Always,
    /// At most this long after.
    Every(Duration),
}

const SYNC: Kind<Sync> = Kind::new(
    Takes::Value("always, or a duration such as 100ms"),
    str::parse,
    Sync::to_string,
);

impl FromStr for Sync {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "always" {
            return Ok(Self::Always);
        }
        let duration: FlagDuration = text.parse()?;
        if duration.is_negative() || duration.to_duration().is_zero() {
            return Err(ValueError::new(format!(
                "expected always or a duration above 0, found `{text}`"
            )));
        }
        Ok(Self::Every(duration.to_duration()))
    }
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Every(duration) => FlagDuration::from(*duration).fmt(f),
        }
    }
}

settings! {
    /// Where and how the groups are kept.
    pub struct Storage {
        /// The folder.
        pub folder: Folder = Folder::default(),
            "storage.path" as FOLDER,
            "Folder to keep the groups in; made if it is not there. Empty: in memory only.";
        /// When a change is on stable storage.
        pub sync: Sync = Sync::Always,
            "storage.sync" as SYNC,
            "When a push is on stable storage: always before it is answered, or at most this long after.";
        /// Size of a file of the log.
        pub segment_bytes: u64 = 32 << 20,
            "storage.segment-bytes" as kinds::SIZE_ON_DISK,
            "Size of a file of the log.";
        /// Length of the log after which a checkpoint is written.
        pub checkpoint_bytes: u64 = 128 << 20,
            "storage.checkpoint-bytes" as kinds::SIZE_ON_DISK,
            "Length of the log after which the stored groups are written out and the log begins anew; or as \
             much as is stored, if that is more.";
    }
}

settings! {
    /// How much is kept of what was removed.
    #[derive(Copy)]
    pub struct Undo {
        /// For how long; zero: not at all.
        pub max_age: Duration = Duration::from_secs(3600),
            "undo.max-age" as kinds::UNSIGNED,
            "For how long a wipe or a deletion can be undone; 0 for not at all.";
        /// How much of it.
        pub max_bytes: u64 = 256 << 20,
            "undo.max-bytes" as kinds::SIZE_ON_DISK,
            "How much is kept for that, where the groups are: on disk, in memory, or in etcd. Beyond it the oldest \
             removal goes; 0 for nothing.";
    }
}

impl Undo {
    /// Whether anything is kept.
    pub fn is_on(&self) -> bool {
        !self.max_age.is_zero() && self.max_bytes > 0
    }
}

settings! {
    /// What the Pushgateway calls it.
    pub struct Persistence {
        /// The file beside which the groups are kept, instead of in the folder of the storage.
        pub file: Option<PathBuf> = None,
            "persistence.file" as kinds::FILE,
            "As the original's: keeps the groups in the folder of this name with .wharf behind it, instead of \
             --storage.path. A state file that the original has written is read once, and left as it is.";
        /// The shortest time between two writes of the file. It changes nothing.
        pub interval: FlagDuration = FlagDuration::from_secs(5 * 60),
            "persistence.interval" as kinds::SIGNED,
            "The original's pause between two writes. It changes nothing here: --storage.sync says when a push is \
             safe.";
    }
}

/// Where the groups are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageKind {
    /// In memory only.
    Memory,
    /// In this folder; if it is new, a state file of the Pushgateway may be read first.
    Folder {
        /// The folder.
        path: PathBuf,
        /// The state file of the Pushgateway.
        import: Option<PathBuf>,
        /// Whether somebody wants the groups to be there. If not, and if there is no such folder, memory will do.
        is_named: bool,
    },
}

impl Storage {
    /// Where the groups are kept: beside the Pushgateway's file if one is named, otherwise in the folder.
    pub fn place(&self, persistence: &Persistence) -> StorageKind {
        if let Some(file) = &persistence.file {
            let mut folder = file.clone().into_os_string();
            folder.push(".wharf");
            return StorageKind::Folder {
                path: folder.into(),
                import: Some(file.clone()),
                is_named: true,
            };
        }
        let Folder { path, is_named } = self.folder.clone();
        if path.as_os_str().is_empty() {
            return StorageKind::Memory;
        }
        StorageKind::Folder {
            path,
            import: None,
            is_named,
        }
    }

    /// The groups are kept in one place.
    pub(crate) fn check(&self, persistence: &Persistence) -> Option<String> {
        let path = &self.folder.path;
        let file = persistence.file.as_ref()?;
        if path.as_os_str().is_empty() || path == Path::new(DEFAULT_FOLDER) {
            return None;
        }
        Some(format!(
            "expected either --storage.path or --persistence.file, found both: `{}` and `{}`",
            path.display(),
            file.display()
        ))
    }
}
