//! Decides exits: opens them, requests their orders and ends them.

use super::entry_checks::form_allows;
use super::lot_guards::EndOf;
use super::owed_exits::{self, Ended, Exit};
use super::protection::Protected;
use super::sales::Sales;
use super::{Approved, BEFORE_LOTS, Decide, Hold, LEAVES, Part, Refusal, client_id, no, too_small};
use crate::risk::sizing;
use everwarm_domain::fact::{Body, BreakerLevel, Decision, Signal};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{self, Decimal};
use everwarm_domain::order::{OrderIntent, OrderStatus, OrderType, Protection, Side, Terms};
use everwarm_domain::signal::{Direction, Intent};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_kernel::stage::Out;
use std::collections::BTreeSet;

/// The result for an exit in this round.
enum Fate {
    /// Its order is requested.
    Asks(Box<Approved>),
    /// Its order can be requested once the orders that protect the lot are cancelled.
    FreesLot,
    /// It waits, with the reason. `None`: its order, or one that protects the lot, is not final.
    Waits(Option<String>),
    /// It has ended, with the reason.
    Ends(String),
}

impl Decide {
    /// Opens the exits for this round's signals and operator commands, requests orders and ends
    /// exits.
    pub(super) fn conclude_exits<'a>(
        &'a self,
        waiting: &[&'a (Key, Signal)],
        sales: &mut Sales<'a>,
        out: &mut Out<Body>,
    ) {
        let mut opened = BTreeSet::new();
        for (key, signal) in waiting.iter().filter(|(_, signal)| signal.side() == Side::Sell) {
            let Signal { symbol, strategy, .. } = signal;
            match self.open(*key, signal, sales) {
                Ok(exit) => {
                    self.follow(*symbol, strategy, &exit, true, sales, out);
                    opened.insert((*symbol, strategy.as_str()));
                }
                Err(Refusal { code, text }) => {
                    let (signal, code) = (signal.clone(), code.to_owned());
                    let declined = Decision::Declined { signal, code, text };
                    out.append_because([*key], Body::Decision(declined));
                }
            }
        }
        let by_rules = self.guards.due().map(|(symbol, strategy, (rule, cause))| {
            (symbol, strategy, *rule, cause.clone(), self.guards.close_key())
        });
        let unprotected: Vec<_> = self.stops_given_up(sales);
        for (symbol, strategy, rule, cause, key) in by_rules.chain(unprotected) {
            let owed = self.exits.get(symbol, strategy).is_some();
            let held = self.lots.get(symbol, strategy);
            // Neither the rule nor the strategy sells twice.
            if owed || opened.contains(&(symbol, strategy)) || !self.sellable(symbol, held) {
                continue;
            }
            let revision = self.exits.first_revision(symbol, strategy, self.closed);
            let exit = Exit::new(self.closed, cause, key, revision).by_rule(rule);
            self.follow(symbol, strategy, &exit, true, sales, out);
            opened.insert((symbol, strategy));
        }
        let others =
            self.exits.iter().filter(|((of, who), _)| !opened.contains(&(*of, who.as_str())));
        for ((symbol, strategy), exit) in others {
            let enters = waiting.iter().any(|(_, signal)| {
                let opens = (signal.intent, signal.direction) == (Intent::Open, Direction::Long);
                opens && (signal.symbol, &signal.strategy) == (*symbol, strategy)
            });
            let ends =
                !sales.sells(*symbol, strategy) || self.is_taken_back(*symbol, strategy, sales);
            if enters && exit.is_of_strategy() && ends {
                let why = "the strategy signals a new entry".to_owned();
                for (id, hold) in sales.withdrawable(*symbol, strategy, Side::Sell) {
                    out.append_because(exit.because(), taken_back(id, hold, why.clone()));
                }
                out.append_because(exit.because(), owed(*symbol, strategy, exit, None, Some(why)));
            } else {
                self.follow(*symbol, strategy, exit, false, sales, out);
            }
        }
        self.flatten_all(waiting, sales, out);
    }

