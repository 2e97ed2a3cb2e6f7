//! The configuration changes and operators speak while it trades: it is the old or the new, never
//! between, whatever faults are injected meanwhile.

use super::{learned_of, none_failed, number};
use everwarm::chaos::feed::{self, START};
use everwarm::chaos::rig::{Outcome, Plan, run};
use everwarm::chaos::sweep::{Die, every_target, mixture, pack, sweep};
use everwarm_domain::fact::{Analysis, Body, Decision, Market, Operator, Order};
use everwarm_domain::order::Side;
use everwarm_domain::time::MINUTE;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};

/// Mixtures in every test run.
const MIXTURES: u64 = 8;

/// What happened of note, with the minute of the close before.
fn events(outcome: &Outcome) -> Vec<(i64, String)> {
    let (mut minute, mut events) = (0, Vec::new());
    for fact in &outcome.facts {
        let event = match &fact.body {
            Body::Market(Market::Close { time, bars, missing, .. }) => {
                minute = (time - START) / MINUTE;
                let symbols = bars.iter().map(|bar| bar.symbol).chain(missing.iter().copied());
                format!("close of {}", symbols.map(|s| s.to_string()).collect::<Vec<_>>().join(" "))
            }
            Body::Operator(Operator::ConfigApplied { generation, .. }) => {
                format!("generation {generation}")
            }
            Body::Market(Market::Universe { listed, unlisted, .. }) => {
                let listed = listed.iter().map(|l| format!("{} {}", l.symbol, l.standing().name()));
                let gone = unlisted.iter().map(|symbol| format!("{symbol} -"));
                format!("listed: {}", listed.chain(gone).collect::<Vec<_>>().join(", "))
            }
            Body::Analysis(Analysis::FeaturePlan { features, .. }) => {
                format!("computes {}", features.join(" "))
            }
            Body::Decision(Decision::Approved { intent, reason, .. }) => {
                format!("{:?} by {}: {reason} in {}", intent.side, intent.strategy, intent.symbol)
            }
            Body::Decision(Decision::Declined { code, .. }) => format!("declined {code}"),
            Body::Order(Order::Filled { side: Side::Sell, strategy, .. }) => {
                format!("sold by {strategy}")
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => continue,
        };
        events.push((minute, event));
    }
    events
}

#[test]
fn what_is_changed_while_it_trades_holds_from_there_on_and_what_is_held_keeps_its_rules() {
    let outcome = run(&feed::steered(), &Plan { workers: 2, ..Plan::default() }).unwrap();
    assert_eq!(outcome.broken, Vec::<String>::new(), "the audit is one of the invariants");
    let events = events(&outcome);
    let text: Vec<String> = events.iter().map(|(at, event)| format!("{at} {event}")).collect();
    let text = text.join("\n");
    let within = |from: i64, to: i64, words: &str| {
        events.iter().filter(|(at, e)| (from..to).contains(at) && e.contains(words)).count()
    };
    for (minute, generation) in [(30, 2), (52, 3), (84, 4), (90, 5), (170, 6), (205, 7), (240, 8)] {
        assert_eq!(within(minute, minute + 1, &format!("generation {generation}")), 1, "{text}");
    }
    assert!(within(30, 31, "sma(30)@1m") > 0, "the lengths before go on for what is held\n{text}");
    assert!(within(30, 60, "crossed below sma30") > 0, "and it is left by them\n{text}");
    assert_eq!(within(31, 170, "crossed above sma30"), 0, "nothing is entered by them\n{text}");
    assert!(within(31, 170, "crossed above sma12") > 0, "{text}");
    assert_eq!(within(61, 80, "Buy by"), 0, "off by an operator\n{text}");
    assert_eq!(within(85, 91, "Buy by"), 0, "strategy.enabled = false\n{text}");
    assert_eq!(within(131, 160, "Buy by"), 0, "halted\n{text}");
    assert!(within(131, 160, "declined exits-only") > 0, "{text}");
    assert!(within(131, 160, "Sell by sma_cross") > 0, "exits continue\n{text}");
    let flattened = "Sell by sma_cross: an operator has everything sold";
    assert!(within(195, 196, flattened) > 0, "of the lot of who holds it\n{text}");
    assert!(within(195, 198, "sold by sma_cross") > 0, "{text}");
    assert_eq!(within(196, 215, "Buy by"), 0, "{text}");
}

#[test]
fn a_symbol_the_configuration_leaves_out_goes_at_once_and_comes_back() {
    let outcome = run(&feed::steered(), &Plan { workers: 2, ..Plan::default() }).unwrap();
    let events = events(&outcome);
    let text: Vec<String> = events.iter().map(|(at, event)| format!("{at} {event}")).collect();
    let text = text.join("\n");
    let within = |from: i64, to: i64, words: &str| {
        events.iter().filter(|(at, e)| (from..to).contains(at) && e.contains(words)).count()
    };
    // Nothing of it is held by then.
    assert_eq!(within(205, 206, "listed: AAAUSD -"), 1, "{text}");
    assert_eq!(within(206, 241, "AAAUSD"), 1, "it is in no close, and nothing is done\n{text}");
    assert_eq!(within(240, 241, "listed: AAAUSD trading"), 1, "{text}");
    assert_eq!((within(206, 241, "close of BBBUSD"), within(241, 260, "AAAUSD BBBUSD")), (35, 19));
    assert_eq!(within(216, 241, "Buy by"), 1, "the other one goes on\n{text}");
    assert!(within(216, 241, "in BBBUSD") > 0, "{text}");
    let bought = |(at, e): &&(i64, String)| {
        (241..260).contains(at) && e.starts_with("Buy by") && e.ends_with("in AAAUSD")
    };
    let bought = events.iter().filter(bought).count();
    assert_eq!(bought, 1, "with averages that know its past\n{text}");
}

#[test]
fn kills_around_every_change_end_the_same() {
    let (feed, learned) = learned_of("steered");
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    // All points of those who see to it; of the others mixtures.
    let mut passings = learned.passings.clone();
    passings.retain(|(_, who, _), _| ["config", "universe", "store"].contains(&who.as_str()));
    let mut plans = pack(every_target(&passings, &mut die), 7, &mut die);
    plans.extend(
        (0..MIXTURES).map(|_| mixture(&learned.passings, &learned.operations, die.throw())),
    );
    let swept = sweep(feed, &plans, &learned.picture);
    println!("{} runs of {} lives, {} targets", swept.runs, swept.lives, swept.injected.len());
    none_failed("steered", &swept);
    assert!(swept.injected.keys().any(|(_, who, ..)| who == "config"));
}

#[test]
fn an_average_that_a_reload_adds_is_there_with_the_next_close() {
    let outcome = run(&feed::lengthened(), &Plan { workers: 2, ..Plan::default() }).unwrap();
    assert_eq!(outcome.broken, [""; 0]);
    let (mut loaded, mut plans, mut rows) = (Vec::new(), 0, 0);
    for fact in &outcome.facts {
        match &fact.body {
            Body::Market(Market::HistoryLoaded { symbol, plan, count, .. }) if *plan > 0 => {
                assert!(*count > 0 || symbol.as_str() == "CCCUSD", "{symbol} has a past");
                loaded.push((*plan, *symbol));
            }
            Body::Analysis(Analysis::FeaturePlan { .. }) => plans += 1,
            Body::Analysis(Analysis::FeatureValues { plan, table, .. }) => {
                for row in table.rows().filter(|row| row.head.symbol.as_str() != "CCCUSD") {
                    assert!(row.values.iter().all(|v| v.is_finite()), "plan {plan}: {row:?}");
                    rows += 1;
                }
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
    assert_eq!((plans, rows), (3, 20));
    assert_eq!(loaded.len(), 6, "once a plan and symbol: {loaded:?}");
    loaded.sort_unstable();
    loaded.dedup();
    assert_eq!(loaded.len(), 6);
}

#[test]
fn kills_while_the_past_of_a_new_average_is_loaded_end_the_same() {
    let (feed, learned) = learned_of("lengthened");
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    let mut passings = learned.passings.clone();
    // Whoever asks for the past and announces it, at every step; those around it somewhere.
    let sites = [Site::BeforeAppend, Site::AfterAppend, Site::AfterReceive];
    let mut groups = Vec::new();
    for ((site, who, phase), count) in &passings {
        if !(sites.contains(site) && ["closer", "AAAUSD"].contains(&who.as_str())) {
            continue;
        }
        let faults = (1..=*count)
            .flat_map(|nth| [FaultKind::Kill, FaultKind::Die].map(|fault_kind| (nth, fault_kind)));
        let fault = |(nth, fault_kind)| PlannedFault {
            site: *site,
            who: who.clone(),
            phase: *phase,
            nth,
            kind: fault_kind,
        };
        groups.extend(faults.map(|planned| vec![fault(planned)]));
    }
    passings.retain(|(_, who, _), _| ["indicator", "projector"].contains(&who.as_str()));
    groups.extend(every_target(&passings, &mut die));
    let plans = pack(groups, 4, &mut die);
    let swept = sweep(feed, &plans, &learned.picture);
    println!("{} runs of {} lives, {} targets", swept.runs, swept.lives, swept.injected.len());
    none_failed("lengthened", &swept);
    for (site, who) in [(Site::BeforeAppend, "closer"), (Site::AfterReceive, "AAAUSD")] {
        for fault_kind in [FaultKind::Kill, FaultKind::Die] {
            let target = (site, who.to_owned(), Phase::Live, fault_kind);
            assert!(swept.injected.contains_key(&target), "{target:?}");
        }
    }
}
