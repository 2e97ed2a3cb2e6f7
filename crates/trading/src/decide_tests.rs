//! Tests the decision, round by round.
//!
//! Over 500 lines: one subject, one test a promise.

use super::*;
use crate::testing::{
    AccountFact, bar, changed, close, configured, dec, fact, facts_of, input, instrument, position,
    reconciled, signal, sym,
};
use everwarm_domain::fact::AtVenue;
use everwarm_domain::id::VenueId;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::odd::OddBar;
use everwarm_domain::order::{Balance, OrderStatus, OrderType};
use everwarm_domain::signal::{Direction, Intent, SignalTerms};
use everwarm_domain::time::MINUTE;

const T: i64 = 600_000;

/// A stage that knows two instruments and 10,000 of cash.
fn ready(change: impl FnOnce(&mut Settings)) -> Decide {
    let mut stage = Decide::default();
    let mut settings = Settings::default();
    change(&mut settings);
    let started = Operator::Started { life: 1, installation: "inst".into(), epoch: 1 };
    let rules = ["ADAUSDT", "BTCUSDT", "ETHUSDT"].map(instrument).to_vec();
    for body in [
        Body::Operator(started),
        configured(&settings),
        Body::Market(Market::Instruments { rules }),
    ] {
        assert!(facts_of(&mut stage, &input(1, body)).is_empty());
    }
    facts_of(&mut stage, &fact(1, 800, reconciled(1, "10000")));
    let bars = ["ADAUSDT", "BTCUSDT", "ETHUSDT"].map(|symbol| bar(symbol, 9, 100)).to_vec();
    let closed = Market::close(T, bars, Vec::new());
    assert!(facts_of(&mut stage, &input(1, Body::Market(closed))).is_empty());
    stage
}

fn ask(stage: &mut Decide, rows: &[Signal]) -> Vec<String> {
    let signals = Body::Analysis(Analysis::Signals { rows: rows.to_vec() });
    let facts = facts_of(stage, &fact(2, 400, signals));
    let other = |body: &&Body| {
        let Body::Decision(decision) = body else { return true };
        matches!(
            decision,
            Decision::Owed { refusal: Some(_), .. }
                | Decision::Approved { .. }
                | Decision::Declined { .. }
                | Decision::Breaker { .. }
        )
    };
    let answers: Vec<&Body> = facts.iter().filter(other).collect();
    assert_eq!(answers.len(), rows.len(), "one answer a signal");
    let words = answers.into_iter().map(|body| match body {
        Body::Decision(Decision::Owed { symbol, refusal: Some(why), .. }) => {
            format!("{symbol} owed: {why}")
        }
        Body::Decision(Decision::Approved { intent, reserved, .. }) => {
            let OrderIntent { side, symbol, quantity, .. } = intent;
            format!("{side:?} {quantity} {symbol} holding {reserved}")
        }
        Body::Decision(Decision::Declined { signal, code, text }) => {
            format!("{} {code}: {text}", signal.symbol)
        }
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => panic!("{body:?}"),
    });
    words.collect()
}

fn buy(symbol: &str) -> Signal {
    signal(symbol, Side::Buy, T)
}

fn sell(symbol: &str) -> Signal {
    signal(symbol, Side::Sell, T)
}

#[test]
fn what_a_signal_says_besides_is_kept_or_refused() {
    let mut stage = ready(|_| {});
    let with = |terms: SignalTerms| Signal { terms: Box::new(terms), ..buy("BTCUSDT") };
    let (price, usual) = (Some(dec("90")), SignalTerms::default);
    let no = [
        Signal { direction: Direction::Short, ..buy("BTCUSDT") },
        Signal { intent: Intent::Add, ..with(SignalTerms { stop: price, ..usual() }) },
        Signal { intent: Intent::Reduce, ..sell("BTCUSDT") },
        with(SignalTerms { limit: price, ..usual() }),
        Signal { terms: Box::new(SignalTerms { stop: price, ..usual() }), ..sell("BTCUSDT") },
    ];
    for signal in no {
        let decided = ask(&mut stage, std::slice::from_ref(&signal));
        assert!(decided[0].starts_with("BTCUSDT unsupported: "), "{signal:?} {decided:?}");
    }
    let full = &ask(&mut ready(|_| {}), &[buy("BTCUSDT")])[0];
    assert_eq!(full, "Buy 10 BTCUSDT holding 1010");
    let half = with(SignalTerms { size_ppm: Some(500_000), valid_until: Some(T), ..usual() });
    let facts =
        facts_of(&mut stage, &fact(2, 400, Body::Analysis(Analysis::Signals { rows: vec![half] })));
    let [Body::Decision(Decision::Approved { intent, .. })] = &facts[..] else {
        panic!("{facts:?}")
    };
    assert_eq!((intent.quantity, intent.valid_until), (dec("5"), T));
}

