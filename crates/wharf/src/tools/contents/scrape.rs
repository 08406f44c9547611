//! A scrape of a gateway, as its bytes come.

use std::io::Read;

use serde_json::Value;
use wharf_client::{Client, ClientError, Opened, Request};

use super::MAX_ANSWER_BYTES;
use crate::tools::output::clean;

/// In which format a scrape is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scraped {
    /// What whoever asks for nothing in particular gets, such as curl: the text format.
    Text,
    /// Protobuf, with names as they are.
    Protobuf,
}

impl Scraped {
    fn accept(self) -> &'static str {
        match self {
            Self::Text => "*/*",
            Self::Protobuf => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
                 escaping=allow-utf-8"
            }
        }
    }

    /// A longer scrape is not read to its end.
    fn max_bytes(self) -> u64 {
        match self {
            Self::Text => MAX_ANSWER_BYTES,
            // No exposition holds more.
            Self::Protobuf => 2 << 30,
        }
    }
}

/// Asks for a scrape; `query` begins with a question mark or is empty.
///
/// # Errors
/// If the gateway does not answer with one.
pub(crate) fn scrape(
    client: &Client,
    format: Scraped,
    query: &str,
) -> Result<Opened<impl Read + use<>>, ClientError> {
    let request = |path: &str| {
        let mut request = Request::get(format!("{path}{query}"));
        request.headers.push(("Accept", format.accept().to_owned()));
        request.whole_answer_in_time = false;
        request.max_answer_bytes = format.max_bytes();
        request
    };
    let opened = match client.open(&request("/metrics")) {
        // It is where a flag says.
        Err(error) if error.status() == Some(404) => match telemetry_path(client) {
            Some(path) => client.open(&request(&path)),
            None => Err(error),
        },
        opened => opened,
    }?;
    let media_type = opened.header("Content-Type").unwrap_or_default();
    if format == Scraped::Protobuf && !media_type.starts_with("application/vnd.google.protobuf") {
        return Err(ClientError::Answer {
            url: client.address().to_string(),
            message: format!("expected a scrape in protobuf, found `{}`", clean(media_type)),
        });
    }
    Ok(opened)
}

/// What the gateway tells of its flag `--web.telemetry-path`.
fn telemetry_path(client: &Client) -> Option<String> {
    let status = client.send(&Request::get("/api/v1/status")).ok()?;
    let status: Value = serde_json::from_slice(&status.body).ok()?;
    let path = status.get("data")?.get("flags")?.get("web.telemetry-path")?;
    path.as_str()
        .filter(|path| path.starts_with('/'))
        .map(str::to_owned)
}
