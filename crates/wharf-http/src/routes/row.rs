//! What a row of the table of routes has.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderMap, Method, Response};
use wharf_gateway::{Caller, Input, Need, Refusal, Right, Scope, Source, Work};

use crate::service::Service;
use crate::transport::arrived::{Arrived, Sender};
use crate::transport::chunks::ResponseBody;
use crate::transport::entry_point::EntryPoint;
use crate::transport::purpose::Purpose;

/// Below this are the routes that answer in JSON, and none that a flag moves there.
pub(crate) const API: &str = "/api/v1/";

/// One route.
pub(crate) struct Row {
    /// As tests and logs call it.
    pub(crate) name: &'static str,
    pub(crate) path: Path,
    /// HEAD counts as GET.
    pub(crate) methods: &'static [Method],
    /// While this is off there is no such route.
    pub(crate) switch: Switch,
    /// What rules may withhold; none: everybody is welcome.
    pub(crate) need: Option<Need>,
    /// At listeners for one of these purposes. Elsewhere there is no such route.
    pub(crate) at: &'static [Purpose],
    /// The label `handler` of `pushgateway_http_requests_total`; none for requests that are not counted.
    pub(crate) label: Option<&'static str>,
    /// What pushes by it come in by; none if it takes none.
    pub(crate) input: Option<Input>,
    /// Whether it is refused until the stored groups are loaded.
    pub(crate) needs_store: bool,
    /// How `/api/v1/access` calls it, if it says whether this may be asked for, and what has to be on for that.
    pub(crate) offered: Option<(&'static str, Switch)>,
    pub(crate) handler: Handler,
}

/// What answers.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// What needs nobody to wait. The body of the request does not matter.
    Now(for<'a> fn(&Asked<'a>) -> Response<ResponseBody>),
    /// The body does not matter here either.
    Later(for<'a> fn(Asked<'a>) -> Answering<'a>),
    /// What reads the body, or says that nobody does.
    WithBody(for<'a> fn(Asked<'a>, Arrived) -> Answering<'a>),
}

/// An answer on its way.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send + 'a>>;

/// What handlers get to know of a request.
pub(crate) struct Asked<'a> {
    pub(crate) service: Arc<Service>,
    pub(crate) caller: &'a Caller,
    pub(crate) entry_point: &'a EntryPoint,
    pub(crate) sender: &'a Sender,
    /// Where it comes from, if it is a push.
    pub(crate) source: Option<Source>,
    /// The decoded path: from the key of a group on, where the route has one; otherwise below the prefix.
    pub(crate) path: &'a [u8],
    /// Empty and none for those that get the whole request.
    pub(crate) headers: HeaderMap,
    pub(crate) query: Option<&'a str>,
    /// All routes, for the one that says which may be asked for.
    pub(crate) rows: &'static [&'static Row],
}

impl Asked<'_> {
    /// A place for work that may take long, until its client has gone.
    ///
    /// # Errors
    /// If there is none for whoever asks.
    pub(crate) fn work(&self) -> Result<Work, Refusal> {
        // Without a parameter all groups are shown to whoever may see all, and nobody has to choose.
        let chooses = self.query.is_some() || self.caller.scope(Right::Read) != Scope::Everything;
        if chooses {
            self.long_work()
        } else {
            self.begin_work()
        }
    }

    /// A place for work that keeps a processor busy whatever is asked for.
    ///
    /// # Errors
    /// As [`Self::work`].
    pub(crate) fn long_work(&self) -> Result<Work, Refusal> {
        Ok(self.begin_work()?.in_turn(self.caller.client()))
    }

    fn begin_work(&self) -> Result<Work, Refusal> {
        let place = self.service.scrape_place(self.caller)?;
        let gone = Arc::clone(&self.sender.presence).gone();
        Ok(Work::new(&self.service.gateway, place, Box::pin(gone)))
    }
}

