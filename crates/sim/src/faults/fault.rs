//! One fault that is on, as people and files write it.

use super::kinds::{Kind, Scope};
use super::mode::{MODES, Mode};
use crate::server::routes::{Endpoint, OWN, TABLE};
use crate::wire::streams;
use everwarm_domain::id::Symbol;
use everwarm_domain::nearest::nearest;
use serde::{Deserialize, Serialize};

/// Hits in a thousand where none is given: all.
const ALL: u16 = 1_000;
/// A day, milliseconds: no number is larger.
const DAY: i64 = 86_400_000;
/// Events of the account that can be named as a place.
const EVENTS: [&str; 4] =
    ["executionReport", "outboundAccountPosition", "listStatus", "balanceUpdate"];

/// A fault that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: Kind,
    /// Where: an endpoint (`POST order`, `order.place`), what a connection asks about itself
    /// (`session.logon`), all connections of a kind (`market`, `user`), a stream
    /// (`btcusdt@kline_1m`), an event (`executionReport`) or, for orders, a symbol; none: wherever
    /// it can, but for what a connection asks about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// How often it hits before it is over; none: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// How often it would have hit before it begins.
    #[serde(default)]
    pub skip: u64,
    /// How many of a thousand it hits.
    #[serde(default = "all")]
    pub chance: u16,
    /// What the number of its kind says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// Seed of its chance.
    #[serde(default)]
    pub seed: u64,
    /// How a hostile venue lies; only and always of that kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

fn all() -> u16 {
    ALL
}

impl Fault {
    /// Hits everything it can, for ever.
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

    /// A venue that lies in this way, everywhere and for ever.
    #[must_use]
    pub fn hostile(mode: Mode) -> Fault {
        Fault { mode: Some(mode), ..Fault::of(Kind::Hostile) }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.value.or(self.kind.row().value.map(|(_, value)| value)).unwrap_or(0)
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// What does not.
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

    /// Whether there is anything to hit where it is, at an exchange with these symbols; none: as
    /// far as that can be said without them.
    ///
    /// # Errors
    /// There is not; with the place that was probably meant.
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

    /// Every place at which it can hit something, at an exchange with these symbols.
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

    /// Whether it can hit requests for that.
    #[must_use]
    pub fn meets_request(&self, endpoint: &Endpoint) -> bool {
        let requests = matches!(self.kind.row().scope, Scope::Requests | Scope::Both);
        let orders = self.kind != Kind::UnknownOrder || (endpoint.method, endpoint.path) == ORDER;
        let here = self.at.as_ref().is_none_or(|at| is_endpoint(at, endpoint));
        let lies = self.mode.is_none_or(|mode| mode.meets_request(endpoint.route));
        requests && orders && here && lies
    }

    /// Whether it can hit what a connection asks about itself: only where it is named, so that a
    /// fault of requests goes on with those about the market and the account.
    #[must_use]
    pub fn meets_own(&self, name: &str) -> bool {
        let requests = matches!(self.kind.row().scope, Scope::Requests | Scope::Both);
        let other = matches!(self.kind, Kind::UnknownOrder | Kind::Hostile);
        requests && !other && self.at.as_deref() == Some(name)
    }

    /// Whether it can hit orders of that symbol.
    #[must_use]
    pub fn meets_order(&self, symbol: Symbol) -> bool {
        let orders = self.kind.row().scope == Scope::Orders;
        orders && self.at.as_ref().is_none_or(|at| at == symbol.as_str())
    }

    /// Whether it can hit bars of that symbol, wherever they are told.
    #[must_use]
    pub fn meets_bar(&self, symbol: Symbol) -> bool {
        let bars = self.kind.row().scope == Scope::Bars;
        bars && self.at.as_ref().is_none_or(|at| at == symbol.as_str())
    }

    /// Whether it can hit such a message of a connection of that kind (`market` or `user`).
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
