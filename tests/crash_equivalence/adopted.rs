//! What a person trades on the website of the venue is adopted once, and kills end the same.

use super::{none_failed, number};
use everwarm::chaos::feed;
use everwarm::chaos::rig::{Outcome, Plan, run};
use everwarm::chaos::sweep::{Die, learn, pack, sweep};
use everwarm::chaos::venue_time::short;
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{Body, Order};
use everwarm_domain::order::{Side, is_adopted};
use everwarm_kernel::fact::Body as _;
use everwarm_runtime::chaos::{FaultKind, PlannedFault, Site};

/// Minutes of the feed that a run needs.
const MINUTES: i64 = 66;

/// The adopted orders, each with its side, in the order of their first trades.
fn adopted(outcome: &Outcome) -> Vec<(String, Side)> {
    let mut orders: Vec<(String, Side)> = Vec::new();
    for fact in &outcome.facts {
        if let Body::Order(Order::Filled { client_id, strategy, side, .. }) = &fact.body
            && is_adopted(client_id, strategy)
            && orders.iter().all(|(id, _)| *id != client_id.0)
        {
            orders.push((client_id.0.clone(), *side));
        }
    }
    orders
}

#[test]
fn kills_around_what_a_person_trades_end_the_same() {
    let feed = short(&feed::adopting(), MINUTES);
    let calm = run(&feed, &Plan::default()).unwrap();
    assert_eq!(calm.broken, [""; 0]);
    let sides: Vec<Side> = adopted(&calm).into_iter().map(|(_, side)| side).collect();
    assert_eq!(sides, [Side::Buy, Side::Buy, Side::Sell]);
    assert!(calm.facts.iter().any(|fact| fact.body.kind() == kind::EXTERNAL_TRADED));

    let learned = learn(&feed).unwrap();
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    let mut groups = Vec::new();
    let around = [Site::BeforeAppend, Site::AfterAppend];
    for ((site, who, phase), passed) in &learned.passings {
        if !(around.contains(site) && ["gateway", "script", "answers"].contains(&who.as_str())) {
            continue;
        }
        let fault_kinds: &[FaultKind] = if who == "script" {
            &[FaultKind::Die]
        } else {
            &[FaultKind::Die, FaultKind::Kill, FaultKind::Panic]
        };
        // The last of them: the trades are near the end of this feed.
        let from = if who == "script" { 1 } else { 1 + passed * 2 / 3 };
        for nth in from..=*passed {
            for fault_kind in fault_kinds {
                groups.push(vec![PlannedFault {
                    site: *site,
                    who: who.clone(),
                    phase: *phase,
                    nth,
                    kind: *fault_kind,
                }]);
            }
        }
    }
    let plans = pack(groups, 4, &mut die);
    let swept = sweep(&feed, &plans, &learned.picture);
    println!("{} runs of {} lives, {} targets", swept.runs, swept.lives, swept.injected.len());
    none_failed("adopting", &swept);
    assert!(swept.injected.keys().any(|(_, who, ..)| who == "script"));
}
