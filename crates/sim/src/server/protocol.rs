//! The protocols that the exchange speaks, and what they send about the account.

use super::hub::user_frame;
use crate::alpaca;
use crate::exchange::{Exchange, SimFact};
use crate::wire::events::events;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A protocol of the exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Binance spot.
    #[default]
    Binance,
    /// The trading and market data API of Alpaca for US stocks.
    Alpaca,
}

impl Protocol {
    /// The names of all protocols.
    pub const NAMES: [&'static str; 2] = ["binance", "alpaca"];

    /// Whether it trades whole shares, paid in USD, instead of pairs of assets.
    #[must_use]
    pub const fn trades_shares(self) -> bool {
        matches!(self, Protocol::Alpaca)
    }

    /// The events of the account that follow from one input. `exchange` is the books after it.
    #[must_use]
    pub fn events(self, exchange: &Exchange, input: &SimFact, facts: &[SimFact]) -> Vec<UserEvent> {
        match self {
            Protocol::Binance => {
                let event = |event: &serde_json::Value| UserEvent {
                    name: event["e"].as_str().unwrap_or_default().to_owned(),
                    text: user_frame(event),
                    order: event["s"].as_str().map(str::to_owned).zip(event["i"].as_u64()),
                };
                events(exchange, input, facts).iter().map(event).collect()
            }
            Protocol::Alpaca => alpaca::events::events(exchange, facts),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Binance => "binance",
            Protocol::Alpaca => "alpaca",
        })
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Protocol, String> {
        [Protocol::Binance, Protocol::Alpaca]
            .into_iter()
            .find(|protocol| protocol.to_string() == text)
            .ok_or_else(|| format!("{text:?} is not a protocol: {}", Protocol::NAMES.join(", ")))
    }
}

/// An event of the account, as its subscribers get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    /// The name by which faults find it.
    pub name: String,
    /// The text of the message.
    pub text: String,
    /// The symbol and the id of the order that it reports.
    pub order: Option<(String, u64)>,
}
