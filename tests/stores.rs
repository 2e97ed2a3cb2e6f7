//! Stores of every layout there ever was are opened, checked and gone on with; a newer one is
//! refused. The samples are made, once for a layout, by
//!
//!     cargo test --test tests make_the_samples -- --ignored

use crate::kit::{
    BINARY, Folder, Process, ask, exchange, made_recording, run, until_end, wait_until,
};
use everwarm::life::{APPLICATION, LIVE_FILE};
use everwarm::ops::backup;
use everwarm_runtime::store::Store;
use everwarm_runtime::store::file::SCHEMA;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::json;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is left out: secrets, and what an exchange can make again.
const PASSED_OVER: [&str; 6] =
    ["api.token", "ed25519.pem", "exchange.log", "requests.jsonl", "limits.json", "restoring"];

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores")
}

/// Shows every file below a folder with its path in it.
fn each(folder: &Path, within: &Path, see: &mut dyn FnMut(&Path, Vec<u8>)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = within.join(path.file_name().unwrap());
        if path.is_dir() {
            each(&path, &name, see);
        } else {
            see(&name, fs::read(&path).unwrap());
        }
    }
}

fn pack(dir: &Path, into: &Path) {
    fs::remove_dir_all(into).ok();
    each(dir, Path::new(""), &mut |name, bytes| {
        if PASSED_OVER.iter().any(|passed| name.ends_with(passed)) {
            return;
        }
        let mut target = into.join(name).into_os_string();
        target.push(".gz");
        fs::create_dir_all(Path::new(&target).parent().unwrap()).unwrap();
        let mut out = GzEncoder::new(fs::File::create(target).unwrap(), Compression::best());
        out.write_all(&bytes).unwrap();
        out.finish().unwrap();
    });
}

fn unpack(sample: &Path, into: &Path) {
    each(sample, Path::new(""), &mut |name, bytes| {
        let target = into.join(name.with_extension(""));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let mut whole = Vec::new();
        GzDecoder::new(bytes.as_slice()).read_to_end(&mut whole).unwrap();
        fs::write(target, whole).unwrap();
    });
}

fn schema(dir: &Path) -> u64 {
    Store::open(&dir.join(LIVE_FILE), APPLICATION).unwrap().schema().unwrap()
}

fn has_segments(dir: &Path) -> bool {
    let sealed = dir.join(LIVE_FILE).with_extension("segments");
    fs::read_dir(sealed).map_or(0, Iterator::count) > 0
}

/// Lives until something holds, and is stopped in order.
fn live(mut command: Command, dir: &Path, recording: &str, enough: impl Fn(&Process) -> bool) {
    command.env("RUST_BACKTRACE", "0");
    let daemon = Process::of(command, dir, &["run", "--pace", "240x", "--recording", recording]);
    wait_until("it has lived enough", || enough(&daemon));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    wait_until("the exchange ends", || exchange(dir).is_none());
}

#[test]
#[ignore = "writes the samples of the newest layout, which this program makes"]
fn make_the_samples() {
    let folder = Folder::new("samples");
    let recording = made_recording(&folder.join("recording"), 2, 240);
    fs::remove_dir_all(samples().join("recording")).ok();
    pack(Path::new(&recording), &samples().join("recording"));
    let dir = folder.join("data");
    let fills = |daemon: &Process| daemon.lines().iter().filter(|l| l.contains(" fill ")).count();
    live(Command::new(BINARY), &dir, &recording, |daemon| fills(daemon) >= 2);
    let mut small = Command::new(BINARY);
    small.env("EVERWARM_SEALING", "4000,4000");
    live(small, &dir, &recording, |daemon| fills(daemon) >= 1 && has_segments(&dir));
    assert_eq!(schema(&dir), SCHEMA);
    pack(&dir, &samples().join(format!("v{SCHEMA}")));
    let file = samples().join(format!("backup-{}", backup::FORMAT));
    if !file.exists() {
        ask(&dir, &["backup", file.to_str().unwrap()]);
    }
}

#[test]
fn there_is_a_sample_of_every_layout() {
    for version in 1..=SCHEMA {
        let sample = samples().join(format!("v{version}")).join(format!("{LIVE_FILE}.gz"));
        assert!(sample.exists(), "layout {version} has no sample: see tests/stores.rs");
    }
    for format in 1..=backup::FORMAT {
        let sample = samples().join(format!("backup-{format}"));
        assert!(sample.exists(), "format {format} of a backup has no sample: see tests/stores.rs");
    }
}

#[test]
fn a_store_of_any_layout_is_whole_and_goes_on_and_a_newer_one_is_refused() {
    let folder = Folder::new("stores");
    let recording = folder.join("recording");
    unpack(&samples().join("recording"), &recording);
    let recording = recording.to_str().unwrap().to_owned();
    for version in 1..=SCHEMA {
        let dir = folder.join(&format!("v{version}"));
        unpack(&samples().join(format!("v{version}")), &dir);
        assert_eq!(schema(&dir), version);
        goes_on(&dir, &recording);
        assert_eq!(schema(&dir), SCHEMA, "an older program must not read on");
    }
    for format in 1..=backup::FORMAT {
        let (dir, file) = (folder.join(&format!("b{format}")), format!("backup-{format}"));
        ask(&dir, &["restore", samples().join(file).to_str().unwrap()]);
        let v1 = folder.join("v1-again");
        unpack(&samples().join("v1"), &v1);
        assert_eq!(ask(&dir, &["fills"]), ask(&v1, &["fills"]));
    }
    let dir = folder.join("v1");
    let live = dir.join(LIVE_FILE);
    Store::open(&live, APPLICATION).unwrap().alter_schema(SCHEMA + 1).unwrap();
    let before = fs::read(&live).unwrap();
    let file = folder.join("it.backup");
    let play = ["run", "--recording", &recording];
    for command in [&play[..], &["status"], &["backup", file.to_str().unwrap()]] {
        let (code, _, err) = run(&dir, command);
        assert_eq!(code, Some(7), "{command:?}: {err}");
        assert!(err.contains("use the newer program"), "{err}");
    }
    assert!(fs::read(&live).unwrap() == before && !file.exists(), "it was not touched");
}

/// It is whole, what it tells is in it, and a daemon goes on with it to the end.
fn goes_on(dir: &Path, recording: &str) {
    let (code, out, err) = run(dir, &["store", "check"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(ask(dir, &["verify"])["problems"], json!([]));
    let (fills, life) = (ask(dir, &["fills"]), ask(dir, &["status"])["life"].as_u64().unwrap());
    let fills = fills.as_array().unwrap();
    assert!(fills.len() >= 2);
    let (code, out, err) = run(dir, &until_end(recording));
    assert_eq!(code, Some(0), "{out}{err}");
    let after = ask(dir, &["fills"]);
    assert_eq!(after.as_array().unwrap()[..fills.len()], fills[..], "nothing is lost");
    assert_eq!(ask(dir, &["status"])["life"], life + 1);
    assert_eq!(ask(dir, &["verify"])["problems"], json!([]));
    // What other versions said is decided again too.
    assert_eq!(ask(dir, &["replay"])["differing"], 0);
}
