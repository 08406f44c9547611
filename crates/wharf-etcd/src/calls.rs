//! One call: the member, the token, the answer, and what an error means.

use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use tokio_stream::Stream;
use tonic::client::Grpc;
use tonic::metadata::{AsciiMetadataValue, MetadataValue};
use tonic::{Request, Response, Streaming};
use tonic_prost::ProstCodec;
use wharf_shared_log::LogError;

use crate::connection::{Connection, NotConnected};
use crate::errors::{Failure, failure_of};
use crate::log::Etcd;
use crate::login;
use crate::members::Turn;
use crate::messages::{AuthenticateRequest, AuthenticateResponse};

/// How long an answer may take, whatever the caller's own limit: etcd itself gives up after seven seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// What etcd offers, by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Method(&'static str);

impl Method {
    pub(crate) const RANGE: Self = Self("/etcdserverpb.KV/Range");
    pub(crate) const TXN: Self = Self("/etcdserverpb.KV/Txn");
    pub(crate) const COMPACT: Self = Self("/etcdserverpb.KV/Compact");
    pub(crate) const WATCH: Self = Self("/etcdserverpb.Watch/Watch");
    pub(crate) const GRANT: Self = Self("/etcdserverpb.Lease/LeaseGrant");
    pub(crate) const REVOKE: Self = Self("/etcdserverpb.Lease/LeaseRevoke");
    pub(crate) const KEEP_ALIVE: Self = Self("/etcdserverpb.Lease/LeaseKeepAlive");
    pub(crate) const STATUS: Self = Self("/etcdserverpb.Maintenance/Status");
    const AUTHENTICATE: Self = Self("/etcdserverpb.Auth/Authenticate");

    /// What a member does not know without a leader, or cannot do. Without this wish it would try for seven seconds.
    fn needs_leader(self) -> bool {
        self.0 != Self::STATUS.0
    }
}

impl Etcd {
    /// Asks for one thing and takes one answer.
    pub(crate) async fn call<Q, A>(&self, method: Method, question: Q) -> Result<A, Failure>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let token = self.token().await?;
        match Box::pin(self.ask(method, question.clone(), token.clone())).await {
            Err(Failure::Login(reason)) => {
                let token = self.another_token(token.as_ref(), reason).await?;
                Box::pin(self.ask(method, question, token)).await
            }
            answer => answer,
        }
    }

    /// Opens a stream of answers to a stream of questions, which is made anew for each attempt.
    pub(crate) async fn open<Q, A, S>(
        &self,
        method: Method,
        mut questions: impl FnMut() -> S,
    ) -> Result<Streaming<A>, Failure>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
        S: Stream<Item = Q> + Send + 'static,
    {
        let token = self.token().await?;
        match Box::pin(self.open_with(method, questions(), token.clone())).await {
            Err(Failure::Login(reason)) => {
                let token = self.another_token(token.as_ref(), reason).await?;
                Box::pin(self.open_with(method, questions(), token)).await
            }
            opened => opened,
        }
    }

    /// The token that is known; the first one, if etcd is to know who asks.
    async fn token(&self) -> Result<Option<AsciiMetadataValue>, Failure> {
        let known = self.login.token().await;
        if known.is_none() && self.members.settings().user.is_some() {
            return self.renew(None).await;
        }
        Ok(known)
    }

    /// A token in the place of one that is not good any more.
    async fn another_token(
        &self,
        old: Option<&AsciiMetadataValue>,
        reason: String,
    ) -> Result<Option<AsciiMetadataValue>, Failure> {
        if self.members.settings().user.is_none() {
            return Err(Failure::Login(reason));
        }
        self.renew(old).await
    }

    /// A new token, in the place of this one.
    pub(crate) async fn renew(
        &self,
        old: Option<&AsciiMetadataValue>,
    ) -> Result<Option<AsciiMetadataValue>, Failure> {
        self.login
            .renew(old, || async {
                let credentials = login::credentials(self.members.settings())?;
                let Some((name, password)) = credentials else {
                    return Err(Failure::Login("no user is set".to_owned()));
                };
                let question = AuthenticateRequest { name, password };
                let answer: AuthenticateResponse =
                    Box::pin(self.ask(Method::AUTHENTICATE, question, None)).await?;
                Ok(answer.token)
            })
            .await
    }

    async fn ask<Q, A>(
        &self,
        method: Method,
        question: Q,
        token: Option<AsciiMetadataValue>,
    ) -> Result<A, Failure>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let request = request(question, token, method.needs_leader());
        let (turn, mut grpc) = self.connect().await?;
        let answer = within(async {
            ready(&mut grpc).await?;
            let path = PathAndQuery::from_static(method.0);
            let answer = grpc.unary(request, path, ProstCodec::default()).await;
            answer.map_err(|status| failure_of(&status))
        });
        turn.judge(answer.await).map(Response::into_inner)
    }

    async fn open_with<Q, A>(
        &self,
        method: Method,
        questions: impl Stream<Item = Q> + Send + 'static,
        token: Option<AsciiMetadataValue>,
    ) -> Result<Streaming<A>, Failure>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let request = request(questions, token, method.needs_leader());
        let (turn, mut grpc) = self.connect().await?;
        let opened = within(async {
            ready(&mut grpc).await?;
            let path = PathAndQuery::from_static(method.0);
            let opened = grpc.streaming(request, path, ProstCodec::default()).await;
            opened.map_err(|status| failure_of(&status))
        });
        turn.judge(opened.await).map(Response::into_inner)
    }

    async fn connect(&self) -> Result<(Turn<'_>, Grpc<Connection>), Failure> {
        let (turn, member, connection) = self.members.connect().await.map_err(|error| match error {
            NotConnected::Unreachable(reason) => Failure::unreachable(reason),
            NotConnected::Refused(reason) => Failure::Log(LogError::Refused { reason }),
        })?;
        let grpc = Grpc::with_origin(connection, member.uri().clone())
            .max_decoding_message_size(MAX_ANSWER_BYTES)
            .max_encoding_message_size(usize::MAX);
        Ok((turn, grpc))
    }
}

/// Nothing has been sent yet.
async fn ready(grpc: &mut Grpc<Connection>) -> Result<(), Failure> {
    grpc.ready()
        .await
        .map_err(|error| Failure::unreachable(error.to_string()))
}

async fn within<T>(answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let seconds = ANSWER_LIMIT.as_secs();
    let answer = tokio::time::timeout(ANSWER_LIMIT, answer).await;
    answer.unwrap_or_else(|_| Err(Failure::unknown(format!("no answer after {seconds} seconds"))))
}

fn request<Q>(question: Q, token: Option<AsciiMetadataValue>, needs_leader: bool) -> Request<Q> {
    let mut request = Request::new(question);
    let metadata = request.metadata_mut();
    if needs_leader {
        metadata.insert("hasleader", MetadataValue::from_static("true"));
    }
    if let Some(token) = token {
        metadata.insert("token", token);
    }
    request
}
