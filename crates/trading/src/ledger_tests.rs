//! Tests the ledger with tables of fills, equity and accounts.
//!
//! Over 500 lines: one stage, one test a promise.

use super::*;
use crate::testing::{
    AccountFact, close, configured, dec, fact, facts_of, filled, input, instrument, sym, trade,
};
use everwarm_domain::id::VenueId;
use everwarm_domain::order::{Charge, Side, VenueFill};

fn balances(all: &[(&str, &str)]) -> Vec<Balance> {
    let balance = |(asset, free): &(&str, &str)| Balance {
        asset: (*asset).to_owned(),
        free: dec(free),
        locked: Decimal::ZERO,
    };
    all.iter().map(balance).collect()
}

/// Applies an account and its comparison in one input; returns the ledger's facts.
pub(super) fn account(ledger: &mut Ledger, n: u64, all: &[(&str, &str)]) -> String {
    charged(ledger, n, all, &[])
}

/// The same for an account of which the venue took these amounts of an asset, the last one last. An
/// older version reads it, so they have no ids.
fn charged(ledger: &mut Ledger, n: u64, all: &[(&str, &str)], charges: &[(&str, &str)]) -> String {
    charged_at(ledger, (n, 0), all, charges, Vec::new())
}

/// The same at a time, with ids of the charges.
fn charged_at(
    ledger: &mut Ledger,
    (n, time): (u64, UtcMs),
    all: &[(&str, &str)],
    charges: &[(&str, &str)],
    charge_ids: Vec<String>,
) -> String {
    let charge = |(amount, asset): &(&str, &str)| Charge {
        what: "REG".to_owned(),
        asset: (*asset).to_owned(),
        amount: dec(amount),
        time: 0,
    };
    let (balances, charges) = (balances(all), charges.iter().map(charge).collect());
    let account = AccountFact { time, balances, charges, charge_ids, ..AccountFact::default() };
    let facts = facts_of(ledger, &input(n, account.body()));
    assert!(facts.is_empty(), "the orders are compared first");
    compared(ledger, n, Vec::new())
}

fn compared(ledger: &mut Ledger, n: u64, conflicts: Vec<Conflict>) -> String {
    let body = Body::Order(Order::Compared { life: 1, conflicts });
    words(&facts_of(ledger, &fact(n, 700, body)))
}

pub(super) fn words(facts: &[Body]) -> String {
    let word = |body: &Body| match body {
        Body::Ledger(LedgerFact::Position { quantity, cost, realized_pnl, cash, .. }) => {
            format!("{quantity} cost {cost} made {realized_pnl} cash {cash}")
        }
        Body::Ledger(LedgerFact::Equity { equity, cash, adjusted, .. }) if adjusted.is_zero() => {
            format!("equity {equity} cash {cash}")
        }
        Body::Ledger(LedgerFact::Equity { equity, cash, adjusted, .. }) => {
            format!("equity {equity} cash {cash} adjusted {adjusted}")
        }
        Body::Ledger(LedgerFact::Adjusted { asset, part, amount, value }) => {
            format!("{part:?} {amount} {asset} worth {value}")
        }
        Body::Ledger(LedgerFact::Reconciled { conflicts, cash, foreign, .. }) => {
            let conflicts = conflicts.iter().map(|c| format!("{} / {}", c.ours, c.theirs));
            let conflicts = conflicts.collect::<Vec<_>>().join("; ");
            let foreign = foreign.iter().map(|(asset, amount)| format!("{amount} {asset}"));
            let foreign = foreign.collect::<Vec<_>>().join(", ");
            format!("cash {cash} foreign [{foreign}] conflicts [{conflicts}]")
        }
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => panic!("{body:?}"),
    };
    let but_lots =
        facts.iter().filter(|body| !matches!(body, Body::Ledger(LedgerFact::Lot { .. })));
    but_lots.map(word).collect::<Vec<_>>().join(" | ")
}

