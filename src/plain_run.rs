//! Plays a market without the machinery: the plain loop over ranks drives the core of the simulated
//! exchange in this thread. It uses no journal, actors, sockets or clock.
//!
//! It decides as the daemon does in lockstep: every run of the daemon under faults must reach the
//! same result (`chaos`), and a backtest is such a run with a report (`backtest`).

use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::external::ExternalSignal;
use everwarm_domain::fact::{Body, Decision, Market as MarketFact, Operator, Order, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::market::Bar;
use everwarm_domain::order::{
    OrderIntent, OrderRequest, OrderStatus, RequestKind, Response, SendAttempt, Validity,
};
use everwarm_domain::sessions::Sessions;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_history::need::Times;
use everwarm_history::{HistoryLibrary, bars};
use everwarm_kernel::fact::{Body as _, Fact, Key, RuntimeEvent};
use everwarm_kernel::plain::PlainLoop;
use everwarm_kernel::roster::Joined;
use everwarm_kernel::stage::Stage as _;
use everwarm_runtime::store::archive::Archive;
use everwarm_sim::exchange::local::report;
use everwarm_sim::exchange::{
    Cancel, Exchange, Lifetime, NewList, NewOrder, SimFact, Target, Terms,
};
use everwarm_sim::market::Market;
use everwarm_sim::wire::klines::KlineQuery;
use everwarm_sim::{InitialBooks, Local};
use everwarm_trading::StageSpec;
use everwarm_trading::closes::Closes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Stop orders of a symbol that the adapter of the simulated exchange places.
pub const STOP_ORDERS: u32 = 5;
/// Turns of sending and answering after one close, at most: more means an endless loop.
const TURNS: u32 = 100;

/// What is played.
pub struct PlainFeed<'a> {
    /// The market.
    pub market: Box<dyn Market>,
    /// The initial books of the exchange.
    pub setup: &'a InitialBooks,
    /// The settings of the stages.
    pub settings: &'a Settings,
    /// The stages, by rank.
    pub stages: &'a [StageSpec],
    /// The trading sessions of the venue.
    pub sessions: &'a Sessions,
    /// Most open stop orders of a symbol.
    pub stop_orders: u32,
    /// Name of the installation, part of every client order id.
    pub installation: &'a str,
}

/// Receives every fact, in the order of the journal.
pub type EachFact<'a> = &'a mut dyn FnMut(&Fact<Body>);

/// A run of the plain loop with an exchange.
pub struct PlainRun<'a> {
    venue: Local,
    stages: PlainLoop<Body>,
    each: EachFact<'a>,
    /// The symbol of each order so far.
    ordered: BTreeMap<ClientOrderId, Symbol>,
    /// Orders that may be sent, with their attempt number.
    waiting: Vec<(OrderIntent, u32)>,
    /// Orders to be cancelled, with their symbols.
    cancels: Vec<(ClientOrderId, Symbol)>,
    recv_window: i64,
    /// Outside of these sessions, an order waits for the next one.
    waits_outside: Sessions,
    /// The closes so far, by which odd bars are detected.
    closes: Closes,
}

