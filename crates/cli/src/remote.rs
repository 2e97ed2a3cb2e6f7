//! The HTTP client of a running daemon.

use super::elsewhere::{self, Elsewhere};
use everwarm_api::{ApiFile, PID_HEADER, Problem, Token};
use everwarm_views::changes::Change;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, Effort, Json, Question, VERSION};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Timeout of the first request, which returns the version.
const HELLO: Duration = Duration::from_secs(3);
/// Time that a killed process needs to end.
const ENDING: Duration = Duration::from_millis(100);
/// Timeout of other requests.
const ANSWER: Duration = Duration::from_secs(30);
/// Timeout of requests that derive every fact again or read the whole journal.
const LONG: Duration = Duration::from_hours(1);

/// A daemon that responded.
pub struct Remote {
    runtime: tokio::runtime::Runtime,
    client: Client,
    base: Url,
    /// The process id in its port file; none: it is on another machine.
    pid: Option<u32>,
    /// The token that every request shows, if it is on another machine.
    token: Option<Token>,
}

impl Remote {
    /// The daemon of another machine, if the command line names one; else that on `data_dir`;
    /// `None` if none runs there. The port file of a killed daemon may remain.
    ///
    /// # Errors
    /// A daemon is there and does not respond.
    pub fn connect(data_dir: &Path) -> Result<Option<Remote>, Failure> {
        if let Some(elsewhere) = elsewhere::named() {
            return Remote::at(elsewhere).map(Some);
        }
        let Some(file) = ApiFile::read(data_dir) else { return Ok(None) };
        let failed = |e: &dyn std::fmt::Display| Failure::new(Exit::Failed, format!("client: {e}"));
        let runtime = runtime()?;
        // Loopback needs neither a proxy of the environment nor certificates of the system.
        let client = Client::builder().no_proxy().tls_certs_only([]).build();
        let client = client.map_err(|e| failed(&e))?;
        let base = Url::parse(&format!("http://{}/", file.addr)).map_err(|e| failed(&e))?;
        let desk = Remote { runtime, client, base, pid: Some(file.pid), token: None };
        let mut again = true;
        loop {
            let version = desk.client.get(desk.asked((VERSION.path, &[]), &Asked::default()));
            match desk.send(version, HELLO) {
                Ok(_) => return Ok(Some(desk)),
                Err(Trouble::Nobody) => return Ok(None),
                // The connections of a killed daemon end before its address is free.
                Err(Trouble::Cut(_)) if again => std::thread::park_timeout(ENDING),
                Err(Trouble::Cut(failure) | Trouble::TimedOut(failure)) => return Err(failure),
            }
            again = false;
        }
    }

    /// A daemon of another machine.
    fn at(elsewhere: &Elsewhere) -> Result<Remote, Failure> {
        let runtime = runtime()?;
        let client = elsewhere.client();
        let client =
            client.map_err(|e| Failure::new(Exit::Failed, format!("client: {}", reasons(&e))))?;
        let (base, token) = (elsewhere.base.clone(), Some(elsewhere.token.clone()));
        let desk = Remote { runtime, client, base, pid: None, token };
        desk.ask(&VERSION, &Asked::default())?;
        Ok(desk)
    }

    /// The process id of the daemon; none: it is on another machine.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    fn url<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// The URL of a path and its query, with these parameters.
    fn asked(&self, (path, query): (&'static str, &[&str]), asked: &Asked) -> Url {
        let given = |part: &'static str| {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            name.map_or(part, |name| asked.word(name).unwrap_or_default())
        };
        let mut url = self.url(path.split('/').skip(1).map(given));
        let words = asked.words().filter(|(name, _)| query.contains(name));
        for (name, word) in words {
            url.query_pairs_mut().append_pair(name, word);
        }
        url
    }

    /// The response to a question.
    ///
    /// # Errors
    /// There is none, or the daemon does not respond.
    pub fn ask(&self, question: &Question, asked: &Asked) -> Result<Json, Failure> {
        let url = self.asked((question.path, question.query), asked);
        let within = if question.effort == Effort::Short { ANSWER } else { LONG };
        let request = shown(self.client.get(url.clone()), self.token.as_ref());
        self.answer(&url, self.send(request, within))
    }

    /// Requests a change.
    ///
    /// # Errors
    /// The daemon refuses it, or does not respond.
    pub fn change(
        &self,
        change: &Change,
        asked: &Asked,
        body: Json,
        token: Option<&Token>,
    ) -> Result<Json, Failure> {
        let url = self.asked((change.path, change.query), asked);
        let method = if change.method == "put" { Method::PUT } else { Method::POST };
        let request = self.client.request(method, url.clone()).body(body.into_bytes());
        let request = request.header(CONTENT_TYPE, "application/json");
        self.answer(&url, self.send(shown(request, self.token.as_ref().or(token)), ANSWER))
    }

