//! `/api/v1/access`: what whoever asks may do, so that a page offers nothing that would be refused.

use http::{Method, Response, StatusCode};
use wharf_gateway::{Caller, Right};

use crate::answer::api;
use crate::answer::json::Members;
use crate::routes::router::Route;
use crate::service::Service;
use crate::transport::chunks::ResponseBody;
use crate::transport::door::Door;

/// `GET /api/v1/access`: whether it may be done at this address, and where it is about groups, whether there is one for
/// which it may.
pub(crate) fn show(service: &Service, caller: &Caller, door: &Door) -> Response<ResponseBody> {
    let settings = &service.settings;
    let may = |method: &Method, route: Route| {
        let terms = route.terms(method);
        door.serves(terms.at) && terms.need.is_none_or(|need| caller.demand(need).is_ok())
    };
    api::private(StatusCode::OK, |out| {
        let mut data = Members::object(out);
        data.flag("read", may(&Method::GET, Route::ApiGroups));
        data.flag("stats", may(&Method::GET, Route::ApiStats));
        data.flag("admin", caller.have(Right::Admin));
        data.flag("push", may(&Method::POST, Route::ApiPush));
        data.flag(
            "delete_group",
            may(&Method::DELETE, Route::ApiDeleteGroup { key_at: 0 }),
        );
        data.flag(
            "delete_by_selector",
            service.gateway.settings().admin_api && may(&Method::DELETE, Route::ApiDeleteGroups),
        );
        data.flag(
            "wipe",
            service.gateway.settings().admin_api && may(&Method::PUT, Route::ApiWipe),
        );
        data.flag("reload", settings.lifecycle && may(&Method::POST, Route::Reload));
        data.flag("quit", settings.lifecycle && may(&Method::POST, Route::Quit));
        data.end();
    })
}
