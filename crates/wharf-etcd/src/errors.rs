//! What etcd's errors mean, by their codes and texts.

use tonic::{Code, Status};
use wharf_shared_log::LogError;

/// Why a call has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// As the log tells it.
    Log(LogError),
    /// The token is not, or no longer, a good one. Nothing has been done.
    Login(String),
    /// What was asked for is forgotten.
    Compacted,
    /// The answer is larger than this side takes.
    AnswerTooLarge,
    /// The request is larger than etcd takes.
    RequestTooLarge,
}

impl Failure {
    /// As the log tells it, where the call has no better word for it.
    pub(crate) fn into_log_error(self) -> LogError {
        let refused = |reason: &str| LogError::Refused {
            reason: reason.to_owned(),
        };
        match self {
            Self::Log(error) => error,
            // Whoever pushes is told, and need not know who is not let in.
            Self::Login(_) => refused("etcd does not let this gateway in"),
            Self::Compacted => LogError::Forgotten,
            Self::AnswerTooLarge => refused("the answer is too large"),
            Self::RequestTooLarge => refused("the request is too large for etcd"),
        }
    }

    pub(crate) fn unreachable(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Log(LogError::Unreachable { reason })
    }

    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Log(LogError::Unknown { reason })
    }

    /// Whether another member may do better.
    pub(crate) fn is_of_member(&self) -> bool {
        matches!(
            self,
            Self::Log(LogError::Unreachable { .. } | LogError::Unknown { .. })
        )
    }
}

/// What a status says. Etcd's texts are part of its API: its own client compares them.
pub(crate) fn failure_of(status: &Status) -> Failure {
    let text = status.message();
    let reason = || format!("{text} ({:?})", status.code());
    let says = |part: &str| text.contains(part);
    match status.code() {
        Code::Unauthenticated => Failure::Login(reason()),
        // Without a token: etcd takes that for a user without a name. The last one: users were changed since the token was given.
        Code::InvalidArgument if says("user name is empty") || says("auth store is old") => {
            Failure::Login(reason())
        }
        Code::InvalidArgument if says("request is too large") => Failure::RequestTooLarge,
        Code::ResourceExhausted if says("larger than max") => Failure::RequestTooLarge,
        Code::ResourceExhausted if says("space exceeded") => {
            Failure::Log(LogError::Full { reason: reason() })
        }
        // Before anything has been done.
        Code::ResourceExhausted if says("too many requests") => Failure::unreachable(reason()),
        Code::Unavailable if says("etcdserver: no leader") => Failure::unreachable(reason()),
        Code::Unavailable | Code::FailedPrecondition if says("not supported for learner") => {
            Failure::unreachable(reason())
        }
        Code::OutOfRange if says("has been compacted") => Failure::Compacted,
        // Ours, with the code that etcd has for what is compacted.
        Code::OutOfRange if says("message length too large") => Failure::AnswerTooLarge,
        Code::NotFound if says("lease not found") => Failure::Log(LogError::NoLease),
        Code::InvalidArgument
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::NotFound
        | Code::Unimplemented => Failure::Log(LogError::Refused { reason: reason() }),
        _ => Failure::unknown(reason()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What etcd was seen to say, in the versions 3.5 to 3.7, and whether the request may have been carried out.
    #[test]
    fn what_etcd_says_is_told_apart() {
        let of = |code, text: &str| failure_of(&Status::new(code, text));
        let login = of(Code::InvalidArgument, "etcdserver: user name is empty");
        assert!(matches!(login, Failure::Login(_)), "{login:?}");
        let login = of(Code::Unauthenticated, "etcdserver: invalid auth token");
        assert!(matches!(login, Failure::Login(_)), "{login:?}");
        let wrong = of(
            Code::InvalidArgument,
            "etcdserver: authentication failed, invalid user ID or password",
        );
        assert!(
            matches!(wrong, Failure::Log(LogError::Refused { .. })),
            "{wrong:?}"
        );
        let full = of(
            Code::ResourceExhausted,
            "etcdserver: mvcc: database space exceeded",
        );
        assert!(matches!(full, Failure::Log(LogError::Full { .. })), "{full:?}");
        let large = of(Code::InvalidArgument, "etcdserver: request is too large");
        assert_eq!(large, Failure::RequestTooLarge);
        let large = of(
            Code::ResourceExhausted,
            "grpc: received message larger than max (2097162 vs. 2097152)",
        );
        assert_eq!(large, Failure::RequestTooLarge);
        let compacted = of(
            Code::OutOfRange,
            "etcdserver: mvcc: required revision has been compacted",
        );
        assert_eq!(compacted, Failure::Compacted);
        let large = of(
            Code::OutOfRange,
            "Error, decoded message length too large: found 6000135 bytes, the limit is: 4194304 bytes",
        );
        assert_eq!(large, Failure::AnswerTooLarge);
        for learner in [Code::Unavailable, Code::FailedPrecondition] {
            let found = of(learner, "etcdserver: rpc not supported for learner");
            assert!(
                matches!(found, Failure::Log(LogError::Unreachable { .. })),
                "{found:?}"
            );
        }
        for (code, text) in [
            (
                Code::Unavailable,
                "etcdserver: request timed out, possibly due to previous leader failure",
            ),
            (Code::Unavailable, "etcdserver: request timed out"),
            (Code::DeadlineExceeded, "context deadline exceeded"),
            (Code::Unknown, "connection reset"),
        ] {
            let found = of(code, text);
            assert!(
                matches!(found, Failure::Log(LogError::Unknown { .. })),
                "{text}: {found:?}"
            );
            assert!(found.is_of_member());
        }
    }
}
