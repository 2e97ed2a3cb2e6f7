//! The part of the decision about exits: which are owed, and which may be requested now.

use super::exits::{self, Ended, Exit};
use super::{Approved, Decide, Hold, LEAVES, Refusal, Round, client_id, no, too_small};
use crate::risk::sizing;
use everwarm_domain::fact::{Body, BreakerLevel, Decision, Signal};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderIntent, OrderStatus, OrderType, Side};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_kernel::stage::Out;

/// What becomes of an exit in this round.
enum Fate {
    /// It is requested.
    Asks(Approved),
    /// It waits, and why; no reason where its request is on its way.
    Waits(Option<String>),
    /// It is over, and why.
    Ends(String),
}

impl Decide {
    /// Opens the exits that this round's signals and operators ask for, requests those that may be
    /// requested, and ends those that are over.
    pub(super) fn conclude_exits(
        &self,
        waiting: &[&(Key, Signal)],
        round: &mut Round,
        out: &mut Out<Body>,
    ) {
        for (key, signal) in waiting.iter().filter(|(_, signal)| signal.side == Side::Sell) {
            match self.open(*key, signal, round) {
                Ok(exit) => self.follow(signal.symbol, &signal.strategy, &exit, true, round, out),
                Err(Refusal { code, text }) => {
                    let (signal, code) = (signal.clone(), code.to_owned());
                    let declined = Decision::Declined { signal, code, text };
                    out.say_because([*key], Body::Decision(declined));
                }
            }
        }
        for ((symbol, strategy), exit) in self.exits.iter() {
            let enters = waiting.iter().any(|(_, signal)| {
                (signal.side, signal.symbol, &signal.strategy) == (Side::Buy, *symbol, strategy)
            });
            if enters && !self.sells_now(*symbol) {
                let why = "the strategy signals a new entry".to_owned();
                out.say_because(exit.because(), owed(*symbol, strategy, exit, None, Some(why)));
            } else {
                self.follow(*symbol, strategy, exit, false, round, out);
            }
        }
        self.flatten_all(waiting, round, out);
    }

    /// Whether an exit could be requested at once.
    pub(super) fn exit_is_due(&self) -> bool {
        let mut exits = self.exits.iter().filter(|((symbol, _), _)| !self.sells_now(*symbol));
        exits.any(|((symbol, strategy), exit)| {
            let asks = |fate| matches!(fate, Fate::Asks(_));
            asks(self.fate(*symbol, strategy, exit, &self.round()))
        })
    }

    /// An exit for a signal to sell.
    fn open(&self, key: Key, signal: &Signal, round: &Round) -> Result<Exit, Refusal> {
        let Signal { symbol, strategy, .. } = signal;
        if let Some(exit) = self.exits.get(*symbol, strategy) {
            let text = format!("the exit decided at {} is owed still", exit.since);
            return no("owed", text);
        }
        if !round.pending.contains(symbol) {
            let price = signal.price.decimal();
            match (self.positions.get(*symbol), self.instruments.get(*symbol)) {
                (None, rule) => {
                    let base = rule.map_or(symbol.as_str(), |rule| &rule.base);
                    return no("nothing-to-sell", format!("no {base} is held"));
                }
                (Some(held), Some(rule)) => {
                    sizing::market(rule, *held, price).map_err(too_small)?;
                }
                (Some(_), None) => {}
            }
        }
        let revision = self.exits.first_revision(*symbol, strategy, signal.close_time);
        Ok(Exit::new(signal.close_time, signal.reason.clone(), key, revision))
    }

    /// Says what changed of an exit, and requests it where it may be requested.
    fn follow(
        &self,
        symbol: Symbol,
        strategy: &str,
        exit: &Exit,
        new: bool,
        round: &mut Round,
        out: &mut Out<Body>,
    ) {
        let (told, ended, approved) = match self.fate(symbol, strategy, exit, round) {
            Fate::Asks(approved) => (None, None, Some(approved)),
            Fate::Waits(why) => (why, None, None),
            Fate::Ends(why) => (None, Some(why), None),
        };
        if new || ended.is_some() || told != exit.told {
            out.say_because(exit.because(), owed(symbol, strategy, exit, told, ended));
        }
        if let Some(approved) = approved {
            round.pending.push(symbol);
            out.say_because(exit.because(), approved.into_body());
        }
    }

    fn fate(&self, symbol: Symbol, strategy: &str, exit: &Exit, round: &Round) -> Fate {
        if self.holds.values().any(|hold| hold.sells(symbol, strategy)) {
            return Fate::Waits(None);
        }
        if strategy == LEAVES && self.flatten.is_none() {
            return Fate::Ends("an operator has resumed trading".to_owned());
        }
        match self.request(symbol, strategy, exit, round) {
            Ok(approved) => Fate::Asks(approved),
            Err(Refusal { code: "too-small" | "nothing-to-sell", text }) => Fate::Ends(text),
            Err(Refusal { text, .. }) => Fate::Waits(Some(text)),
        }
    }

