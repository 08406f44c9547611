//! The history of pushes beyond the process.

use std::path::Path;

use crate::gateway::Gateway;

/// How many times the history is not written after that has failed.
const PAUSE: u32 = 10;

impl Gateway {
    /// Reads the history of a folder, in which it is kept from now on. To be called once the store is loaded. Blocks.
    pub fn open_history(&self, folder: &Path) {
        let Some(history) = self.activity.history() else {
            return;
        };
        match history.open(folder) {
            Ok(opened) => {
                history.retain(|key| self.store.has_group(key));
                self.activity.disk().keeps_history = true;
                if let (Some(aside), Some(damage)) = (opened.set_aside, opened.damage) {
                    let file = aside.display();
                    tracing::warn!(%file, err = damage, "a part of the history of pushes cannot be read; its file was set aside");
                }
            }
            Err(error) => {
                self.activity.disk().history_failure = Some(error.to_string());
                tracing::warn!(err = %error, "the history of pushes is in memory only");
            }
        }
    }

    /// Writes the history, if it is kept. To be called about once a second, and at the end. Blocks.
    pub fn save_history(&self) {
        let Some(history) = self.activity.history() else {
            return;
        };
        {
            let mut disk = self.activity.disk();
            if !disk.keeps_history || disk.pause > 0 {
                disk.pause = disk.pause.saturating_sub(1);
                return;
            }
        }
        let failure = history.save().err().map(|error| error.to_string());
        let mut disk = self.activity.disk();
        match (&disk.history_failure, &failure) {
            (None, Some(error)) => tracing::warn!(err = error, "the history of pushes cannot be written"),
            (Some(_), None) => tracing::info!("the history of pushes is written again"),
            _ => {}
        }
        // All of it is to be written then, and a disk that fails has other worries.
        disk.pause = if failure.is_some() { PAUSE } else { 0 };
        disk.history_failure = failure;
    }
}