fn ready() -> Ledger {
    let mut ledger = Ledger::default();
    facts_of(&mut ledger, &input(1, configured(&Settings::default())));
    let rules = vec![instrument("BTCUSDT"), instrument("ETHUSDT")];
    facts_of(&mut ledger, &input(2, Body::Market(Market::Instruments { rules })));
    let appended = account(&mut ledger, 3, &[("BNB", "2"), ("BTC", "0.5"), ("USDT", "10000")]);
    assert_eq!(appended, "cash 10000 foreign [2 BNB, 0.5 BTC] conflicts []");
    ledger
}

fn fill(ledger: &mut Ledger, side: Side, price: &str, quantity: &str, fee: &str) -> String {
    let (fee, fee_asset) = fee.split_once(' ').unwrap();
    let body = Body::Order(Order::Filled {
        client_id: everwarm_domain::id::ClientOrderId("ew-1".to_owned()),
        strategy: "s".to_owned(),
        symbol: sym("BTCUSDT"),
        side,
        k: 1,
        fill: VenueFill {
            fee: dec(fee),
            fee_asset: fee_asset.to_owned(),
            ..trade(1, price, quantity)
        },
    });
    let appended = words(&facts_of(ledger, &fact(9, 700, body)));
    let bytes = ledger.save();
    *ledger = Ledger::default();
    ledger.load(&bytes).unwrap();
    assert_eq!(ledger.save(), bytes);
    appended
}

#[test]
fn fills_move_position_cost_profit_and_cash() {
    use Side::{Buy, Sell};
    let mut ledger = ready();
    let steps = [
        (Buy, "100", "2", "0.2 USDT", "2 cost 200 made -0.2 cash 9799.8"),
        (Buy, "130", "1", "0 USDT", "3 cost 330 made -0.2 cash 9669.8"),
        (Sell, "120", "1", "0.12 USDT", "2 cost 220 made 9.68 cash 9789.68"),
        (Buy, "110", "1", "0.001 BTC", "2.999 cost 330 made 9.68 cash 9679.68"),
        (Sell, "100", "2.999", "0.01 BNB", "0 cost 0 made -20.42 cash 9979.58"),
    ];
    for (side, price, quantity, fee, want) in steps {
        assert_eq!(fill(&mut ledger, side, price, quantity, fee), want);
    }
    // Cash and every asset match the venue; the fee in a third asset is ours.
    let appended =
        account(&mut ledger, 10, &[("BNB", "1.99"), ("BTC", "0.5"), ("USDT", "9979.58")]);
    assert_eq!(appended, "cash 9979.58 foreign [2 BNB, 0.5 BTC] conflicts []");
}

#[test]
fn what_is_sold_beyond_the_position_was_foreign() {
    let mut ledger = ready();
    fill(&mut ledger, Side::Buy, "100", "1", "0 USDT");
    let appended = fill(&mut ledger, Side::Sell, "100", "1.2", "0 USDT");
    assert_eq!(appended, "0 cost 0 made 20 cash 10020");
    let appended = account(&mut ledger, 10, &[("BNB", "2"), ("BTC", "0.3"), ("USDT", "10020")]);
    assert_eq!(appended, "cash 10020 foreign [2 BNB, 0.3 BTC] conflicts []");
}

#[test]
fn equity_is_cash_and_positions_at_the_last_close() {
    let mut ledger = Ledger::default();
    assert!(facts_of(&mut ledger, &input(1, close("BTCUSDT", 0, 1))).is_empty(), "no books yet");
    let mut ledger = ready();
    let equity = |ledger: &mut Ledger, body| words(&facts_of(ledger, &input(5, body)));
    fill(&mut ledger, Side::Buy, "100", "2", "0 USDT");
    assert_eq!(equity(&mut ledger, close("ETHUSDT", 1, 7)), "equity 10000 cash 9800");
    assert_eq!(equity(&mut ledger, close("BTCUSDT", 2, 150)), "equity 10100 cash 9800");
    assert_eq!(equity(&mut ledger, close("ETHUSDT", 3, 9)), "equity 10100 cash 9800");
}

