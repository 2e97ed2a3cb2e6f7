//! Compares two runs. From the public API it takes orders, fills, positions, equity, signals and
//! stories of orders. It adds the ledger of the exchange, and the facts derived at each close.
//! Sequence numbers, venue ids and venue times are left out: a resend changes only those.
//!
//! How often a stop order is replaced depends on when fills are reported. So only stop orders with
//! fills are compared, without their ids and the times of their placement, and which lots have an
//! open one in the end.

use super::invariants::Listed;
use everwarm_domain::fact::{Body, Decision, Ledger, Market, Order, kinds};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::{OrderIntent, Protection, Side};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::{History, Projector, bars};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_runtime::store::archive::Archive;
use everwarm_views::explain::explain;
use everwarm_views::lots::LotFold;
use everwarm_views::signals::SignalFold;
use everwarm_views::views::ExplainStep;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// Orders of a run whose stories are compared.
const STORIES: usize = 6;
/// Kinds of facts in a story that are the same in every run.
const STORY_KINDS: [&str; 5] = [
    "Market.Close",
    "Analysis.FeatureValues",
    "Analysis.Signals",
    "Decision.Approved",
    "Order.Intent",
];

/// Everything compared of one run, one line an item, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Lines from our public API, and derived facts.
    pub ours: Vec<String>,
    /// Lines from the books of the exchange.
    pub theirs: Vec<String>,
}

impl Picture {
    /// The first difference between two pictures, in words; none where they are equal.
    #[must_use]
    pub fn difference(&self, other: &Picture) -> Option<String> {
        first_difference(&self.theirs, &other.theirs)
            .map(|d| format!("the exchange's ledger: {d}"))
            .or_else(|| first_difference(&self.ours, &other.ours).map(|d| format!("ours: {d}")))
    }
}

/// The stop orders of a run.
#[derive(Debug, Default)]
pub struct StopOrders {
    /// Names that are the same in every run, by id.
    names: BTreeMap<String, String>,
    /// Keys of the facts about them.
    keys: BTreeSet<Key>,
}

impl StopOrders {
    /// Takes one fact. Returns whether it is about a stop order.
    pub fn see(&mut self, fact: &Fact<Body>) -> bool {
        if let Body::Decision(Decision::Approved { intent, .. }) = &fact.body
            && let Some(protection) = intent.protection()
        {
            let what = match protection {
                Protection::Stop(_) => "stop",
                Protection::Target(_) => "target",
            };
            let name = format!("{what} of {} in {}", intent.strategy, intent.symbol);
            self.names.insert(intent.client_id.0.clone(), name);
        }
        let is_about = !self.names.is_empty()
            && about(&fact.body).is_some_and(|id| self.names.contains_key(&id.0));
        if is_about {
            self.keys.insert(fact.key);
        }
        is_about
    }

    /// Gives a row of an order or fill its name. Returns whether it is compared.
    fn rename(&self, row: &mut Value) -> bool {
        // A fee of nothing is paid in no asset.
        if row.get("fee").is_some_and(|fee| *fee == "0") {
            row["fee_asset"] = Value::Null;
        }
        let id = row["client_order_id"].as_str().unwrap_or_default();
        let Some(name) = self.names.get(id) else { return true };
        row["client_order_id"] = json!(name);
        if row.get("time").is_some() {
            row["time"] = Value::Null;
        }
        row.get("filled_quantity").is_none_or(|filled| *filled != "0")
    }

    /// The rows that are compared.
    fn renamed(&self, rows: &impl Serialize) -> Vec<Value> {
        let rows = serde_json::to_value(rows).unwrap_or_default();
        let mut rows = rows.as_array().cloned().unwrap_or_default();
        rows.retain_mut(|row| self.rename(row));
        rows
    }
}

