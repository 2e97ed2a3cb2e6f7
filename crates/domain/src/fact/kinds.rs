//! The kinds of facts: their numbers in masks, origin, durability and encoding.
//!
//! Numbers are never reused. A fact is encoded as positional MessagePack. Large facts are packed.
//!
//! Over 500 lines: two tables with a row a kind of fact.

use super::{Analysis, Body, Decision, Ledger, Market, Operator, Order, Venue};
use crate::id::Symbol;
use everwarm_kernel::fact::{self, Rank, RuntimeEvent};
use everwarm_kernel::roster::{Change, Joined};

/// Kind numbers.
pub mod kind {
    #![expect(missing_docs, reason = "each constant is the number of the fact of that name")]
    pub const CLOSE: u8 = 0;
    pub const LATE_BAR: u8 = 1;
    pub const HISTORY_LOADED: u8 = 2;
    pub const HISTORY_BARS: u8 = 3;
    pub const INSTRUMENTS: u8 = 4;
    pub const UNIVERSE: u8 = 5;
    pub const SYMBOL_WANTED: u8 = 6;
    pub const SWITCHED: u8 = 7;
    pub const SENT: u8 = 8;
    pub const REPORTED: u8 = 9;
    pub const REFUSED: u8 = 10;
    pub const UNANSWERED: u8 = 11;
    pub const ABSENT: u8 = 12;
    pub const ACCOUNT: u8 = 13;
    pub const KEPT: u8 = 14;
    pub const LIVE_CONFIRMED: u8 = 15;
    pub const STARTED: u8 = 16;
    pub const CLOCK: u8 = 17;
    pub const CONFIG_APPLIED: u8 = 18;
    pub const STAGE_UPGRADED: u8 = 19;
    pub const QUARANTINED: u8 = 20;
    pub const RELEASED: u8 = 21;
    pub const RESOLVED: u8 = 22;
    pub const BRANCH: u8 = 23;
    pub const ROLLED: u8 = 24;
    pub const FEATURES: u8 = 25;
    pub const SIGNALS: u8 = 26;
    pub const BREAKER: u8 = 32;
    pub const APPROVED: u8 = 33;
    pub const DECLINED: u8 = 34;
    pub const INTENT: u8 = 40;
    pub const GRANTED: u8 = 41;
    pub const CHANGED: u8 = 42;
    pub const FILLED: u8 = 43;
    pub const COMPARED: u8 = 44;
    pub const POSITION: u8 = 48;
    pub const EQUITY: u8 = 49;
    pub const RECONCILED: u8 = 50;
    pub const ADJUSTED: u8 = 51;
    pub const STAGE_JOINED: u8 = 52;
    pub const STAGE_LEFT: u8 = 53;
    pub const FEATURE_PLAN: u8 = 56;
    pub const FEATURE_VALUES: u8 = 57;
    pub const DOMINANCE: u8 = 62;
    pub const POINTS: u8 = 64;
    pub const TOKENS: u8 = 65;
    pub const BAR_REFUSED: u8 = 68;
    pub const SESSIONS: u8 = 69;
    pub const DAY_BEGINS: u8 = 70;
    pub const CORPORATE_ACTION: u8 = 71;
    pub const CAPABILITIES: u8 = 72;
    pub const SIGNALLED: u8 = 74;
    pub const MANUAL: u8 = 75;
    pub const REMOTE_COMMAND: u8 = 76;
    pub const OWED: u8 = 84;
    pub const LOT: u8 = 85;
    pub const WITHDRAWN: u8 = 87;
    pub const CANCEL_INTENT: u8 = 88;
    pub const GUARDED: u8 = 89;
    pub const REQUESTED: u8 = 90;
    pub const RESPONDED: u8 = 91;
    pub const ADOPTED: u8 = 93;
    pub const PANIC_TRADED: u8 = 94;
    pub const RESTARTED: u8 = 97;
    pub const HEALTH: u8 = 98;
    pub const EXTERNAL_TRADED: u8 = 99;
}

