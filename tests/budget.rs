//! The venue's budget is shared with everybody behind the address, and with our own earlier lives.

use crate::kit::{Folder, Process, ask};
use everwarm::sim::server::port::PortFile;
use everwarm_runtime::clock;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// Starts in a row.
const STARTS: usize = 100;
/// How long a start is given that is to come as far as to wait for the budget.
const PATIENT: Duration = Duration::from_secs(20);
/// How long most starts are given.
const SHORT: Duration = Duration::from_millis(150);
/// Weight the exchange takes in a minute.
const LIMIT: u64 = 6_000;

/// Asks the exchange: the status of the answer, and the weight it has counted this minute.
fn spend(dir: &Path, path: &str) -> (u16, u64) {
    let port = PortFile::read(&dir.join("exchange")).unwrap().expect("an exchange runs").port;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = answer.lines().filter_map(|line| line.split_once(": "));
    let used = headers.find(|(name, _)| name.eq_ignore_ascii_case("x-mbx-used-weight-1m"));
    (status, used.expect("it tells its count").1.trim().parse().unwrap())
}

/// Somebody else spends most of what there is in this minute.
fn fill(dir: &Path) {
    while spend(dir, "/api/v3/time").1 < LIMIT * 8 / 10 {
        spend(dir, "/api/v3/exchangeInfo");
    }
}

/// Starts a daemon that is killed after a while, or as soon as it waits for the budget: whether it
/// did, and then also said so in its status.
fn start(dir: &Path, within: Duration) -> (bool, bool) {
    fill(dir);
    let daemon = Process::start(dir, &["run", "--pace", "real"]);
    let waits = daemon.complains("waiting for venue budget, ", within);
    let mut told = false;
    if waits && within == PATIENT {
        daemon.answers();
        let problems = ask(dir, &["status"])["problems"].clone();
        let mut all = problems.as_array().into_iter().flatten().filter_map(|text| text.as_str());
        told = all.any(|text| text.starts_with("venue: waiting for venue budget, "));
    }
    daemon.kill();
    (waits, told)
}

#[test]
fn a_hundred_starts_in_a_row_never_exceed_the_budget_of_the_venue() {
    let folder = Folder::new("budget");
    let dir = folder.join("data");
    let first = Process::start(&dir, &["run", "--pace", "real"]);
    first.says("may trade");
    first.kill();
    // All of it within one minute of the exchange, where the machine can.
    while clock::wall_ms().rem_euclid(60_000) > 20_000 {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let (mut waited, mut told) = (0, 0);
    for i in 0..STARTS {
        // Most end somewhere on their way, whatever that takes them; some come as far as to wait.
        let patient = i % 10 == 0;
        let (waits, says) = start(&dir, if patient { PATIENT } else { SHORT });
        (waited, told) = (waited + usize::from(waits), told + usize::from(says));
        let (status, used) = spend(&dir, "/api/v3/time");
        assert!(status == 200 && used <= LIMIT, "start {i}: status {status}, {used} used");
    }
    // A minute may end between the one and the other, not each time.
    assert!(waited > 0 && told > 0, "{waited} waited for the budget, {told} said so");
}