/// The order that a decision or a change is about.
fn about(body: &Body) -> Option<&ClientOrderId> {
    if let Body::Decision(Decision::Approved { intent, .. }) | Body::Order(Order::Intent(intent)) =
        body
    {
        Some(&intent.client_id)
    } else if let Body::Decision(
        Decision::CancelIntent { client_id, .. } | Decision::Withdrawn { client_id, .. },
    )
    | Body::Order(Order::Changed { client_id, .. }) = body
    {
        Some(client_id)
    } else {
        None
    }
}

fn first_difference(a: &[String], b: &[String]) -> Option<String> {
    let at = (0..a.len().max(b.len())).find(|i| a.get(*i) != b.get(*i))?;
    let show = |side: &[String]| side.get(at).cloned().unwrap_or_else(|| "nothing".to_owned());
    Some(format!("item {at}:\n  one:   {}\n  other: {}", show(a), show(b)))
}

/// One line for each row, with these fields as text.
fn rows(title: &str, rows: &impl Serialize, keep: &[&str]) -> Vec<String> {
    let rows = serde_json::to_value(rows).unwrap_or_default();
    let mut lines: Vec<String> = rows
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            let mut line = title.to_owned();
            for field in keep {
                let value = row.get(*field).unwrap_or(&Value::Null);
                write!(line, " {field}={value}").expect("text takes text");
            }
            line
        })
        .collect();
    lines.sort();
    lines
}

/// Our side of a picture: the public API after everything is projected, and the derived facts.
///
/// # Errors
/// The history cannot be read or written.
pub fn ours(facts: &[(u64, Fact<Body>)], archive: &Arc<Archive>) -> Result<Vec<String>, String> {
    let (mut derived, mut stops) = (Derived::default(), StopOrders::default());
    for (_, fact) in facts {
        derived.see(fact);
        stops.see(fact);
    }
    let mut projector = Projector::new(Arc::clone(archive)).map_err(|e| e.to_string())?;
    let last = facts.last().map_or(0, |(row, _)| *row);
    let rows = facts.iter().map(|(row, fact)| (*row, fact));
    projector.apply(rows, last, false).map_err(|e| e.to_string())?;
    let mut lines = public(archive, &stops)?;
    for symbol in symbols(facts) {
        for timeframe in Timeframe::ALL {
            let found = bars::read(archive, timeframe, symbol, UtcMs::MIN..=UtcMs::MAX);
            let found = found.map_err(|e| e.to_string())?;
            let (count, digest) = (found.len(), bars::digest(&found));
            lines.push(format!("bars {symbol} {timeframe} {count} {digest:016x}"));
        }
    }
    lines.extend(printed(facts)?);
    lines.extend(derived.lines());
    Ok(lines)
}

/// The output of `signals` and `explain`, without input numbers, venue ids and steps of this run
/// alone. Reads the journal in the order of its rows, as the commands do.
fn printed(facts: &[(u64, Fact<Body>)]) -> Result<Vec<String>, String> {
    let (mut signals, mut stops) = (SignalFold::default(), StopOrders::default());
    let mut ids = BTreeSet::new();
    for (_, fact) in facts {
        signals.fold(fact);
        stops.see(fact);
        if let Body::Order(Order::Intent(intent)) = &fact.body
            && intent.protection().is_none()
        {
            ids.insert(intent.client_id.0.clone());
        }
    }
    let fields =
        ["time", "strategy", "symbol", "side", "price", "reason", "outcome", "client_order_id"];
    let mut lines = rows("signal", &signals.newest(None), &fields);
    let every = (ids.len() / STORIES).max(1);
    for id in ids.iter().step_by(every).take(STORIES) {
        let view = explain(&Listed(facts, &[]), id, false).map_err(|e| format!("{e:?}"))?;
        let Some(view) = view else { return Err(format!("order {id} has no story")) };
        lines.push(format!("story {}", view.title));
        let key = |step: &ExplainStep| step.key.parse::<Key>().unwrap_or_default();
        let of_order = |step: &&ExplainStep| {
            STORY_KINDS.contains(&step.kind.as_str()) && !stops.keys.contains(&key(step))
        };
        let intents = view.steps.iter().filter(of_order).filter(|step| step.kind == "Order.Intent");
        let decided = intents.map(|step| key(step).n).max().unwrap_or(u64::MAX);
        // A close after the order was decided is the input at which its lot got a stop order. That
        // depends on when fills are reported.
        let compared = view.steps.iter().filter(of_order).filter(|step| key(step).n <= decided);
        // The time until which a request is valid counts from its decision. That is later if the
        // status of the order before it was learned later; the close is the same.
        let what = |text: &str| text.split(", may be sent until").next().map(str::to_owned);
        let line =
            |kind: &str, text| format!("story {id} {kind}: {}", what(text).unwrap_or_default());
        lines.extend(compared.map(|step| line(&step.kind, &step.text)));
    }
    Ok(lines)
}

