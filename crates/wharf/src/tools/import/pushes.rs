//! One push a group, for the Pushgateway and for a Wharf without the admin API.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use wharf_client::{ClientError, Method, Request, group_path};
use wharf_exposition::protobuf;
use wharf_http::backup::{Line, LineError};
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_model::{Exposition, GroupingKey};

use super::target::Target;
use crate::tools::{contents, output};

/// Two times of one push differ by so much at most, in seconds: gateways tell them as doubles.
const SAME_TIME: f64 = 1e-5;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// What pushes need to know of their target.
#[derive(Debug)]
pub(super) struct Pushes {
    /// When the groups of the target were pushed last.
    pub(super) there: HashMap<GroupingKey, f64>,
    /// Whether the target takes the time of a push, as far as we know.
    pub(super) keep_times: AtomicBool,
}

impl Pushes {
    pub(super) fn keep_times(&self) -> bool {
        self.keep_times.load(Ordering::Relaxed)
    }

    /// Pushes a group, and says in the tally what has become of it.
    ///
    /// # Errors
    /// If the target takes nothing.
    pub(super) fn carry_over(&self, line: &Line, target: &Target) -> Result<(), ClientError> {
        let group = match line.key() {
            Ok(key) => key,
            Err(error) => {
                target.leave_out("a group".to_owned(), error.to_string());
                return Ok(());
            }
        };
        let shown = format!("group {}", output::clean(&group.to_string()));
        let Some(pushed_at) = line.push_time else {
            let reason = "expected a successful push, found none: only its failure is known";
            target.leave_out(shown, reason.to_owned());
            return Ok(());
        };
        let seconds = pushed_at.as_duration().as_secs_f64();
        if self
            .there
            .get(&group)
            .is_some_and(|there| *there >= seconds - SAME_TIME)
        {
            target.tally().already_there += 1;
            return Ok(());
        }
        let (mut request, series) = match request(&group, line) {
            Ok(request) => request,
            Err(error) => {
                target.leave_out(shown, error.to_string());
                return Ok(());
            }
        };
        if !target.dry_run {
            match self.push(&mut request, line, target) {
                Ok(()) => {}
                Err(error)
                    if matches!(error.status(), Some(400..=499))
                        && !matches!(error.status(), Some(401 | 403 | 404 | 405)) =>
                {
                    target.leave_out(shown, error.to_string());
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        let mut tally = target.tally();
        tally.groups += 1;
        tally.series += series;
        tally.failed_at_source += u64::from(line.failure_time > line.push_time);
        Ok(())
    }

    fn push(&self, request: &mut Request, line: &Line, target: &Target) -> Result<(), ClientError> {
        if let Some(pushed_at) = line.push_time.filter(|_| self.keep_times()) {
            request.headers.push(("Wharf-Push-Time", pushed_at.to_string()));
            match target.send(request) {
                // Without the admin API, or the right to use it, the time is refused; whether more is, the same push without
                // it tells.
                Err(error) if matches!(error.status(), Some(401 | 403)) => {
                    self.keep_times.store(false, Ordering::Relaxed);
                    request.headers.pop();
                }
                other => return other.map(drop),
            }
        }
        target.send(request).map(drop)
    }
}

/// The push of a group, without its time, and how many series it has.
fn request(group: &GroupingKey, line: &Line) -> Result<(Request, u64), LineError> {
    let mut request = Request::new(Method::Put, group_path(group));
    let exposition = line.exposition(NameRule::Utf8)?;
    let content_type = if is_plain(line, &exposition) {
        request.body.extend_from_slice(line.text.as_bytes());
        TEXT
    } else {
        request.body = protobuf::encode(&exposition, EscapingScheme::AllowUtf8);
        PROTOBUF
    };
    request.headers.push(("Content-Type", content_type.to_owned()));
    // What moves is a total, also into a group to which a rule adds what is pushed.
    request.headers.push(("Wharf-Merge", "none".to_owned()));
    if let Some(ttl) = &line.ttl {
        request.headers.push(("Wharf-TTL", ttl.clone()));
    }
    if let Some(expect) = &line.expect {
        request.headers.push(("Wharf-Expect", expect.clone()));
    }
    Ok((request, contents::series(&exposition)))
}

/// Whether the text of a group is all of it, its times aside. Text can be read by people who look at what goes on.
fn is_plain(line: &Line, exposition: &Exposition<'_>) -> bool {
    let has_unit = exposition.families.iter().any(|family| !family.unit.is_empty());
    let has_type = line.families.values().any(|note| note.metric_type.is_some());
    line.protobuf.is_empty() && !has_unit && !has_type
}
