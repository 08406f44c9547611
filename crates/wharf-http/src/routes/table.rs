//! All routes, one row each: path, methods, who may, where, and what answers.
//!
//! To add one, write its row and its handler, name the row in [`ROWS`], and describe it in `openapi.json`: a test fails where the
//! two differ.

use http::Method;
use wharf_gateway::Need::{ForEvery, ForSome, Identity, One};
use wharf_gateway::{Input, Right};

use crate::answer::respond;
use crate::routes::row::{API, Handler, Path, Row, Switch};
use crate::routes::{
    alerting, audit, backup, badge, description, events, expectations, families, group, groups, metrics,
    options, page, process, push, replicas, scrape, stats, status, undo, visitor, wipe,
};
use crate::transport::purpose::Purpose::{self, Admin, Push, Scrape};

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const PUT: &[Method] = &[Method::PUT];
const DELETE: &[Method] = &[Method::DELETE];
const PUT_POST: &[Method] = &[Method::PUT, Method::POST];

/// Where what is stored is shown.
const SHOWING: &[Purpose] = &[Scrape, Admin];

/// What most rows have.
pub(crate) const PLAIN: Row = Row {
    name: "",
    path: Path::Exact(""),
    methods: GET,
    switch: Switch::Always,
    need: None,
    at: &Purpose::ALL,
    label: None,
    input: None,
    needs_store: false,
    offered: None,
    handler: Handler::Now(|_| respond::not_found()),
};

pub(crate) static SCRAPE: Row = Row {
    name: "scrape",
    path: Path::Scrape,
    need: Some(ForSome(Right::Read)),
    at: SHOWING,
    needs_store: true,
    handler: Handler::Later(|asked| Box::pin(scrape::handle(asked))),
    ..PLAIN
};

pub(crate) static PUSH: Row = Row {
    name: "push",
    path: Path::Group,
    methods: PUT_POST,
    need: Some(ForSome(Right::Push)),
    at: &[Push],
    label: Some("push"),
    input: Some(Input::Push),
    needs_store: true,
    handler: Handler::WithBody(|asked, request| Box::pin(push::handle(asked, request))),
    ..PLAIN
};

static DELETE_PUSHED: Row = Row {
    name: "delete pushed group",
    path: Path::Group,
    methods: DELETE,
    need: Some(ForSome(Right::Delete)),
    at: &[Push, Admin],
    label: Some("delete"),
    needs_store: true,
    handler: Handler::Later(|asked| Box::pin(push::delete(asked))),
    ..PLAIN
};

// Probes have nothing but an address.
static HEALTHY: Row = Row {
    name: "healthy",
    path: Path::Exact("/-/healthy"),
    label: Some("healthy"),
    handler: Handler::Now(|_| respond::plain("OK")),
    ..PLAIN
};

static READY: Row = Row {
    name: "ready",
    path: Path::Exact("/-/ready"),
    label: Some("ready"),
    handler: Handler::Now(|asked| process::ready(&asked.service)),
    ..PLAIN
};

// The page's files can be had by anybody from elsewhere, and have no word about what is stored.
static PAGE: Row = Row {
    name: "page",
    path: Path::Exact("/"),
    at: SHOWING,
    label: Some("status"),
    handler: Handler::Now(|asked| page::page(asked.service.settings.routes.external_prefix().as_str())),
    ..PLAIN
};

static PAGE_AS_STATUS: Row = Row {
    name: "page as status",
    path: Path::Exact("/status"),
    ..PAGE
};

static STATIC: Row = Row {
    name: "static",
    path: Path::Below("/static/"),
    at: SHOWING,
    label: Some("static"),
    handler: Handler::Now(|asked| page::static_file(asked.path, &asked.headers)),
    ..PLAIN
};

pub(crate) static QUIT: Row = Row {
    name: "quit",
    path: Path::Exact("/-/quit"),
    methods: PUT_POST,
    need: Some(ForEvery(Right::Admin)),
    at: &[Admin],
    offered: Some(("quit", Switch::Lifecycle)),
    handler: Handler::Later(|asked| Box::pin(process::quit(asked))),
    ..PLAIN
};

