//! The example in a process of its own: it aborts twice, and resumes exactly where it was.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "../examples/counter.rs"]
mod counter;

use counter::{LAST, STEP};
use std::path::{Path, PathBuf};
use std::process::Command;

const DIR: &str = "EVERWARM_COUNTER_DIR";
const DIE: &str = "EVERWARM_COUNTER_DIE";

/// Runs the example if the test below started this binary.
#[test]
fn the_counter_itself() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let die = std::env::var(DIE).ok().map(|n| n.parse().unwrap());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.unwrap().block_on(counter::count(Path::new(&dir), die)).unwrap();
}

struct Run {
    success: bool,
    resumed_at: u64,
    milestones: Vec<u64>,
    actors: usize,
}

fn run_example(dir: &Path, die: Option<u64>) -> Run {
    let mut me = Command::new(std::env::current_exe().unwrap());
    me.args(["--exact", "the_counter_itself", "--nocapture"]).env(DIR, dir);
    if let Some(n) = die {
        me.env(DIE, n.to_string());
    }
    let output = me.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut run = Run {
        success: output.status.success(),
        resumed_at: u64::MAX,
        milestones: Vec::new(),
        actors: text.matches("actor up").count(),
    };
    for line in text.lines() {
        if let Some((_, n)) = line.split_once("resumed at tick ") {
            run.resumed_at = n.parse().unwrap();
        } else if let Some((ticks, sum)) = line.split_once(" ticks, sum ") {
            let ticks: u64 = ticks.parse().unwrap();
            assert_eq!(sum, (ticks * (ticks + 1) / 2).to_string(), "after {ticks} ticks: {text}");
            run.milestones.push(ticks);
        }
    }
    run
}

fn folder() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("counter");
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn s67_s68_a_stage_resumes_where_it_was() {
    let dir = folder();
    let mut printed: Vec<u64> = Vec::new();
    for die in [Some(4_321), Some(12_345), None] {
        let run = run_example(&dir, die);
        assert_eq!(run.success, die.is_none());
        // Printed milestones are on disk, and nothing from after the abort is.
        let last = printed.last().copied().unwrap_or(0);
        assert!(run.resumed_at >= last, "{} is before {last}", run.resumed_at);
        assert!(run.resumed_at <= die.unwrap_or(LAST));
        assert!(run.actors > 3, "only {} actors lived", run.actors);
        printed.extend(run.milestones);
    }
    // Each milestone is printed once over all runs.
    let all: Vec<u64> = (1..=LAST / STEP).map(|k| k * STEP).collect();
    assert_eq!(printed, all);
}
