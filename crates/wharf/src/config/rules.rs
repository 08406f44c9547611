//! The file with rules about groups.

use std::path::PathBuf;

use wharf_settings::{kinds, settings};

settings! {
    /// Rules about groups.
    pub struct Rules {
        /// The file with them: expiry, quotas, relabelling, access.
        pub file: Option<PathBuf> = None,
            "config.file" as kinds::FILE,
            "File with rules about groups: expiry, quotas, relabelling, access. Read again at SIGHUP.";
    }
}
