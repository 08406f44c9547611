//! `/api/v1/stats`: how the gateway is, and how the last hour was.

use std::sync::Arc;

use http::{Response, StatusCode};
use wharf_gateway::{Caller, Refusal, Right};
use wharf_history::History;
use wharf_store::{Detail, Files, Totals, UnixNanos, WriterStatistics};

use crate::answer::envelope;
use crate::answer::json::{self, Members};
use crate::answer::refused::write_refused;
use crate::answer::status;
use crate::request::query;
use crate::service::Service;
use crate::transport::chunks::ResponseBody;
use crate::workers;
use wharf_gateway::Disk;
use wharf_gateway::telemetry;
use wharf_gateway::{SPAN, Span, Sums};

/// `GET /api/v1/stats`.
///
/// Who may not see all groups gets no numbers of all groups. Who scrapes, what was refused, and where things lie is for
/// those who look after the gateway, if rules tell them apart.
pub(crate) async fn show(
    service: Arc<Service>,
    query: Option<&str>,
    caller: &Caller,
) -> Response<ResponseBody> {
    let is_admin = caller.have(Right::Admin);
    let since = match since(query) {
        Ok(since) => since,
        Err(error) => return status::answer(error),
    };
    let shown = workers::run(move || {
        Ok(envelope::private(StatusCode::OK, |out| {
            write(&service, since, is_admin, out);
        }))
    });
    shown.await.unwrap_or_else(status::answer)
}

/// The moment from which on spans are asked for.
fn since(query: Option<&str>) -> Result<f64, Refusal> {
    let mut since = f64::NEG_INFINITY;
    for (name, value) in query::parameters(query)? {
        match name.as_str() {
            "since" => {
                let seconds = value.parse().ok().filter(|seconds: &f64| seconds.is_finite());
                since = seconds.ok_or_else(|| {
                    Refusal::parameter(&format!(
                        "since: expected seconds since the Unix epoch, found `{}`",
                        query::shown(&value)
                    ))
                })?;
            }
            other => return Err(query::unknown(other, "since")),
        }
    }
    Ok(since)
}

fn write(service: &Service, since: f64, is_admin: bool, out: &mut Vec<u8>) {
    service.gateway.catch_up();
    service.gateway.measure();
    let (spans, sums) = service.gateway.activity().hour.read(service.gateway.instant());
    let totals = service.gateway.store().totals();
    let mut data = Members::object(out);
    data.number("now_seconds", Some(service.gateway.now().as_seconds()));
    data.number("started_seconds", Some(service.gateway.started_at().as_seconds()));
    data.integer("bucket_seconds", SPAN.as_secs());
    let mut buckets = Members::array(data.key("buckets"));
    for span in &spans {
        let began = service.gateway.activity().hour.began(span);
        if began + SPAN.as_secs_f64() > since {
            write_span(buckets.next(), began, span);
        }
    }
    buckets.end();
    write_totals(&mut data, service, totals, sums);
    let disk = service.gateway.activity().disk().clone();
    write_storage(&mut data, service, &disk, is_admin);
    write_history(&mut data, service, &disk, is_admin);
    write_configuration(&mut data, service, is_admin);
    write_web_configs(&mut data, service, is_admin);
    write_limits(&mut data, service, totals);
    write_scrapers(&mut data, service, is_admin);
    let mut refused = Members::array(data.key("refused"));
    for push in service
        .gateway
        .activity()
        .refused
        .list()
        .iter()
        .filter(|_| is_admin)
    {
        let mut object = Members::object(refused.next());
        write_refused(&mut object, push, service.gateway.settings().pushes.names);
        object.end();
    }
    refused.end();
    data.end();
}

fn write_span(out: &mut Vec<u8>, began: f64, span: &Span) {
    let mut bucket = Members::object(out);
    bucket.number("time_seconds", Some(began));
    bucket.integer("pushes", span.pushes);
    bucket.integer("refused", span.refused);
    bucket.integer("push_bytes", span.push_bytes);
    bucket.number("push_seconds_p50", span.push_seconds(50));
    bucket.number("push_seconds_p99", span.push_seconds(99));
    bucket.integer("scrapes", span.scrapes);
    bucket.integer("scrape_bytes", span.scrape_bytes);
    bucket.number(
        "scrape_seconds_max",
        span.longest_scrape.map(|longest| longest.as_secs_f64()),
    );
    bucket.integer("groups", span.level.groups);
    bucket.integer("series", span.level.series);
    bucket.integer("bytes", span.level.bytes);
    bucket.integer("memory_bytes", span.level.memory_bytes);
    bucket.end();
}

