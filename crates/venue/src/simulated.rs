//! The control API of the simulated exchange, `/sim/v1`. Real venues have none.

use super::port::{ErrorClass, Pending, VenueError};
use super::transport::{Http, HttpRequest, Method, Probe, READ_TIMEOUT, TransportError};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::secret::Secret;
use everwarm_domain::time::UtcMs;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// The state of an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Standing {
    /// Venue time, UTC milliseconds.
    pub now: UtcMs,
    /// The market is released up to this time.
    pub market: UtcMs,
    /// The last close with a trade since the exchange opened.
    pub last_close: Option<UtcMs>,
    /// The symbols traded in that minute.
    #[serde(default)]
    pub closed: BTreeSet<Symbol>,
    /// End of the next minute in which a bar closes; none: the recording has ended.
    pub next_close: Option<UtcMs>,
    /// Whether its time is reliable. A killed exchange may have lost the last minutes of lockstep.
    /// Older exchanges do not report this, and count as reliable.
    #[serde(default = "always")]
    pub in_step: bool,
    /// The client ids of the orders that traded in the last released minute, when they changed, and
    /// their filled base units.
    #[serde(default)]
    pub traded: Vec<(String, UtcMs, Decimal)>,
    /// Venue milliseconds in a wall millisecond; 0 in lockstep.
    #[serde(default)]
    pub factor: u32,
    /// Maximum number of concurrent requests for bars while responses were slowed down.
    #[serde(default)]
    pub bars_at_once: u64,
    /// Number of requests rejected because of limits.
    #[serde(default)]
    pub over_limits: u64,
    /// Number of requests and log-ons rejected because of their keys. Only stocks count them.
    #[serde(default)]
    pub rejected_keys: u64,
}

fn always() -> bool {
    true
}

/// Moves the time of a venue that stands still between commands.
pub trait Wheel: Send + Sync + fmt::Debug {
    /// The state of the venue.
    fn status(&self) -> Pending<Standing>;

    /// Raises venue time to `to` and releases the market up to `market`. Neither ever falls.
    /// Repeating it is harmless.
    fn advance(&self, to: UtcMs, market: UtcMs) -> Pending<Standing>;

    /// A number that rises at every restart of the venue.
    fn generation(&self) -> u64;
}

impl Wheel for Admin {
    fn status(&self) -> Pending<Standing> {
        let admin = self.clone();
        Box::pin(async move { Admin::status(&admin).await })
    }

    fn advance(&self, to: UtcMs, market: UtcMs) -> Pending<Standing> {
        let admin = self.clone();
        Box::pin(async move { Admin::advance(&admin, to, market).await })
    }

    fn generation(&self) -> u64 {
        Admin::generation(self)
    }
}

/// A client that controls one exchange. Clones share the token, which changes at a restart.
#[derive(Clone, Debug)]
pub struct Admin {
    http: Http,
    base: Arc<str>,
    token: Arc<Mutex<Secret>>,
    generation: Arc<AtomicU64>,
}

impl Admin {
    /// A client for the exchange at `base`, like `http://127.0.0.1:4000`.
    ///
    /// # Errors
    /// The HTTP set-up of this machine cannot be used.
    pub fn new(base: &str, token: &str) -> Result<Admin, String> {
        let http = Http::new(base, Probe::default())?;
        let admin = Admin {
            http,
            base: base.into(),
            token: Arc::new(Mutex::new(Secret::new(""))),
            generation: Arc::default(),
        };
        admin.set_token(token);
        Ok(admin)
    }

    /// Sets the new token after the exchange was restarted.
    pub fn set_token(&self, token: &str) {
        let bearer = Secret::new(&format!("Bearer {token}"));
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = bearer;
        self.generation.fetch_add(1, Relaxed);
    }

    /// A number that rises at every restart of the exchange.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// The state of the exchange.
    ///
    /// # Errors
    /// It does not respond.
    pub async fn status(&self) -> Result<Standing, VenueError> {
        self.ask(Method::Get, "status", String::new()).await
    }

