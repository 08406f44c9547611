//! What is said of a group, wherever one is shown.

use std::time::Duration;

use wharf_gateway::{Caller, ExpectationState, Expected, Right, rfc3339};
use wharf_history::{Added, GroupHistory, PastPush, Pulse};
use wharf_model::{GroupingKey, duration};
use wharf_store::GroupInfo;

use super::state::{Condition, Moment, STATES, State, seconds};
use crate::answer::json::{Members, write_integer, write_number, write_string, write_strings};
use crate::request::grouping;
use crate::service::Service;

/// A look at groups: at one moment, with what is known of their past, for somebody.
pub(crate) struct Look<'g> {
    service: &'g Service,
    caller: &'g Caller,
    pub(super) moment: Moment,
}

/// A group, and its past.
pub(crate) struct GroupAndPast<'l> {
    look: &'l Look<'l>,
    info: &'l GroupInfo,
    past: GroupHistory,
    expected: Option<Expected>,
}

impl GroupAndPast<'_> {
    /// When its last push was refused, in seconds since the Unix epoch; none if it was stored.
    pub(crate) fn refused_at(&self) -> Option<f64> {
        let condition = Condition::of(self.info);
        let moment = self.look.moment;
        let is_failed = condition.is(State::Failed, moment, || self.past.pulse(), || false);
        let remembered = self
            .past
            .last_error
            .as_ref()
            .map_or(0.0, |error| seconds(error.at_ms));
        is_failed.then(|| self.info.failure_time.max(remembered))
    }

    fn is_overdue(&self) -> bool {
        is_overdue(self.expected.as_ref(), self.look.moment)
    }
}

fn is_overdue(expected: Option<&Expected>, moment: Moment) -> bool {
    expected.is_some_and(|expected| expected.state(moment.now) == ExpectationState::Overdue)
}

impl<'g> Look<'g> {
    pub(crate) fn at(service: &'g Service, caller: &'g Caller, expiring_within: Duration) -> Self {
        // So that a push which has been answered is seen.
        service.gateway.catch_up();
        Self {
            service,
            caller,
            moment: Moment {
                now: service.gateway.now(),
                expiring_within,
            },
        }
    }

    /// A look that does not care what expires soon.
    pub(crate) fn now(service: &'g Service, caller: &'g Caller) -> Self {
        Self::at(service, caller, Duration::ZERO)
    }

    /// At the moment of an earlier look.
    pub(super) fn again(service: &'g Service, caller: &'g Caller, moment: Moment) -> Self {
        Self {
            service,
            caller,
            moment,
        }
    }

    pub(super) fn pulse(&self, key: &GroupingKey) -> Pulse {
        let history = self.service.gateway.activity().history();
        history.map(|history| history.pulse(key)).unwrap_or_default()
    }

    pub(super) fn is_overdue(&self, key: &GroupingKey) -> bool {
        is_overdue(self.service.gateway.expected(key).as_ref(), self.moment)
    }

    /// What is known of the past of a group.
    pub(crate) fn past(&self, key: &GroupingKey) -> Option<GroupHistory> {
        self.service.gateway.activity().history()?.group(key)
    }

    pub(crate) fn group<'l>(&'l self, info: &'l GroupInfo) -> GroupAndPast<'l> {
        GroupAndPast {
            look: self,
            info,
            past: self.past(&info.key).unwrap_or_default(),
            expected: self.service.gateway.expected(&info.key),
        }
    }
}

/// A member of a listed group: its name, and how its value is written.
type Field = (&'static str, fn(&GroupAndPast<'_>, &mut Vec<u8>));

