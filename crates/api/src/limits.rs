//! The server, with limits on connections, sizes and times, so that trading is not disturbed.

use super::patience::Patient;
use super::places::{Place, Places, Taken};
use super::problem::Refusal;
use super::routes::Api;
use super::writes::shows_token;
use everwarm_runtime::clock;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Bytes of the head of a request.
const HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request.
const HEADERS: usize = 64;
/// How long a head may take, and how long a connection may idle before the next one.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a client may go without reading its response.
const READ_TIME: Duration = Duration::from_secs(10);
/// How long open requests may take after the stop.
const DRAIN: Duration = Duration::from_secs(5);

/// The listener of one address.
pub enum Entry {
    /// For this machine.
    Here(TcpListener),
    /// For other machines, with TLS.
    Beyond(TcpListener, TlsAcceptor),
}

/// Serves requests at `entry` until `stop` completes and the open requests have their responses.
pub async fn serve(entry: Entry, api: Api, stop: impl Future<Output = ()> + Send) {
    let (refusals, pages) = (api.refusals(), api.stream());
    let (listener, tls) = match entry {
        Entry::Here(listener) => (listener, None),
        Entry::Beyond(listener, tls) => (listener, Some(tls)),
    };
    let service = api.clone().router(tls.is_some());
    let (places, mut open) = (Places::default(), JoinSet::new());
    let (ending, ended) = watch::channel(false);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        // Collect the tasks of connections that ended.
        while open.try_join_next().is_some() {}
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(e) if of_the_peer(e.kind()) => continue,
            Err(e) => {
                // Most likely out of file descriptors. Wait until others release some.
                tracing::warn!("the API accepts no connection: {e}");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let place = match places.take(clock::now()) {
            Taken::Free(place) => place,
            Taken::Instead(place) => {
                refusals.count(Refusal::Busy);
                place
            }
            Taken::Full => {
                refusals.count(Refusal::Busy);
                continue;
            }
        };
        let guest = Guest { api: api.clone(), place: Arc::new(place), ended: ended.clone() };
        let (service, tls) = (service.clone(), tls.clone());
        open.spawn(async move {
            let refusals = guest.api.refusals();
            let Some(tls) = tls else { return connection(stream, service, guest).await };
            let greeted = tokio::select! {
                greeted = tokio::time::timeout(HEAD_TIME, tls.accept(stream)) => greeted,
                () = guest.place.has_to_go() => return,
            };
            match greeted {
                Ok(Ok(stream)) => connection(stream, service, guest).await,
                Ok(Err(_)) => refusals.count(Refusal::Malformed),
                Err(_) => refusals.count(Refusal::TooSlow),
            }
        });
    }
    drop(listener);
    // Event streams have no end of their own, so close them.
    pages.close();
    ending.send_replace(true);
    let all = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, all).await.is_err() {
        tracing::debug!("the API ends with open requests");
    }
}

/// One connection: the API, its place, and the signal to end.
struct Guest {
    api: Api,
    place: Arc<Place>,
    ended: watch::Receiver<bool>,
}

fn of_the_peer(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: axum::Router,
    guest: Guest,
) {
    let Guest { api, place, mut ended } = guest;
    let refusals = api.refusals();
    let on_request = Arc::clone(&place);
    let (first, mut asked) = watch::channel(false);
    let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
        first.send_replace(true);
        on_request.asks(shows_token(&api, request.headers()), clock::now());
        let place = Arc::clone(&on_request);
        let answer =
            hyper::service::Service::call(&TowerToHyperService::new(service.clone()), request);
        async move {
            let answered = answer.await;
            place.was_answered(clock::now());
            answered
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(Patient::new(stream, READ_TIME)), service);
    let mut served = std::pin::pin!(served);
    let is_used = asked.clone();
    let rested = async {
        // Before the first request, the timeout of the head applies.
        if asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
        while let Some(left) = place.rests(clock::now()) {
            tokio::time::sleep(left).await;
        }
    };
    let stopping = async { drop(ended.wait_for(|ended| *ended).await) };
    let done = tokio::select! {
        done = &mut served => done,
        // Another connection needs the place: end immediately, without a clean shutdown.
        () = place.has_to_go() => return,
        () = async { tokio::select! { () = rested => {}, () = stopping => {} } } => {
            // Complete the current response, then close.
            served.as_mut().graceful_shutdown();
            tokio::select! {
                done = &mut served => done,
                () = place.has_to_go() => return,
            }
        }
    };
    let Err(e) = done else { return };
    // An idle timeout after a request is not a refusal.
    let idle = e.is_timeout() && *is_used.borrow();
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