#[test]
fn a_surplus_is_foreign_and_a_shortage_a_conflict() {
    let mut ledger = ready();
    fill(&mut ledger, Side::Buy, "100", "1", "0 USDT");
    let appended = account(&mut ledger, 10, &[("BNB", "2"), ("BTC", "1.7"), ("USDT", "9950")]);
    assert_eq!(appended, "cash 9900 foreign [2 BNB, 0.7 BTC, 50 USDT] conflicts []");
    let appended = account(&mut ledger, 11, &[("BTC", "1.4"), ("USDT", "9950"), ("XRP", "3")]);
    let (bnb, btc) =
        ("2 BNB: 0 ours and 2 foreign / 0 BNB", "1.7 BTC: 1 ours and 0.7 foreign / 1.4 BTC");
    let want =
        format!("cash 9900 foreign [2 BNB, 0.7 BTC, 50 USDT, 3 XRP] conflicts [{bnb}; {btc}]");
    assert_eq!(appended, want);
    let same = account(&mut ledger, 12, &[("BTC", "1.4"), ("USDT", "9950"), ("XRP", "3")]);
    assert_eq!(same, want, "until it is resolved");
}

#[test]
fn contradicting_orders_are_conflicts_of_the_reconciliation() {
    let mut ledger = ready();
    let conflict = |about: &str| Conflict {
        about: about.to_owned(),
        ours: about.to_owned(),
        theirs: "x".to_owned(),
        dispute: Dispute::Order,
    };
    let appended = compared(&mut ledger, 20, vec![conflict("a")]);
    assert!(appended.ends_with("conflicts [a / x]"), "at once, between accounts: {appended}");
    let appended = compared(&mut ledger, 21, vec![conflict("a"), conflict("b")]);
    assert!(appended.ends_with("conflicts [a / x; b / x]"), "{appended}");
    let all = [("BNB", "2"), ("BTC", "0.5"), ("USDT", "10000")];
    assert!(account(&mut ledger, 22, &all).ends_with("conflicts []"), "the venue agrees");
}

#[test]
fn without_an_asset_to_count_in_there_is_no_baseline() {
    let mut ledger = Ledger::default();
    let appended = account(&mut ledger, 1, &[("USDT", "10")]);
    assert!(appended.contains("neither set nor known"), "{appended}");
    let mut settings = Settings::default();
    settings.trading.quote_asset = "USDT".to_owned();
    facts_of(&mut ledger, &input(2, configured(&settings)));
    assert_eq!(account(&mut ledger, 3, &[("USDT", "10")]), "cash 10 foreign [] conflicts []");
    // A fill without rules of its instrument still moves cash and position.
    facts_of(&mut ledger, &fact(4, 700, filled("ew-1", Side::Buy, 1, "2", "3")));
    assert_eq!(ledger.cash, dec("4"));
}

fn resolved(ledger: &mut Ledger, n: u64, asset: &str, accept: Accept) -> String {
    let conflict = ledger.conflicts.iter().find(|c| c.about == asset).unwrap().clone();
    let body =
        Operator::Resolved { conflict, accept, reason: "r".to_owned(), venue: VenueId::default() };
    let appended = words(&facts_of(ledger, &input(n, Body::Operator(body))));
    let bytes = ledger.save();
    *ledger = Ledger::default();
    ledger.load(&bytes).unwrap();
    assert_eq!(ledger.save(), bytes);
    appended
}

