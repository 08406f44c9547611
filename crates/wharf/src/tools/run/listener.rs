//! `$WHARF_PUSH_URL`: takes what client libraries send to a gateway, from this machine, for as long as a job runs.
//!
//! The URL has 128 random bits in its path, so that other users of the machine cannot push to it. What follows them,
//! such as `/metrics/job/x`, does not matter: everything belongs to the group of the run. `PUT` replaces all that
//! came before, `POST` the families that it has, `DELETE` removes everything. Bodies are read as a gateway reads them.

use std::convert::Infallible;
use std::fmt::Display;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wharf_http::pushed::{self, BodyFormat};
use wharf_model::Meter;

use crate::tools::families::{Families, Format};

/// More is not taken from a job, neither in the file nor over the URL.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// What the body of one push may come to while it is read: a small one can take gigabytes.
const MAX_DECODED_BYTES: usize = 32 * MAX_BYTES;

/// More connections wait until one of these has ended.
const MAX_CONNECTIONS: usize = 4;

/// How long a connection may last; it takes one request.
const PATIENCE: Duration = Duration::from_secs(30);

/// Listens from now on, on a thread of its own, until the process ends. Returns the URL.
pub(super) fn start(families: Arc<Mutex<Families>>) -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let path = secret_path()?;
    let url = format!("http://127.0.0.1:{port}{path}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::spawn(move || runtime.block_on(serve(listener, path, families)));
    Ok(url)
}

fn secret_path() -> io::Result<String> {
    let mut bytes = [0; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| io::Error::other("the system has no random numbers"))?;
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Ok(format!("/{}", digits.collect::<String>()))
}

async fn serve(listener: TcpListener, path: String, families: Arc<Mutex<Families>>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let path: Arc<str> = path.into();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, say: it passes.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (path, families) = (Arc::clone(&path), Arc::clone(&families));
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &path, &families));
            let mut connection = http1::Builder::new();
            connection.timer(TokioTimer::new()).keep_alive(false);
            // A client that goes away, or is too slow, is its own affair.
            let _ended = timeout(
                PATIENCE,
                connection.serve_connection(TokioIo::new(stream), service),
            )
            .await;
            drop(place);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    path: &str,
    families: &Mutex<Families>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match take(request, path, families).await {
        Ok(status) => (status, String::new()),
        Err((status, text)) => (status, text + "\n"),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}

type Refusal = (StatusCode, String);

async fn take(
    request: Request<Incoming>,
    path: &str,
    families: &Mutex<Families>,
) -> Result<StatusCode, Refusal> {
    let refuse = |status: StatusCode, text: &dyn Display| (status, text.to_string());
    let rest = request.uri().path().strip_prefix(path);
    if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Err(refuse(StatusCode::NOT_FOUND, &"404 page not found"));
    }
    let (head, body) = request.into_parts();
    if ![Method::PUT, Method::POST, Method::DELETE].contains(&head.method) {
        return Err(refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            &"expected PUT, POST or DELETE",
        ));
    }
    let too_large = format!("expected at most {MAX_BYTES} bytes, found more");
    let body = Limited::new(body, MAX_BYTES).collect().await;
    let body = body
        .map_err(|_| refuse(StatusCode::PAYLOAD_TOO_LARGE, &too_large))?
        .to_bytes();
    let (body, format) =
        pushed::read(&head.headers, body, MAX_BYTES).map_err(|error| refuse(error.status(), &error))?;
    let found = Families::read_within(&body, format_of(format), &Meter::up_to(MAX_DECODED_BYTES));
    let (found, _) = found.map_err(|error| refuse(StatusCode::BAD_REQUEST, &error))?;

    let mut families = families.lock().unwrap_or_else(PoisonError::into_inner);
    let mut changed = match head.method {
        Method::POST => families.clone(),
        _ => Families::default(),
    };
    if head.method == Method::DELETE {
        *families = changed;
        return Ok(StatusCode::ACCEPTED);
    }
    changed.replace_by(found);
    if changed.len_bytes() > MAX_BYTES {
        return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, &too_large));
    }
    *families = changed;
    Ok(StatusCode::OK)
}

fn format_of(format: BodyFormat) -> Format {
    match format {
        BodyFormat::Text => Format::Text,
        BodyFormat::OpenMetrics => Format::OpenMetrics,
        BodyFormat::Protobuf => Format::Protobuf,
    }
}
