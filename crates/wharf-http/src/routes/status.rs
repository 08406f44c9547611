//! `/api/v1/status` as the Pushgateway has it, with what else is to be known about the process.

use http::{Response, StatusCode};
use wharf_gateway::{Caller, Right, rfc3339};

use crate::answer::json::{Members, write_strings};
use crate::answer::{envelope, problems};
use crate::service::Service;
use crate::transport::chunks::ResponseBody;

/// `GET /api/v1/status`. How the gateway is set up is for those who look after it.
pub(crate) fn show(service: &Service, caller: &Caller) -> Response<ResponseBody> {
    let build = &service.status.build_information;
    let is_admin = caller.have(Right::Admin);
    envelope::answer(StatusCode::OK, |out| {
        let mut data = Members::object(out);
        let information = [
            ("branch", build.branch.as_str()),
            ("buildDate", &build.build_date),
            ("buildUser", &build.build_user),
            ("goVersion", &build.go_version),
            ("revision", &build.revision),
            ("version", &build.version),
        ];
        write_strings(data.key("build_information"), information);
        let flags = service
            .status
            .flags
            .iter()
            .filter(|_| is_admin)
            .map(|(key, value)| (key.as_str(), value.as_str()));
        write_strings(data.key("flags"), flags);
        data.string("start_time", &rfc3339(service.gateway.started_at()));
        // Beyond the Pushgateway: whether pushes can be stored, and what else is wrong; and the time, as the clock of
        // whoever reads may be another.
        let failure = service.gateway.store().failure();
        let state = match (&failure, service.gateway.store().writer_statistics()) {
            (Some(_), _) => "failed",
            (None, Some(_)) => "ok",
            (None, None) => "memory only",
        };
        let not_durable = service.gateway.not_durable();
        let not_durable = not_durable.map(|why| why.to_tell(is_admin));
        let reason = failure.filter(|_| is_admin).or(not_durable).unwrap_or_default();
        write_strings(
            data.key("storage"),
            [("reason", reason.as_str()), ("state", state)],
        );
        problems::write(data.key("problems"), &service.gateway.problems(), is_admin);
        data.number("now_seconds", Some(service.gateway.now().as_seconds()));
        data.end();
    })
}