#[test]
fn no_more_is_entered_than_a_person_confirmed() {
    let mut stage = ready(|settings| settings.trading.notional = dec("100"));
    let (per_order, per_day) = (dec("150"), dec("202"));
    let account = "1".to_owned();
    let confirmed =
        Operator::LiveConfirmed { account, per_order, per_day, venue: VenueId::default() };
    facts_of(&mut stage, &input(1, Body::Operator(confirmed)));
    let decided = ask(&mut stage, &["ADAUSDT", "BTCUSDT", "ETHUSDT"].map(buy));
    assert_eq!(
        decided,
        [
            "Buy 1 ADAUSDT holding 101",
            "Buy 1 BTCUSDT holding 101",
            "ETHUSDT live-cap: 202 of the confirmed cap of 202 a day are used on 1970-01-01, 101 \
             more are above it"
        ]
    );
    let tomorrow = |symbol| signal(symbol, Side::Buy, T + everwarm_domain::time::DAY);
    assert_eq!(ask(&mut stage, &[tomorrow("ETHUSDT")]), ["Buy 1 ETHUSDT holding 101"]);

    let mut stage = ready(|settings| settings.trading.notional = dec("1000"));
    let account = "1".to_owned();
    let confirmed =
        Operator::LiveConfirmed { account, per_order, per_day, venue: VenueId::default() };
    facts_of(&mut stage, &input(1, Body::Operator(confirmed)));
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "10", "9000")));
    assert_eq!(
        ask(&mut stage, &[buy("ADAUSDT"), sell("BTCUSDT")]),
        [
            "Sell 10 BTCUSDT holding 0",
            "ADAUSDT live-cap: 1010 is above the confirmed cap of 150 an order"
        ],
        "a way out is never capped"
    );
}

#[test]
fn approves_a_rounded_fixed_notional_and_holds_it_until_the_order_is_final() {
    let mut stage = ready(|_| {});
    let decided = ask(&mut stage, &[buy("BTCUSDT")]);
    assert_eq!(decided, ["Buy 10 BTCUSDT holding 1010"]);
    let id = stage.holds.keys().next().unwrap().0.clone();
    assert_eq!(
        ask(&mut stage, &[buy("BTCUSDT")]),
        ["BTCUSDT pending: an order in BTCUSDT is not final yet"]
    );
    facts_of(&mut stage, &fact(3, 700, changed(&id, OrderStatus::PartlyFilled, "4")));
    assert_eq!(stage.entries().cash, Some(dec("9390")), "400 of it have left the cash");
    facts_of(&mut stage, &fact(3, 800, position("BTCUSDT", "10", "9000")));
    facts_of(&mut stage, &fact(4, 700, changed(&id, OrderStatus::Filled, "10")));
    assert!(stage.holds.is_empty());
    assert_eq!(
        ask(&mut stage, &[buy("BTCUSDT")]),
        ["BTCUSDT already-long: BTCUSDT is held already"]
    );
    assert_eq!(ask(&mut stage, &[sell("BTCUSDT")]), ["Sell 10 BTCUSDT holding 0"]);
}

#[test]
fn takes_the_surest_first_then_by_name_while_places_and_cash_last() {
    let sure = |symbol, confidence_ppm| Signal { confidence_ppm, ..buy(symbol) };
    let rows = [sure("ADAUSDT", 5), sure("BTCUSDT", 5), sure("ETHUSDT", 7)];
    let mut stage = ready(|s| s.trading.max_positions = 2);
    assert_eq!(
        ask(&mut stage, &rows),
        [
            "Buy 10 ETHUSDT holding 1010",
            "Buy 10 ADAUSDT holding 1010",
            "BTCUSDT max-positions: 2 of 2 positions are taken",
        ]
    );
    let mut stage = ready(|s| s.trading.notional = dec("4000"));
    let decided = ask(&mut stage, &rows);
    assert_eq!(decided[2], "BTCUSDT cash: 4040 USDT are needed, 1920 are free");
}

