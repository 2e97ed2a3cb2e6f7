//! Time that has to pass by itself: a wake-up of a stage becomes an input of the clock, whoever is
//! struck.
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

/// The process dies when a request is about to leave, and a twin appears before the next life.
fn with_a_twin(more: &[PlannedFault]) -> Result<Outcome, String> {
    let (site, who, phase) = (Site::BeforeSend, "gateway".to_owned(), Phase::Live);
    let mut strikes = vec![PlannedFault { site, who, phase, nth: 5, blow: FaultKind::Die }];
    strikes.extend_from_slice(more);
    let (twin, image) = (Some(feed::twin()), Some(Image::Synced));
    run(&learned().0, &Plan { strikes, twin, image, ..Plan::default() })
}

fn clocks(outcome: &Outcome) -> usize {
    let said = |body: &Body| matches!(body, Body::Operator(Operator::Clock { .. }));
    outcome.facts.iter().filter(|fact| said(&fact.body)).count()
}

#[test]
fn a_wake_up_is_not_lost_whoever_is_struck() {
    let calm = with_a_twin(&[]).unwrap();
    // That the venue has an order we did not announce is what this is about.
    let [broken] = &calm.broken[..] else { panic!("{:?}", calm.broken) };
    assert!(broken.contains("twin"), "{broken}");
    assert_eq!(clocks(&calm), 1, "one wake-up");
    let lapsed = calm.facts.iter().any(|fact| {
        let Body::Order(Order::Changed { status, reason, .. }) = &fact.body else { return false };
        *status == OrderStatus::Expired && reason == "not sent in time"
    });
    assert!(lapsed, "what may not be sent any more has ended");
    let at = |site, who: &str, blow| {
        let who = who.to_owned();
        [Phase::Starting, Phase::Live].map(|phase| PlannedFault {
            site,
            who: who.clone(),
            phase,
            nth: 1,
            blow,
        })
    };
    let (mut runs, mut struck) = (0, 0);
    for site in [Site::BeforeAppend, Site::AfterAppend] {
        for blow in BLOWS {
            let outcome = with_a_twin(&at(site, "clock", blow)).unwrap();
            assert_eq!(calm.broken, outcome.broken);
            let again = Ok(Outcome { broken: Vec::new(), ..outcome.clone() });
            assert_eq!(verdict(&again, &calm.picture), None, "{blow:?} {site}");
            // A clock that was struck behind its word may say it again, which wakes nobody. A
            // death may take the grant along that was waited for: asked again, it is too late.
            let least = usize::from(blow != FaultKind::Die);
            assert!((least..=2).contains(&clocks(&outcome)), "{blow:?} {site}");
            runs += 1;
            // Wherever it says its word: while orders are looked for, or in the middle of life.
            struck += usize::from(outcome.struck.iter().any(|strike| strike.who == "clock"));
        }
    }
    assert_eq!(struck, runs, "each was struck");
}