/// Answers 405 with a text of its own.
pub(crate) static QUIT_BY_GET: Row = Row {
    name: "quit by get",
    path: Path::Outside("/-/quit"),
    at: &[Admin],
    handler: Handler::Now(|_| process::quit_by_get()),
    ..PLAIN
};

pub(crate) static RELOAD: Row = Row {
    name: "reload",
    path: Path::Exact("/-/reload"),
    methods: PUT_POST,
    switch: Switch::Lifecycle,
    need: Some(ForEvery(Right::Admin)),
    at: &[Admin],
    label: Some("reload"),
    offered: Some(("reload", Switch::Lifecycle)),
    handler: Handler::Later(|asked| Box::pin(process::reload(asked))),
    ..PLAIN
};

static STATUS: Row = Row {
    name: "status",
    path: Path::Exact("/api/v1/status"),
    need: Some(ForSome(Right::Read)),
    at: SHOWING,
    label: Some("api/v1/status"),
    handler: Handler::Now(|asked| status::show(&asked.service, asked.caller)),
    ..PLAIN
};

static METRICS: Row = Row {
    name: "metrics",
    path: Path::Exact("/api/v1/metrics"),
    need: Some(ForSome(Right::Read)),
    at: SHOWING,
    label: Some("api/v1/metrics"),
    needs_store: true,
    handler: Handler::Later(|asked| Box::pin(metrics::show(asked))),
    ..PLAIN
};

pub(crate) static WIPE: Row = Row {
    name: "wipe",
    path: Path::Exact("/api/v1/admin/wipe"),
    methods: PUT,
    switch: Switch::AdminApi,
    need: Some(ForEvery(Right::Admin)),
    at: &[Admin],
    label: Some("wipe"),
    needs_store: true,
    offered: Some(("wipe", Switch::AdminApi)),
    handler: Handler::Later(|asked| {
        Box::pin(wipe::wipe(asked.service, asked.caller, asked.sender.address()))
    }),
    ..PLAIN
};

/// Each removal needs the right that made it: `admin` for a wipe, otherwise `delete` for each of its groups.
static REMOVED: Row = Row {
    name: "removed",
    path: Path::Exact("/api/v1/admin/removed"),
    need: Some(One([Right::Delete, Right::Admin])),
    at: &[Admin],
    label: Some("api/v1/admin/removed"),
    needs_store: true,
    handler: Handler::Later(|asked| Box::pin(undo::removed(asked))),
    ..PLAIN
};

pub(crate) static UNDO: Row = Row {
    name: "undo",
    path: Path::Exact("/api/v1/admin/undo"),
    methods: PUT,
    label: Some("api/v1/admin/undo"),
    offered: Some(("undo", Switch::Always)),
    handler: Handler::Later(|asked| Box::pin(undo::undo(asked))),
    ..REMOVED
};

pub(crate) static AUDIT: Row = Row {
    name: "audit",
    path: Path::Exact("/api/v1/admin/audit"),
    need: Some(ForEvery(Right::Admin)),
    at: &[Admin],
    label: Some("api/v1/admin/audit"),
    offered: Some(("audit", Switch::Always)),
    handler: Handler::Now(audit::list),
    ..PLAIN
};

static IMPORT: Row = Row {
    name: "import",
    path: Path::Exact("/api/v1/admin/import"),
    methods: POST,
    switch: Switch::AdminApi,
    need: Some(ForEvery(Right::Admin)),
    at: &[Admin],
    label: Some("api/v1/admin/import"),
    needs_store: true,
    offered: None,
    handler: Handler::WithBody(|asked, request| Box::pin(backup::import(asked, request))),
    ..PLAIN
};