    /// Whether an exit can be requested immediately.
    pub(super) fn exit_is_due(&self) -> bool {
        let sales = self.sales();
        let idle = |symbol, strategy: &str| !sales.sells(symbol, strategy);
        let mut exits = self.exits.iter().filter(|((symbol, strategy), _)| idle(*symbol, strategy));
        exits.any(|((symbol, strategy), exit)| {
            let asks = |fate| matches!(fate, Fate::Asks(_) | Fate::FreesLot);
            asks(self.fate(*symbol, strategy, exit, &sales))
        })
    }

    /// The new exit for a signal to sell.
    fn open(&self, key: Key, signal: &Signal, sales: &Sales<'_>) -> Result<Exit, Refusal> {
        form_allows(signal)?;
        let Signal { symbol, strategy, .. } = signal;
        if let Some(exit) = self.exits.get(*symbol, strategy) {
            if exit.flattened {
                // The exit remains owed after the operator resumes trading.
                return Ok(exit.taken_over(key, signal.reason.clone()));
            }
            let text = format!("the exit decided at {} is owed still", exit.since);
            return no("owed", text);
        }
        if !sales.is_pending(*symbol, strategy) {
            let rule = self.instruments.get(*symbol);
            if self.lots.get(*symbol, strategy).is_zero() {
                let base = rule.map_or(symbol.as_str(), |rule| &rule.base);
                return no("nothing-to-sell", format!("no {base} is held"));
            }
        }
        let revision = self.exits.first_revision(*symbol, strategy, signal.close_time);
        Ok(Exit::new(signal.close_time, signal.reason.clone(), key, revision))
    }

    /// Appends the changes of an exit, and requests its order if allowed.
    pub(super) fn follow<'a>(
        &'a self,
        symbol: Symbol,
        strategy: &'a str,
        exit: &Exit,
        new: bool,
        sales: &mut Sales<'a>,
        out: &mut Out<Body>,
    ) {
        let (refusal, ended, approved, freed) = match self.fate(symbol, strategy, exit, sales) {
            Fate::Asks(approved) => (None, None, Some(approved), false),
            Fate::FreesLot => (None, None, None, true),
            Fate::Waits(why) => (why, None, None, false),
            Fate::Ends(why) => (None, Some(why), None, false),
        };
        let stays = ended.is_none();
        if new || ended.is_some() || refusal != exit.reported {
            out.append_because(exit.because(), owed(symbol, strategy, exit, refusal, ended));
        }
        if stays {
            sales.leaving.insert((symbol, strategy));
            // The exit would immediately sell any further fill of the entry.
            let mut withdrawn = Vec::new();
            for (id, hold) in sales.withdrawable(symbol, strategy, Side::Buy) {
                let why = format!("an exit was decided: {}", exit.cause);
                out.append_because(exit.because(), taken_back(id, hold, why));
                withdrawn.push((*id).clone());
            }
            sales.withdrawn.extend(withdrawn);
        }
        if freed {
            for (id, hold) in sales.protecting(symbol, strategy) {
                let why = format!("an exit was decided: {}", exit.cause);
                out.append_because(exit.because(), taken_back(id, hold, why));
            }
            sales.freed.insert((symbol, strategy));
        }
        if let Some(approved) = approved {
            self.sells(symbol, strategy, approved.intent.quantity, sales);
            out.append_because(exit.because(), approved.into_body());
        }
    }

    fn fate(&self, symbol: Symbol, strategy: &str, exit: &Exit, sales: &Sales<'_>) -> Fate {
        if sales.of(symbol).iter().any(|(_, hold)| hold.sells(symbol, strategy)) {
            return Fate::Waits(None);
        }
        let flattened = exit.flattened || strategy == LEAVES;
        if flattened && self.flatten.is_none() {
            return Fate::Ends("an operator has resumed trading".to_owned());
        }
        let protected = sales.protected(symbol, strategy);
        match (self.approve_exit(symbol, strategy, exit, sales), protected) {
            (Ok(approved), Protected::No) => Fate::Asks(Box::new(approved)),
            (Ok(_), Protected::Ending) => Fate::Waits(None),
            (Ok(_), Protected::Yes) => Fate::FreesLot,
            (Err(refusal), _) => Fate::of(refusal),
        }
    }

    /// Whether an exit of the lot is on its way: its order lives, or is about to be requested.
    pub(super) fn leaves(&self, symbol: Symbol, strategy: &str, sales: &Sales<'_>) -> bool {
        let living = sales.of(symbol).iter().any(|(_, hold)| hold.sells(symbol, strategy));
        let exit = || self.exits.get(symbol, strategy);
        living
            || self.manual.sells_part(symbol, strategy)
            || sales.sold.contains(&(symbol, strategy))
            || exit().is_some_and(|exit| match self.fate(symbol, strategy, exit, sales) {
                Fate::Asks(_) | Fate::FreesLot | Fate::Waits(None) => true,
                Fate::Waits(Some(_)) | Fate::Ends(_) => false,
            })
    }
}

