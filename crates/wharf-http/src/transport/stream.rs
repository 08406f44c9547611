//! The bytes of a connection: as they are, or encrypted after a handshake.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use wharf_gateway::Peer;

use crate::transport::access::AccessControl;
use crate::transport::pass_on::pass_on;
use crate::transport::presence::OtherSide;
use crate::transport::socket::Socket;

/// For a handshake, from the connection on.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// What clients are told that speak HTTP where TLS is spoken, in the Pushgateway's words.
const PLAIN_HTTP: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
/// How much of such a request is taken, and for how long, so that its sender gets to see the answer.
const MAX_PLAIN_BYTES: u64 = 1 << 20;
const PLAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection that is ready for requests.
pub(crate) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    /// Makes a connection ready, and finds the names in the certificate of its client, if one was verified. None if
    /// nothing comes of it; then there is nothing left to do.
    pub(crate) async fn open(
        stream: Socket,
        peer: Peer,
        access: Option<&AccessControl>,
    ) -> Option<(Self, Vec<String>)> {
        match access {
            Some(access) if access.fixed().tls => {
                let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake(stream, access));
                match handshake
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                {
                    Ok((stream, names)) => Some((Self::Tls(Box::new(stream)), names)),
                    Err(error) => {
                        if error.kind() == io::ErrorKind::InvalidData {
                            tracing::info!(source = %peer, err = %error, "TLS handshake failed");
                        } else {
                            // Probes of ports, mostly.
                            tracing::debug!(source = %peer, err = %error, "TLS handshake failed");
                        }
                        None
                    }
                }
            }
            _ => Some((Self::Plain(stream), Vec::new())),
        }
    }
}

impl Stream {
    /// Whether the handshake has agreed on HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    /// Whether nothing has come that nobody has read yet, the end of the other side included.
    pub(crate) fn is_silent(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_silent(),
            Self::Tls(stream) => stream.get_ref().0.is_silent(),
        }
    }

    /// How the other side is.
    pub(crate) fn other_side(&self) -> OtherSide {
        match self {
            Self::Plain(stream) => stream.other_side(),
            Self::Tls(stream) => stream.get_ref().0.other_side(),
        }
    }
}

async fn handshake(
    mut stream: Socket,
    access: &AccessControl,
) -> io::Result<(TlsStream<Socket>, Vec<String>)> {
    // Records of a handshake begin with 22, requests with a letter.
    if stream
        .peek()
        .await?
        .is_some_and(|first| first.is_ascii_uppercase())
    {
        answer_plain_http(&mut stream).await?;
        return Err(io::Error::other("expected a handshake, found plain HTTP"));
    }
    let Some(tls) = access.tls() else {
        return Err(io::Error::other("no usable certificate in the web config file"));
    };
    let stream = TlsAcceptor::from(tls.config()).accept(stream).await?;
    let names = tls.client_names(stream.get_ref().1.peer_certificates());
    Ok((stream, names))
}

async fn answer_plain_http(stream: &mut Socket) -> io::Result<()> {
    stream.write_all(PLAIN_HTTP).await?;
    stream.shutdown().await?;
    let rest = &mut stream.take(MAX_PLAIN_BYTES);
    let mut sink = tokio::io::sink();
    let taken = tokio::io::copy(rest, &mut sink);
    tokio::time::timeout(PLAIN_TIMEOUT, taken).await??;
    Ok(())
}

pass_on!(Stream: Plain, Tls);
