//! Liquidates the account: cancels open orders and sells all holdings. Judges the result only by
//! the account at the venue. Uses neither journal nor books, so it works when they fail.
//!
//! While the market is closed, the venue accepts the sales and executes them at the next opening.
//! They stay open: a second run counts them against the holdings, and does not cancel them.

use super::{elsewhere, launch, passing, runtime};
use crate::adapters;
use crate::daemon_run::Connection;
use everwarm_cli::Panic;
use everwarm_cli::print::Printer;
use everwarm_config::{Config, Symbols, VenueSource};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::{Decimal, total};
use everwarm_domain::order::{OrderIntent, OrderReport, OrderType, PANIC, SendAttempt, Side};
use everwarm_domain::sessions::Sessions;
use everwarm_domain::settings::Selection;
use everwarm_domain::time::UtcMs;
use everwarm_edge::world::Passing;
use everwarm_runtime::clock::wall;
use everwarm_sim::server::port::PortFile;
use everwarm_trading::risk::sizing::{self, TooSmall};
use everwarm_venue::port::{ErrorClass, Stamp, Venue, VenueError};
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::{count, instant};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// recvWindow, milliseconds of venue time.
const RECV_WINDOW: i64 = 5_000;
/// Rounds of selling and cancelling, before the rest is reported.
const ROUNDS: u32 = 4;
/// Tries of a request.
const TRIES: u32 = 5;
/// Wall time before the second try; doubles each time.
const WAIT: Duration = Duration::from_millis(250);
/// Longest wait for the venue's budget, seconds: a ban may last for days.
const LONGEST: i64 = 120;
/// Market orders of one symbol, at most: a quantity above the venue's limit is sold in parts.
const PARTS: u32 = 50;

/// Runs `everwarm panic`.
///
/// # Errors
/// The venue cannot be found, or does not respond.
pub fn panic(config: &Config, wanted: &Panic, printer: Printer) -> Result<Exit, Failure> {
    everwarm_venue::install_tls();
    let connection = connection(config)?;
    runtime(1, "control")?.block_on(async {
        let ports = connection.ports(RECV_WINDOW);
        let venue = ports.map_err(|e| Failure::new(Exit::Failed, e))?.venue;
        let mut hand = Liquidation { venue, connection, printer, sessions: Sessions::ALWAYS };
        hand.tick().await?;
        if wanted.flatten {
            hand.sessions = hand.sessions().await?;
        }
        hand.all_off(config, wanted).await
    })
}

fn connection(config: &Config) -> Result<Connection, Failure> {
    if let VenueSource::Remote(remote) = &config.venue {
        return elsewhere(config, remote);
    }
    let dir = launch(config)?.dir;
    let nobody = || {
        let text = format!("no simulated exchange runs in {}", dir.display());
        Failure::new(Exit::Unreachable, text)
    };
    let file = PortFile::read(&dir).ok().flatten().ok_or_else(nobody)?;
    // Venue time passes as its port file says, whatever is configured now.
    let passing = match file.pace.as_str() {
        "lockstep" => Passing::Lockstep,
        "real" => Passing::Scaled(1),
        times => {
            let factor = times.strip_suffix('x').and_then(|times| times.parse().ok());
            factor.map_or_else(|| passing(config), Passing::Scaled)
        }
    };
    adapters::simulated(&file, passing).map_err(|e| Failure::new(Exit::Failed, e))
}

/// An emergency sale at the venue.
struct Liquidation {
    venue: Arc<dyn Venue>,
    connection: Connection,
    printer: Printer,
    /// The sessions of the venue. If nothing is to be sold, the market counts as open.
    sessions: Sessions,
}

/// A holding that could be sold and is still there.
enum Left {
    /// So many base units have no order.
    Unsold(Decimal),
    /// Open orders sell it at the opening of the market.
    Waits,
}

/// Whether an order is one of the sales of this command.
fn is_sale(order: &OrderReport) -> bool {
    order.client_id.is_panic() && order.side == Side::Sell
}

