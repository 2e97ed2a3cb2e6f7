//! One fault that is switched on, as people and files write it.

use super::kinds::{Kind, Scope};
use super::mode::{MODES, Mode};
use crate::server::routes::{Endpoint, OWN, TABLE};
use crate::wire::streams;
use everwarm_domain::id::Symbol;
use everwarm_domain::nearest::nearest;
use serde::{Deserialize, Serialize};

/// Hits in a thousand by default: all.
const ALL: u16 = 1_000;
/// A day, milliseconds: the largest number.
const DAY: i64 = 86_400_000;
/// Account events that can be given as a place.
const EVENTS: [&str; 4] =
    ["executionReport", "outboundAccountPosition", "listStatus", "balanceUpdate"];

/// A fault that is switched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The kind.
    pub kind: Kind,
    /// The place: an endpoint (`POST order`, `order.place`), a request of a connection about itself
    /// (`session.logon`), all connections of a kind (`market`, `user`), a stream
    /// (`btcusdt@kline_1m`), an event (`executionReport`) or, for orders, a symbol. `None`: every
    /// place except requests of a connection about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The number of hits before it ends; `None`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// The number of possible hits to skip first.
    #[serde(default)]
    pub skip: u64,
    /// Hits in a thousand.
    #[serde(default = "all")]
    pub chance: u16,
    /// The number of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// The seed of its random numbers.
    #[serde(default)]
    pub seed: u64,
    /// The mode of a hostile venue; required for that kind, and only allowed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

fn all() -> u16 {
    ALL
}

impl Fault {
    /// A fault that hits everything it can, without a limit.
    #[must_use]
    pub fn of(kind: Kind) -> Fault {
        Fault {
            kind,
            at: None,
            times: None,
            skip: 0,
            chance: ALL,
            value: None,
            seed: 0,
            mode: None,
        }
    }

    /// A hostile venue in this mode, everywhere and without a limit.
    #[must_use]
    pub fn hostile(mode: Mode) -> Fault {
        Fault { mode: Some(mode), ..Fault::of(Kind::Hostile) }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.value.or(self.kind.row().value.map(|(_, value)| value)).unwrap_or(0)
    }

    /// Checks whether it is valid.
    ///
    /// # Errors
    /// What is invalid.
    pub fn check(&self) -> Result<(), String> {
        let row = self.kind.row();
        if self.chance == 0 || self.chance > ALL {
            return Err(format!("a chance of {} in 1000 is none", self.chance));
        }
        if self.times == Some(0) {
            return Err("0 times is never".to_owned());
        }
        if self.value.is_some() && row.value.is_none() {
            return Err(format!("{} has no number", row.name));
        }
        match (self.kind == Kind::Hostile, self.mode) {
            (true, None) => {
                let all: Vec<&str> = MODES.iter().map(|row| row.name).collect();
                return Err(format!("{} needs a mode: {}", row.name, all.join(", ")));
            }
            (false, Some(_)) => return Err(format!("{} has no mode", row.name)),
            (true, Some(_)) | (false, None) => {}
        }
        let number = self.number();
        let fits = match self.kind {
            Kind::ErrorBefore | Kind::ErrorAfter => [500, 502, 503, 504].contains(&number),
            Kind::PartialFills => (1..=99).contains(&number),
            Kind::Limited | Kind::Banned => (1..=259_200).contains(&number),
            Kind::UnknownOrder | Kind::OddBar | Kind::OddRecords => (1..=1_000).contains(&number),
            Kind::Slow | Kind::Shutdown | Kind::Silent | Kind::ChannelSilent => {
                (0..=DAY).contains(&number)
            }
            Kind::ClockSkew => (-DAY..=DAY).contains(&number),
            Kind::Reset
            | Kind::NoAnswer
            | Kind::LateFills
            | Kind::Missing
            | Kind::Duplicate
            | Kind::Reorder
            | Kind::Rotate
            | Kind::UserStreamEnded
            | Kind::Hostile => true,
        };
        if !fits {
            return Err(format!("{} cannot have the number {number}", row.name));
        }
        let rare = self.times.is_some() || self.skip > 0 || self.chance != ALL;
        if row.scope == Scope::Clock && rare {
            let text = "is on until it is lifted: it takes no times, skip or chance";
            return Err(format!("{} {text}", row.name));
        }
        self.place(None)
    }

