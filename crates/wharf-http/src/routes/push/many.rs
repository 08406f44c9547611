//! `/api/v1/push`: one exposition for many groups, whose series carry the labels of their group.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use wharf_gateway::{Active, Caller, Content, Peer, Pushed, Refusal, Right};
use wharf_model::name::{NameRule, is_reserved_label_name};
use wharf_model::{Exposition, GroupingKey};
use wharf_store::{Commit, Facts, GroupPush};

use super::{Received, demand_date, is_inconsistent};
use crate::answer::envelope;
use crate::answer::json::{Members, write_strings};
use crate::answer::status;
use crate::request::body;
use crate::request::options::{PushOptions, replaced_by};
use crate::request::query;
use crate::service::Service;
use crate::transport::chunks::ResponseBody;

/// Groups in one push that is stored whole or not at all: nobody else can push or scrape meanwhile.
const MAX_GROUPS_AT_ONCE: usize = 10_000;
/// Groups in one push that is stored group by group.
const MAX_GROUPS: usize = 1_000_000;
/// Longest grouping key. In a URL it could not be much longer either; a compressed body has room for any.
const MAX_KEY_BYTES: usize = 16 * 1024;
/// How many of the refused groups an answer has.
const MAX_LISTED: usize = 1_000;
/// How many of them are logged one by one: the sender decides how many there are.
const MAX_LOGGED: usize = 10;

/// Answers a push to many groups.
pub(crate) async fn handle(
    service: Arc<Service>,
    request: Request<Incoming>,
    caller: &Caller,
) -> Response<ResponseBody> {
    let address = super::peer(&request).and_then(Peer::ip);
    let read = Parameters::of(&service, &request, caller);
    // The groups of a push that is stored whole or not at all.
    let mut together = Vec::new();
    let pushed = match read {
        Ok(parameters) => push(Arc::clone(&service), parameters, request, &mut together).await,
        Err(error) => {
            let (parts, body) = request.into_parts();
            body::discard(&parts.headers, body, service.settings.body_timeout).await;
            Err(error)
        }
    };
    pushed.unwrap_or_else(|error| {
        service.gateway.record_refusal(&error, None, address);
        for pushed in together {
            let error = wharf_gateway::in_history_of(&error, &pushed.key, caller);
            service.gateway.record_refusal_of(pushed, &error);
        }
        status::answer(error)
    })
}

/// What the query asks for.
struct Parameters {
    /// The labels whose values say which group a series belongs to.
    group_by: Vec<String>,
    /// Whether groups that can be stored are, although others cannot.
    partial: bool,
    options: PushOptions,
    rules: Arc<Active>,
    caller: Caller,
}

impl Parameters {
    /// Here nothing has to be ignored for the sake of the original, so a misspelt parameter is refused.
    fn of(service: &Service, request: &Request<Incoming>, caller: &Caller) -> Result<Self, Refusal> {
        let (mut group_by, mut partial) = (None, false);
        for (name, value) in query::parameters(request.uri().query())? {
            match name.as_str() {
                "group_by" => group_by = Some(labels(&value, service.gateway.settings().names)?),
                "partial" => partial = query::flag(&name, &value)?,
                "ttl" | "merge" | "push_time" => {}
                other => return Err(query::unknown(other, "group_by, partial, ttl, merge, push_time")),
            }
        }
        let missing =
            "expected `group_by`, the labels that make a group, found none\nhint: ?group_by=job,instance";
        let options = PushOptions::of(
            request.method(),
            request.uri().query(),
            request.headers(),
            service.gateway.settings().max_ttl,
            service.gateway.settings().admin_api,
        )?;
        demand_date(&options, caller)?;
        Ok(Self {
            group_by: group_by.ok_or_else(|| Refusal::parameter(&missing))?,
            partial,
            options,
            rules: service.gateway.policy(),
            caller: caller.clone(),
        })
    }
}

