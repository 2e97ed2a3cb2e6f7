//! Kills at every point and cuts of every kind: the same in the end.

use super::{learned, learned_of, none_failed, number};
use everwarm::chaos::disk::File;
use everwarm::chaos::operators::speak;
use everwarm::chaos::rig::Plan;
use everwarm::chaos::sweep::{
    Die, cuts, every_target, everything, learn, mixture, pack, still_to_cut, still_to_inject,
    sweep, sweep_all,
};
use everwarm_domain::id::Symbol;
use everwarm_edge::clock;
use everwarm_edge::market::{closer, feed, universe};
use everwarm_edge::operation::projector;
use everwarm_runtime::chaos::{PlannedFault, Site};
use std::collections::BTreeSet;

/// Where every stage passes.
const STAGE_SITES: [Site; 7] = [
    Site::BeforeResume,
    Site::AfterResume,
    Site::BeforeStep,
    Site::BeforeAppend,
    Site::AfterAppend,
    Site::BeforeCheckpoint,
    Site::AfterCheckpoint,
];
/// Who does not wait for the gateway, beside the actors of symbols: in which phase of a life it
/// passes a point, the machine decides. A life is live once its gateway has reconciled.
const BESIDE_THE_GATEWAY: [&str; 5] =
    [universe::NAME, closer::NAME, feed::NAME, projector::NAME, "sealer"];
/// Who may have nothing to append in a run: another input may come before a stage is woken. The
/// tests of [`super::clock`] strike it at a wake-up that no input precedes.
const NOT_IN_EVERY_RUN: &str = clock::NAME;
/// Mixtures in every test run. `chaos --exhaustive` in `.ci/run` adds more than a hundred runs.
const MIXTURES: u64 = 30;

fn is_beside_the_gateway(who: &str) -> bool {
    BESIDE_THE_GATEWAY.contains(&who) || Symbol::named(who).is_ok()
}

#[test]
fn every_point_every_blow_and_every_kind_of_cut_end_the_same() {
    let (feed, learned) = learned();
    let began = everwarm_runtime::clock::now();
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    let mut plans = pack(every_target(&learned.passings, &mut die), 7, &mut die);
    plans.extend(cuts(&learned.operations, &mut die));
    plans.extend(
        (0..MIXTURES).map(|_| mixture(&learned.passings, &learned.operations, die.throw())),
    );
    let mut swept = sweep(feed, &plans, &learned.picture);
    for _ in 0..7 {
        let mut left = still_to_inject(learned, &swept);
        left.extend(still_to_cut(learned, &swept, &mut die));
        if left.is_empty() || !swept.failures.is_empty() {
            break;
        }
        swept.add(sweep(feed, &left, &learned.picture));
    }
    println!(
        "{} runs of {} lives, {} targets struck by {} strikes, {:?}",
        swept.runs,
        swept.lives,
        swept.injected.len(),
        swept.injected.values().sum::<u32>(),
        began.elapsed()
    );
    none_failed("small", &swept);
    let mut left = still_to_inject(learned, &swept);
    left.retain(|plan| {
        let PlannedFault { site, who, kind: fault_kind, .. } = &plan.strikes[0];
        let mut injected = swept.injected.keys();
        let in_any_phase = injected.any(|(at, of, _, by)| (at, of, by) == (site, who, fault_kind));
        !(in_any_phase && is_beside_the_gateway(who)) && who != NOT_IN_EVERY_RUN
    });
    assert!(left.is_empty(), "never injected: {left:?}");
    for site in Site::ALL {
        assert!(swept.injected.keys().any(|(at, ..)| at == site), "{site} is never passed");
    }
    for stage in everwarm_trading::specs() {
        let of = swept.injected.keys().filter(|(_, who, ..)| who == stage.name);
        let sites: BTreeSet<Site> = of.map(|(site, ..)| *site).collect();
        assert_eq!(sites, STAGE_SITES.into(), "{}", stage.name);
    }
    let left = still_to_cut(learned, &swept, &mut die);
    assert!(left.is_empty(), "the disk never died so: {left:?}");
}

#[test]
#[ignore = "takes long: all of it; EVERWARM_SWEEP=N runs N plans of it"]
fn exhaustive() {
    let (feed, learned) = learned();
    let mut plans = everything(learned, &mut Die(number("EVERWARM_SEED").unwrap_or(1)));
    let (all, faults) = (plans.len(), plans.iter().map(|p| p.strikes.len()).sum::<usize>());
    let mut die = Die(1);
    die.shuffle(&mut plans);
    plans.truncate(number("EVERWARM_SWEEP").map_or(all, |n| usize::try_from(n).unwrap()));
    let began = everwarm_runtime::clock::now();
    let swept = sweep_all(feed, &plans, learned, &mut die, &|_| ());
    println!(
        "{} of {all} plans ({faults} strikes, {} cuts of the disk), and {} more for what they \
         missed: {} lives, {} strikes, {} cuts, {:?}",
        swept.runs - swept.again,
        3 * File::ALL.map(|file| learned.operations.of(file).len()).iter().sum::<usize>(),
        swept.again,
        swept.lives,
        swept.injected.values().sum::<u32>(),
        swept.cut.values().sum::<u32>(),
        began.elapsed()
    );
    for (site, who, phase) in learned.passings.keys() {
        let missed =
            swept.missed.iter().filter(|s| (s.site, &s.who, s.phase) == (*site, who, *phase));
        let mut nths: Vec<u32> = missed.map(|s| s.nth).collect();
        nths.sort_unstable();
        if !nths.is_empty() {
            println!("not passed so often, even alone: {site} of {who}, {phase:?}, {nths:?}");
        }
    }
    println!("{} runs whose disk was spared", swept.spared);
    none_failed("small", &swept);
}

#[test]
#[ignore = "looks for trouble: EVERWARM_SWEEP mixtures from EVERWARM_SEED on"]
fn hunt() {
    let (feed, learned) = learned();
    let seed = number("EVERWARM_SEED").unwrap_or(1);
    let seeds = seed..seed + number("EVERWARM_SWEEP").unwrap_or(100);
    let plans: Vec<Plan> =
        seeds.map(|seed| mixture(&learned.passings, &learned.operations, seed)).collect();
    let swept = sweep(feed, &plans, &learned.picture);
    println!("{} runs, {} lives, {} missed", swept.runs, swept.lives, swept.missed.len());
    none_failed("small", &swept);
}

#[test]
#[ignore = "runs the plan in EVERWARM_PLAN of the feed in EVERWARM_FEED, EVERWARM_SWEEP times"]
fn replay() {
    let name = std::env::var("EVERWARM_FEED").unwrap_or_else(|_| "small".to_owned());
    let (feed, learned) = learned_of(&name);
    let plan: Plan = serde_json::from_str(&std::env::var("EVERWARM_PLAN").unwrap()).unwrap();
    let times = usize::try_from(number("EVERWARM_SWEEP").unwrap_or(10)).unwrap();
    // Commands that a plan draws belong to the undisturbed run, too.
    let spoken = plan.operators.map(|seed| learn(&speak(feed, seed)).unwrap());
    let picture = &spoken.as_ref().unwrap_or(learned).picture;
    none_failed(&name, &sweep(feed, &vec![plan; times], picture));
}