fn write_totals(data: &mut Members<'_>, service: &Service, totals: Totals, sums: Sums) {
    let mut object = Members::object(data.key("totals"));
    object.integer("groups", totals.groups as u64);
    object.integer("series", totals.series);
    object.integer("bytes", totals.bytes);
    object.integer("memory_bytes", telemetry::resident_bytes().unwrap_or_default());
    object.integer("pushes", sums.pushes);
    object.integer("refused", sums.refused);
    object.integer("scrapes", sums.scrapes);
    let cold = service.gateway.store().cold();
    object.integer("cold_bytes", cold.text_bytes);
    object.integer("cold_compressed_bytes", cold.compressed_bytes);
    object.integer(
        "scrape_forms_bytes",
        service.gateway.store().shelf().bytes() as u64,
    );
    object.integer("future_groups", service.gateway.future_groups());
    object.end();
}

fn write_storage(data: &mut Members<'_>, service: &Service, disk: &Disk, is_admin: bool) {
    let ledger = service.gateway.store().writer_statistics();
    let (failure, not_ready) = (service.gateway.store().failure(), service.gateway.not_ready());
    let mut object = Members::object(data.key("storage"));
    let state = match (&failure, &ledger) {
        (Some(_), _) => "failed",
        (None, Some(_)) => "ok",
        (None, None) if service.gateway.loading().is_some() => "loading",
        (None, None) => "memory only",
    };
    object.string("state", state);
    object.text("reason", not_ready.as_deref().filter(|_| is_admin));
    object.flag("ready", not_ready.is_none());
    let path = service.status.storage_path.as_deref();
    let is_used = service.gateway.not_durable().is_none();
    object.text("path", path.filter(|_| is_admin && is_used));
    let engine = match ledger.map(|statistics| statistics.detail) {
        None => "memory",
        Some(Detail::Files(_)) => "ledger",
        Some(_) => service.gateway.store().engine().unwrap_or_default(),
    };
    object.string("engine", engine);
    object.flag("durable", ledger.is_some());
    // A sentence, so that nobody takes a gateway that forgets for one that does not.
    let not_durable = service.gateway.not_durable();
    object.text(
        "not_durable",
        not_durable.map(|why| why.to_tell(is_admin)).as_deref(),
    );
    object.text(
        "sync",
        service.status.flags.get("storage.sync").map(String::as_str),
    );
    let WriterStatistics {
        commits: syncs,
        commit_time: sync_time,
        failures,
        detail,
        ..
    } = ledger.unwrap_or_default();
    let files = match detail {
        Detail::Files(files) => files,
        _ => Files::default(),
    };
    let Files {
        written_bytes,
        log_bytes,
        segments,
        checkpoints,
    } = files;
    object.integer("segments", segments);
    object.integer("log_bytes", log_bytes);
    object.integer("written_bytes", written_bytes);
    object.integer("syncs", syncs);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a number of syncs above 2^53 may be rounded"
    )]
    let mean = (syncs > 0).then(|| sync_time.as_secs_f64() / syncs as f64);
    object.number("sync_seconds_mean", mean);
    object.number("last_sync_seconds", disk.last_sync.map(UnixNanos::as_seconds));
    match disk.last_error.as_ref().filter(|_| is_admin) {
        None => object.null("last_error"),
        Some((at, reason)) => {
            let mut error = Members::object(object.key("last_error"));
            error.number("time_seconds", Some(at.as_seconds()));
            error.string("error", reason);
            error.end();
        }
    }
    object.integer("failures", failures);
    object.integer("checkpoints", checkpoints);
    object.end();
}

fn write_history(data: &mut Members<'_>, service: &Service, disk: &Disk, is_admin: bool) {
    let history = service.gateway.activity().history();
    let statistics = history.map(History::statistics).unwrap_or_default();
    let mut object = Members::object(data.key("history"));
    let state = match (history, &disk.history_failure) {
        (None, _) => "off",
        (Some(_), Some(_)) => "failed",
        (Some(_), None) if disk.keeps_history => "ok",
        (Some(_), None) => "memory only",
    };
    object.string("state", state);
    object.text("reason", disk.history_failure.as_deref().filter(|_| is_admin));
    object.integer("bytes", statistics.bytes as u64);
    object.integer("max_bytes", statistics.max_bytes as u64);
    object.integer("groups", statistics.groups as u64);
    object.integer("pushes", statistics.pushes as u64);
    object.integer("lost", statistics.lost);
    object.end();
}