static EXPORT: Row = Row {
    name: "export",
    path: Path::Exact("/api/v1/export"),
    need: Some(ForSome(Right::Read)),
    at: SHOWING,
    label: Some("api/v1/export"),
    needs_store: true,
    handler: Handler::Later(|asked| Box::pin(backup::export(asked))),
    ..PLAIN
};

/// Anywhere in the API: browsers ask without credentials whether they may use it.
pub(crate) static API_OPTIONS: Row = Row {
    name: "options",
    path: Path::Below(API),
    methods: &[Method::OPTIONS],
    label: Some("api/v1/options"),
    handler: Handler::Now(|_| options::show()),
    ..PLAIN
};

pub(crate) static GROUPS: Row = Row {
    name: "groups",
    path: Path::Exact("/api/v1/groups"),
    need: Some(ForSome(Right::Read)),
    at: SHOWING,
    label: Some("api/v1/groups"),
    needs_store: true,
    offered: Some(("read", Switch::Always)),
    handler: Handler::Later(|asked| Box::pin(groups::list(asked))),
    ..PLAIN
};

pub(crate) static DELETE_GROUPS: Row = Row {
    name: "delete groups",
    methods: DELETE,
    need: Some(ForSome(Right::Delete)),
    at: &[Admin],
    offered: Some(("delete_by_selector", Switch::AdminApi)),
    handler: Handler::Later(|asked| Box::pin(groups::delete(asked))),
    ..GROUPS
};

static GROUP: Row = Row {
    name: "group",
    path: Path::ApiGroup,
    offered: None,
    handler: Handler::Later(|asked| Box::pin(group::show(asked))),
    ..GROUPS
};

pub(crate) static DELETE_GROUP: Row = Row {
    name: "delete group",
    path: Path::ApiGroup,
    offered: Some(("delete_group", Switch::Always)),
    handler: Handler::Later(|asked| Box::pin(group::delete(asked))),
    ..DELETE_GROUPS
};

static HISTORY: Row = Row {
    name: "history",
    path: Path::ApiGroupHistory,
    offered: None,
    handler: Handler::Later(|asked| {
        Box::pin(group::history(
            asked.service,
            asked.path,
            asked.query,
            asked.caller,
        ))
    }),
    ..GROUPS
};

/// A picture, which wikis fetch with credentials that may read.
static BADGE: Row = Row {
    name: "badge",
    path: Path::ApiGroupBadge,
    offered: None,
    handler: Handler::Later(|asked| Box::pin(badge::show(asked))),
    ..GROUPS
};

/// What the group has counted is gone, as it is when the group is deleted.
static RESET: Row = Row {
    name: "reset",
    path: Path::ApiGroupReset,
    methods: POST,
    offered: None,
    handler: Handler::Later(|asked| Box::pin(group::reset(asked))),
    ..DELETE_GROUPS
};

pub(crate) static PUSH_MANY: Row = Row {
    name: "push many",
    path: Path::Exact("/api/v1/push"),
    methods: PUT_POST,
    need: Some(ForSome(Right::Push)),
    at: &[Push],
    label: Some("api/v1/push"),
    input: Some(Input::Many),
    needs_store: true,
    offered: Some(("push", Switch::Always)),
    handler: Handler::WithBody(|asked, request| Box::pin(push::handle_many(asked, request))),
    ..PLAIN
};

static FAMILIES: Row = Row {
    name: "families",
    path: Path::Exact("/api/v1/families"),
    label: Some("api/v1/families"),
    offered: None,
    handler: Handler::Later(|asked| Box::pin(families::list(asked))),
    ..GROUPS
};

static EXPECTATIONS: Row = Row {
    name: "expectations",
    path: Path::Exact("/api/v1/expectations"),
    label: Some("api/v1/expectations"),
    offered: None,
    handler: Handler::Later(|asked| Box::pin(expectations::list(asked))),
    ..GROUPS
};

