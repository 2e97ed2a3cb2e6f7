//! The built binary on a real recording, killed by real SIGKILLs in every part of its life, the
//! exchange too in half of them: in the end orders, fills, positions, equity, what was derived and
//! the exchange's own ledger are those of a run that nobody disturbed. `SIGKILL_PROGRAM` names
//! another build of it than that of the test.

use super::kit::{BINARY, Folder};
use crate::shared::shared;
use everwarm::chaos::crashes::{End, Moment, Subject, kill_exchange, picture};
use everwarm::chaos::process::Step;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use std::collections::BTreeMap;

/// The steps of a start, to its end.
const STARTING: [Step; 7] = [
    Step::Open,
    Step::Repair,
    Step::Connect,
    Step::Restore,
    Step::Reconcile,
    Step::CatchUp,
    Step::Live,
];

/// When each of the kills comes: at each step of a start, where the process stands until it is
/// killed, and at points of a life, likewise. No kill is a matter of the clock.
fn kills() -> Vec<Moment> {
    let at = |site, who: &str, nth| {
        let (who, phase) = (who.to_owned(), Phase::Live);
        Moment::At(PlannedFault { site, who, phase, nth, kind: FaultKind::Die })
    };
    let mut kills = Vec::new();
    for _ in 0..2 {
        kills.extend(STARTING.map(Moment::Reached));
    }
    for nth in [1, 7] {
        kills.push(at(Site::BeforeSync, "store-thread", nth));
        kills.push(at(Site::AfterCommit, "store-thread", nth));
        kills.push(at(Site::BeforeCheckpoint, "indicator", nth));
        kills.push(at(Site::AfterCheckpoint, "ledger", nth));
        kills.push(at(Site::BeforeSend, "gateway", nth));
        kills.push(at(Site::AfterSend, "gateway", nth));
    }
    for nth in [2, 19] {
        kills.push(at(Site::BeforeStep, "breaker", nth));
        kills.push(at(Site::BeforeStep, "order-manager", nth));
        kills.push(at(Site::BeforeStep, "ledger", nth));
        kills.push(at(Site::BeforeAppend, "indicator", nth));
        kills.push(at(Site::AfterAppend, "ledger", nth));
        kills.push(at(Site::BeforeAppend, "closer", nth));
        kills.push(at(Site::AfterAppend, "closer", nth));
    }
    // Spread the kinds over the recording.
    let mut order: Vec<usize> = (0..kills.len()).collect();
    order.sort_by_key(|i| (i * 7919) % 41);
    let mut sorted: Vec<Option<Moment>> = kills.into_iter().map(Some).collect();
    order.into_iter().filter_map(|i| sorted[i].take()).collect()
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn forty_sigkills_make_no_difference() {
    let recording = shared("data/coinbase");
    let named = std::env::var_os("SIGKILL_PROGRAM");
    let subject = Subject::new(named.unwrap_or_else(|| BINARY.into()), recording);
    let (calm, hit) = (Folder::on_disk("calm"), Folder::on_disk("hit"));
    subject.to_its_end(&calm.0).unwrap();
    let (expected, wrong) = picture(&calm.0, &subject).unwrap();
    assert_eq!(wrong, [""; 0]);
    let (mut hits, mut exchanges) = (Vec::new(), 0);
    for (i, when) in kills().iter().enumerate() {
        let End::Killed(step) = subject.killed(&hit.0, when).unwrap().end else {
            panic!("the run ended before kill {i}: {when:?}, after {hits:?}")
        };
        if let Moment::Reached(wanted) = when {
            assert_eq!(step, Some(*wanted), "kill {i}");
        }
        hits.push(step.expect("it had come to a step"));
        if i % 2 == 0 {
            kill_exchange(&hit.0).unwrap();
            exchanges += 1;
        }
    }
    let killed = hits.len();
    let mut spread: BTreeMap<Step, usize> = BTreeMap::new();
    for step in &hits {
        *spread.entry(*step).or_default() += 1;
    }
    println!("killed in: {spread:?}");
    for step in STARTING {
        assert!(spread.get(&step) >= Some(&2), "{step:?} was hit too seldom: {spread:?}");
    }
    subject.to_its_end(&hit.0).unwrap();
    assert_eq!((killed, exchanges), (40, 20));
    let (found, wrong) = picture(&hit.0, &subject).unwrap();
    assert_eq!(wrong, [""; 0]);
    assert_eq!(expected.difference(&found), None, "after {killed} kills");
}
