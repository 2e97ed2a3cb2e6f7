//! The daemon, disturbed and not: equal.
//!
//! A failing run is one line of JSON, its plan. It is run again with
//! `EVERWARM_FEED=… EVERWARM_PLAN='…' cargo test --test tests replay -- --ignored --nocapture`.

mod adopted;
mod ailing;
mod barred;
mod cancelled;
mod classic;
mod clock;
mod commanded;
mod controls;
mod faults;
mod forgetful;
mod laddered;
mod limited;
mod limits;
mod paced;
mod paired;
mod precondition;
mod promises;
mod signalled;
mod steered;
mod sweeps;
mod symbols;
mod upgrade;
mod wide;
mod zoned;

use everwarm::chaos::feed;
use everwarm::chaos::rig::Feed;
use everwarm::chaos::sweep::{Die, Learned, Swept, every_target, learn, mixture, pack, sweep};
use std::path::Path;
use std::sync::OnceLock;

/// A feed by its name.
type Named = (&'static str, fn() -> Feed);

/// The feeds, by the name that `EVERWARM_FEED` gives one.
const FEEDS: [Named; 15] = [
    ("small", feed::small),
    ("moving", feed::moving),
    ("steered", feed::steered),
    ("paired", feed::paired),
    ("lengthened", feed::lengthened),
    ("ailing", feed::ailing),
    ("commanded", feed::commanded),
    ("barring", feed::barring),
    ("zoned", feed::zoned),
    ("upgrade", upgrade::feed_before),
    ("without-stop-orders", feed::without_stop_orders),
    ("limited", feed::limited),
    ("laddered", feed::laddered),
    ("signalled", feed::signalled),
    ("wide", feed::wide),
];

/// A feed and what undisturbed runs of it teach; learned once for all tests.
fn learned_of(name: &str) -> &'static (Feed, Learned) {
    static LEARNED: [OnceLock<(Feed, Learned)>; FEEDS.len()] =
        [const { OnceLock::new() }; FEEDS.len()];
    let at = FEEDS.iter().position(|(known, _)| *known == name);
    let at = at.unwrap_or_else(|| panic!("no feed {name}: {:?}", FEEDS.map(|(name, _)| name)));
    LEARNED[at].get_or_init(|| {
        let feed = FEEDS[at].1();
        let learned = learn(&feed).unwrap();
        (feed, learned)
    })
}

/// The small feed.
fn learned() -> &'static (Feed, Learned) {
    learned_of("small")
}

/// Strikes some kill points of these actors in a feed, and runs as many mixtures of all faults.
/// Every run must end as the undisturbed one, and the first actor must have been struck.
fn kills_of(name: &str, struck: &[&str], mixtures: u64) {
    let (feed, learned) = learned_of(name);
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    let mut passings = learned.passings.clone();
    passings.retain(|(_, who, _), _| struck.contains(&who.as_str()));
    let mut targets = every_target(&passings, &mut die);
    die.shuffle(&mut targets);
    targets.truncate(30);
    let mut plans = pack(targets, 7, &mut die);
    plans.extend(
        (0..mixtures).map(|_| mixture(&learned.passings, &learned.operations, die.throw())),
    );
    let swept = sweep(feed, &plans, &learned.picture);
    println!("{} runs of {} lives, {} targets", swept.runs, swept.lives, swept.injected.len());
    none_failed(name, &swept);
    assert!(swept.injected.keys().any(|(_, who, ..)| who == struck[0]));
}

/// Fails with every run of the feed that was not as it must be.
fn none_failed(feed: &str, swept: &Swept) {
    for (number, failure) in swept.failures.iter().enumerate() {
        println!("EVERWARM_FEED={feed} EVERWARM_PLAN='{}'\n    {}", failure.plan, failure.why);
        let name = format!("failed-{feed}-{number}.facts");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let line = |fact| format!("{fact:?}\n");
        std::fs::write(&path, failure.facts.iter().map(line).collect::<String>()).unwrap();
        println!("    its journal: {}", path.display());
    }
    assert!(swept.failures.is_empty(), "{} of {} runs", swept.failures.len(), swept.runs);
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}
