//! What was sealed is the older part of the journal: no start needs it, also none after a kill.

use crate::kit::{
    BINARY, Folder, PATIENCE, Process, ask, made_recording, reported, run, until_end, wait_until,
};
use everwarm::daemon_run::{APPLICATION, LIVE_FILE};
use everwarm_history as history;
use everwarm_history::Projector;
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

#[test]
fn a_segment_that_is_missing_stops_no_start_after_a_kill() {
    let folder = Folder::on_disk("segments");
    let recording = made_recording(&folder.join("recording"), 40, 450);
    let (calm, dir) = (folder.join("calm"), folder.join("data"));
    let arguments = until_end(&recording);
    let (code, out, err) = run(&calm, &arguments);
    assert_eq!(code, Some(0), "{out}{err}");

    // What ends in peace has all its facts followed and its states kept: so much may be sealed at
    // once by those that come after it, however many are killed before they name it on disk.
    let daemon = Process::start(&dir, &arguments);
    let fills = |lines: &[String]| lines.iter().filter(|line| line.contains(" fill ")).count();
    daemon.until("some trading", PATIENCE, |lines| fills(lines) >= 60);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));

    let sealed = || fs::read_dir(dir.join("live.segments")).map_or(0, Iterator::count);
    // Those that the live file did not name on disk are swept away by the next life.
    let named = || Store::look(&dir.join(LIVE_FILE), APPLICATION).unwrap().segments().unwrap().0;
    for life in 1.. {
        assert!(life < 10, "nothing that is sealed is named");
        let mut small = Command::new(BINARY);
        small.env("EVERWARM_SEALING", "10000,10000");
        let daemon = Process::of(small, &dir, &arguments);
        daemon.prints(" fill ");
        wait_until("something is sealed", || sealed() > 4);
        daemon.kill();
        if named() > 1 {
            break;
        }
    }
    let segments = fs::read_dir(dir.join("live.segments")).unwrap();
    let mut paths: Vec<_> = segments.map(|it| it.unwrap().path()).collect();
    // One that was being written has no name yet.
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "segment"));
    paths.sort();
    // What left the live file had been followed into the history for good.
    let newest = paths.last().unwrap().file_stem().unwrap().to_str().unwrap();
    let sealed: u64 = newest.split_once('-').unwrap().1.parse().unwrap();
    let archive = Archive::open(&dir.join(history::FILE)).unwrap();
    let projector = Projector::new(Arc::new(archive)).unwrap();
    assert!(projector.through() >= sealed, "{} of {sealed}", projector.through());
    drop(projector);
    fs::remove_file(&paths[1]).unwrap();

    let (code, out, err) = run(&dir, &arguments);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!err.contains("the history lacks"), "{err}");
    assert_eq!(reported(&dir), reported(&calm));

    // Where the history is gone too, it is poorer by that, and reports it.
    fs::remove_file(dir.join(history::FILE)).unwrap();
    let daemon = Process::start(&dir, &[&arguments[..3], &arguments[4..]].concat());
    let lacks = "the history lacks rows ";
    assert!(daemon.complains(lacks, PATIENCE), "{:?}", daemon.lines());
    daemon.answers();
    wait_until("it is ready", || ask(&dir, &["status"])["ready"] == true);
    let reports_lacking = || {
        let problems = ask(&dir, &["status"])["problems"].clone();
        let mut all = problems.as_array().into_iter().flatten().filter_map(|text| text.as_str());
        all.any(|text| text.contains("of the journal cannot be read; this view lacks them"))
    };
    assert!(reports_lacking());
    let newest = |dir: &Path| ask(dir, &["equity", "--limit", "1"]);
    wait_until("the rest is there", || newest(&dir) == newest(&calm));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    // And so do the files, whoever made the history of them.
    assert!(reports_lacking());
    fs::remove_file(dir.join(history::FILE)).unwrap();
    assert!(reports_lacking());
}
