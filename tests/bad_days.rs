//! The built binary with 30 symbols against an exchange that misbehaves in every transparent way,
//! with SIGKILLs of both in between: in the end orders, fills, positions, equity and the exchange's
//! own ledger are those of a run on a good day, and its request log shows no order asked for twice
//! without proof.

use crate::kit::{BINARY, Folder, made_recording};
use everwarm::chaos::compare::Picture;
use everwarm::chaos::crashes::{End, Moment, Subject, Took, kill_exchange, picture};
use everwarm::chaos::faults::all_transparent;
use everwarm::chaos::process::Step;
use everwarm::chaos::requests::{check, count};
use everwarm_kernel::chance::draw;
use everwarm_sim::faults::{Fault, KINDS, Kind, prepare};
use everwarm_sim::server::requests::{self, Entry};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Symbols of the market.
const SYMBOLS: usize = 30;
/// Minutes of it; more by `BAD_DAY_MINUTES`.
const MINUTES: u64 = 240;
/// SIGKILLs of the daemon, every other one of the exchange too; more by `BAD_DAY_KILLS`.
const KILLS: u64 = 8;

/// A minute of the market where the machine is quick.
const QUICK: Duration = Duration::from_millis(8);

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// A market, and what a run on a good day makes of it.
struct Good {
    folder: Folder,
    subject: Subject,
    took: Took,
    picture: Picture,
}

/// What a directory holds in the end; the audit must hold.
fn end_of(subject: &Subject, dir: &Path) -> Picture {
    let (picture, wrong) = picture(dir, subject).unwrap();
    assert_eq!(wrong, [""; 0]);
    picture
}

impl Good {
    fn new(name: &str) -> Good {
        let folder = Folder::new(name);
        let minutes = i64::try_from(number("BAD_DAY_MINUTES", MINUTES)).unwrap();
        let recording = made_recording(&folder.0.join("market"), SYMBOLS, minutes);
        let subject = Subject::new(BINARY, recording);
        let dir = folder.0.join("good");
        std::fs::create_dir_all(&dir).unwrap();
        let took = subject.to_its_end(&dir).unwrap();
        let picture = end_of(&subject, &dir);
        Good { folder, subject, took, picture }
    }

    /// Runs the market under these faults, killed so often; what it comes to, and what the exchange
    /// was asked. Each kill must have fallen before the market was over.
    fn bad(&self, name: &str, faults: &[Fault], kills: u64, seed: u64) -> (Picture, Vec<Entry>) {
        let dir = self.folder.0.join(name);
        prepare(&dir.join("exchange"), faults).unwrap();
        let mut chance = seed;
        // Together they leave some of the market to the last life, also where the good day had the
        // machine less for itself than the lives of this one.
        let minutes = u32::try_from(number("BAD_DAY_MINUTES", MINUTES)).unwrap();
        let live = self.took.live.min(QUICK * minutes);
        let most = live * 2 / u32::try_from(kills.max(2)).unwrap();
        for kill in 0..kills {
            let share = u32::try_from(draw(&mut chance) % 1_000).unwrap();
            let when = if kill % 4 == 3 {
                Moment::After(self.took.start * share / 1_000)
            } else {
                Moment::In(Step::Reconcile, most * share / 1_000)
            };
            let end = self.subject.killed(&dir, &when).unwrap().end;
            assert!(matches!(end, End::Killed(_)), "kill {kill} of {kills}: {end:?}");
            if kill % 2 == 0 {
                assert!(kill_exchange(&dir).unwrap(), "kill {kill}: no exchange");
            }
        }
        self.subject.to_its_end(&dir).unwrap();
        let asked = requests::read(&dir.join("exchange")).unwrap();
        (end_of(&self.subject, &dir), asked)
    }

    fn orders(&self) -> usize {
        self.picture.ours.iter().filter(|line| line.starts_with("order ")).count()
    }
}

fn met(log: &[Entry]) -> BTreeSet<String> {
    let fault = |entry: &Entry| match entry {
        Entry::Asked(asked) => asked.fault.clone(),
        Entry::Spoilt { fault, .. } => Some(fault.clone()),
        Entry::Started { .. } | Entry::Answered(_) => None,
    };
    log.iter().filter_map(fault).collect()
}

/// One bad day, compared with the good one: what the exchange was asked, or why it is not right.
fn bad_day(good: &Good, seed: u64) -> Result<Vec<Entry>, String> {
    let kills = number("BAD_DAY_KILLS", KILLS);
    let name = format!("bad-{seed}");
    let (picture, asked) = good.bad(&name, &all_transparent(seed), kills, seed);
    let mut wrong = check(&asked);
    wrong.extend(good.picture.difference(&picture));
    if wrong.is_empty() {
        return Ok(asked);
    }
    let minutes = number("BAD_DAY_MINUTES", MINUTES);
    Err(format!(
        "{}\nEVERWARM_SEED={seed} BAD_DAY_KILLS={kills} BAD_DAY_MINUTES={minutes} cargo test \
         --test tests bad_days::one -- --nocapture",
        wrong.join("\n")
    ))
}

fn report(asked: &[Entry], good: &Good, path: &Path) {
    let (orders, again) = count(asked);
    println!("{orders} orders, {again} asked for again, {} lines: {}", asked.len(), path.display());
    // Stop orders that were replaced are not compared.
    assert!(orders >= good.orders(), "every order is in the log");
}

#[test]
fn one_bad_day_with_thirty_symbols_and_kills_ends_as_a_good_one() {
    let good = Good::new("bad-day");
    assert!(good.orders() >= SYMBOLS, "{} orders", good.orders());
    let asked = bad_day(&good, number("EVERWARM_SEED", 1)).unwrap_or_else(|why| panic!("{why}"));
    report(&asked, &good, &good.folder.0);
    let wanted = KINDS.iter().filter(|row| row.transparent).map(|row| row.name.to_owned());
    let missed: Vec<String> = wanted.filter(|name| !met(&asked).contains(name)).collect();
    assert!(missed.is_empty(), "never met: {missed:?}");

    // That the comparison can fail: a fault that is no transparent one.
    let late = Fault { times: Some(1), ..Fault::of(Kind::LateFills) };
    let (picture, asked) = good.bad("late", &[late], 0, 1);
    assert_eq!(check(&asked), Vec::<String>::new());
    assert!(good.picture.difference(&picture).is_some(), "a late fill makes a difference");
}

#[test]
#[ignore = "takes long: EVERWARM_SWEEP bad days from EVERWARM_SEED on"]
fn many_bad_days() {
    let good = Good::new("bad-days");
    let first = number("EVERWARM_SEED", 1);
    let mut failed = Vec::new();
    for seed in first..first + number("EVERWARM_SWEEP", 20) {
        match bad_day(&good, seed) {
            Ok(asked) => report(&asked, &good, &good.folder.0),
            Err(why) => failed.push(why),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