    /// Checks whether its place exists at an exchange with these symbols. `None`: as far as
    /// possible without symbols.
    ///
    /// # Errors
    /// It does not exist; with the most similar place.
    pub fn place(&self, symbols: Option<&[Symbol]>) -> Result<(), String> {
        let Some(at) = &self.at else { return Ok(()) };
        let places = self.places(symbols.unwrap_or_default());
        let by_symbol = match self.kind.row().scope {
            Scope::Orders | Scope::Bars => Symbol::new(at).is_ok(),
            Scope::Messages | Scope::Both => at.contains('@') && self.meets_message("market", at),
            Scope::Requests | Scope::Clock => false,
        };
        if places.contains(at) || (by_symbol && symbols.is_none()) {
            return Ok(());
        }
        let same = places.iter().find(|place| place.eq_ignore_ascii_case(at)).map(String::as_str);
        let meant = same.or_else(|| nearest(at, places.iter().map(String::as_str)));
        let meant = meant.map_or(String::new(), |meant| format!("; did you mean {meant:?}?"));
        Err(format!("{} cannot be at {at:?}{meant}", self.kind.row().name))
    }

    /// Every place that it can hit at an exchange with these symbols.
    fn places(&self, symbols: &[Symbol]) -> Vec<String> {
        let anywhere = Fault { at: None, ..self.clone() };
        let endpoints = TABLE.iter().filter(|row| anywhere.meets_request(row));
        let both = |row: &Endpoint| [row.name.to_owned(), format!("{} {}", row.method, row.path)];
        let mut places: Vec<String> = endpoints.flat_map(both).collect();
        places.retain(|place| !place.is_empty());
        let own = |name: &&str| Fault { at: Some((*name).to_owned()), ..self.clone() };
        let own = OWN.iter().filter(|name| own(name).meets_own(name));
        places.extend(own.map(|name| (*name).to_owned()));
        for (connection, names) in
            [("market", streams::names(symbols)), ("user", EVENTS.map(str::to_owned).into())]
        {
            if anywhere.meets_message(connection, "") {
                places.push(connection.to_owned());
                let here = |name: &String| anywhere.meets_message(connection, name);
                places.extend(names.into_iter().filter(here));
            }
        }
        let meets = |symbol: &Symbol| anywhere.meets_order(*symbol) || anywhere.meets_bar(*symbol);
        let traded = symbols.iter().filter(|symbol| meets(symbol));
        places.extend(traded.map(|symbol| symbol.as_str().to_owned()));
        places
    }

    /// Whether it can hit this endpoint.
    #[must_use]
    pub fn meets_request(&self, endpoint: &Endpoint) -> bool {
        let requests = matches!(self.kind.row().scope, Scope::Requests | Scope::Both);
        let orders = self.kind != Kind::UnknownOrder || (endpoint.method, endpoint.path) == ORDER;
        let here = self.at.as_ref().is_none_or(|at| is_endpoint(at, endpoint));
        let lies = self.mode.is_none_or(|mode| mode.meets_request(endpoint.route));
        requests && orders && here && lies
    }

    /// Whether it can hit a request of a connection about itself. It must be named as the place, so
    /// a fault of requests does not disturb connections.
    #[must_use]
    pub fn meets_own(&self, name: &str) -> bool {
        let requests = matches!(self.kind.row().scope, Scope::Requests | Scope::Both);
        let other = matches!(self.kind, Kind::UnknownOrder | Kind::Hostile);
        requests && !other && self.at.as_deref() == Some(name)
    }

    /// Whether it can hit orders of this symbol.
    #[must_use]
    pub fn meets_order(&self, symbol: Symbol) -> bool {
        let orders = self.kind.row().scope == Scope::Orders;
        orders && self.at.as_ref().is_none_or(|at| at == symbol.as_str())
    }

    /// Whether it can hit bars of this symbol, in streams and records.
    #[must_use]
    pub fn meets_bar(&self, symbol: Symbol) -> bool {
        let bars = self.kind.row().scope == Scope::Bars;
        bars && self.at.as_ref().is_none_or(|at| at == symbol.as_str())
    }

    /// Whether it can hit this message of a connection of this kind (`market` or `user`).
    #[must_use]
    pub fn meets_message(&self, connection: &str, name: &str) -> bool {
        let messages = matches!(self.kind.row().scope, Scope::Messages | Scope::Both);
        let ends_user = self.kind != Kind::UserStreamEnded || connection == "user";
        let here = self.at.as_ref().is_none_or(|at| at == connection || at == name);
        let bars = connection == "market" && (name.is_empty() || name.ends_with("@kline_1m"));
        let lies = self.mode.is_none_or(|mode| mode.meets_message(connection, name));
        messages && ends_user && here && lies && (self.kind != Kind::OddBar || bars)
    }
}

/// The query of one order.
const ORDER: (&str, &str) = ("GET", "order");

fn is_endpoint(at: &str, endpoint: &Endpoint) -> bool {
    at == endpoint.name || at.split_once(' ') == Some((endpoint.method, endpoint.path))
}