/// The symbols whose rules are in the journal, by name.
fn symbols(facts: &[(u64, Fact<Body>)]) -> BTreeSet<Symbol> {
    let rules = facts.iter().filter_map(|(_, fact)| {
        if let Body::Market(Market::Instruments { rules }) = &fact.body {
            Some(rules)
        } else {
            None
        }
    });
    rules.flatten().map(|rule| rule.symbol).collect()
}

/// The rows of the history, as `--json` prints them.
///
/// # Errors
/// The history cannot be read.
pub fn public(archive: &Arc<Archive>, stops: &StopOrders) -> Result<Vec<String>, String> {
    let history = History::new(Arc::clone(archive));
    let why = |e: everwarm_history::queries::HistoryError| e.to_string();
    let orders = history.orders(None).map_err(why)?.rows;
    let mut lines = rows(
        "order",
        &stops.renamed(&orders),
        &[
            "time",
            "client_order_id",
            "symbol",
            "side",
            "type",
            "quantity",
            "price",
            "status",
            "filled_quantity",
            "average_price",
            "strategy",
        ],
    );
    let fills = history.fills(None).map_err(why)?.rows;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut fills = stops.renamed(&fills);
    for fill in &mut fills {
        let k = counts.entry(fill["client_order_id"].to_string()).or_default();
        *k += 1;
        fill["k"] = json!(*k);
    }
    lines.extend(rows(
        "fill",
        &fills,
        &["client_order_id", "k", "symbol", "side", "price", "quantity", "fee", "fee_asset"],
    ));
    let positions = history.positions().map_err(why)?;
    lines.extend(rows(
        "position",
        &positions,
        &["symbol", "quantity", "average_price", "realized_pnl", "unrealized_pnl"],
    ));
    let equity = history.equity(None).map_err(why)?.rows;
    lines.extend(rows("equity", &equity, &["time", "equity", "cash"]));
    Ok(lines)
}

/// The exchange's ledger: orders by minute and client id, trades in their order, balances.
#[must_use]
pub fn ledger(ledger: &Value) -> Vec<String> {
    let empty = Vec::new();
    let list = |value: &Value| value.as_array().unwrap_or(&empty).clone();
    let mut orders = list(&ledger["orders"]);
    // Only target orders are of the second type.
    let is_stop = |order: &Value| ["STOP_LOSS", "LIMIT_MAKER"].iter().any(|t| order["type"] == *t);
    orders.retain(|order| !is_stop(order) || order["executed"] != "0");
    for order in orders.iter_mut().filter(|order| is_stop(order)) {
        order["client_order_id"] = json!(format!("stop in {}", order["symbol"]));
        order["minute"] = Value::Null;
    }
    orders.sort_by_key(|o| (o["minute"].as_i64(), o["client_order_id"].to_string()));
    let fields = [
        "minute",
        "client_order_id",
        "symbol",
        "side",
        "type",
        "quantity",
        "price",
        "status",
        "executed",
        "quote",
    ];
    let mut lines = Vec::new();
    for order in &orders {
        let mut line = "order".to_owned();
        for field in fields {
            write!(line, " {field}={}", order[field]).expect("text takes text");
        }
        for trade in list(&order["trades"]) {
            let (k, price) = (&trade["k"], &trade["price"]);
            let (quantity, fee, asset) = (&trade["quantity"], &trade["fee"], &trade["fee_asset"]);
            write!(line, " | {k} {price} {quantity} {fee} {asset}").expect("text takes text");
        }
        lines.push(line);
    }
    lines.extend(list(&ledger["balances"]).iter().map(|b| format!("balance {b}")));
    lines
}