impl std::fmt::Debug for PlainRun<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainRun").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl<'a> PlainRun<'a> {
    /// Starts: loads the history before the market begins, and enters the account. `archive` keeps
    /// that history.
    ///
    /// # Errors
    /// The archive cannot be written, or orders do not come to rest.
    pub fn start(
        feed: PlainFeed<'_>,
        archive: &Arc<Archive>,
        each: EachFact<'a>,
    ) -> Result<PlainRun<'a>, String> {
        let all = || feed.stages.iter().map(StageSpec::build);
        let there = all().filter(|stage| stage.instance_of().is_none()).collect();
        let specs = feed.stages.to_vec();
        let make = move |who: &Joined| {
            specs.iter().find(|spec| spec.rank == who.rank).map(StageSpec::build)
        };
        let library = Box::new(HistoryLibrary::new(Arc::clone(archive)));
        let PlainFeed { market, setup, settings, stages, sessions, stop_orders, installation } =
            feed;
        let shares = setup.protocol.trades_shares();
        let mut run = PlainRun {
            venue: Local::open(market, setup),
            stages: PlainLoop::new(there, library).joined_by(Box::new(make)),
            each,
            ordered: BTreeMap::new(),
            waiting: Vec::new(),
            cancels: Vec::new(),
            recv_window: settings.trading.recv_window_ms,
            waits_outside: if shares { sessions.clone() } else { Sessions::ALWAYS },
            closes: Closes::default(),
        };
        run.join(stages)?;
        run.introduce((settings, installation), (setup, sessions, stop_orders))?;
        run.load_history(sessions, archive)?;
        run.rest()?;
        Ok(run)
    }

    /// Plays up to the next close, and until all its orders are at rest. Returns its time; none:
    /// the market has ended.
    ///
    /// # Errors
    /// Orders do not come to rest.
    pub fn next_close(&mut self) -> Result<Option<UtcMs>, String> {
        let Some(close) = self.venue.next_close() else { return Ok(None) };
        self.close(close)?;
        Ok(Some(close))
    }

    /// Whether a time is before the next close, or after the last one.
    pub fn precedes_close(&mut self, time: UtcMs) -> bool {
        self.venue.next_close().is_none_or(|close| time < close)
    }

    /// Takes the signal of an external program at its time, or now if that is later, and plays
    /// until all its orders are at rest.
    ///
    /// # Errors
    /// Orders do not come to rest.
    pub fn take_signal(&mut self, signal: &ExternalSignal) -> Result<(), String> {
        let (to, market) = (signal.time.max(self.now()), self.exchange().market());
        let facts = self.venue.advance(to, market);
        self.expired(&facts).iter().try_for_each(|id| self.report(id))?;
        self.input(to, Body::Operator(Operator::Signalled(Box::new(signal.clone()))))?;
        self.rest()
    }

    /// The books of the exchange.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        self.venue.exchange()
    }

    fn join(&mut self, stages: &[StageSpec]) -> Result<(), String> {
        for stage in stages.iter().map(StageSpec::build) {
            let Some(kind) = stage.instance_of().map(str::to_owned) else { continue };
            let (rank, id, version) = (stage.rank(), stage.name().to_owned(), stage.version());
            let who = Joined { rank, id, kind, version, settings: String::new() };
            self.input(i64::MIN, Body::runtime(RuntimeEvent::Joined(who)))?;
        }
        Ok(())
    }

    /// The inputs of a start: configuration, venue and account.
    fn introduce(
        &mut self,
        (settings, installation): (&Settings, &str),
        (setup, sessions, stop_orders): (&InitialBooks, &Sessions, u32),
    ) -> Result<(), String> {
        let (life, installation) = (1, installation.to_owned());
        self.input(i64::MIN, Body::Operator(Operator::Started { life, installation, epoch: 0 }))?;
        let applied = Operator::configured(1, settings);
        self.input(i64::MIN, Body::Operator(applied))?;
        let now = self.now();
        let rules = self.venue.exchange().instruments().to_vec();
        self.input(now, Body::Market(MarketFact::Instruments { rules }))?;
        let (venue, capabilities) = (VenueId::default(), Capabilities::market_and_limit());
        let fewer = setup.max_stop_orders.iter();
        let fewer = fewer.map(|(symbol, most)| (*symbol, *most)).collect();
        let splits = setup.protocol.trades_shares();
        let pairs = !splits;
        let capabilities =
            MarketFact::Capabilities { venue, capabilities, stop_orders, fewer, pairs, splits };
        self.input(now, Body::Market(capabilities))?;
        if !sessions.is_unknown() {
            let (venue, sessions) = (VenueId::default(), sessions.clone());
            self.input(now, Body::Market(MarketFact::Sessions { venue, sessions }))?;
        }
        let account = Venue::Account {
            life,
            time: now,
            balances: self.venue.account(),
            open: Vec::new(),
            unread: Vec::new(),
            venue: VenueId::default(),
            charges: Vec::new(),
            charge_ids: Vec::new(),
        };
        self.input(now, Body::Venue(account))
    }

    fn load_history(&mut self, sessions: &Sessions, archive: &Archive) -> Result<(), String> {
        let through = self.venue.exchange().market();
        let needs = self.closes.needs();
        let symbols: Vec<Symbol> =
            self.venue.exchange().instruments().iter().map(|rule| rule.symbol).collect();
        for symbol in symbols {
            for (timeframe, times) in needs.wide_before(through, sessions) {
                let query = KlineQuery::of(timeframe, &times);
                let (exchange, market) = self.venue.parts();
                let bars = query.bars(exchange, market, symbol, exchange.now());
                let bars = bars.into_iter().map(|kline| kline.bar).collect();
                self.keep_history((symbol, timeframe), times, bars, archive)?;
            }
            let times = needs.minutes_before(through, sessions);
            let (from, to) = (*times.start(), *times.end());
            let bars = self.venue.market().bars(symbol, from, to, usize::MAX);
            self.closes.join(&bars);
            self.keep_history((symbol, Timeframe::M1), times, bars, archive)?;
        }
        Ok(())
    }

    fn keep_history(
        &mut self,
        (symbol, timeframe): (Symbol, Timeframe),
        times: Times,
        bars: Vec<Bar>,
        archive: &Archive,
    ) -> Result<(), String> {
        let now = self.now();
        let kept = bars::keep(archive, timeframe, &[(symbol, on_the_wire(bars))]);
        let kept = kept.map_err(|e| e.to_string())?.pop();
        let kept = kept.unwrap_or_else(|| bars::nothing(symbol, timeframe, times));
        self.input(now, Body::Market(kept))
    }

    fn close(&mut self, close: UtcMs) -> Result<(), String> {
        let to = close.max(self.now());
        let facts = self.venue.advance(to, close);
        // What traded or expired in this minute is reported before its close.
        let traded = self.exchange().traded_since(close - MINUTE);
        let mut changed: Vec<String> = traded.into_iter().map(|(id, ..)| id).collect();
        for id in self.expired(&facts) {
            if !changed.contains(&id) {
                changed.push(id);
            }
        }
        changed.iter().try_for_each(|id| self.report(id))?;
        self.rest()?;
        let bars = on_the_wire(self.venue.market().bars_closing(close));
        let traded: BTreeSet<Symbol> = bars.iter().map(|bar| bar.symbol).collect();
        let all = self.venue.exchange().instruments().iter().map(|rule| rule.symbol);
        let missing = all.filter(|symbol| !traded.contains(symbol)).collect();
        let odd = self.closes.odd(&bars);
        self.input(close, Body::Market(MarketFact::Close { time: close, bars, missing, odd }))?;
        self.rest()
    }

    /// The orders that expired.
    fn expired(&self, facts: &[SimFact]) -> Vec<String> {
        let order = |fact: &SimFact| {
            let SimFact::Expired { order, .. } = fact else { return None };
            self.exchange().order(*order).map(|order| order.client_id.clone())
        };
        facts.iter().filter_map(order).collect()
    }

    /// Takes the venue's report on an order.
    fn report(&mut self, id: &str) -> Result<(), String> {
        let symbol = self.ordered.get(&ClientOrderId(id.to_owned()));
        let order = symbol.and_then(|symbol| self.exchange().newest(*symbol, id));
        let Some(order) = order else { return Ok(()) };
        let (now, report) = (self.now(), report(self.exchange(), order));
        self.input(now, Body::Venue(Venue::Reported(report)))
    }

    fn cancel(&mut self, now: UtcMs, id: &ClientOrderId, symbol: Symbol) -> Result<(), String> {
        let validity = Validity::within(now, self.recv_window);
        let request = OrderRequest::new(id.clone(), symbol, RequestKind::Cancel, 1, validity);
        let (of, name) = (id.clone(), request.id.clone());
        self.input(now, Body::Venue(Venue::Requested(request)))?;
        let target = Target { symbol, order: None, client_id: Some(id.0.clone()) };
        let deadline = UtcMs::MAX;
        self.venue.step(SimFact::Cancel(Cancel {
            target,
            cancel_id: None,
            at: now,
            deadline,
            only_begun: None,
        }));
        self.report(&id.0)?;
        let response = Response::Accepted;
        self.input(now, Body::Venue(Venue::Responded { id: name, of, attempt: 1, response }))
    }

    /// Sends orders and takes the venue's reports, until nothing is left. Wakes stages at the times
    /// they asked for.
    fn rest(&mut self) -> Result<(), String> {
        for _ in 0..TURNS {
            let now = self.now();
            let cancels = std::mem::take(&mut self.cancels);
            if !cancels.is_empty() {
                cancels.iter().try_for_each(|(id, symbol)| self.cancel(now, id, *symbol))?;
                continue;
            }
            let mut due = std::mem::take(&mut self.waiting);
            due.retain(|(intent, _)| now <= intent.valid_until);
            if !due.is_empty() {
                self.send(now, &due)?;
                continue;
            }
            match self.stages.next_wake() {
                Some(at) if at <= now => {
                    self.input(at, Body::Operator(Operator::Clock { time: at }))?;
                }
                Some(at) => {
                    let market = self.venue.exchange().market();
                    self.venue.advance(at, market);
                }
                None => return Ok(()),
            }
        }
        Err(format!("it does not come to rest at {}", self.now()))
    }

    fn send(&mut self, timestamp: UtcMs, due: &[(OrderIntent, u32)]) -> Result<(), String> {
        let validity = Validity::within(timestamp, self.recv_window);
        let attempt = |(intent, attempt): &(OrderIntent, u32)| {
            let client_id = intent.client_id.clone();
            SendAttempt { client_id, attempt: *attempt, validity }
        };
        let attempts = due.iter().map(attempt).collect();
        self.input(timestamp, Body::Venue(Venue::Sent { attempts }))?;
        let mut answers = Vec::new();
        for (n, (intent, attempt)) in due.iter().enumerate() {
            let refused = |(code, text): (i32, String), id: &ClientOrderId| {
                let (client_id, attempt) = (id.clone(), *attempt);
                Venue::Refused { client_id, attempt, code, text, again: false }
            };
            let list = &intent.terms.list;
            let other = |(of, _): &&(OrderIntent, u32)| of.terms.list == *list;
            if list.is_none() {
                let mut order = NewOrder::of(intent, timestamp)?;
                if order.kind.can_lag() && !self.waits_outside.is_open(timestamp) {
                    // Nothing of it is filled before the next session, and a sale locks its shares.
                    order.at_once = Some(0);
                    order.terms = Some(Terms::lasting(Lifetime::Gtc, UtcMs::MAX));
                }
                let answer = self.venue.place(order).map(Venue::Reported);
                answers.push(answer.unwrap_or_else(|e| refused(e, &intent.client_id)));
            } else if let Some((target, _)) = due.iter().skip(n + 1).find(other) {
                // The stop order comes before its target.
                match self.venue.place_list(NewList::pair(intent, target, timestamp)?) {
                    Ok(reports) => answers.extend(reports.into_iter().map(Venue::Reported)),
                    Err(e) => {
                        let ids = [&intent.client_id, &target.client_id];
                        answers.extend(ids.map(|id| refused(e.clone(), id)));
                    }
                }
            }
        }
        answers.into_iter().try_for_each(|answer| self.input(timestamp, Body::Venue(answer)))
    }

    fn input(&mut self, time: UtcMs, body: Body) -> Result<(), String> {
        let key = Key { n: 0, rank: 0, i: 0 };
        let (version, because) = (0, Vec::new());
        self.closes.evolve(&Fact { key, time, version, because, body: body.clone() });
        let PlainRun { each, ordered, waiting, cancels, .. } = self;
        let mut keep = |fact: &Fact<Body>| {
            if let Body::Order(Order::Intent(intent)) = &fact.body {
                ordered.insert(intent.client_id.clone(), intent.symbol);
                waiting.push((intent.clone(), 1));
            } else if let Body::Decision(Decision::CancelIntent { client_id, symbol, .. }) =
                &fact.body
            {
                cancels.push((client_id.clone(), *symbol));
            } else if let Body::Order(Order::Changed { client_id, status, .. }) = &fact.body {
                forget(waiting, client_id, *status);
            }
            each(fact);
        };
        self.stages.input(time, body, &mut keep).map(drop)
    }

    fn now(&self) -> UtcMs {
        self.venue.exchange().now()
    }
}

/// Bars as a client reads them: the network format has no trailing zeros.
fn on_the_wire(mut bars: Vec<Bar>) -> Vec<Bar> {
    for bar in &mut bars {
        bar.volume = bar.volume.normalize();
    }
    bars
}

/// Drops an order with a final status: it is not sent any more.
fn forget(waiting: &mut Vec<(OrderIntent, u32)>, id: &ClientOrderId, status: OrderStatus) {
    if status.is_final() {
        waiting.retain(|(intent, _)| intent.client_id != *id);
    }
}
