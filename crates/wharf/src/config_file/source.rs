//! What stands in the file, before anything of it is checked.
//!
//! The reader of YAML stops at its first error. So what may be told of later is no error here: a key that is not known
//! is kept with its place, and a number, a word or a selector is taken as it is written.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// A key that is not known, and those that are.
#[derive(Debug)]
pub(super) struct Unknown {
    pub(super) key: Spanned<String>,
    pub(super) known: &'static [&'static str],
}

/// A scalar as it is written, and where.
pub(super) type Text = Spanned<String>;

/// Makes a type of a mapping: a field for each key, and what else stands there.
macro_rules! keys {
    ($(#[$meta:meta])* $name:ident { $($key:literal => $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $name {
            $(pub(super) $field: $type,)*
            pub(super) unknown: Vec<Unknown>,
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                const KEYS: &[&str] = &[$($key),*];
                struct Keys;

                impl<'de> Visitor<'de> for Keys {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("keys with values")
                    }

                    fn visit_unit<E>(self) -> Result<$name, E> {
                        Ok($name::default())
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut found = $name::default();
                        while let Some(key) = map.next_key::<Spanned<String>>()? {
                            match key.value.as_str() {
                                $($key => found.$field = map.next_value()?,)*
                                _ => {
                                    map.next_value::<IgnoredAny>()?;
                                    found.unknown.push(Unknown { key, known: KEYS });
                                }
                            }
                        }
                        Ok(found)
                    }
                }

                deserializer.deserialize_struct(stringify!($name), KEYS, Keys)
            }
        }
    };
}

keys! {
    /// The whole file.
    Document {
        "expiry" => expiry: Option<Vec<Spanned<Expiry>>>,
        "quotas" => quotas: Option<Vec<Spanned<Quota>>>,
        "aggregate" => aggregate: Option<Vec<Spanned<Aggregate>>>,
        "runs" => runs: Option<Vec<Spanned<Runs>>>,
        "expect" => expect: Option<Vec<Spanned<Expected>>>,
        "relabel_configs" => relabel_configs: Option<Vec<Spanned<Relabelling>>>,
        "access" => access: AccessSection,
        "alerting" => alerting: Option<Spanned<Alerting>>,
        "tracing" => tracing: Option<Spanned<Tracing>>,
        "etcd" => etcd: Option<Spanned<Etcd>>,
    }
}

keys! {
    /// Where replicas have their groups.
    Etcd {
        "endpoints" => endpoints: Option<Vec<Text>>,
        "prefix" => prefix: Option<Text>,
        "user" => user: Option<Text>,
        "password_file" => password_file: Option<Text>,
        "ca_file" => ca_file: Option<Text>,
        "cert_file" => cert_file: Option<Text>,
        "key_file" => key_file: Option<Text>,
        "compact" => compact: Option<Text>,
    }
}

keys! {
    /// Groups to which pushes are added.
    Aggregate {
        "match" => selector: Option<Spanned<SelectorText>>,
        "gauge" => gauge: Option<Text>,
        "buckets" => buckets: Option<Text>,
        "max_series" => max_series: Option<Text>,
    }
}

keys! {
    /// Groups whose counters begin anew with each push.
    Runs {
        "match" => selector: Option<Spanned<SelectorText>>,
    }
}

keys! {
    /// Groups that are to be pushed to in time.
    Expected {
        "match" => selector: Option<Spanned<SelectorText>>,
        "always" => always: Option<Vec<Spanned<BTreeMap<String, String>>>>,
        "every" => every: Option<Text>,
        "schedule" => schedule: Option<Text>,
        "timezone" => timezone: Option<Text>,
        "grace" => grace: Option<Text>,
        "since" => since: Option<Text>,
        "paused_until" => paused_until: Option<Text>,
    }
}

