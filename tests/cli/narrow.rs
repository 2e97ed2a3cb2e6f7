//! What is shown on a terminal with little room.

use crate::kit::{BINARY, Folder, ask, output, run, small_recording, until_end};
use std::path::Path;
use std::process::Command;

/// Columns of the terminal.
const COLUMNS: usize = 60;

/// The lines of a command on such a terminal.
fn shown(dir: &Path, arguments: &[&str]) -> Vec<String> {
    let columns = format!("COLUMNS={COLUMNS}");
    let dir = ["--quiet", "--color", "never", "--data-dir", dir.to_str().unwrap()];
    let words = [&[&columns, BINARY], arguments, &dir].concat();
    let mut command = Command::new("script");
    command.args(["-qec", &words.join(" "), "/dev/null"]);
    let output = output(&mut command);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code().is_some_and(|code| code == 0 || code == 4), "{words:?}: {text}");
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn tables_fit_and_what_says_why_is_whole() {
    let folder = Folder::new("narrow");
    let recording = small_recording(&folder.join("recording"));
    let dir = folder.join("data");
    assert_eq!(run(&dir, &until_end(&recording)).0, Some(0));
    let orders = ask(&dir, &["orders"]);
    let order = orders[0]["client_order_id"].as_str().unwrap();
    for words in [
        &["status"][..],
        &["orders"],
        &["fills"],
        &["positions"],
        &["trades"],
        &["equity"],
        &["signals"],
        &["bars", "AAAUSD"],
        &["symbols"],
        &["switches"],
        &["reconcile"],
        &["explain", order],
        &["why-not", "AAAUSD"],
        &["scan"],
        &["config", "show"],
        &["config", "check"],
        &["store", "check"],
        &["summary"],
        &["funnel"],
        &["doctor"],
        &["verify"],
    ] {
        let lines = shown(&dir, words);
        assert!(!lines.is_empty(), "{words:?} shows nothing");
        // A command is to be typed as it stands, so it stays whole.
        let table = |line: &&String| !line.trim_start().starts_with("$ ");
        let long: Vec<&String> =
            lines.iter().filter(table).filter(|l| l.chars().count() > COLUMNS).collect();
        assert!(long.is_empty(), "{words:?}: {long:#?}");
    }
    // Every word that `status` has to print is there, on as many lines as it takes.
    let words = |lines: &[String]| -> Vec<String> {
        lines.join(" ").split_whitespace().map(str::to_owned).collect()
    };
    let (_, wide, _) = run(&dir, &["status"]);
    assert!(wide.lines().any(|line| line.chars().count() > COLUMNS), "{wide}");
    assert_eq!(words(&shown(&dir, &["status"])), words(&[wide]));
}