#[test]
fn declines_with_a_code_and_both_sides_in_words() {
    type Case = (&'static str, fn(&mut Decide), Signal);
    let cases: [Case; 5] = [
        ("XRPUSDT instrument: the venue's rules for XRPUSDT are not known", |_| {}, buy("XRPUSDT")),
        (
            "BTCUSDT instrument: the venue does not take orders in BTCUSDT now",
            |stage| {
                stage.instruments.learn(&[Instrument { trading: false, ..instrument("BTCUSDT") }]);
            },
            buy("BTCUSDT"),
        ),
        (
            "BTCUSDT instrument: BTCUSDT is paid in USDT, cash is EUR",
            |stage| stage.settings.trading.quote_asset = "EUR".into(),
            buy("BTCUSDT"),
        ),
        ("BTCUSDT nothing-to-sell: no BTC is held", |_| {}, sell("BTCUSDT")),
        (
            "BTCUSDT not-reconciled: the cash is not known before the account was compared",
            |stage| stage.cash = None,
            buy("BTCUSDT"),
        ),
    ];
    for (text, prepare, signal) in cases {
        let mut stage = ready(|_| {});
        prepare(&mut stage);
        assert_eq!(ask(&mut stage, &[signal]), [text]);
    }
}

#[test]
fn the_exit_of_what_is_too_small_to_sell_ends_at_once() {
    let mut stage = ready(|_| {});
    stage.evolve(&fact(1, 800, position("BTCUSDT", "0.00005", "10000")));
    let signals = Body::Analysis(Analysis::Signals { rows: vec![sell("BTCUSDT")] });
    let decided = facts_of(&mut stage, &fact(2, 400, signals));
    let [Body::Decision(Decision::Owed { ended: Some(why), .. })] = &decided[..] else {
        panic!("{decided:?}")
    };
    assert!(why.contains("0.00005 BTC rounds down to 0"), "{why}");
    stage.check();
    assert!(stage.exits.is_empty());
}

#[test]
fn dust_takes_no_place_and_does_not_forbid_an_entry() {
    let mut stage = ready(|s| s.trading.max_positions = 1);
    facts_of(&mut stage, &fact(1, 800, position("ETHUSDT", "0.00009", "10000")));
    assert_eq!(ask(&mut stage, &[buy("ETHUSDT")]), ["Buy 10 ETHUSDT holding 1010"]);
}

#[test]
fn only_facts_of_the_decision_are_approvals() {
    let mut stage = ready(|_| {});
    let rows = vec![buy("BTCUSDT")];
    let facts = facts_of(&mut stage, &fact(2, 400, Body::Analysis(Analysis::Signals { rows })));
    assert!(Approved::of(&fact(2, rank::DECISION.0, facts[0].clone())).is_some());
    assert!(Approved::of(&fact(2, 0, facts[0].clone())).is_none(), "an input is none");
    let bytes = stage.save();
    let mut again = Decide::default();
    again.load(&bytes).unwrap();
    assert_eq!(again.save(), bytes);
}

#[test]
fn who_is_left_halted_gone_or_stale_is_not_entered() {
    let mut stage = ready(|_| {});
    let code = |stage: &mut Decide, of: Signal| {
        let decided = ask(stage, &[of]).remove(0);
        decided
            .split(' ')
            .nth(1)
            .map_or(String::new(), |code| code.trim_end_matches(':').to_owned())
    };
    let list = |wanted, venue, unlisted: &[&str]| {
        let listed = vec![Listed { symbol: sym("BTCUSDT"), wanted, venue, why: "w".into() }];
        let unlisted: Vec<_> = unlisted.iter().map(|name| sym(name)).collect();
        let listed = if unlisted.is_empty() { listed } else { Vec::new() };
        Body::Market(Market::Universe { asked: 0, basis: 0, listed, unlisted })
    };
    for (listing, why) in [
        (list(false, AtVenue::Trading, &[]), "leaving"),
        (list(true, AtVenue::Halted, &[]), "venue-halted"),
        (list(false, AtVenue::Gone, &[]), "gone"),
        (list(true, AtVenue::Trading, &["BTCUSDT"]), "not-listed"),
    ] {
        facts_of(&mut stage, &input(1, listing));
        assert_eq!(code(&mut stage, buy("BTCUSDT")), why);
        let exit = code(&mut stage, sell("BTCUSDT"));
        assert_eq!(exit, "nothing-to-sell", "exits are decided as before");
    }
    facts_of(&mut stage, &input(1, list(true, AtVenue::Trading, &[])));
    facts_of(&mut stage, &input(1, close("BTCUSDT", 9, 100)));
    facts_of(&mut stage, &input(1, close("ETHUSDT", 13, 100)));
    assert_eq!(code(&mut stage, buy("BTCUSDT")), "stale", "its newest bar is four minutes old");
    facts_of(&mut stage, &input(1, close("BTCUSDT", 14, 100)));
    assert_eq!(ask(&mut stage, &[buy("BTCUSDT")]), ["Buy 10 BTCUSDT holding 1010"]);
}

#[test]
fn everything_held_is_sold_once_a_close_for_as_long_as_an_operator_wants_it() {
    let mut stage = ready(|_| {});
    let switched =
        |switch| Body::Operator(Operator::Switched { switch, reason: "enough".to_owned() });
    let sold = |stage: &mut Decide, body: Body| {
        let facts = facts_of(stage, &input(3, body)).into_iter();
        let approved = facts.filter(|body| !matches!(body, Body::Decision(Decision::Owed { .. })));
        let sales = approved.map(|body| {
            let Body::Decision(Decision::Approved { intent, reserved, .. }) = body else {
                panic!("{body:?}")
            };
            assert_eq!((intent.side, intent.strategy.as_str()), (Side::Sell, "sma_cross"));
            assert_eq!(reserved, Decimal::ZERO);
            (intent.symbol.to_string(), intent.quantity, intent.client_id.0)
        });
        sales.collect::<Vec<_>>()
    };
    for symbol in ["BTCUSDT", "ETHUSDT", "ADAUSDT"] {
        facts_of(&mut stage, &input(2, close(symbol, 9, 100)));
    }
    facts_of(&mut stage, &fact(2, 800, position("BTCUSDT", "3", "0")));
    facts_of(&mut stage, &fact(2, 800, position("ADAUSDT", "0.0001", "0")));
    let first = sold(&mut stage, switched(Switch::Flatten));
    assert_eq!(first.len(), 1, "one is too small, one is not held: {first:?}");
    let (symbol, quantity, id) = &first[0];
    assert_eq!((symbol.as_str(), *quantity), ("BTCUSDT", dec("3")));
    assert_eq!(sold(&mut stage, switched(Switch::Flatten)), [], "switched twice");
    // After a rejection, it is requested again at another close, with another id.
    facts_of(&mut stage, &fact(3, 700, changed(id, OrderStatus::Rejected, "0")));
    assert_eq!(sold(&mut stage, switched(Switch::Halt)), [], "the id is that of the close");
    let bytes = stage.save();
    stage.load(&bytes).unwrap();
    let again = sold(&mut stage, close("BTCUSDT", 10, 90));
    assert!(again.len() == 1 && again[0].2 != *id, "{again:?}");
    facts_of(&mut stage, &fact(4, 700, changed(&again[0].2, OrderStatus::Rejected, "0")));
    // Nothing is requested while the breaker is halted.
    let level = |level| {
        let (reasons, barred) = (vec!["w".to_owned()], Vec::new());
        Body::Decision(Decision::Breaker { level, reasons, barred, strategies: vec![] })
    };
    facts_of(&mut stage, &fact(4, 500, level(BreakerLevel::Halted)));
    assert_eq!(sold(&mut stage, close("BTCUSDT", 11, 90)), []);
    facts_of(&mut stage, &fact(5, 500, level(BreakerLevel::ExitsOnly)));
    assert_eq!(sold(&mut stage, switched(Switch::Resume)).len(), 0);
    assert_eq!(sold(&mut stage, close("BTCUSDT", 12, 90)), []);
}

/// The stage's facts after a given fact: requests and owed exits, in short form.
#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is expected")]
fn exits(stage: &mut Decide, given: &Fact<Body>) -> Vec<String> {
    let decided = facts_of(stage, given).into_iter().map(|body| {
        let Body::Decision(decision) = body else { panic!("{body:?}") };
        match decision {
            Decision::Approved { intent, .. } => {
                let OrderIntent { side, quantity, symbol, close_time, .. } = intent;
                format!("{side:?} {quantity} {symbol} of {close_time}")
            }
            Decision::Owed { symbol, ended: Some(why), .. } => format!("{symbol} done: {why}"),
            Decision::Owed { symbol, refusal: Some(why), tries, .. } => {
                format!("{symbol} waits {tries}: {why}")
            }
            Decision::Owed { symbol, .. } => format!("{symbol} owed"),
            Decision::Declined { code, signal, .. } => format!("{} {code}", signal.symbol),
            Decision::Withdrawn { side, symbol, reason, .. } => {
                format!("{side:?} of {symbol} withdrawn: {reason}")
            }
            Decision::CancelIntent { side, symbol, reason, .. } => {
                format!("{side:?} of {symbol} cancelled: {reason}")
            }
            _ => panic!("{decision:?}"),
        }
    });
    decided.collect()
}

fn signals(rows: Vec<Signal>) -> Fact<Body> {
    fact(2, 400, Body::Analysis(Analysis::Signals { rows }))
}

fn minute(stage: &mut Decide, minute: i64) -> Vec<String> {
    let mut closed = input(10, close("BTCUSDT", minute, 100));
    closed.time = (minute + 1) * MINUTE;
    exits(stage, &closed)
}

/// The newest request that is not final.
fn living(stage: &Decide) -> String {
    stage.holds.keys().next().unwrap().0.clone()
}

#[test]
fn an_exit_waits_for_the_entry_and_is_requested_as_soon_as_that_is_final() {
    let mut stage = ready(|_| {});
    assert_eq!(ask(&mut stage, &[buy("BTCUSDT")]).len(), 1);
    let entry = living(&stage);
    let pending = "BTCUSDT waits 0: an order in BTCUSDT is not final yet";
    let later = signal("BTCUSDT", Side::Sell, T + MINUTE);
    let withdrawn = "Buy of BTCUSDT withdrawn: an exit was decided: because";
    assert_eq!(exits(&mut stage, &signals(vec![later])), [pending, withdrawn]);
    facts_of(&mut stage, &fact(3, 800, position("BTCUSDT", "4", "9600")));
    assert_eq!(stage.next_wake(), None, "nothing could leave");
    let bytes = stage.save();
    stage.load(&bytes).unwrap();
    stage.evolve(&fact(3, 700, changed(&entry, OrderStatus::Cancelled, "4")));
    assert!(stage.next_wake().is_some(), "it may leave without a close");
    let clock = Body::Operator(Operator::Clock { time: T });
    let decided = exits(&mut stage, &input(4, clock));
    assert_eq!(decided, ["BTCUSDT owed".to_owned(), format!("Sell 4 BTCUSDT of {}", T + MINUTE)]);
    assert_eq!(stage.next_wake(), None);
    let sale = living(&stage);
    facts_of(&mut stage, &fact(4, 800, position("BTCUSDT", "0", "10000")));
    let done = exits(&mut stage, &fact(4, 700, changed(&sale, OrderStatus::Filled, "4")));
    assert_eq!(done, ["BTCUSDT done: nothing of BTCUSDT is held"]);
    assert!(stage.exits.is_empty());
}

#[test]
fn what_was_not_sent_in_time_is_requested_again_at_each_close_for_what_is_held_then() {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "3", "9700")));
    assert_eq!(exits(&mut stage, &signals(vec![sell("BTCUSDT")])).len(), 2);
    let mut ids = vec![living(&stage)];
    for n in 10..20 {
        let id = ids.last().unwrap().clone();
        let decided = exits(&mut stage, &fact(3, 700, changed(&id, OrderStatus::Expired, "0")));
        assert_eq!(decided, ["BTCUSDT waits 0: the last request ended unfilled"], "at {n}");
        let decided = minute(&mut stage, n);
        assert_eq!(decided, ["BTCUSDT owed".to_owned(), format!("Sell 3 BTCUSDT of {T}")]);
        let approved = stage.holds.values().next().unwrap().clone();
        assert_eq!(approved.symbol, sym("BTCUSDT"));
        ids.push(living(&stage));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 11, "each request has an id of its own");
    // Filled in part: the rest is requested at the next close.
    let id = living(&stage);
    facts_of(&mut stage, &fact(4, 800, position("BTCUSDT", "1", "9900")));
    facts_of(&mut stage, &fact(4, 700, changed(&id, OrderStatus::Expired, "2")));
    assert_eq!(minute(&mut stage, 30)[1], format!("Sell 1 BTCUSDT of {T}"));
}

