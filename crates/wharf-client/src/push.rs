//! A push, and the request that it makes.

use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use wharf_model::GroupingKey;

use crate::client::{Method, Request};
use crate::path::group_path;

/// The media type of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The header that says how a push merges, and its value for one that is added to what the group has.
pub(crate) const MERGE: &str = "Wharf-Merge";
pub(crate) const AGGREGATE: &str = "aggregate";

/// The header that says what a push is called, so that a gateway does not count it again when it is repeated.
pub(crate) const PUSH_ID: &str = "Wharf-Push-Id";

/// What a push does with what the group has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Everything in the group leaves (`PUT`).
    ReplaceGroup,
    /// Families of the same name leave, others stay (`POST`).
    ReplaceFamilies,
    /// What is pushed is added to what the group has. A Pushgateway does not know this, and replaces families.
    Aggregate,
}

/// What the counters, histograms and summaries of a push count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Counters {
    /// What the gateway's rules say; without a rule, all since a start.
    #[default]
    AsConfigured,
    /// What one run has counted: a Wharf gives them the time of the push as their start, so that a reader which knows starts
    /// adds runs up. The Pushgateway does not know this.
    Run,
}

/// Metrics for one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The group.
    pub key: GroupingKey,
    /// What is replaced.
    pub how: How,
    /// The metrics in the text format, every line ended by a line feed.
    pub text: Vec<u8>,
    /// For how long the group is to stay after this push; for ever if zero, as the gateway thinks fit if none.
    /// The Pushgateway gateway does not know this and keeps groups for ever.
    pub ttl: Option<Duration>,
    /// When the next push is expected: a line such as `every=24h; grace=1h`, or `none`; as pushes before have said if none.
    /// A Wharf has to allow it, and the Pushgateway does not know it.
    pub expect: Option<String>,
    /// What counters, histograms and summaries count.
    pub counters: Counters,
}

/// An id that no other push has; none if the system has no random numbers.
fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(bytes)))
}

impl Push {
    /// The request; its body may be sent compressed. One that is added up has an id of its own, so each request is another push.
    pub fn request(&self) -> Request {
        let mut request = Request::new(
            match self.how {
                How::ReplaceGroup => Method::Put,
                How::ReplaceFamilies | How::Aggregate => Method::Post,
            },
            group_path(&self.key),
        );
        request.headers.push(("Content-Type", TEXT.to_owned()));
        if let Some(ttl) = self.ttl {
            request
                .headers
                .push(("Wharf-TTL", format!("{}ms", ttl.as_millis())));
        }
        if let Some(expect) = &self.expect {
            request.headers.push(("Wharf-Expect", expect.clone()));
        }
        if self.how == How::Aggregate {
            request.headers.push((MERGE, AGGREGATE.to_owned()));
            // Without one it may not be repeated.
            request.headers.extend(random_id().map(|id| (PUSH_ID, id)));
        }
        if self.counters == Counters::Run {
            request.headers.push(("Wharf-Counters", "run".to_owned()));
        }
        request.body.clone_from(&self.text);
        request.compress = true;
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(text: &[u8]) -> Push {
        Push {
            key: GroupingKey::new([("job", "a")]).unwrap(),
            how: How::ReplaceGroup,
            text: text.to_vec(),
            ttl: Some(Duration::from_secs(90)),
            expect: None,
            counters: Counters::AsConfigured,
        }
    }

    #[test]
    fn a_push_is_a_request_with_its_time_to_live() {
        let request = push(b"m 1\n").request();
        assert_eq!(
            (request.method, request.path.as_str()),
            (Method::Put, "/metrics/job/a")
        );
        assert_eq!(request.body, b"m 1\n");
        assert_eq!(
            request.headers,
            [
                ("Content-Type", TEXT.to_owned()),
                ("Wharf-TTL", "90000ms".to_owned())
            ]
        );
    }

    #[test]
    fn a_push_that_is_added_up_says_so_and_has_an_id_by_which_it_may_be_repeated() {
        let replacing = push(b"m 1\n");
        assert!(replacing.request().is_repeatable() && !replacing.request().adds());
        let adding = Push {
            how: How::Aggregate,
            ttl: None,
            ..replacing
        };
        let request = adding.request();
        assert_eq!(request.method, Method::Post);
        assert!(request.headers.contains(&("Wharf-Merge", "aggregate".to_owned())));
        assert!(request.is_repeatable() && request.adds());
        let id = |request: &Request| request.headers.iter().find(|(name, _)| *name == PUSH_ID).cloned();
        assert_eq!(id(&request).unwrap().1.len(), 32);
        assert_ne!(id(&request), id(&adding.request()));
        let mut without = request;
        without.headers.retain(|(name, _)| *name != PUSH_ID);
        assert!(!without.is_repeatable());
    }

    #[test]
    fn a_push_says_when_the_next_one_is_expected() {
        let expecting = Push {
            expect: Some("every=24h; grace=1h".to_owned()),
            ..push(b"m 1\n")
        };
        let headers = expecting.request().headers;
        assert!(headers.contains(&("Wharf-Expect", "every=24h; grace=1h".to_owned())));
    }

    #[test]
    fn a_push_of_a_run_says_so() {
        let run = Push {
            ttl: None,
            counters: Counters::Run,
            ..push(b"m 1\n")
        };
        assert_eq!(
            run.request().headers,
            [
                ("Content-Type", TEXT.to_owned()),
                ("Wharf-Counters", "run".to_owned())
            ]
        );
    }
}