    /// Raises venue time to `to` and releases the market up to `market`. Neither ever falls.
    ///
    /// # Errors
    /// It does not respond. Repeating it is harmless.
    pub async fn advance(&self, to: UtcMs, market: UtcMs) -> Result<Standing, VenueError> {
        self.ask(Method::Post, "advance", format!(r#"{{"to":{to},"market":{market}}}"#)).await
    }

    /// Its own books, as JSON.
    ///
    /// # Errors
    /// It does not respond.
    pub async fn ledger(&self) -> Result<serde_json::Value, VenueError> {
        self.ask(Method::Get, "ledger", String::new()).await
    }

    /// The possible and the active faults, as JSON.
    ///
    /// # Errors
    /// It does not respond.
    pub async fn faults(&self) -> Result<serde_json::Value, VenueError> {
        self.ask(Method::Get, "faults", String::new()).await
    }

    /// Turns on a fault, given as JSON. Returns its number, as JSON.
    ///
    /// # Errors
    /// It does not respond, or the fault is not valid.
    pub async fn fault(&self, fault: String) -> Result<serde_json::Value, VenueError> {
        self.ask(Method::Post, "fault", fault).await
    }

    /// Turns off a fault; without a number, all. Returns how many were on, as JSON.
    ///
    /// # Errors
    /// It does not respond, or no such fault is on.
    pub async fn lift(&self, id: Option<u64>) -> Result<serde_json::Value, VenueError> {
        let body = serde_json::json!({"id": id});
        self.ask(Method::Post, "lift", body.to_string()).await
    }

    /// Halts a symbol, lets it trade again, or delists it (`trading`, `halted`, `delisted`), after
    /// the close `since`.
    ///
    /// # Errors
    /// It does not respond, or has no such symbol. Repeating it is harmless.
    pub async fn stand(
        &self,
        symbol: Symbol,
        standing: &str,
        since: UtcMs,
    ) -> Result<(), VenueError> {
        let what = format!(r#""symbol":"{symbol}","standing":"{standing}""#);
        let body = format!(r#"{{{what},"since":{since}}}"#);
        self.ask::<serde::de::IgnoredAny>(Method::Post, "standing", body).await.map(drop)
    }

    /// Adds this amount of an asset to the account, or removes it if the amount is negative.
    ///
    /// # Errors
    /// It does not respond. Repeating it adds the amount again.
    pub async fn fund(&self, asset: &str, amount: &str) -> Result<(), VenueError> {
        let body = serde_json::json!({"asset": asset, "amount": amount}).to_string();
        self.ask::<serde::de::IgnoredAny>(Method::Post, "fund", body).await.map(drop)
    }

    /// Delays every response by `ms` milliseconds, as over a long distance.
    ///
    /// # Errors
    /// It does not respond.
    pub async fn delay(&self, ms: u32) -> Result<(), VenueError> {
        let body = format!(r#"{{"ms":{ms}}}"#);
        self.ask::<serde::de::IgnoredAny>(Method::Post, "delay", body).await.map(drop)
    }

    /// Revokes the keys of the account, or accepts them again. Only at an exchange of stocks.
    ///
    /// # Errors
    /// It does not respond, or has another protocol. Repeating it is harmless.
    pub async fn revoke_keys(&self, revoked: bool) -> Result<(), VenueError> {
        let body = format!(r#"{{"revoked":{revoked}}}"#);
        self.ask::<serde::de::IgnoredAny>(Method::Post, "keys", body).await.map(drop)
    }

    /// Requests a stop.
    ///
    /// # Errors
    /// It does not respond.
    pub async fn stop(&self) -> Result<(), VenueError> {
        self.ask::<serde::de::IgnoredAny>(Method::Post, "stop", String::new()).await.map(drop)
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        name: &str,
        body: String,
    ) -> Result<T, VenueError> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let url = format!("{}/sim/v1/{name}", self.base);
        let request = HttpRequest {
            method,
            url: &url,
            keys: &[("authorization", &token)],
            timeout: READ_TIMEOUT,
            body,
        };
        let error = |class, text: String| VenueError::new(class, 0, text);
        let answer = self.http.send(request).await.map_err(|e| match e {
            TransportError::NotSent(why) => error(ErrorClass::NotSent, why),
            TransportError::Unknown(why) => error(ErrorClass::Unknown, why),
        })?;
        if answer.status != 200 {
            return Err(error(ErrorClass::Refused { again: true }, rejection(&answer.body)));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|e| error(ErrorClass::Unknown, format!("{name}: {e}")))
    }
}

/// The text of a rejection, without its JSON.
fn rejection(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let sentence = value["msg"].as_str().map(str::to_owned);
    sentence.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_shown_as_a_sentence() {
        assert_eq!(rejection(br#"{"code":-1130,"msg":"fault 9 is not on"}"#), "fault 9 is not on");
        assert_eq!(rejection(b"<html>"), "<html>");
    }
}