keys! {
    /// As in Prometheus' configuration.
    Tracing {
        "client_type" => client_type: Option<Text>,
        "endpoint" => endpoint: Option<Text>,
        "sampling_fraction" => sampling_fraction: Option<Text>,
        "insecure" => insecure: Option<Text>,
        "headers" => headers: Option<BTreeMap<String, Text>>,
        "compression" => compression: Option<Text>,
        "timeout" => timeout: Option<Text>,
        "tls_config" => tls_config: Option<Spanned<TlsConfig>>,
    }
}

keys! {
    /// Who is told which groups are overdue.
    Alerting {
        "labels" => labels: Option<BTreeMap<String, Text>>,
        "annotations" => annotations: Option<BTreeMap<String, Text>>,
        "alertmanagers" => alertmanagers: Option<Vec<Spanned<Alertmanagers>>>,
        "webhooks" => webhooks: Option<Vec<Spanned<Webhook>>>,
    }
}

keys! {
    /// As in Prometheus' configuration.
    Alertmanagers {
        "static_configs" => static_configs: Option<Vec<Spanned<StaticConfig>>>,
        "scheme" => scheme: Option<Text>,
        "path_prefix" => path_prefix: Option<Text>,
        "timeout" => timeout: Option<Text>,
        "api_version" => api_version: Option<Text>,
        "basic_auth" => basic_auth: Option<Spanned<BasicAuth>>,
        "authorization" => authorization: Option<Spanned<Authorization>>,
        "tls_config" => tls_config: Option<Spanned<TlsConfig>>,
    }
}

keys! {
    /// As in Prometheus' configuration.
    StaticConfig {
        "targets" => targets: Option<Vec<Text>>,
    }
}

keys! {
    /// As in Alertmanager's configuration: of a receiver of webhooks, and of the route to it.
    Webhook {
        "name" => name: Option<Text>,
        "url" => url: Option<Text>,
        "url_file" => url_file: Option<Text>,
        "send_resolved" => send_resolved: Option<Text>,
        "max_alerts" => max_alerts: Option<Text>,
        "timeout" => timeout: Option<Text>,
        "group_by" => group_by: Option<Vec<Text>>,
        "group_wait" => group_wait: Option<Text>,
        "group_interval" => group_interval: Option<Text>,
        "repeat_interval" => repeat_interval: Option<Text>,
        "basic_auth" => basic_auth: Option<Spanned<BasicAuth>>,
        "authorization" => authorization: Option<Spanned<Authorization>>,
        "tls_config" => tls_config: Option<Spanned<TlsConfig>>,
    }
}

keys! {
    /// As in Prometheus' configuration.
    BasicAuth {
        "username" => username: Option<Text>,
        "username_file" => username_file: Option<Text>,
        "password" => password: Option<Text>,
        "password_file" => password_file: Option<Text>,
    }
}

keys! {
    /// As in Prometheus' configuration.
    Authorization {
        "type" => kind: Option<Text>,
        "credentials" => credentials: Option<Text>,
        "credentials_file" => credentials_file: Option<Text>,
    }
}

