use super::*;
use crate::testing::{changed, close, configured, dec, fact, facts_of, filled, input, sent, sym};
use everwarm_domain::fact::{Conflict, Dispute};
use everwarm_domain::id::VenueId;
use everwarm_domain::settings::Settings;
use everwarm_domain::switch::{SafeStep, Switch};
use everwarm_domain::time::MINUTE;

const DAY_MINUTES: i64 = 1440;

pub(super) fn appended(stage: &mut Breaker, rank: u16, body: Body) -> String {
    let facts = facts_of(stage, &fact(1, rank, body));
    let words = facts.into_iter().map(|body| {
        let Body::Decision(Decision::Breaker { level, reasons, barred, strategies }) = body else {
            panic!()
        };
        let barred: Vec<String> =
            barred.iter().map(|(symbol, why)| format!("; {symbol} {why}")).collect();
        let limit = |of: &StrategyLimit| format!("; {} {:?}: {}", of.id, of.level, of.why);
        let limits: Vec<String> = strategies.iter().map(limit).collect();
        format!("{level:?} {reasons:?}{}{}", barred.concat(), limits.concat())
    });
    words.collect::<Vec<_>>().join("; ")
}

/// The equity after the close of a minute.
fn equity(minute: i64, equity: &str, adjusted: &str) -> Body {
    let (equity, adjusted) = (dec(equity), dec(adjusted));
    let time = minute * MINUTE;
    Body::Ledger(Ledger::Equity { time, equity, cash: equity, adjusted })
}

fn breaker(failures: u32, trades: u32, loss: &str) -> Breaker {
    let risk = Risk {
        max_consecutive_failures: failures,
        max_trades_per_day: trades,
        max_loss_per_day: dec(loss),
        ..Risk::default()
    };
    let settings = Settings { risk, ..Settings::default() };
    let mut stage = Breaker::default();
    assert_eq!(appended(&mut stage, 0, configured(&settings)), "");
    stage
}

#[test]
fn failures_in_a_row_count_only_for_orders_that_left_and_a_fill_forgives() {
    let mut stage = breaker(2, 0, "0");
    let rejected = |id| changed(id, OrderStatus::Rejected, "0");
    assert_eq!(appended(&mut stage, 700, changed("ew-0", OrderStatus::Expired, "0")), "");
    for id in ["ew-1", "ew-2", "ew-3", "ew-4"] {
        facts_of(&mut stage, &input(1, sent(id, 1, 0)));
    }
    assert_eq!(appended(&mut stage, 700, rejected("ew-1")), "");
    assert_eq!(appended(&mut stage, 700, filled("ew-2", Side::Buy, 1, "5", "1")), "");
    assert_eq!(appended(&mut stage, 700, rejected("ew-3")), "");
    assert_eq!(appended(&mut stage, 700, rejected("ew-3")), "", "reported twice, counted once");
    let tripped = appended(&mut stage, 700, changed("ew-4", OrderStatus::Expired, "0"));
    assert!(tripped.starts_with("ExitsOnly [\"1970-01-01: 2 orders"), "{tripped}");
    assert_eq!(appended(&mut stage, 700, filled("ew-2", Side::Sell, 2, "5", "1")), "Normal []");
}

#[test]
fn the_requests_of_one_owed_exit_that_fail_count_once() {
    let mut stage = breaker(2, 0, "0");
    let mut fails = |id: &str, symbol: &str| {
        let intent = everwarm_domain::order::OrderIntent {
            client_id: ClientOrderId(id.to_owned()),
            strategy: "sma_cross".to_owned(),
            symbol: sym(symbol),
            side: Side::Sell,
            order_type: everwarm_domain::order::OrderType::Market,
            quantity: dec("1"),
            price: None,
            close_time: 0,
            valid_until: 0,
            terms: Box::default(),
        };
        assert_eq!(appended(&mut stage, 700, Body::Order(Order::Intent(intent))), "");
        facts_of(&mut stage, &input(1, sent(id, 1, 0)));
        appended(&mut stage, 700, changed(id, OrderStatus::Rejected, "0"))
    };
    assert_eq!(fails("ew-1", "A"), "");
    assert_eq!(fails("ew-2", "A"), "", "the same exit");
    assert_eq!(fails("ew-3", "A"), "");
    let tripped = fails("ew-4", "B");
    assert!(tripped.starts_with("ExitsOnly [\"1970-01-01: 2 orders"), "{tripped}");
}

