//! Pushes that were refused, as answers list them, and the groups that answers name.

use wharf_gateway::RefusedPush;
use wharf_model::GroupingKey;
use wharf_model::name::NameRule;

use crate::answer::json::{Members, write_strings};
use crate::answer::status;
use crate::request::grouping;

/// The members of a push that was refused.
pub(crate) fn write_refused(object: &mut Members<'_>, push: &RefusedPush, names: NameRule) {
    object.number("time_seconds", Some(push.at.as_seconds()));
    object.string("reason", push.reason.label());
    object.integer("status", status::of(push.reason).as_u16().into());
    object.text(
        "address",
        push.address.map(|address| address.to_string()).as_deref(),
    );
    object.string("request_id", &push.request_id);
    if let Some(key) = &push.key {
        write_group(object, key, names);
    } else {
        object.null("labels");
        object.null("path");
    }
    object.string("error", &push.error);
}

/// The members that name a group.
pub(crate) fn write_group(object: &mut Members<'_>, key: &GroupingKey, names: NameRule) {
    write_strings(object.key("labels"), key.labels());
    object.string("path", &grouping::path(key, names));
}