/// Who may delete the group may do these: they hide what is missing.
static REMOVE_EXPECTATION: Row = Row {
    name: "remove expectation",
    path: Path::Expectation,
    methods: DELETE,
    need: Some(ForSome(Right::Delete)),
    at: &[Admin],
    handler: Handler::Later(|asked| Box::pin(expectations::remove(asked))),
    ..EXPECTATIONS
};

static PAUSE_EXPECTATION: Row = Row {
    name: "pause expectation",
    path: Path::ExpectationPause,
    methods: PUT_POST,
    handler: Handler::Later(|asked| Box::pin(expectations::pause(asked))),
    ..REMOVE_EXPECTATION
};

static RESUME_EXPECTATION: Row = Row {
    name: "resume expectation",
    path: Path::ExpectationResume,
    methods: PUT_POST,
    handler: Handler::Later(|asked| Box::pin(expectations::resume(asked))),
    ..REMOVE_EXPECTATION
};

pub(crate) static STATS: Row = Row {
    name: "stats",
    path: Path::Exact("/api/v1/stats"),
    need: Some(ForEvery(Right::Read)),
    at: SHOWING,
    label: Some("api/v1/stats"),
    offered: Some(("stats", Switch::Always)),
    handler: Handler::Later(|asked| Box::pin(stats::show(asked.service, asked.query, asked.caller))),
    ..PLAIN
};

static ALERTING: Row = Row {
    name: "alerting",
    path: Path::Exact("/api/v1/alerting"),
    need: Some(ForEvery(Right::Read)),
    at: SHOWING,
    label: Some("api/v1/alerting"),
    handler: Handler::Now(alerting::show),
    ..PLAIN
};

static REPLICAS: Row = Row {
    name: "replicas",
    path: Path::Exact("/api/v1/replicas"),
    need: Some(ForEvery(Right::Read)),
    at: SHOWING,
    label: Some("api/v1/replicas"),
    handler: Handler::Now(replicas::list),
    ..PLAIN
};

static EVENTS: Row = Row {
    name: "events",
    path: Path::Exact("/api/v1/events"),
    need: Some(ForSome(Right::Read)),
    at: SHOWING,
    label: Some("api/v1/events"),
    handler: Handler::Now(|asked| events::follow(&asked.service, asked.caller, asked.entry_point)),
    ..PLAIN
};

/// It says what whoever asks may do, also to those who may do nothing.
static ACCESS: Row = Row {
    name: "access",
    path: Path::Exact("/api/v1/access"),
    need: Some(Identity),
    at: SHOWING,
    label: Some("api/v1/access"),
    handler: Handler::Now(visitor::show),
    ..PLAIN
};

/// What routes there are is no secret.
static DESCRIPTION: Row = Row {
    name: "description",
    path: Path::Exact("/api/v1/openapi.json"),
    label: Some("api/v1/openapi.json"),
    handler: Handler::Now(|_| description::show()),
    ..PLAIN
};

/// The first whose path fits decides: the scrape may be wherever a flag puts it. `/api/v1/access` keeps this order.
pub(crate) static ROWS: [&Row; 38] = [
    &SCRAPE,
    &PUSH,
    &DELETE_PUSHED,
    &GROUPS,
    &STATS,
    &PUSH_MANY,
    &GROUP,
    &DELETE_GROUP,
    &DELETE_GROUPS,
    &HISTORY,
    &BADGE,
    &RESET,
    &FAMILIES,
    &EXPECTATIONS,
    &REMOVE_EXPECTATION,
    &PAUSE_EXPECTATION,
    &RESUME_EXPECTATION,
    &WIPE,
    &UNDO,
    &REMOVED,
    &RELOAD,
    &QUIT,
    &QUIT_BY_GET,
    &AUDIT,
    &IMPORT,
    &EXPORT,
    &ALERTING,
    &REPLICAS,
    &EVENTS,
    &ACCESS,
    &STATUS,
    &METRICS,
    &DESCRIPTION,
    &HEALTHY,
    &READY,
    &PAGE,
    &PAGE_AS_STATUS,
    &STATIC,
];
