//! Groups that are in memory only although nobody has asked for that.

use std::fmt;

/// Why the groups are in memory only although nobody has asked for that.
#[derive(Debug, Clone)]
pub struct NotDurable {
    /// The folder that there should be.
    pub folder: String,
    /// Why there is none.
    pub reason: String,
}

impl NotDurable {
    /// What has gone wrong.
    pub(crate) fn cause(&self) -> String {
        format!("cannot make the folder {}: {}", self.folder, self.reason)
    }

    /// The sentence for whoever asks: where things lie is for those who look after the gateway.
    pub fn to_tell(&self, is_admin: bool) -> String {
        if is_admin {
            self.to_string()
        } else {
            "all groups are in memory only, and gone after a restart".to_owned()
        }
    }
}

/// One sentence for people.
impl fmt::Display for NotDurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "all groups are in memory only, and gone after a restart: {}",
            self.cause()
        )
    }
}
