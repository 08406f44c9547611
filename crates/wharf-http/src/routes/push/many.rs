//! `/api/v1/push`: one exposition for many groups, whose series carry the labels of their group.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use wharf_gateway::{Caller, Grouping, ManyAdmission, ManyOutcome, Reason, Refusal, Source, Waiting, Wish};
use wharf_model::name::{NameRule, is_reserved_label_name};

use crate::answer::envelope;
use crate::answer::json::{Members, write_strings};
use crate::answer::{respond, status};
use crate::request::labelled::{Labelled, Labels};
use crate::request::options;
use crate::request::query;
use crate::request::received::Received;
use crate::routes::row::Asked;
use crate::service::Service;
use crate::transport::arrived::Arrived;
use crate::transport::chunks::ResponseBody;

/// How many of the refused groups an answer has.
const MAX_LISTED: usize = 1_000;

/// Answers a push to many groups.
pub(crate) async fn handle(asked: Asked<'_>, mut request: Arrived) -> Response<ResponseBody> {
    let Asked {
        service,
        caller,
        source: Some(source),
        ..
    } = asked
    else {
        // Rows of pushes have an input.
        return respond::not_found();
    };
    let pushed = match admit(&service, &request, caller, source) {
        Ok((admission, grouping)) => push(&service, admission, grouping, request, None).await,
        Err(refusal) => {
            service.without_body(&mut request).await;
            Err(refusal)
        }
    };
    match pushed {
        Ok(outcome) => answer(&service, &outcome),
        Err(refusal) => status::answer(refusal),
    }
}

/// Here nothing has to be ignored for the sake of the Pushgateway, so a misspelt parameter is refused.
fn admit(
    service: &Service,
    request: &Request<Incoming>,
    caller: &Caller,
    source: Source,
) -> Result<(ManyAdmission, Grouping), Refusal> {
    let mut asked = (None, false);
    let wish = || wish(service, request, &mut asked);
    let admission = service.gateway.admit_many(caller, source, wish)?;
    let (Some(labels), partial) = asked else {
        let text =
            "expected `group_by`, the labels that make a group, found none\nhint: ?group_by=job,instance";
        return Err(admission.refuse(Refusal::new(Reason::Parameter, text)));
    };
    Ok((admission, Grouping { labels, partial }))
}

fn wish(
    service: &Service,
    request: &Request<Incoming>,
    (labels, partial): &mut (Option<Vec<String>>, bool),
) -> Result<Wish, Refusal> {
    let settings = service.gateway.settings();
    for (name, value) in query::parameters(request.uri().query())? {
        match name.as_str() {
            "group_by" => *labels = Some(label_names(&value, settings.pushes.names)?),
            "partial" => *partial = query::flag(&name, &value)?,
            "ttl" | "expect" | "merge" | "aggregate" | "counters" | "push_id" | "push_time" => {}
            other => {
                return Err(query::unknown(
                    other,
                    "group_by, partial, ttl, expect, merge, aggregate, counters, push_id, push_time",
                ));
            }
        }
    }
    options::wish(request, settings)
}

/// Label names with commas between them.
fn label_names(text: &str, names: NameRule) -> Result<Vec<String>, Refusal> {
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

/// Receives what was admitted, and stores it; its series get these labels, if there are some.
pub(crate) async fn push(
    service: &Arc<Service>,
    admission: ManyAdmission,
    grouping: Grouping,
    request: Arrived,
    labels: Option<Labels>,
) -> Result<ManyOutcome, Refusal> {
    let from = (admission.caller(), admission.source().peer);
    let receiving = admission.source().step("receive");
    let received = Received::read((&service.gateway, &service.bodies), request, from).await;
    drop(receiving);
    let received = match received {
        Ok(received) => received,
        Err(refusal) => return Err(admission.refuse(refusal)),
    };
    // How many groups it has, and what becomes of each, nobody knows yet: so it counts as long.
    let queueing = admission.source().step("queue");
    let turn = service.turn_to_store(&admission.caller().client()).await;
    drop(queueing);
    let turn = match turn {
        Ok(turn) => turn,
        Err(refusal) => return Err(admission.refuse(refusal)),
    };
    let (worker, source) = (Arc::clone(service), admission.source().clone());
    let effort = service.gateway.push_effort();
    let _waiting = Waiting::new(&effort);
    let run = tokio::task::spawn_blocking(move || {
        // It ends before the disk is waited for.
        let _turn = turn;
        admission.push(&grouping, &effort, |memory| {
            let body = received.expand(&worker.bodies, memory)?;
            Ok(Labelled { body, labels })
        })
    });
    match run.await {
        Ok(pending) => pending.settle().await,
        Err(_panicked) => {
            let refusal = Refusal::internal();
            service.gateway.refuse(&source, None, &refusal);
            Err(refusal)
        }
    }
}

fn answer(service: &Service, outcome: &ManyOutcome) -> Response<ResponseBody> {
    let ManyOutcome { stored, refused } = outcome;
    // Nothing of it was stored, so it is no success.
    let failure = refused
        .first()
        .filter(|_| *stored == 0)
        .map(|(_, refusal)| refusal);
    let status = failure.map_or(service.settings.bodies.success_status, |refusal| {
        status::of(refusal.reason)
    });
    let mut response = envelope::answer(status, |out| {
        let mut data = Members::object(out);
        data.integer("groups", *stored as u64);
        let mut list = Members::array(data.key("refused"));
        for (key, refusal) in refused.iter().take(MAX_LISTED) {
            let mut object = Members::object(list.next());
            write_strings(object.key("labels"), key.labels());
            object.string("error", &refusal.text);
            object.end();
        }
        list.end();
        data.integer("more_refused", refused.len().saturating_sub(MAX_LISTED) as u64);
        data.end();
    });
    if let Some(refusal) = failure {
        status::add_headers(refusal, &mut response);
    }
    response
}