/// What a listing shows of each group, in this order.
pub(super) const FIELDS: [Field; 19] = [
    ("labels", |group, out| write_strings(out, group.info.key.labels())),
    ("last_push_successful", |group, out| {
        let is_successful = group.info.failure_time <= group.info.push_time;
        out.extend_from_slice(if is_successful { b"true" } else { b"false" });
    }),
    ("push_time_seconds", |group, out| {
        write_number(out, Some(group.info.push_time));
    }),
    ("push_failure_time_seconds", |group, out| {
        write_number(out, Some(group.info.failure_time));
    }),
    ("families", |group, out| {
        write_integer(out, group.info.families as u64);
    }),
    ("series", |group, out| write_integer(out, group.info.series)),
    ("bytes", |group, out| write_integer(out, group.info.bytes)),
    ("ttl", |group, out| match group.info.lifetime {
        Some(lifetime) => write_string(out, &duration::format(lifetime.ttl.after)),
        None => out.extend_from_slice(b"null"),
    }),
    ("expires_at", |group, out| match group.info.lifetime {
        Some(lifetime) => write_string(out, &rfc3339(lifetime.expires_at)),
        None => out.extend_from_slice(b"null"),
    }),
    ("keep_times", |group, out| {
        let keeps = group
            .info
            .lifetime
            .is_some_and(|lifetime| lifetime.ttl.keep_times);
        out.extend_from_slice(if keeps { b"true" } else { b"false" });
    }),
    ("path", |group, out| {
        let names = group.look.service.gateway.settings().pushes.names;
        write_string(out, &grouping::path(&group.info.key, names));
    }),
    ("states", |group, out| {
        let condition = Condition::of(group.info);
        let mut states = Members::array(out);
        let moment = group.look.moment;
        for (name, state) in STATES {
            if condition.is(state, moment, || group.past.pulse(), || group.is_overdue()) {
                write_string(states.next(), name);
            }
        }
        states.end();
    }),
    ("usual_interval_seconds", |group, out| {
        write_number(out, group.past.pace.map(|pace| pace.usual.as_secs_f64()));
    }),
    ("stale_after_seconds", |group, out| {
        write_number(out, group.past.pace.map(|pace| pace.stale_after().as_secs_f64()));
    }),
    // Its text may quote what was pushed, and any page may read listings; who wants it looks at the group.
    ("last_error", |group, out| write_error(out, &group.past, false)),
    ("aggregation", |group, out| {
        let Some(Added { pushes, since_ms }) = group.past.added else {
            out.extend_from_slice(b"null");
            return;
        };
        let mut object = Members::object(out);
        object.integer("pushes", pushes);
        object.number("since_seconds", Some(seconds(since_ms)));
        object.end();
    }),
    ("expectation", |group, out| {
        let Some(expected) = &group.expected else {
            out.extend_from_slice(b"null");
            return;
        };
        let mut object = Members::object(out);
        object.string("state", expected.state(group.look.moment.now).as_str());
        object.text("due", expected.due.map(rfc3339).as_deref());
        object.text("overdue_at", expected.overdue_at.map(rfc3339).as_deref());
        object.end();
    }),
    ("rights", |group, out| write_rights(out, group)),
    ("history", |group, out| {
        let mut pushes = Members::array(out);
        for push in &group.past.pushes {
            write_point(pushes.next(), push);
        }
        pushes.end();
    }),
];

/// What is shown unless a request says otherwise: everything but the history, which is long, and the rights, which are those of
/// whoever asks.
pub(super) const DEFAULT_FIELDS: usize = FIELDS.len() - 2;

/// Writes the members of a group that stands alone; how many families it has is said there in another way.
pub(crate) fn write_fields(object: &mut Members<'_>, group: &GroupAndPast<'_>) {
    for (name, write) in FIELDS.iter().take(DEFAULT_FIELDS) {
        match *name {
            "families" => object.integer("families_total", group.info.families as u64),
            "last_error" => write_error(object.key(name), &group.past, true),
            name => write(group, object.key(name)),
        }
    }
    write_rights(object.key("rights"), group);
}

/// Writes what whoever asks may do to a group, beside reading it.
fn write_rights(out: &mut Vec<u8>, group: &GroupAndPast<'_>) {
    let mut rights = Members::array(out);
    for right in [Right::Push, Right::Delete] {
        if group.look.caller.allow(right, &group.info.key) {
            write_string(rights.next(), right.as_str());
        }
    }
    rights.end();
}

/// Writes the history of a group.
pub(crate) fn write_history(out: &mut Vec<u8>, past: &GroupHistory) {
    let mut data = Members::object(out);
    let mut pushes = Members::array(data.key("pushes"));
    for push in &past.pushes {
        let mut object = Members::object(pushes.next());
        object.number("time_seconds", Some(seconds(push.at_ms)));
        let is_stored = push.refused.is_none();
        object.string("outcome", if is_stored { "ok" } else { "refused" });
        object.text("reason", push.refused.as_deref());
        object.string("method", push.method.as_str());
        object.integer("body_bytes", push.body_bytes.into());
        object.integer("series", push.series.into());
        object.number("duration_seconds", push.duration_seconds.map(widen));
        object.end();
    }
    pushes.end();
    data.number(
        "usual_interval_seconds",
        past.pace.map(|pace| pace.usual.as_secs_f64()),
    );
    data.number(
        "stale_after_seconds",
        past.pace.map(|pace| pace.stale_after().as_secs_f64()),
    );
    write_error(data.key("last_error"), past, true);
    data.end();
}

/// `[time, 1 if it was stored, bytes of the body, series, duration]`.
fn write_point(out: &mut Vec<u8>, push: &PastPush) {
    let mut point = Members::array(out);
    write_number(point.next(), Some(seconds(push.at_ms)));
    write_integer(point.next(), u64::from(push.refused.is_none()));
    write_integer(point.next(), push.body_bytes.into());
    write_integer(point.next(), push.series.into());
    write_number(point.next(), push.duration_seconds.map(widen));
    point.end();
}

fn write_error(out: &mut Vec<u8>, past: &GroupHistory, with_text: bool) {
    let Some(error) = &past.last_error else {
        out.extend_from_slice(b"null");
        return;
    };
    let mut object = Members::object(out);
    object.number("time_seconds", Some(seconds(error.at_ms)));
    object.string("reason", &error.reason);
    if with_text {
        object.string("error", &error.error);
    }
    object.end();
}

/// The double that is written with the same digits.
fn widen(seconds: f32) -> f64 {
    seconds.to_string().parse().unwrap_or(f64::from(seconds))
}
