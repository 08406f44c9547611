//! What stands in the file, before anything of it is checked.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// A scalar as it is written, and where.
pub(super) type Text = Spanned<String>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) defaults: Option<Defaults>,
    pub(super) mappings: Option<Vec<Spanned<Mapping>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    pub(super) observer_type: Option<Text>,
    pub(super) gauge_signs: Option<Text>,
    pub(super) match_type: Option<Text>,
    pub(super) glob_disable_ordering: Option<Text>,
    pub(super) ttl: Option<Text>,
    pub(super) summary_options: Option<Spanned<SummaryOptions>>,
    pub(super) histogram_options: Option<Spanned<HistogramOptions>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    #[serde(rename = "match")]
    pub(super) pattern: Option<Text>,
    pub(super) name: Option<Text>,
    #[serde(default)]
    pub(super) labels: Pairs,
    pub(super) honor_labels: Option<Text>,
    pub(super) observer_type: Option<Text>,
    pub(super) match_type: Option<Text>,
    pub(super) help: Option<Text>,
    pub(super) action: Option<Text>,
    pub(super) match_metric_type: Option<Text>,
    pub(super) ttl: Option<Text>,
    pub(super) summary_options: Option<Spanned<SummaryOptions>>,
    pub(super) histogram_options: Option<Spanned<HistogramOptions>>,
    pub(super) scale: Option<Text>,
    pub(super) gauge_signs: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SummaryOptions {
    pub(super) quantiles: Option<Vec<Spanned<Objective>>>,
    pub(super) max_age: Option<Text>,
    pub(super) age_buckets: Option<Text>,
    pub(super) buf_cap: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Objective {
    pub(super) quantile: Option<Text>,
    pub(super) error: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HistogramOptions {
    pub(super) buckets: Option<Vec<Text>>,
    pub(super) native_histogram_bucket_factor: Option<Text>,
    pub(super) native_histogram_max_buckets: Option<Text>,
}

/// Keys with values, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Pairs(pub(super) Vec<(Text, Spanned<Option<String>>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("keys with values")
            }

            fn visit_unit<E>(self) -> Result<Pairs, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Pairs::default();
                while let Some(pair) = map.next_entry()? {
                    pairs.0.push(pair);
                }
                Ok(pairs)
            }
        }

        deserializer.deserialize_any(Keys)
    }
}
