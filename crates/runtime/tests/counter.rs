//! The example in a process of its own: dead without a word, twice, and it goes on exactly where it
//! was.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "../examples/counter.rs"]
mod counter;

use counter::{LAST, STEP};
use std::path::{Path, PathBuf};
use std::process::Command;

const DIR: &str = "EVERWARM_COUNTER_DIR";
const DIE: &str = "EVERWARM_COUNTER_DIE";

/// The example, when this binary was started by the test below; else nothing.
#[test]
fn the_counter_itself() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let die = std::env::var(DIE).ok().map(|n| n.parse().unwrap());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.unwrap().block_on(counter::count(Path::new(&dir), die)).unwrap();
}

struct Life {
    success: bool,
    resumed_at: u64,
    milestones: Vec<u64>,
    actors: usize,
}

fn live(dir: &Path, die: Option<u64>) -> Life {
    let mut me = Command::new(std::env::current_exe().unwrap());
    me.args(["--exact", "the_counter_itself", "--nocapture"]).env(DIR, dir);
    if let Some(n) = die {
        me.env(DIE, n.to_string());
    }
    let output = me.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut life = Life {
        success: output.status.success(),
        resumed_at: u64::MAX,
        milestones: Vec::new(),
        actors: text.matches("actor up").count(),
    };
    for line in text.lines() {
        if let Some((_, n)) = line.split_once("resumed at tick ") {
            life.resumed_at = n.parse().unwrap();
        } else if let Some((ticks, sum)) = line.split_once(" ticks, sum ") {
            let ticks: u64 = ticks.parse().unwrap();
            assert_eq!(sum, (ticks * (ticks + 1) / 2).to_string(), "after {ticks} ticks: {text}");
            life.milestones.push(ticks);
        }
    }
    life
}

fn folder() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("counter");
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn s67_s68_goes_on_where_it_was() {
    let dir = folder();
    let mut printed: Vec<u64> = Vec::new();
    for die in [Some(4_321), Some(12_345), None] {
        let life = live(&dir, die);
        assert_eq!(life.success, die.is_none());
        // What was printed is on disk, and nothing from after the death is.
        let last = printed.last().copied().unwrap_or(0);
        assert!(life.resumed_at >= last, "{} is before {last}", life.resumed_at);
        assert!(life.resumed_at <= die.unwrap_or(LAST));
        assert!(life.actors > 3, "only {} actors lived", life.actors);
        printed.extend(life.milestones);
    }
    // Each milestone once: those printed in one life are not printed again in the next.
    let all: Vec<u64> = (1..=LAST / STEP).map(|k| k * STEP).collect();
    assert_eq!(printed, all);
}
