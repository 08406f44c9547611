//! How much history there is.

use wharf_settings::{kinds, settings};

settings! {
    /// The history of pushes.
    #[derive(Copy)]
    pub struct History {
        /// Memory for it; 0: there is none.
        pub max_bytes: usize = 64 << 20,
            "history.max-bytes" as kinds::SIZE,
            "Memory for what has become of the last 60 pushes of each group; beyond it the oldest pushes are \
             forgotten first. It is kept beside the groups. 0: no history.";
    }
}