impl Fate {
    fn of(refusal: Refusal) -> Fate {
        match refusal {
            Refusal { code: "too-small" | "nothing-to-sell", text } => Fate::Ends(text),
            Refusal { text, .. } => Fate::Waits(Some(text)),
        }
    }
}

impl Decide {
    /// The order for an exit, for as much of the present holdings as may be sold.
    fn approve_exit(
        &self,
        symbol: Symbol,
        strategy: &str,
        exit: &Exit,
        sales: &Sales<'_>,
    ) -> Result<Approved, Refusal> {
        if sales.is_pending(symbol, strategy) {
            return no("pending", format!("an order in {symbol} is not final yet"));
        }
        if self.lots.get(symbol, strategy).is_zero() {
            return no("nothing-to-sell", format!("nothing of {symbol} is held"));
        }
        let (wanted, _) = self.wanted(symbol, strategy, sales);
        let price = self.newest.get(symbol).map(|newest| newest.close.decimal());
        if let Some(rule) = self.instruments.get(symbol) {
            // For an unlisted symbol, only the quantity limits apply.
            sizing::market(rule, wanted, price.unwrap_or(Decimal::MAX)).map_err(too_small)?;
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
        let asset = &rule.base;
        let available = self.free_for(asset, (symbol, strategy), sales);
        let available = available.or_else(|why| no("account", why))?;
        let quantity = sizing::market(rule, wanted.min(available), price).or_else(|_| {
            let (available, wanted) = (available.normalize(), wanted.normalize());
            no("account", format!("the account has {available} of the {wanted} {asset} held"))
        })?;
        let part = Part { leg: 0, revision: exit.revision };
        let client_id =
            client_id::of(&self.identity, strategy, symbol, Side::Sell, exit.since, part);
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
            terms: Box::new(Terms::again(part.revision)),
        };
        let (reserved, reason) = (Decimal::ZERO, exit.cause.clone());
        Ok(Approved { intent, reserved, reason, sizing: None })
    }

