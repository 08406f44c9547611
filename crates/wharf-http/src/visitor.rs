//! `/api/v1/access`: what whoever asks may do, so that a page offers nothing that would be refused.

use http::{Response, StatusCode};

use crate::api;
use crate::chunks::ResponseBody;
use crate::gateway::Gateway;
use crate::json::Members;
use crate::rights::{Right, Rights};

/// `GET /api/v1/access`: whether there is a group for which it may be done, where it is about groups.
pub(crate) fn show(gateway: &Gateway, rights: &Rights) -> Response<ResponseBody> {
    let settings = &gateway.settings;
    let may = |right, is_enabled| is_enabled && rights.have(right);
    api::private(StatusCode::OK, |out| {
        let mut data = Members::object(out);
        data.flag("push", may(Right::Push, true));
        data.flag("delete_group", may(Right::Delete, true));
        data.flag("delete_by_selector", may(Right::Delete, settings.admin_api));
        data.flag("wipe", may(Right::Admin, settings.admin_api));
        data.flag("reload", may(Right::Admin, settings.lifecycle));
        data.flag("quit", may(Right::Admin, settings.lifecycle));
        data.end();
    })
}
