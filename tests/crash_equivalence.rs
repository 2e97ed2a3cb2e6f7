//! The daemon, disturbed and not: equal.

use everwarm::chaos::rig::{Feed, Plan, run};
use everwarm::domain::settings::Settings;
use everwarm::sim::Setup;
use everwarm::sim::market::Recording;
use std::path::PathBuf;

fn shared(folder: &str) -> Option<PathBuf> {
    let base =
        std::env::var_os("EVERWARM_SHARED").map_or_else(|| "../shared".into(), PathBuf::from);
    let path = base.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is absent", path.display());
    println!("ignored: {} is absent", path.display());
    None
}

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
        println!("{:?} {} lives {} operations", began.elapsed(), outcome.lives, outcome.operations);
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