/// Ranks of the stages. They are fixed, spaced and never reused. A new stage takes a free number.
pub mod rank {
    use everwarm_kernel::fact::Rank;
    /// Aggregates 1m bars into wider ones.
    pub const ROLL_UP: Rank = Rank(100);
    /// Computes indicator values from bars.
    pub const INDICATOR: Rank = Rank(200);
    /// The first strategy. Strategies take 400 to 499.
    pub const STRATEGY: Rank = Rank(400);
    /// The circuit breaker.
    pub const BREAKER: Rank = Rank(500);
    /// Approves signals and reserves cash.
    pub const DECISION: Rank = Rank(600);
    /// Follows each order from its intent to its final state.
    pub const ORDER_MANAGER: Rank = Rank(700);
    /// Which symbols are listed, and what is held of them. A fold of the universe actor.
    pub const UNIVERSE: Rank = Rank(880);
    /// The run and the settings in force. A fold of the config actor.
    pub const CONFIG: Rank = Rank(890);
    /// What was appended about closes. A fold of the closer.
    pub const CLOSES: Rank = Rank(910);
    /// What is to be sent and queried. A fold of the gateway.
    pub const GATEWAY: Rank = Rank(900);
    /// Computes positions and equity from fills.
    pub const LEDGER: Rank = Rank(800);
}

/// One row of `docs/reference/facts.md`.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    /// Number in masks.
    pub kind: u8,
    /// `Group.Name`.
    pub name: &'static str,
    /// The actor or stage that appends it.
    pub made_by: &'static str,
    /// Whether it is flushed to disk immediately.
    pub synced: bool,
    /// How long it is kept.
    pub kept: &'static str,
    /// What it states, in one line.
    pub about: &'static str,
}

const JOURNAL: &str = "journal";
const PROJECTED: &str = "journal; projected into history";
const FOR_A_TIME: &str = "journal, for `storage.analysis_days`";
const FOR_A_TIME_PROJECTED: &str = "journal, for `storage.analysis_days`; projected into history";

/// The kinds that the journal keeps for a time only. They are derived from bars, or are bars.
#[must_use]
pub fn kept_for_a_time() -> fact::Mask {
    let for_a_time = |row: &&KindInfo| [FOR_A_TIME, FOR_A_TIME_PROJECTED].contains(&row.kept);
    let kinds: Vec<u8> = TABLE.iter().filter(for_a_time).map(|row| row.kind).collect();
    fact::Mask::of(&kinds)
}

macro_rules! kinds {
    ($($kind:ident $name:literal $by:literal $synced:literal $kept:ident $about:literal;)*) => {
        /// Every kind, by number.
        pub const TABLE: &[KindInfo] = &[$(KindInfo {
            kind: kind::$kind, name: $name, made_by: $by, synced: $synced, kept: $kept,
            about: $about,
        }),*];
    };
}

