//! The section `alerting`: who is told which groups are overdue. Alertmanagers in the words of Prometheus' configuration, webhooks in
//! those of Alertmanager's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_saphyr::{Location, Spanned};
use wharf_client::{Address, Client, Target};
use wharf_gateway::{AlertReceiver, AlertSender, AlertingRules, GroupBy, Webhook};
use wharf_model::duration;

use super::receiver::time_limit;
use super::source::{self, StaticConfig, Text, Unknown};
use super::{Check, count, truth};
use crate::parts::alerting::{ToAlertmanager, ToWebhook};

/// Receivers of each kind: each may have a thread.
const MAX_RECEIVERS: usize = 32;
/// Bytes of a label or an annotation.
const MAX_TEXT_BYTES: usize = 4096;
/// Bytes of the name of a webhook.
const MAX_NAME_BYTES: usize = 128;
/// Alerts in a message to a webhook where nothing is said: about half a megabyte.
const MAX_ALERTS: usize = 1000;
/// What nobody sets longer.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Check<'_> {
    pub(super) fn alerting(&mut self, section: Option<Spanned<source::Alerting>>) -> Option<AlertingRules> {
        let section = section?;
        let (at, section) = (section.referenced, section.value);
        let before = self.mistakes.len();
        self.unknown_of_prometheus(&section.unknown);
        let is_empty = |list: Option<usize>| list.is_none_or(|length| length == 0);
        if is_empty(section.alertmanagers.as_ref().map(Vec::len))
            && is_empty(section.webhooks.as_ref().map(Vec::len))
            && section.unknown.is_empty()
        {
            let text = "expected `alertmanagers` or `webhooks`, found neither".to_owned();
            self.mistake(&at, text);
        }
        let mut rules = AlertingRules {
            labels: self.said(section.labels, "label"),
            annotations: self.said(section.annotations, "annotation"),
            ..AlertingRules::default()
        };
        for section in section.alertmanagers.iter().flatten() {
            self.alertmanagers(section, &mut rules.alertmanagers);
        }
        for (index, section) in section.webhooks.iter().flatten().enumerate() {
            let webhook = self.webhook(section, index + 1);
            let known = rules.webhooks.iter().map(|known| &known.receiver.name);
            if let Some(webhook) = webhook {
                self.once(&webhook.receiver.name, known, &section.referenced);
                rules.webhooks.push(webhook);
            }
        }
        for (count, what) in [
            (rules.alertmanagers.len(), "targets of `alertmanagers`"),
            (rules.webhooks.len(), "`webhooks`"),
        ] {
            if count > MAX_RECEIVERS {
                self.mistake(
                    &at,
                    format!("expected at most {MAX_RECEIVERS} {what}, found {count}"),
                );
            }
        }
        (self.mistakes.len() == before).then_some(rules)
    }

    fn once<'n>(&mut self, name: &str, mut known: impl Iterator<Item = &'n String>, at: &Location) {
        if known.any(|known| known == name) {
            let name = name.escape_debug();
            self.mistake(at, format!("expected each receiver once, found `{name}` twice"));
        }
    }

    /// What Prometheus knows besides gets a word of its own.
    fn unknown_of_prometheus(&mut self, keys: &[Unknown]) {
        for unknown in keys {
            let key = unknown.key.value.as_str();
            let why = if key.ends_with("_sd_configs") {
                "Wharf looks for no services: name the Alertmanagers in `static_configs`"
            } else if key.ends_with("relabel_configs") {
                "Wharf does not relabel alerts: write `labels`, or let the routes of Alertmanager decide"
            } else if ["oauth2", "sigv4", "google_iam", "azuread"].contains(&key) {
                "Wharf can log in by `basic_auth` and `authorization`, and show a certificate by `tls_config`"
            } else if key.starts_with("proxy_") || key == "no_proxy" {
                "Wharf goes by no proxy"
            } else {
                self.unknown(std::slice::from_ref(unknown));
                continue;
            };
            let text = format!("expected no `{key}`, for that is not supported\nhint: {why}");
            self.mistake(&unknown.key.referenced, text);
        }
    }

    fn said(&mut self, texts: Option<BTreeMap<String, Text>>, what: &str) -> BTreeMap<String, String> {
        let mut taken = BTreeMap::new();
        for (name, text) in texts.into_iter().flatten() {
            let shown = name.escape_debug();
            if !self.names.allows_label_name(&name) || name.starts_with("__") {
                let text_of = format!("expected the name of a {what}, found `{shown}`");
                self.mistake(&text.referenced, text_of);
            } else if name == "alertname" {
                let text_of = "expected no `alertname`, for it says what the alert is".to_owned();
                self.mistake(&text.referenced, text_of);
            } else if text.value.len() > MAX_TEXT_BYTES {
                let length = text.value.len();
                let text_of = format!("expected at most {MAX_TEXT_BYTES} bytes as `{shown}`, found {length}");
                self.mistake(&text.referenced, text_of);
            } else if !text.value.is_empty() {
                taken.insert(name, text.value);
            }
        }
        taken
    }

    /// The targets of one entry, beside those of others.
    fn alertmanagers(&mut self, section: &Spanned<source::Alertmanagers>, to: &mut Vec<AlertReceiver>) {
        let (at, section) = (section.referenced, &section.value);
        let before = self.mistakes.len();
        self.unknown_of_prometheus(&section.unknown);
        let scheme = self.optional(section.scheme.as_ref(), scheme);
        let prefix = self.optional(section.path_prefix.as_ref(), path_prefix);
        let timeout = self.optional(section.timeout.as_ref(), time_limit);
        self.optional(section.api_version.as_ref(), api_version);
        let login = self.login(section.basic_auth.as_ref(), section.authorization.as_ref());
        let tls = section.tls_config.as_ref();
        let tls = tls.map(|tls| self.tls(&tls.value, &tls.referenced, "targets"));
        let targets = section.static_configs.iter().flatten();
        let targets: Vec<&Text> = targets.flat_map(|config| self.targets(config)).collect();
        if targets.is_empty() && section.unknown.is_empty() && self.mistakes.len() == before {
            let text = "expected `static_configs` with `targets`, found none".to_owned();
            self.mistake(&at, text);
        }
        for target in targets {
            let scheme = scheme.unwrap_or("http");
            let Some(address) = self.read(target, |text| address_of(scheme, text)) else {
                continue;
            };
            let path = format!("{}/api/v2/alerts", prefix.as_deref().unwrap_or(""));
            let reached = Target {
                address,
                credentials: login.credentials.clone(),
                headers: login.headers.clone(),
                tls: tls.clone().unwrap_or_default(),
                timeout,
            };
            let name = reached.address.url(&path);
            self.once(&name, to.iter().map(|known| &known.name), &target.referenced);
            if let Some(client) = self.client(&reached, &target.referenced) {
                let sender = Arc::new(ToAlertmanager::new(client, path)) as Arc<dyn AlertSender>;
                to.push(AlertReceiver { name, sender });
            }
        }
    }

    fn targets<'s>(&mut self, config: &'s Spanned<StaticConfig>) -> impl Iterator<Item = &'s Text> + use<'s> {
        self.unknown(&config.value.unknown);
        config.value.targets.iter().flatten()
    }

    fn client(&mut self, target: &Target, at: &Location) -> Option<Client> {
        let client = Client::new(target);
        client
            .inspect_err(|error| self.mistake(at, error.to_string()))
            .ok()
    }

    fn webhook(&mut self, section: &Spanned<source::Webhook>, number: usize) -> Option<Webhook> {
        let (at, section) = (section.referenced, &section.value);
        let before = self.mistakes.len();
        self.unknown_of_prometheus(&section.unknown);
        let name = self.optional(section.name.as_ref(), name);
        let place = section.url.as_ref().or(section.url_file.as_ref());
        if place.is_none() && section.unknown.is_empty() {
            self.mistake(&at, "expected `url` or `url_file`, found neither".to_owned());
        }
        let place = place.map_or(at, |place| place.referenced);
        let url = self.secret("url", section.url.as_ref(), section.url_file.as_ref());
        let url = url.and_then(|url| {
            let split = split(&url);
            split
                .inspect_err(|error| self.mistake(&place, error.clone()))
                .ok()
        });
        let login = self.login(section.basic_auth.as_ref(), section.authorization.as_ref());
        let tls = section.tls_config.as_ref();
        let tls = tls.map(|tls| self.tls(&tls.value, &tls.referenced, "url"));
        let timeout = self.optional(section.timeout.as_ref(), time_limit);
        let group_wait = self.optional(section.group_wait.as_ref(), wait);
        let group_interval = self.optional(section.group_interval.as_ref(), interval);
        let repeat_interval = self.optional(section.repeat_interval.as_ref(), interval);
        let send_resolved = self.optional(section.send_resolved.as_ref(), truth);
        let max_alerts = self.optional(section.max_alerts.as_ref(), max_alerts);
        let group_by = section.group_by.as_ref().map(|by| self.group_by(by));
        if self.mistakes.len() > before {
            return None;
        }
        let (address, path) = url?;
        let target = Target {
            address,
            credentials: login.credentials,
            headers: login.headers,
            tls: tls.unwrap_or_default(),
            timeout,
        };
        let client = self.client(&target, &place)?;
        Some(Webhook {
            receiver: AlertReceiver {
                name: name.unwrap_or_else(|| format!("webhook-{number}")),
                sender: Arc::new(ToWebhook::new(client, path)),
            },
            group_by: group_by.unwrap_or_else(|| GroupBy::Labels(vec!["alertname".to_owned()])),
            group_wait: group_wait.unwrap_or(Duration::from_secs(30)),
            group_interval: group_interval.unwrap_or(Duration::from_secs(5 * 60)),
            repeat_interval: repeat_interval.unwrap_or(Duration::from_secs(4 * 60 * 60)),
            send_resolved: send_resolved.unwrap_or(true),
            max_alerts: max_alerts.unwrap_or(MAX_ALERTS),
        })
    }

    fn group_by(&mut self, names: &[Text]) -> GroupBy {
        if let [all] = names
            && all.value == "..."
        {
            return GroupBy::All;
        }
        let mut known = BTreeSet::new();
        for name in names {
            let shown = name.value.escape_debug();
            if !self.names.allows_label_name(&name.value) {
                let text = format!("expected the name of a label, or `...` alone, found `{shown}`");
                self.mistake(&name.referenced, text);
            } else if !known.insert(&name.value) {
                self.mistake(
                    &name.referenced,
                    format!("expected each label once, found `{shown}` twice"),
                );
            }
        }
        GroupBy::Labels(known.into_iter().cloned().collect())
    }
}

