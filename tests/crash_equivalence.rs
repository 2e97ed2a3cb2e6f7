//! The daemon, disturbed and not: equal.

use crate::shared;
use everwarm::chaos::rig::{Feed, Plan, run};
use everwarm::domain::settings::Settings;
use everwarm::sim::Setup;
use everwarm::sim::market::Recording;

#[test]
fn a_recording_plays_to_its_end() {
    let Some(dir) = shared("data/coinbase") else { return };
    let feed = Feed {
        market: Box::new(move || Box::new(Recording::open(&dir, None).unwrap())),
        setup: Setup::default(),
        settings: Settings::default(),
    };
    let began = everwarm_runtime::clock::now();
    let outcome = run(&feed, &Plan { workers: 2, ..Plan::default() }).unwrap();
    println!("{:?} {} lives", began.elapsed(), outcome.lives);
    let plain = everwarm::chaos::plain::play(&feed).unwrap();
    assert_eq!(outcome.broken, Vec::<String>::new());
    assert_eq!(plain.difference(&outcome.picture), None);
    for line in outcome.picture.theirs.iter().take(10) {
        println!("{line}");
    }
    println!("{} lines, {} theirs", outcome.picture.ours.len(), outcome.picture.theirs.len());
}

#[test]
fn small_feed() {
    let feed = everwarm::chaos::feed::small();
    for _ in 0..3 {
        let began = everwarm_runtime::clock::now();
        let outcome = run(&feed, &Plan { workers: 1, ..Plan::default() }).unwrap();
        println!(
            "{:?} {} lives {:?} operations {:?}",
            began.elapsed(),
            outcome.lives,
            outcome.operations,
            outcome.broken
        );
        for line in &outcome.picture.theirs {
            println!("{line}");
        }
        for line in
            outcome.picture.ours.iter().filter(|l| l.contains("ignal") || l.contains("eclined"))
        {
            println!("{}", &line[..line.len().min(300)]);
        }
        for (k, v) in &outcome.passings {
            println!("{k:?} {v}");
        }
    }
}

#[test]
fn sweep_once() {
    use everwarm::chaos::sweep::*;
    let feed = everwarm::chaos::feed::small();
    let base = run(&feed, &Plan::default()).unwrap();
    assert!(base.broken.is_empty(), "{:?}", base.broken);
    let mut die = Die(1);
    let plans = pack(every_target(&base.passings, &mut die), 7, &mut die);
    println!("{} plans", plans.len());
    let limit =
        std::env::var("EVERWARM_SWEEP").ok().and_then(|t| t.parse().ok()).unwrap_or(plans.len());
    let began = everwarm_runtime::clock::now();
    let swept = sweep(&feed, &plans[..limit.min(plans.len())], &base.picture, 3);
    println!(
        "{:?} {} runs {} lives, {} targets, {} missed",
        began.elapsed(),
        swept.runs,
        swept.lives,
        swept.struck.len(),
        swept.missed.len()
    );
    for m in &swept.missed {
        println!("missed {m:?}");
    }
    for f in &swept.failures {
        println!("FAIL {}\n   {}", f.plan, f.why);
    }
    assert!(swept.failures.is_empty());
}

#[test]
#[ignore = "replays EVERWARM_PLAN"]
fn replay() {
    let feed = everwarm::chaos::feed::small();
    let base = run(&feed, &Plan::default()).unwrap();
    let plan: Plan = serde_json::from_str(&std::env::var("EVERWARM_PLAN").unwrap()).unwrap();
    for i in 0..10 {
        let outcome = run(&feed, &plan);
        println!("{i}: {:?}", everwarm::chaos::sweep::verdict(&outcome, &base.picture));
    }
}

#[test]
#[ignore = "replays EVERWARM_PLAN and shows"]
fn look() {
    let feed = everwarm::chaos::feed::small();
    let base = run(&feed, &Plan::default()).unwrap();
    let plan: Plan = serde_json::from_str(&std::env::var("EVERWARM_PLAN").unwrap()).unwrap();
    for _ in 0..25 {
        let outcome = run(&feed, &plan).unwrap();
        let a: std::collections::BTreeSet<_> = base.picture.ours.iter().collect();
        let b: std::collections::BTreeSet<_> = outcome.picture.ours.iter().collect();
        for l in a.difference(&b).take(8) {
            println!("- {l}");
        }
        for l in b.difference(&a).take(8) {
            println!("+ {l}");
        }
        if a != b {
            for f in &outcome.facts {
                if f.key.rank == 0 || f.key.rank == 800 {
                    let t = format!("{} {} {:?}", f.key, f.time, f.body);
                    println!("{}", &t[..t.len().min(230)]);
                }
            }
            break;
        }
    }
}

#[test]
#[ignore = "hunts"]
fn hunt() {
    use everwarm::chaos::sweep::*;
    let feed = everwarm::chaos::feed::small();
    let base = run(&feed, &Plan::default()).unwrap();
    let env = |name: &str| std::env::var(name).ok().and_then(|t| t.parse::<u64>().ok());
    let (seed, n) = (env("EVERWARM_SEED").unwrap_or(1), env("EVERWARM_SWEEP").unwrap_or(100));
    let plans: Vec<Plan> = (seed..seed + n)
        .map(|s| mixture(&base.passings, base.operations[0].len() as u64, s))
        .collect();
    let began = std::time::Instant::now();
    let swept = sweep(&feed, &plans, &base.picture, 3);
    println!(
        "{:?} {} runs {} lives, {} targets, {} missed",
        began.elapsed(),
        swept.runs,
        swept.lives,
        swept.struck.len(),
        swept.missed.len()
    );
    for f in &swept.failures {
        println!("FAIL {}\n   {}", f.plan, f.why);
    }
    assert!(swept.failures.is_empty());
}

#[test]
fn plain_equal() {
    let feed = everwarm::chaos::feed::small();
    let base = run(&feed, &Plan::default()).unwrap();
    let t = std::time::Instant::now();
    let plain = everwarm::chaos::plain::play(&feed).unwrap();
    println!("{:?}", t.elapsed());
    assert_eq!(base.broken, Vec::<String>::new());
    assert_eq!(plain.difference(&base.picture), None);
}