kinds! {
    CLOSE "Market.Close" "closer" false FOR_A_TIME_PROJECTED
        "all 1m bars of one closing time: one decision round";
    LATE_BAR "Market.LateBar" "closer" false FOR_A_TIME_PROJECTED
        "a bar that arrived after its close was decided";
    HISTORY_LOADED "Market.HistoryLoaded" "history" true FOR_A_TIME
        "a range of past bars may be used, with its digest; closes begin after it";
    HISTORY_BARS "Market.HistoryBars" "shell" false JOURNAL
        "never written: the bars that a stage gets instead of HistoryLoaded";
    INSTRUMENTS "Market.Instruments" "universe" false JOURNAL
        "the venue's rules for the wanted instruments";
    UNIVERSE "Market.Universe" "universe" true JOURNAL
        "changes of the listed symbols and their states";
    SYMBOL_WANTED "Operator.SymbolWanted" "operator" true JOURNAL
        "an operator adds or removes a symbol; it overrides the rule of the universe";
    SWITCHED "Operator.Switched" "operator" true JOURNAL
        "an operator turns trading, a strategy or a branch on or off";
    SENT "Venue.Sent" "gateway" true JOURNAL
        "orders that are sent once this is durable";
    REPORTED "Venue.Reported" "gateway, private stream" false JOURNAL
        "the venue reports the status of an order";
    REFUSED "Venue.Refused" "gateway" true JOURNAL
        "the venue rejected one attempt and keeps no record of it";
    UNANSWERED "Venue.Unanswered" "gateway" false JOURNAL
        "an attempt has no clear response";
    ABSENT "Venue.Absent" "gateway" false JOURNAL
        "the venue knows neither the order nor a trade of it";
    ACCOUNT "Venue.Account" "gateway" false JOURNAL
        "balances and open orders, compared with the books";
    KEPT "Analysis.Kept" "indicator" false FOR_A_TIME
        "of earlier versions: values of the indicator lengths that a position was opened with";
    LIVE_CONFIRMED "Operator.LiveConfirmed" "operator" true JOURNAL
        "a person confirmed the account that trades real money, and its caps";
    STARTED "Operator.Started" "daemon" true JOURNAL
        "a process started on this store";
    CLOCK "Operator.Clock" "clock" false FOR_A_TIME
        "the earliest wake-up of a stage is due";
    CONFIG_APPLIED "Operator.ConfigApplied" "daemon" true JOURNAL
        "the configuration in force from now on";
    STAGE_UPGRADED "Operator.StageUpgraded" "runtime" false JOURNAL
        "a stage has a new version from now on";
    QUARANTINED "Operator.Quarantined" "runtime" true JOURNAL
        "a stage failed too often at an input, or was stopped; the effect";
    RELEASED "Operator.Released" "operator, runtime" true JOURNAL
        "a quarantine ends: the stage retries, or an operator dropped it";
    RESOLVED "Operator.Resolved" "operator" true JOURNAL
        "a conflict ends: an operator accepted the side of the venue or of the books";
    BRANCH "Operator.Branch" "supervisor" true JOURNAL
        "a branch of the tree stopped after too many failures, or runs again";
    ROLLED "Analysis.Rolled" "roll-up" false FOR_A_TIME
        "wider bars completed by a close";
    FEATURES "Analysis.Features" "indicator" false FOR_A_TIME
        "of earlier versions: the averages of the only strategy after a close";
    SIGNALS "Analysis.Signals" "strategies" false JOURNAL
        "signals of one strategy after a close";
    BREAKER "Decision.Breaker" "breaker" false JOURNAL
        "the breaker changed its level or reasons";
    APPROVED "Decision.Approved" "decision" false JOURNAL
        "a signal may be traded; funds are reserved";
    DECLINED "Decision.Declined" "decision" false JOURNAL
        "a signal may not be traded, and why";
    INTENT "Order.Intent" "order manager" false PROJECTED
        "an order that may be sent once, while it is valid";
    GRANTED "Order.Granted" "order manager" false JOURNAL
        "another attempt with the same id is safe";
    CHANGED "Order.Changed" "order manager" false PROJECTED
        "an order changed its status or filled quantity";
    FILLED "Order.Filled" "order manager" false PROJECTED
        "one execution, applied once";
    COMPARED "Order.Compared" "order manager" false JOURNAL
        "open orders at the venue against ours";
    POSITION "Ledger.Position" "ledger" false JOURNAL
        "a position changed";
    EQUITY "Ledger.Equity" "ledger" false PROJECTED
        "value of the account after a close";
    RECONCILED "Ledger.Reconciled" "ledger" true JOURNAL
        "the account compared with the books: entries may continue, or why not";
    ADJUSTED "Ledger.Adjusted" "ledger" false JOURNAL
        "the books accepted the venue's smaller balance, or took over a surplus";
    STAGE_JOINED "Operator.StageJoined" "runtime" true JOURNAL
        "a stage joins at the next input";
    STAGE_LEFT "Operator.StageLeft" "runtime" true JOURNAL
        "a stage left";
    FEATURE_PLAN "Analysis.FeaturePlan" "indicator" false JOURNAL
        "the features that are computed from now on";
    FEATURE_VALUES "Analysis.FeatureValues" "indicator" false FOR_A_TIME
        "values of the features of one width after a close";
    DOMINANCE "Market.Dominance" "dominance" false PROJECTED
        "shares of BTC and USDT in the market capitalisation of all assets; each sample once";
    POINTS "Market.Points" "points" false PROJECTED
        "prices of tokens of the registry in their pools; each response once";
    TOKENS "Operator.Tokens" "operator" true PROJECTED
        "an operator adds or removes tokens of the registry";
    BAR_REFUSED "Market.BarRefused" "closer" false JOURNAL
        "a bar that contradicts the venue's records or is out of range; at most one a minute";
    SESSIONS "Market.Sessions" "universe" false JOURNAL
        "when the venue trades, appended ahead of time";
    DAY_BEGINS "Market.DayBegins" "universe" false JOURNAL
        "when a trading day begins that is not one of UTC, appended ahead of time";
    CORPORATE_ACTION "Market.CorporateAction" "closer" false JOURNAL
        "a bar far from the one before: the venue is queried for a split, or reports it";
    CAPABILITIES "Market.Capabilities" "universe" false JOURNAL
        "which orders a venue takes, at a start where it differs";
    SIGNALLED "Operator.Signalled" "operator" true JOURNAL
        "a signal of an external program for a strategy; each id counts once";
    MANUAL "Operator.Manual" "operator" true JOURNAL
        "an operator requests an order, an exit, prices or a cancel by hand; each id counts once";
    REMOTE_COMMAND "Operator.RemoteCommand" "operator" true JOURNAL
        "a command from a chat; each update counts once";
    OWED "Decision.Owed" "decision" false JOURNAL
        "an exit that was decided and is not sold: opened, waiting for another reason, or ended";
    LOT "Ledger.Lot" "ledger" false JOURNAL
        "the lot of one strategy changed";
    WITHDRAWN "Decision.Withdrawn" "decision" false JOURNAL
        "a strategy withdrew an order before it was sent, and why";
    CANCEL_INTENT "Decision.CancelIntent" "decision" false JOURNAL
        "an order that was sent is to be cancelled, and why";
    GUARDED "Decision.Guarded" "decision" false JOURNAL
        "an operator gave a lot a stop, a target, or both, and why";
    REQUESTED "Venue.Requested" "gateway" true JOURNAL
        "a request to cancel an order, sent once this is durable";
    RESPONDED "Venue.Responded" "gateway" false JOURNAL
        "the response to that request; the status of the order is reported separately";
    ADOPTED "Operator.Adopted" "operator" true JOURNAL
        "an operator takes a surplus into the books";
    PANIC_TRADED "Venue.PanicTraded" "gateway" false JOURNAL
        "what `everwarm panic` traded; each trade counts once";
    RESTARTED "Operator.Restarted" "supervisor" false JOURNAL
        "actors that restarted, by name and cause, collected for ten seconds";
    HEALTH "Operator.Health" "clock" true JOURNAL
        "venue, market data, clock or disk became unfit for trading, or fit again";
    EXTERNAL_TRADED "Venue.ExternalTraded" "gateway" false JOURNAL
        "what external orders traded, to be adopted; each trade counts once";
}

