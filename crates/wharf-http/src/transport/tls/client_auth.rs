//! What is demanded of clients.

/// Whether clients have to bring a certificate, and who has to have issued it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// Nothing; certificates are not asked for.
    #[default]
    NoClientCert,
    /// A certificate may be sent, any.
    RequestClientCert,
    /// A certificate must be sent, any.
    RequireAnyClientCert,
    /// If a certificate is sent, one of the authorities must have issued it.
    VerifyClientCertIfGiven,
    /// A certificate must be sent that one of the authorities has issued.
    RequireAndVerifyClientCert,
}

impl ClientAuth {
    /// Whether what is brought has to be from one of the authorities.
    pub(super) fn verifies(self) -> bool {
        matches!(
            self,
            Self::VerifyClientCertIfGiven | Self::RequireAndVerifyClientCert
        )
    }

    /// Whether nobody gets in without a certificate.
    pub fn requires(self) -> bool {
        matches!(
            self,
            Self::RequireAnyClientCert | Self::RequireAndVerifyClientCert
        )
    }
}
