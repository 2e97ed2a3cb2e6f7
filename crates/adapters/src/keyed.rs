//! Reads from sources with the key of an account: within its limits, without showing the key.

use crate::NeededKey;
use crate::admission::admitted;
use crate::json::decode;
use everwarm_domain::clean::clean;
use everwarm_domain::id::Symbol;
use everwarm_domain::secret::Secret;
use everwarm_domain::time::UtcMs;
use everwarm_venue::clock::Wall;
use everwarm_venue::port::{ErrorClass, VenueError};
use everwarm_venue::rate_limit::WeightLimit;
use everwarm_venue::transport::{
    Http, HttpAnswer, HttpRequest, Method, Probe, READ_TIMEOUT, TransportError,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest part of the text of a source in an error, bytes.
const TEXT: usize = 200;
/// Longest start of a response in which its text is looked for, bytes.
const START: usize = 1 << 16;
/// A limit that is reset later than this is not believed, milliseconds.
const RESET_MAX: UtcMs = 3_600_000;
/// Longest text that names the next part of a response.
const CURSOR_MAX: usize = 2_048;
/// Most parts of one response.
const PARTS_MAX: u32 = 500;
/// Most parts without a bar in a row.
const EMPTY_MAX: u32 = 3;

/// How many requests a source accepts, and how much of a response we accept.
pub(crate) struct Budget {
    /// Requests of a minute.
    pub usual: u32,
    /// Requests of a minute once the source has rejected one; none: as before. Some sources do not
    /// report the limit of a plan.
    pub after_rejection: Option<u32>,
    /// How long to wait after a rejection that names no time, milliseconds.
    pub back_off_ms: u64,
    /// Longest response, bytes. The transport has a limit for all sources.
    pub longest: usize,
}

/// Requests to a source with the key of an account.
pub(crate) struct Keyed {
    /// The name of the source.
    source: &'static str,
    /// The key that it takes.
    needed: Option<NeededKey>,
    http: Http,
    headers: Vec<(&'static str, Secret)>,
    /// What no text may show.
    keys: Vec<Secret>,
    wall: Wall,
    budget: Budget,
    limit: Mutex<WeightLimit>,
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Keyed {
    /// Makes the client for addresses that begin with `base`. It makes no connection.
    ///
    /// # Errors
    /// The TLS set-up of this machine cannot be used.
    pub fn new(
        (source, needed, base): (&'static str, Option<NeededKey>, &str),
        headers: Vec<(&'static str, Secret)>,
        keys: &[Secret],
        (wall, budget): (Wall, Budget),
    ) -> Result<Keyed, String> {
        let http = Http::new(base, Probe::default())?;
        let mut limit = WeightLimit::default();
        limit.set_limit(budget.usual);
        limit.uncounted();
        let (keys, limit) = (keys.to_vec(), Mutex::new(limit));
        Ok(Keyed { source, needed, http, headers, keys, wall, budget, limit })
    }

    /// The time of our clock.
    pub fn now(&self) -> UtcMs {
        (self.wall)().utc()
    }

    /// Reads one response. `what` names it in errors.
    ///
    /// # Errors
    /// [`ErrorClass::Halt`]: the source rejects the key. [`ErrorClass::Absent`]: it does not have
    /// what was requested.
    pub async fn get<T: DeserializeOwned>(&self, what: &str, url: &str) -> Result<T, VenueError> {
        admitted(&self.limit, || self.now(), 1).await?;
        let keys: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value)).collect();
        let request = HttpRequest {
            method: Method::Get,
            url,
            keys: &keys,
            timeout: READ_TIMEOUT,
            body: String::new(),
        };
        let sent = self.now();
        let answer = self.http.send(request).await.map_err(|error| match error {
            TransportError::NotSent(text) | TransportError::Unknown(text) => {
                VenueError::new(ErrorClass::NotSent, 0, self.hidden(&text))
            }
        })?;
        self.observe(sent, &answer);
        if !(200..300).contains(&answer.status) {
            return Err(self.refused(&answer));
        }
        let (length, longest) = (answer.body.len(), self.budget.longest);
        if length > longest {
            let text = format!("{what}: the response has {length} bytes, above {longest}");
            return Err(VenueError::new(ErrorClass::NotSent, 0, text));
        }
        decode(what, &answer.body).map_err(|why| {
            // The error shows a part of the response, so the key is taken out of it first.
            let body = self.hidden(&String::from_utf8_lossy(&answer.body));
            let again = decode::<T>(what, body.as_bytes()).err();
            let text = again.unwrap_or_else(|| self.hidden(&why));
            VenueError::new(ErrorClass::NotSent, 0, text)
        })
    }

    /// An error of a response that fits the protocol but cannot be right.
    pub fn wrong(&self, why: &str) -> VenueError {
        VenueError::new(ErrorClass::Refused { again: false }, 0, self.hidden(why))
    }

    /// The error of a source that does not give this to the holder of the key.
    pub fn not_in_plan(&self, text: &str) -> VenueError {
        let text = clean(&self.hidden(text));
        let text = format!(
            "{text}. The plan of the key does not include this, or the key is wrong or revoked. \
             Request other times, or check {}",
            self.variables()
        );
        VenueError::new(ErrorClass::Halt, 0, text)
    }

    fn variables(&self) -> String {
        let Some(NeededKey { variables, page }) = self.needed else { return String::new() };
        format!("{} ({page})", variables.join(" and "))
    }

    /// Takes the parts of the key out of a text.
    fn hidden(&self, text: &str) -> String {
        let hide = |text: String, key: &Secret| text.replace(key.expose(), "[redacted]");
        self.keys.iter().fold(text.to_owned(), hide)
    }

    fn refused(&self, answer: &HttpAnswer) -> VenueError {
        let HttpAnswer { status, body, .. } = answer;
        let body = self.hidden(&String::from_utf8_lossy(&body[..body.len().min(START)]));
        let mut end = body.len().min(TEXT);
        while !body.is_char_boundary(end) {
            end -= 1;
        }
        let text = format!("HTTP {status}: {}", clean(&body[..end]));
        let error = |class, text| VenueError::new(class, 0, text);
        match status {
            300..=399 => error(
                ErrorClass::Halt,
                format!("HTTP {status}: it redirects, and a key is never sent elsewhere"),
            ),
            401 => {
                let text = format!("{text}. The key is wrong or revoked: {}", self.variables());
                error(ErrorClass::Halt, text)
            }
            403 => self.not_in_plan(&text),
            404 => error(ErrorClass::Absent, text),
            429 => error(ErrorClass::RateLimited { retry_after_ms: self.block(answer) }, text),
            400..=499 => error(ErrorClass::Refused { again: false }, text),
            _ => error(ErrorClass::NotSent, text),
        }
    }

    /// Takes the counts of a response over.
    fn observe(&self, sent: UtcMs, answer: &HttpAnswer) {
        let now = self.now();
        let mut limit = self.limit();
        if let Some((most, left)) = answer.limit.zip(answer.limit_remaining) {
            limit.set_limit(most);
            limit.observe(sent, now, most.saturating_sub(left));
        }
        if (200..300).contains(&answer.status) {
            limit.passed();
        }
    }

    /// Sends nothing until the source accepts requests again. Returns the wait, milliseconds.
    fn block(&self, answer: &HttpAnswer) -> u64 {
        let now = self.now();
        let until = answer.limit_reset_s.and_then(|s| i64::try_from(s).ok()?.checked_mul(1_000));
        let wait = until.map(|until| until.saturating_sub(now));
        let wait = wait.filter(|wait| (1..=RESET_MAX).contains(wait));
        let asked = answer.retry_after_s.map(|s| s.saturating_mul(1_000));
        let asked = asked.or_else(|| wait.and_then(|wait| u64::try_from(wait).ok()));
        let mut limit = self.limit();
        if let Some(most) = self.budget.after_rejection {
            limit.set_limit(most);
        }
        let wait = asked.unwrap_or(self.budget.back_off_ms);
        limit.block(now, wait);
        wait
    }

    fn limit(&self) -> MutexGuard<'_, WeightLimit> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod played;

/// The parts of one response: a source names the next one with a cursor. They always end.
#[derive(Default)]
pub(crate) struct Parts {
    seen: BTreeSet<String>,
    count: u32,
    empty: u32,
}

impl Parts {
    /// Whether another part is requested, after a part with this cursor. `grew`: it had a bar.
    ///
    /// # Errors
    /// The parts do not end.
    pub fn next(&mut self, cursor: Option<String>, grew: bool) -> Result<Option<String>, String> {
        let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else { return Ok(None) };
        self.count += 1;
        self.empty = if grew { 0 } else { self.empty + 1 };
        if cursor.len() > CURSOR_MAX {
            return Err(format!("the name of the next page has {} characters", cursor.len()));
        }
        if !self.seen.insert(cursor.clone()) {
            return Err("the pages do not end: a page names itself as the next one".to_owned());
        }
        if self.empty >= EMPTY_MAX || self.count >= PARTS_MAX {
            let (count, empty) = (self.count, self.empty);
            return Err(format!("the pages do not end: {count} pages, the last {empty} empty"));
        }
        Ok(Some(cursor))
    }
}

/// How a stock exchange spells a symbol, and so it can stand in an address. None: it cannot be a
/// stock.
pub(crate) fn ticker(symbol: &Symbol) -> Option<&str> {
    let text = symbol.as_str();
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    let good = text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(plain);
    Some(text).filter(|_| good)
}

/// Appends a text to an address. Bytes that have a meaning there are encoded.
pub(crate) fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes all text");
        }
    }
}