impl fact::Body for Body {
    #[expect(clippy::too_many_lines, reason = "one arm for each fact")]
    fn kind(&self) -> u8 {
        match self {
            Body::Market(m) => match m {
                Market::Close { .. } => kind::CLOSE,
                Market::LateBar { .. } => kind::LATE_BAR,
                Market::HistoryLoaded { .. } => kind::HISTORY_LOADED,
                Market::HistoryBars { .. } => kind::HISTORY_BARS,
                Market::Instruments { .. } => kind::INSTRUMENTS,
                Market::Universe { .. } => kind::UNIVERSE,
                Market::BarRefused { .. } => kind::BAR_REFUSED,
                Market::Sessions { .. } => kind::SESSIONS,
                Market::DayBegins { .. } => kind::DAY_BEGINS,
                Market::Capabilities { .. } => kind::CAPABILITIES,
                Market::Dominance(_) => kind::DOMINANCE,
                Market::CorporateAction(_) => kind::CORPORATE_ACTION,
                Market::Points(_) => kind::POINTS,
            },
            Body::Venue(v) => match v {
                Venue::Sent { .. } => kind::SENT,
                Venue::Reported(_) => kind::REPORTED,
                Venue::Refused { .. } => kind::REFUSED,
                Venue::Unanswered { .. } => kind::UNANSWERED,
                Venue::Absent { .. } => kind::ABSENT,
                Venue::Account { .. } => kind::ACCOUNT,
                Venue::PanicTraded { .. } => kind::PANIC_TRADED,
                Venue::Requested(_) => kind::REQUESTED,
                Venue::Responded { .. } => kind::RESPONDED,
                Venue::ExternalTraded(_) => kind::EXTERNAL_TRADED,
            },
            Body::Operator(o) => match o {
                Operator::LiveConfirmed { .. } => kind::LIVE_CONFIRMED,
                Operator::Started { .. } => kind::STARTED,
                Operator::Clock { .. } => kind::CLOCK,
                Operator::ConfigApplied { .. } => kind::CONFIG_APPLIED,
                Operator::StageUpgraded { .. } => kind::STAGE_UPGRADED,
                Operator::StageJoined { .. } => kind::STAGE_JOINED,
                Operator::StageLeft { .. } => kind::STAGE_LEFT,
                Operator::Quarantined { .. } => kind::QUARANTINED,
                Operator::Released { .. } => kind::RELEASED,
                Operator::Branch { .. } => kind::BRANCH,
                Operator::SymbolWanted { .. } => kind::SYMBOL_WANTED,
                Operator::Resolved { .. } => kind::RESOLVED,
                Operator::Switched { .. } => kind::SWITCHED,
                Operator::Adopted { .. } => kind::ADOPTED,
                Operator::Restarted { .. } => kind::RESTARTED,
                Operator::Health { .. } => kind::HEALTH,
                Operator::Signalled(_) => kind::SIGNALLED,
                Operator::Manual { .. } => kind::MANUAL,
                Operator::RemoteCommand { .. } => kind::REMOTE_COMMAND,
                Operator::Tokens { .. } => kind::TOKENS,
            },
            Body::Analysis(a) => match a {
                Analysis::Rolled { .. } => kind::ROLLED,
                Analysis::FeaturePlan { .. } => kind::FEATURE_PLAN,
                Analysis::FeatureValues { plan: 0, .. } => kind::FEATURES,
                Analysis::FeatureValues { .. } => kind::FEATURE_VALUES,
                Analysis::Kept { .. } => kind::KEPT,
                Analysis::Signals { .. } => kind::SIGNALS,
            },
            Body::Decision(d) => match d {
                Decision::Breaker { .. } => kind::BREAKER,
                Decision::Approved { .. } => kind::APPROVED,
                Decision::Declined { .. } => kind::DECLINED,
                Decision::Owed { .. } => kind::OWED,
                Decision::Withdrawn { .. } => kind::WITHDRAWN,
                Decision::CancelIntent { .. } => kind::CANCEL_INTENT,
                Decision::Guarded { .. } => kind::GUARDED,
            },
            Body::Order(o) => match o {
                Order::Intent(_) => kind::INTENT,
                Order::Granted { .. } => kind::GRANTED,
                Order::Changed { .. } => kind::CHANGED,
                Order::Filled { .. } => kind::FILLED,
                Order::Compared { .. } => kind::COMPARED,
            },
            Body::Ledger(l) => match l {
                Ledger::Position { .. } => kind::POSITION,
                Ledger::Equity { .. } => kind::EQUITY,
                Ledger::Reconciled { .. } => kind::RECONCILED,
                Ledger::Adjusted { .. } => kind::ADJUSTED,
                Ledger::Lot { .. } => kind::LOT,
            },
        }
    }

