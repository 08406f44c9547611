//! The gateway's own families, which every scrape shows beside the pushed ones.

use std::collections::HashMap;

use wharf_model::MetricType;

/// A family of the gateway itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservedFamily {
    /// Its name.
    pub name: &'static str,
    /// Its type, which a pushed family of the name must share.
    pub metric_type: MetricType,
    /// Its help.
    pub help: &'static str,
    /// Whether pushes may have metrics of that name.
    pub joins: Joins,
}

/// Whether pushes may have metrics in a family of the gateway itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joins {
    /// Yes, and their help is left out of the exposition.
    WithAnyHelp,
    /// Yes, with the same help.
    WithSameHelp,
    /// No.
    Never,
}

/// The table of the gateway's own families.
#[derive(Debug, Clone, Default)]
pub struct Reserved {
    by_name: HashMap<&'static str, ReservedFamily>,
}

impl Reserved {
    /// The table of these families.
    pub fn new(families: &[ReservedFamily]) -> Self {
        Self {
            by_name: families.iter().map(|family| (family.name, *family)).collect(),
        }
    }

    /// The family of that name.
    pub fn get(&self, name: &str) -> Option<&ReservedFamily> {
        self.by_name.get(name)
    }
}
