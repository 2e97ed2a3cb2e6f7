//! Tests the sizes of entries and their caps, round by round.

use super::*;
use crate::risk::exposure::{Exposure, Open};
use everwarm_domain::settings::sizes::groups;
use everwarm_domain::settings::{ExitRules, Size, SizeRules};

const NAME: &str = "sma_cross";

/// A stage that knows an equity of 10,000.
fn sizing(change: impl FnOnce(&mut Settings)) -> Decide {
    let mut stage = ready(change);
    valued(&mut stage, "10000");
    stage
}

fn valued(stage: &mut Decide, equity: &str) {
    let (equity, cash, adjusted) = (dec(equity), dec("1"), Decimal::ZERO);
    let equity = Ledger::Equity { time: T, equity, cash, adjusted };
    facts_of(stage, &fact(1, rank::LEDGER.0, Body::Ledger(equity)));
}

fn size(text: &str) -> impl FnOnce(&mut Settings) {
    let size = Size::read(text).unwrap();
    move |settings| settings.strategy.set_size(NAME, size)
}

/// The quantity and the arithmetic of each approval, or the refusal.
fn arithmetic(stage: &mut Decide, rows: &[Signal]) -> Vec<String> {
    let signals = Body::Analysis(Analysis::Signals { rows: rows.to_vec() });
    let decided = facts_of(stage, &fact(2, 400, signals)).into_iter();
    let words = decided.map(|body| match body {
        Body::Decision(Decision::Approved { intent, sizing, .. }) => {
            format!("{} = {}", intent.quantity, sizing.unwrap_or_default())
        }
        Body::Decision(Decision::Declined { code, text, .. }) => format!("{code}: {text}"),
        other @ (Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_)) => panic!("{other:?}"),
    });
    words.collect()
}

#[test]
fn an_entry_needs_the_least_confidence_of_its_strategy_and_an_exit_none() {
    let sure = |ppm| Signal { confidence_ppm: ppm, ..buy("BTCUSDT") };
    let least = |settings: &mut Settings| {
        settings.strategy.set_size(NAME, Size::Fixed);
        settings.strategy.0.get_mut(NAME).unwrap().min_confidence_ppm = 400_000;
    };
    let mut stage = ready(least);
    assert_eq!(
        arithmetic(&mut stage, &[sure(399_999)]),
        ["confidence: its confidence 0.399999 is below min_confidence 0.4"]
    );
    let saved = stage.save();
    let mut stage = Decide::default();
    stage.load(&saved).unwrap();
    assert_eq!(arithmetic(&mut stage, &[sure(0)]).len(), 1, "also after a restart");
    assert_eq!(arithmetic(&mut stage, &[sure(400_000)]), ["10 = "]);
    let mut stage = ready(least);
    let exit = Signal { intent: Intent::Close, ..sure(0) };
    let decided = arithmetic(&mut stage, &[exit]);
    assert!(!decided[0].starts_with("confidence"), "{decided:?}");
    let mut other = ready(least);
    let others = Signal { strategy: "other".to_owned(), ..sure(0) };
    assert_eq!(arithmetic(&mut other, &[others]), ["10 = "], "another strategy has none");
}

fn total(settings: &mut Settings, most: &str) {
    settings.risk.sizes.max_exposure = Some(dec(most));
}

#[test]
fn a_fixed_size_has_no_arithmetic_unless_a_cap_cuts_it() {
    assert_eq!(arithmetic(&mut ready(|_| {}), &[buy("BTCUSDT")]), ["10 = "]);
    let mut stage = ready(|settings| total(settings, "1010"));
    assert_eq!(arithmetic(&mut stage, &[buy("BTCUSDT")]), ["10 = "], "as much as the cap");
    let mut stage = ready(|settings| total(settings, "505"));
    assert_eq!(
        arithmetic(&mut stage, &[buy("BTCUSDT")]),
        ["5 = notional 1000 / 100 = 10, down to 10, cut to 5 by risk.max_exposure: the account \
          has 0 of 505"]
    );
}

#[test]
fn a_share_of_the_equity_follows_the_previous_close() {
    let mut stage = ready(size("equity 10%"));
    assert_eq!(
        arithmetic(&mut stage, &[buy("BTCUSDT")]),
        ["no-equity: the size \"equity 10%\" of sma_cross needs the equity: it is known only \
          after the first close"]
    );
    valued(&mut stage, "10000");
    valued(&mut stage, "12345.67");
    let bytes = stage.save();
    stage.load(&bytes).unwrap();
    assert_eq!(
        arithmetic(&mut stage, &[buy("BTCUSDT")]),
        ["12.3456 = equity 12345.67 x 10% / 100 = 12.34567, down to 12.3456"]
    );
}