#[test]
fn a_daily_limit_ends_at_the_midnight_of_the_zone() {
    let mut stage = breaker(0, 1, "0");
    // Midnight there is 5 o'clock in UTC.
    for day in 0..2 {
        let (zone, venue) = ("America/New_York".to_owned(), VenueId::default());
        let at = (day * DAY_MINUTES + 300) * MINUTE;
        let begins = Body::Market(Market::DayBegins { venue, zone, day, at });
        assert_eq!(appended(&mut stage, 0, begins), "");
    }
    assert_eq!(appended(&mut stage, 0, close("A", 299, 1)), "");
    let tripped = appended(&mut stage, 700, filled("ew-1", Side::Buy, 1, "5", "1"));
    assert!(tripped.contains("1 entries"), "{tripped}");
    assert_eq!(appended(&mut stage, 0, close("A", DAY_MINUTES + 298, 1)), "", "a minute before");
    assert_eq!(appended(&mut stage, 0, close("A", DAY_MINUTES + 299, 1)), "Normal []");
}

#[test]
fn entries_and_losses_count_until_the_day_turns() {
    let mut stage = breaker(0, 1, "10");
    assert_eq!(appended(&mut stage, 0, close("A", 0, 1)), "");
    let tripped = appended(&mut stage, 700, filled("ew-1", Side::Buy, 1, "5", "1"));
    assert!(tripped.contains("1 entries"), "{tripped}");
    assert_eq!(appended(&mut stage, 0, close("A", DAY_MINUTES - 2, 1)), "");
    assert_eq!(appended(&mut stage, 0, close("A", DAY_MINUTES - 1, 1)), "Normal []");
    assert_eq!(appended(&mut stage, 800, equity(DAY_MINUTES, "1000", "0")), "");
    assert_eq!(appended(&mut stage, 800, equity(DAY_MINUTES + 1, "991", "0")), "");
    let withdrawn = equity(DAY_MINUTES + 2, "891", "-100");
    assert_eq!(appended(&mut stage, 800, withdrawn), "", "a withdrawal is no loss");
    let tripped = appended(&mut stage, 800, equity(DAY_MINUTES + 3, "890", "-100"));
    assert!(tripped.contains("1970-01-02: the limit of 10 loss"), "{tripped}");
    let recovered = equity(DAY_MINUTES + 4, "950", "-100");
    assert_eq!(appended(&mut stage, 800, recovered), "", "it lasts for the day");
    let bytes = stage.save();
    stage.load(&bytes).unwrap();
    assert_eq!(appended(&mut stage, 0, close("A", 2 * DAY_MINUTES, 1)), "Normal []");
    let lower = equity(2 * DAY_MINUTES + 1, "940.5", "-100");
    assert_eq!(appended(&mut stage, 800, lower), "", "9.5 since midnight");
}

