//! Answers of a running daemon, asked over HTTP.

use super::api::{ApiFile, PID_HEADER, Problem};
use super::desk::Desk;
use super::exit::{Exit, Failure};
use super::views::{
    CheckView, EquityView, ExplainView, FillView, OrderView, PositionView, QuarantineView,
    SignalView, StatusView, TradeView, VerifyView,
};
use reqwest::{Client, Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

/// How long a daemon may take to say its version.
const HELLO: Duration = Duration::from_secs(3);
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long it may take to derive everything again.
const VERIFY: Duration = Duration::from_hours(1);

/// A daemon that answered.
pub struct RemoteDesk {
    runtime: tokio::runtime::Runtime,
    client: Client,
    base: Url,
    pid: u32,
    token: String,
}

impl RemoteDesk {
    /// The daemon on `data_dir`; `None` where none is running there (the file of a killed one may
    /// remain).
    ///
    /// # Errors
    /// A daemon is there and does not answer.
    pub fn connect(data_dir: &Path) -> Result<Option<RemoteDesk>, Failure> {
        let Some(file) = ApiFile::read(data_dir) else { return Ok(None) };
        let failed = |e: &dyn std::fmt::Display| Failure::new(Exit::Failed, format!("client: {e}"));
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Another thread may have been faster; then its provider serves.
            rustls::crypto::ring::default_provider().install_default().ok();
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| failed(&e))?;
        // A proxy of the environment is not for loopback.
        let client = Client::builder().no_proxy().build().map_err(|e| failed(&e))?;
        let base = Url::parse(&format!("http://{}/", file.addr)).map_err(|e| failed(&e))?;
        let desk = RemoteDesk { runtime, client, base, pid: file.pid, token: file.token };
        match desk.fetch(Method::GET, &desk.url(&["api", "v1", "version"], None), HELLO) {
            Ok(_) => Ok(Some(desk)),
            Err(Trouble::Nobody) => Ok(None),
            Err(Trouble::Told(failure)) => Err(failure),
        }
    }

    fn url(&self, path: &[&str], limit: Option<usize>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if let Some(limit) = limit {
            url.query_pairs_mut().append_pair("limit", &limit.to_string());
        }
        url
    }

    /// Ends a quarantine; see [`Release`](super::desk::Release).
    ///
    /// # Errors
    /// The daemon refuses, or does not answer.
    pub fn release(&self, id: u64, retry: bool) -> Result<QuarantineView, Failure> {
        let how = if retry { "retry" } else { "drop" };
        let url = self.url(&["api", "v1", "quarantine", &id.to_string(), how], None);
        let answer = self.ask(Method::POST, &url, ANSWER)?;
        answer.ok_or_else(|| Failure::new(Exit::Failed, "no answer"))
    }

    fn fetch(
        &self,
        method: Method,
        url: &Url,
        within: Duration,
    ) -> Result<(StatusCode, Vec<u8>), Trouble> {
        let silent = |e: &reqwest::Error| {
            let text = format!("the daemon at {} does not answer: {e}", self.base);
            Trouble::Told(Failure::new(Exit::Unreachable, text))
        };
        self.runtime.block_on(async {
            let request = self.client.request(method, url.clone()).timeout(within);
            let sent = request.bearer_auth(&self.token).send().await;
            let response = match sent {
                Ok(response) => response,
                Err(e) if e.is_connect() && !e.is_timeout() => return Err(Trouble::Nobody),
                Err(e) => return Err(silent(&e)),
            };
            let pid = response.headers().get(PID_HEADER).and_then(|v| v.to_str().ok());
            if pid.and_then(|p| p.parse::<u32>().ok()) != Some(self.pid) {
                return Err(Trouble::Nobody);
            }
            let status = response.status();
            let body = response.bytes().await.map_err(|e| silent(&e))?;
            Ok((status, body.to_vec()))
        })
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        url: &Url,
        within: Duration,
    ) -> Result<Option<T>, Failure> {
        let (status, body) = self.fetch(method, url, within).map_err(|trouble| match trouble {
            Trouble::Told(failure) => failure,
            Trouble::Nobody => {
                Failure::new(Exit::Unreachable, format!("the daemon at {} is gone", self.base))
            }
        })?;
        let odd = |e: serde_json::Error| {
            let text = format!("the daemon at {url} answered {status} with something else: {e}");
            Failure::new(Exit::Failed, text)
        };
        if status.is_success() {
            return serde_json::from_slice(&body).map(Some).map_err(odd);
        }
        let problem: Problem = serde_json::from_slice(&body).map_err(odd)?;
        if problem.code == "no-such-id" {
            return Ok(None);
        }
        Err(Failure::new(Exit::of(problem.exit).unwrap_or(Exit::Failed), problem.detail))
    }

    fn get<T: DeserializeOwned>(&self, what: &str, limit: Option<usize>) -> Result<T, Failure> {
        let url = self.url(&["api", "v1", what], limit);
        let within = if what == "verify" { VERIFY } else { ANSWER };
        self.ask(Method::GET, &url, within)?
            .ok_or_else(|| Failure::new(Exit::Failed, format!("no {what}")))
    }
}

/// Why there is no answer.
enum Trouble {
    /// No daemon, or another program, is at the address.
    Nobody,
    /// Something to tell.
    Told(Failure),
}

impl Desk for RemoteDesk {
    fn status(&self) -> Result<StatusView, Failure> {
        self.get("status", None)
    }

    fn checks(&self) -> Vec<CheckView> {
        Vec::new()
    }

    fn orders(&self, limit: Option<usize>) -> Result<Vec<OrderView>, Failure> {
        self.get("orders", limit)
    }

    fn fills(&self, limit: Option<usize>) -> Result<Vec<FillView>, Failure> {
        self.get("fills", limit)
    }

    fn positions(&self) -> Result<Vec<PositionView>, Failure> {
        self.get("positions", None)
    }

    fn equity(&self, limit: Option<usize>) -> Result<Vec<EquityView>, Failure> {
        self.get("equity", limit)
    }

    fn trades(&self) -> Result<Vec<TradeView>, Failure> {
        self.get("trades", None)
    }

    fn signals(&self, limit: Option<usize>) -> Result<Vec<SignalView>, Failure> {
        self.get("signals", limit)
    }

    fn quarantine(&self) -> Result<Vec<QuarantineView>, Failure> {
        self.get("quarantine", None)
    }

    fn tree(&self) -> Result<serde_json::Value, Failure> {
        self.get("tree", None)
    }

    fn explain(&self, id: &str) -> Result<Option<ExplainView>, Failure> {
        self.ask(Method::GET, &self.url(&["api", "v1", "explain", id], None), ANSWER)
    }

    fn verify(&self) -> Result<VerifyView, Failure> {
        self.get("verify", None)
    }
}
