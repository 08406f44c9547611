//! Many groups in one request, for a Wharf that takes them as an export has them.

use std::collections::BTreeMap;

use serde::Deserialize;
use wharf_client::{Client, ClientError, Method, Request};
use wharf_http::backup::Line;

use super::target::Target;
use crate::tools::output;

/// A request is sent when it has so many bytes, or groups. Both are well below what the target takes.
const FULL_BYTES: usize = 2 << 20;
const FULL_GROUPS: usize = 500;

/// Groups on their way.
#[derive(Debug, Default)]
pub(super) struct Batch {
    lines: Vec<(Line, Vec<u8>)>,
    bytes: usize,
}

#[derive(Deserialize)]
struct Answered {
    data: Imported,
}

#[derive(Deserialize)]
struct Imported {
    groups: u64,
    series: u64,
    already_there: u64,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Refused {
    labels: BTreeMap<String, String>,
    status: u16,
    error: String,
}

/// Whether a gateway takes whole groups: whether it is a Wharf with the admin API, and we may use that. Who might if they said
/// who they are may still be allowed to push.
///
/// # Errors
/// If it does not answer, or cannot take anything.
pub(super) fn is_taken_by(target: &Client) -> Result<bool, ClientError> {
    let nothing = Request::new(Method::Post, "/api/v1/admin/import");
    match target.send(&nothing) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.status(), Some(401 | 403..=405)) => Ok(false),
        Err(error) => Err(error),
    }
}

impl Batch {
    /// Appends a group.
    pub(super) fn add(&mut self, line: Line) -> serde_json::Result<()> {
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        self.bytes += bytes.len();
        self.lines.push((line, bytes));
        Ok(())
    }

    /// Whether it is time to send it.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= FULL_BYTES || self.lines.len() >= FULL_GROUPS
    }

    /// The groups.
    pub(super) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().map(|(line, _)| line)
    }

    /// Sends all of them.
    ///
    /// # Errors
    /// If the target takes nothing.
    pub(super) fn restore(self, target: &Target) -> Result<(), ClientError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let path = format!("/api/v1/admin/import?overwrite={}", target.overwrite);
        let mut request = Request::new(Method::Post, path);
        request
            .headers
            .push(("Content-Type", "application/x-ndjson".to_owned()));
        for (_, bytes) in &self.lines {
            request.body.extend_from_slice(bytes);
        }
        let answer = match target.send(&request) {
            Ok(answer) => answer,
            // Its limit on bodies is lower than we think.
            Err(error) if error.status() == Some(413) => return self.restore_halves(target, &error),
            Err(error) => return Err(error),
        };
        let answered: Answered =
            serde_json::from_slice(&answer.body).map_err(|error| ClientError::Answer {
                url: target.client.address().to_string(),
                message: format!("expected what has become of the groups: {error}"),
            })?;
        let imported = answered.data;
        for refused in &imported.refused {
            let error = format!(
                "the gateway answered {}: {}",
                refused.status,
                refused.error.trim_end()
            );
            target.leave_out(named(&refused.labels), error);
        }
        let mut tally = target.tally();
        tally.groups += imported.groups;
        tally.series += imported.series;
        tally.already_there += imported.already_there;
        Ok(())
    }

    fn restore_halves(mut self, target: &Target, error: &ClientError) -> Result<(), ClientError> {
        if let [(line, _)] = self.lines.as_slice() {
            target.leave_out(named(&line.labels), error.to_string());
            return Ok(());
        }
        let second = Self {
            lines: self.lines.split_off(self.lines.len() / 2),
            bytes: 0,
        };
        self.restore(target)?;
        second.restore(target)
    }
}

fn named(labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{}={}", output::clean(name), wharf_settings::Quoted(value)))
        .collect();
    format!("group {{{}}}", labels.join(","))
}