    fn name(kind: u8) -> &'static str {
        TABLE.iter().find(|row| row.kind == kind).map_or("?", |row| row.name)
    }

    fn synced(&self) -> bool {
        matches!(
            self.kind(),
            kind::SENT
                | kind::REFUSED
                | kind::LIVE_CONFIRMED
                | kind::STARTED
                | kind::CONFIG_APPLIED
                | kind::RECONCILED
                | kind::HISTORY_LOADED
                | kind::QUARANTINED
                | kind::RELEASED
                | kind::STAGE_JOINED
                | kind::STAGE_LEFT
                | kind::BRANCH
                | kind::UNIVERSE
                | kind::SYMBOL_WANTED
                | kind::RESOLVED
                | kind::SWITCHED
                | kind::ADOPTED
                | kind::REQUESTED
                | kind::SIGNALLED
                | kind::MANUAL
                | kind::HEALTH
                | kind::TOKENS
        )
    }

    fn encode(&self, out: &mut Vec<u8>) {
        if super::packed::encode(self, out) {
            return;
        }
        rmp_serde::encode::write(out, self).expect("facts are plain values and memory takes them");
    }

    fn weight(&self) -> usize {
        size_of::<Body>() + self.heap()
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        if let Some(packed) = super::packed::decode(bytes) {
            return packed;
        }
        rmp_serde::from_slice(bytes).map_err(|e| e.to_string())
    }

    fn parts(&self) -> Vec<String> {
        self.symbols().iter().map(Symbol::to_string).collect()
    }

    fn without(&self, parts: &[String]) -> Option<Self> {
        self.without_symbols(|symbol| parts.iter().any(|part| part == symbol.as_str()))
    }

    fn runtime(event: RuntimeEvent) -> Self {
        match event {
            RuntimeEvent::StageUpgraded { rank, from, to } => {
                Body::Operator(Operator::StageUpgraded { rank: rank.0, from, to })
            }
            RuntimeEvent::Joined(Joined { rank, id, kind, version, settings }) => {
                let rank = rank.0;
                Body::Operator(Operator::StageJoined { rank, id, kind, version, settings })
            }
            RuntimeEvent::Left { rank } => Body::Operator(Operator::StageLeft { rank: rank.0 }),
            RuntimeEvent::Quarantined(q) => Body::Operator(Operator::Quarantined {
                rank: q.rank.0,
                stage: q.stage.to_owned(),
                input: q.n,
                effect: q.effect,
                symbols: q.parts.iter().filter_map(|part| Symbol::new(part).ok()).collect(),
                failures: q.failures,
                why: q.why,
            }),
            RuntimeEvent::Released { quarantine } => {
                Body::Operator(Operator::Released { quarantine, retry: true })
            }
        }
    }

    fn roster(&self) -> Option<Change> {
        if let Body::Operator(Operator::StageLeft { rank }) = self {
            return Some(Change::Left(Rank(*rank)));
        }
        let Body::Operator(Operator::StageJoined { rank, id, kind, version, settings }) = self
        else {
            return None;
        };
        let (rank, version) = (Rank(*rank), *version);
        let (id, kind, settings) = (id.clone(), kind.clone(), settings.clone());
        Some(Change::Joined(Joined { rank, id, kind, version, settings }))
    }
}

