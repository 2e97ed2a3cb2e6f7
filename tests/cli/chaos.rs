//! `everwarm chaos`: as people run it on a recording of theirs, and that it can find something.

use crate::kit::{Folder, made_recording, plain, small_recording};
use everwarm::chaos::prove::Part;
use everwarm::sim::faults::{KINDS, Kind};
use serde_json::Value;

#[test]
fn kills_crashes_and_dying_disks_make_no_difference_and_are_counted() {
    let folder = Folder::new("chaos");
    let recording = small_recording(&folder.join("recording"));
    let asked = ["chaos", "--recording", &recording, "--kills", "40", "--crashes", "11"];
    let told = plain(&[&asked[..], &["--disk", "3", "--seed", "5", "--json"]].concat());
    let said = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(0), "{said}");
    assert_eq!(said, "", "no bar where nobody looks");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["differences"], serde_json::json!([]));
    assert!(told["closes"].as_u64().unwrap() > 200, "{told}");
    let times = |what: &str| -> u64 {
        let rows = told["struck"].as_array().unwrap().iter();
        rows.filter(|row| row["what"] == what).map(|row| row["times"].as_u64().unwrap()).sum()
    };
    assert_eq!((times("crash"), times("disk")), (11, 3), "{told}");
    assert!(times("kill") + times("panic") >= 40, "{told}");
    assert!(told["restarts_us"][0].as_u64().unwrap() > 0, "{told}");
    assert!(told["lives"].as_u64().unwrap() >= 14, "{told}");
    assert_eq!(times("venue"), 0, "{told}");
}

#[test]
fn every_part_of_a_life_is_struck_under_a_venue_that_misbehaves() {
    let folder = Folder::new("chaos-venue");
    // Long enough that something is sealed.
    let recording = made_recording(&folder.join("recording"), 8, 300);
    let asked = ["chaos", "--recording", &recording, "--kills", "10", "--crashes", "44"];
    let told = plain(&[&asked[..], &["--disk", "1", "--venue-faults", "--json"]].concat());
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{said}{}", String::from_utf8_lossy(&told.stdout));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["differences"], serde_json::json!([]), "{told}");
    let struck = |what: &str, place: &str| -> u64 {
        let mut rows = told["struck"].as_array().unwrap().iter();
        let row = rows.find(|row| row["what"] == what && row["place"] == place);
        row.map_or(0, |row| row["times"].as_u64().unwrap())
    };
    // The others are struck by time; how often, a loaded machine decides.
    for part in [Part::Repair, Part::Sync, Part::Checkpoint, Part::Sealing] {
        assert!(struck("crash", part.name()) > 0, "{}: {told}", part.name());
    }
    let all: u64 = Part::ALL.iter().map(|part| struck("crash", part.name())).sum();
    assert!((44..46).contains(&all), "{told}");
    // What a clock that is ahead or an answer that is late changes is there in every start.
    let always = [Kind::Slow, Kind::ClockSkew];
    for row in KINDS.iter().filter(|row| row.transparent || always.contains(&row.kind)) {
        assert!(struck("venue", row.name) > 0, "{}: {told}", row.name);
    }
}

#[test]
fn a_few_of_all_runs_on_the_small_feed_make_no_difference() {
    let told = plain(&["chaos", "--exhaustive", "--runs", "6", "--json"]);
    let said = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(0), "{said}");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert!(told["runs"].as_u64().unwrap() >= 7, "{told}");
    assert!(told["closes"].as_u64().unwrap() > 200, "{told}");
    assert!(!told["struck"].as_array().unwrap().is_empty(), "{told}");
}

#[test]
fn a_run_that_is_made_again_tells_what_struck_and_how_long_it_lived() {
    let folder = Folder::new("chaos-again");
    let recording = small_recording(&folder.join("recording"));
    let again = |plan: &str, times: &[&str]| {
        let asked = ["chaos", "--recording", &recording, "--plan", plan];
        let told = plain(&[&asked[..], times].concat());
        let said = String::from_utf8_lossy(&told.stdout).into_owned();
        assert_eq!(told.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&told.stderr));
        said
    };
    let strike = r#"{"site":"before-step","who":"ledger","phase":"live","nth":9,"blow":"kill"}"#;
    let said = again(&format!(r#"{{"strikes":[{strike}]}}"#), &[]);
    assert!(said.contains("before-step of live"), "{said}");
    assert!(said.contains("2 runs of 3"), "{said}");
    assert!(said.contains("closes, 2 lives,"), "{said}");
    assert!(!said.contains("timing"), "{said}");
    let said = again(r#"{"at_random":[5,3]}"#, &["--times", "2"]);
    assert!(said.contains("moments that depend on timing"), "{said}");
    assert!(said.contains("any moment"), "{said}");
    assert!(said.contains("3 runs of 3"), "{said}");
    let crashes = r#"{"crashes":{"seed":7,"live_us":900000,"parts":["live","repair"]}}"#;
    let said = again(crashes, &["--times", "1"]);
    assert!(said.contains("repair"), "{said}");
    assert!(said.contains("2 runs of 3"), "{said}");
}

#[test]
fn a_promise_that_is_broken_is_told_with_the_line_that_shows_it_again() {
    let folder = Folder::new("chaos-broken");
    let recording = small_recording(&folder.join("recording"));
    let plan = r#"{"sabotage":"random-ids"}"#;
    let told = plain(&["chaos", "--recording", &recording, "--plan", plan]);
    let said = String::from_utf8_lossy(&told.stdout);
    assert_eq!(told.status.code(), Some(4), "{said}");
    assert!(said.contains("DIFFERENT: "), "{said}");
    let again = format!("again: everwarm chaos --recording {recording} --plan '{plan}'");
    assert!(said.lines().any(|line| line == again), "{said}");
    let told = plain(&["chaos", "--recording", &recording, "--plan", "{\"strike\":[]}"]);
    let said = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(2), "{said}");
    assert!(said.contains("--plan: unknown field `strike`"), "{said}");
}
