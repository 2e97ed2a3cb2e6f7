//! Answers of a running daemon, asked over HTTP.

use super::actor_faults::{ActorFaultView, BranchView};
use super::api::{ApiFile, PID_HEADER, Problem, Token};
use super::desk::{Desk, ReloadHow, SymbolsChange};
use super::exit::{Exit, Failure};
use super::summary::{Period, SummaryView};
use super::views::{
    AdoptView, AdoptedView, AuditView, BarView, CheckView, ClearedView, EquityView, ExplainView,
    FillView, HealthView, LogLevelView, LotView, OrderView, PositionView, QuarantineView,
    ReconcileView, ResolveView, ResolvedView, SignalView, StatusView, SymbolView,
    SymbolsChangeView, TradeView, ValueView, VerifyView,
};
use super::views::{ReloadView, ReloadsView, ReplayView, SwitchWord, SwitchedView, SwitchesView};
use crate::history::page::{Page, Paged};
use everwarm_domain::id::Symbol;
use everwarm_domain::switch::Switch;
use everwarm_domain::time::{Timeframe, UtcMs};
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a daemon may take to say its version.
const HELLO: Duration = Duration::from_secs(3);
/// Wall time in which a process that was killed ends.
const ENDING: Duration = Duration::from_millis(100);
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
        let desk = RemoteDesk { runtime, client, base, pid: file.pid };
        let mut again = true;
        loop {
            match desk.fetch(&desk.url(&["api", "v1", "version"], None), HELLO) {
                Ok(_) => return Ok(Some(desk)),
                Err(Trouble::Nobody) => return Ok(None),
                // The connections of a daemon that is being killed end before its address is free.
                Err(Trouble::Cut(_)) if again => std::thread::park_timeout(ENDING),
                Err(Trouble::Cut(failure) | Trouble::Told(failure)) => return Err(failure),
            }
            again = false;
        }
    }

    /// The process id of the daemon, which it said itself.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
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

    /// What the daemon logs.
    ///
    /// # Errors
    /// It does not answer.
    pub fn log_level(&self) -> Result<LogLevelView, Failure> {
        self.get("log-level", None)
    }

    /// Sets what the daemon logs, and gives what it is then.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub fn set_log_level(
        &self,
        wanted: &LogLevelView,
        token: Option<&Token>,
    ) -> Result<LogLevelView, Failure> {
        self.change(Method::PUT, &["api", "v1", "log-level"], wanted, token)
    }

    /// Ends a quarantine; see [`Release`](super::desk::Release).
    ///
    /// # Errors
    /// The daemon refuses, or does not answer.
    pub fn release(
        &self,
        id: u64,
        retry: bool,
        token: Option<&Token>,
    ) -> Result<QuarantineView, Failure> {
        let how = if retry { "retry" } else { "drop" };
        let path = ["api", "v1", "quarantine", &id.to_string(), how];
        self.change(Method::POST, &path, &serde_json::json!({}), token)
    }

    /// Has an actor disturbed, and says which it was.
    ///
    /// # Errors
    /// The daemon refuses, or does not answer.
    pub fn kill(
        &self,
        wanted: &ActorFaultView,
        token: Option<&Token>,
    ) -> Result<ActorFaultView, Failure> {
        self.change(Method::POST, &["api", "v1", "kill"], wanted, token)
    }

    /// Has a branch tried that is kept down, and says which it was.
    ///
    /// # Errors
    /// The daemon refuses, or does not answer.
    pub fn retry(&self, wanted: &BranchView, token: Option<&Token>) -> Result<BranchView, Failure> {
        self.change(Method::POST, &["api", "v1", "retry"], wanted, token)
    }

    /// Changes what is listed.
    ///
    /// # Errors
    /// The daemon refuses, or does not answer.
    pub fn change_symbols(
        &self,
        change: SymbolsChange,
        token: Option<&Token>,
    ) -> Result<SymbolsChangeView, Failure> {
        let nothing = serde_json::json!({});
        match change {
            SymbolsChange::Refresh => {
                let path = ["api", "v1", "symbols", "refresh"];
                self.change(Method::POST, &path, &nothing, token)
            }
            SymbolsChange::Want(symbol, wanted) => {
                let how = if wanted { "add" } else { "remove" };
                let path = ["api", "v1", "symbols", symbol.as_str(), how];
                self.change(Method::POST, &path, &nothing, token)
            }
        }
    }

    /// Ends what the venue wants us to wait for.
    ///
    /// # Errors
    /// The daemon refuses, or does not answer.
    pub fn clear_limits(&self, token: Option<&Token>) -> Result<ClearedView, Failure> {
        let path = ["api", "v1", "limits", "clear"];
        self.change(Method::POST, &path, &serde_json::json!({}), token)
    }

    /// Ends a conflict; see [`Resolve`](super::desk::Resolve).
    ///
    /// # Errors
    /// The daemon refuses, or does not answer.
    pub fn resolve(
        &self,
        id: &str,
        word: &ResolveView,
        token: Option<&Token>,
    ) -> Result<ResolvedView, Failure> {
        self.change(Method::POST, &["api", "v1", "resolve", id], word, token)
    }

    /// Takes a surplus into the books; see [`Adopt`](super::desk::Adopt).
    ///
    /// # Errors
    /// The daemon refuses, or does not answer.
    pub fn adopt(&self, word: &AdoptView, token: Option<&Token>) -> Result<AdoptedView, Failure> {
        self.change(Method::POST, &["api", "v1", "adopt"], word, token)
    }

    /// Has everything that is kept sent into `out`.
    ///
    /// # Errors
    /// The daemon refuses, breaks off, or does not answer; or `out` takes no more.
    pub fn backup(&self, token: Option<&Token>, out: &mut dyn Write) -> Result<(), Failure> {
        let url = self.url(&["api", "v1", "backup"], None);
        let mut request = self.client.get(url.clone());
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token.header().expose());
        }
        let broken = |why: &dyn std::fmt::Display| {
            let text = format!("the daemon broke off, its log says why: {why}");
            Failure::new(Exit::Unreachable, text)
        };
        let mut response = self.runtime.block_on(async {
            let sent = tokio::time::timeout(ANSWER, request.send()).await;
            sent.map_err(|e| broken(&e))?.map_err(|e| broken(&e))
        })?;
        let status = response.status();
        if !status.is_success() {
            let body = self.runtime.block_on(response.bytes()).map_err(|e| broken(&e))?;
            let refused = self.read::<serde_json::Value>(&url, Ok((status, body.to_vec())));
            return Err(refused.err().map_or_else(|| broken(&status), Failure::from));
        }
        loop {
            let next = self.runtime.block_on(async {
                tokio::time::timeout(ANSWER, response.chunk()).await.map_err(|e| broken(&e))
            })?;
            let Some(piece) = next.map_err(|e| broken(&e))? else { return Ok(()) };
            let written = out.write_all(&piece);
            written.map_err(|e| super::backup::failed(Path::new("the backup"), &e))?;
        }
    }

    /// Has the configuration read again; see [`Reload`](super::desk::Reload).
    ///
    /// # Errors
    /// It is refused, or the daemon does not answer.
    pub fn reload(&self, how: ReloadHow, token: Option<&Token>) -> Result<ReloadView, Failure> {
        let (verb, dry) = match how {
            ReloadHow::Apply => ("reload", false),
            ReloadHow::Dry => ("reload", true),
            ReloadHow::Rollback => ("rollback", false),
        };
        let mut url = self.url(&["api", "v1", "config", verb], None);
        if dry {
            url.query_pairs_mut().append_pair("dry_run", "1");
        }
        self.change_at(Method::POST, &url, &serde_json::json!({}), token)
    }

    /// Has the daemon take down a word of an operator.
    ///
    /// # Errors
    /// It is refused, or the daemon does not answer.
    pub fn switch(
        &self,
        word: &SwitchWord,
        token: Option<&Token>,
    ) -> Result<SwitchedView, Failure> {
        let SwitchWord { switch, reason } = word;
        let named = |name: &String| serde_json::json!({ "name": name, "reason": reason });
        let plain = || serde_json::json!({ "reason": reason });
        let of = |on: &bool| if *on { vec!["enable"] } else { vec!["disable"] };
        let (path, body) = match switch {
            Switch::Halt => (vec!["trading", "halt"], plain()),
            Switch::Resume => (vec!["trading", "resume"], plain()),
            Switch::Flatten => (vec!["trading", "flatten"], plain()),
            Switch::Safe(step) => (
                vec!["trading", "safe-start"],
                serde_json::json!({ "step": step, "reason": reason }),
            ),
            Switch::Strategy { name, on } => (of(on), named(name)),
            Switch::Process { path, on } => (of(on), named(path)),
        };
        let path = [vec!["api", "v1"], path].concat();
        self.change(Method::POST, &path, &body, token)
    }

    fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
        token: Option<&Token>,
    ) -> Result<T, Failure> {
        self.change_at(method, &self.url(path, None), body, token)
    }

    fn change_at<T: DeserializeOwned>(
        &self,
        method: Method,
        url: &Url,
        body: &impl Serialize,
        token: Option<&Token>,
    ) -> Result<T, Failure> {
        let mut request = self.client.request(method, url.clone()).json(body);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token.header().expose());
        }
        Ok(self.read(url, self.send(request, ANSWER))?)
    }

    fn fetch(&self, url: &Url, within: Duration) -> Answered {
        self.send(self.client.get(url.clone()), within)
    }

    fn send(&self, request: RequestBuilder, within: Duration) -> Answered {
        let silent = |e: &reqwest::Error| {
            let text = format!("the daemon at {} does not answer: {e}", self.base);
            let failure = Failure::new(Exit::Unreachable, text);
            if e.is_timeout() { Trouble::Told(failure) } else { Trouble::Cut(failure) }
        };
        self.runtime.block_on(async {
            let sent = request.timeout(within).send().await;
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

    fn ask<T: DeserializeOwned>(&self, url: &Url, within: Duration) -> Result<T, NoAnswer> {
        self.read(url, self.fetch(url, within))
    }

    fn read<T: DeserializeOwned>(&self, url: &Url, answered: Answered) -> Result<T, NoAnswer> {
        let (status, body) = answered.map_err(|trouble| match trouble {
            Trouble::Told(failure) | Trouble::Cut(failure) => failure,
            Trouble::Nobody => {
                Failure::new(Exit::Unreachable, format!("the daemon at {} is gone", self.base))
            }
        })?;
        let odd = |e: serde_json::Error| {
            let text = format!("the daemon at {url} answered {status} with something else: {e}");
            Failure::new(Exit::Failed, text)
        };
        if status.is_success() {
            return Ok(serde_json::from_slice(&body).map_err(odd)?);
        }
        let Problem { code, exit, detail, .. } = serde_json::from_slice(&body).map_err(odd)?;
        let failure = Failure::new(Exit::of(exit).unwrap_or(Exit::Failed), detail);
        Err(NoAnswer { code, failure })
    }

    /// Asks for what takes a while, of a period where one is given.
    fn within<T: DeserializeOwned>(
        &self,
        what: &str,
        period: Option<Period>,
    ) -> Result<T, Failure> {
        let mut url = self.url(&["api", "v1", what], None);
        if let Some(Period { from, to }) = period {
            let mut query = url.query_pairs_mut();
            query.append_pair("from", &from.to_string()).append_pair("to", &to.to_string());
        }
        Ok(self.ask(&url, VERIFY)?)
    }

    /// Asks for a page of a list. What is older is found by whoever reads the API itself.
    fn page<T: DeserializeOwned>(&self, url: &Url, page: &Page) -> Result<Paged<T>, Failure> {
        let mut url = url.clone();
        let limit = page.limit.map(|limit| ("limit", limit.to_string()));
        let before = page.before.as_ref().map(|before| ("before", before.to_string()));
        for (name, value) in limit.into_iter().chain(before) {
            url.query_pairs_mut().append_pair(name, &value);
        }
        Ok(Paged::all(self.ask(&url, ANSWER)?))
    }

    fn get<T: DeserializeOwned>(&self, what: &str, limit: Option<usize>) -> Result<T, Failure> {
        let url = self.url(&["api", "v1", what], limit);
        Ok(self.ask(&url, ANSWER)?)
    }
}

/// Why a question has no answer, with the code of the problem where the daemon gave one.
struct NoAnswer {
    code: String,
    failure: Failure,
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> NoAnswer {
        NoAnswer { code: String::new(), failure }
    }
}

impl From<NoAnswer> for Failure {
    fn from(none: NoAnswer) -> Failure {
        none.failure
    }
}

/// Status and body, or why there are none.
type Answered = Result<(StatusCode, Vec<u8>), Trouble>;

/// Why there is no answer.
enum Trouble {
    /// No daemon, or another program, is at the address.
    Nobody,
    /// The connection ended before there was an answer.
    Cut(Failure),
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

    fn doctor(&self) -> Result<HealthView, Failure> {
        self.get("doctor", None)
    }

    fn orders_page(&self, page: Page) -> Result<Paged<OrderView>, Failure> {
        self.page(&self.url(&["api", "v1", "orders"], None), &page)
    }

    fn fills_page(&self, page: Page) -> Result<Paged<FillView>, Failure> {
        self.page(&self.url(&["api", "v1", "fills"], None), &page)
    }

    fn lots(&self) -> Result<Vec<LotView>, Failure> {
        self.get("lots", None)
    }

    fn positions(&self) -> Result<Vec<PositionView>, Failure> {
        self.get("positions", None)
    }

    fn equity_page(&self, page: Page) -> Result<Paged<EquityView>, Failure> {
        self.page(&self.url(&["api", "v1", "equity"], None), &page)
    }

    fn trades(&self, limit: Option<usize>) -> Result<Vec<TradeView>, Failure> {
        self.get("trades", limit)
    }

    fn signals(&self, limit: Option<usize>) -> Result<Vec<SignalView>, Failure> {
        self.get("signals", limit)
    }

    fn bars_page(
        &self,
        symbol: Symbol,
        timeframe: Timeframe,
        page: Page,
    ) -> Result<Paged<BarView>, Failure> {
        let path = ["api", "v1", "bars", symbol.as_str(), timeframe.name()];
        let bars: Paged<BarView> = self.page(&self.url(&path, None), &page)?;
        // A command answers as from the files, which hold bars alone.
        Ok(bars.map(|bar| BarView { indicators: None, ..bar }))
    }

    fn symbols(&self) -> Result<Vec<SymbolView>, Failure> {
        self.get("symbols", None)
    }

    fn quarantine(&self) -> Result<Vec<QuarantineView>, Failure> {
        self.get("quarantine", None)
    }

    fn reconcile(&self) -> Result<ReconcileView, Failure> {
        self.get("reconcile", None)
    }

    fn audit(&self, limit: Option<usize>) -> Result<Vec<AuditView>, Failure> {
        self.get("audit", limit)
    }

    fn tree(&self) -> Result<Arc<serde_json::Value>, Failure> {
        self.get("tree", None).map(Arc::new)
    }

    fn config(&self) -> Result<Vec<ValueView>, Failure> {
        self.get("config", None)
    }

    fn reloads(&self) -> Result<ReloadsView, Failure> {
        Ok(self.ask(&self.url(&["api", "v1", "config", "reloads"], None), ANSWER)?)
    }

    fn switches(&self) -> Result<SwitchesView, Failure> {
        self.get("switches", None)
    }

    fn explain(&self, id: &str) -> Result<Option<ExplainView>, Failure> {
        match self.ask(&self.url(&["api", "v1", "explain", id], None), ANSWER) {
            Ok(story) => Ok(Some(story)),
            Err(none) if none.code == "no-such-id" => Ok(None),
            Err(none) => Err(none.failure),
        }
    }

    fn why_not(&self, symbol: Symbol, time: Option<UtcMs>) -> Result<ExplainView, Failure> {
        let mut url = self.url(&["api", "v1", "why-not", symbol.as_str()], None);
        if let Some(time) = time {
            url.query_pairs_mut().append_pair("time", &time.to_string());
        }
        Ok(self.ask(&url, ANSWER)?)
    }

    fn summary(&self, period: Option<Period>) -> Result<SummaryView, Failure> {
        self.within("summary", period)
    }

    fn verify(&self) -> Result<VerifyView, Failure> {
        self.within("verify", None)
    }

    fn replay(&self, period: Option<Period>) -> Result<ReplayView, Failure> {
        self.within("replay", period)
    }
}