    /// Opens an exit for every lot while a flatten command is in force. These exits end when the
    /// operator resumes trading.
    fn flatten_all<'a>(
        &'a self,
        waiting: &[&(Key, Signal)],
        sales: &mut Sales<'a>,
        out: &mut Out<Body>,
    ) {
        let Some(word) = self.flatten else { return };
        for (symbol, strategy, held) in self.lots.iter() {
            let signalled = waiting.iter().any(|(_, signal)| {
                (signal.side(), signal.symbol, signal.strategy.as_str())
                    == (Side::Sell, symbol, strategy)
            });
            let owed = [strategy, LEAVES].iter().any(|of| self.exits.get(symbol, of).is_some());
            if signalled || owed || !self.sellable(symbol, held) {
                continue;
            }
            let cause = "an operator has everything sold".to_owned();
            let revision = self.exits.first_revision(symbol, strategy, self.closed);
            let exit = Exit::new(self.closed, cause, word, revision);
            self.follow(symbol, strategy, &exit, true, sales, out);
        }
    }

    /// Whether `quantity` can be ordered under the venue's rules at the newest close.
    pub(super) fn sellable(&self, symbol: Symbol, quantity: Decimal) -> bool {
        let (rule, newest) = (self.instruments.get(symbol), self.newest.get(symbol));
        rule.zip(newest).is_some_and(|(rule, newest)| {
            sizing::market(rule, quantity, newest.close.decimal()).is_ok()
        })
    }

    /// Whether a new entry withdraws the exit of a lot, because its order was not sent yet.
    pub(super) fn is_taken_back(&self, symbol: Symbol, strategy: &str, sales: &Sales<'_>) -> bool {
        let taken_back = |exit: &Exit| {
            let waits = |hold: &Hold| hold.sells(symbol, strategy) && !hold.left;
            exit.is_of_strategy() && sales.of(symbol).iter().any(|(_, hold)| waits(hold))
        };
        self.exits.get(symbol, strategy).is_some_and(taken_back)
    }

    /// Applies the end of a sell order.
    pub(super) fn sale_ended(
        &mut self,
        hold: &Hold,
        status: OrderStatus,
        executed: Decimal,
        reason: &str,
    ) {
        if hold.side == Side::Sell {
            let ended = Ended { status, executed, reason, left: hold.left };
            let (symbol, strategy) = (hold.symbol, &hold.strategy);
            if hold.protection.is_none() {
                self.exits.ended(&(symbol, strategy.clone()), &ended);
            } else if !hold.withdrawn {
                let pair = self.holds.values().any(|hold| hold.protects(symbol, strategy));
                let of = EndOf { target: hold.target().is_some(), pair };
                if status == OrderStatus::Rejected && of.pair && !of.target {
                    self.unpaired.insert((symbol, strategy.clone()));
                }
                self.guards.ended(symbol, strategy, &ended, of);
            }
        }
    }

    /// Applies an `Owed` fact.
    pub(super) fn exit_owed(&mut self, fact: &Fact<Body>, decision: &Decision) {
        let Decision::Owed { strategy, symbol, since, cause, revision, refusal, ended, .. } =
            decision
        else {
            return;
        };
        let key = fact.because.first().copied().unwrap_or_default();
        let mut exit = Exit::new(*since, cause.clone(), key, *revision);
        exit.reported.clone_from(refusal);
        exit.last_fact = Some(fact.key);
        exit.flattened = fact.version > BEFORE_LOTS && self.flatten == Some(key);
        self.manual.owed(*symbol, strategy, key, ended.is_some());
        self.guards.owed(*symbol, strategy);
        self.guards.touch(*symbol, strategy, fact.key);
        self.exits.owed((*symbol, strategy.clone()), exit, ended.is_some());
        if ended.is_some() {
            // An exit may end in the round in which its signal opens it.
            self.waiting.retain(|(key, of)| {
                let others = (of.symbol, &of.strategy) != (*symbol, strategy);
                others || of.side() == Side::Buy || !fact.because.contains(key)
            });
        }
    }

    /// Applies the request of an exit order.
    pub(super) fn exit_requested(&mut self, intent: &OrderIntent) {
        match intent.protection() {
            Some(Protection::Stop(stop)) => self.guards.requested(intent, stop),
            Some(Protection::Target(target)) => {
                self.targets.insert(intent.client_id.clone(), target);
            }
            None if intent.side == Side::Sell => {
                self.exits.requested(intent.symbol, &intent.strategy, self.closed);
            }
            None => {}
        }
    }

    /// Base units held of an asset.
    pub(super) fn held_of(&self, asset: &str) -> Decimal {
        let symbols = self.instruments.of_base(asset).iter();
        money::total(symbols.filter_map(|symbol| self.positions.get(*symbol).copied()))
    }

    /// Base units held by asset.
    pub(super) fn held_by_asset(&self) -> std::collections::BTreeMap<String, Decimal> {
        owed_exits::by_asset(&self.positions, &self.instruments)
    }
}

/// The `Owed` fact about an exit.
pub(super) fn owed(
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
        rule: exit.rule,
    })
}

/// The fact that withdraws an order: a cancel if the venue may have it, else a withdrawal.
pub(super) fn taken_back(id: &ClientOrderId, hold: &Hold, reason: String) -> Body {
    let (client_id, strategy) = (id.clone(), hold.strategy.clone());
    let (symbol, side) = (hold.symbol, hold.side);
    Body::Decision(if hold.left {
        Decision::CancelIntent { client_id, strategy, symbol, side, reason }
    } else {
        Decision::Withdrawn { client_id, strategy, symbol, side, reason }
    })
}

impl Hold {
    /// Whether it is an exit order of this lot.
    fn sells(&self, symbol: Symbol, strategy: &str) -> bool {
        let of = (self.side, self.symbol, self.strategy.as_str());
        of == (Side::Sell, symbol, strategy) && self.protection.is_none()
    }
}