/// The order of an exit in a fact, in words.
fn exit_order(body: &Body) -> Option<String> {
    let (intent, reason) = if let Body::Decision(Decision::Approved { intent, reason, .. }) = body {
        (intent, reason.as_str())
    } else if let Body::Order(Order::Intent(intent)) = body {
        (intent, "")
    } else {
        return None;
    };
    // Its last send time counts from event time, which kills move.
    let valid_until = intent.close_time;
    let order = || OrderIntent { valid_until, ..intent.clone() };
    (intent.side == Side::Sell).then(|| format!("exit order {:?} {reason}", order()))
}

/// Collects the facts derived at each close, fact by fact.
#[derive(Default)]
pub struct Derived {
    closes: BTreeMap<u64, UtcMs>,
    facts: BTreeMap<(UtcMs, u16, u16), String>,
    /// Facts of the circuit breaker, by input. Some inputs are hints that depend on timing, so only
    /// the level in force at a close counts.
    breaker: BTreeMap<(u64, u16), String>,
    /// Facts of each rank seen about an input.
    places: BTreeMap<(u64, u16), u16>,
    /// Exits that became owed. The input at which one ends, and the reason for its wait, may differ
    /// between runs.
    exits: BTreeSet<(UtcMs, String, String)>,
    /// The orders of exits. One is decided at the close of its exit, or after it if a stop order
    /// must be cancelled first; whether one rests then depends on when fills were reported. One
    /// that is a close late has another minute in the books of the exchange.
    exit_orders: BTreeSet<String>,
    /// History bars loaded for new features, each range once.
    pasts: Vec<String>,
    /// Facts about stop orders are left out.
    stops: StopOrders,
    /// Which lots have a stop order in the end is compared.
    lots: LotFold,
}

impl Derived {
    /// Takes one fact, in the order of the journal.
    pub fn see(&mut self, fact: &Fact<Body>) {
        self.lots.fold(fact);
        if let Body::Market(Market::Close { time, missing, bars, odd }) = &fact.body {
            self.closes.insert(fact.key.n, *time);
            let text = format!("{} bars, missing {missing:?}, odd {odd:?}", bars.len());
            self.facts.insert((*time, 0, 0), text);
        }
        if let Body::Market(Market::HistoryLoaded { symbol, plan, from, to, digest, .. }) =
            &fact.body
            && *plan > 0
        {
            self.pasts.push(format!("past {symbol} {plan} {from} {to} {digest:016x}"));
        }
        if let Body::Decision(Decision::Breaker { .. }) = &fact.body {
            self.breaker.insert((fact.key.n, fact.key.i), format!("{:?}", fact.body));
            return;
        }
        if let Body::Decision(Decision::Owed { since, symbol, strategy, .. }) = &fact.body {
            self.exits.insert((*since, symbol.to_string(), strategy.clone()));
            return;
        }
        if self.stops.see(fact) {
            return;
        }
        if let Some(order) = exit_order(&fact.body) {
            self.exit_orders.insert(order);
            return;
        }
        let Some(close) = self.closes.get(&fact.key.n) else { return };
        if fact.key.rank != 0 {
            let place = self.places.entry((fact.key.n, fact.key.rank)).or_default();
            let i = *place;
            *place += 1;
            let text = match &fact.body {
                // The reason may name things that only this run saw.
                Body::Decision(Decision::Declined { signal, code, .. }) => {
                    format!("declined {signal:?} {code}")
                }
                // The opening time of a lot is event time, too.
                Body::Ledger(Ledger::Lot { strategy, symbol, quantity, cost, .. }) => {
                    format!("{strategy} holds {quantity} {symbol} for {cost}")
                }
                Body::Market(_)
                | Body::Venue(_)
                | Body::Operator(_)
                | Body::Analysis(_)
                | Body::Decision(_)
                | Body::Order(_)
                | Body::Ledger(_) => format!("{:?}", fact.body),
            };
            self.facts.insert((*close, fact.key.rank, i), text);
        }
    }

