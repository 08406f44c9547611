//! The section `tracing`: where traces of requests go, in the words of Prometheus' configuration.

use std::fmt::Display;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_saphyr::{Location, Spanned};
use wharf_client::{Address, Client, Identity, Secret, Target, Tls};
use wharf_gateway::Tracing;
use wharf_model::duration;

use super::source::{self, Text, TlsConfig};
use super::{Check, truth};
use crate::parts::traces::otlp::Otlp;
use wharf_settings::small_file;

/// Where receivers of OTLP take traces.
const PATH: &str = "/v1/traces";

/// So long the end of the process, and the traces of other requests, wait for a receiver at most.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// A file of certificates is smaller.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The HTTP library takes the name that it checks from the URL.
const SERVER_NAME: &str = "expected no `server_name`, for Wharf checks the certificate for the host of `endpoint`\nhint: write into \
                           `endpoint` a host that the certificate has";

const GRPC: &str = "\nhint: Wharf sends OTLP over HTTP and not over gRPC, which is the default of Prometheus: \
                    write `client_type: http` and the port of the receiver for HTTP, mostly 4318";

impl Check<'_> {
    pub(super) fn tracing(&mut self, section: Option<Spanned<source::Tracing>>) -> Option<Tracing> {
        let section = section?;
        let (at, section) = (section.referenced, section.value);
        let mistakes = self.mistakes.len();
        self.unknown(&section.unknown);
        match &section.client_type {
            Some(client) if client.value == "http" => {}
            Some(client) => {
                let text = format!("expected http, found `{}`{GRPC}", client.value);
                self.mistake(&client.referenced, text);
            }
            None if section.unknown.is_empty() => {
                self.mistake(&at, format!("expected `client_type`, found none{GRPC}"));
            }
            None => {}
        }
        let insecure = self.optional(section.insecure.as_ref(), truth);
        let endpoint = section.endpoint.as_ref().and_then(|endpoint| {
            let place = self.read(endpoint, |text| address(text, insecure))?;
            Some((endpoint.referenced, place))
        });
        if section.endpoint.is_none() && section.unknown.is_empty() {
            let text = "expected `endpoint`, the host and port of the receiver, found none";
            self.mistake(&at, text.to_owned());
        }
        let sampling_fraction = self.optional(section.sampling_fraction.as_ref(), fraction);
        let compress = self.optional(section.compression.as_ref(), compression);
        let timeout = self.optional(section.timeout.as_ref(), time_limit);
        let headers = section.headers.into_iter().flatten();
        let headers: Vec<_> = headers
            .filter_map(|(name, value)| self.header(&name, &value))
            .collect();
        let tls = section
            .tls_config
            .as_ref()
            .map(|tls| self.tls(&tls.value, &tls.referenced));
        if self.mistakes.len() > mistakes {
            return None;
        }
        let (at, (address, path)) = endpoint?;
        let target = Target {
            address,
            headers,
            tls: tls.unwrap_or_default(),
            timeout,
            ..Target::default()
        };
        match Client::new(&target) {
            Ok(client) => Some(Tracing {
                sampling_fraction: sampling_fraction.unwrap_or(0.0),
                exporter: Arc::new(Otlp::new(client, path, compress.unwrap_or(false))),
            }),
            Err(error) => {
                let at = section.tls_config.map_or(at, |tls| tls.referenced);
                self.mistake(&at, error.to_string());
                None
            }
        }
    }

    /// One that fits into a request. Its value may be a secret, and is not repeated.
    fn header(&mut self, name: &str, value: &Text) -> Option<(String, Secret)> {
        let fits =
            HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(&value.value).is_ok();
        if !fits {
            let text = format!("expected the name and the value of a header, found others for `{name}`");
            self.mistake(&value.referenced, text);
        }
        fits.then(|| (name.to_owned(), Secret::new(value.value.clone())))
    }

    fn tls(&mut self, config: &TlsConfig, at: &Location) -> Tls {
        for unknown in &config.unknown {
            if unknown.key.value == "server_name" {
                self.mistake(&unknown.key.referenced, SERVER_NAME.to_owned());
            } else {
                self.unknown(slice::from_ref(unknown));
            }
        }
        let authorities = self.pem("ca", config.ca.as_ref(), config.ca_file.as_ref());
        let certificate = self.pem("cert", config.cert.as_ref(), config.cert_file.as_ref());
        let key = self.pem("key", config.key.as_ref(), config.key_file.as_ref());
        let has = |inline: &Option<Text>, file: &Option<Text>| inline.is_some() || file.is_some();
        if has(&config.cert, &config.cert_file) != has(&config.key, &config.key_file) {
            let text = "expected a certificate (`cert`, `cert_file`) and its key (`key`, `key_file`), or neither, found one of them";
            self.mistake(at, text.to_owned());
        }
        let key = key.and_then(|key| String::from_utf8(key).ok());
        Tls {
            authorities,
            identity: certificate.zip(key).map(|(certificate, key)| Identity {
                certificate,
                key: Secret::new(key),
            }),
            insecure_skip_verify: self
                .optional(config.insecure_skip_verify.as_ref(), truth)
                .unwrap_or(false),
        }
    }

    /// What stands in the configuration itself, or in a file that it names. It may be a secret, and is not repeated.
    fn pem(&mut self, name: &str, inline: Option<&Text>, file: Option<&Text>) -> Option<Vec<u8>> {
        if let (Some(inline), Some(_)) = (inline, file) {
            let text = format!("expected `{name}` or `{name}_file`, found both");
            self.mistake(&inline.referenced, text);
        }
        match inline {
            Some(inline) => Some(inline.value.clone().into_bytes()),
            None => self.file(file),
        }
    }

    /// What is in a file, which is named from the folder of the configuration on.
    fn file(&mut self, name: Option<&Text>) -> Option<Vec<u8>> {
        let folder = self.folder;
        let shown = |error: &dyn Display, name: &str| {
            format!("expected a file that can be read, found `{name}`: {error}")
        };
        name.and_then(|name| {
            self.read(name, |name| {
                small_file::read(&folder.join(name), MAX_FILE_BYTES).map_err(|error| shown(&error, name))
            })
        })
    }
}

