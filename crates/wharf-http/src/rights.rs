//! `/api/v1/access`: what whoever asks may do, so that a page offers nothing that would be refused.

use http::{Response, StatusCode};

use crate::api;
use crate::chunks::ResponseBody;
use crate::gateway::Gateway;
use crate::json::Members;

/// What may be done. The one place that says it for the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(crate) struct Rights {
    pub(crate) push: bool,
    pub(crate) delete_group: bool,
    pub(crate) delete_by_selector: bool,
    pub(crate) wipe: bool,
    pub(crate) reload: bool,
    pub(crate) quit: bool,
}

impl Rights {
    /// What everybody may do whom the gateway answers at all.
    fn of(gateway: &Gateway) -> Self {
        let settings = &gateway.settings;
        Self {
            push: true,
            delete_group: true,
            delete_by_selector: settings.admin_api,
            wipe: settings.admin_api,
            reload: settings.lifecycle,
            quit: settings.lifecycle,
        }
    }
}

/// `GET /api/v1/access`.
pub(crate) fn show(gateway: &Gateway) -> Response<ResponseBody> {
    let rights = Rights::of(gateway);
    api::private(StatusCode::OK, |out| {
        let mut data = Members::object(out);
        data.flag("push", rights.push);
        data.flag("delete_group", rights.delete_group);
        data.flag("delete_by_selector", rights.delete_by_selector);
        data.flag("wipe", rights.wipe);
        data.flag("reload", rights.reload);
        data.flag("quit", rights.quit);
        data.end();
    })
}
