//! The steering wheel of the simulated exchange: what its `/sim/v1` answers. Not part of any real
//! venue.

use super::port::{ErrorClass, Pending, VenueError};
use super::transport::{Http, HttpRequest, Method, Probe, READ_TIMEOUT, TransportError};
use everwarm_domain::id::Symbol;
use everwarm_domain::secret::Secret;
use everwarm_domain::time::UtcMs;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Where an exchange stands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Standing {
    /// Venue time, UTC milliseconds.
    pub now: UtcMs,
    /// How far the market was released.
    pub market: UtcMs,
    /// The last close anybody traded in since the exchange opened.
    pub last_close: Option<UtcMs>,
    /// Who traded in that minute.
    #[serde(default)]
    pub closed: BTreeSet<Symbol>,
    /// End of the next minute in which a bar closes; none: the recording has ended.
    pub next_close: Option<UtcMs>,
    /// Whether it knows how far time is: one that was killed may have lost the last minutes of
    /// lockstep. An exchange of before this was told does not say, and always answers.
    #[serde(default = "always")]
    pub in_step: bool,
    /// Venue milliseconds a wall millisecond; 0 in lockstep.
    #[serde(default)]
    pub factor: u32,
    /// Most requests for bars at once while answers were slowed down.
    #[serde(default)]
    pub bars_at_once: u64,
    /// Requests that were refused because of the limits.
    #[serde(default)]
    pub over_limits: u64,
}

fn always() -> bool {
    true
}

/// Moves the time of a venue that stands still until it is told to move.
pub trait Wheel: Send + Sync + fmt::Debug {
    /// Where the venue stands.
    fn status(&self) -> Pending<Standing>;

    /// Raises venue time to `to` and releases the market up to `market`; neither ever falls.
    /// Sending it again is harmless.
    fn advance(&self, to: UtcMs, market: UtcMs) -> Pending<Standing>;

    /// Rises whenever the venue was started again.
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

/// Steers one exchange. Clones share the token, which changes when the exchange is started again.
#[derive(Clone, Debug)]
pub struct Admin {
    http: Http,
    base: Arc<str>,
    token: Arc<Mutex<Secret>>,
    generation: Arc<AtomicU64>,
}

impl Admin {
    /// Steers the exchange at `base`, like `http://127.0.0.1:4000`.
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

    /// The exchange was started again and has a new token.
    pub fn set_token(&self, token: &str) {
        let bearer = Secret::new(&format!("Bearer {token}"));
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = bearer;
        self.generation.fetch_add(1, Relaxed);
    }

    /// Rises whenever the exchange was started again.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// Where it stands.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn status(&self) -> Result<Standing, VenueError> {
        self.ask(Method::Get, "status", String::new()).await
    }

    /// Raises venue time to `to` and releases the market up to `market`; neither ever falls.
    ///
    /// # Errors
    /// It does not answer; asking again is harmless.
    pub async fn advance(&self, to: UtcMs, market: UtcMs) -> Result<Standing, VenueError> {
        self.ask(Method::Post, "advance", format!(r#"{{"to":{to},"market":{market}}}"#)).await
    }

    /// Its own books, as JSON.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn ledger(&self) -> Result<serde_json::Value, VenueError> {
        self.ask(Method::Get, "ledger", String::new()).await
    }

    /// What misbehaves on request, as JSON.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn faults(&self) -> Result<serde_json::Value, VenueError> {
        self.ask(Method::Get, "faults", String::new()).await
    }

    /// Switches a fault on, given as JSON; its number, as JSON.
    ///
    /// # Errors
    /// It does not answer, or the fault makes no sense.
    pub async fn fault(&self, fault: String) -> Result<serde_json::Value, VenueError> {
        self.ask(Method::Post, "fault", fault).await
    }

    /// Switches a fault off, without a number all; how many were on, as JSON.
    ///
    /// # Errors
    /// It does not answer, or no such fault is on.
    pub async fn lift(&self, id: Option<u64>) -> Result<serde_json::Value, VenueError> {
        let body = serde_json::json!({"id": id});
        self.ask(Method::Post, "lift", body.to_string()).await
    }

    /// Halts a symbol, lets it trade again, or delists it (`trading`, `halted`, `delisted`), after
    /// the close `since`.
    ///
    /// # Errors
    /// It does not answer, or has no such symbol; asking again is harmless.
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

    /// Pays so much of an asset in, or takes it out where it is below zero.
    ///
    /// # Errors
    /// It does not answer; asking again pays again.
    pub async fn fund(&self, asset: &str, amount: &str) -> Result<(), VenueError> {
        let body = serde_json::json!({"asset": asset, "amount": amount}).to_string();
        self.ask::<serde::de::IgnoredAny>(Method::Post, "fund", body).await.map(drop)
    }

    /// Has every answer come `ms` milliseconds later, as from far away.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn delay(&self, ms: u32) -> Result<(), VenueError> {
        let body = format!(r#"{{"ms":{ms}}}"#);
        self.ask::<serde::de::IgnoredAny>(Method::Post, "delay", body).await.map(drop)
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// It does not answer.
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
            key: Some(("authorization", &token)),
            timeout: READ_TIMEOUT,
            body,
        };
        let error = |class, text: String| VenueError::new(class, 0, text);
        let answer = self.http.send(request).await.map_err(|e| match e {
            TransportError::NotSent(why) => error(ErrorClass::NotSent, why),
            TransportError::Unknown(why) => error(ErrorClass::Unknown, why),
        })?;
        if answer.status != 200 {
            return Err(error(ErrorClass::Refused { again: true }, said(&answer.body)));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|e| error(ErrorClass::Unknown, format!("{name}: {e}")))
    }
}

/// What a refusal says: its sentence, without what is around it for programs.
fn said(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let sentence = value["msg"].as_str().map(str::to_owned);
    sentence.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_as_a_sentence() {
        assert_eq!(said(br#"{"code":-1130,"msg":"fault 9 is not on"}"#), "fault 9 is not on");
        assert_eq!(said(b"<html>"), "<html>");
    }
}