/// Label names with commas between them.
fn labels(text: &str, names: NameRule) -> Result<Vec<String>, Refusal> {
    let mut seen = BTreeSet::new();
    for name in text.split(',') {
        if !names.allows_label_name(name) || is_reserved_label_name(name) {
            return Err(Refusal::parameter(&format!(
                "group_by: expected label names with commas between them, found `{}`",
                query::shown(name)
            )));
        }
        if !seen.insert(name) {
            return Err(Refusal::parameter(&format!(
                "group_by: expected each label once, found `{}` twice",
                query::shown(name)
            )));
        }
    }
    if !seen.contains("job") {
        let text = "group_by: expected `job` among the labels, which every group has, found none";
        return Err(Refusal::parameter(&text));
    }
    Ok(seen.into_iter().map(str::to_owned).collect())
}

async fn push(
    service: Arc<Service>,
    parameters: Parameters,
    request: Request<Incoming>,
    together: &mut Vec<Pushed>,
) -> Result<Response<ResponseBody>, Refusal> {
    let received = Received::read(&service, request, &parameters.caller).await?;
    let worker = Arc::clone(&service);
    let run = tokio::task::spawn_blocking(move || {
        let mut together = Vec::new();
        let run = parameters.run(&received, &worker, &mut together);
        (run, together)
    });
    let (run, groups) = run
        .await
        .unwrap_or_else(|_| (Err(Refusal::internal()), Vec::new()));
    *together = groups;
    let stored = run?;
    let Stored {
        pushed,
        commits,
        refused,
    } = stored;
    for commit in commits {
        commit.wait().await?;
    }
    let (groups, now) = (pushed.len(), service.gateway.now());
    for pushed in pushed {
        service.gateway.activity().stored(pushed, now);
    }
    // Nothing of it was stored, so it is no success.
    let failure = refused.first().filter(|_| groups == 0).map(|(_, error)| error);
    let status = failure.map_or(service.settings.success_status, |error| status::of(error.reason));
    let mut response = envelope::answer(status, |out| {
        let mut data = Members::object(out);
        data.key("groups")
            .extend_from_slice(groups.to_string().as_bytes());
        let mut list = Members::array(data.key("refused"));
        for (key, error) in refused.iter().take(MAX_LISTED) {
            let mut object = Members::object(list.next());
            write_strings(object.key("labels"), key.labels());
            object.string("error", &error.text);
            object.end();
        }
        list.end();
        data.integer("more_refused", refused.len().saturating_sub(MAX_LISTED) as u64);
        data.end();
    });
    if let Some(error) = failure {
        status::add_headers(error, &mut response);
    }
    Ok(response)
}

/// What has become of the groups of a push.
struct Stored {
    /// Those that are stored, when the commits have been waited for.
    pushed: Vec<Pushed>,
    /// What is left to wait for.
    commits: Vec<Commit>,
    refused: Vec<(GroupingKey, Refusal)>,
}

impl Parameters {
    /// If all groups are stored or none, `together` gets them as soon as it is known that they may be pushed to.
    fn run(
        &self,
        received: &Received,
        service: &Service,
        together: &mut Vec<Pushed>,
    ) -> Result<Stored, Refusal> {
        let body = received.expand(service.settings.max_body_bytes)?;
        let exposition = received.decode(service, &body)?;
        let group_by: Vec<&str> = self.group_by.iter().map(String::as_str).collect();
        let split = wharf_store::split(&exposition, &group_by, self.max_groups())?;
        let keys = split.iter().map(|(key, _)| key);
        if let Some(long) = keys.clone().find(|key| key.as_bytes().len() > MAX_KEY_BYTES) {
            let length = long.as_bytes().len();
            let text =
                format!("expected grouping keys of at most {MAX_KEY_BYTES} bytes, found one of {length}");
            return Err(Refusal::parameter(&text));
        }
        if !self.partial {
            for key in keys.clone() {
                self.caller.demand_for(Right::Push, key)?;
            }
            let all = keys.clone();
            together.extend(all.map(|key| received.push_to(key.clone(), Content::default())));
            self.rules
                .admit_all(keys, Instant::now)
                .map_err(|(key, error)| Refusal::from(&error).of_group(key))?;
        }
        let (mut groups, mut refused) = (Vec::with_capacity(split.len()), Vec::new());
        for (key, exposition) in split {
            match self.prepare(service, key.clone(), exposition) {
                Ok(group) => groups.push(group),
                Err(error) if self.partial => refused.push((key, error)),
                Err(error) => return Err(error.of_group(&key)),
            }
        }
        if self.partial {
            return Ok(self.store_each(service, received, &groups, refused));
        }
        match service.gateway.store().push_all(
            &groups,
            self.options.mode,
            self.options.time(service.gateway.now()),
        ) {
            Ok(commit) => Ok(Stored {
                pushed: groups.iter().map(|group| received.pushed(group)).collect(),
                commits: vec![commit],
                refused,
            }),
            Err(refused) => {
                if let Some(key) = &refused.key {
                    received.log_inconsistent(key, &refused.error);
                }
                Err(wharf_gateway::of_groups(refused, &self.caller))
            }
        }
    }

