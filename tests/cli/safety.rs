//! What protects an operator: who may read what is kept, what is not overwritten, how a
//! daemon is ended, and who finds a place where all are taken.

use crate::cli::api::request;
use crate::cli::look::measured;
use crate::kit::{BINARY, Folder, Process, ask, exchange, run, wait_until, wait_until_free};
use everwarm::chaos::process::STRIKES;
use everwarm_api::{ApiFile, TOKEN_FILE};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// All files and folders below one, with what others may do with them.
fn open_to_others(path: &Path) -> Vec<(PathBuf, u32)> {
    let mode = fs::symlink_metadata(path).map_or(0, |about| about.permissions().mode() & 0o077);
    let mut open = if mode == 0 { Vec::new() } else { vec![(path.to_owned(), mode)] };
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap().flatten();
        open.extend(entries.flat_map(|entry| open_to_others(&entry.path())));
    }
    open
}

/// A daemon that is started as by a shell that lets everybody read what it makes.
fn careless(dir: &Path, arguments: &[&str]) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 022 && exec \"$0\" \"$@\"", BINARY]);
    Process::of(command, dir, arguments)
}

#[test]
fn what_is_kept_is_the_owners_alone_and_a_backup_replaces_nothing_unasked() {
    const MARKET: [&str; 5] = ["run", "--symbols", "2", "--pace", "240x"];
    let folder = Folder::new("private");
    let (dir, file) = (folder.join("data"), folder.join("it.backup"));
    let daemon = careless(&dir, &MARKET);
    daemon.answers();
    daemon.prints("may trade");
    assert_eq!(open_to_others(&dir), [], "a new folder");
    let backup = ["backup", file.to_str().unwrap()];
    let (code, out, err) = run(&dir, &backup);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(open_to_others(&file), []);
    let first = fs::read(&file).unwrap();
    let (code, _, err) = run(&dir, &backup);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("it.backup exists") && err.contains("--force"), "{err}");
    assert_eq!(fs::read(&file).unwrap(), first, "it is as it was");
    let (code, out, err) = run(&dir, &[&backup[..], &["--force"]].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    assert_ne!(fs::read(&file).unwrap(), first, "it is a new one");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    wait_until_free(&dir);

    // As an earlier version left it; the folder itself may be somebody's who shares it.
    for name in ["live.redb", "history.redb", "exchange/books.redb", "exchange"] {
        let mode = if name == "exchange" { 0o755 } else { 0o644 };
        fs::set_permissions(dir.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    let daemon = careless(&dir, &MARKET);
    daemon.answers();
    assert_eq!(open_to_others(&dir), [], "they are taken back");
    daemon.kill();
}

#[test]
fn a_daemon_is_struck_only_where_that_is_allowed() {
    let folder = Folder::new("not-struck");
    let dir = folder.join("data");
    let with_faults = |more: &[(&str, &str)]| {
        let mut command = Command::new(BINARY);
        command.env(STRIKES, "[]").envs(more.iter().copied());
        Process::of(command, &dir, &["run", "--symbols", "2"])
    };
    let (code, out, err) = with_faults(&[]).result();
    assert_eq!(code, Some(5), "{out}{err}");
    assert!(err.contains(STRIKES) && err.contains("set chaos.enabled = true"), "{err}");
    assert!(!dir.join("live.redb").exists(), "nothing was begun");
    let daemon = with_faults(&[("EVERWARM_CHAOS__ENABLED", "true")]);
    daemon.answers();
    daemon.kill();
}

#[test]
fn a_daemon_is_stopped_by_a_command_that_waits_for_its_end() {
    let folder = Folder::new("stop");
    let dir = folder.join("data");
    let (code, out, err) = run(&dir, &["stop"]);
    assert_eq!((code, out.as_str()), (Some(3), ""), "{err}");
    assert!(err.contains("no daemon is running on"), "{err}");
    let daemon = Process::start(&dir, &["run", "--symbols", "2", "--pace", "240x"]);
    daemon.answers();
    let pid = daemon.pid();
    let stopped = ask(&dir, &["stop"]);
    assert_eq!(stopped["pid"], pid);
    let (code, _, err) = run(&dir, &["store", "check"]);
    assert_eq!(code, Some(0), "its files are free when the command ends: {err}");
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(0), "{err}");
    wait_until("the exchange has ended with it", || exchange(&dir).is_none());
    assert_eq!(run(&dir, &["stop"]).0, Some(3), "there is none any more");
    // One that was killed is not running either, though its file names where it answered.
    let daemon = Process::start(&dir, &["run", "--symbols", "2", "--pace", "240x"]);
    daemon.answers();
    daemon.kill();
    assert!(ApiFile::read(&dir).is_some());
    assert_eq!(run(&dir, &["stop"]).0, Some(3));
}

#[test]
fn a_daemon_that_nobody_reads_says_how_it_is_stopped() {
    let folder = Folder::new("unread");
    let dir = folder.join("data");
    let mut daemon = Command::new(BINARY)
        .args(["run", "--symbols", "2", "--pace", "240x", "--data-dir"])
        .arg(&dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // As `| head -1` does.
    let mut first = String::new();
    BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(!first.is_empty());
    let mut errors = BufReader::new(daemon.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("standard output is closed") {
        assert_ne!(errors.read_line(&mut text).unwrap(), 0, "it ended: {text}");
    }
    let line = text.lines().last().unwrap();
    assert!(line.contains(&format!("continues as process {}", daemon.id())), "{line}");
    let command = line.split_once("Stop it: everwarm ").unwrap().1;
    wait_until("it answers", || ApiFile::read(&dir).is_some());
    let stop = Command::new(BINARY).args(command.split(' ')).output().unwrap();
    assert!(stop.status.success(), "{command}: {}", String::from_utf8_lossy(&stop.stderr));
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("standard output is closed"), "once: {rest}");
}

#[test]
fn whoever_has_the_token_finds_a_place_where_all_are_taken() {
    let folder = Folder::new("crowd");
    let dir = folder.join("data");
    let daemon = Process::start(&dir, &["run", "--symbols", "2"]);
    daemon.answers();
    let at = ApiFile::read(&dir).unwrap().addr;
    // Some ask for something and rest, some send half a head, some nothing.
    let crowd: Vec<TcpStream> = (0..200)
        .map(|i| {
            let mut stream = TcpStream::connect(at).unwrap();
            let sent = ["GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /li", ""][i % 3];
            // It may have been ended for another.
            drop(stream.write_all(sent.as_bytes()));
            stream
        })
        .collect();
    let set = ask(&dir, &["log-level", "info", "--yes"]);
    assert_eq!(set["filter"], "info");
    let (code, out, err) = run(&dir, &["halt", "--reason", "crowd", "--yes"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let busy = "everwarm_http_refused_total{reason=\"busy\"}";
    assert!(measured(&dir, busy) >= 100.0, "{}", measured(&dir, busy));
    drop(crowd);
    // The name of the scheme has no case.
    let token = fs::read_to_string(dir.join(TOKEN_FILE)).unwrap();
    let put = "PUT /api/v1/log-level HTTP/1.1";
    for scheme in ["bearer", "BEARER", "Bearer"] {
        let bearer = format!("Authorization: {scheme} {token}");
        let lines = [put, "Content-Type: application/json", &bearer];
        let answer = request(&dir, &lines, "{\"filter\":\"warn\"}");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{scheme}: {answer}");
    }
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    // A token that can be guessed is none.
    fs::write(dir.join(TOKEN_FILE), "x").unwrap();
    let (code, _, err) = run(&dir, &["run", "--symbols", "2"]);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("api.token") && err.contains("needs at least 16"), "{err}");
}

#[test]
fn a_damaged_file_of_the_exchange_is_named_with_what_helps() {
    let folder = Folder::new("damaged-limits");
    let dir = folder.join("data");
    fs::create_dir_all(dir.join("exchange")).unwrap();
    let file = dir.join("exchange/limits.json");
    fs::write(&file, "{\"weight\":").unwrap();
    let (code, out, err) = run(&dir, &["run", "--symbols", "2"]);
    assert_eq!(code, Some(1), "{out}{err}");
    let named = file.display().to_string();
    assert!(err.contains(&named) && err.contains("remove the file"), "{err}");
    fs::remove_file(&file).unwrap();
    let daemon = Process::start(&dir, &["run", "--symbols", "2"]);
    daemon.answers();
    daemon.kill();
}
