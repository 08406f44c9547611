//! `/api/v1/events`: changes as they happen, as server-sent events. All readers share the text of a notice.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};
use tokio::time::Interval;
use wharf_gateway::{Again, Caller, Follower, Full, Refusal, Right, Scope, are_in_force};

use crate::answer::{respond, status};
use crate::routes::notices::NoticeTexts;
use crate::service::Service;
use crate::transport::access::AccessControl;
use crate::transport::chunks::{Chunks, NextPart, PartSource, ResponseBody};
use crate::transport::entry_point::EntryPoint;

/// `GET /api/v1/events`.
///
/// The answer has no end. It counts as no request in flight: those who wait must not keep those out who push.
///
/// What the reader may see is found out at the beginning. So when there are other rules, or other users, the answer ends
/// after all, and whoever still may see it asks again.
pub(crate) fn follow(
    service: &Arc<Service>,
    caller: &Caller,
    entry_point: &EntryPoint,
) -> Response<ResponseBody> {
    // Who may not see all groups gets to know that something has changed, and finds out what by asking.
    let names_groups = caller.scope(Right::Read) == Scope::Everything;
    let is_welcome = {
        let (service, caller, access) = (
            Arc::clone(service),
            caller.clone(),
            entry_point.share_access_control(),
        );
        move || {
            let users = access.as_deref().and_then(AccessControl::users);
            are_in_force(&caller, service.gateway.policy().access(), users.as_ref())
        }
    };
    let changes = &service.gateway.activity().changes;
    let follower = match changes.follow(&caller.client()) {
        Ok(follower) => follower,
        Err(full) => return status::answer(too_many(full, changes.max_followers())),
    };
    let reader = Reader {
        texts: Arc::clone(&service.notice_texts),
        names_groups,
        has_begun: false,
        is_welcome: Box::new(is_welcome),
        heartbeat: heartbeat(),
        stopping: Box::pin(service.shutdown.wait()),
        follower,
    };
    let mut response = respond::with_type(
        StatusCode::OK,
        "text/event-stream",
        ResponseBody::events(reader.next()),
    );
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would gather for ever.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// More readers than can be kept informed.
fn too_many(full: Full, max_readers: usize) -> Refusal {
    Refusal {
        again: Again::After(Duration::from_secs(5)),
        ..full.refusal("readers of events", max_readers)
    }
}

/// So a reader that is gone is found out.
const HEARTBEAT: Duration = Duration::from_secs(15);

fn heartbeat() -> Interval {
    let first = tokio::time::Instant::now() + HEARTBEAT;
    tokio::time::interval_at(first, HEARTBEAT)
}

/// Whether a reader may still read. Asked before each thing that it is told.
type IsWelcome = Box<dyn Fn() -> bool + Send>;

/// One that follows changes.
struct Reader {
    follower: Follower,
    texts: Arc<NoticeTexts>,
    /// Whether notices name the groups that have changed; without, they say that there were many.
    names_groups: bool,
    has_begun: bool,
    is_welcome: IsWelcome,
    heartbeat: Interval,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Reader {
    /// What is to be sent next, as long as the gateway does not stop and the reader is welcome.
    fn next(self) -> NextPart {
        Box::pin(async move {
            let (text, reader) = self.text().await?;
            Some(Ok((Chunks::of(text), PartSource::new(|| reader.next()))))
        })
    }

    async fn text(mut self) -> Option<(Bytes, Self)> {
        if !self.has_begun {
            self.has_begun = true;
            let number = self.follower.number();
            let hello = format!("retry: 2000\nevent: hello\ndata: {{\"seq\":{number}}}\n\n");
            return Some((hello.into(), self));
        }
        let text = tokio::select! {
            biased;
            () = &mut self.stopping => return None,
            notice = self.follower.next() => {
                let mut notice = notice?;
                notice.groups = notice.groups.filter(|_| self.names_groups);
                self.texts.of(&notice)
            }
            _ = self.heartbeat.tick() => Bytes::from_static(b":\n\n"),
        };
        (self.is_welcome)().then_some((text, self))
    }
}

#[cfg(test)]
mod tests {
    use wharf_gateway::{Changes, Client, Shutdown};

    use wharf_model::name::NameRule;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_heart_beats_until_the_gateway_stops() {
        let (changes, shutdown) = (Changes::new(9), Shutdown::default());
        let reader = Reader {
            follower: changes.follow(&Client::Known("a".to_owned())).unwrap(),
            texts: Arc::new(NoticeTexts::new(NameRule::Legacy)),
            names_groups: true,
            has_begun: false,
            is_welcome: Box::new(|| true),
            heartbeat: heartbeat(),
            stopping: Box::pin(shutdown.wait()),
        };
        let (hello, reader) = reader.text().await.unwrap();
        assert_eq!(hello, "retry: 2000\nevent: hello\ndata: {\"seq\":0}\n\n");
        let (text, reader) = reader.text().await.unwrap();
        assert_eq!(text, ":\n\n");
        shutdown.trigger();
        assert!(reader.text().await.is_none());
    }
}