    fn max_groups(&self) -> usize {
        if self.partial {
            MAX_GROUPS
        } else {
            MAX_GROUPS_AT_ONCE
        }
    }

    /// One group as it is to be stored.
    fn prepare<'e>(
        &self,
        service: &Service,
        key: GroupingKey,
        mut exposition: Exposition<'e>,
    ) -> Result<GroupPush<'e>, Refusal> {
        let settings = service.gateway.settings();
        settings.push_limits.check_key(&key)?;
        if self.partial {
            self.caller.demand_for(Right::Push, &key)?;
            self.rules
                .admit(&key, Instant::now)
                .map_err(|error| Refusal::from(&error))?;
        }
        let relabelled =
            wharf_relabel::relabel(self.rules.relabelling(), &key, &mut exposition, settings.names)
                .map_err(|error| Refusal::from(&error))?;
        service.gateway.telemetry().record_dropped(relabelled.dropped);
        Ok(GroupPush {
            ttl: self.rules.ttl(&key, self.options.ttl, settings.default_ttl),
            key,
            exposition,
            facts: Facts::default(),
        })
    }

    fn store_each(
        &self,
        service: &Service,
        received: &Received,
        groups: &[GroupPush<'_>],
        mut refused: Vec<(GroupingKey, Refusal)>,
    ) -> Stored {
        let now = self.options.time(service.gateway.now());
        let mut commits = Vec::with_capacity(groups.len());
        let mut pushed = Vec::with_capacity(groups.len());
        let mut inconsistent = 0;
        for group in groups {
            let GroupPush {
                key, exposition, ttl, ..
            } = group;
            match service
                .gateway
                .store()
                .push_with_ttl(key, self.options.mode, exposition, *ttl, now)
            {
                Ok(commit) => {
                    commits.push(commit);
                    pushed.push(received.pushed(group));
                }
                Err(error) => {
                    inconsistent += usize::from(is_inconsistent(&error));
                    if inconsistent <= MAX_LOGGED {
                        received.log_inconsistent(key, &error);
                    }
                    refused.push((key.clone(), wharf_gateway::of_push(error, &self.caller)));
                }
            }
        }
        if let Some(groups) = inconsistent.checked_sub(MAX_LOGGED).filter(|groups| *groups > 0) {
            tracing::error!(method = %received.method, source = received.source(), groups, "more groups of this push are invalid or inconsistent with existing metrics");
        }
        for (key, error) in &refused {
            let pushed = received.push_to(key.clone(), Content::default());
            service
                .gateway
                .record_refusal(error, Some(pushed), received.peer.and_then(Peer::ip));
            if let Some(right) = error.reason.lacks() {
                service.gateway.telemetry().record_denial(right);
            }
        }
        Stored {
            pushed,
            commits,
            refused,
        }
    }
}

impl Received {
    /// A group of this push, for those who look at it. The body is that of all groups, so none of its bytes are
    /// counted as this one's.
    fn pushed(&self, group: &GroupPush<'_>) -> Pushed {
        let mut content = Content::default();
        content.read(&group.exposition);
        self.push_to(group.key.clone(), content)
    }

    fn push_to(&self, key: GroupingKey, content: Content) -> Pushed {
        Pushed {
            key,
            mode: replaced_by(&self.method),
            content,
        }
    }
}
