//! `everwarm sweep`: backtests over a grid, ranked by what did not choose them.

use crate::kit::{BINARY, Folder, made_recording, output, plain, wait_until};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A grid of twelve points, of which those with `fast = 40` are invalid: `slow` is 30.
const GRID: &str = "\"strategy.sma_cross.fast\" = [5, 10, 40]\n\
                    \"strategy.sma_cross.slow\" = [20, 30]\n\
                    market.fee = [\"none\", \"0.1%\"]\n";

/// A recording, a grid, and the flags that play it.
struct Ground {
    folder: Folder,
    recording: String,
    grid: String,
}

impl Ground {
    fn new(name: &str) -> Ground {
        let folder = Folder::new(name);
        let recording = made_recording(&folder.join("recording"), 2, 300);
        let grid = folder.join("grid.toml");
        fs::write(&grid, GRID).unwrap();
        Ground { recording, grid: grid.to_str().unwrap().to_owned(), folder }
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The command of a sweep that writes this file.
    fn sweep(&self, out: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(["sweep", "--recording", &self.recording, "--grid", &self.grid, "--out"]);
        command.arg(out).args(more);
        command
    }

    /// The result of a sweep that must be whole.
    fn whole(&self, out: &Path, more: &[&str]) -> Value {
        let output = output(self.sweep(out, more).arg("--json"));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Exit code and error of a sweep that is refused.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = plain(&[&["sweep"], arguments].concat());
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_point_is_the_backtest_with_its_values_and_threads_change_nothing() {
    let ground = Ground::new("sweep-equal");
    let view = ground.whole(&ground.out("a.jsonl"), &["--train", "1", "--jobs", "1"]);
    assert_eq!(ground.whole(&ground.out("b.jsonl"), &["--train", "1", "--jobs", "3"]), view);
    assert_eq!((&view["played"], &view["refused"]), (&8.into(), &4.into()));
    let why = "--grid: strategy.sma_cross.fast: fast = 40 must be less than slow = 20";
    assert_eq!(view["refusal"], why);
    let best = &view["points"][0];
    let mut flags = vec!["backtest".to_owned(), "--json".to_owned()];
    flags.extend(["--recording".to_owned(), ground.recording.clone()]);
    for (axis, value) in
        view["plan"]["axes"].as_array().unwrap().iter().zip(best["values"].as_array().unwrap())
    {
        let pair = format!("{}={}", axis["key"].as_str().unwrap(), value.as_str().unwrap());
        flags.extend(["--set".to_owned(), pair]);
    }
    let part = &view["plan"]["parts"][1];
    flags.extend(["--from".to_owned(), part["from"].to_string()]);
    flags.extend(["--to".to_owned(), part["to"].to_string()]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let backtest: Value = serde_json::from_slice(&plain(&flags).stdout).unwrap();
    assert_eq!(best["test"]["growth"], backtest["account"]["growth"]);
    assert_eq!(best["test"]["drawdown"], backtest["account"]["drawdown"]);
    for name in ["trades", "won"] {
        assert_eq!(best["test"][name], backtest["all"][name], "{name}");
    }
    assert!(backtest["all"]["trades"].as_u64() > Some(0), "{backtest}");
}

#[test]
fn a_killed_sweep_continues_with_the_points_that_it_lacks() {
    let ground = Ground::new("sweep-killed");
    let whole = ground.whole(&ground.out("whole.jsonl"), &["--jobs", "1"]);
    let out = ground.out("killed.jsonl");
    for done in [2, 5, 9] {
        let mut child = ground
            .sweep(&out, &["--jobs", "1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("some points are done", || {
            lines(&out).len() > done || child.try_wait().unwrap().is_some()
        });
        drop(child.kill());
        child.wait().unwrap();
    }
    let known = lines(&out);
    assert_eq!(ground.whole(&out, &["--jobs", "1"]), whole);
    let all = lines(&out);
    assert_eq!(all.len(), 13, "the plan and each point once");
    let kept = known.len().min(10) - 1;
    assert_eq!(all[..kept], known[..kept], "what was done is kept");
    // Another run plays nothing.
    assert_eq!(ground.whole(&out, &[]), whole);
    assert_eq!(lines(&out), all);
}

#[test]
fn shards_from_the_planned_commands_give_the_result_of_one_sweep() {
    let ground = Ground::new("sweep-shards");
    let whole = ground.whole(&ground.out("whole.jsonl"), &[]);
    let stem = ground.out("shard.jsonl");
    let planned = output(&mut ground.sweep(&stem, &["--plan", "3"]));
    let text = String::from_utf8(planned.stdout).unwrap();
    let files: Vec<String> = (1..=3)
        .map(|n| ground.out(&format!("shard-{n}-of-3.jsonl")).display().to_string())
        .collect();
    for (command, file) in text.lines().zip(&files) {
        let words = command.strip_prefix("everwarm ").unwrap();
        assert!(words.ends_with(file), "{command}");
        let shell = format!("{BINARY} {words}");
        let output = output(Command::new("sh").args(["-c", &shell]));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(lines(Path::new(file)).len(), 1 + 4, "a third of twelve points");
    }
    let merge = |files: &[String]| {
        let mut flags = vec!["--json", "--merge"];
        flags.extend(files.iter().map(String::as_str));
        plain(&[&["sweep"], &flags[..]].concat())
    };
    let view: Value = serde_json::from_slice(&merge(&files).stdout).unwrap();
    assert_eq!(view, whole);
    let part = merge(&files[..2]);
    let text = String::from_utf8_lossy(&part.stderr).into_owned();
    assert_eq!((part.status.code(), part.stdout.len()), (Some(4), 0), "{text}");
    assert!(text.contains("4 of 12 points are missing"), "{text}");
}

#[test]
fn the_report_names_the_choice_and_what_is_thin() {
    let ground = Ground::new("sweep-report");
    let page = ground.out("report.html");
    let flags = ["--folds", "2", "--rank", "profit-factor", "--html", page.to_str().unwrap()];
    let output = output(&mut ground.sweep(&ground.out("sweep.jsonl"), &flags));
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [
        "fast=",
        "slow=",
        "fee=",
        "2 to choose, 2 to test",
        "ranked by",
        "profit-factor",
        "rank correlation of train and test",
        "points with an invalid configuration: 4",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("Mean profit-factor in the test parts"), "{page}");
}

#[test]
fn what_has_no_result_is_refused_with_what_to_do() {
    let ground = Ground::new("sweep-refused");
    let file = |name: &str, text: &str| {
        let path = ground.out(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let out = ground.out("sweep.jsonl").to_str().unwrap().to_owned();
    let with = |grid: &str, more: &[&str]| {
        let flags = ["--recording", &ground.recording, "--grid", grid, "--out", &out];
        let (code, text) = refused(&[&flags[..], more].concat());
        assert_eq!(code, Some(2), "{text}");
        text
    };
    let key = |name: &str| {
        format!("\"strategy.sma_cross.{name}\" = {{ from = 1, to = 1000, step = 1 }}\n")
    };
    let huge = file("huge.toml", &["fast", "slow", "x"].map(key).concat());
    assert!(with(&huge, &[]).contains("it has 1,000,000,000 points; the most are 100,000"));
    assert!(with(&file("empty.toml", ""), &[]).contains("it has no key"));
    assert!(with(&file("none.toml", "a.b = []\n"), &[]).contains("a.b: it has no value"));
    let typo = with(&file("typo.toml", "\"strategy.sma_cross.fats\" = [1, 2]\n"), &[]);
    assert!(typo.contains("every point of the grid is invalid") && typo.contains("fast"), "{typo}");
    assert!(!Path::new(&out).exists(), "nothing was begun");
    let short = with(&ground.grid, &["--train", "300", "--folds", "100"]);
    assert!(short.contains("cannot be cut into 400 parts"), "{short}");
    let empty = with(&ground.grid, &["--from", "2031-01-01"]);
    assert!(empty.contains("cannot be cut"), "{empty}");
    assert!(with(&ground.grid, &["--shard", "4/3"]).contains("write it like 3/16"));
    let part = with(&ground.grid, &["--shard", "1/3", "--json"]);
    assert!(part.contains("cannot be used with"), "a part has no result: {part}");

    ground.whole(&ground.out("sweep.jsonl"), &[]);
    let flags = ["--recording", &ground.recording, "--grid", &ground.grid, "--out", &out];
    let other = [&flags[..], &["--set", "trading.max_positions=1"]].concat();
    let (code, text) = refused(&other);
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("other bars, or another configuration"), "{text}");
    let (code, text) = refused(&[&flags[..], &["--to", "2023-11-15 01:00"]].concat());
    assert_eq!(code, Some(5), "{text}");
}
