//! Whether an etcd can be used, before anything depends on it.

use thiserror::Error;
use wharf_shared_log::LogError;

use crate::calls::Method;
use crate::errors::Failure;
use crate::log::{Etcd, end_of};
use crate::messages::{Nothing, RangeRequest, RangeResponse, StatusResponse};

/// The first version whose watches say truly how far they are.
const FIRST_VERSION: [u64; 3] = [3, 5, 8];

/// What etcd says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The version of the member that was asked.
    pub version: String,
    /// The number of the cluster.
    pub cluster: u64,
    /// Bytes of its database.
    pub bytes: u64,
    /// Whether the member that was asked is the one that leads.
    pub is_leader: bool,
}

/// Why an etcd cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unusable {
    /// Not now: trying again may help.
    #[error("{0}")]
    NotNow(String),
    /// Not with these settings.
    #[error("{0}")]
    NotSo(String),
}

impl Etcd {
    /// Asks one of the members whether it can be used: its version, whether we may read, whether it has a leader.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn about(&self) -> Result<About, Unusable> {
        let status: StatusResponse = self.call(Method::STATUS, Nothing {}).await.map_err(unusable)?;
        if is_too_old(&status.version) {
            let [major, minor, patch] = FIRST_VERSION;
            return Err(Unusable::NotSo(format!(
                "expected etcd {major}.{minor}.{patch} or later, found {}",
                status.version
            )));
        }
        self.peek().await.map_err(unusable)?;
        let header = status.header.unwrap_or_default();
        Ok(About {
            version: status.version,
            cluster: header.cluster_id,
            is_leader: status.leader == header.member_id,
            bytes: u64::try_from(status.db_bytes).unwrap_or(0),
        })
    }

    /// The member that is asked now, for people.
    pub fn asked(&self) -> String {
        self.members
            .current()
            .map_or_else(String::new, ToString::to_string)
    }

    /// Finds out whether our keys may be read, and gets another token if the one we have is not good any more.
    pub(crate) async fn peek(&self) -> Result<(), Failure> {
        let prefix = self.members.settings().prefix.clone();
        let question = RangeRequest {
            range_end: end_of(&prefix),
            key: prefix,
            limit: 1,
            keys_only: true,
            ..RangeRequest::default()
        };
        self.call::<_, RangeResponse>(Method::RANGE, question).await?;
        Ok(())
    }
}

fn unusable(failure: Failure) -> Unusable {
    match failure {
        // A member that wants a certificate says so when the connection is made already, to the first request.
        Failure::Log(LogError::Unreachable { reason } | LogError::Unknown { reason })
            if reason.contains("received fatal alert") =>
        {
            Unusable::NotSo(reason)
        }
        Failure::Log(LogError::Unreachable { reason } | LogError::Unknown { reason }) => {
            Unusable::NotNow(reason)
        }
        Failure::Log(LogError::Refused { reason }) | Failure::Login(reason) => Unusable::NotSo(reason),
        other => Unusable::NotNow(other.into_log_error().to_string()),
    }
}

/// Whether a version is one before the first that can be used. One that is no version is taken for a new one.
fn is_too_old(version: &str) -> bool {
    let mut numbers = version
        .split(['.', '-'])
        .map_while(|part| part.parse::<u64>().ok());
    let found = [(); 3].map(|()| numbers.next());
    let [Some(major), Some(minor), patch] = found else {
        return false;
    };
    [major, minor, patch.unwrap_or(0)] < FIRST_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for old in ["3.5.7", "3.4.37", "2.3.8", "3.5.0-rc.1"] {
            assert!(is_too_old(old), "{old}");
        }
        for new in ["3.5.8", "3.5.16", "3.10.0", "4.0.0-alpha.1", "devel"] {
            assert!(!is_too_old(new), "{new}");
        }
    }
}
