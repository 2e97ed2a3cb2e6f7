//! The kinds of injected faults, and their table.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A kind of injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is described in the table")]
pub enum Kind {
    Reset,
    NoAnswer,
    ErrorAfter,
    Slow,
    ErrorBefore,
    Limited,
    Banned,
    UnknownOrder,
    ClockSkew,
    LateFills,
    PartialFills,
    Hostile,
    Silent,
    ChannelSilent,
    Missing,
    Duplicate,
    Reorder,
    Rotate,
    Shutdown,
    UserStreamEnded,
    OddBar,
    OddRecords,
}

/// What a fault can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Requests, over REST and the WebSocket API.
    Requests,
    /// Messages of market streams and events of the account.
    Messages,
    /// Requests and messages.
    Both,
    /// The clock that the exchange reports and checks timestamps against.
    Clock,
    /// Orders that take liquidity.
    Orders,
    /// Closed one-minute bars, in streams and in responses.
    Bars,
}

impl Scope {
    /// The scope in words, for tables and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Scope::Requests => "requests",
            Scope::Messages => "messages",
            Scope::Both => "requests, messages",
            Scope::Clock => "clock",
            Scope::Orders => "orders",
            Scope::Bars => "bars",
        }
    }
}

/// One row of [`KINDS`].
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The kind.
    pub kind: Kind,
    /// Its name in requests and files.
    pub name: &'static str,
    /// What it can hit.
    pub scope: Scope,
    /// Whether a correct client ends in the same state as without the fault.
    pub transparent: bool,
    /// The meaning of its number, and the default. None: the kind has no number.
    pub value: Option<(&'static str, i64)>,
    /// What the fault does, for users.
    pub text: &'static str,
}

const fn row(
    kind: Kind,
    name: &'static str,
    scope: Scope,
    transparent: bool,
    value: Option<(&'static str, i64)>,
    text: &'static str,
) -> Row {
    Row { kind, name, scope, transparent, value, text }
}

/// All kinds of faults.
#[rustfmt::skip]
pub const KINDS: &[Row] = {
    use Scope::{Bars, Both, Clock, Messages, Orders, Requests};
    &[
        row(Kind::Reset, "reset", Both, true, None,
            "cuts the connection (RST) before it reads a request, or instead of a message"),
        row(Kind::NoAnswer, "no-answer", Requests, true, None,
            "handles the request, then cuts the connection (RST) instead of responding"),
        row(Kind::ErrorAfter, "error-after", Requests, true, Some(("HTTP status", 503)),
            "handles the request, then responds 5xx"),
        row(Kind::UnknownOrder, "unknown-order", Requests, true, Some(("queries of each order", 2)),
            "responds -2013 to the first queries of an order that it accepted"),
        row(Kind::Silent, "silent", Messages, true, Some(("venue ms, 0 to its end", 0)),
            "a connection sends pings and no more data"),
        row(Kind::ChannelSilent, "channel-silent", Messages, true,
            Some(("venue ms, 0 to its end", 0)),
            "a connection carries no more of one stream or event; the others go on"),
        row(Kind::Missing, "missing", Messages, true, None, "a message is not sent"),
        row(Kind::Duplicate, "duplicate", Messages, true, None, "a message is sent twice"),
        row(Kind::Reorder, "reorder", Messages, true, None, "a message is sent after the next one"),
        row(Kind::Rotate, "rotate", Messages, true, None,
            "closes the connection after the message, as after 24 h"),
        row(Kind::Shutdown, "shutdown", Messages, true, Some(("ms until it closes", 1_000)),
            "announces `serverShutdown` after the message, then closes the connection"),
        row(Kind::UserStreamEnded, "user-stream-ended", Messages, true, None,
            "sends `eventStreamTerminated` instead of the message: the subscription has ended"),
        row(Kind::OddBar, "odd-bar", Messages, true, Some(("per cent of its prices", 10)),
            "a stream sends a closed 1m bar with other prices; the records have the true ones"),
        row(Kind::Slow, "slow", Requests, false, Some(("ms", 1_000)), "responds later"),
        row(Kind::ErrorBefore, "error-before", Requests, false, Some(("HTTP status", 503)),
            "responds 5xx and does nothing"),
        row(Kind::Limited, "limited", Requests, false, Some(("seconds of `Retry-After`", 1)),
            "responds 429 with -1003 and does nothing"),
        row(Kind::Banned, "banned", Requests, false, Some(("seconds of `Retry-After`", 120)),
            "responds 418 with -1003 and does nothing"),
        row(Kind::ClockSkew, "clock-skew", Clock, false,
            Some(("ms ahead; negative: behind", 5_000)),
            "`time` and the timestamp check are ahead of the market, or behind it"),
        row(Kind::LateFills, "late-fills", Orders, false, None,
            "a taking order is accepted as `NEW` and trades when the market next trades"),
        row(Kind::PartialFills, "partial-fills", Orders, false, Some(("per cent immediately", 50)),
            "a taking order gets a part immediately, the rest when the market next trades"),
        row(Kind::OddRecords, "odd-records", Bars, false, Some(("per cent of its prices", 60)),
            "streams and records have a 1m bar with other prices; orders trade at the true ones"),
        row(Kind::Hostile, "hostile", Both, false, None,
            "a response or message has false content, by its mode; the request is handled"),
    ]
};

impl Kind {
    /// The row of this kind in [`KINDS`].
    #[must_use]
    pub fn row(self) -> &'static Row {
        KINDS.iter().find(|row| row.kind == self).expect("the table has every kind")
    }

    /// The kind with this name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Kind> {
        KINDS.iter().find(|row| row.name == name).map(|row| row.kind)
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.row().name)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Kind, D::Error> {
        let name = String::deserialize(from)?;
        let known = || {
            let names: Vec<&str> = KINDS.iter().map(|row| row.name).collect();
            names.join(", ")
        };
        Kind::named(&name).ok_or_else(|| {
            D::Error::custom(format!("there is no fault {name:?}; there are {}", known()))
        })
    }
}