    /// Downloads a backup of the daemon's files into `out`.
    ///
    /// # Errors
    /// The daemon refuses, disconnects or does not respond; or writing to `out` failed.
    pub fn backup(&self, token: Option<&Token>, out: &mut dyn Write) -> Result<(), Failure> {
        self.packed(&self.url(["api", "v1", "backup"]), ANSWER, token, out)
    }

    /// Downloads an export into `out`. Before the first byte, the daemon derives all states again.
    ///
    /// # Errors
    /// As of [`Remote::backup`].
    pub fn export(&self, token: Option<&Token>, out: &mut dyn Write) -> Result<(), Failure> {
        self.packed(&self.url(["api", "v1", "export"]), LONG, token, out)
    }

    fn packed(
        &self,
        url: &Url,
        within: Duration,
        token: Option<&Token>,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let request = shown(self.client.get(url.clone()), self.token.as_ref().or(token));
        let broken = |why: &dyn std::fmt::Display| {
            let text = format!("the daemon stopped responding: {why}. Read its log");
            Failure::new(Exit::Unreachable, text)
        };
        let mut response = self.runtime.block_on(async {
            let sent = tokio::time::timeout(ANSWER, request.send()).await;
            sent.map_err(|e| broken(&e))?.map_err(|e| broken(&e))
        })?;
        let status = response.status();
        if !status.is_success() {
            let body = self.runtime.block_on(response.bytes()).map_err(|e| broken(&e))?;
            let refused = self.answer(url, Ok((status, body.to_vec())));
            return Err(refused.err().unwrap_or_else(|| broken(&status)));
        }
        loop {
            let next = self.runtime.block_on(async {
                tokio::time::timeout(within, response.chunk()).await.map_err(|e| broken(&e))
            })?;
            let Some(piece) = next.map_err(|e| broken(&e))? else { return Ok(()) };
            let written = out.write_all(&piece);
            written.map_err(|e| everwarm_views::backup::failed(Path::new("the backup"), &e))?;
        }
    }

    fn send(&self, request: RequestBuilder, within: Duration) -> Answered {
        let silent = |e: &reqwest::Error| {
            let text = format!("the daemon at {} does not respond: {}", self.base, reasons(e));
            let failure = Failure::new(Exit::Unreachable, text);
            if e.is_timeout() { Trouble::TimedOut(failure) } else { Trouble::Cut(failure) }
        };
        self.runtime.block_on(async {
            let sent = request.timeout(within).send().await;
            let response = match sent {
                Ok(response) => response,
                Err(e) if e.is_connect() && !e.is_timeout() && self.pid.is_some() => {
                    return Err(Trouble::Nobody);
                }
                Err(e) => return Err(silent(&e)),
            };
            let pid = response.headers().get(PID_HEADER).and_then(|v| v.to_str().ok());
            if self.pid.is_some() && pid.and_then(|p| p.parse::<u32>().ok()) != self.pid {
                return Err(Trouble::Nobody);
            }
            let status = response.status();
            let body = response.bytes().await.map_err(|e| silent(&e))?;
            Ok((status, body.to_vec()))
        })
    }

    fn answer(&self, url: &Url, answered: Answered) -> Result<Json, Failure> {
        let (status, body) = answered.map_err(|trouble| match trouble {
            Trouble::TimedOut(failure) | Trouble::Cut(failure) => failure,
            Trouble::Nobody => {
                Failure::new(Exit::Unreachable, format!("the daemon at {} has ended", self.base))
            }
        })?;
        if status.is_success() {
            return Ok(Json::received(body));
        }
        let Problem { exit, detail, .. } = serde_json::from_slice(&body).map_err(|e| {
            let text =
                format!("the daemon at {url} responded {status} with an unexpected body: {e}");
            Failure::new(Exit::Failed, text)
        })?;
        Err(Failure::new(Exit::of(exit).unwrap_or(Exit::Failed), detail))
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have installed its provider first. That one serves as well.
        rustls::crypto::ring::default_provider().install_default().ok();
    }
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|e| Failure::new(Exit::Failed, format!("client: {e}")))
}

/// An error with its causes: the first text alone does not name a wrong certificate.
fn reasons(error: &reqwest::Error) -> String {
    let first: &dyn std::error::Error = error;
    let texts = std::iter::successors(Some(first), |error| error.source());
    texts.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The request with the token in its header, if there is a token.
fn shown(request: RequestBuilder, token: Option<&Token>) -> RequestBuilder {
    match token {
        Some(token) => request.header(AUTHORIZATION, token.header().expose()),
        None => request,
    }
}

/// Status and body, or the reason why there are none.
type Answered = Result<(StatusCode, Vec<u8>), Trouble>;

/// The reason for a missing response.
enum Trouble {
    /// No daemon, or another program, is at the address.
    Nobody,
    /// The request failed otherwise.
    Cut(Failure),
    /// No response came in time.
    TimedOut(Failure),
}
