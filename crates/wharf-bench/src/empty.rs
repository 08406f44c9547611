//! A server that does what HTTP costs and nothing else: the floor under the pushes of Wharf.
//!
//! Connections are set up as `wharf-http` sets up its own, on the same runtime. The body is read to its end, and the
//! answer is 200 without a body.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};

/// Serves until the process is killed.
///
/// # Errors
/// If the address cannot be listened on.
pub fn serve(address: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.context("listen")?;
        loop {
            let (stream, _) = listener.accept().await.context("accept a connection")?;
            stream.set_nodelay(true).context("set up a connection")?;
            tokio::spawn(connection(stream));
        }
    })
}

async fn connection(stream: TcpStream) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .title_case_headers(true)
        .writev(true)
        .max_buf_size((1 << 20) + 4096)
        .half_close(true);
    // How a connection ends says nothing here.
    drop(
        builder
            .serve_connection(TokioIo::new(stream), service_fn(answer))
            .await,
    );
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut body = request.into_body();
    while let Some(Ok(_frame)) = body.frame().await {}
    Ok(Response::new(Empty::new()))
}
