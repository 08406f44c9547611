//! What was read of a web config file.

use std::sync::Arc;

use wharf_http::{Access, Fixed};

use super::document::Problem;

/// What a file says.
#[derive(Debug)]
pub(super) struct Loaded {
    /// None if the file as a whole is of no use.
    pub(super) access: Option<Arc<Access>>,
    /// What cannot change while the gateway runs.
    pub(super) fixed: Fixed,
    /// What is wrong with it, or with a part that others can do without.
    pub(super) problems: Vec<Problem>,
    /// What is not as its author may think.
    pub(super) warnings: Vec<String>,
}

/// What a file is held against that was read before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before<'a> {
    /// What was in force last.
    pub(super) access: &'a Arc<Access>,
    pub(super) fixed: Fixed,
}

impl Loaded {
    /// Says what is wrong, unless that has been said already, of the read before.
    pub(super) fn warn(&self, said: &[Problem]) {
        for warning in &self.warnings {
            tracing::warn!(warning, "odd setting in the web config file");
        }
        for problem in self.problems.iter().filter(|problem| !said.contains(problem)) {
            if self.access.is_none() {
                tracing::error!(err = %problem, "Unable to parse configuration");
            } else {
                tracing::error!(err = %problem, "a part of the web config file is not used; what was in force stays");
            }
        }
    }
}
