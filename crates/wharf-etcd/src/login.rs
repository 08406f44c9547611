//! The token that calls carry where etcd asks who calls.

use std::fs;

use tokio::sync::Mutex;
use tonic::metadata::AsciiMetadataValue;

use crate::errors::Failure;
use crate::settings::EtcdSettings;

/// A token, or none yet.
#[derive(Debug, Default)]
pub(crate) struct Login(Mutex<Option<AsciiMetadataValue>>);

/// Most bytes of a file with a password.
const MAX_PASSWORD_BYTES: u64 = 64 << 10;

impl Login {
    /// The token that is good as far as is known.
    pub(crate) async fn token(&self) -> Option<AsciiMetadataValue> {
        self.0.lock().await.clone()
    }

    /// A token in the place of this one, unless there is a newer one already: checking a password keeps a processor of etcd busy
    /// for a twentieth of a second.
    pub(crate) async fn renew<F>(
        &self,
        old: Option<&AsciiMetadataValue>,
        ask: impl FnOnce() -> F,
    ) -> Result<Option<AsciiMetadataValue>, Failure>
    where
        F: Future<Output = Result<String, Failure>>,
    {
        let mut kept = self.0.lock().await;
        if kept.as_ref() != old {
            return Ok(kept.clone());
        }
        let token = ask().await?;
        let mut token = AsciiMetadataValue::try_from(token)
            .map_err(|_| Failure::unreachable("etcd gave a token that no header can have"))?;
        token.set_sensitive(true);
        *kept = Some(token.clone());
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
    let read = fs::metadata(file);
    if read.as_ref().is_ok_and(|file| file.len() > MAX_PASSWORD_BYTES) {
        return Err(refused(format!(
            "expected at most {MAX_PASSWORD_BYTES} bytes, found more"
        )));
    }
    let password = fs::read_to_string(file);
    let password = password.map_err(|error| refused(error.to_string()))?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Some((user.clone(), password)))
}