/// Where a route is, below the prefix of all routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    Exact(&'static str),
    /// Whatever the prefix: the Pushgateway has it so.
    Outside(&'static str),
    /// The path of the scrape, which a flag may change.
    Scrape,
    /// Everything that begins so.
    Below(&'static str),
    /// The key of a group to push to.
    Group,
    /// The key of a group to look at.
    ApiGroup,
    /// The same, and `/history` behind it. A label without a value that is called `history` is none.
    ApiGroupHistory,
    /// The same, with `/reset`.
    ApiGroupReset,
    /// The key of a group of which pushes are expected.
    Expectation,
    /// The same, and `/pause` behind it.
    ExpectationPause,
    /// The same, with `/resume`.
    ExpectationResume,
    /// The same, with `/badge.svg`.
    ApiGroupBadge,
}

/// What there is only if a flag says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Always,
    /// `--web.enable-admin-api`.
    AdminApi,
    /// `--web.enable-lifecycle`.
    Lifecycle,
}

impl Switch {
    pub(crate) fn is_on(self, admin_api: bool, lifecycle: bool) -> bool {
        match self {
            Self::Always => true,
            Self::AdminApi => admin_api,
            Self::Lifecycle => lifecycle,
        }
    }
}

impl Path {
    /// Whether a path is this one, which is outside the prefix.
    pub(crate) fn is_outside(self, path: &[u8]) -> bool {
        matches!(self, Self::Outside(outside) if path == outside.as_bytes())
    }

    /// Whether a path is this one; where in it a key of a group begins, if one does.
    pub(crate) fn find(self, path: &[u8], scrape_path: &str) -> Option<usize> {
        let is_it = |is_it: bool| is_it.then_some(0);
        match self {
            Self::Exact(exact) => is_it(path == exact.as_bytes()),
            // Found before anything else.
            Self::Outside(_) => None,
            Self::Scrape => is_it(path == scrape_path.as_bytes() && !path.starts_with(API.as_bytes())),
            Self::Below(beginning) => is_it(path.starts_with(beginning.as_bytes())),
            Self::Group => key_behind("/metrics/job", path).map(|(at, _)| at),
            Self::ApiGroup | Self::ApiGroupHistory | Self::ApiGroupReset | Self::ApiGroupBadge => {
                let (at, values) = key_behind("/api/v1/groups/job", path)?;
                (self == Self::of_group(values)).then_some(at)
            }
            Self::Expectation | Self::ExpectationPause | Self::ExpectationResume => {
                let (at, values) = key_behind("/api/v1/expectations/job", path)?;
                (self == Self::of_expectation(values)).then_some(at)
            }
        }
    }
}

impl Path {
    /// Which path a group is asked for with, by the values of its key and what stands behind them.
    fn of_group(values: &[u8]) -> Self {
        let has_more = has_more(values);
        match values {
            values if has_more && values.ends_with(b"/history") => Self::ApiGroupHistory,
            values if has_more && values.ends_with(b"/reset") => Self::ApiGroupReset,
            values if has_more && values.ends_with(b"/badge.svg") => Self::ApiGroupBadge,
            _ => Self::ApiGroup,
        }
    }

    /// Likewise what is expected of a group.
    fn of_expectation(values: &[u8]) -> Self {
        let has_more = has_more(values);
        match values {
            values if has_more && values.ends_with(b"/pause") => Self::ExpectationPause,
            values if has_more && values.ends_with(b"/resume") => Self::ExpectationResume,
            _ => Self::Expectation,
        }
    }
}

/// Whether something stands behind the key of a group: values and names come in turn, and a value is the last.
fn has_more(values: &[u8]) -> bool {
    values.split(|byte| *byte == b'/').count() % 2 == 0
}

/// Where the key of a group begins that is behind this, and its values from that of `job` on.
fn key_behind<'p>(beginning: &str, path: &'p [u8]) -> Option<(usize, &'p [u8])> {
    let key = path.strip_prefix(beginning.as_bytes())?;
    let values = key.strip_prefix(b"@base64").unwrap_or(key).strip_prefix(b"/")?;
    let has_job = values.first().is_some_and(|byte| *byte != b'/');
    has_job.then_some((beginning.len(), values))
}

impl Row {
    /// Whether it says how the process is, to whoever decides whether it goes on.
    pub(crate) fn is_probe(&self) -> bool {
        matches!(self.path, Path::Exact("/-/healthy" | "/-/ready"))
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Rows are statics: two of them are the same only if they are one.
impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Row {}
