//! A program with a strategy of its own has every command, and what it stores is safe from a
//! program without it.

#[expect(dead_code, reason = "its `main` runs in the example, which the tests below start")]
#[path = "../examples/own_strategy/main.rs"]
mod example;

use crate::kit::{BINARY, Folder, made_recording, output, plain, run, until_end};
use everwarm_views::exit::Exit;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const EXAMPLE: &str = "examples/own_strategy";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program of the example, beside the program without it.
fn program() -> PathBuf {
    let program = Path::new(BINARY).with_file_name("examples").join("own_strategy");
    assert!(program.exists(), "build it first: cargo build --example own_strategy");
    program
}

/// The exit code and the output of the own program.
fn own(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = output(Command::new(program()).args(arguments));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_new_crate_has_the_files_of_the_example_and_its_manifest_resolves() {
    let folder = Folder::new("new-strategy");
    let (parent, source) = (folder.0.to_str().unwrap(), root().to_str().unwrap());
    let new = |name: &str, more: &[&str]| {
        let output = plain(&[&["strategy", "new", name, "--in", parent], more].concat());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(new("dip", &["--source", source]), (Some(0), String::new()));
    let made = folder.join("dip");
    for (file, of) in [
        ("src/main.rs", "main.rs"),
        ("src/tests.rs", "tests.rs"),
        ("dip.toml", "own_strategy.toml"),
        ("README.md", "README.md"),
    ] {
        let of = read(&root().join(EXAMPLE).join(of));
        let wanted = of.replace("own_strategy", "dip").replace("OwnStrategy", "Dip");
        assert_eq!(read(&made.join(file)), wanted, "{file}");
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut tree = Command::new(cargo);
    tree.args(["tree", "--offline", "--depth", "1"]).current_dir(&made);
    let resolved = output(&mut tree);
    let text = String::from_utf8_lossy(&resolved.stdout).into_owned();
    let errors = String::from_utf8_lossy(&resolved.stderr).into_owned();
    assert!(resolved.status.success() && text.contains("everwarm v"), "{text}{errors}");
    let versions = |path: &Path| -> Vec<String> {
        read(path).lines().filter(|line| line.starts_with("version")).map(str::to_owned).collect()
    };
    let theirs = versions(&root().join("Cargo.lock"));
    assert!(versions(&made.join("Cargo.lock")).iter().all(|one| theirs.contains(one)));

    let refused = |name: &str, more: &[&str], words: &str| {
        let (code, errors) = new(name, more);
        assert!(code == Some(2) && errors.contains(words), "{name}: {errors}");
    };
    refused("dip", &["--source", source], "exists: choose another name");
    refused("Dip", &["--source", source], "is not 1 to 32 of a-z");
    refused("swing", &["--source", source], "is a kind that this program has");
    refused("rise", &["--source", parent], "is no checkout of everwarm");
    assert!(!folder.join("rise").exists());
}

#[test]
fn an_own_kind_is_checked_configured_and_played() {
    let file = root().join(EXAMPLE).join("own_strategy.toml");
    let path = file.to_str().unwrap();
    let (code, out, err) = own(&["strategy", "check", path, "--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let reports: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(reports.as_array().map(Vec::len), Some(1), "{reports}");
    assert_eq!((&reports[0]["kind"], &reports[0]["symbols"]), (&"own_strategy".into(), &8.into()));
    assert!(reports[0]["entries"].as_u64() > Some(20), "{reports}");
    for finding in reports[0]["findings"].as_array().unwrap() {
        assert_eq!(finding["outcome"], "passed", "{reports}");
    }
    let (code, out, err) = own(&["strategy", "check", "own_strategy", "--days", "3"]);
    assert!(code == Some(0) && out.contains("own_strategy: no check failed"), "{out}{err}");

    let (code, out, err) = own(&["config", "check", "--config", path]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (_, schema, _) = own(&["config", "schema"]);
    assert!(schema.contains("It buys this many percent below the average."));
    let set = ["--set", "strategy.own_strategy.percent=51"];
    let played = ["backtest", "--config", path, "--to", "2026-01-07", "--json"];
    let (code, _, err) = own(&[&played[..], &set].concat());
    assert!(code == Some(2) && err.contains("strategy.own_strategy.percent"), "{err}");
    let (code, out, err) = own(&played);
    assert_eq!(code, Some(0), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let trades = report["trades"].as_array().unwrap();
    assert!(!trades.is_empty() && trades.iter().all(|one| one["strategy"] == "own_strategy"));

    // The program without the kind refuses the file, and names the kinds that it has.
    let refused = plain(&["config", "check", "--config", path]);
    let text = String::from_utf8(refused.stdout).unwrap();
    let text = text + &String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(text.contains("add one of: sma_cross, swing"), "{text}");
}

#[test]
fn what_an_own_kind_stores_is_not_traded_by_a_program_without_it() {
    let folder = Folder::new("own-store");
    let recording = made_recording(&folder.join("recording"), 2, 1_500);
    let dir = folder.join("data");
    let file = root().join(EXAMPLE).join("own_strategy.toml");
    let place = ["--data-dir", dir.to_str().unwrap()];
    let play = until_end(&recording);
    let (code, out, err) =
        own(&[&play[..], &["--config", file.to_str().unwrap()], &place].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("% below the average"), "{out}");
    let (code, out, err) = own(&[&["why-not", "BTCUSDT"][..], &place].concat());
    assert!(code == Some(0) && out.contains("from the average"), "{out}{err}");
    for command in ["verify", "verify-trades"] {
        let (code, out, err) = own(&[&[command][..], &place].concat());
        assert_eq!(code, Some(0), "{command}: {out}{err}");
    }
    let (code, out, err) = run(&dir, &play);
    assert_eq!(code, Some(5), "{out}{err}");
    assert!(err.contains("it is of kind own_strategy, which this program lacks"), "{err}");
    assert_eq!(run(&dir, &["orders"]).0, Some(0));
}

#[test]
fn kills_of_an_own_program_make_no_difference() {
    let folder = Folder::new("own-chaos");
    let recording = made_recording(&folder.join("recording"), 2, 300);
    let file = folder.join("often.toml");
    let often = "[strategy.own_strategy]\nlength = 12\npercent = 0\n";
    fs::write(&file, format!("[strategy.sma_cross]\nenabled = false\n{often}")).unwrap();
    let played = ["chaos", "--recording", &recording, "--config", file.to_str().unwrap()];
    let few = ["--kills", "4", "--crashes", "1", "--disk", "0", "--seed", "3", "--json"];
    let (code, out, err) = own(&[&played[..], &few].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["differences"], serde_json::json!([]), "{report}");
}

#[test]
fn kinds_that_collide_are_refused_before_anything_else() {
    let taken = *everwarm_trading::strategy::kind("swing").unwrap();
    assert_eq!(everwarm::main_with(&[taken]), Exit::Usage);
}