    /// One line for each derived fact.
    #[must_use]
    pub fn lines(mut self) -> Vec<String> {
        for ((n, _), text) in self.breaker {
            if let Some((_, close)) = self.closes.range(n..).next() {
                self.facts.insert((*close, kinds::rank::BREAKER.0, 0), text);
            }
        }
        let line = |((close, rank, i), text)| format!("close {close} rank {rank} {i}: {text}");
        // The order of symbols depends on which actor reads first.
        self.pasts.sort();
        let exit = |(since, symbol, strategy)| format!("exit {since} {symbol} {strategy}");
        let lots = self.lots.views().filter(|lot| lot.stop.is_some());
        let protected = lots.map(|lot| format!("{} has a stop in {}", lot.strategy, lot.symbol));
        self.facts
            .into_iter()
            .map(line)
            .chain(self.exits.into_iter().map(exit))
            .chain(self.exit_orders)
            .chain(self.pasts)
            .chain(protected)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::market::Bar;
    use everwarm_domain::money::Decimal;
    use everwarm_domain::order::OrderType;

    const CLOSE: UtcMs = 60_000;

    fn fact(n: u64, rank: u16, body: Body) -> Fact<Body> {
        let key = Key { n, rank, i: 0 };
        Fact { key, time: CLOSE, version: 9, because: Vec::new(), body }
    }

    /// The lines of a close, and of an exit of this quantity decided at input `n`.
    fn lines(n: u64, quantity: i64, since: UtcMs) -> Vec<String> {
        let intent = OrderIntent {
            client_id: ClientOrderId("ew-a".to_owned()),
            strategy: "a".to_owned(),
            symbol: Symbol::new("BTCUSD").unwrap(),
            side: Side::Sell,
            order_type: OrderType::Market,
            quantity: Decimal::from(quantity),
            price: None,
            close_time: since,
            valid_until: since + UtcMs::try_from(n).unwrap(),
            terms: Box::default(),
        };
        let (reserved, reason, sizing) = (Decimal::ZERO, "why".to_owned(), None);
        let approved = Decision::Approved { intent: intent.clone(), reserved, reason, sizing };
        let mut derived = Derived::default();
        let close = Market::close(CLOSE, Vec::<Bar>::new(), Vec::new());
        derived.see(&fact(1, 0, Body::Market(close)));
        derived.see(&fact(n, 600, Body::Decision(approved)));
        derived.see(&fact(n, 700, Body::Order(Order::Intent(intent))));
        derived.lines()
    }

    #[test]
    fn the_order_of_an_exit_is_compared_at_its_close_and_after_it() {
        assert_eq!(
            lines(1, 5, CLOSE),
            lines(2, 5, CLOSE),
            "a stop order had to be cancelled first"
        );
        for n in [1, 2] {
            assert_ne!(lines(n, 5, CLOSE), lines(n, 6, CLOSE), "{n}: another quantity");
            assert_ne!(lines(n, 5, CLOSE), lines(n, 5, CLOSE + 60_000), "{n}: of another close");
        }
        assert_eq!(lines(2, 5, CLOSE).iter().filter(|line| line.contains("exit order")).count(), 2);
    }
}
