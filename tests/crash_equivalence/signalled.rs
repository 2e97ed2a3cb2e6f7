//! An external program signals between closes, and sends each signal again. Each acts once,
//! whatever is killed around it: a run ends as the plain loop, which gets each signal once.

use super::{kills_of, learned_of, none_failed, number};
use everwarm::chaos::feed::PROGRAM;
use everwarm::chaos::plain;
use everwarm::chaos::rig::{Plan, run};
use everwarm::chaos::sweep::{Die, pack, sweep};
use everwarm_domain::fact::{Analysis, Body, Decision, Operator};
use everwarm_domain::order::Side;
use everwarm_runtime::chaos::{FaultKind, PlannedFault, Site};
use std::collections::BTreeMap;

#[test]
fn a_repeated_signal_acts_once_and_the_plain_loop_ends_the_same() {
    let (feed, learned) = learned_of("signalled");
    assert_eq!(plain::play(feed).unwrap().difference(&learned.picture), None);
    let outcome = run(feed, &Plan::default()).unwrap();
    assert_eq!(outcome.broken, [""; 0]);
    let (mut arrived, mut passed) = (BTreeMap::<_, u32>::new(), BTreeMap::<_, u32>::new());
    let (mut bought, mut sold, mut declined) = (0, 0, 0);
    for fact in &outcome.facts {
        match &fact.body {
            Body::Operator(Operator::Signalled(signal)) => {
                *arrived.entry(signal.id.clone()).or_default() += 1;
            }
            Body::Analysis(Analysis::Signals { rows }) => {
                for id in rows.iter().filter_map(|row| row.terms.id.clone()) {
                    *passed.entry(id).or_default() += 1;
                }
            }
            Body::Decision(Decision::Approved { intent, .. })
                if intent.strategy == PROGRAM && intent.protection().is_none() =>
            {
                match intent.side {
                    Side::Buy => bought += 1,
                    Side::Sell => sold += 1,
                }
            }
            Body::Decision(Decision::Declined { signal, .. }) if signal.strategy == PROGRAM => {
                declined += 1;
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
    let all = feed.script.len();
    assert!(arrived.len() == all && arrived.values().all(|times| *times == 2), "{arrived:?}");
    assert!(passed.len() == all && passed.values().all(|times| *times == 1), "{passed:?}");
    let text = format!("{bought} bought, {sold} sold, {declined} declined");
    assert!(bought >= 4 && sold >= 2 && declined >= 2, "{text}");
}

#[test]
fn kills_around_every_signal_end_the_same() {
    let (feed, learned) = learned_of("signalled");
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    let sites = [Site::BeforeAppend, Site::AfterAppend];
    let mut groups = Vec::new();
    for ((site, who, phase), passed) in &learned.passings {
        if sites.contains(site) && who == "script" {
            let fault = |nth| PlannedFault {
                site: *site,
                who: who.clone(),
                phase: *phase,
                nth,
                kind: FaultKind::Die,
            };
            groups.extend((1..=*passed).map(|nth| vec![fault(nth)]));
        }
    }
    assert!(groups.len() >= 4 * feed.script.len(), "{groups:?}");
    let plans = pack(groups, 8, &mut die);
    let swept = sweep(feed, &plans, &learned.picture);
    println!("{} runs of {} lives, {} targets", swept.runs, swept.lives, swept.injected.len());
    none_failed("signalled", &swept);
    assert!(swept.injected.keys().any(|(_, who, ..)| who == "script"));
}

#[test]
fn kills_of_whoever_acts_on_a_signal_end_the_same() {
    let acts = ["decision", PROGRAM, "gateway", "order-manager", "ledger", "breaker"];
    kills_of("signalled", &acts, 3);
}