#[test]
fn the_venues_word_on_a_shortage_is_an_adjustment_and_no_loss() {
    let mut ledger = ready();
    fill(&mut ledger, Side::Buy, "100", "2", "0 USDT");
    facts_of(&mut ledger, &input(9, close("BTCUSDT", 1, 150)));
    let theirs = [("BNB", "2"), ("BTC", "1.5"), ("USDT", "9700")];
    let appended = account(&mut ledger, 10, &theirs);
    assert!(
        appended.contains("2.5 BTC: 2 ours and 0.5 foreign / 1.5 BTC; 9800 USDT"),
        "{appended}"
    );
    let appended = resolved(&mut ledger, 11, "BTC", Accept::Venue);
    let left = "9800 USDT: 9800 ours and 0 foreign / 9700 USDT";
    let want = format!(
        "Foreign -0.5 BTC worth 0 | Position(BTCUSDT) -0.5 BTC worth -75 | \
         1.5 cost 150 made 0 cash 9800 | cash 9800 foreign [2 BNB] conflicts [{left}]"
    );
    assert_eq!(appended, want);
    let appended = resolved(&mut ledger, 12, "USDT", Accept::Venue);
    assert_eq!(appended, "Cash -100 USDT worth -100 | cash 9700 foreign [2 BNB] conflicts []");
    let appended = words(&facts_of(&mut ledger, &input(13, close("BTCUSDT", 2, 150))));
    assert_eq!(appended, "equity 9925 cash 9700 adjusted -175");
    let appended = account(&mut ledger, 14, &theirs);
    assert_eq!(appended, "cash 9700 foreign [2 BNB] conflicts []", "and the next life agrees");
    // The earlier holding is sold at its own cost.
    let appended = fill(&mut ledger, Side::Sell, "100", "1.5", "0 USDT");
    assert_eq!(appended, "0 cost 0 made 0 cash 9850");
}

#[test]
fn where_our_word_counts_as_much_may_be_missing_and_not_more() {
    let mut ledger = ready();
    fill(&mut ledger, Side::Buy, "100", "2", "0 USDT");
    let at = |ledger: &mut Ledger, n, btc: &str| {
        let appended = account(ledger, n, &[("BNB", "2"), ("BTC", btc), ("USDT", "9800")]);
        appended.split_once("conflicts ").unwrap().1.to_owned()
    };
    assert_eq!(at(&mut ledger, 10, "1.5"), "[2.5 BTC: 2 ours and 0.5 foreign / 1.5 BTC]");
    let appended = resolved(&mut ledger, 11, "BTC", Accept::Ours);
    assert_eq!(appended, "cash 9800 foreign [2 BNB, 0.5 BTC] conflicts []");
    assert_eq!(at(&mut ledger, 12, "1.5"), "[]", "set aside");
    // Trades change both sides equally.
    fill(&mut ledger, Side::Sell, "100", "1", "0 USDT");
    let appended = account(&mut ledger, 13, &[("BNB", "2"), ("BTC", "0.5"), ("USDT", "9900")]);
    assert!(appended.ends_with("conflicts []"), "{appended}");
    fill(&mut ledger, Side::Buy, "100", "1", "0 USDT");
    assert!(at(&mut ledger, 14, "1.4").contains("2.5 BTC"), "more is missing");
    assert_eq!(at(&mut ledger, 15, "2.3"), "[]", "some came back");
    assert!(at(&mut ledger, 16, "2.2").contains("2.5 BTC"), "and is not to go again");
    assert_eq!(at(&mut ledger, 17, "2.5"), "[]");
    assert!(ledger.aside.is_empty());
}

#[test]
fn a_word_on_what_is_no_conflict_changes_nothing() {
    let mut ledger = ready();
    let (about, ours, theirs) = ("BTC".to_owned(), "1".to_owned(), "0".to_owned());
    let conflict = Conflict { about, ours, theirs, dispute: Dispute::Balance };
    let accept = Accept::Venue;
    let body =
        Operator::Resolved { conflict, accept, reason: "r".to_owned(), venue: VenueId::default() };
    let appended = words(&facts_of(&mut ledger, &input(9, Body::Operator(body))));
    assert_eq!(appended, "cash 10000 foreign [2 BNB, 0.5 BTC] conflicts []");
}

/// Applies a sale by `everwarm panic`; returns the ledger's facts.
fn panic_sale(ledger: &mut Ledger, n: u64, price: &str, quantity: &str, fee: &str) -> String {
    let (fee, fee_asset) = fee.split_once(' ').unwrap();
    let body = Body::Order(Order::Filled {
        client_id: everwarm_domain::id::ClientOrderId("ew-panic-1-0".to_owned()),
        strategy: "panic".to_owned(),
        symbol: sym("BTCUSDT"),
        side: Side::Sell,
        k: 1,
        fill: VenueFill {
            fee: dec(fee),
            fee_asset: fee_asset.to_owned(),
            ..trade(1, price, quantity)
        },
    });
    words(&facts_of(ledger, &fact(n, 700, body)))
}