/// Whether the configuration file is in force as it was read last.
fn write_configuration(data: &mut Members<'_>, service: &Service, is_admin: bool) {
    let reading = service.gateway.reading();
    let mut object = Members::object(data.key("configuration"));
    let file = service.status.config_file.as_deref();
    object.text("file", file.filter(|_| is_admin));
    let since = reading
        .as_ref()
        .map(|reading| reading.in_force_since.as_seconds());
    object.number("loaded_seconds", since);
    match reading.and_then(|reading| reading.last_reload) {
        None => object.null("reload"),
        Some(reload) => {
            let mut last = Members::object(object.key("reload"));
            last.number("time_seconds", Some(reload.at.as_seconds()));
            last.flag("successful", reload.error.is_none());
            last.text("error", reload.error.as_deref().filter(|_| is_admin));
            last.end();
        }
    }
    object.end();
}

/// Whether the web config files are in force as they are on disk now.
fn write_web_configs(data: &mut Members<'_>, service: &Service, is_admin: bool) {
    let mut files = Members::array(data.key("web_config"));
    for file in service.gateway.settings_files() {
        let condition = file.condition();
        let state = match condition.users {
            None => "refused",
            Some(_) if condition.problems.is_empty() => "ok",
            Some(_) => "kept",
        };
        let mut object = Members::object(files.next());
        object.string("flag", &condition.flag);
        object.text("file", Some(condition.path.as_str()).filter(|_| is_admin));
        object.string("state", state);
        match condition.users {
            Some(users) => object.integer("users", users as u64),
            None => object.null("users"),
        }
        object.number("read_seconds", Some(condition.read_at.as_seconds()));
        let mut problems = Members::array(object.key("problems"));
        for problem in condition.problems.iter().filter(|_| is_admin) {
            json::write_string(problems.next(), problem);
        }
        problems.end();
        object.end();
    }
    files.end();
}

fn write_limits(data: &mut Members<'_>, service: &Service, totals: Totals) {
    let settings = &service.settings;
    let memory = service.gateway.memory();
    let mut limits = Members::array(data.key("limits"));
    let flags = [
        (
            "limits.max-groups",
            service.gateway.settings().amounts.max_groups,
            totals.groups as u64,
        ),
        (
            "limits.max-series",
            service.gateway.settings().amounts.max_series,
            totals.series,
        ),
        (
            "limits.max-connections",
            Some(settings.connections.max as u64),
            service.gateway.telemetry().connections(),
        ),
        (
            "limits.max-requests-in-flight",
            Some(service.max_requests_in_flight as u64),
            service.requests_in_flight() as u64,
        ),
        (
            "limits.max-decoded-bytes",
            memory.limit().map(|limit| limit as u64),
            memory.in_use() as u64,
        ),
        (
            "limits.max-scrapes-in-flight",
            Some(service.scrapes.all() as u64),
            service.scrapes.taken() as u64,
        ),
    ];
    for (name, limit, used) in flags {
        let mut object = Members::object(limits.next());
        object.string("name", name);
        object.null("selector");
        match limit {
            Some(limit) => object.integer("limit", limit),
            None => object.null("limit"),
        }
        object.integer("used", used);
        object.end();
    }
    for quota in service
        .gateway
        .policy()
        .quota_gauges(&service.gateway.store().quota_usage())
    {
        let mut object = Members::object(limits.next());
        object.string("name", &format!("quota {} {}", quota.number, quota.resource));
        object.string("selector", &quota.selector);
        object.integer("limit", quota.limit);
        object.integer("used", quota.used);
        object.end();
    }
    limits.end();
}

fn write_scrapers(data: &mut Members<'_>, service: &Service, is_admin: bool) {
    let mut scrapers = Members::array(data.key("scrapers"));
    for scraper in service
        .gateway
        .activity()
        .scrapers
        .list()
        .iter()
        .filter(|_| is_admin)
    {
        let mut object = Members::object(scrapers.next());
        object.string("user_agent", &scraper.user_agent);
        object.text(
            "address",
            scraper.address.map(|address| address.to_string()).as_deref(),
        );
        object.number("last_seconds", Some(scraper.last.as_seconds()));
        object.integer("scrapes", scraper.scrapes);
        object.string("format", scraper.format);
        object.text("compression", scraper.compression);
        object.integer("bytes", scraper.bytes);
        object.number("duration_seconds", Some(scraper.duration.as_secs_f64()));
        object.end();
    }
    scrapers.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_finite_number() {
        assert_eq!(since(Some("since=1767323045.5")).ok(), Some(1_767_323_045.5));
        assert_eq!(since(None).ok(), Some(f64::NEG_INFINITY));
        for query in ["since=", "since=NaN", "since=inf", "until=1", "since=1&since=1"] {
            assert!(since(Some(query)).is_err(), "{query}");
        }
    }
}