#[test]
fn three_equal_refusals_wait_longer_each_time_and_a_change_of_rules_ends_the_wait() {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "3", "9700")));
    exits(&mut stage, &signals(vec![sell("BTCUSDT")]));
    let (mut at, mut waited) = (10, Vec::new());
    for _ in 0..10 {
        let id = living(&stage);
        facts_of(&mut stage, &fact(3, 700, changed(&id, OrderStatus::Rejected, "0")));
        let from = at;
        while stage.holds.is_empty() {
            minute(&mut stage, at);
            at += 1;
        }
        waited.push(at - from);
    }
    assert_eq!(waited, [1, 1, 1, 2, 4, 8, 16, 32, 60, 60]);
    let id = living(&stage);
    let decided = exits(&mut stage, &fact(3, 700, changed(&id, OrderStatus::Rejected, "0")));
    assert!(decided[0].starts_with("BTCUSDT waits 11: "), "{decided:?}");
    minute(&mut stage, at);
    assert!(stage.holds.is_empty());
    let rules = vec![Instrument { tick_size: dec("0.1"), ..instrument("BTCUSDT") }];
    let decided = exits(&mut stage, &input(9, Body::Market(Market::Instruments { rules })));
    assert_eq!(decided[1], format!("Sell 3 BTCUSDT of {T}"), "{decided:?}");
}

