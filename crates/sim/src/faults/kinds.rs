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
            "the connection is cut (RST): before a request is read, instead of a message"),
        row(Kind::NoAnswer, "no-answer", Requests, true, None,
            "the request is done, then the connection is cut (RST) instead of an answer"),
        row(Kind::ErrorAfter, "error-after", Requests, true, Some(("HTTP status", 503)),
            "5xx, though it was done"),
        row(Kind::UnknownOrder, "unknown-order", Requests, true, Some(("queries of each order", 2)),
            "the first queries of an order answer -2013, though it was accepted"),
        row(Kind::Silent, "silent", Messages, true, Some(("venue ms, 0 to its end", 0)),
            "a connection pings and carries no data any more"),
        row(Kind::ChannelSilent, "channel-silent", Messages, true,
            Some(("venue ms, 0 to its end", 0)),
            "a connection carries no more of one stream or event; all others go on"),
        row(Kind::Missing, "missing", Messages, true, None, "a message is not sent"),
        row(Kind::Duplicate, "duplicate", Messages, true, None, "a message is sent twice"),
        row(Kind::Reorder, "reorder", Messages, true, None, "a message is sent after the next one"),
        row(Kind::Rotate, "rotate", Messages, true, None,
            "the connection is closed as after 24 h, behind the message"),
        row(Kind::Shutdown, "shutdown", Messages, true, Some(("ms until it closes", 1_000)),
            "`serverShutdown` is announced behind the message, then the connection is closed"),
        row(Kind::UserStreamEnded, "user-stream-ended", Messages, true, None,
            "`eventStreamTerminated` instead of the message: the subscription is over"),
        row(Kind::OddBar, "odd-bar", Messages, true, Some(("per cent of its prices", 10)),
            "a stream sends a closed bar of 1m with other prices; the records have the true ones"),
        row(Kind::Slow, "slow", Requests, false, Some(("ms", 1_000)), "the answer comes later"),
        row(Kind::ErrorBefore, "error-before", Requests, false, Some(("HTTP status", 503)),
            "5xx, and nothing was done"),
        row(Kind::Limited, "limited", Requests, false, Some(("seconds of `Retry-After`", 1)),
            "429 with -1003, and nothing was done"),
        row(Kind::Banned, "banned", Requests, false, Some(("seconds of `Retry-After`", 120)),
            "418 with -1003, and nothing was done"),
        row(Kind::ClockSkew, "clock-skew", Clock, false,
            Some(("ms ahead, below 0 behind", 5_000)),
            "`time` and the check of timestamps are ahead of the market, or behind it"),
        row(Kind::LateFills, "late-fills", Orders, false, None,
            "an order that takes is accepted as `NEW` and trades when the market next does"),
        row(Kind::PartialFills, "partial-fills", Orders, false, Some(("per cent at once", 50)),
            "an order that takes gets a part at once, the rest when the market next trades"),
        row(Kind::OddRecords, "odd-records", Bars, false, Some(("per cent of its prices", 60)),
            "streams and records have a 1m bar with other prices; orders trade at the true ones"),
        row(Kind::Hostile, "hostile", Both, false, None,
            "an answer or a message is a lie, by its mode; what was asked is done"),
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