/// Rough heap use of a short text, bytes. Names, ids and reasons are tens of bytes long.
const TEXT: usize = 48;

impl Body {
    /// Rough heap use, bytes. What grows with the number of symbols is counted; the rest is
    /// estimated.
    #[expect(clippy::too_many_lines, reason = "one arm for each fact")]
    fn heap(&self) -> usize {
        match self {
            Body::Market(m) => match m {
                Market::Close { bars, missing, odd, .. } => {
                    let flat = size_of_val(bars.as_slice()) + size_of_val(missing.as_slice());
                    flat + size_of_val(odd.as_slice())
                }
                Market::BarRefused { reason, claimed, .. } => reason.len() + claimed.len(),
                Market::Sessions { sessions, .. } => size_of_val(sessions.spans()),
                Market::DayBegins { .. }
                | Market::Capabilities { .. }
                | Market::CorporateAction(_)
                | Market::Dominance(_) => TEXT,
                Market::HistoryBars { bars, .. } => size_of_val(bars.as_slice()),
                Market::Points(of) => size_of_val(of.points.as_slice()) + TEXT,
                Market::Instruments { rules } => size_of_val(rules.as_slice()) + rules.len() * TEXT,
                Market::Universe { listed, unlisted, .. } => {
                    let flat = size_of_val(listed.as_slice()) + size_of_val(unlisted.as_slice());
                    flat + listed.len() * TEXT
                }
                Market::LateBar { .. } | Market::HistoryLoaded { .. } => 0,
            },
            Body::Venue(v) => match v {
                Venue::Sent { attempts } => {
                    size_of_val(attempts.as_slice()) + attempts.len() * TEXT
                }
                Venue::Reported(report) => {
                    let fills = report.fills.as_slice();
                    2 * TEXT + size_of_val(fills) + fills.len() * 2 * TEXT
                }
                Venue::Requested(_) | Venue::Responded { .. } => 3 * TEXT,
                Venue::Refused { .. } | Venue::Unanswered { .. } | Venue::Absent { .. } => 2 * TEXT,
                Venue::Account { balances, open, charges, .. } => {
                    let flat = size_of_val(balances.as_slice()) + size_of_val(open.as_slice());
                    let charged = size_of_val(charges.as_slice()) + 3 * charges.len() * TEXT;
                    flat + charged + (balances.len() + open.len()) * TEXT
                }
                Venue::PanicTraded { trades, .. } => {
                    size_of_val(trades.as_slice()) + trades.len() * 3 * TEXT
                }
                Venue::ExternalTraded(external) => {
                    let trades = external.trades.as_slice();
                    size_of_val(trades) + trades.len() * 4 * TEXT
                }
            },
            Body::Operator(o) => match o {
                Operator::ConfigApplied { text, origins, values, retained, .. } => {
                    let pairs = origins.len() + values.len();
                    let former: usize = retained.iter().map(|row| row.settings.len() + TEXT).sum();
                    text.len() + former + pairs * (size_of::<(String, String)>() + 2 * TEXT)
                }
                Operator::Switched { reason: text, .. }
                | Operator::Adopted { reason: text, .. }
                | Operator::StageJoined { settings: text, .. } => 2 * TEXT + text.len(),
                Operator::LiveConfirmed { .. }
                | Operator::Started { .. }
                | Operator::Clock { .. } => TEXT,
                Operator::Quarantined { symbols, why, .. } => {
                    size_of_val(symbols.as_slice()) + why.len() + TEXT
                }
                Operator::Branch { path, down } => path.len() + down.as_deref().map_or(0, str::len),
                Operator::StageUpgraded { .. }
                | Operator::StageLeft { .. }
                | Operator::Released { .. }
                | Operator::SymbolWanted { .. } => 0,
                Operator::Manual { reason, .. } | Operator::Resolved { reason, .. } => {
                    4 * TEXT + reason.len()
                }
                Operator::Signalled(signal) => {
                    size_of_val(&**signal) + 3 * TEXT + signal.reason.len()
                }
                Operator::RemoteCommand { who, text, .. } => 2 * TEXT + who.len() + text.len(),
                Operator::Health { problems } => {
                    problems.iter().map(|(_, why)| why.len() + TEXT).sum()
                }
                Operator::Tokens { removed, added } => {
                    let flat = size_of_val(removed.as_slice()) + size_of_val(added.as_slice());
                    flat + 3 * added.len() * TEXT
                }
                Operator::Restarted { actors } => {
                    size_of_val(actors.as_slice()) + actors.len() * TEXT
                }
            },
            Body::Analysis(a) => match a {
                Analysis::Rolled { bars, .. } => size_of_val(bars.as_slice()),
                Analysis::FeaturePlan { features, .. } => features.len() * 2 * TEXT,
                Analysis::FeatureValues { table, .. } | Analysis::Kept { rows: table, .. } => {
                    table.heap()
                }
                Analysis::Signals { rows } => size_of_val(rows.as_slice()) + rows.len() * 2 * TEXT,
            },
            Body::Decision(_) | Body::Order(_) => 4 * TEXT,
            Body::Ledger(_) => TEXT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{FeatureHead, FeatureTable};
    use crate::market::Bar;
    use crate::money::{Decimal, Price};
    use crate::time::Timeframe;
    use everwarm_kernel::fact::Body as _;

    #[test]
    fn what_grows_with_the_symbols_weighs_what_it_takes() {
        let symbol = Symbol::new("A").unwrap();
        let price = Price::e8(1);
        let volume = Decimal::ONE;
        let bar = Bar {
            symbol,
            open_time: 0,
            open: price,
            high: price,
            low: price,
            close: price,
            volume,
        };
        let head = FeatureHead { symbol, time: 0, close: price };
        let timeframe = Timeframe::M1;
        let close = |n| {
            let (bars, missing, odd) = (vec![bar; n], Vec::new(), Vec::new());
            Market::Close { time: 0, bars, missing, odd }
        };
        let features = |n| {
            let table = FeatureTable::of(4, vec![head; n], vec![0.0; 4 * n]);
            Analysis::FeatureValues { plan: 1, timeframe, table }
        };
        let row = size_of::<FeatureHead>() + 4 * size_of::<f64>();
        let past = |n| Market::HistoryBars { symbol, timeframe, bars: vec![bar; n], plan: 0 };
        let kinds: [(&dyn Fn(usize) -> Body, usize); 3] = [
            (&|n| Body::Market(close(n)), size_of::<Bar>()),
            (&|n| Body::Analysis(features(n)), row),
            (&|n| Body::Market(past(n)), size_of::<Bar>()),
        ];
        for (body, each) in kinds {
            let (one, many) = (body(1).weight(), body(301).weight());
            assert_eq!(many - one, 300 * each);
            assert!(one >= size_of::<Body>());
        }
        // With 300 symbols a close and its features take tens of kilobytes. Memory limits of
        // megabytes must count that.
        let round = Body::Market(close(300)).weight() + Body::Analysis(features(300)).weight();
        assert!((30_000..60_000).contains(&round), "{round}");
    }
}
