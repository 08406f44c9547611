//! The token that calls carry where etcd asks who calls.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tonic::metadata::AsciiMetadataValue;
use wharf_settings::small_file;

use crate::errors::Failure;
use crate::settings::EtcdSettings;

/// A token, or none yet.
#[derive(Debug, Default)]
pub(crate) struct Login(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    token: Option<AsciiMetadataValue>,
    /// Why there was none when it was asked for last, and when that was.
    refused: Option<(Instant, Failure)>,
}

/// Most bytes of a file with a password.
const MAX_PASSWORD_BYTES: u64 = 64 << 10;
/// How long etcd is left alone after it has refused a password: checking one keeps a processor of it busy for a twentieth of a second.
const PAUSE: Duration = Duration::from_secs(1);

impl Login {
    /// The token that is good as far as is known.
    pub(crate) async fn token(&self) -> Option<AsciiMetadataValue> {
        self.0.lock().await.token.clone()
    }

    /// A token in the place of this one, unless there is a newer one already.
    pub(crate) async fn renew<F>(
        &self,
        old: Option<&AsciiMetadataValue>,
        ask: impl FnOnce() -> F,
    ) -> Result<Option<AsciiMetadataValue>, Failure>
    where
        F: Future<Output = Result<String, Failure>>,
    {
        let mut kept = self.0.lock().await;
        if kept.token.as_ref() != old {
            return Ok(kept.token.clone());
        }
        if let Some((at, failure)) = &kept.refused
            && at.elapsed() < PAUSE
        {
            return Err(failure.clone());
        }
        let token = match ask().await {
            Ok(token) => token,
            Err(failure) => {
                // A member that is gone says nothing of the password.
                kept.refused = (!failure.is_of_member()).then(|| (Instant::now(), failure.clone()));
                return Err(failure);
            }
        };
        let mut token = AsciiMetadataValue::try_from(token)
            .map_err(|_| Failure::unreachable("etcd gave a token that no header can have"))?;
        token.set_sensitive(true);
        kept.token = Some(token.clone());
        Ok(Some(token))
    }
}

/// The name and the password, as the file has it now, without the end of its line.
pub(crate) fn credentials(settings: &EtcdSettings) -> Result<Option<(String, String)>, Failure> {
    let Some((user, file)) = &settings.user else {
        return Ok(None);
    };
    let shown = file.display().to_string();
    let refused = |reason: String| {
        Failure::Login(format!(
            "the password of etcd's user `{user}` from {shown}: {reason}"
        ))
    };
    let password = small_file::read(file, MAX_PASSWORD_BYTES).map_err(|error| refused(error.to_string()))?;
    let password = String::from_utf8(password).map_err(|error| refused(error.to_string()))?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Some((user.clone(), password)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn after_a_refusal_nobody_is_asked_for_a_while() {
        let login = Login::default();
        let asked = Cell::new(0);
        let ask = || async {
            asked.set(asked.get() + 1);
            Err(Failure::Login("wrong".to_owned()))
        };
        for _ in 0..10 {
            let refused = login.renew(None, ask).await;
            assert_eq!(refused, Err(Failure::Login("wrong".to_owned())));
        }
        assert_eq!(asked.get(), 1);
    }

    #[test]
    fn a_password_file_that_never_ends_is_refused() {
        let settings = EtcdSettings {
            members: Vec::new(),
            prefix: bytes::Bytes::new(),
            user: Some(("wharf".to_owned(), "/dev/zero".into())),
            authorities: None,
            identity: None,
        };
        let refused = credentials(&settings).unwrap_err();
        let expected =
            "the password of etcd's user `wharf` from /dev/zero: expected at most 65536 bytes, found more";
        assert_eq!(refused, Failure::Login(expected.to_owned()));
    }
}