#[test]
fn nothing_external_is_sold_after_a_sale_by_hand() {
    let level = |level| {
        let (reasons, barred) = (vec!["lunch".to_owned()], Vec::new());
        let reasons = if level == BreakerLevel::Normal { Vec::new() } else { reasons };
        Body::Decision(Decision::Breaker { level, reasons, barred, strategies: vec![] })
    };
    let account = |n: u64, btc: &str| {
        let free = dec(btc);
        let balances = vec![Balance { asset: "BTC".into(), free, locked: Decimal::ZERO }];
        input(n, AccountFact { balances, ..AccountFact::default() }.body())
    };
    let books = |n: u64, conflict: bool| {
        let conflict = conflict.then(|| everwarm_domain::fact::Conflict {
            about: "BTC".into(),
            ours: "5".into(),
            theirs: "2".into(),
            dispute: everwarm_domain::fact::Dispute::Balance,
        });
        let foreign = vec![("BTC".to_owned(), dec("2"))];
        let (conflicts, cash) = (conflict.into_iter().collect(), dec("9700"));
        fact(
            n,
            800,
            Body::Ledger(Ledger::Reconciled {
                life: 1,
                conflicts,
                cash,
                foreign,
                venue: VenueId::default(),
            }),
        )
    };
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "3", "9700")));
    facts_of(&mut stage, &account(5, "5"));
    facts_of(&mut stage, &books(5, false));
    facts_of(&mut stage, &fact(6, 500, level(BreakerLevel::Halted)));
    let halted = "BTCUSDT waits 0: trading is halted: lunch";
    assert_eq!(exits(&mut stage, &signals(vec![sell("BTCUSDT")])), [halted]);
    let resume = Switch::Resume;
    let resumed = Body::Operator(Operator::Switched { switch: resume, reason: "r".into() });
    stage.evolve(&fact(7, 500, level(BreakerLevel::Normal)));
    let decided = exits(&mut stage, &input(7, resumed));
    assert_eq!(decided, ["BTCUSDT waits 0: the account has not been compared since"]);
    assert_eq!(minute(&mut stage, 10), [""; 0]);
    // Three were sold by hand: the venue's remaining balance is not all ours.
    facts_of(&mut stage, &account(11, "2"));
    let decided = exits(&mut stage, &books(11, true));
    assert_eq!(decided, ["BTCUSDT waits 0: the balance of BTC differs from the books"]);
    assert_eq!(minute(&mut stage, 11), [""; 0]);
    // An operator ends the conflict; the next account has our holdings again, less one.
    let decided = exits(&mut stage, &books(12, false));
    assert_eq!(decided, ["BTCUSDT waits 0: the account has not been compared since"]);
    stage.evolve(&account(13, "4"));
    let decided = exits(&mut stage, &books(13, false));
    assert_eq!(decided, ["BTCUSDT owed".to_owned(), format!("Sell 2 BTCUSDT of {T}")]);
}

