//! Tests with real sockets on loopback: errors of requests without a response, and a link end to
//! end.

use super::*;
use crate::link::{self, Wiring};
use crate::session::{Event, Hello, Moment, Parsed, Protocol, Session};
use axum::extract::ws::{Message as ServerMessage, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::routing::get;
use everwarm_domain::time::{SteadyMs, UtcMs, WallMs};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn serve(router: axum::Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address.to_string()
}

fn request(url: &str) -> HttpRequest<'_> {
    HttpRequest {
        method: Method::Post,
        url,
        keys: &[],
        timeout: PLACE_TIMEOUT,
        body: String::new(),
    }
}

/// A server that reads each request's head, then does `what`. It counts requests.
async fn rude(what: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v3/order?signature=hidden", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    tokio::spawn(async move {
        loop {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let mut len = 0;
            while !head[..len].ends_with(b"\r\n\r\n") {
                match peer.read(&mut head[len..]).await.unwrap() {
                    0 => break,
                    n => len += n,
                }
            }
            seen.fetch_add(1, Ordering::SeqCst);
            match what {
                "reset" => peer.set_zero_linger().unwrap(),
                "silent" => {
                    tokio::spawn(async move {
                        let _peer = peer;
                        std::future::pending::<()>().await;
                    });
                }
                answer => peer.write_all(answer.as_bytes()).await.unwrap(),
            }
        }
    });
    (url, count)
}

