//! The dashboard, held against the types that Grafana publishes. What its queries are for, a test of the program sees.

use anyhow::Result;

use crate::shell::{Step, root};

pub(super) fn check() -> Result<()> {
    let mixin = root().join("packaging/mixin");
    Step::new("go", &["run", "."])
        .args([mixin.join("dashboards/wharf.json")])
        .folder(&mixin.join("strict"))
        .run()
}
