//! `POST` and `PUT` of parts: the path is labels of the series, and each series belongs to the group of its job.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use wharf_gateway::{Grouping, Refusal, Wish};
use wharf_store::{Gauges, PushMode};

use crate::answer::{envelope, respond, status};
use crate::request::labelled::{self, JOB, Labels};
use crate::request::options;
use crate::routes::push::push_many;
use crate::routes::row::Asked;
use crate::service::Service;
use crate::transport::arrived::Arrived;
use crate::transport::chunks::ResponseBody;

/// Answers a push: 202 without a body, whatever the method.
pub(super) async fn handle(asked: Asked<'_>, mut request: Arrived) -> Response<ResponseBody> {
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
    let labels = labelled::read(path);
    let admitted = service
        .gateway
        .admit_many(caller, source, || wish(&service, &request));
    let admitted = match (admitted, labels) {
        (Ok(admission), Ok(labels)) => Ok((admission, labels)),
        (Ok(admission), Err(refusal)) => Err(admission.refuse(refusal)),
        (Err(refusal), _) => Err(refusal),
    };
    let (admission, labels) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => {
            service.without_body(&mut request).await;
            return status::answer(refusal);
        }
    };
    let push_job = labels.job().to_owned();
    let job = Arc::clone(&service.gateway.settings().aggregate_job);
    let grouping = Grouping {
        labels: vec![JOB.to_owned()],
        partial: false,
    };
    let labels = Labels { path: labels, job };
    match push_many(&service, admission, grouping, request, Some(labels)).await {
        Ok(outcome) => {
            // A push without series adds nothing up, and the names in its path are no jobs.
            if outcome.stored > 0 {
                service.aggregated.count(&push_job);
            }
            let mut response = respond::empty(StatusCode::ACCEPTED);
            envelope::share(&mut response);
            response
        }
        Err(refusal) => status::answer(refusal),
    }
}

/// Gauges are summed unless the push says otherwise. `PUT` adds as `POST` does.
fn wish(service: &Service, request: &Request<Incoming>) -> Result<Wish, Refusal> {
    let mut wish = options::wish_of_part(request, service.gateway.settings())?;
    if wish.adding.wanted == Some(false) {
        let text = "expected a push that is added up, as all are at this address, found one that is not";
        return Err(Refusal::parameter(&text));
    }
    wish.mode = PushMode::ReplaceFamilies;
    wish.adding.wanted = Some(true);
    wish.adding.gauges.get_or_insert(Gauges::Sum);
    // Labels of the path are those of series here: the same id at another path is another push, as it would be of another group.
    wish.id = wish.id.map(|id| id.within(request.uri().path().as_bytes()));
    Ok(wish)
}