#[test]
fn a_size_by_risk_uses_the_stop_that_the_lot_will_have() {
    let by_risk = |rules: ExitRules| {
        let mut stage = sizing(|settings| {
            size("risk 0.5%")(settings);
            settings.strategy.set_exits(NAME, rules);
        });
        arithmetic(&mut stage, &[buy("BTCUSDT")]).remove(0)
    };
    let costs = "+ 0.195 fees + 0.05 slippage";
    assert_eq!(
        by_risk(ExitRules::default()),
        format!("9.5328 = equity 10000 x 0.5% / (100 - 95 {costs}) = 9.53288846, down to 9.5328")
    );
    let trail_ppm = Some(50_000);
    let trailing = by_risk(ExitRules { trail_ppm, ..ExitRules::none() });
    assert!(trailing.starts_with("9.5328 = "), "it counts from the entry on: {trailing}");
    let later = ExitRules { trail_ppm, trail_from_ppm: Some(1), ..ExitRules::none() };
    for rules in [later, ExitRules::none()] {
        assert_eq!(
            by_risk(rules),
            "no-stop: the size \"risk 0.5%\" of sma_cross needs a stop, and it has none"
        );
    }
    let near = by_risk(ExitRules { stop_ppm: Some(200), ..ExitRules::none() });
    assert!(near.starts_with("stop-too-near: the stop 99.98 is 0.02 below"), "{near}");
}

#[test]
fn a_reduced_strategy_has_half_of_any_size() {
    let mut stage = sizing(size("equity 10%"));
    let breaker = Decision::Breaker {
        level: BreakerLevel::Reduced,
        reasons: vec!["why".into()],
        barred: vec![],
        strategies: vec![],
    };
    facts_of(&mut stage, &fact(2, 500, Body::Decision(breaker)));
    assert_eq!(
        arithmetic(&mut stage, &[buy("BTCUSDT")]),
        ["5 = equity 10000 x 10% x 0.5 (reduced) / 100 = 5, down to 5"]
    );
}

#[test]
fn what_the_cash_does_not_pay_is_cut_or_refused() {
    let mut stage = sizing(size("equity 100%"));
    stage.cash = Some(dec("505"));
    assert_eq!(
        arithmetic(&mut stage, &[buy("BTCUSDT"), buy("ETHUSDT")]),
        [
            "5 = equity 10000 x 100% / 100 = 100, down to 100, cut to 5 by the free cash of 505",
            "cash: 10100 USDT are needed, 0 are free",
        ]
    );
}

#[test]
fn lots_and_reserved_entries_count_and_sales_do_until_they_are_filled() {
    let mut stage = ready(|settings| settings.risk.sizes.max_symbol_exposure = Some(dec("1515")));
    // 5 units that another strategy holds, at the last close of 100.
    let lot = |strategy: &str, quantity: &str| {
        let (strategy, symbol) = (strategy.to_owned(), sym("BTCUSDT"));
        let (quantity, zero) = (dec(quantity), Decimal::ZERO);
        let lot = Ledger::Lot {
            strategy,
            symbol,
            quantity,
            cost: zero,
            opened: None,
            realized_pnl: zero,
        };
        fact(1, rank::LEDGER.0, Body::Ledger(lot))
    };
    facts_of(&mut stage, &lot("other", "5"));
    assert_eq!(arithmetic(&mut stage, &[buy("BTCUSDT")]), ["10 = "], "1010 of 1015 are left");
    let id = stage.holds.keys().next().unwrap().0.clone();
    let third = |time| Signal { strategy: "third".into(), ..signal("BTCUSDT", Side::Buy, time) };
    let full = "the cap is 1515 (risk.max_symbol_exposure): no order fits";
    assert_eq!(
        arithmetic(&mut stage, &[third(T)]),
        [format!("cap-symbol: the exposure of BTCUSDT is 1510, {full}")]
    );
    let other = Signal { strategy: "third".into(), ..buy("ETHUSDT") };
    assert_eq!(arithmetic(&mut stage, &[other]), ["10 = "], "another symbol has its own cap");
    // A part is filled: it counts as a lot, and the rest stays reserved.
    facts_of(&mut stage, &fact(3, 700, changed(&id, OrderStatus::PartlyFilled, "4")));
    facts_of(&mut stage, &lot(NAME, "4"));
    assert_eq!(
        arithmetic(&mut stage, &[third(T)]),
        [format!("cap-symbol: the exposure of BTCUSDT is 1510, {full}")]
    );
    // The price falls.
    let bars = vec![bar("BTCUSDT", 10, 50)];
    facts_of(&mut stage, &input(3, Body::Market(Market::close(T + 60_000, bars, Vec::new()))));
    facts_of(&mut stage, &fact(4, 700, changed(&id, OrderStatus::Cancelled, "4")));
    assert_eq!(arithmetic(&mut stage, &[third(T + 60_000)]), ["10 = "], "450 are used");
}

#[test]
fn entries_of_one_round_share_a_cap_and_the_surest_goes_first() {
    let mut stage = ready(|settings| {
        settings.risk.sizes.groups = groups("majors: BTCUSDT, ETHUSDT = 1515").unwrap();
    });
    let sure = |symbol, confidence_ppm| Signal { confidence_ppm, ..buy(symbol) };
    let rows = [sure("ADAUSDT", 1), sure("BTCUSDT", 2), sure("ETHUSDT", 3)];
    assert_eq!(
        arithmetic(&mut stage, &rows),
        [
            "10 = ",
            "5 = notional 1000 / 100 = 10, down to 10, cut to 5 by risk.groups: the group majors \
             has 1010 of 1515",
            "10 = ",
        ]
    );
}

