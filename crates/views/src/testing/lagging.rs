//! A journal as stages write it while they catch up: facts of later stages about an input follow
//! later inputs.

use everwarm_domain::fact::Body;
use everwarm_domain::fact::kinds::rank;
use everwarm_kernel::chance::draw;
use everwarm_kernel::fact::{Fact, Mask};
use everwarm_trading::stages;
use std::collections::BTreeMap;

/// Number of steps for which the same stages pause.
const STAND: u64 = 300;

/// The progress of one stage, and the facts it waits for.
struct Lane {
    rank: u16,
    interest: Mask,
    produces: Mask,
    passed: u64,
}

/// The facts of a run in an order that a journal may have. Stages wait for each other as in the
/// daemon, and also pause at random. Analyses do not wait for later ranks here: in journals of
/// earlier versions they ran ahead.
pub fn lagging(facts: &[Fact<Body>], mut seed: u64) -> Vec<Fact<Body>> {
    let mut appended: BTreeMap<(u16, u64), Vec<Fact<Body>>> = BTreeMap::new();
    for fact in facts {
        appended.entry((fact.key.rank, fact.key.n)).or_default().push(fact.clone());
    }
    let last = facts.iter().map(|fact| fact.key.n).max().unwrap();
    let lane = |stage: &everwarm_trading::AnyStage| Lane {
        rank: stage.rank().0,
        interest: stage.interest(),
        produces: stage.produces(),
        passed: 0,
    };
    let mut lanes: Vec<Lane> = stages().iter().map(lane).collect();
    let (mut head, mut steps, mut stand) = (0, 0, 0);
    let mut journal = Vec::new();
    while head < last || lanes.iter().any(|lane| lane.passed < last) {
        if steps % STAND == 0 {
            stand = draw(&mut seed);
        }
        steps += 1;
        let open = |lane: &Lane| {
            let gate = |other: &Lane| {
                if other.rank > lane.rank && lane.rank < rank::BREAKER.0 {
                    return true;
                }
                let n = if other.rank < lane.rank { lane.passed + 1 } else { lane.passed };
                !other.produces.meets(lane.interest) || other.passed >= n
            };
            let mut others = lanes.iter().filter(|other| other.rank != lane.rank);
            lane.passed < head && others.all(gate)
        };
        let ready: Vec<usize> = (0..lanes.len()).filter(|at| open(&lanes[*at])).collect();
        let goes = |at: &&usize| head == last || stand >> **at & 1 == 0;
        let going: Vec<usize> = ready.iter().filter(goes).copied().collect();
        let pick = usize::try_from(draw(&mut seed) % (going.len() as u64 + 1)).unwrap();
        let (rank, n) = match going.get(pick) {
            Some(at) => {
                lanes[*at].passed += 1;
                (lanes[*at].rank, lanes[*at].passed)
            }
            None if head < last => {
                head += 1;
                (0, head)
            }
            None => continue,
        };
        journal.extend(appended.remove(&(rank, n)).unwrap_or_default());
    }
    assert!(appended.is_empty(), "every fact is there once");
    journal
}