#[test]
fn conflicts_leave_exits_only_and_a_twin_halts_until_none_is_left() {
    let mut stage = breaker(0, 0, "0");
    let reconciled = |disputes: &[Dispute]| {
        let conflict = |dispute: &Dispute| Conflict {
            about: "BTC".into(),
            ours: "1".into(),
            theirs: "0".into(),
            dispute: *dispute,
        };
        Body::Ledger(Ledger::Reconciled {
            life: 1,
            conflicts: disputes.iter().map(conflict).collect(),
            cash: Decimal::ZERO,
            foreign: Vec::new(),
            venue: everwarm_domain::id::VenueId::default(),
        })
    };
    assert_eq!(appended(&mut stage, 800, reconciled(&[])), "");
    let exits = appended(&mut stage, 800, reconciled(&[Dispute::Balance, Dispute::Order]));
    assert!(exits.starts_with("ExitsOnly [\"2 differences"), "{exits}");
    let halted = appended(&mut stage, 800, reconciled(&[Dispute::Twin]));
    assert!(halted.starts_with("Halted [\"an order under our name"), "{halted}");
    assert_eq!(appended(&mut stage, 800, reconciled(&[])), "Normal []");
}

#[test]
fn a_branch_that_is_kept_down_leaves_exits_only_until_it_is_up_or_a_life_begins() {
    let mut stage = breaker(0, 0, "0");
    let mut branch = |path: &str, down: bool| {
        let down = down.then(|| "broken".to_owned());
        appended(&mut stage, 0, Body::Operator(Operator::Branch { path: path.into(), down }))
    };
    let reason = "failed too often and is kept down";
    assert_eq!(branch("root/b", true), format!("ExitsOnly [\"root/b {reason}\"]"));
    assert_eq!(branch("root/b", true), "", "reported again");
    let both = format!("ExitsOnly [\"root/a {reason}\", \"root/b {reason}\"]");
    assert_eq!(branch("root/a", true), both);
    assert_eq!(branch("root/b", false), format!("ExitsOnly [\"root/a {reason}\"]"));
    let bytes = stage.save();
    stage.load(&bytes).unwrap();
    let started = Operator::Started { life: 2, installation: "i".into(), epoch: 0 };
    assert_eq!(appended(&mut stage, 0, Body::Operator(started)), "Normal []");
}

#[test]
fn a_quarantine_bars_its_symbols_or_all_entries_until_it_is_released() {
    let mut stage = breaker(0, 0, "0");
    let mut n = 0;
    let mut apply = |stage: &mut Breaker, operator| {
        n += 1;
        facts_of(stage, &input(n, Body::Operator(operator)))
    };
    let quarantined = |effect, symbols: &[&str]| Operator::Quarantined {
        rank: 200,
        stage: "indicator".into(),
        input: 7,
        effect,
        symbols: symbols.iter().map(|name| sym(name)).collect(),
        failures: 3,
        why: "broken".into(),
    };
    let mut level_after = |stage: &mut Breaker, operator| match apply(stage, operator).as_slice() {
        [] => String::new(),
        [Body::Decision(Decision::Breaker { level, reasons, barred, .. })] => {
            let symbols: Vec<_> = barred.iter().map(|(symbol, _)| symbol.to_string()).collect();
            format!("{level:?} {} {}", reasons.len(), symbols.join(" "))
        }
        other => panic!("{other:?}"),
    };
    let parts = quarantined(Effect::Parts, &["B", "A"]);
    assert_eq!(level_after(&mut stage, parts), "Normal 0 A B");
    assert_eq!(level_after(&mut stage, quarantined(Effect::Parts, &["A"])), "");
    let released = |quarantine| Operator::Released { quarantine, retry: false };
    assert_eq!(level_after(&mut stage, released(1)), "Normal 0 A");
    assert_eq!(level_after(&mut stage, quarantined(Effect::Stage, &[])), "ExitsOnly 1 A");
    let bytes = stage.save();
    stage.load(&bytes).unwrap();
    assert_eq!(level_after(&mut stage, quarantined(Effect::Stopped, &["C"])), "ExitsOnly 2 A");
    assert_eq!(level_after(&mut stage, released(5)), "ExitsOnly 1 A");
    assert_eq!(level_after(&mut stage, released(4)), "Normal 0 A");
    assert_eq!(level_after(&mut stage, released(9)), "", "none of that number");
    assert_eq!(level_after(&mut stage, released(2)), "Normal 0 ");
}