#[test]
fn a_new_entry_takes_an_exit_back_that_is_not_on_its_way() {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "3", "9700")));
    exits(&mut stage, &signals(vec![sell("BTCUSDT")]));
    let id = living(&stage);
    stage.evolve(&fact(2, 700, changed(&id, OrderStatus::Sent, "0")));
    let decided = exits(&mut stage, &signals(vec![buy("BTCUSDT")]));
    assert_eq!(decided, ["BTCUSDT pending"], "its request lives");
    facts_of(&mut stage, &fact(3, 700, changed(&id, OrderStatus::Rejected, "0")));
    let decided = exits(&mut stage, &signals(vec![buy("BTCUSDT")]));
    let done = "BTCUSDT done: the strategy signals a new entry";
    assert_eq!(decided, [done, "BTCUSDT already-long"]);
    assert!(stage.exits.is_empty());
    // The same decision again has another id.
    exits(&mut stage, &signals(vec![sell("BTCUSDT")]));
    assert_eq!(stage.next_wake(), None);
    assert_ne!(living(&stage), id);
}

#[test]
fn after_an_odd_bar_nothing_is_bought_for_15_closes_and_what_is_held_is_sold() {
    let mut stage = ready(|_| ());
    let symbol = sym("BTCUSDT");
    let close_at = |minute: i64, odd: &[OddBar]| {
        let bars = ["ADAUSDT", "BTCUSDT", "ETHUSDT"].map(|symbol| bar(symbol, minute, 100));
        let (bars, missing, odd) = (bars.to_vec(), Vec::new(), odd.to_vec());
        Body::Market(Market::Close { time: (minute + 1) * MINUTE, bars, missing, odd })
    };
    let why = Oddity::Jump;
    facts_of(&mut stage, &input(1, close_at(10, &[OddBar { symbol, why }])));
    let paused = |left: &str| {
        let text = "BTCUSDT had an odd bar: its price jumped; entries pause for";
        format!("BTCUSDT odd-bar: {text} {left}")
    };
    let mut first = ask(&mut stage, &[buy("BTCUSDT"), buy("ADAUSDT")]);
    first.sort();
    assert!(first[1].starts_with("Buy ") && first[1].contains(" ADAUSDT "), "{first:?}");
    assert_eq!(first[0], paused("15 closes"));
    let bytes = stage.save();
    stage.load(&bytes).unwrap();
    for minute in 11..25 {
        facts_of(&mut stage, &input(1, close_at(minute, &[])));
        let left = match 25 - minute {
            1 => "1 close".to_owned(),
            left => format!("{left} closes"),
        };
        assert_eq!(ask(&mut stage, &[buy("BTCUSDT")]), [paused(&left)]);
    }
    facts_of(&mut stage, &input(1, close_at(25, &[])));
    assert!(ask(&mut stage, &[buy("BTCUSDT")])[0].starts_with("Buy "));
    // A late one pauses the closes that follow it, and sales never pause.
    let late = Market::LateBar { bar: bar("ETHUSDT", 24, 50), odd: Some(Oddity::Order) };
    facts_of(&mut stage, &input(1, Body::Market(late)));
    facts_of(&mut stage, &input(1, close_at(26, &[])));
    assert!(ask(&mut stage, &[buy("ETHUSDT")])[0].contains("odd-bar"));
    facts_of(&mut stage, &fact(1, 800, position("ETHUSDT", "1", "10000")));
    let signals = Body::Analysis(Analysis::Signals { rows: vec![sell("ETHUSDT")] });
    let facts = facts_of(&mut stage, &fact(2, 400, signals));
    let sold = facts.iter().any(|body| matches!(body, Body::Decision(Decision::Approved { .. })));
    assert!(sold, "{facts:?}");
}

#[path = "decide/additions_tests.rs"]
mod additions;

#[path = "decide/limited_tests.rs"]
mod limited;

#[path = "decide/sizes_tests.rs"]
mod sized;

#[path = "decide/regimes_tests.rs"]
mod by_regime;

#[path = "decide/settled_tests.rs"]
mod on_settled;

#[path = "decide/drivers_tests.rs"]
mod by_driver;

#[path = "decide/taken_back_tests.rs"]
mod taken_back;

#[path = "decide/exit_prices_tests.rs"]
mod exit_prices;

#[path = "decide/unsupported_tests.rs"]
mod unsupported;

#[path = "decide/splits_tests.rs"]
mod on_splits;

#[path = "decide/session_ends_tests.rs"]
mod session_ends;