#[test]
fn what_panic_sold_leaves_the_position_with_its_profit_and_no_conflict() {
    let mut ledger = ready();
    fill(&mut ledger, Side::Buy, "100", "2", "0 USDT");
    let appended = panic_sale(&mut ledger, 10, "110", "2", "0.22 USDT");
    assert_eq!(appended, "0 cost 0 made 19.78 cash 10019.78");
    let theirs = [("BNB", "2"), ("BTC", "0.5"), ("USDT", "10019.78")];
    let appended = account(&mut ledger, 11, &theirs);
    assert_eq!(appended, "cash 10019.78 foreign [2 BNB, 0.5 BTC] conflicts []");
}

#[test]
fn what_panic_sold_of_external_holdings_brought_external_cash() {
    let mut ledger = ready();
    fill(&mut ledger, Side::Buy, "100", "2", "0 USDT");
    // 2 ours and 0.5 external for 275, of which 0.25 is the fee.
    let appended = panic_sale(&mut ledger, 10, "110", "2.5", "0.25 USDT");
    assert_eq!(appended, "0 cost 0 made 19.8 cash 10019.8");
    let appended = account(&mut ledger, 11, &[("BNB", "2"), ("USDT", "10074.75")]);
    assert_eq!(appended, "cash 10019.8 foreign [2 BNB, 54.95 USDT] conflicts []");
}

#[test]
fn what_panic_sold_before_an_account_that_already_shows_it_is_not_counted_twice() {
    let mut ledger = ready();
    fill(&mut ledger, Side::Buy, "100", "2", "0 USDT");
    let theirs = [("BNB", "2"), ("BTC", "0.5"), ("USDT", "10019.78")];
    let appended = account(&mut ledger, 10, &theirs);
    assert!(appended.contains("219.78 USDT") && appended.contains("2.5 BTC"), "{appended}");
    let appended = panic_sale(&mut ledger, 11, "110", "2", "0.22 USDT");
    assert_eq!(appended, "0 cost 0 made 19.78 cash 10019.78");
    let appended = account(&mut ledger, 12, &theirs);
    assert_eq!(appended, "cash 10019.78 foreign [2 BNB, 0.5 BTC] conflicts []");
}

fn adopt(ledger: &mut Ledger, n: u64, amount: &str, into: Option<(&str, &str)>) -> String {
    let (quantity, asset) = amount.split_once(' ').unwrap();
    let (asset, quantity, reason) = (asset.to_owned(), dec(quantity), "r".to_owned());
    let position = into.map(|(symbol, price)| (sym(symbol), dec(price)));
    let body = Operator::Adopted { asset, quantity, position, reason, venue: VenueId::default() };
    words(&facts_of(ledger, &input(n, Body::Operator(body))))
}

#[test]
fn what_is_adopted_is_ours_and_neither_profit_nor_loss() {
    let mut ledger = ready();
    let appended = account(&mut ledger, 9, &[("BNB", "2"), ("BTC", "0.5"), ("USDT", "10500")]);
    assert_eq!(appended, "cash 10000 foreign [2 BNB, 0.5 BTC, 500 USDT] conflicts []");
    let appended = adopt(&mut ledger, 10, "200 USDT", None);
    let left = "cash 10200 foreign [2 BNB, 0.5 BTC, 300 USDT] conflicts []";
    assert_eq!(appended, format!("Foreign -200 USDT worth 0 | Cash 200 USDT worth 200 | {left}"));
    assert_eq!(adopt(&mut ledger, 11, "2 BNB", None), left, "nobody trades it here");
    assert_eq!(adopt(&mut ledger, 12, "2 BNB", Some(("BTCUSDT", "150"))), left);
    facts_of(&mut ledger, &input(13, close("BTCUSDT", 1, 150)));
    // At most the external holdings are adopted.
    let appended = adopt(&mut ledger, 14, "7 BTC", Some(("BTCUSDT", "150")));
    let want = [
        "Foreign -0.5 BTC worth 0",
        "Position(BTCUSDT) 0.5 BTC worth 75",
        "0.5 cost 75 made 0 cash 10200",
        "cash 10200 foreign [2 BNB, 300 USDT] conflicts []",
    ];
    assert_eq!(appended, want.join(" | "));
    let appended = words(&facts_of(&mut ledger, &input(15, close("BTCUSDT", 2, 150))));
    assert_eq!(appended, "equity 10275 cash 10200 adjusted 275");
    let appended = account(&mut ledger, 16, &[("BNB", "2"), ("BTC", "0.5"), ("USDT", "10500")]);
    assert_eq!(appended, "cash 10200 foreign [2 BNB, 300 USDT] conflicts []");
    let appended = fill(&mut ledger, Side::Sell, "150", "0.5", "0 USDT");
    assert_eq!(appended, "0 cost 0 made 0 cash 10275");
}

