//! Where backups are put.

use std::path::PathBuf;

use wharf_settings::{kinds, settings};

settings! {
    /// Where backups are put.
    pub struct Backups {
        /// The folder that has one folder for each of them; none: nobody looks how old they are.
        pub folder: Option<PathBuf> = None,
            "backup.path" as kinds::FOLDER,
            "Folder into which `wharf ledger backup` puts folders with copies; the age of the newest becomes a metric. \
             Nothing is written to it.";
    }
}
