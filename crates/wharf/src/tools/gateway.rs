//! The flags that say which gateway a tool talks to, the same for every tool.

use std::path::PathBuf;
use std::time::Duration;

use wharf_client::{Address, Client, Settings};
use wharf_model::duration;

/// Which gateway, and how to be let in. What no flag says is looked for in the environment and in `client.yaml`.
#[derive(Debug, Clone, Default, clap::Args)]
#[expect(
    clippy::doc_markdown,
    reason = "the comments of flags are their help, shown as it is"
)]
#[command(next_help_heading = "Gateway")]
pub struct GatewayFlags {
    /// The gateway, Wharf or a Pushgateway, by its URL [env: WHARF_GATEWAY] [default: http://localhost:9091]
    #[arg(long, value_name = "URL")]
    pub gateway: Option<Address>,

    /// User name for basic authentication [env: WHARF_USERNAME]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub username: Option<String>,

    /// File with the password; a password itself is taken from the environment only, where no list of processes
    /// shows it [env: WHARF_PASSWORD_FILE, WHARF_PASSWORD]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub password_file: Option<PathBuf>,

    /// File with a bearer token [env: WHARF_BEARER_TOKEN_FILE, WHARF_BEARER_TOKEN]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub bearer_token_file: Option<PathBuf>,

    /// File with the authorities to trust instead of the system's, in PEM [env: WHARF_CA_FILE]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub ca_file: Option<PathBuf>,

    /// File with a client certificate, in PEM [env: WHARF_CERT_FILE]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub cert_file: Option<PathBuf>,

    /// File with the key of the client certificate, in PEM [env: WHARF_KEY_FILE]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub key_file: Option<PathBuf>,

    /// Accept any certificate: who stands on the way can read everything [env: WHARF_INSECURE_SKIP_VERIFY]
    #[arg(long, hide_short_help = true)]
    pub insecure_skip_verify: bool,

    /// How long one attempt may take; of an answer with all metrics, how long each part of it may take to come [env:
    /// WHARF_TIMEOUT] [default: 10s]
    #[arg(long = "request-timeout", value_name = "DURATION", value_parser = positive_duration, hide_short_help = true)]
    pub request_timeout: Option<Duration>,

    /// File with these settings [env: WHARF_CLIENT_FILE] [default: ~/.config/wharf/client.yaml, then
    /// /etc/wharf/client.yaml]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub client_file: Option<PathBuf>,
}

impl GatewayFlags {
    /// What flags, environment and file say together.
    ///
    /// # Errors
    /// If the environment or the file cannot be understood.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let flags = self.clone();
        let given = Settings {
            gateway: flags.gateway,
            username: flags.username,
            password_file: flags.password_file,
            bearer_token_file: flags.bearer_token_file,
            ca_file: flags.ca_file,
            cert_file: flags.cert_file,
            key_file: flags.key_file,
            insecure_skip_verify: flags.insecure_skip_verify.then_some(true),
            timeout: flags.request_timeout,
            ..Settings::default()
        };
        Ok(given.or(Settings::from_process(self.client_file.as_deref())?))
    }

    /// A client for that gateway; nothing is sent yet.
    ///
    /// # Errors
    /// If the settings cannot be understood, or name files that cannot be read.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.settings()?.target()?)?)
    }
}

/// Reads a duration that is not zero.
///
/// # Errors
/// What was expected.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err("expected a duration above 0, found `0`".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}