impl Ledger {
    /// The state as the last version without lots saved it.
    pub(crate) fn save_before_lots(&self) -> Vec<u8> {
        let positions = self.positions.iter().map(|(symbol, position)| {
            let Position { quantity, cost, realized, .. } = position;
            (symbol, (*quantity, *cost, *realized))
        });
        let state = (
            &self.settings,
            &self.instruments,
            &self.quote,
            self.cash,
            positions.collect::<Vec<_>>(),
            &self.held,
            &self.marks,
            &self.fees,
            &self.foreign,
            &self.picture,
            &self.conflicts,
            self.life,
            &self.missing,
            &self.aside,
            self.adjusted,
        );
        crate::testing::old_state(FORMAT_BEFORE_LOTS, &state)
    }
}

#[test]
fn fees_that_no_fill_reports_are_booked_if_they_are_exactly_what_the_cash_lacks() {
    let mut ledger = ready();
    let mut compare = |n: u64, usdt: &str, charges: &[(&str, &str)]| {
        charged(&mut ledger, n, &[("BNB", "2"), ("BTC", "0.5"), ("USDT", usdt)], charges)
    };
    let cash = |amount: &str| format!("cash {amount} foreign [2 BNB, 0.5 BTC] conflicts []");
    let lacks = |ours: &str, theirs: &str| {
        let conflict = format!("{ours} USDT: {ours} ours and 0 foreign / {theirs} USDT");
        format!("cash {ours} foreign [2 BNB, 0.5 BTC] conflicts [{conflict}]")
    };
    let (old, reg, taf) = (("3", "USDT"), ("0.03", "USDT"), ("0.01", "USDT"));
    let other = ("0.04", "BNB");
    assert_eq!(compare(4, "10000", &[old]), cash("10000"), "it was taken before the books began");
    assert_eq!(compare(5, "9999.96", &[old]), lacks("10000", "9999.96"));
    assert_eq!(compare(6, "9999.96", &[old, other]), lacks("10000", "9999.96"));
    assert_eq!(compare(7, "9999.96", &[old, reg, taf, other]), cash("9999.96"));
    assert_eq!(compare(8, "9999.96", &[old, reg, taf]), cash("9999.96"), "once");
    assert_eq!(compare(9, "9999.91", &[old, reg, taf]), lacks("9999.96", "9999.91"));
    let back = ("-0.01", "USDT");
    assert_eq!(compare(10, "9999.94", &[old, reg, taf, reg, back]), cash("9999.94"));
    // They are a loss, no adjustment.
    let equity = words(&facts_of(&mut ledger, &input(11, close("BTCUSDT", 1, 100))));
    assert_eq!(equity, "equity 9999.94 cash 9999.94");
}

/// Dollars in place of `USDT`, and charges as (id, amount).
fn named(ledger: &mut Ledger, at: (u64, UtcMs), usdt: &str, charges: &[(&str, &str)]) -> String {
    let all = [("BNB", "2"), ("BTC", "0.5"), ("USDT", usdt)];
    let (ids, amounts): (Vec<_>, Vec<_>) =
        charges.iter().map(|(id, amount)| ((*id).to_owned(), (*amount, "USDT"))).unzip();
    let words = charged_at(ledger, at, &all, &amounts, ids);
    words.replace(" foreign [2 BNB, 0.5 BTC]", "")
}

