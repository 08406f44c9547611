//! The section `tracing`: where traces of requests go, in the words of Prometheus' configuration.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde_saphyr::Spanned;
use wharf_client::{Address, Client, Secret, Target};
use wharf_gateway::Tracing;

use super::receiver::time_limit;
use super::source::{self, Text};
use super::{Check, truth};
use crate::parts::traces::otlp::Otlp;

/// Where receivers of OTLP take traces.
const PATH: &str = "/v1/traces";

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
            .map(|tls| self.tls(&tls.value, &tls.referenced, "endpoint"));
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