#[test]
fn what_operators_switch_is_a_level_with_their_reason() {
    let mut stage = breaker(0, 0, "0");
    let mut level_after = |switch| {
        let reason = "storm".to_owned();
        appended(&mut stage, 0, Body::Operator(Operator::Switched { switch, reason }))
    };
    let halted = "ExitsOnly [\"an operator halted trading: storm\"]";
    assert_eq!(level_after(Switch::Halt), halted);
    assert_eq!(level_after(Switch::Halt), "");
    assert!(
        level_after(Switch::Flatten).starts_with("ExitsOnly [\"an operator has everything sold")
    );
    assert!(level_after(Switch::Safe(SafeStep::Collect)).starts_with("Halted [\"a careful start"));
    assert!(level_after(Switch::Resume).starts_with("Halted [\"a careful start"));
    assert_eq!(level_after(Switch::Safe(SafeStep::Trade)), "Normal []");
}

pub(super) fn with(risk: Risk) -> Breaker {
    let mut stage = Breaker::default();
    let settings = Settings { risk, ..Settings::default() };
    assert_eq!(appended(&mut stage, 0, configured(&settings)), "");
    stage
}

fn drawdowns() -> Risk {
    Risk {
        reduce_at_drawdown_percent: 5,
        exits_only_at_drawdown_percent: 10,
        halt_at_drawdown_percent: 20,
        peak_days: 30,
        ..Risk::default()
    }
}

#[test]
fn a_drawdown_changes_the_level_once_and_a_new_peak_ends_it() {
    let mut stage = with(drawdowns());
    let mut after = |minute, value| appended(&mut stage, 800, equity(minute, value, "0"));
    assert_eq!(after(1, "1000"), "");
    assert_eq!(after(2, "950.1"), "");
    assert!(after(3, "950").starts_with("Reduced [\"the equity fell 5 % below its peak of 1000"));
    assert_eq!(after(4, "940"), "", "the same level");
    assert!(after(5, "900").starts_with("ExitsOnly [\"the equity fell 10 %"));
    assert!(after(6, "790").starts_with("Halted [\"the equity fell 20 %"));
    let mut switch = |switch| {
        let reason = "r".to_owned();
        appended(&mut stage, 0, Body::Operator(Operator::Switched { switch, reason }))
    };
    assert_eq!(switch(Switch::Resume), "", "a resume alone does not end it");
    assert_eq!(switch(Switch::NewPeak), "Normal []");
    let used = |stage: &Breaker| stage.used().map(|(_, used)| used)[3];
    assert_eq!((used(&stage), stage.is_limited()), (dec("0"), false));
    assert_eq!(appended(&mut stage, 800, equity(7, "770.25", "0")), "");
    assert_eq!(used(&stage), dec("0.5"));
}

#[test]
fn an_order_that_stays_unknown_allows_exits_only_until_it_is_known() {
    let mut stage = with(Risk { unknown_order_s: 300, ..Risk::default() });
    assert_eq!(appended(&mut stage, 0, close("A", 0, 1)), "");
    let unknown = || changed("ew-1", OrderStatus::Unknown, "0");
    assert_eq!(appended(&mut stage, 700, unknown()), "");
    assert_eq!(appended(&mut stage, 0, close("A", 3, 1)), "");
    assert_eq!(appended(&mut stage, 700, unknown()), "", "it counts from the first time");
    assert_eq!(appended(&mut stage, 0, close("A", 4, 1)), "");
    let why = "ExitsOnly [\"the state of order ew-1 is unknown since 00:01 UTC\"]";
    assert_eq!(appended(&mut stage, 0, close("A", 5, 1)), why);
    assert_eq!(appended(&mut stage, 700, changed("ew-1", OrderStatus::Open, "0")), "Normal []");
}