fn unreachable(error: &VenueError) -> Failure {
    Failure::new(Exit::Unreachable, format!("the venue: {error}"))
}

/// The symbols to sell; empty: all that the rule of the universe leaves.
fn names(config: &Config, wanted: &Panic) -> Vec<Symbol> {
    let configured = match (&config.venue, &config.market.symbols) {
        (VenueSource::Remote(remote), _) => remote.symbols.clone(),
        (VenueSource::Simulated, Symbols::Named(list)) => list.clone(),
        (VenueSource::Simulated, Symbols::Auto | Symbols::First(_)) => Vec::new(),
    };
    wanted.symbols.clone().unwrap_or(configured)
}

/// Keeps the instruments that may have been bought: with one quote asset, not excluded, and trading
/// now. The rank by volume is ignored: it may have been different yesterday.
pub(super) fn bought(rules: &mut Vec<Instrument>, rule: &Selection, quote_asset: &str) {
    let first = rules.iter().min_by_key(|rule| rule.symbol).map(|rule| rule.quote.clone());
    let quote = [&rule.quote, quote_asset].into_iter().find(|quote| !quote.is_empty());
    let quote = quote.map(str::to_owned).or(first).unwrap_or_default();
    rules.retain(|of| of.trading && of.quote == quote && !rule.exclude.contains(&of.symbol));
}

