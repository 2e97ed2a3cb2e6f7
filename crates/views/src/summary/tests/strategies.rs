//! Tests of profit by strategy: the summary, the metrics and the books agree after any change of
//! lots. Their sum is the realised profit of the positions.

use super::*;
use crate::memory::Memory;
use crate::telemetry::{Page, Rejected};
use everwarm_domain::fact::Accept;
use everwarm_domain::id::VenueId;
use everwarm_domain::order::{Balance, VenueFill};
use everwarm_domain::settings::Settings;
use everwarm_history::projection::projected_through;
use everwarm_kernel::fact::Body as _;
use everwarm_kernel::stage::Step;
use everwarm_trading::ledger::Ledger as Books;
use everwarm_trading::testing::{AccountFact, configured, instrument, trade};
use std::collections::BTreeMap;

/// A journal with ledger facts from the ledger stage itself.
struct Traded {
    written: Written,
    books: Books,
}

type Fill<'a> = (&'a str, Side, UtcMs, [&'a str; 3]);

/// Realised profit by strategy, as plain text.
type Profits = BTreeMap<String, String>;

fn profits(all: &[(&str, &str)]) -> Profits {
    all.iter().map(|(name, made)| ((*name).to_owned(), (*made).to_owned())).collect()
}

impl Traded {
    fn new(name: &str) -> Traded {
        let mut traded = Traded { written: Written::new(name), books: Books::default() };
        let at = FIRST + MINUTE;
        traded.input(at, configured(&Settings::default()), Vec::new());
        let rules = vec![instrument("BTCUSDT")];
        traded.input(at, Body::Market(Market::Instruments { rules }), Vec::new());
        traded.account(at, "0", "100000");
        traded
    }

    /// Appends an input, the order manager's facts about it, and those of the ledger.
    fn input(&mut self, time: UtcMs, body: Body, orders: Vec<Body>) {
        let n = self.written.input(time, body);
        for order in orders {
            self.written.append(n, rank::ORDER_MANAGER.0, order);
        }
        let facts: Vec<_> = self.written.facts.iter().filter(|f| f.key.n == n).cloned().collect();
        let (mut step, mut appended) = (Step::default(), Vec::new());
        step.begin(n, facts[0].time);
        let interest = self.books.interest();
        for fact in facts.iter().filter(|fact| interest.has(fact.body.kind())) {
            step.feed(&mut self.books, fact, &mut appended);
        }
        step.finish(&mut self.books, &mut appended);
        self.written.facts.extend(appended);
    }

    fn account(&mut self, time: UtcMs, btc: &str, usdt: &str) {
        let balance = |(asset, free): (&str, &str)| Balance {
            asset: asset.to_owned(),
            free: dec(free),
            locked: Decimal::ZERO,
        };
        let balances = [("BTC", btc), ("USDT", usdt)].map(balance).to_vec();
        let account = AccountFact { time, balances, ..AccountFact::default() };
        let compared = Body::Order(Order::Compared { life: 1, conflicts: Vec::new() });
        self.input(time, account.body(), vec![compared]);
    }

    /// Appends executions received in one input: strategy, side, time, price, quantity and fee of
    /// each.
    fn fills(&mut self, received: UtcMs, fills: &[Fill<'_>]) {
        let mut k = 0;
        let fills = fills.iter().map(|(strategy, side, time, [price, quantity, fee])| {
            k += 1;
            let (fee, fee_asset) = fee.split_once(' ').unwrap();
            let panic = if *strategy == "panic" { "panic-" } else { "" };
            Body::Order(Order::Filled {
                client_id: ClientOrderId(format!("ew-{panic}{received}-{k}")),
                strategy: (*strategy).to_owned(),
                symbol: sym("BTCUSDT"),
                side: *side,
                k,
                fill: VenueFill {
                    fee: dec(fee),
                    fee_asset: fee_asset.to_owned(),
                    time: *time,
                    ..trade(u64::from(k), price, quantity)
                },
            })
        });
        let fills = fills.collect();
        self.input(received, Body::Operator(Operator::Clock { time: received }), fills);
    }

    fn close(&mut self, minute: UtcMs, price: i64) {
        let time = FIRST + minute * MINUTE;
        let bars = vec![bar("BTCUSDT", time / MINUTE - 1, price)];
        self.input(time, Body::Market(Market::close(time, bars, Vec::new())), Vec::new());
    }

    /// Ends the owed exit of a strategy's lot.
    fn exit_ends(&mut self, time: UtcMs, strategy: &str) {
        let owed = Decision::Owed {
            strategy: strategy.to_owned(),
            symbol: sym("BTCUSDT"),
            since: 0,
            cause: String::new(),
            revision: 1,
            tries: 0,
            refusal: None,
            ended: Some("too small".to_owned()),
            rule: None,
        };
        let n = self.written.input(time, Body::Operator(Operator::Clock { time }));
        let key = Key { n, rank: rank::DECISION.0, i: 0 };
        let body = Body::Decision(owed);
        let fact = Fact { key, time, version: u16::MAX, because: Vec::new(), body };
        self.books.evolve(&fact);
        self.written.facts.push(fact);
    }

    /// Realised profits in the metrics, with a restart after the first `rows` facts.
    fn metrics(&self, rows: usize) -> Profits {
        let folder = self.written.folder.join(format!("memory-{rows}"));
        let archive = Archive::open(&folder.join("history.redb")).unwrap();
        let facts = || (1..).zip(&self.written.facts);
        let mut memory = Memory::default();
        facts().take(rows).for_each(|(row, fact)| memory.fold(row, fact));
        Memory::keep(&archive, memory.bytes().1).unwrap();
        let mut memory = Memory::load(&archive, rows as u64).unwrap();
        let next = memory.next_row();
        facts().filter(|(row, _)| *row >= next).for_each(|(row, fact)| memory.fold(row, fact));
        let folds = memory.now();
        let mut page = Page::new(&Rejected::default());
        let (taken, owners) = (folds.status.taken(), folds.status.owners());
        folds.counts.show(&mut page, ("simulated", "USDT"), (taken, owners));
        let sum = folds.status.view().realized_pnl;
        let text = page.text();
        let lines = text.lines().filter_map(|line| {
            let line = line.strip_prefix("everwarm_pnl_realized{strategy=\"")?;
            let (name, rest) = line.split_once('"')?;
            Some((name.to_owned(), rest.split_once(' ')?.1.to_owned()))
        });
        let lines: Profits = lines.filter(|(_, made)| made != "0").collect();
        let all: Decimal = lines.values().map(|made| dec(made)).sum();
        assert_eq!(all.normalize(), sum.normalize(), "{lines:?}");
        lines
    }

    /// The summary's money of a period, if the projection restarts after `rows` facts.
    fn summary(&self, name: &str, rows: usize, period: Period) -> Money {
        let folder = self.written.folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let open = || Arc::new(Archive::open(&folder.join("history.redb")).unwrap());
        let all = || (1..).zip(&self.written.facts);
        let archive = open();
        let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
        projector.apply(all().take(rows), rows as u64, true).unwrap();
        drop((projector, archive));
        let archive = open();
        assert_eq!(projected_through(&archive).unwrap(), rows as u64);
        let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
        projector.apply(all(), self.written.facts.len() as u64, true).unwrap();
        let facts = Facts(self.written.facts.clone());
        summary(&History::new(archive), &facts, &folder, Some(period)).unwrap().money
    }

    /// Realised profits by strategy. Summary and metrics must agree, whenever a restart happens.
    fn made(&self) -> Profits {
        let len = self.written.facts.len();
        let metrics = self.metrics(len);
        let both = Period { from: FIRST, to: SECOND + DAY };
        for rows in [len / 3, len / 2, len - 1, len] {
            assert_eq!(self.metrics(rows), metrics, "a restart after {rows}");
            let money = self.summary(&format!("history-{rows}-{len}"), rows, both);
            assert_eq!(by_strategy(&money), metrics, "a restart after {rows}");
        }
        metrics
    }
}

/// Realised profits by strategy; their sums must equal those of the symbols.
fn by_strategy(money: &Money) -> Profits {
    let all = |rows: &[Made], of: fn(&Made) -> Decimal| -> Decimal { rows.iter().map(of).sum() };
    for of in [|made: &Made| made.realized, |made: &Made| made.unrealized] {
        assert_eq!(all(&money.strategies, of), all(&money.symbols, of), "{money:?}");
    }
    assert_eq!(all(&money.strategies, |made| made.realized), money.realized);
    let made = money.strategies.iter().filter(|made| !made.realized.is_zero());
    made.map(|made| (made.name.clone(), made.realized.to_string())).collect()
}

#[test]
fn each_strategy_makes_what_its_own_lots_make() {
    use Side::{Buy, Sell};
    let mut traded = Traded::new("strategies");
    let at = |minute: i64| FIRST + minute * MINUTE;
    traded.close(2, 100);
    traded.fills(at(3), &[("wins", Buy, at(3), ["100", "2", "0.2 USDT"])]);
    traded.fills(at(4), &[("loses", Buy, at(4), ["200", "2", "0 USDT"])]);
    // Both trade in turn, so the strategy that traded last changes each time.
    traded.fills(at(5), &[("wins", Sell, at(5), ["150", "1", "0 USDT"])]);
    traded.fills(at(6), &[("loses", Sell, at(6), ["150", "1", "0.5 USDT"])]);
    assert_eq!(traded.made(), profits(&[("wins", "49.8"), ("loses", "-50.5")]));
    // A fee in the base asset: the rest of the lot has the same cost.
    traded.fills(at(7), &[("wins", Buy, at(7), ["100", "1", "0.4 BTC"])]);
    traded.fills(at(8), &[("wins", Sell, at(8), ["200", "1.59995", "0 USDT"])]);
    // 1.6 have cost 200: 319.99 less 199.99375.
    let before = traded.made();
    assert_eq!(before, profits(&[("wins", "169.79625"), ("loses", "-50.5")]));
    // The rest is dust: it goes to the house and is sold with the other strategy's lot.
    traded.exit_ends(at(9), "wins");
    traded.close(10, 150);
    assert_eq!(traded.made(), before, "a lot that moves makes nothing");
    traded.fills(at(11), &[("loses", Sell, at(11), ["100", "1.00005", "0.3 USDT"])]);
    // The house sells 0.005 that have cost 0.00625; its share of the fee is rounded.
    let after = traded.made();
    let want = [("wins", "169.79625"), ("loses", "-150.799985"), ("house", "-0.001265")];
    assert_eq!(after, profits(&want));
    // An adopted surplus goes to the house too, and is neither profit nor loss.
    traded.account(at(12), "3", "100000");
    let adopted = Operator::Adopted {
        asset: "BTC".to_owned(),
        quantity: dec("3"),
        position: Some((sym("BTCUSDT"), dec("100"))),
        reason: "mine".to_owned(),
        venue: VenueId::default(),
    };
    traded.input(at(12), Body::Operator(adopted), Vec::new());
    assert_eq!(traded.made(), after);
    // An accepted shortage is neither profit nor loss.
    traded.fills(at(13), &[("loses", Buy, at(13), ["100", "2", "0 USDT"])]);
    traded.account(at(14), "4", "100000");
    let conflicts = traded.written.facts.iter().rev().find_map(|fact| {
        let Body::Ledger(Ledger::Reconciled { conflicts, .. }) = &fact.body else { return None };
        Some(conflicts.clone())
    });
    let conflict = conflicts.unwrap().into_iter().find(|c| c.about == "BTC").unwrap();
    let (accept, reason) = (Accept::Venue, "lost".to_owned());
    let resolved = Operator::Resolved { conflict, accept, reason, venue: VenueId::default() };
    traded.input(at(14), Body::Operator(resolved), Vec::new());
    traded.close(15, 100);
    assert_eq!(traded.made(), after);
    // A panic sale takes the oldest lot first; each lot gets its own profit.
    traded.fills(at(16), &[("panic", Sell, at(16), ["130", "4", "4 USDT"])]);
    let want = [("wins", "169.79625"), ("loses", "-121.799985"), ("house", "86.998735")];
    assert_eq!(traded.made(), profits(&want));
}

#[test]
fn what_is_held_is_worth_for_whom_it_belongs_to() {
    let mut traded = Traded::new("unrealized");
    let at = |minute: i64| FIRST + minute * MINUTE;
    traded.fills(at(3), &[("a", Side::Buy, at(3), ["100", "2", "0 USDT"])]);
    traded.fills(at(4), &[("b", Side::Buy, at(4), ["200", "1", "0 USDT"])]);
    traded.close(5, 150);
    let rows = traded.written.facts.len();
    let money = traded.summary("history", rows, Period::day_of(FIRST));
    let held = money.strategies.iter().map(|made| (made.name.as_str(), made.unrealized));
    assert_eq!(held.collect::<Vec<_>>(), [("a", dec("100")), ("b", dec("-50"))]);
}

/// Executions before and after midnight in one input count on their own days. On both days the
/// lines by strategy add up to those by symbol.
#[test]
fn an_input_with_executions_of_two_days_adds_up_on_both() {
    use Side::{Buy, Sell};
    let mut traded = Traded::new("midnight");
    let (noon, late, early) = (FIRST + 12 * HOUR, SECOND - 1, SECOND + 1);
    traded.fills(noon, &[("a", Buy, noon, ["100", "1", "0 USDT"])]);
    traded.fills(noon, &[("b", Buy, noon, ["100", "2", "0 USDT"])]);
    // b sells more than it holds: half of the quantity belongs to a.
    let fills =
        [("b", Sell, late, ["120", "2", "0 USDT"]), ("b", Sell, early, ["90", "0.5", "0 USDT"])];
    traded.fills(early, &fills);
    let rows = traded.written.facts.len();
    let days = [(FIRST, profits(&[("b", "40")])), (SECOND, profits(&[("a", "-5")]))];
    for (day, want) in days {
        let money = traded.summary(&format!("history-{day}"), rows, Period::day_of(day));
        assert_eq!(by_strategy(&money), want);
    }
    assert_eq!(traded.made(), profits(&[("a", "-5"), ("b", "40")]));
}