fn lot(symbol: &str, quantity: &str, realized: &str) -> Body {
    Body::Ledger(Ledger::Lot {
        strategy: "sma_cross".to_owned(),
        symbol: sym(symbol),
        quantity: dec(quantity),
        cost: Decimal::ZERO,
        opened: None,
        realized_pnl: dec(realized),
    })
}

fn stop(id: &str) -> Body {
    Body::Order(Order::Intent(everwarm_domain::order::OrderIntent {
        client_id: ClientOrderId(id.to_owned()),
        strategy: "sma_cross".to_owned(),
        symbol: sym("BTCUSDT"),
        side: Side::Sell,
        order_type: everwarm_domain::order::OrderType::Market,
        quantity: dec("1"),
        price: None,
        close_time: 0,
        valid_until: 0,
        terms: Box::new(everwarm_domain::order::Terms {
            stop: Some(dec("1")),
            ..everwarm_domain::order::Terms::default()
        }),
    }))
}

#[test]
fn a_filled_stop_bars_its_symbol_until_the_close_of_its_expiry() {
    let mut stage = with(Risk { stop_cooldown_minutes: 15, ..Risk::default() });
    for body in [close("A", 0, 1), lot("BTCUSDT", "1", "0"), stop("ew-1"), stop("ew-2")] {
        assert_eq!(appended(&mut stage, 0, body), "");
    }
    // A stop that another one replaces sells nothing.
    for body in [
        changed("ew-1", OrderStatus::Cancelled, "0"),
        filled("ew-2", Side::Sell, 1, "5", "1"),
        changed("ew-2", OrderStatus::Filled, "1"),
    ] {
        assert_eq!(appended(&mut stage, 700, body), "");
    }
    let barred = appended(&mut stage, 800, lot("BTCUSDT", "0", "-3"));
    assert_eq!(barred, "Normal []; BTCUSDT barred until 00:16 UTC: a stop sold it");
    assert_eq!(appended(&mut stage, 0, close("A", 14, 1)), "");
    assert_eq!(appended(&mut stage, 0, close("A", 15, 1)), "Normal []");
    // A sale at the market is no stop.
    for body in [lot("BTCUSDT", "1", "-3"), stop("ew-3")] {
        assert_eq!(appended(&mut stage, 0, body), "");
    }
    assert_eq!(appended(&mut stage, 700, filled("ew-4", Side::Sell, 1, "5", "1")), "");
    assert_eq!(appended(&mut stage, 800, lot("BTCUSDT", "0", "-4")), "");
}

#[test]
fn a_stop_that_is_judged_at_closes_bars_its_symbol_as_a_stop_order_does() {
    let owed = |rule, ended: Option<&str>| {
        Body::Decision(Decision::Owed {
            strategy: "sma_cross".to_owned(),
            symbol: sym("BTCUSDT"),
            since: 0,
            cause: String::new(),
            revision: 0,
            tries: 0,
            refusal: None,
            ended: ended.map(str::to_owned),
            rule,
        })
    };
    for (rule, is_stop) in [
        (None, false),
        (Some(ExitRule::Target), false),
        (Some(ExitRule::Stop), true),
        (Some(ExitRule::TrailingStop), true),
    ] {
        let mut stage = with(Risk { stop_cooldown_minutes: 15, ..Risk::default() });
        for body in [close("A", 0, 1), lot("BTCUSDT", "1", "0")] {
            assert_eq!(appended(&mut stage, 0, body), "");
        }
        assert_eq!(appended(&mut stage, 600, owed(rule, None)), "");
        let bytes = stage.save();
        stage.load(&bytes).unwrap();
        // A later fact about the exit does not state the rule.
        assert_eq!(appended(&mut stage, 600, owed(None, None)), "");
        assert_eq!(appended(&mut stage, 700, filled("ew-1", Side::Sell, 1, "5", "1")), "");
        let barred = appended(&mut stage, 800, lot("BTCUSDT", "0", "-3"));
        assert_eq!(barred.contains("a stop sold it"), is_stop, "{rule:?} {barred}");
        assert_eq!(appended(&mut stage, 600, owed(None, Some("sold"))), "");
        // The next lot is sold by a signal.
        for body in [lot("BTCUSDT", "1", "-3"), close("A", 20, 1)] {
            appended(&mut stage, 0, body);
        }
        assert_eq!(appended(&mut stage, 700, filled("ew-2", Side::Sell, 1, "5", "1")), "");
        assert_eq!(appended(&mut stage, 800, lot("BTCUSDT", "0", "-4")), "");
    }
}

