//! The lines that a run prints: start steps, then one line for each event. It is pure: it gets
//! facts and the wall time, and returns lines.
//!
//! Thousands of closes may come in a second. Then one line a second stands for all of them. All
//! other events are rare, and each has its line.
//!
//! Over 500 lines: one line a kind of fact.

use everwarm_domain::fact::{
    Analysis, Body, BreakerLevel, Conflict, Decision, Ledger, Market, Operator, Order, Venue,
};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{Decimal, total};
use everwarm_domain::odd::OddBar;
use everwarm_domain::order::{OrderReport, OrderStatus, ReportSource, Response, Side, VenueFill};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Fact;
use everwarm_views::sentences;
use everwarm_views::status_fold::StatusFold;
use everwarm_views::stored_texts::shown;
use everwarm_views::views::StepView;
use everwarm_words::text::{
    Paint, amount, clock, count, date, fit, instant, plain, rounded, signed, thousands, took,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Closes less than this apart are combined into one line.
const CLOSE_GAP_MIN: Duration = Duration::from_millis(100);
/// Time between two combined lines.
const CLOSES_EVERY: Duration = Duration::from_secs(1);
/// Columns of the time in front of a line.
const TIME_WIDTH: usize = 12;
/// Columns of the word after the time.
const WORD_WIDTH: usize = 10;

/// A close that has not been printed yet.
#[derive(Clone, Debug)]
struct Close {
    time: UtcMs,
    bars: usize,
    missing: usize,
}

/// The state of the output: what was printed, and the width and colours of the lines.
#[derive(Clone, Debug)]
pub struct TerminalState {
    width: usize,
    color: bool,
    pending: VecDeque<Close>,
    /// The newest close that the ledger has booked. It may lag behind.
    booked: Option<UtcMs>,
    last_close: Option<Duration>,
    last_line: Option<Duration>,
    equity: Option<(Decimal, Decimal)>,
    first_equity: Option<Decimal>,
    first_close: Option<UtcMs>,
    newest_close: Option<UtcMs>,
    realized: BTreeMap<Symbol, Decimal>,
    realized_before: BTreeMap<Symbol, Decimal>,
    open: BTreeSet<ClientOrderId>,
    life: u64,
    reconciled: bool,
    closes: u64,
    orders: u64,
    fills: u64,
    restarts: u64,
}

impl TerminalState {
    /// Lines of at most `width` characters, coloured or not.
    #[must_use]
    pub const fn new(width: usize, color: bool) -> TerminalState {
        TerminalState {
            width,
            color,
            pending: VecDeque::new(),
            booked: None,
            last_close: None,
            last_line: None,
            equity: None,
            first_equity: None,
            first_close: None,
            newest_close: None,
            realized: BTreeMap::new(),
            realized_before: BTreeMap::new(),
            open: BTreeSet::new(),
            life: 0,
            reconciled: false,
            closes: 0,
            orders: 0,
            fills: 0,
            restarts: 0,
        }
    }

    /// Takes over the positions and orders from before this run, without printing them.
    pub fn restore(&mut self, status: &StatusFold) {
        let (open, realized) = status.books();
        let view = status.view();
        self.open = open;
        self.realized.clone_from(realized);
        self.realized_before.clone_from(realized);
        self.equity = view.equity.zip(view.cash);
        self.first_equity = view.equity;
    }

    /// The line of a start step.
    #[must_use]
    pub fn step(&self, step: &StepView) -> String {
        let took = took(Duration::from_micros(step.took_us));
        fit(&format!("  {:<22} {took:>9}  {}", step.name, step.detail), self.width)
    }

    /// The line of an actor that its supervisor restarted.
    pub fn restart(&mut self, actor: &str, reason: &str, again_after: Duration) -> String {
        self.restarts += 1;
        let text = format!("{actor} ended ({reason}) and runs again after {}", took(again_after));
        self.row("", "restart", &text, Paint::Yellow)
    }

    /// The lines of a fact. `now` is the wall time since the start.
    pub fn fact(&mut self, fact: &Fact<Body>, now: Duration) -> Vec<String> {
        let time = fact.time;
        match &fact.body {
            Body::Market(market) => self.market(market, now),
            Body::Venue(venue) => self.venue(time, venue),
            Body::Operator(operator) => self.operator(operator),
            Body::Analysis(Analysis::Signals { rows }) => {
                let line = |signal: &everwarm_domain::fact::Signal| {
                    let (side, symbol) = (sentences::side(signal.side()), signal.symbol);
                    let text = format!("{side} {symbol} at {}: {}", signal.price, signal.reason);
                    self.row(&clock(time), "signal", &text, Paint::Plain)
                };
                rows.iter().map(line).collect()
            }
            // Analysis facts are not printed.
            Body::Analysis(_) => Vec::new(),
            Body::Decision(decision) => self.decision(time, decision),
            Body::Order(Order::Filled { symbol, side, fill, client_id, .. }) => {
                vec![self.filled((*symbol, *side), fill, client_id)]
            }
            Body::Order(Order::Compared { conflicts, .. }) => {
                conflicts.iter().map(|c| self.conflict(c)).collect()
            }
            Body::Order(order) => self.order(time, order),
            Body::Ledger(Ledger::Adjusted { .. }) => {
                let text = sentences::describe(&fact.body, None);
                vec![self.row("", "adjusted", &text, Paint::Yellow)]
            }
            Body::Ledger(ledger) => self.ledger(time, ledger, now),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn market(&mut self, market: &Market, now: Duration) -> Vec<String> {
        match market {
            Market::Close { time, bars, missing, odd } => {
                let mut lines = Vec::new();
                // Before the first account, a close has no books. It is printed when the next close
                // comes.
                if self.pending.len() == 1 && self.equity.is_none() {
                    lines.extend(self.closes(now));
                }
                self.closes += 1;
                self.first_close.get_or_insert(*time);
                self.newest_close = Some(*time);
                let odd_bar = |odd: &OddBar| {
                    let text = sentences::odd(odd.symbol, odd.why);
                    self.row(&clock(*time), "odd", &text, Paint::Red)
                };
                lines.extend(odd.iter().map(odd_bar));
                let (bars, missing) = (bars.len(), missing.len());
                self.pending.push_back(Close { time: *time, bars, missing });
                lines
            }
            Market::LateBar { bar, .. } => {
                let text = format!("the bar of {} arrived after its close", bar.symbol);
                vec![self.row(&clock(bar.open_time), "late", &text, Paint::Dim)]
            }
            Market::BarRefused { time, .. } => {
                let text = sentences::describe(&Body::Market(market.clone()), None);
                vec![self.row(&clock(*time), "refused", &text, Paint::Red)]
            }
            Market::Universe { listed, unlisted, .. } => {
                if listed.is_empty() && unlisted.is_empty() {
                    return Vec::new();
                }
                let text = sentences::describe(&Body::Market(market.clone()), None);
                vec![self.row("", "symbols", &text, Paint::Plain)]
            }
            Market::CorporateAction(_) => {
                let text = sentences::describe(&Body::Market(market.clone()), None);
                vec![self.row("", "split", &text, Paint::Yellow)]
            }
            _ => Vec::new(),
        }
    }

    /// The line of the closes that are not printed yet, unless it is too early.
    fn closes(&mut self, now: Duration) -> Option<String> {
        let fast = self.last_close.is_some_and(|last| now.saturating_sub(last) < CLOSE_GAP_MIN);
        self.last_close = Some(now);
        let recent = self.last_line.is_some_and(|last| now.saturating_sub(last) < CLOSES_EVERY);
        if fast && recent {
            return None;
        }
        self.flush(now)
    }

    /// The line of the closes that are not printed yet and that the ledger has booked, if any.
    pub fn flush(&mut self, now: Duration) -> Option<String> {
        let due = match self.equity {
            Some(_) => self.pending.partition_point(|close| Some(close.time) <= self.booked),
            None => self.pending.len(),
        };
        let last = self.pending.drain(..due).next_back()?;
        self.last_line = Some(now);
        let bars = count(last.bars as u64, "bar");
        let missing = match last.missing {
            0 => String::new(),
            missing => format!(", {missing} missing"),
        };
        let what = match due {
            1 => format!("{bars}{missing}"),
            many => format!("{}{missing}", count(many as u64, "close")),
        };
        let books = self.books().map(|books| format!("  {books}")).unwrap_or_default();
        let text = format!("{what}{books}");
        // Closes may span many days, so their line shows the day.
        let day = date(last.time);
        let time = format!("{} {}", &day[day.len() - 5..], clock(last.time));
        Some(self.row(&time, "close", &text, Paint::Dim))
    }

    fn books(&self) -> Option<String> {
        let (equity, cash) = self.equity?;
        let change = signed(equity.saturating_sub(self.first_equity.unwrap_or(equity)));
        Some(format!("equity {} ({change})  cash {}", amount(equity), amount(cash)))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn venue(&mut self, time: UtcMs, venue: &Venue) -> Vec<String> {
        let (word, paint) = match venue {
            Venue::Refused { .. } => ("rejected", Paint::Red),
            Venue::Unanswered { .. } => ("unknown", Paint::Yellow),
            Venue::Absent { .. } => ("absent", Paint::Yellow),
            Venue::Account { .. } if !self.reconciled => ("account", Paint::Plain),
            Venue::Reported(OrderReport { source: ReportSource::Query, .. })
                if !self.reconciled =>
            {
                ("recovered", Paint::Bold)
            }
            Venue::PanicTraded { .. } | Venue::ExternalTraded(_) => ("recovered", Paint::Bold),
            Venue::Responded {
                response: Response::Refused { .. } | Response::Unknown { .. },
                ..
            } => ("cancel", Paint::Yellow),
            _ => return Vec::new(),
        };
        let text = sentences::describe(&Body::Venue(venue.clone()), None);
        vec![self.row(&clock(time), word, &text, paint)]
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what else an operator does looks alike")]
    fn operator(&mut self, operator: &Operator) -> Vec<String> {
        match operator {
            Operator::Started { life, installation, .. } => {
                self.life = *life;
                self.reconciled = false;
                let again = match life {
                    2.. => format!(", continues where run {} ended", life - 1),
                    _ => String::new(),
                };
                let text = format!("run {life} of installation {installation}{again}");
                vec![self.row("", "start", &text, Paint::Bold)]
            }
            Operator::ConfigApplied { generation, origins, .. } => {
                let own = count(origins.len() as u64, "value");
                let text = format!("generation {generation}, {own} changed from the defaults");
                vec![self.row("", "config", &text, Paint::Plain)]
            }
            Operator::StageUpgraded { .. } => {
                let text = sentences::describe(&Body::Operator(operator.clone()), None);
                vec![self.row("", "upgrade", &text, Paint::Plain)]
            }
            Operator::StageJoined { .. } | Operator::StageLeft { .. } => {
                let text = sentences::describe(&Body::Operator(operator.clone()), None);
                vec![self.row("", "stages", &text, Paint::Plain)]
            }
            Operator::Quarantined { .. } => {
                let text = sentences::describe(&Body::Operator(operator.clone()), None);
                vec![self.row("", "quarantine", &text, Paint::Red)]
            }
            Operator::Released { .. } => {
                let text = sentences::describe(&Body::Operator(operator.clone()), None);
                vec![self.row("", "released", &text, Paint::Bold)]
            }
            Operator::Branch { down, .. } => {
                let text = sentences::describe(&Body::Operator(operator.clone()), None);
                let paint = if down.is_some() { Paint::Red } else { Paint::Bold };
                vec![self.row("", "branch", &text, paint)]
            }
            Operator::SymbolWanted { .. } => {
                let text = sentences::describe(&Body::Operator(operator.clone()), None);
                vec![self.row("", "symbols", &text, Paint::Bold)]
            }
            Operator::LiveConfirmed { .. } => {
                let text = sentences::describe(&Body::Operator(operator.clone()), None);
                vec![self.row("", "live", &text, Paint::Bold)]
            }
            Operator::Resolved { .. } => {
                let text = sentences::describe(&Body::Operator(operator.clone()), None);
                vec![self.row("", "resolved", &text, Paint::Bold)]
            }
            // Each restart has a line of its own, see [`TerminalState::restart`]. So has the level
            // of the breaker.
            Operator::Clock { .. } | Operator::Restarted { .. } | Operator::Health { .. } => {
                Vec::new()
            }
            _ => {
                let text = sentences::describe(&Body::Operator(operator.clone()), None);
                vec![self.row("", "operator", &text, Paint::Bold)]
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn decision(&self, time: UtcMs, decision: &Decision) -> Vec<String> {
        let (word, paint) = match decision {
            Decision::Breaker { level: BreakerLevel::Normal, .. } => ("breaker", Paint::Plain),
            Decision::Breaker { .. } => ("breaker", Paint::Red),
            Decision::Declined { .. } => ("declined", Paint::Yellow),
            Decision::Owed { refusal: Some(_), ended: None, .. } => ("owed", Paint::Yellow),
            Decision::Withdrawn { .. } => ("withdrawn", Paint::Yellow),
            Decision::CancelIntent { .. } => ("cancel", Paint::Yellow),
            Decision::Guarded { .. } => ("by hand", Paint::Plain),
            _ => return Vec::new(),
        };
        let text = if let Decision::Declined { signal, text, .. } = decision {
            format!("{} {}: {}", sentences::side(signal.side()), signal.symbol, shown(text))
        } else {
            sentences::describe(&Body::Decision(decision.clone()), None)
        };
        vec![self.row(&clock(time), word, &text, paint)]
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn track(&mut self, order: &Order) {
        match order {
            Order::Intent(intent) => {
                self.open.insert(intent.client_id.clone());
            }
            Order::Changed { client_id, status, .. } if status.is_final() => {
                self.open.remove(client_id);
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn order(&mut self, time: UtcMs, order: &Order) -> Vec<String> {
        self.track(order);
        match order {
            Order::Intent(intent) => {
                self.orders += 1;
                let text = format!(
                    "{}   {}",
                    sentences::intent(intent),
                    sentences::short(&intent.client_id)
                );
                vec![self.row(&clock(time), "order", &text, Paint::Bold)]
            }
            Order::Changed { client_id, symbol, status, reason, .. } => {
                let paint = match status {
                    OrderStatus::Unknown | OrderStatus::Cancelled | OrderStatus::Expired => {
                        Paint::Yellow
                    }
                    OrderStatus::Rejected => Paint::Red,
                    OrderStatus::Intent
                    | OrderStatus::Sent
                    | OrderStatus::Open
                    | OrderStatus::PartlyFilled
                    | OrderStatus::Filled => return Vec::new(),
                };
                let why =
                    if reason.is_empty() { String::new() } else { format!(": {}", shown(reason)) };
                let (id, status) = (sentences::short(client_id), sentences::status(*status));
                let text = format!("{symbol} {id}: {status}{why}");
                vec![self.row(&clock(time), "order", &text, paint)]
            }
            Order::Granted { client_id, attempt, reason } => {
                let id = sentences::short(client_id);
                let text =
                    format!("{id} may be sent again as attempt {attempt}: {}", shown(reason));
                vec![self.row(&clock(time), "order", &text, Paint::Yellow)]
            }
            _ => Vec::new(),
        }
    }

    fn filled(
        &mut self,
        (symbol, side): (Symbol, Side),
        fill: &VenueFill,
        client_id: &ClientOrderId,
    ) -> String {
        self.fills += 1;
        let (did, paint) = match side {
            Side::Buy => ("bought", Paint::Green),
            Side::Sell => ("sold", Paint::Red),
        };
        let (quantity, price) = (plain(fill.quantity), plain(fill.price));
        let fee = format!("fee {} {}", plain(fill.fee), fill.fee_asset);
        let id = sentences::short(client_id);
        let text = format!("{did} {quantity} {symbol} at {price}, {fee}   {id}");
        self.row(&clock(fill.time), "fill", &text, paint)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn ledger(&mut self, time: UtcMs, ledger: &Ledger, now: Duration) -> Vec<String> {
        match ledger {
            Ledger::Position { symbol, quantity, cost, realized_pnl, .. } => {
                self.realized.insert(*symbol, *realized_pnl);
                let realised = signed(*realized_pnl);
                let text = match cost.checked_div(*quantity) {
                    Some(price) => format!(
                        "{} {symbol}, average price {}, realised {realised}",
                        plain(*quantity),
                        rounded(price)
                    ),
                    None => format!("{symbol} closed, realised {realised}"),
                };
                vec![self.row(&clock(time), "position", &text, Paint::Plain)]
            }
            Ledger::Equity { time, equity, cash, .. } => {
                self.booked = Some(*time);
                self.first_equity.get_or_insert(*equity);
                self.equity = Some((*equity, *cash));
                self.closes(now).into_iter().collect()
            }
            Ledger::Reconciled { life, conflicts, foreign, .. } => {
                // A reconciliation of an earlier run does not end the start of this one.
                self.reconciled |= *life == self.life;
                let mut lines = Vec::new();
                for (asset, surplus) in foreign {
                    let text =
                        format!("{} {asset} beyond the books, never traded", plain(*surplus));
                    lines.push(self.row("", "external", &text, Paint::Yellow));
                }
                if conflicts.is_empty() {
                    let text = match self.open.len() as u64 {
                        0 => "the account agrees with the books".to_owned(),
                        open => format!(
                            "the account agrees with the books, {} not final",
                            count(open, "order")
                        ),
                    };
                    let word = if self.life > 1 { "may trade again" } else { "may trade" };
                    lines.push(self.row("", "ready", &format!("{word}: {text}"), Paint::Green));
                } else {
                    lines.extend(conflicts.iter().map(|c| self.conflict(c)));
                    let text = "trading is refused: everwarm reconcile, then resolve";
                    lines.push(self.row("", "refused", text, Paint::Red));
                }
                lines
            }
            // The line of the position from the same fill is enough for a lot.
            _ => Vec::new(),
        }
    }

    fn conflict(&self, conflict: &Conflict) -> String {
        let text = format!("{}  {}", conflict.id(), sentences::conflict(conflict));
        self.row("", "conflict", &text, Paint::Red)
    }

    fn row(&self, time: &str, word: &str, text: &str, paint: Paint) -> String {
        let line = format!("{time:<TIME_WIDTH$}  {word:<WORD_WIDTH$}  {text}");
        paint.on(&fit(&line, self.width), self.color)
    }

    /// The last lines of the run. `wall` is the time since the start.
    #[must_use]
    pub fn summary(&self, wall: Duration) -> Vec<String> {
        let mut lines = vec![format!("run {} took {}", self.life, took(wall))];
        if let (Some(first), Some(last)) = (self.first_close, self.newest_close) {
            let (first, last) = (instant(first), instant(last));
            lines.push(format!("market time {first} to {last} UTC"));
        }
        lines.push(format!(
            "{}, {} ({} not final), {}, {}",
            count(self.closes, "close"),
            count(self.orders, "order"),
            thousands(self.open.len() as u64),
            count(self.fills, "fill"),
            count(self.restarts, "restart")
        ));
        let sum = |of: &BTreeMap<Symbol, Decimal>| total(of.values().copied());
        let realised = sum(&self.realized).saturating_sub(sum(&self.realized_before));
        let books = self.books().unwrap_or_else(|| "no account yet".to_owned());
        lines.push(format!("{books}   realised {}", signed(realised)));
        lines.iter().map(|line| fit(line, self.width)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::id::VenueId;
    use everwarm_domain::time::MINUTE;
    use everwarm_kernel::fact::Key;
    use everwarm_views::testing::{T, close, equity, journal};

    #[test]
    fn a_life_as_it_is_read() {
        let mut state = TerminalState::new(100, false);
        let step = StepView {
            name: "open store".into(),
            took_us: 4100,
            detail: "4.2 MB, input 12,034".into(),
        };
        let mut lines = vec![state.step(&step)];
        for (i, fact) in (0..).zip(journal().0) {
            lines.extend(state.fact(&fact, Duration::from_millis(200 * i)));
        }
        lines.push(state.restart("indicator", "panic", Duration::from_micros(310)));
        lines.extend(state.summary(Duration::from_millis(4200)));
        let expected = [
            "  open store                4.1 ms  4.2 MB, input 12,034",
            "              start       run 1 of installation demo",
            "12:02         breaker     the breaker is at normal",
            "12:02         account     account at the venue: 10000 USD; 0 open orders",
            "              ready       may trade: the account agrees with the books",
            "12:03         signal      buy BTCUSD at 1250: the 10-bar average crossed above the \
             30-bar one",
            "12:03         signal      buy ETHUSD at 1250: the 10-bar average crossed above the \
             30-bar one",
            "12:03         declined    buy BTCUSD: 1 position is open, 1 is allowed",
            "12:03         order       buy 0.8 ETHUSD at market   ew-abcde…vwxyz",
            "01-08 12:03   close       2 bars, 1 missing  equity 10,000.00 (0.00)  cash 9,000.00",
            "12:03:00.020  fill        bought 0.5 ETHUSD at 1250.5, fee 0.25 USD   \
             ew-abcde…vwxyz",
            "12:03:00.020  fill        bought 0.3 ETHUSD at 1250.5, fee 0.25 USD   \
             ew-abcde…vwxyz",
            "12:03:00.020  position    0.5 ETHUSD, average price 1250.5, realised -0.25",
            "12:03:00.020  position    0.8 ETHUSD, average price 1250.5, realised -0.25",
            "01-08 12:04   close       2 bars, 1 missing  equity 9,999.60 (-0.40)  cash 9,000.00",
            "              restart     indicator ended (panic) and runs again after 310 us",
            "run 1 took 4.20 s",
            "market time 2021-01-08 12:03 to 2021-01-08 12:04 UTC",
            "2 closes, 1 order (0 not final), 2 fills, 1 restart",
            "equity 9,999.60 (-0.40)  cash 9,000.00   realised -0.25",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn many_closes_are_shown_once_a_second() {
        let mut state = TerminalState::new(90, false);
        let mut lines = Vec::new();
        for n in 0..3000_i64 {
            let time = T + n * MINUTE;
            let now = Duration::from_millis(n.unsigned_abs());
            for body in [close(time), equity(time, "10000")] {
                let key = Key { n: n.unsigned_abs() + 1, rank: 0, i: 0 };
                let fact = Fact { key, time, version: 0, because: vec![], body };
                lines.extend(state.fact(&fact, now));
            }
        }
        lines.extend(state.flush(Duration::from_secs(3)));
        assert_eq!(
            lines,
            [
                "01-08 12:03   close       2 bars, 1 missing  equity 10,000.00 (0.00)  cash \
                 9,000.00",
                "01-09 04:43   close       1,000 closes, 1 missing  equity 10,000.00 (0.00)  \
                 cash 9,000.00",
                "01-09 21:23   close       1,000 closes, 1 missing  equity 10,000.00 (0.00)  \
                 cash 9,000.00",
                "01-10 14:02   close       999 closes, 1 missing  equity 10,000.00 (0.00)  cash \
                 9,000.00",
            ]
        );
    }

    #[test]
    fn a_close_is_shown_with_its_own_equity_where_the_ledger_lags() {
        let mut state = TerminalState::new(90, false);
        let mut lines = Vec::new();
        let bodies = [equity(T - MINUTE, "10000"), close(T), close(T + MINUTE)];
        let late = [equity(T, "9990"), equity(T + MINUTE, "9980")];
        for (n, body) in (0..).zip(bodies.into_iter().chain(late)) {
            let fact = Fact { body, ..journal().0[0].clone() };
            lines.extend(state.fact(&fact, Duration::from_secs(2 * n)));
            lines.extend(state.flush(Duration::from_secs(2 * n + 1)));
        }
        let expected = [("12:03", "9,990.00 (-10.00)"), ("12:04", "9,980.00 (-20.00)")];
        assert_eq!(lines.len(), 2, "{lines:?}");
        for (line, (time, equity)) in lines.iter().zip(expected) {
            assert!(line.contains(time) && line.contains(equity), "{line}");
        }
    }

    #[test]
    fn colour_is_only_where_it_is_wanted() {
        let fact = &journal().0[15];
        let plain = TerminalState::new(80, false).fact(fact, Duration::ZERO).remove(0);
        let coloured = TerminalState::new(80, true).fact(fact, Duration::ZERO).remove(0);
        assert_eq!(coloured, format!("\x1b[32m{plain}\x1b[0m"));
    }

    #[test]
    fn a_conflict_says_both_sides() {
        let mut state = TerminalState::new(80, false);
        let mut fact = journal().0[3].clone();
        let conflict = Conflict {
            about: "USD".into(),
            ours: "5".into(),
            theirs: "4".into(),
            dispute: everwarm_domain::fact::Dispute::Balance,
        };
        fact.body = Body::Ledger(Ledger::Reconciled {
            life: 1,
            conflicts: vec![conflict],
            foreign: vec![("BNB".into(), Decimal::ONE)],
            cash: Decimal::ZERO,
            venue: VenueId::default(),
        });
        let expected = [
            "              external    1 BNB beyond the books, never traded",
            "              conflict    vcbsg5f1  USD: books 5, venue 4",
            "              refused     trading is refused: everwarm reconcile, then resolve",
        ];
        assert_eq!(state.fact(&fact, Duration::ZERO), expected);
    }
}