#[test]
fn a_lot_of_a_symbol_without_a_close_counts_at_its_entry() {
    let mut stage = ready(|settings| total(settings, "2000"));
    let lot = Ledger::Lot {
        strategy: NAME.to_owned(),
        symbol: sym("BTCUSDT"),
        quantity: dec("3"),
        cost: dec("1200"),
        opened: Some(0),
        realized_pnl: Decimal::ZERO,
    };
    facts_of(&mut stage, &fact(1, rank::LEDGER.0, Body::Ledger(lot)));
    stage.newest.remove_all(&[sym("BTCUSDT")]);
    let words = arithmetic(&mut stage, &[buy("ETHUSDT")]);
    assert!(words[0].ends_with("the account has 1200 of 2000"), "{words:?}");
}

#[test]
fn exits_are_never_capped() {
    let mut stage = ready(|settings| total(settings, "1"));
    facts_of(&mut stage, &fact(1, rank::LEDGER.0, position("BTCUSDT", "2", "9000")));
    assert_eq!(ask(&mut stage, &[sell("BTCUSDT")]), ["Sell 2 BTCUSDT holding 0"]);
    assert_eq!(
        ask(&mut stage, &[buy("ETHUSDT")]),
        ["ETHUSDT cap-total: the exposure of the account is 200, the cap is 1 \
          (risk.max_exposure): no order fits"]
    );
}

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % most
    }
}

#[test]
fn no_round_leaves_more_open_than_any_cap() {
    let symbols = ["ADAUSDT", "BTCUSDT", "ETHUSDT"];
    let (mut numbers, mut approved, mut cut) = (Numbers(3), 0, 0);
    for turn in 0..400 {
        let sizes = ["fixed", "equity 7%", "equity 90%", "risk 2%"];
        let mut cap = || Decimal::from(numbers.below(4_000) + 1);
        let [all, symbol, strategy, venue, group] = [cap(), cap(), cap(), cap(), cap()];
        let rules = SizeRules {
            max_exposure: Some(all),
            max_symbol_exposure: Some(symbol),
            max_strategy_exposure: Some(strategy),
            max_venue_exposure: Some(venue),
            groups: groups(&format!("g: ADAUSDT, ETHUSDT = {group}")).unwrap(),
            ..SizeRules::default()
        };
        let mut stage = sizing(|settings| {
            settings.risk.sizes = rules.clone();
            for id in ["a", "b"] {
                let text = sizes[usize::try_from(numbers.below(4)).unwrap()];
                settings.strategy.set_size(id, Size::read(text).unwrap());
            }
        });
        for symbol in symbols {
            let quantity = numbers.below(9).to_string();
            facts_of(&mut stage, &fact(1, rank::LEDGER.0, position(symbol, &quantity, "8000")));
        }
        let before = stage.exposure();
        let open = |exposure: &Exposure<'_>, symbol: &str, strategy: &str| {
            let (symbol, amount) = (sym(symbol), Decimal::ZERO);
            let venue = instrument("BTCUSDT").venue;
            let limits = exposure.limits(&rules, &Open { symbol, strategy, venue, amount });
            limits.into_iter().map(|limit| (limit.key, limit.used, limit.most)).collect::<Vec<_>>()
        };
        let names = || symbols.iter().flat_map(|symbol| ["a", "b"].map(|id| (*symbol, id)));
        let was: Vec<_> = names().map(|(symbol, id)| open(&before, symbol, id)).collect();
        let rows: Vec<Signal> =
            names().map(|(symbol, id)| Signal { strategy: id.to_owned(), ..buy(symbol) }).collect();
        let signals = Body::Analysis(Analysis::Signals { rows });
        let mut entries = Vec::new();
        for body in facts_of(&mut stage, &fact(2, 400, signals)) {
            let Body::Decision(Decision::Approved { intent, reserved, sizing, .. }) = body else {
                continue;
            };
            approved += 1;
            cut += u32::from(sizing.is_some_and(|words| words.contains(" cut to ")));
            entries.push((intent.symbol, intent.strategy, reserved));
        }
        // What they reserve is counted here, apart from the stage.
        for ((symbol, id), was) in names().zip(was) {
            for (key, before, most) in was {
                let counts = |(of, strategy, _): &&(Symbol, String, Decimal)| match key.as_str() {
                    "risk.max_symbol_exposure" => *of == sym(symbol),
                    "risk.max_strategy_exposure" => strategy == id,
                    "risk.groups" => *of != sym("BTCUSDT"),
                    _ => true,
                };
                let reserved = entries.iter().filter(counts).map(|(.., reserved)| *reserved);
                let used = reserved.fold(before, Decimal::saturating_add);
                assert!(used <= most.max(before), "{turn}: {key} {used} > {most}");
            }
        }
    }
    assert!(approved > 200 && cut > 100, "{approved} {cut}");
}