/// Facts as a busy and unlucky account makes them, from a seed.
fn busy(seed: u64) -> Vec<Body> {
    let mut state = seed;
    let mut next = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let (mut bodies, mut equities, mut made) = (Vec::new(), 10_000_i64, [0_i64; 2]);
    for minute in 0..900 {
        let minute = minute * 17;
        bodies.push(close("A", minute, 1));
        equities += i64::try_from(next(200)).unwrap() - 103;
        bodies.push(equity(minute, &equities.to_string(), "0"));
        let of = usize::try_from(next(2)).unwrap();
        let (symbol, id) = (["BTCUSDT", "ETHUSDT"][of], format!("ew-{minute}"));
        match next(12) {
            0..=3 => {
                made[of] += i64::try_from(next(20)).unwrap() - 12;
                bodies.push(lot(symbol, "1", &made[of].to_string()));
                if next(2) == 0 {
                    bodies.push(stop(&id));
                }
                bodies.push(filled(&id, Side::Sell, 1, "5", "1"));
                bodies.push(lot(symbol, "0", &(made[of] - 1).to_string()));
                made[of] -= 1;
            }
            4 => bodies.push(changed("ew-u", OrderStatus::Unknown, "0")),
            5 => bodies.push(changed("ew-u", OrderStatus::Open, "0")),
            6 => bodies.push(sent(&id, 1, 0)),
            7 => bodies.push(changed(&id, OrderStatus::Rejected, "0")),
            8 if next(9) == 0 => bodies.push(Body::Operator(Operator::Switched {
                switch: Switch::NewPeak,
                reason: "r".to_owned(),
            })),
            _ => {}
        }
    }
    bodies
}

#[test]
fn what_it_appends_does_not_depend_on_where_its_state_is_saved() {
    let risk = Risk {
        max_loss_per_day: dec("700"),
        losses_in_a_row: 3,
        losses_bar_minutes: 60,
        symbol_trades: 5,
        symbol_trades_bar_minutes: 360,
        stop_cooldown_minutes: 15,
        strategy_reduce_at_stops: 2,
        strategy_reduce_at_stop_percent: 20,
        strategy_exits_only_at_stops: 3,
        strategy_exits_only_at_stop_percent: 30,
        unknown_order_s: 900,
        peak_days: 3,
        ..drawdowns()
    };
    let mut seen = BTreeSet::new();
    for seed in 1..=6 {
        let (bodies, mut facts) = (busy(seed), Vec::new());
        let mut whole = with(risk.clone());
        for body in &bodies {
            facts.push(appended(&mut whole, 0, body.clone()));
        }
        for piece in [1, 7, 64] {
            let mut parts = with(risk.clone());
            for (place, (body, expected)) in bodies.iter().zip(&facts).enumerate() {
                if place % piece == 0 {
                    let bytes = parts.save();
                    parts = Breaker::default();
                    parts.load(&bytes).unwrap();
                }
                assert_eq!(appended(&mut parts, 0, body.clone()), *expected, "{seed} {place}");
            }
            assert_eq!(parts, whole);
        }
        for word in ["Normal", "Reduced", "ExitsOnly", "Halted", "barred", "stop-outs", "unknown"] {
            if facts.iter().any(|fact| fact.contains(word)) {
                seen.insert(word);
            }
        }
    }
    assert_eq!(seen.len(), 7, "{seen:?}");
}
