//! What stands in the file, before anything of it is checked.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Document {
    pub(super) expiry: Option<Vec<Expiry>>,
    pub(super) quotas: Option<Vec<Quota>>,
    pub(super) relabel_configs: Option<Vec<Spanned<Relabelling>>>,
    pub(super) access: AccessSection,
}

/// A key without a value is told from no key: nobody may mean by it that everything is allowed.
#[derive(Debug, Default)]
pub(super) enum AccessSection {
    #[default]
    Missing,
    Empty,
    Rules(Box<Access>),
}

impl<'de> Deserialize<'de> for AccessSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let section = Option::deserialize(deserializer)?;
        Ok(section.map_or(Self::Empty, Self::Rules))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Access {
    pub(super) anonymous: Option<Spanned<Role>>,
    pub(super) users: Option<BTreeMap<String, Spanned<Role>>>,
    pub(super) tokens: Option<BTreeMap<String, Spanned<TokenRole>>>,
    pub(super) certificates: Option<BTreeMap<String, Spanned<Role>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Role {
    pub(super) push: Option<Spanned<Texts>>,
    pub(super) delete: Option<Spanned<Texts>>,
    pub(super) read: Option<Spanned<Texts>>,
    pub(super) admin: Option<bool>,
}

/// A role and the hashes of those who have it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenRole {
    pub(super) sha256: Spanned<Texts>,
    push: Option<Spanned<Texts>>,
    delete: Option<Spanned<Texts>>,
    read: Option<Spanned<Texts>>,
    admin: Option<bool>,
}

impl TokenRole {
    pub(super) fn into_parts(self) -> (Spanned<Texts>, Role) {
        let role = Role {
            push: self.push,
            delete: self.delete,
            read: self.read,
            admin: self.admin,
        };
        (self.sha256, role)
    }
}

/// One text, or a list of them.
#[derive(Debug)]
pub(super) enum Texts {
    One(String),
    List(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes, or a list of them")
    }

    fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element()? {
            texts.push(text);
        }
        Ok(Texts::List(texts))
    }
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