impl Liquidation {
    /// Repeats a request until it succeeds, for a while; waits while the venue's budget is used up.
    async fn again<T>(&self, ask: impl AsyncFn() -> Result<T, VenueError>) -> Result<T, Failure> {
        let (mut tries, mut waits, mut wait) = (1, 0, WAIT);
        loop {
            let why = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(why) => why,
            };
            if let Some(left) = self.venue.waiting() {
                let text = format!("waiting for venue budget, {left} s");
                if left > LONGEST || waits == TRIES {
                    return Err(Failure::new(
                        Exit::Unreachable,
                        format!("the venue: {why}; {text}"),
                    ));
                }
                self.print("patience", &text)?;
                tokio::time::sleep(Duration::from_secs(left.unsigned_abs())).await;
                waits += 1;
                continue;
            }
            if why.class == ErrorClass::Halt || tries == TRIES {
                return Err(unreachable(&why));
            }
            tokio::time::sleep(wait).await;
            (tries, wait) = (tries + 1, wait * 2);
        }
    }

    fn print(&self, what: impl std::fmt::Display, text: &str) -> Result<(), Failure> {
        self.printer.lines(&[format!("{what:<12} {text}")]).map(drop)
    }

    /// Learns the venue's time. In lockstep, time stays where it is without a daemon.
    async fn tick(&self) -> Result<(), Failure> {
        let sample = self.again(async || self.venue.server_time().await).await?;
        if self.connection.passing == Passing::Lockstep {
            self.venue.clock().lock().set_manual(sample.server);
        }
        Ok(())
    }

    /// The sessions of the venue. If it does not report them, the market counts as open.
    async fn sessions(&self) -> Result<Sessions, Failure> {
        match self.again(async || self.venue.hours().await).await {
            Ok(hours) => Ok(hours.sessions.unwrap_or_default()),
            Err(why) => {
                self.print("sessions", &format!("the calendar is not known: {why}"))?;
                Ok(Sessions::ALWAYS)
            }
        }
    }

    /// The next opening of the market, as text; none: it is open.
    fn opening(&self) -> Option<String> {
        let now = self.venue.now();
        let next = || match self.sessions.next_open(now) {
            Some(at) => format!("the opening of {} UTC", instant(at)),
            None => "the next opening".to_owned(),
        };
        (!self.sessions.is_open(now)).then(next)
    }

    fn stamp(&self) -> Stamp {
        Stamp::from(self.venue.validity(self.venue.now()))
    }

    async fn all_off(&self, config: &Config, wanted: &Panic) -> Result<Exit, Failure> {
        let open = self.cancel().await?;
        let held = if wanted.flatten { self.flatten(config, wanted).await? } else { Vec::new() };
        // Orders may have opened while the holdings were sold.
        let open =
            if open || !self.open().await?.is_empty() { self.cancel().await? } else { false };
        if !open && held.is_empty() {
            self.print("done", "the venue has no open orders")?;
            return Ok(Exit::Fine);
        }
        if open {
            self.print("left", "open orders remain")?;
        }
        let mut waiting = 0;
        for (symbol, left) in held {
            match left {
                Left::Unsold(quantity) => {
                    let quantity = quantity.normalize();
                    self.print(symbol, &format!("{quantity} of the base asset remain"))?;
                }
                Left::Waits => waiting += 1,
            }
        }
        if waiting > 0 {
            let text = "wait for the opening of the market; run the command again after it";
            self.print("left", &format!("sales of {} {text}", count(waiting, "symbol")))?;
        }
        Ok(Exit::Problems)
    }

    /// Open orders, by symbol. While the market is closed, without the sales that wait for its
    /// opening.
    async fn open(&self) -> Result<BTreeMap<Symbol, Vec<OrderReport>>, Failure> {
        let closed = self.opening().is_some();
        let mut by_symbol: BTreeMap<Symbol, Vec<OrderReport>> = BTreeMap::new();
        let orders = self.again(async || self.venue.open_orders(None).await).await?;
        for order in orders.into_iter().filter(|order| !closed || !is_sale(order)) {
            by_symbol.entry(order.symbol).or_default().push(order);
        }
        Ok(by_symbol)
    }

    /// Cancels all open orders, of any client; returns whether some are left.
    async fn cancel(&self) -> Result<bool, Failure> {
        let mut open = self.open().await?;
        if open.is_empty() {
            self.print("orders", "no open orders")?;
        }
        for _ in 0..ROUNDS {
            if open.is_empty() {
                return Ok(false);
            }
            let mut trouble = BTreeMap::new();
            for symbol in open.keys() {
                if let Err(e) = self.cancel_of(*symbol).await
                    && e.class != ErrorClass::Absent
                {
                    trouble.insert(*symbol, e);
                }
            }
            // The open orders now show the result, whatever the responses were.
            let now = self.open().await?;
            for (symbol, orders) in &open {
                let left = now.get(symbol).map_or(0, Vec::len);
                let gone = orders.len().saturating_sub(left);
                let error = trouble.get(symbol).filter(|_| left > 0);
                let why = error.map_or(String::new(), |e| format!(": {e}"));
                let left = if left > 0 { format!(", {left} left{why}") } else { String::new() };
                self.print(symbol, &format!("{} cancelled{left}", count(gone as u64, "order")))?;
            }
            open = now;
            if !open.is_empty() {
                tokio::time::sleep(WAIT * 2).await;
                self.tick().await?;
            }
        }
        Ok(!open.is_empty())
    }

    /// Cancels the open orders of a symbol. While the market is closed, it keeps the sales that
    /// wait for its opening. `Absent`: no order is open.
    async fn cancel_of(&self, symbol: Symbol) -> Result<(), VenueError> {
        if self.opening().is_some() {
            let orders = self.venue.open_orders(Some(symbol)).await?;
            if orders.iter().any(is_sale) {
                for order in orders.iter().filter(|order| !is_sale(order)) {
                    let gone = self.venue.cancel(symbol, &order.client_id, self.stamp()).await;
                    if let Err(e) = gone
                        && e.class != ErrorClass::Absent
                    {
                        return Err(e);
                    }
                }
                return Ok(());
            }
        }
        self.venue.cancel_all(symbol, self.stamp()).await
    }

    /// Sells all holdings; returns those that could be sold and are still there.
    async fn flatten(
        &self,
        config: &Config,
        wanted: &Panic,
    ) -> Result<Vec<(Symbol, Left)>, Failure> {
        let symbols = names(config, wanted);
        let mut rules = self.again(async || self.venue.instruments(&symbols).await).await?;
        if symbols.is_empty() {
            let settings = &config.settings;
            bought(&mut rules, &settings.universe, &settings.trading.quote_asset);
        }
        // Of several symbols with the same base asset, one that trades now.
        rules.sort_by_key(|rule| (!rule.trading, rule.symbol));
        let known: BTreeSet<Symbol> = rules.iter().map(|rule| rule.symbol).collect();
        for absent in symbols.iter().filter(|symbol| !known.contains(symbol)) {
            self.print(absent, "the venue does not list it")?;
        }
        let mut left = Vec::new();
        let mut bases = BTreeSet::new();
        // An asset is sold once, even if several symbols trade it.
        for rule in rules.iter().filter(|rule| bases.insert(rule.base.clone())) {
            if let Some(of) = self.sell(rule).await? {
                left.push((rule.symbol, of));
            }
        }
        Ok(left)
    }

    /// Units of an asset: free, and all.
    async fn held(&self, asset: &str) -> Result<(Decimal, Decimal), Failure> {
        let account = self.again(async || self.venue.account().await).await?;
        if account.unread.iter().any(|unread| unread == asset) {
            let text = format!("the venue's balance of {asset} is impossible");
            return Err(Failure::new(Exit::Unreachable, text));
        }
        let of = account.balances.into_iter().find(|balance| balance.asset == asset);
        Ok(of.map_or((Decimal::ZERO, Decimal::ZERO), |b| (b.free, b.free + b.locked)))
    }

    /// The unfilled base units of the sales that wait for the opening of the market; none while it
    /// is open.
    async fn waiting(&self, symbol: Symbol) -> Result<Decimal, Failure> {
        if self.opening().is_none() {
            return Ok(Decimal::ZERO);
        }
        let orders = self.again(async || self.venue.open_orders(Some(symbol)).await).await?;
        let sales = orders.iter().filter(|order| is_sale(order));
        Ok(total(sales.map(|order| order.quantity.saturating_sub(order.executed))))
    }

    /// Sells a base asset at the market, in as many orders as needed. Returns what could be sold
    /// and was not.
    async fn sell(&self, rule: &Instrument) -> Result<Option<Left>, Failure> {
        let (mut failures, mut placed) = (0, false);
        for part in 0..PARTS {
            let (free, all) = self.held(&rule.base).await?;
            if all.is_zero() {
                if part == 0 {
                    self.print(rule.symbol, &format!("no {} is held", rule.base))?;
                }
                return Ok(None);
            }
            let price = self.again(async || self.venue.price(rule.symbol).await).await?;
            let waiting = self.waiting(rule.symbol).await?;
            let unsold = all.saturating_sub(waiting);
            let quantity = match sizing::market(rule, free.min(unsold), price) {
                Ok(quantity) => quantity,
                Err(TooSmall(why)) if sizing::market(rule, all, price).is_err() => {
                    self.print(rule.symbol, &format!("kept as dust: {why}"))?;
                    return Ok(None);
                }
                Err(TooSmall(_)) if sizing::market(rule, unsold, price).is_err() => {
                    if !placed {
                        let (waiting, base) = (waiting.normalize(), &rule.base);
                        let text = self.accepted(&format!("{waiting} {base} accepted earlier"));
                        self.print(rule.symbol, &text)?;
                    }
                    return Ok(Some(Left::Waits));
                }
                // Part of a sale may still be open, or another client has placed an order.
                Err(TooSmall(_)) => {
                    failures += 1;
                    if failures == ROUNDS {
                        self.print(rule.symbol, "locked by open orders")?;
                        return Ok(Some(Left::Unsold(all)));
                    }
                    self.release(rule.symbol).await?;
                    continue;
                }
            };
            match self.order(rule, quantity, part).await? {
                Ok(report) => {
                    placed = true;
                    self.print(rule.symbol, &self.result_of(rule, &report))?;
                }
                Err(why) => {
                    self.print(rule.symbol, &format!("not sold: {why}"))?;
                    failures += 1;
                    if failures == ROUNDS {
                        return Ok(Some(Left::Unsold(all)));
                    }
                    tokio::time::sleep(WAIT * 2).await;
                    self.tick().await?;
                }
            }
        }
        Ok(Some(Left::Unsold(self.held(&rule.base).await?.1)))
    }

    /// The result of a sale, as text.
    fn result_of(&self, rule: &Instrument, report: &OrderReport) -> String {
        let (sold, quote) = (report.executed.normalize(), report.executed_quote.normalize());
        let (base, paid) = (&rule.base, &rule.quote);
        if !sold.is_zero() {
            return format!("sold {sold} {base} for {quote} {paid}");
        }
        self.accepted(&format!("{} {base} accepted", report.quantity.normalize()))
    }

    /// What an open sale waits for, as text.
    fn accepted(&self, what: &str) -> String {
        let opening = self.opening();
        let when = opening.map_or_else(String::new, |opening| format!("; executes at {opening}"));
        format!("sale of {what}{when}")
    }

    /// Cancels the open orders of a symbol, so that the assets they lock may be sold.
    async fn release(&self, symbol: Symbol) -> Result<(), Failure> {
        match self.cancel_of(symbol).await {
            Ok(()) => self.print(symbol, "cancelled the rest")?,
            Err(e) if e.class == ErrorClass::Absent => {}
            Err(e) => self.print(symbol, &format!("not cancelled: {e}"))?,
        }
        tokio::time::sleep(WAIT * 2).await;
        self.tick().await
    }

    /// Places one market order. Returns its report, or why it was definitely not executed. Its id
    /// is of the reserved strategy: the daemon books such sales, and does not take them for orders
    /// of another process.
    async fn order(
        &self,
        rule: &Instrument,
        quantity: Decimal,
        part: u32,
    ) -> Result<Result<OrderReport, String>, Failure> {
        let validity = self.venue.validity(self.venue.now());
        let timestamp = validity.timestamp;
        let client_id =
            ClientOrderId(format!("{}{:x}-{part}", ClientOrderId::PANIC_PREFIX, wall().utc()));
        let intent = OrderIntent {
            client_id: client_id.clone(),
            strategy: PANIC.to_owned(),
            symbol: rule.symbol,
            side: Side::Sell,
            order_type: OrderType::Market,
            quantity,
            price: None,
            close_time: timestamp,
            valid_until: timestamp,
            terms: Box::default(),
        };
        let attempt = SendAttempt { client_id, attempt: 1, validity };
        match self.venue.place(&intent, &attempt).await {
            Ok(report) => Ok(Ok(report)),
            Err(e) if e.class == ErrorClass::Halt => Err(unreachable(&e)),
            Err(e) if e.class != ErrorClass::Unknown => Ok(Err(e.to_string())),
            Err(e) => {
                self.print(rule.symbol, &format!("status unknown ({e}); querying the order"))?;
                self.became(&intent, validity.settled_at).await
            }
        }
    }

    /// What became of an order without a response: found, or absent after it can no longer arrive.
    async fn became(
        &self,
        intent: &OrderIntent,
        settled_at: Option<UtcMs>,
    ) -> Result<Result<OrderReport, String>, Failure> {
        loop {
            let settled = settled_at.is_some_and(|at| self.venue.now() > at);
            let late = settled || self.connection.passing == Passing::Lockstep;
            let find = async || self.venue.find_order(intent.symbol, &intent.client_id).await;
            match self.again(find).await? {
                Some(report) => return Ok(Ok(report)),
                None if late => return Ok(Err("the order never arrived".to_owned())),
                None => tokio::time::sleep(WAIT * 4).await,
            }
        }
    }
}

#[cfg(test)]
#[path = "panic_tests.rs"]
mod tests;
