//! The sentence of each fact, the same in every view.
//!
//! Over 500 lines: one sentence a kind of fact.

mod by_others;
mod samples;
mod splits;
mod switches;

use super::by_hand::sold_at;
use super::stored_texts::shown;
use everwarm_domain::fact::{
    Accept, Analysis, Body, BreakerLevel, Conflict, Decision, Dispute, Ledger, Listed, Market,
    Operator, Order, Part, Restarts, Signal, StrategyLimit, Venue,
};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::odd::Oddity;
use everwarm_domain::order::{
    Balance, Charge, ExitPrices, OrderIntent, OrderReport, OrderRequest, OrderStatus, OrderType,
    ReportSource, RequestKind, Response, Side,
};
use everwarm_domain::quarantine::Quarantine;
use everwarm_domain::time::{UtcMs, date_of};
use everwarm_words::text::{amount, clock, count, instant, plain, rounded};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
pub use switches::{answered, switched};

/// Maximum number of balances in a sentence: an account may hold dust of hundreds of assets.
const BALANCES_SHOWN: usize = 8;

/// The sentence of a fact. With `focus` it leaves out other symbols.
#[must_use]
pub fn describe(body: &Body, focus: Option<Symbol>) -> String {
    match body {
        Body::Market(market) => describe_market(market, focus),
        Body::Venue(venue) => describe_venue(venue),
        Body::Operator(operator) => describe_operator(operator),
        Body::Analysis(analysis) => describe_analysis(analysis, focus),
        Body::Decision(decision) => describe_decision(decision),
        Body::Order(order) => describe_order(order),
        Body::Ledger(ledger) => describe_ledger(ledger),
    }
}

/// `buy` or `sell`.
#[must_use]
pub const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// `market`, or `limit` with its price, and the stop that triggers it.
#[must_use]
pub fn priced(order_type: OrderType, price: Option<Decimal>, stop: Option<Decimal>) -> String {
    if let Some(stop) = stop {
        return format!("{}, stop {}", priced(order_type, price, None), plain(stop));
    }
    match (order_type, price) {
        (OrderType::Market, _) => "at market".to_owned(),
        (OrderType::Limit, Some(price)) => format!("at {} or better", plain(price)),
        (OrderType::Limit, None) => "at a limit".to_owned(),
    }
}

/// The word for an order's status.
#[must_use]
pub const fn status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Intent => "decided, not sent",
        OrderStatus::Sent => "sent",
        OrderStatus::Unknown => "status unknown",
        OrderStatus::Open => "open",
        OrderStatus::PartlyFilled => "partly filled",
        OrderStatus::Filled => "filled",
        OrderStatus::Cancelled => "cancelled",
        OrderStatus::Rejected => "rejected",
        OrderStatus::Expired => "expired",
    }
}

/// The word for a level of the breaker.
#[must_use]
pub const fn level(level: BreakerLevel) -> &'static str {
    match level {
        BreakerLevel::Normal => "normal",
        BreakerLevel::Reduced => "reduced",
        BreakerLevel::ExitsOnly => "exits-only",
        BreakerLevel::Halted => "halted",
    }
}

/// `buy 0.5 ETHUSD at market`.
#[must_use]
pub fn intent(intent: &OrderIntent) -> String {
    let OrderIntent { symbol, quantity, order_type, price, .. } = intent;
    let (side, priced) = (side(intent.side), priced(*order_type, *price, intent.terms.stop));
    format!("{side} {} {symbol} {priced}", plain(*quantity))
}

/// Both sides of an unexplained difference.
#[must_use]
pub fn conflict(conflict: &Conflict) -> String {
    let Conflict { about, ours, theirs, dispute } = conflict;
    let twin = match dispute {
        Dispute::Twin => {
            "; another daemon uses this installation name, or this directory is an old backup"
        }
        Dispute::Balance | Dispute::Order | Dispute::Setup => "",
    };
    format!("{about}: books {}, venue {}{twin}", shown(ours), shown(theirs))
}

