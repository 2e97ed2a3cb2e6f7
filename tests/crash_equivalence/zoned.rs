//! Trading days of another zone than UTC: daily limits end at its midnight, whatever is injected.

use super::kills_of;
use everwarm::chaos::feed::{self, START};
use everwarm::chaos::rig::{Plan, run};
use everwarm_domain::fact::{Body, BreakerLevel, Decision, Market};
use everwarm_domain::time::{MINUTE, UtcMs};

/// Midnight in Berlin, 23:00 UTC. The feed begins at 22:14 UTC.
const MIDNIGHT: UtcMs = START + 46 * MINUTE;

#[test]
fn a_limit_of_the_day_ends_with_the_first_close_after_midnight_in_its_zone() {
    let outcome = run(&feed::zoned(), &Plan::default()).unwrap();
    assert_eq!(outcome.broken, Vec::<String>::new());
    let (mut closed, mut limited, mut ended, mut begins) = (0, 0, Vec::new(), 0);
    for fact in &outcome.facts {
        match &fact.body {
            Body::Market(Market::Close { time, .. }) => closed = *time,
            Body::Market(Market::DayBegins { zone, at, .. }) => {
                assert_eq!(zone, "Europe/Berlin");
                begins += usize::from(*at == MIDNIGHT);
            }
            Body::Decision(Decision::Breaker { level: BreakerLevel::Normal, .. }) => {
                ended.push(closed);
            }
            Body::Decision(Decision::Breaker { level, reasons, .. }) => {
                assert_eq!(*level, BreakerLevel::ExitsOnly, "{reasons:?}");
                limited += 1;
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
    println!("limited {limited} times, ended at {ended:?}");
    assert_eq!((begins, ended), (1, vec![MIDNIGHT]), "not at midnight of UTC");
    assert_eq!(limited, 2, "on both days");
}

#[test]
fn kills_move_no_midnight() {
    kills_of("zoned", &["universe", "breaker", "decision"], 3);
}
