//! The built binary on a real recording, killed by real SIGKILLs in every part of its life, the
//! exchange too in half of them: in the end orders, fills, positions, equity, what was derived and
//! the exchange's own ledger are those of a run that nobody disturbed. `SIGKILL_PROGRAM` names
//! another build of it than that of the test.

use super::kit::{BINARY, Folder};
use crate::shared::shared;
use everwarm::chaos::crashes::{End, Moment, Subject, Took, kill_exchange, picture};
use everwarm::chaos::process::Step;
use everwarm_runtime::chaos::{Blow, Phase, Site, Strike};
use std::time::Duration;

/// When each of the kills comes: by the clock through start and life, and at points only a plan can
/// hit. A recording is played as fast as the machine can, so the clock is that of a `calm` run:
/// starts are struck up to half again their length, and a third of the life is spent between them.
/// The calm run may have had the machine less for itself than those that follow: hence the bounds.
fn kills(calm: &Took) -> Vec<Moment> {
    let at = |site, who: &str, phase, nth| {
        Moment::At(Strike { site, who: who.to_owned(), phase, nth, blow: Blow::Die })
    };
    let ms = Duration::from_millis;
    let start = |i: u32| (calm.start * 3 * i / 28).min(ms(4 + 9 * u64::from(i - 1)));
    let live = |i: u32| (calm.live / 3 * i / 105).min(ms(5 + 10 * u64::from(i - 1)));
    let mut kills: Vec<Moment> = (1..=14).map(|i| Moment::After(start(i))).collect();
    kills.extend((1..=14).map(|i| Moment::In(Step::Reconcile, live(i))));
    for nth in [1, 7] {
        kills.push(at(Site::BeforeSync, "store-thread", Phase::Live, nth));
        kills.push(at(Site::AfterCommit, "store-thread", Phase::Live, nth));
        kills.push(at(Site::BeforeCheckpoint, "indicator", Phase::Live, nth));
        kills.push(at(Site::AfterCheckpoint, "ledger", Phase::Live, nth));
        kills.push(at(Site::BeforeSend, "gateway", Phase::Live, nth));
        kills.push(at(Site::AfterSend, "gateway", Phase::Live, nth));
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
    let (calm, hit) = (Folder::new("calm"), Folder::new("hit"));
    let took = subject.to_its_end(&calm.0).unwrap();
    let (expected, wrong) = picture(&calm.0, &subject).unwrap();
    assert_eq!(wrong, [""; 0]);
    let (mut killed, mut exchanges) = (0, 0);
    for (i, when) in kills(&took).iter().enumerate() {
        let end = subject.killed(&hit.0, when).unwrap().end;
        assert_ne!(end, End::Itself, "the run ended before kill {i}: {when:?}");
        killed += 1;
        if i % 2 == 0 {
            kill_exchange(&hit.0).unwrap();
            exchanges += 1;
        }
    }
    subject.to_its_end(&hit.0).unwrap();
    assert_eq!((killed, exchanges), (40, 20));
    let (found, wrong) = picture(&hit.0, &subject).unwrap();
    assert_eq!(wrong, [""; 0]);
    assert_eq!(expected.difference(&found), None, "after {killed} kills");
}
