//! The server: as many connections, as large heads and as much patience as a daemon that trades can
//! give away.

use super::patience::Patient;
use super::problem::{Refusal, Refusals};
use super::routes::Api;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Connections at a time: a page, a scraper, and a hand full of commands.
const CONNECTIONS: usize = 64;
/// Bytes of the head of a request.
const HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request.
const HEADERS: usize = 64;
/// How long a head may take, and how long a connection may wait for the next one.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a peer may take nothing of its answer.
const READ_TIME: Duration = Duration::from_secs(10);
/// How long what is under way may take after the stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Where connections come from.
pub enum Entry {
    /// From this machine.
    Here(TcpListener),
    /// From others, with TLS.
    Beyond(TcpListener, TlsAcceptor),
}

/// Answers at `entry` until `stop` completes and the requests under way are answered.
pub async fn serve(entry: Entry, api: Api, stop: impl Future<Output = ()> + Send) {
    let (refusals, pages) = (api.refusals(), api.stream());
    let (listener, tls) = match entry {
        Entry::Here(listener) => (listener, None),
        Entry::Beyond(listener, tls) => (listener, Some(tls)),
    };
    let service = api.router(tls.is_some());
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(e) if of_the_peer(e.kind()) => continue,
            Err(e) => {
                // Out of descriptors, most likely: others may give some back.
                tracing::warn!("the API accepts no connection: {e}");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            refusals.count(Refusal::Busy);
            continue;
        };
        let (service, watcher) = (service.clone(), graceful.watcher());
        let (refusals, tls) = (refusals.clone(), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(stream, service, watcher, &refusals).await,
                Some(tls) => match tokio::time::timeout(HEAD_TIME, tls.accept(stream)).await {
                    Ok(Ok(stream)) => connection(stream, service, watcher, &refusals).await,
                    Ok(Err(_)) => refusals.count(Refusal::Malformed),
                    Err(_) => refusals.count(Refusal::TooSlow),
                },
            }
            drop(permit);
        });
    }
    drop(listener);
    // A stream would be waited for, and has no end of its own.
    pages.close();
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::debug!("the API ends with requests under way");
    }
}

fn of_the_peer(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: axum::Router,
    watcher: hyper_util::server::graceful::Watcher,
    refusals: &Refusals,
) {
    let asked = Arc::new(AtomicBool::new(false));
    let on_request = Arc::clone(&asked);
    let service = hyper::service::service_fn(move |request| {
        on_request.store(true, Ordering::Relaxed);
        hyper::service::Service::call(&TowerToHyperService::new(service.clone()), request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(Patient::new(stream, READ_TIME)), service);
    let Err(e) = watcher.watch(served).await else { return };
    // A connection that was used and then rests is no refusal.
    let idle = e.is_timeout() && asked.load(Ordering::Relaxed);
    let io = std::error::Error::source(&e).and_then(|e| e.downcast_ref::<std::io::Error>());
    let unread = io.is_some_and(|e| e.kind() == ErrorKind::TimedOut);
    if e.is_parse_too_large() {
        refusals.count(Refusal::TooLarge);
    } else if unread || (e.is_timeout() && !idle) {
        refusals.count(Refusal::TooSlow);
    } else if e.is_parse() {
        refusals.count(Refusal::Malformed);
    }
}