/// The side that an operator accepted.
#[must_use]
pub const fn accepted(accept: Accept) -> &'static str {
    match accept {
        Accept::Venue => "the venue's side is accepted",
        Accept::Ours => "the side of the books is accepted",
    }
}

/// The first and last characters of an id, for lines that must be short.
#[must_use]
pub fn short(id: &ClientOrderId) -> String {
    let chars: Vec<char> = id.0.chars().collect();
    if chars.len() <= 14 {
        return id.0.clone();
    }
    let head: String = chars[..8].iter().collect();
    let tail: String = chars[chars.len() - 5..].iter().collect();
    format!("{head}…{tail}")
}

fn bar(bar: &Bar) -> String {
    let Bar { symbol, open, high, low, close, volume, .. } = bar;
    format!(
        "{symbol} open {open}, high {high}, low {low}, close {close}, volume {}",
        plain(*volume)
    )
}

/// The sentence of an odd bar.
#[must_use]
pub fn odd(symbol: Symbol, why: Oddity) -> String {
    format!("the bar of {symbol} is odd: {}, and the exchange confirms it", why.words())
}

fn some<T>(rows: &[T], of: impl Fn(&T) -> Symbol, focus: Option<Symbol>) -> Vec<&T> {
    rows.iter().filter(|row| focus.is_none_or(|symbol| of(row) == symbol)).collect()
}

/// The state of a symbol, in words.
fn state_of(row: &Listed) -> String {
    format!("{} {} ({})", row.symbol, row.standing().name(), shown(&row.why))
}

fn describe_market(market: &Market, focus: Option<Symbol>) -> String {
    match market {
        Market::Close { time, bars, missing, odd } => {
            let chosen = some(bars, |b| b.symbol, focus);
            let absent = match missing.as_slice() {
                [] => String::new(),
                names => format!("; missing: {}", list(names.iter().map(Symbol::to_string))),
            };
            let about = match (focus, chosen.as_slice()) {
                (Some(_), [one]) => bar(one),
                (Some(symbol), _) => format!("no bar of {symbol}"),
                (None, _) => format!("{} of {}", count(bars.len() as u64, "bar"), names(bars)),
            };
            let strange = some(odd, |odd| odd.symbol, focus);
            let strange = strange.iter().map(|odd| format!("; {}", self::odd(odd.symbol, odd.why)));
            let strange: String = strange.collect();
            format!("close at {} UTC: {about}{absent}{strange}", clock(*time))
        }
        Market::LateBar { bar: late, odd: why } => {
            let strange = why.map_or(String::new(), |why| format!("; {}", odd(late.symbol, why)));
            let values = bar(late);
            format!(
                "the bar of {} UTC arrived after its close: {values}{strange}",
                clock(late.open_time)
            )
        }
        Market::BarRefused { symbol, time, reason, claimed } => {
            let time = clock(*time);
            format!("the bar {symbol} {time} UTC is refused: {reason}; its values: {claimed}")
        }
        Market::Sessions { sessions, .. } => {
            let until = sessions
                .until()
                .map_or_else(String::new, |until| format!(", known until {} UTC", instant(until)));
            let number = count(sessions.spans().len() as u64, "session");
            format!("the exchange trades in {number}{until}")
        }
        Market::DayBegins { zone, day, at, .. } => {
            format!("the trading day {} ({zone}) begins at {} UTC", date_of(*day), instant(*at))
        }
        Market::Capabilities { capabilities, stop_orders, fewer, pairs, splits, .. } => {
            let stops = (*stop_orders > 0).then(|| stop_orders_of(*stop_orders, fewer));
            let pairs = pairs.then(|| "pairs of a stop and a target".to_owned());
            let kinds = capabilities.orders.iter().map(|kind| kind.name().to_owned());
            let kinds = kinds.chain(stops).chain(pairs);
            let splits = if *splits { "; it reports splits" } else { "" };
            format!("the exchange takes orders of these kinds: {}{splits}", list(kinds))
        }
        Market::HistoryLoaded { symbol, timeframe, from, to, count, plan, .. } => {
            let (from, to) = (instant(*from), instant(*to));
            let by = if *plan > 0 { " for new features" } else { "" };
            format!("loaded {count} {timeframe} bars of {symbol}{by}, {from} to {to} UTC")
        }
        Market::HistoryBars { symbol, timeframe, bars, .. } => {
            format!("{} historical {timeframe} bars of {symbol}", bars.len())
        }
        Market::Instruments { rules } => {
            format!("rules of the venue for {}", count(rules.len() as u64, "instrument"))
        }
        Market::Universe { listed, unlisted, .. } => describe_universe(listed, unlisted, focus),
        Market::Dominance(sample) => samples::dominance(sample),
        Market::Points(points) => samples::points(points),
        Market::CorporateAction(action) => splits::described(action),
    }
}

