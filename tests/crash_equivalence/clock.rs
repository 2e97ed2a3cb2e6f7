//! Time that has to pass by itself: a wake-up of a stage becomes an input of the clock, whatever
//! faults are injected.
//!
//! In lockstep nothing is left to wait for but where something went wrong before: an order that was
//! announced and never left may not be sent again, because a twin trades on the account. It ends
//! when it is too old, without a bar.

use super::learned;
use everwarm::chaos::feed;
use everwarm::chaos::rig::{Outcome, Plan, run};
use everwarm::chaos::sweep::{BLOWS, verdict};
use everwarm_domain::fact::{Body, Operator, Order};
use everwarm_domain::order::OrderStatus;
use everwarm_runtime::chaos::faults::Image;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use std::collections::BTreeSet;

/// The process dies when a request is about to leave, and a twin appears before the next life.
/// It is the first request: its orders come from one input. Which orders share a later request
/// differs from run to run, and with them what is owed.
fn with_a_twin(more: &[PlannedFault]) -> Result<Outcome, String> {
    let (site, who, phase) = (Site::BeforeSend, "gateway".to_owned(), Phase::Live);
    let mut planned = vec![PlannedFault { site, who, phase, nth: 1, kind: FaultKind::Die }];
    planned.extend_from_slice(more);
    let (twin, image) = (Some(feed::twin()), Some(Image::Synced));
    run(&learned().0, &Plan { strikes: planned, twin, image, ..Plan::default() })
}

/// Number of clock inputs at which an order ended. Another one follows each account.
fn wake_ups(outcome: &Outcome) -> usize {
    let is_end = |body: &Body| {
        matches!(body, Body::Order(Order::Changed { status: OrderStatus::Expired, .. }))
    };
    let ended = outcome.facts.iter().filter(|fact| is_end(&fact.body));
    let ended: BTreeSet<u64> = ended.map(|fact| fact.key.n).collect();
    let is_clock = |body: &Body| matches!(body, Body::Operator(Operator::Clock { .. }));
    let clocks = outcome.facts.iter().filter(|fact| is_clock(&fact.body));
    clocks.filter(|fact| ended.contains(&fact.key.n)).count()
}

#[test]
fn a_wake_up_is_not_lost_whoever_is_struck() {
    let calm = with_a_twin(&[]).unwrap();
    // That the venue has an order we did not announce is what this is about.
    let [broken] = &calm.broken[..] else { panic!("{:?}", calm.broken) };
    assert!(broken.contains("twin"), "{broken}");
    assert_eq!(wake_ups(&calm), 1, "one wake-up");
    let lapsed = calm.facts.iter().any(|fact| {
        let Body::Order(Order::Changed { status, reason, .. }) = &fact.body else { return false };
        *status == OrderStatus::Expired && reason == "not sent in time"
    });
    assert!(lapsed, "what may not be sent any more has ended");
    let at = |site, who: &str, fault_kind| {
        let who = who.to_owned();
        [Phase::Starting, Phase::Live].map(|phase| PlannedFault {
            site,
            who: who.clone(),
            phase,
            // The first one of the first life follows its account.
            nth: 2,
            kind: fault_kind,
        })
    };
    let (mut runs, mut injected) = (0, 0);
    for site in [Site::BeforeAppend, Site::AfterAppend] {
        for fault_kind in BLOWS {
            let outcome = with_a_twin(&at(site, "clock", fault_kind)).unwrap();
            assert_eq!(calm.broken, outcome.broken);
            let again = Ok(Outcome { broken: Vec::new(), ..outcome.clone() });
            assert_eq!(verdict(&again, &calm.picture), None, "{fault_kind:?} {site}");
            // A death may take the grant along that was waited for: asked again, it is too late.
            let least = usize::from(fault_kind != FaultKind::Die);
            assert!((least..=1).contains(&wake_ups(&outcome)), "{fault_kind:?} {site}");
            runs += 1;
            // Wherever it appends its word: while orders are looked for, or in the middle of life.
            injected += usize::from(outcome.injected.iter().any(|fault| fault.who == "clock"));
        }
    }
    assert_eq!(injected, runs, "each fault was injected");
}
