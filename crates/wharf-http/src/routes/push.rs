//! PUT, POST and DELETE of a group, and a push to many groups at once.

mod many;

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use wharf_gateway::{Admission, Caller, Content, Pushed, Refusal, Right, Settled, Source, Waiting};
use wharf_store::PushMode;

use crate::answer::receipt;
use crate::answer::respond;
use crate::answer::status;
use crate::request::grouping::{self, UrlError};
use crate::request::options::{self, replaced_by};
use crate::request::received::Received;
use crate::routes::row::Asked;
use crate::service::Service;
use crate::transport::arrived::Arrived;
use crate::transport::chunks::ResponseBody;

pub(crate) use self::many::{handle as handle_many, push as push_many};

/// Books a push that does not get as far as [`handle`], with the path that this would get.
pub(crate) fn refused_before(
    service: &Service,
    rest: &[u8],
    request: &Request<Incoming>,
    (caller, source): (&Caller, &Source),
    refusal: &Refusal,
) {
    let pushed = grouping::parse(rest, service.gateway.settings().pushes.names)
        .ok()
        .map(|key| Pushed {
            key,
            mode: replaced_by(request.method()),
            content: Content::default(),
        });
    // Who may not push there is none whose push was refused.
    let pushed = pushed.filter(|pushed| caller.demand_for(Right::Push, &pushed.key).is_ok());
    service.gateway.refuse_unheard(source, pushed, refusal);
}

/// Says in the answer to a push that it was added to what the group had.
const MERGED: HeaderName = HeaderName::from_static("wharf-merge");

/// Answers a push to the group that the path names.
pub(crate) async fn handle(asked: Asked<'_>, mut request: Arrived) -> Response<ResponseBody> {
    let Asked {
        service,
        caller,
        path,
        source: Some(source),
        ..
    } = asked
    else {
        // Rows of pushes have an input.
        return respond::not_found();
    };
    let key = match grouping::parse(path, service.gateway.settings().pushes.names) {
        Ok(key) => key,
        Err(error) => {
            tracing::debug!(url = %grouping::GoQuoted(path), err = %error, "failed to parse URL");
            service.without_body(&mut request).await;
            let refusal = Refusal::from(error);
            service.gateway.refuse(&source, None, &refusal);
            return status::answer(refusal);
        }
    };
    let group = (key, replaced_by(request.method()));
    let admitted = service.gateway.admit(caller, source, group, || {
        options::wish(&request, service.gateway.settings())
    });
    let mut is_added_up = false;
    let pushed = match admitted {
        Ok(admission) => {
            is_added_up = matches!(admission.pushed().mode, PushMode::Aggregate(_));
            push(&service, admission, request).await
        }
        Err(refusal) => {
            service.without_body(&mut request).await;
            Err(refusal)
        }
    };
    match pushed {
        Ok(Settled::Stored | Settled::Dropped) => {
            let mut response = respond::empty(service.success_status());
            if is_added_up {
                // Its sender may not know of a rule that adds up, and repeat itself.
                let aggregate = HeaderValue::from_static("aggregate");
                response.headers_mut().insert(MERGED, aggregate);
            }
            response
        }
        Err(refusal) => status::answer(refusal),
    }
}

/// Deletes the group that the path names.
pub(crate) async fn delete(asked: Asked<'_>) -> Response<ResponseBody> {
    let gateway = &asked.service.gateway;
    let deleted = match grouping::parse(asked.path, gateway.settings().pushes.names) {
        Ok(key) => {
            let place = || asked.service.scrape_place(asked.caller);
            let deleted = gateway
                .delete(asked.caller, &key, asked.sender.address(), place)
                .await;
            deleted.map(|removed| removed.undo)
        }
        // Such a group cannot exist, and deleting what does not exist succeeds.
        Err(UrlError::NotUtf8 { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    };
    match deleted {
        Ok(undo) => receipt::put_headers(respond::empty(StatusCode::ACCEPTED), undo.as_ref()),
        Err(refusal) => status::answer(refusal),
    }
}

async fn push(
    service: &Arc<Service>,
    mut admission: Admission,
    request: Arrived,
) -> Result<Settled, Refusal> {
    let from = (admission.caller(), admission.source().peer);
    let receiving = admission.source().step("receive");
    let received = Received::read((&service.gateway, &service.bodies), request, from).await;
    drop(receiving);
    let received = match received {
        Ok(received) => received,
        Err(refusal) => return Err(admission.refuse(refusal)),
    };
    admission.received(received.len());
    let expanding = admission.source().step("expand");
    let quick = received.expand_quickly(&service.bodies);
    drop(expanding);
    let quick = match quick {
        Ok(quick) => quick,
        Err(refusal) => return Err(admission.refuse(refusal)),
    };
    if let Some(body) = quick {
        let patience = service.bodies.patience();
        if let Err(refusal) = service.gateway.until_disk_keeps_up(false, patience).await {
            return Err(admission.refuse(refusal));
        }
        service.gateway.yield_while_busy().await;
        match admission.push_quickly(&body) {
            Ok(pending) => {
                drop(body);
                // Its places are not for those who wait for the disk.
                drop(received);
                return pending.settle().await;
            }
            Err(takes_long) => admission = takes_long,
        }
    }
    // Rare, and large beside what is not.
    Box::pin(push_when_it_is_its_turn(service, admission, received)).await
}

/// Pushes what takes long: on another thread, and when its client has a turn.
async fn push_when_it_is_its_turn(
    service: &Arc<Service>,
    admission: Admission,
    received: Received,
) -> Result<Settled, Refusal> {
    let queueing = admission.source().step("queue");
    let turn = service.turn_to_store(received.client()).await;
    drop(queueing);
    let turn = match turn {
        Ok(turn) => turn,
        Err(refusal) => return Err(admission.refuse(refusal)),
    };
    let (worker, source, pushed) = (
        Arc::clone(service),
        admission.source().clone(),
        admission.pushed().clone(),
    );
    let effort = service.gateway.push_effort();
    // Whoever has gone is not worked for; over HTTP/1 many send and do not wait, and are not gone.
    let _waiting = Waiting::new(&effort);
    let run = tokio::task::spawn_blocking(move || {
        // It ends before the disk is waited for.
        let _turn = turn;
        admission.push(&effort, |memory| received.expand(&worker.bodies, memory))
    });
    match run.await {
        Ok(pending) => pending.settle().await,
        Err(_panicked) => {
            let refusal = Refusal::internal();
            service.gateway.refuse(&source, Some(pushed), &refusal);
            Err(refusal)
        }
    }
}