    /// A request for an exit, as much as may be sold of what is held now.
    fn request(
        &self,
        symbol: Symbol,
        strategy: &str,
        exit: &Exit,
        round: &Round,
    ) -> Result<Approved, Refusal> {
        if round.pending.contains(&symbol) {
            return no("pending", format!("an order in {symbol} is not final yet"));
        }
        let Some(held) = self.positions.get(symbol) else {
            return no("nothing-to-sell", format!("nothing of {symbol} is held"));
        };
        let price = self.newest.get(symbol).map(|newest| newest.close.decimal());
        if let (Some(rule), Some(price)) = (self.instruments.get(symbol), price) {
            sizing::market(rule, *held, price).map_err(too_small)?;
        }
        if self.level == BreakerLevel::Halted {
            let why = self.reasons.join("; ");
            return no("halted", format!("trading is halted: {why}"));
        }
        let rule = self.instrument(symbol)?;
        if let Some(why) = exit.rests(self.closed) {
            return no("refused", why);
        }
        let Some(price) = price else {
            return no("no-price", format!("{symbol} has not closed yet"));
        };
        let available = self.exits.available(rule, *held).or_else(|why| no("account", why))?;
        let quantity = sizing::market(rule, available, price).or_else(|_| {
            let (available, held) = (available.normalize(), held.normalize());
            let base = &rule.base;
            no("account", format!("the account has {available} of the {held} {base} held"))
        })?;
        let revision = exit.revision;
        let client_id =
            client_id::of(&self.identity, strategy, symbol, Side::Sell, exit.since, revision);
        let from = exit.since.max(self.closed).max(self.time);
        let intent = OrderIntent {
            client_id,
            strategy: strategy.to_owned(),
            symbol,
            side: Side::Sell,
            order_type: OrderType::Market,
            quantity,
            price: None,
            close_time: exit.since,
            valid_until: self.valid_until(from),
        };
        Ok(Approved { intent, reserved: Decimal::ZERO, reason: exit.cause.clone() })
    }

    /// Opens an exit for everything held where an operator has it sold, and takes those exits back
    /// where he does not any more.
    fn flatten_all(&self, waiting: &[&(Key, Signal)], round: &mut Round, out: &mut Out<Body>) {
        let Some(word) = self.flatten else { return };
        for (symbol, held) in self.positions.iter() {
            let signalled = waiting
                .iter()
                .any(|(_, signal)| (signal.side, signal.symbol) == (Side::Sell, symbol));
            let sellable = self.newest.get(symbol).is_some_and(|newest| {
                let rule = self.instruments.get(symbol);
                rule.is_some_and(|rule| sizing::market(rule, *held, newest.close.decimal()).is_ok())
            });
            if !sellable || signalled || self.exits.any_of(symbol) {
                continue;
            }
            let cause = "an operator has everything sold".to_owned();
            let revision = self.exits.first_revision(symbol, LEAVES, self.closed);
            let exit = Exit::new(self.closed, cause, word, revision);
            self.follow(symbol, LEAVES, &exit, true, round, out);
        }
    }

    fn sells_now(&self, symbol: Symbol) -> bool {
        self.holds.values().any(|hold| (hold.side, hold.symbol) == (Side::Sell, symbol))
    }

    /// Takes in that an order to sell is over.
    pub(super) fn sale_ended(
        &mut self,
        hold: &Hold,
        status: OrderStatus,
        executed: Decimal,
        reason: &str,
    ) {
        if hold.side == Side::Sell {
            let ended = Ended { status, executed, reason, left: hold.left };
            self.exits.ended(&(hold.symbol, hold.strategy.clone()), &ended);
        }
    }

    /// Takes in what was said of an exit.
    pub(super) fn exit_said(&mut self, fact: &Fact<Body>, said: &Decision) {
        let Decision::Owed { strategy, symbol, since, cause, revision, refusal, ended, .. } = said
        else {
            return;
        };
        let key = fact.because.first().copied().unwrap_or_default();
        let mut exit = Exit::new(*since, cause.clone(), key, *revision);
        exit.told.clone_from(refusal);
        exit.said = Some(fact.key);
        self.exits.said((*symbol, strategy.clone()), exit, ended.is_some());
    }

    /// Takes in that an exit was requested.
    pub(super) fn exit_requested(&mut self, intent: &OrderIntent) {
        if intent.side == Side::Sell {
            self.exits.requested(intent.symbol, &intent.strategy, self.closed);
        }
    }

    /// Base units held by asset.
    pub(super) fn held_by_asset(&self) -> std::collections::BTreeMap<String, Decimal> {
        exits::by_asset(&self.positions, &self.instruments)
    }
}

/// What is said of an exit.
fn owed(
    symbol: Symbol,
    strategy: &str,
    exit: &Exit,
    refusal: Option<String>,
    ended: Option<String>,
) -> Body {
    Body::Decision(Decision::Owed {
        strategy: strategy.to_owned(),
        symbol,
        since: exit.since,
        cause: exit.cause.clone(),
        revision: exit.revision,
        tries: exit.tries,
        refusal,
        ended,
    })
}

impl Hold {
    fn sells(&self, symbol: Symbol, strategy: &str) -> bool {
        (self.side, self.symbol, self.strategy.as_str()) == (Side::Sell, symbol, strategy)
    }
}