#[tokio::test]
async fn one_call_is_at_most_one_request_and_doubt_is_reported() {
    for what in [
        "reset",
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half",
        "HTTP/1.1 200",
        "nonsense\r\n\r\n",
    ] {
        let (url, count) = rude(what).await;
        let points = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = points.clone();
        let probe = Probe::new(move |point| seen.lock().unwrap().push(point));
        let http = Http::new(&url, probe).unwrap();
        let error = http.send(request(&url)).await.unwrap_err();
        assert!(matches!(&error, TransportError::Unknown(_)), "{what:?}: {error:?}");
        assert!(!error.to_string().contains("hidden"), "{error}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "{what:?}");
        assert_eq!(*points.lock().unwrap(), ["send", "receive"]);
    }
}

#[tokio::test]
async fn a_missing_answer_is_doubt_and_a_refused_connection_is_not() {
    let (url, count) = rude("silent").await;
    let http = Http::new(&url, Probe::default()).unwrap();
    let hasty = HttpRequest { timeout: Duration::from_millis(200), ..request(&url) };
    let error = http.send(hasty).await.unwrap_err();
    assert!(matches!(error, TransportError::Unknown(_)), "{error:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v3/order?signature=hidden", closed.local_addr().unwrap());
    drop(closed);
    let error = http.send(request(&url)).await.unwrap_err();
    assert!(matches!(error, TransportError::NotSent(_)), "{error:?}");
    assert!(!error.to_string().contains("hidden"), "{error}");
    let secure = url.replace("http://", "https://");
    let error = http.send(request(&secure)).await.unwrap_err();
    assert!(matches!(error, TransportError::NotSent(_)), "{error:?}");
}

#[tokio::test]
async fn status_headers_and_body_come_back_and_redirects_are_not_followed() {
    let router = axum::Router::new()
        .route(
            "/busy",
            get(|headers: HeaderMap| async move {
                let key = headers.get("x-mbx-apikey").unwrap().to_str().unwrap().to_owned();
                let limits = [("X-MBX-USED-WEIGHT-1M", "77"), ("Retry-After", "3")];
                (axum::http::StatusCode::TOO_MANY_REQUESTS, limits, key)
            }),
        )
        .route("/moved", get(|| async { axum::response::Redirect::temporary("/busy") }));
    let host = serve(router).await;
    let http = Http::new("http://127.0.0.1", Probe::default()).unwrap();
    let key = Secret::new("the-key");
    let url = format!("http://{host}/busy");
    let keys = &[("X-MBX-APIKEY", &key)];
    let get = HttpRequest { method: Method::Get, keys, ..request(&url) };
    let answer = http.send(get).await.unwrap();
    assert_eq!((answer.status, answer.used_weight, answer.retry_after_s), (429, Some(77), Some(3)));
    assert_eq!(answer.body, b"the-key");
    let url = format!("http://{host}/moved");
    let get = HttpRequest { method: Method::Get, keys: &[], ..request(&url) };
    assert_eq!(http.send(get).await.unwrap().status, 307);
}

/// Data that compresses well.
fn compressed(bytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &vec![b'7'; bytes]).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn answers_from_elsewhere_may_be_compressed_and_what_they_grow_to_is_bounded() {
    let answer = |bytes: usize| async move { ([("content-encoding", "gzip")], compressed(bytes)) };
    let takes = |headers: HeaderMap| async move {
        let accepted = headers.get("accept-encoding").map(|v| v.to_str().unwrap().to_owned());
        accepted.unwrap_or_default()
    };
    let router = axum::Router::new()
        .route("/takes", get(takes))
        .route("/some", get(move || answer(100_000)))
        .route("/much", get(move || answer(BODY_MAX + 1)));
    let host = serve(router).await;
    let get = |http: &Http, path: &str| {
        let (http, url) = (http.clone(), format!("http://{host}/{path}"));
        async move {
            let get = HttpRequest { method: Method::Get, keys: &[], ..request(&url) };
            http.send(get).await
        }
    };
    let elsewhere = Http::new("https://venue.invalid", Probe::default()).unwrap();
    let here = Http::new("http://127.0.0.1", Probe::default()).unwrap();
    assert_eq!(get(&elsewhere, "takes").await.unwrap().body, b"gzip");
    assert_eq!(get(&here, "takes").await.unwrap().body, b"");
    assert_eq!(get(&elsewhere, "some").await.unwrap().body, vec![b'7'; 100_000]);
    let much = get(&elsewhere, "much").await.unwrap_err();
    assert!(much.to_string().contains("an answer above"), "{much}");
}

struct Lines(u64);

impl Protocol for Lines {
    type Frame = String;

    fn hello(&mut self, _venue_now: UtcMs) -> Vec<Hello> {
        self.0 += 1;
        vec![Hello { id: self.0, text: format!("hello {}", self.0) }]
    }

    fn read(&self, text: &str) -> Result<Parsed<String>, String> {
        Ok(match text.strip_prefix("ok ") {
            Some(id) => Parsed::Answer { id: id.parse().ok(), outcome: Ok(()) },
            None => Parsed::Data(text.to_owned()),
        })
    }
}

/// Responds to the hello, pings, sends data, and drops the connection.
async fn talk(mut socket: axum::extract::ws::WebSocket) {
    let Some(Ok(ServerMessage::Text(hello))) = socket.recv().await else { return };
    let id = hello.as_str().trim_start_matches("hello ").to_owned();
    for message in [
        ServerMessage::Text(format!("ok {id}").into()),
        ServerMessage::Ping("x".into()),
        ServerMessage::Text("data".into()),
    ] {
        socket.send(message).await.unwrap();
    }
    // The pong shows that both messages were read.
    assert!(matches!(socket.recv().await, Some(Ok(ServerMessage::Pong(_)))));
}

#[tokio::test]
async fn a_link_subscribes_and_comes_back_after_a_drop() {
    let router = axum::Router::new()
        .route("/ws", get(|upgrade: WebSocketUpgrade| async move { upgrade.on_upgrade(talk) }));
    let mut attempts = 0;
    let mut wiring = Wiring {
        url: format!("ws://{}/ws", serve(router).await),
        now: || Moment { steady: SteadyMs::default(), wall: WallMs::default(), venue: 0 },
        dice: || 0,
        admit: || {
            attempts += 1;
            if attempts == 1 { Err(0) } else { Ok(()) }
        },
        limited: |_| panic!("the venue has reported no limit"),
    };
    let mut seen = Vec::new();
    let run = link::run(Session::new(Lines(0)), &mut wiring, |event| {
        seen.push(match event {
            Event::Frame(data) => data,
            Event::Lost { again, .. } => format!("lost {again}"),
            Event::Subscribed => "subscribed".to_owned(),
            Event::Turned => panic!("nothing else was wanted"),
            Event::Garbled { why } | Event::Ending { why } => panic!("{why}"),
        });
        if seen.len() == 6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    tokio::time::timeout(Duration::from_secs(20), run).await.unwrap();
    // The first connection was not admitted.
    let words = ["lost true", "subscribed", "data", "lost true", "subscribed", "data"];
    assert_eq!(seen, words);
    assert_eq!(attempts, 3);
}

#[tokio::test]
async fn a_refused_handshake_stops_a_link_and_a_closed_port_does_not() {
    let host = serve(axum::Router::new()).await;
    let mut wiring = Wiring {
        url: format!("ws://{host}/none"),
        now: || Moment { steady: SteadyMs::default(), wall: WallMs::default(), venue: 0 },
        dice: || 0,
        admit: || Ok(()),
        limited: |_| panic!("the venue has reported no limit"),
    };
    let mut seen = Vec::new();
    let run = link::run(Session::new(Lines(0)), &mut wiring, |event| {
        seen.push(event);
        ControlFlow::Continue(())
    });
    let session = tokio::time::timeout(Duration::from_secs(20), run).await.unwrap();
    assert!(session.is_stopped());
    let why = "handshake answered with HTTP 404".to_owned();
    assert_eq!(seen, [Event::Lost { why, again: false }]);

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", closed.local_addr().unwrap());
    drop(closed);
    let error = Socket::open(&url).await.unwrap_err();
    assert!(matches!(error, ConnectError::Network(_)), "{error:?}");
    let error = Socket::open("not an address").await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused(_)), "{error:?}");
}