keys! {
    /// As in Prometheus' configuration: each by a file, or as it is.
    TlsConfig {
        "ca" => ca: Option<Text>,
        "ca_file" => ca_file: Option<Text>,
        "cert" => cert: Option<Text>,
        "cert_file" => cert_file: Option<Text>,
        "key" => key: Option<Text>,
        "key_file" => key_file: Option<Text>,
        "insecure_skip_verify" => insecure_skip_verify: Option<Text>,
    }
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

keys! {
    /// Identities by kind and name.
    Access {
        "anonymous" => anonymous: Option<Spanned<Role>>,
        "users" => users: Option<BTreeMap<String, Spanned<Role>>>,
        "tokens" => tokens: Option<BTreeMap<String, Spanned<TokenRole>>>,
        "certificates" => certificates: Option<BTreeMap<String, Spanned<Role>>>,
        "inputs" => inputs: Option<Inputs>,
    }
}

keys! {
    /// Ways in whose senders have no identity.
    Inputs {
        "statsd" => statsd: Option<Spanned<InputRole>>,
    }
}

keys! {
    /// What such a way in may do.
    InputRole {
        "push" => push: Option<Spanned<Texts>>,
    }
}

keys! {
    /// What an identity may do.
    Role {
        "push" => push: Option<Spanned<Texts>>,
        "delete" => delete: Option<Spanned<Texts>>,
        "read" => read: Option<Spanned<Texts>>,
        "admin" => admin: Option<Text>,
    }
}

keys! {
    /// A role and the hashes of those who have it.
    TokenRole {
        "sha256" => sha256: Option<Spanned<Texts>>,
        "push" => push: Option<Spanned<Texts>>,
        "delete" => delete: Option<Spanned<Texts>>,
        "read" => read: Option<Spanned<Texts>>,
        "admin" => admin: Option<Text>,
    }
}

impl TokenRole {
    pub(super) fn into_parts(self) -> (Option<Spanned<Texts>>, Role) {
        let role = Role {
            push: self.push,
            delete: self.delete,
            read: self.read,
            admin: self.admin,
            unknown: self.unknown,
        };
        (self.sha256, role)
    }
}

/// One text, or a list of them.
#[derive(Debug)]
pub(super) enum Texts {
    One(SelectorText),
    List(Vec<Spanned<SelectorText>>),
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
        Ok(Texts::One(SelectorText::Text(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Texts, A::Error> {
        SelectorVisitor.visit_map(map).map(Texts::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element()? {
            texts.push(text);
        }
        Ok(Texts::List(texts))
    }
}

/// A selector, or what YAML has made of one without quotes.
#[derive(Debug)]
pub(super) enum SelectorText {
    Text(String),
    /// `{job="x"}` without quotes is keys without values; these are the keys.
    Keys(Vec<String>),
    /// A number, a list, or nothing.
    Other,
}

impl<'de> Deserialize<'de> for SelectorText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SelectorVisitor)
    }
}

struct SelectorVisitor;

impl<'de> Visitor<'de> for SelectorVisitor {
    type Value = SelectorText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a selector in quotes")
    }

    fn visit_str<E>(self, text: &str) -> Result<SelectorText, E> {
        Ok(SelectorText::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SelectorText, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            keys.push(key);
        }
        Ok(SelectorText::Keys(keys))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<SelectorText, A::Error> {
        while let Some(IgnoredAny) = seq.next_element()? {}
        Ok(SelectorText::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<SelectorText, E> {
        Ok(SelectorText::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<SelectorText, E> {
        Ok(SelectorText::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<SelectorText, E> {
        Ok(SelectorText::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<SelectorText, E> {
        Ok(SelectorText::Other)
    }

    fn visit_unit<E>(self) -> Result<SelectorText, E> {
        Ok(SelectorText::Other)
    }
}

keys! {
    /// When groups leave.
    Expiry {
        "match" => selector: Option<Spanned<SelectorText>>,
        "ttl" => ttl: Option<Text>,
        "keep_times" => keep_times: Option<Text>,
        "series_ttl" => series_ttl: Option<Text>,
    }
}

keys! {
    /// How much groups may store and push.
    Quota {
        "match" => selector: Option<Spanned<SelectorText>>,
        "groups" => groups: Option<Text>,
        "series" => series: Option<Text>,
        "bytes" => bytes: Option<Text>,
        "pushes_per_second" => pushes_per_second: Option<Text>,
        "burst" => burst: Option<Text>,
        "per" => per: Option<Spanned<Vec<String>>>,
    }
}

keys! {
    /// As in Prometheus' configuration.
    Relabelling {
        "action" => action: Option<Text>,
        "source_labels" => source_labels: Option<Vec<String>>,
        "separator" => separator: Option<String>,
        "regex" => regex: Option<String>,
        "modulus" => modulus: Option<Text>,
        "target_label" => target_label: Option<String>,
        "replacement" => replacement: Option<String>,
    }
}