/// Where to send to: host and port as in Prometheus, or a URL.
fn address(text: &str, insecure: Option<bool>) -> Result<(Address, String), String> {
    let scheme = if insecure == Some(true) { "http" } else { "https" };
    let (url, rest) = match text.split_once("://") {
        Some((scheme, _)) if insecure == Some(true) && !scheme.eq_ignore_ascii_case("http") => {
            return Err(format!(
                "expected `http://` beside `insecure: true`, found `{scheme}://`"
            ));
        }
        Some((_, rest)) => (text.to_owned(), rest),
        None => (format!("{scheme}://{text}"), text),
    };
    let address = url.parse::<Address>().map_err(|error| error.to_string())?;
    let (_, path) = rest.split_once('/').unwrap_or((rest, ""));
    // A path that somebody has written is the whole path.
    let path = if path.trim_matches('/').is_empty() {
        PATH
    } else {
        ""
    };
    Ok((address, path.to_owned()))
}

fn fraction(text: &str) -> Result<f64, String> {
    let fraction = text
        .parse()
        .ok()
        .filter(|fraction| (0.0..=1.0).contains(fraction));
    fraction.ok_or_else(|| format!("expected a number from 0 to 1, found `{text}`"))
}

fn compression(text: &str) -> Result<bool, String> {
    match text {
        "gzip" => Ok(true),
        "" | "none" => Ok(false),
        _ => Err(format!("expected gzip, or no compression, found `{text}`")),
    }
}

fn time_limit(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text).map_err(|error| error.to_string())?;
    if time.is_zero() || time > MAX_TIMEOUT {
        return Err(format!(
            "expected a time above 0 and of at most 1m, found `{text}`"
        ));
    }
    Ok(time)
}
