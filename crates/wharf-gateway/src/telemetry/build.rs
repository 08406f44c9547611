//! What the gateway was built from.

use wharf_model::MetricType;
use wharf_store::ReservedFamily;

use super::assemble::Assembly;
use super::family::own;

pub(super) const BUILD_INFO: ReservedFamily = own(
    "pushgateway_build_info",
    MetricType::Gauge,
    "A metric with a constant '1' value labeled by version, revision, branch, goversion from which pushgateway was \
     built, and the goos and goarch for the build.",
);

/// The labels of `pushgateway_build_info`. `goversion` carries the version of the Rust compiler.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "the fields are the labels")]
pub struct BuildLabels {
    pub branch: &'static str,
    pub goarch: &'static str,
    pub goos: &'static str,
    pub goversion: &'static str,
    pub revision: &'static str,
    pub tags: &'static str,
    pub version: &'static str,
}

impl BuildLabels {
    /// Adds the family.
    pub(super) fn assemble(&self, assembly: &mut Assembly) {
        let Self {
            branch,
            goarch,
            goos,
            goversion,
            revision,
            tags,
            version,
        } = *self;
        let labels = [
            ("branch", branch),
            ("goarch", goarch),
            ("goos", goos),
            ("goversion", goversion),
            ("revision", revision),
            ("tags", tags),
            ("version", version),
        ];
        let metric = assembly.number(&labels, 1.0);
        assembly.family(BUILD_INFO, vec![metric]);
    }
}
