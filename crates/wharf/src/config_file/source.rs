//! What stands in the file, before anything of it is checked.

use serde::Deserialize;
use serde_saphyr::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Document {
    pub(super) expiry: Option<Vec<Expiry>>,
    pub(super) quotas: Option<Vec<Quota>>,
    pub(super) relabel_configs: Option<Vec<Spanned<Relabelling>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expiry {
    #[serde(rename = "match")]
    pub(super) selector: Spanned<String>,
    pub(super) ttl: Option<Spanned<String>>,
    pub(super) keep_times: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quota {
    #[serde(rename = "match")]
    pub(super) selector: Spanned<String>,
    pub(super) groups: Option<u64>,
    pub(super) series: Option<u64>,
    pub(super) bytes: Option<Spanned<String>>,
    pub(super) pushes_per_second: Option<Spanned<f64>>,
    pub(super) burst: Option<Spanned<u32>>,
    pub(super) per: Option<Spanned<Vec<String>>>,
}

/// As in Prometheus' configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Relabelling {
    pub(super) action: Option<Spanned<String>>,
    pub(super) source_labels: Option<Vec<String>>,
    pub(super) separator: Option<String>,
    pub(super) regex: Option<String>,
    pub(super) modulus: Option<u64>,
    pub(super) target_label: Option<String>,
    pub(super) replacement: Option<String>,
}
