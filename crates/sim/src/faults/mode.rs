//! The modes in which a hostile venue lies, and their table.

use crate::server::routes::{AccountRoute as Mine, Change, MarketRoute as Seen, Route};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A way in which a hostile venue lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is described in the table")]
pub enum Mode {
    WrongTypes,
    HugeNumbers,
    EndlessBodies,
    AbsurdFilters,
    WrongTimes,
    DoubledIds,
    BalancesJump,
    Truncated,
    WrongContent,
}

/// One row of [`MODES`].
#[derive(Clone, Copy, Debug)]
pub struct ModeRow {
    /// The mode.
    pub mode: Mode,
    /// Its name in requests and files.
    pub name: &'static str,
    /// What the venue does, for users.
    pub text: &'static str,
}

const fn row(mode: Mode, name: &'static str, text: &'static str) -> ModeRow {
    ModeRow { mode, name, text }
}

/// All modes.
#[rustfmt::skip]
pub const MODES: &[ModeRow] = &[
    row(Mode::WrongTypes, "wrong-types",
        "values of other types: a string for a number, an object for an array, null, nothing"),
    row(Mode::HugeNumbers, "huge-numbers", "numbers like 1e30, of 79 digits, or below zero"),
    row(Mode::EndlessBodies, "endless-bodies",
        "a body without end, fast or one byte at a time; a message of 2 MB"),
    row(Mode::AbsurdFilters, "absurd-filters",
        "rules that nobody can obey: min above max, step 0, a tick of 28 decimals, no symbols"),
    row(Mode::WrongTimes, "wrong-times",
        "times in the past and the future, off by a day to many years"),
    row(Mode::DoubledIds, "doubled-ids",
        "one id twice with other content: trades, rows, symbols; the number of another order"),
    row(Mode::BalancesJump, "balances-jump",
        "balances that are a thousandfold, a thousandth, zero, absent, or of an unknown asset"),
    row(Mode::Truncated, "truncated", "JSON that is cut off"),
    row(Mode::WrongContent, "wrong-content",
        "HTML, nothing, plain text or bytes where JSON is due; JSON that is called HTML"),
];

impl Mode {
    /// The row of this mode in [`MODES`].
    #[must_use]
    pub fn row(self) -> &'static ModeRow {
        MODES.iter().find(|row| row.mode == self).expect("the table has every mode")
    }

    /// The mode with this name.
    ///
    /// # Errors
    /// No mode has this name. The text lists all names.
    pub fn named(name: &str) -> Result<Mode, String> {
        let found = MODES.iter().find(|row| row.name == name).map(|row| row.mode);
        let known = || MODES.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("there is no mode {name:?}; there are {}", known()))
    }

    /// Whether this mode can falsify responses of this route.
    #[must_use]
    pub fn meets_request(self, route: Route) -> bool {
        match self {
            Mode::WrongTypes
            | Mode::HugeNumbers
            | Mode::EndlessBodies
            | Mode::Truncated
            | Mode::WrongContent => true,
            Mode::AbsurdFilters => route == Route::ExchangeInfo,
            Mode::BalancesJump => route == Route::Account(Mine::Status),
            Mode::WrongTimes => match route {
                Route::Market(of) => matches!(of, Seen::Time | Seen::Klines),
                Route::Account(of) => {
                    matches!(of, Mine::Query | Mine::OpenOrders | Mine::AllOrders | Mine::MyTrades)
                }
                Route::Change(of) => matches!(of, Change::Place | Change::Cancel),
                Route::ExchangeInfo | Route::OrderCounts => false,
            },
            Mode::DoubledIds => match route {
                Route::Market(of) => of == Seen::Klines,
                Route::Account(of) => {
                    !matches!(of, Mine::Fees | Mine::TradeFee | Mine::Coins | Mine::Test)
                }
                Route::Change(of) => matches!(of, Change::Place | Change::Cancel),
                Route::ExchangeInfo => true,
                Route::OrderCounts => false,
            },
        }
    }

    /// Whether this mode can falsify a message with this name. `connection` is `market` or `user`.
    /// An empty name stands for any message of the connection.
    #[must_use]
    pub fn meets_message(self, connection: &str, name: &str) -> bool {
        match self {
            Mode::WrongTypes
            | Mode::HugeNumbers
            | Mode::EndlessBodies
            | Mode::Truncated
            | Mode::WrongContent => true,
            Mode::AbsurdFilters => false,
            Mode::WrongTimes => {
                let orders = connection == "user" && matches!(name, "" | "executionReport");
                orders || (connection == "market" && (name.is_empty() || name.contains("@kline")))
            }
            Mode::DoubledIds => connection == "user" && matches!(name, "" | "executionReport"),
            Mode::BalancesJump => {
                connection == "user" && matches!(name, "" | "outboundAccountPosition")
            }
        }
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.row().name)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Mode, D::Error> {
        Mode::named(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