/// It is a label of metrics.
fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_NAME_BYTES {
        let length = text.len();
        return Err(format!(
            "expected a name of 1 to {MAX_NAME_BYTES} bytes, found {length}"
        ));
    }
    Ok(text.to_owned())
}

fn scheme(text: &str) -> Result<&'static str, String> {
    match text {
        "http" => Ok("http"),
        "https" => Ok("https"),
        _ => Err(format!("expected http or https, found `{}`", text.escape_debug())),
    }
}

fn api_version(text: &str) -> Result<(), String> {
    match text {
        "v2" => Ok(()),
        "v1" => Err("expected v2, found `v1`, which no Alertmanager has since 0.27".to_owned()),
        _ => Err(format!("expected v2, found `{}`", text.escape_debug())),
    }
}

/// Begins with a slash, and does not end with one.
fn path_prefix(text: &str) -> Result<String, String> {
    let path = text.trim_matches('/');
    let fits = path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"?#\\\"<>".contains(&byte));
    if !fits {
        let found = text.escape_debug();
        return Err(format!(
            "expected a path such as `/alertmanager`, found `{found}`"
        ));
    }
    Ok(if path.is_empty() {
        String::new()
    } else {
        format!("/{path}")
    })
}

/// As in Prometheus: host and port.
fn address_of(scheme: &str, target: &str) -> Result<Address, String> {
    if target.contains('/') {
        let found = target.escape_debug();
        return Err(format!(
            "expected a host and a port such as `alertmanager:9093`, found `{found}`\n\
             hint: `scheme` and `path_prefix` are keys of their own"
        ));
    }
    let address = format!("{scheme}://{target}").parse::<Address>();
    address.map_err(|error| error.to_string())
}