fn lacks(ours: &str, theirs: &str) -> String {
    let conflict = format!("{ours} USDT: {ours} ours and 0 foreign / {theirs} USDT");
    format!("cash {ours} conflicts [{conflict}]")
}

/// A ledger whose books begin with an account that lists a charge.
fn begun(charge: (&str, &str)) -> Ledger {
    let mut ledger = Ledger::default();
    facts_of(&mut ledger, &input(1, configured(&Settings::default())));
    let rules = vec![instrument("BTCUSDT")];
    facts_of(&mut ledger, &input(2, Body::Market(Market::Instruments { rules })));
    assert_eq!(named(&mut ledger, (3, 0), "10000", &[charge]), "cash 10000 conflicts []");
    ledger
}

#[test]
fn a_charge_is_booked_once_and_a_second_lack_of_its_amount_is_a_difference() {
    let mut ledger = begun(("before", "0.05"));
    let (before, reg, taf) = (("before", "0.05"), ("a", "0.03"), ("b", "0.01"));
    let list = [before, reg, taf];
    assert_eq!(named(&mut ledger, (4, 1), "9999.96", &list), "cash 9999.96 conflicts []");
    // The venue still lists them. The same amounts are missing once more, in all their sums.
    for (n, theirs) in [(5, "9999.95"), (6, "9999.92"), (7, "9999.91")] {
        assert_eq!(named(&mut ledger, (n, 1), theirs, &list), lacks("9999.96", theirs));
    }
    // A restart forgets nothing.
    let mut again = Ledger::default();
    again.load(&ledger.save()).unwrap();
    assert_eq!(named(&mut again, (8, 1), "9999.92", &list), lacks("9999.96", "9999.92"));
    // A new charge of the same amount is another charge. A row that comes twice counts once.
    let new = [before, reg, taf, ("c", "0.03"), ("c", "0.03")];
    assert_eq!(named(&mut again, (9, 1), "9999.90", &new), lacks("9999.96", "9999.9"));
    assert_eq!(named(&mut again, (10, 1), "9999.93", &new), "cash 9999.93 conflicts []");
    assert_eq!(named(&mut again, (11, 1), "9999.90", &new), lacks("9999.93", "9999.9"));
}

#[test]
fn a_booked_charge_stays_in_the_memory_as_long_as_the_venue_may_list_it() {
    const DAY: i64 = everwarm_domain::time::DAY;
    let mut ledger = begun(("before", "0.05"));
    let reg = ("a", "0.03");
    assert_eq!(named(&mut ledger, (4, 1), "9999.97", &[reg]), "cash 9999.97 conflicts []");
    // It was missing from one list.
    assert_eq!(named(&mut ledger, (5, DAY), "9999.97", &[]), "cash 9999.97 conflicts []");
    assert_eq!(named(&mut ledger, (6, DAY), "9999.94", &[reg]), lacks("9999.97", "9999.94"));
    // The memory ends after the list.
    assert_eq!(named(&mut ledger, (7, 15 * DAY), "9999.94", &[reg]), lacks("9999.97", "9999.94"));
    let full = ledger.save().len();
    assert_eq!(named(&mut ledger, (8, 15 * DAY), "9999.97", &[]), "cash 9999.97 conflicts []");
    assert!(ledger.save().len() < full, "it keeps nothing for ever");
}

#[test]
fn a_state_without_a_memory_of_charges_is_read() {
    let mut ledger = begun(("before", "0.05"));
    ledger.charged = Charged::default();
    let (version, format, of) = BEFORE_CHARGES;
    // The memory is the last member; empty, it is one byte.
    let before = crate::testing::rewritten(&ledger.save(), (format, of), 1);
    let mut read = Ledger::default();
    read.convert(version, &before).unwrap();
    assert_eq!(read.save(), ledger.save());
}
