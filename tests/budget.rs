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

#[test]
fn a_hundred_starts_in_a_row_never_exceed_the_budget_of_the_venue() {
    let folder = Folder::new("budget");
    let dir = folder.join("data");
    let first = Process::start(&dir, &["run", "--pace", "real"]);
    first.says("may trade");
    first.kill();
    // All of it within one minute of the exchange.
    while clock::wall_ms().rem_euclid(60_000) > 20_000 {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    // Somebody else spends most of it.
    while spend(&dir, "/api/v3/exchangeInfo").1 < LIMIT * 8 / 10 {}
    let mut waited = 0;
    for i in 0..STARTS {
        let daemon = Process::start(&dir, &["run", "--pace", "real"]);
        let waits = daemon.complains("waiting for venue budget, ", Duration::from_millis(300));
        if waits && waited == 0 {
            daemon.answers();
            let problems = &ask(&dir, &["status"])["problems"];
            let told = problems[0]
                .as_str()
                .is_some_and(|problem| problem.starts_with("venue: waiting for venue budget, "));
            assert!(told, "{problems}");
        }
        waited += usize::from(waits);
        daemon.kill();
        let (status, used) = spend(&dir, "/api/v3/time");
        assert!(status == 200 && used <= LIMIT, "start {i}: status {status}, {used} used");
    }
    assert!(waited > 0, "the budget was never short");
}
