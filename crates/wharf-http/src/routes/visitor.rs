//! `/api/v1/access`: what whoever asks may do, so that a page offers nothing that would be refused.

use http::{Response, StatusCode};
use wharf_gateway::Right;

use crate::answer::envelope;
use crate::answer::json::Members;
use crate::routes::row::{Asked, Row};
use crate::transport::chunks::ResponseBody;

/// `GET /api/v1/access`: whether it may be done at this address, and where it is about groups, whether there is one for
/// which it may.
pub(crate) fn show(asked: &Asked<'_>) -> Response<ResponseBody> {
    let admin_api = asked.service.gateway.settings().admin.enabled;
    let lifecycle = asked.service.settings.routes.lifecycle;
    let may = |row: &Row| {
        asked.entry_point.serves(row.at) && row.need.is_none_or(|need| asked.caller.demand(need).is_ok())
    };
    envelope::private(StatusCode::OK, |out| {
        let mut data = Members::object(out);
        data.flag("admin", asked.caller.have(Right::Admin));
        for row in asked.rows {
            if let Some((name, switch)) = row.offered {
                data.flag(name, switch.is_on(admin_api, lifecycle) && may(row));
            }
        }
        data.end();
    })
}