fn describe_universe(listed: &[Listed], unlisted: &[Symbol], focus: Option<Symbol>) -> String {
    let listed = some(listed, |row| row.symbol, focus);
    let rows = listed.iter().map(|row| state_of(row));
    let gone = some(unlisted, |symbol| *symbol, focus);
    let gone = gone.iter().map(|symbol| format!("{symbol} no longer listed"));
    let all: Vec<String> = rows.chain(gone).collect();
    match all.as_slice() {
        [] => "polled the venue's symbols: no change".to_owned(),
        few if few.len() <= 4 => list(few.iter().cloned()),
        many => format!("{} changed, {}, …", many.len(), list(many[..4].iter().cloned())),
    }
}

fn names(bars: &[Bar]) -> String {
    const SHOWN: usize = 4;
    let shown = list(bars.iter().take(SHOWN).map(|b| b.symbol.to_string()));
    if bars.len() > SHOWN { format!("{shown}, …") } else { shown }
}

/// How many stop orders of a symbol the exchange takes, with the symbols of which it takes fewer.
fn stop_orders_of(most: u32, fewer: &[(Symbol, u32)]) -> String {
    let but = list(fewer.iter().map(|(symbol, most)| format!("{most} of {symbol}")));
    let but = if but.is_empty() { but } else { format!(" ({but})") };
    format!("{most} stop orders a symbol{but}")
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn describe_venue(venue: &Venue) -> String {
    match venue {
        Venue::Sent { attempts } => {
            let one = |a: &everwarm_domain::order::SendAttempt| {
                let until = clock(a.validity.deadline);
                format!(
                    "order {}, attempt {}, signed for {}, valid until {until}",
                    a.client_id,
                    a.attempt,
                    clock(a.validity.timestamp)
                )
            };
            format!("sent to the venue: {}", list(attempts.iter().map(one)))
        }
        Venue::Reported(report) => describe_report(report),
        Venue::Refused { client_id, attempt, code, text, again } => {
            let again = if *again { "it may be sent again" } else { "it is final" };
            format!(
                "the venue rejected order {client_id}, attempt {attempt}: {text} ({code}); {again}"
            )
        }
        Venue::Unanswered { client_id, attempt, reason } => format!(
            "the status of order {client_id} is unknown, attempt {attempt}: {reason}; the venue \
             is queried"
        ),
        Venue::Absent { client_id, asked } => format!(
            "queried at {}, the venue has no order {client_id} and no trade of it",
            clock(*asked)
        ),
        Venue::Account { balances, open, charges, .. } => {
            let open = count(open.len() as u64, "open order");
            let fee = |it: &Charge| format!("; fee {} {} ({})", it.amount, it.asset, it.what);
            let fees: String = charges.iter().map(fee).collect();
            format!("account at the venue: {}; {open}{fees}", describe_balances(balances))
        }
        Venue::PanicTraded { trades, .. } => {
            let orders: BTreeSet<&ClientOrderId> = trades.iter().map(|t| &t.client_id).collect();
            let trades = count(trades.len() as u64, "trade");
            format!("everwarm panic sold: {trades} of {}", count(orders.len() as u64, "order"))
        }
        Venue::ExternalTraded(external) => by_others::traded(external),
        Venue::Requested(request) => {
            let OrderRequest { of, what: RequestKind::Cancel, attempt, deadline, .. } = request;
            let until = clock(*deadline);
            format!("sent to the venue: cancel order {of}, attempt {attempt}, valid until {until}")
        }
        Venue::Responded { of, attempt, response, .. } => {
            format!("cancel of order {of}, attempt {attempt}: {}", describe_response(response))
        }
    }
}

/// The result of a cancel.
#[must_use]
pub fn describe_response(response: &Response) -> String {
    match response {
        Response::Accepted => "the venue cancelled it".to_owned(),
        Response::NotOpen => "the venue does not have it open".to_owned(),
        Response::Refused { code, text } => format!("the venue rejected it: {text} ({code})"),
        Response::Unknown { reason } => format!("status unknown: {reason}; the order is queried"),
    }
}

/// All balances if they are few, else the largest.
fn describe_balances(balances: &[Balance]) -> String {
    let mut shown: Vec<&Balance> = balances.iter().collect();
    if shown.len() > BALANCES_SHOWN {
        shown.sort_by_key(|b| Reverse(b.free.saturating_add(b.locked)));
        shown.truncate(BALANCES_SHOWN);
    }
    let text = list(
        shown.iter().map(|b| format!("{} {}", plain(b.free.saturating_add(b.locked)), b.asset)),
    );
    match balances.len() - shown.len() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

fn describe_report(report: &OrderReport) -> String {
    let who = match report.source {
        ReportSource::Answer => "the venue responded",
        ReportSource::Query => "queried, the venue reported",
        ReportSource::Stream => "the venue reported",
    };
    let OrderReport { client_id, venue_order_id, quantity, executed, .. } = report;
    format!(
        "{who}: order {client_id}, venue id {venue_order_id}: {}, {} of {} filled",
        status(report.status),
        plain(*executed),
        plain(*quantity)
    )
}

/// The restarts of one actor for one cause, in words.
#[must_use]
pub fn restarts(of: &Restarts) -> String {
    let reason = match of.reason.as_str() {
        "gave_up" => "its children exceeded the restart budget",
        "lost" => "its task ended",
        "injected" => "injected",
        reason => reason,
    };
    format!("{} {} ({reason})", of.actor, count(of.times.into(), "time"))
}

fn describe_operator(operator: &Operator) -> String {
    match operator {
        Operator::Started { life, installation, epoch } => {
            format!("run {life} of installation {installation}, epoch {epoch}, started")
        }
        Operator::LiveConfirmed { account, per_order, per_day, venue: _ } => format!(
            "account {account} may trade real money: at most {per_order} an entry, {per_day} a \
             day"
        ),
        Operator::Clock { time } => format!("clock {} UTC", instant(*time)),
        Operator::ConfigApplied { generation, origins, .. } => {
            let set = list(origins.iter().map(|(key, origin)| format!("{key} by {origin}")));
            let set = if set.is_empty() { "only default values".to_owned() } else { set };
            format!("configuration {generation} applied: {set}")
        }
        Operator::StageUpgraded { rank, from, to } => {
            format!("the stage of rank {rank} is upgraded from version {from} to {to}")
        }
        Operator::StageJoined { rank, id, kind, version, .. } => {
            let of = if id == kind { String::new() } else { format!(" of kind {kind}") };
            format!("stage {id}{of} joins at rank {rank}, version {version}")
        }
        Operator::StageLeft { rank } => format!("the stage of rank {rank} leaves"),
        Operator::Quarantined { .. } => {
            Quarantine::of(operator, 0).map_or_else(String::new, |quarantine| quarantine.words())
        }
        Operator::Released { quarantine, retry } => {
            let how = if *retry { "the stage retries the input" } else { "the input is dropped" };
            format!("quarantine {quarantine} ended: {how}")
        }
        Operator::Branch { path, down: Some(why) } => {
            format!("{path} is stopped by its supervisor ({why}): no entries, a retry every minute")
        }
        Operator::Branch { path, down: None } => format!("{path} runs again"),
        Operator::Health { problems } => samples::health(problems),
        Operator::Restarted { actors } => {
            let each: Vec<String> = actors.iter().map(restarts).collect();
            format!("actors restarted: {}", each.join(", "))
        }
        Operator::SymbolWanted { symbol, wanted } => {
            format!("an operator {} {symbol}", if *wanted { "adds" } else { "removes" })
        }
        Operator::Switched { switch, reason } => format!("{}: {reason}", switched(switch)),
        Operator::Resolved { conflict: of, accept, reason, .. } => {
            let (id, both) = (of.id(), conflict(of));
            format!("conflict {id} is resolved ({both}): {}, reason: {reason}", accepted(*accept))
        }
        Operator::Adopted { asset, quantity, position, reason, .. } => {
            let into = position.as_ref().map_or("cash".to_owned(), |(symbol, price)| {
                format!("a position in {symbol} at {}", rounded(*price))
            });
            format!("an operator adopts {} {asset} as {into}: {reason}", plain(*quantity))
        }
        Operator::Manual { id, request, reason } => {
            format!("request {id} of an operator: {request}, reason: {reason}")
        }
        Operator::Signalled(signal) => {
            let (id, reason) = (&signal.id, &signal.reason);
            format!("signal {id} of an external program: {signal}, reason: {reason}")
        }
        Operator::RemoteCommand { via, who, text, .. } => format!("{who} sends by {via}: {text}"),
        Operator::Tokens { removed, added } => samples::tokens(removed, added),
    }
}

fn describe_analysis(analysis: &Analysis, focus: Option<Symbol>) -> String {
    match analysis {
        Analysis::Rolled { timeframe, bars } => {
            let bars = some(bars, |r| r.bar.symbol, focus);
            match (focus, bars.as_slice()) {
                (Some(_), [one]) => format!("completed a {timeframe} bar: {}", bar(&one.bar)),
                (_, _) => {
                    format!("completed {}", count(bars.len() as u64, &format!("{timeframe} bar")))
                }
            }
        }
        Analysis::FeaturePlan { features, .. } => {
            format!(
                "computes {} from now on",
                if features.is_empty() { "no feature".to_owned() } else { features.join(", ") }
            )
        }
        Analysis::FeatureValues { timeframe, table, .. } => {
            format!("features on {timeframe} bars of {}", count(table.len() as u64, "symbol"))
        }
        Analysis::Kept { timeframe, fast, slow, rows } => format!(
            "averages on {timeframe} bars of {}, by the lengths of their entry ({fast}, {slow})",
            count(rows.len() as u64, "symbol")
        ),
        Analysis::Signals { rows } => list(some(rows, |r| r.symbol, focus).into_iter().map(signal)),
    }
}

/// The values of the features of one symbol, by name.
pub fn features(symbol: Symbol, values: &[(String, f64)]) -> String {
    let value = |v: f64| if v.is_finite() { format!("{v:.4}") } else { "not warm yet".into() };
    let all: Vec<String> = values.iter().map(|(name, v)| format!("{name} {}", value(*v))).collect();
    format!("features of {symbol}: {}", all.join(", "))
}

fn signal(signal: &Signal) -> String {
    let Signal { strategy, symbol, price, reason, .. } = signal;
    let side = side(signal.side());
    let exits = exit_prices(&signal.exits());
    format!("{strategy} signals {side} {symbol} at {price}{exits}: {reason}")
}

/// The limits of symbols and strategies, one sentence each. Symbols with one reason share it.
#[must_use]
pub fn entry_limits(barred: &[(Symbol, String)], strategies: &[StrategyLimit]) -> Vec<String> {
    let mut symbols: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (symbol, why) in barred {
        symbols.entry(why).or_default().push(symbol.to_string());
    }
    let bars = symbols.into_iter().map(|(why, symbols)| {
        let colon = if why.is_empty() { "" } else { ": " };
        format!("no entries for {}{colon}{}", list(symbols.into_iter()), shown(why))
    });
    let limit = |of: &StrategyLimit| format!("{} is at {}: {}", of.id, level(of.level), of.why);
    bars.chain(strategies.iter().map(limit)).collect()
}

fn describe_decision(decision: &Decision) -> String {
    match decision {
        Decision::Breaker { level: to, reasons, barred, strategies } => {
            let reasons = shown(&reasons.join("; "));
            let colon = if reasons.is_empty() { "" } else { ": " };
            let text = format!("the breaker is at {}{colon}{reasons}", level(*to));
            let limits = entry_limits(barred, strategies);
            [vec![text], limits].concat().join("; ")
        }
        Decision::Approved { intent: approved, reserved, sizing, .. } => {
            let size = sizing.as_ref().map_or(String::new(), |words| format!("; size: {words}"));
            format!("approved: {}, {} reserved{size}", intent(approved), amount(*reserved))
        }
        Decision::Declined { signal, text, .. } => {
            format!("declined: {} {}: {}", side(signal.side()), signal.symbol, shown(text))
        }
        Decision::Owed { symbol, strategy, cause, tries, refusal, ended, .. } => {
            let exit = format!("the exit of {symbol} by {strategy}");
            match (ended, refusal) {
                (Some(why), _) => format!("{exit} is done: {}", shown(why)),
                (None, Some(why)) => format!("{exit} is owed: {}", owed_reason(*tries, why)),
                (None, None) => format!("{exit} is requested: {}", shown(cause)),
            }
        }
        Decision::Withdrawn { client_id, reason, .. } => {
            format!("order {client_id} is withdrawn before it was sent: {}", shown(reason))
        }
        Decision::CancelIntent { client_id, reason, .. } => {
            format!("order {client_id} will be cancelled: {}", shown(reason))
        }
        Decision::Guarded { strategy, symbol, stop, target, reason } => {
            let exits = ExitPrices { stop: *stop, target: *target };
            format!("{}: {}", sold_at(strategy, *symbol, exits), shown(reason))
        }
    }
}

/// The prices of a signal at which its lot is sold.
fn exit_prices(exits: &ExitPrices) -> String {
    let text = |name: &str, price: Option<Decimal>| {
        price.map_or(String::new(), |price| format!(", {name} {}", plain(price)))
    };
    [text("stop", exits.stop), text("target", exits.target)].concat()
}

/// Why an owed exit waits.
#[must_use]
pub fn owed_reason(tries: u32, why: &str) -> String {
    match tries {
        0 | 1 => shown(why),
        tries => format!("rejected {tries} times in a row, last: {}", shown(why)),
    }
}

fn describe_order(order: &Order) -> String {
    match order {
        Order::Intent(decided) => {
            let OrderIntent { client_id, valid_until, .. } = decided;
            // A stop or a target may be sent as long as its lot is held.
            let until = (*valid_until < UtcMs::MAX)
                .then(|| format!(", may be sent until {}", clock(*valid_until)));
            format!("order {client_id}: {}{}", intent(decided), until.unwrap_or_default())
        }
        Order::Granted { client_id, attempt, reason } => {
            format!("order {client_id} may be sent again as attempt {attempt}: {}", shown(reason))
        }
        Order::Changed { client_id, status: now, executed, executed_quote, reason, .. } => {
            let average = executed_quote.checked_div(*executed);
            let filled = average.map_or(String::new(), |price| {
                format!(", {} filled, average price {}", plain(*executed), rounded(price))
            });
            let why =
                if reason.is_empty() { String::new() } else { format!(": {}", shown(reason)) };
            format!("order {client_id}: {}{filled}{why}", status(*now))
        }
        Order::Filled { client_id, strategy, symbol, side: direction, k, fill } => {
            let did = match direction {
                Side::Buy => "bought",
                Side::Sell => "sold",
            };
            let (quantity, price, fee) = (plain(fill.quantity), plain(fill.price), plain(fill.fee));
            format!(
                "fill {k}{}: {did} {quantity} {symbol} at {price}, fee {fee} {}, at {} (trade {})",
                by_others::whose(client_id, strategy),
                fill.fee_asset,
                clock(fill.time),
                fill.trade_id
            )
        }
        Order::Compared { conflicts, .. } => match conflicts.as_slice() {
            [] => "open orders agree with the venue".to_owned(),
            conflicts => format!(
                "open orders differ from the venue: {}",
                list(conflicts.iter().map(conflict))
            ),
        },
    }
}

fn describe_ledger(ledger: &Ledger) -> String {
    match ledger {
        Ledger::Position { symbol, quantity, cost, realized_pnl, cash } => {
            let (pnl, cash) = (amount(*realized_pnl), amount(*cash));
            match cost.checked_div(*quantity) {
                Some(price) => format!(
                    "position {} {symbol}, average price {}, realised {pnl}, cash {cash}",
                    plain(*quantity),
                    rounded(price)
                ),
                None => format!("position {symbol} closed, realised {pnl}, cash {cash}"),
            }
        }
        Ledger::Lot { strategy, symbol, quantity, cost, .. } => match cost.checked_div(*quantity) {
            Some(price) => format!(
                "{strategy} holds {} {symbol}, average price {}",
                plain(*quantity),
                rounded(price)
            ),
            None => format!("{strategy} holds no {symbol} any more"),
        },
        Ledger::Equity { time, equity, cash, adjusted } => {
            let (equity, cash) = (amount(*equity), amount(*cash));
            let adjusted = if adjusted.is_zero() {
                String::new()
            } else {
                format!(", adjustments {}", amount(*adjusted))
            };
            format!("equity at {} UTC: {equity}, cash {cash}{adjusted}", clock(*time))
        }
        Ledger::Adjusted { asset, part, amount: changed, value } => {
            let of = match part {
                Part::Foreign => "the external balance".to_owned(),
                Part::Cash => "cash".to_owned(),
                Part::Position(symbol) => format!("the position {symbol}"),
            };
            let (changed, value) = (plain(*changed), amount(*value));
            format!(
                "{of} is adjusted by {changed} {asset}, value {value}; this is no profit or loss"
            )
        }
        Ledger::Reconciled { conflicts, foreign, .. } => {
            let extra = match foreign.as_slice() {
                [] => String::new(),
                rows => format!(
                    "; external, never traded: {}",
                    list(rows.iter().map(|(asset, q)| format!("{} {asset}", plain(*q))))
                ),
            };
            match conflicts.as_slice() {
                [] => format!("the account agrees with the books{extra}"),
                conflicts => format!(
                    "the account differs from the books: {}{extra}",
                    list(conflicts.iter().map(conflict))
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_balances_the_largest_are_named() {
        let balance = |i: i64| Balance {
            asset: format!("A{i}"),
            free: Decimal::from(i),
            locked: Decimal::from(i),
        };
        let many: Vec<Balance> = (1..=300).map(balance).collect();
        assert_eq!(describe_balances(&many[..2]), "2 A1, 4 A2");
        let text = describe_balances(&many);
        assert!(text.starts_with("600 A300, 598 A299, "), "{text}");
        assert!(text.ends_with("586 A293 and 292 more"), "{text}");
    }
}
