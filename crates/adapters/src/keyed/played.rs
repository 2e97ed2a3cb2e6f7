//! A server that plays responses, for the tests of sources that need a key.

use crate::{PastBars, PublicSource};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use everwarm_domain::secret::Secret;
use everwarm_domain::time::{UtcMs, WallMs};
use everwarm_venue::Opening;
use everwarm_venue::clock::{Pace, SharedClock};
use everwarm_venue::rate_limit::Note;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// The parts of a key. No error may show one.
pub const KEYS: [&str; 2] = ["PKHUNTER2", "s3cret/hunter+3"];

type Answer = (u16, Vec<(&'static str, String)>, String);

/// The server.
#[derive(Clone, Default)]
pub struct Played {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

impl Played {
    /// Starts a server. Returns it with its address.
    pub async fn start() -> (Played, String) {
        let it = Played::default();
        let play = |State(it): State<Played>, request: Request| async move {
            let target = request.uri().to_string();
            it.asked.lock().unwrap().push((target, request.headers().clone()));
            let next = it.answers.lock().unwrap().pop_front();
            let (status, headers, body) = next.expect("no other request");
            let mut response = body.into_response();
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        };
        let app = Router::new().fallback(play).with_state(it.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (it, address)
    }

    /// The source at a server, with a clock that stands.
    pub fn source(source: &PublicSource, address: &str, now: UtcMs) -> Arc<dyn PastBars> {
        let opening = Opening {
            recv_window: 0,
            clock: SharedClock::new(Pace::Real),
            wall: Arc::new(move || WallMs::from_utc(now)),
            note: Note::default(),
        };
        let parts = source.key.unwrap().variables.len();
        let keys: Vec<Secret> = KEYS.iter().take(parts).map(|key| Secret::new(key)).collect();
        (source.open)(address, &keys, opening).unwrap()
    }

    /// Plays this next.
    pub fn play(&self, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.answers.lock().unwrap().push_back((status, headers, body.to_owned()));
    }

    /// The requests since the last call: path with query, and headers.
    pub fn asked(&self) -> Vec<(String, HeaderMap)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// Whether a text shows a part of the key.
pub fn shows_key(text: &str) -> bool {
    KEYS.iter().any(|key| text.contains(key)) || text.contains("hunter") || text.contains("HUNTER")
}
