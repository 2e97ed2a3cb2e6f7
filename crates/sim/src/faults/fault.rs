//! The description of one injected fault, as admin requests and `faults.json` contain it.

use super::kinds::{Kind, Scope};
use super::mode::{MODES, Mode};
use crate::server::routes::{Endpoint, OWN, TABLE};
use crate::wire::streams;
use everwarm_domain::id::Symbol;
use everwarm_domain::nearest::nearest;
use serde::{Deserialize, Serialize};

/// Default of [`Fault::chance`], in thousandths: every match is hit.
const ALL: u16 = 1_000;
/// A day in milliseconds: the largest clock skew, and the largest duration in milliseconds.
const DAY: i64 = 86_400_000;
/// Account events that [`Fault::at`] can name.
const EVENTS: [&str; 4] =
    ["executionReport", "outboundAccountPosition", "listStatus", "balanceUpdate"];

/// An injected fault: its kind, its place, and when it hits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What the fault does.
    pub kind: Kind,
    /// Where the fault applies: an endpoint (`POST order`, `order.place`), a request about the
    /// connection itself (`session.logon`), all connections of a kind (`market`, `user`), a stream
    /// (`btcusdt@kline_1m`), an event (`executionReport`), or a symbol for faults of orders and
    /// bars. None: every place of its kind, except requests about the connection itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Number of hits after which the fault ends. None: it never ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Number of matches to skip before the first hit.
    #[serde(default)]
    pub skip: u64,
    /// Chance that a match is hit, in thousandths: 1 to 1,000.
    #[serde(default = "all")]
    pub chance: u16,
    /// The number of its kind, such as a status or milliseconds. None: the default of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// Seed of the random choice of hits.
    #[serde(default)]
    pub seed: u64,
    /// How a hostile venue lies. Required for [`Kind::Hostile`], refused for all other kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

fn all() -> u16 {
    ALL
}

impl Fault {
    /// A fault of this kind without limits: it hits every match and never ends.
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

    /// A hostile venue of this mode without limits: it falsifies every match and never ends.
    #[must_use]
    pub fn hostile(mode: Mode) -> Fault {
        Fault { mode: Some(mode), ..Fault::of(Kind::Hostile) }
    }

    /// The number in effect: `value`, else the default of the kind, else 0.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.value.or(self.kind.row().value.map(|(_, value)| value)).unwrap_or(0)
    }

    /// Checks that the settings fit the kind and each other.
    ///
    /// # Errors
    /// The first setting that is wrong, as text.
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

    /// Checks that the fault can hit something at its place, on an exchange with these symbols.
    /// Without `symbols`, the check accepts symbols and streams that are well formed.
    ///
    /// # Errors
    /// The fault can hit nothing at this place. The text suggests the nearest known place.
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

    /// Every place where the fault can apply, on an exchange with these symbols.
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

    /// Whether the fault can hit requests to this endpoint.
    #[must_use]
    pub fn meets_request(&self, endpoint: &Endpoint) -> bool {
        let requests = matches!(self.kind.row().scope, Scope::Requests | Scope::Both);
        let orders = self.kind != Kind::UnknownOrder || (endpoint.method, endpoint.path) == ORDER;
        let here = self.at.as_ref().is_none_or(|at| is_endpoint(at, endpoint));
        let lies = self.mode.is_none_or(|mode| mode.meets_request(endpoint.route));
        requests && orders && here && lies
    }

    /// Whether the fault can hit this request about the connection itself. Only a fault whose `at`
    /// names the request can. Other faults hit only requests about the market and the account.
    #[must_use]
    pub fn meets_own(&self, name: &str) -> bool {
        let requests = matches!(self.kind.row().scope, Scope::Requests | Scope::Both);
        let other = matches!(self.kind, Kind::UnknownOrder | Kind::Hostile);
        requests && !other && self.at.as_deref() == Some(name)
    }

    /// Whether the fault can hit orders of this symbol.
    #[must_use]
    pub fn meets_order(&self, symbol: Symbol) -> bool {
        let orders = self.kind.row().scope == Scope::Orders;
        orders && self.at.as_ref().is_none_or(|at| at == symbol.as_str())
    }

    /// Whether the fault can hit bars of this symbol, in streams and in responses.
    #[must_use]
    pub fn meets_bar(&self, symbol: Symbol) -> bool {
        let bars = self.kind.row().scope == Scope::Bars;
        bars && self.at.as_ref().is_none_or(|at| at == symbol.as_str())
    }

    /// Whether the fault can hit a message with this name. `connection` is `market` or `user`. An
    /// empty name stands for any message of the connection.
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

/// Method and path of the query of one order.
const ORDER: (&str, &str) = ("GET", "order");

fn is_endpoint(at: &str, endpoint: &Endpoint) -> bool {
    at == endpoint.name || at.split_once(' ') == Some((endpoint.method, endpoint.path))
}
