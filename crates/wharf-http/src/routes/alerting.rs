//! `/api/v1/alerting`: who is told which groups are overdue, and how that goes.

use http::{Response, StatusCode};
use wharf_gateway::{AlertingReport, ReceiverStatus, Refusal, rfc3339};

use crate::answer::json::Members;
use crate::answer::{envelope, status};
use crate::request::query;
use crate::routes::row::Asked;
use crate::transport::chunks::ResponseBody;

/// `GET /api/v1/alerting`.
pub(crate) fn show(asked: &Asked<'_>) -> Response<ResponseBody> {
    match query::parameters(asked.query) {
        Ok(parameters) if parameters.is_empty() => {}
        Ok(parameters) => {
            let name = parameters.first().map_or("", |(name, _)| name);
            let found = query::shown(name);
            return status::answer(Refusal::parameter(&format!(
                "expected no parameter, found `{found}`"
            )));
        }
        Err(refusal) => return status::answer(refusal),
    }
    let gateway = &asked.service.gateway;
    let report = gateway.alerting_report().unwrap_or_default();
    envelope::private(StatusCode::OK, |out| write(out, gateway.may_alert(), &report))
}

fn write(out: &mut Vec<u8>, is_on: bool, report: &AlertingReport) {
    let AlertingReport {
        firing,
        resolved,
        sends_webhooks,
        capacity: _,
        alertmanagers,
        webhooks,
    } = report;
    let mut data = Members::object(out);
    data.flag("enabled", is_on);
    data.integer("firing", *firing);
    data.integer("resolved", *resolved);
    data.flag("sends_webhooks", *sends_webhooks);
    for (name, receivers) in [("alertmanagers", alertmanagers), ("webhooks", webhooks)] {
        let mut list = Members::array(data.key(name));
        for receiver in receivers {
            write_receiver(list.next(), receiver);
        }
        list.end();
    }
    data.end();
}

fn write_receiver(out: &mut Vec<u8>, receiver: &ReceiverStatus) {
    let ReceiverStatus {
        name,
        waiting,
        last_success,
        last_error,
        failures,
    } = receiver;
    let mut object = Members::object(out);
    object.string("name", name);
    object.integer("waiting", *waiting);
    object.text("last_success", last_success.map(rfc3339).as_deref());
    object.integer("failures", *failures);
    match last_error {
        Some(error) => {
            let mut member = Members::object(object.key("last_error"));
            member.string("at", &rfc3339(error.at));
            member.string("text", &error.text);
            member.end();
        }
        None => object.null("last_error"),
    }
    object.end();
}