const URL: &str = "expected a URL such as `https://hooks.example.org/wharf`, found something else";

/// The address of a webhook, and all that follows it, which may be a secret and is not repeated.
fn split(url: &str) -> Result<(Address, String), String> {
    let (scheme, rest) = url.split_once("://").ok_or(URL)?;
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if host.contains('@') {
        let text =
            "expected a URL without user name and password, found both in it\nhint: write `basic_auth`";
        return Err(text.to_owned());
    }
    let address = format!("{scheme}://{host}").parse::<Address>();
    let address = address.map_err(|error| error.to_string())?;
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    let is_path = !path.contains('#') && path.parse::<http::uri::PathAndQuery>().is_ok();
    if !is_path {
        return Err(URL.to_owned());
    }
    Ok((address, path))
}

fn wait(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text).map_err(|error| error.to_string())?;
    if time > LONGEST {
        return Err(format!("expected at most a year, found `{text}`"));
    }
    Ok(time)
}

fn interval(text: &str) -> Result<Duration, String> {
    let time = wait(text)?;
    if time < Duration::from_secs(1) {
        return Err(format!("expected at least 1s, found `{text}`"));
    }
    Ok(time)
}

/// As in Alertmanager 0 is any number.
fn max_alerts(text: &str) -> Result<usize, String> {
    let number = usize::try_from(count(text)?).unwrap_or(usize::MAX);
    Ok(if number == 0 { usize::MAX } else { number })
}
