//! The venue's budget is shared with everybody behind the address, and with our own earlier lives.

use crate::kit::{BINARY, Folder, Process, ask, made_recording, run, wait_until};
use everwarm::chaos::crashes::{End, Moment, Subject};
use everwarm_adapters::binance::{BinanceClient, Config};
use everwarm_domain::time::MINUTE;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use everwarm_runtime::clock;
use everwarm_sim::server::limits::Counters;
use everwarm_sim::server::port::PortFile;
use everwarm_sim::wire::info::Limits;
use everwarm_venue::Probe;
use everwarm_venue::clock::{Pace, SharedClock};
use everwarm_venue::rate_limit::{Care, ConnectionLimit, Note, Spent};
use everwarm_venue::simulated::Admin;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Builder;

/// Starts in a row.
const STARTS: usize = 100;
/// How long a start is given that is to come as far as to wait for the budget.
const PATIENT: Duration = Duration::from_secs(20);
/// How long most starts are given.
const SHORT: Duration = Duration::from_millis(150);
/// Weight the exchange takes in a minute.
const LIMIT: u64 = 6_000;
/// Wall time in which it counts connections, milliseconds.
const WINDOW: i64 = 5 * MINUTE;

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
    (status, used.expect("it reports its count").1.trim().parse().unwrap())
}

/// Somebody else spends most of what there is in this minute, and is not refused either. Asking
/// counts too: it is done once where nothing is to be spent.
fn fill(dir: &Path) {
    loop {
        let (status, used) = spend(dir, "/api/v3/time");
        assert!(status == 200 && used <= LIMIT, "status {status}, {used} used");
        if used >= LIMIT * 8 / 10 {
            return;
        }
        spend(dir, "/api/v3/exchangeInfo");
    }
}

/// How many requests the exchange has refused for its limits, of whoever asked.
fn refused(dir: &Path) -> u64 {
    drop(rustls::crypto::ring::default_provider().install_default());
    let file = PortFile::read(&dir.join("exchange")).unwrap().expect("an exchange runs");
    let admin = Admin::new(&format!("http://127.0.0.1:{}", file.port), &file.token).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(admin.status()).unwrap().over_limits
}

/// Whether its status reports that it waits for the budget.
fn reports_waiting(dir: &Path) -> bool {
    let problems = ask(dir, &["status"])["problems"].clone();
    let mut all = problems.as_array().into_iter().flatten().filter_map(|text| text.as_str());
    all.any(|text| text.starts_with("venue: waiting for venue budget, "))
}

/// Starts a daemon that is killed after a while, or as soon as it waits for the budget: whether it
/// did, and then also reported it in its status.
fn start(dir: &Path, within: Duration) -> (bool, bool) {
    fill(dir);
    let daemon = Process::start(dir, &["run", "--pace", "real"]);
    let waits = daemon.complains("waiting for venue budget, ", within);
    let mut reported = false;
    if waits && within == PATIENT {
        daemon.answers();
        reported = reports_waiting(dir);
    }
    daemon.kill();
    (waits, reported)
}

#[test]
fn a_hundred_starts_in_a_row_never_exceed_the_budget_of_the_venue() {
    let folder = Folder::new("budget");
    let dir = folder.join("data");
    let first = Process::start(&dir, &["run", "--pace", "real"]);
    first.prints("may trade");
    first.kill();
    // All of it within one minute of the exchange, where the machine can.
    while clock::wall().utc().rem_euclid(60_000) > 20_000 {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let (mut waited, mut reported) = (0, 0);
    for i in 0..STARTS {
        println!("start {i}");
        // Most end somewhere on their way, whatever that takes them; some come as far as to wait.
        let patient = i % 10 == 0;
        let (waits, reports) = start(&dir, if patient { PATIENT } else { SHORT });
        (waited, reported) = (waited + usize::from(waits), reported + usize::from(reports));
    }
    fill(&dir);
    assert_eq!(refused(&dir), 0, "the exchange has counted all of it");
    // A minute may end between the one and the other, not each time.
    assert!(waited > 0 && reported > 0, "{waited} waited for the budget, {reported} reported it");
}

/// Connections that are opened in five minutes at most; the exchange takes half as many again.
const CONNECTIONS: usize = 200;

#[test]
fn a_restart_loop_waits_for_connections_instead_of_being_refused() {
    let folder = Folder::new("attempts");
    let dir = folder.join("data");
    let first = Process::start(&dir, &["run", "--pace", "real"]);
    let note = dir.join("venue-spent.json");
    let spent = || serde_json::from_slice::<Spent>(&fs::read(&note).unwrap()).unwrap();
    first.prints("may trade");
    wait_until("the market's and the account's are noted", || spent().connections.len() >= 2);
    first.kill();
    // The same a hundred times:
    let mut all = spent();
    for _ in 0..2 {
        all.connections = std::iter::repeat_n(clock::wall().utc(), CONNECTIONS).collect();
        fs::write(&note, serde_json::to_vec(&all).unwrap()).unwrap();
        let daemon = Process::start(&dir, &["run", "--pace", "real"]);
        assert!(
            daemon.complains("waiting for venue budget, ", PATIENT),
            "it connects all the same"
        );
        daemon.answers();
        assert!(reports_waiting(&dir));
        daemon.kill();
        assert_eq!(spent(), all, "nothing was opened");
    }
}

/// Asks the exchange for a stream and leaves it; the status of the answer.
fn knock(dir: &Path) -> u16 {
    let port = PortFile::read(&dir.join("exchange")).unwrap().expect("an exchange runs").port;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let upgrade = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13";
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
    let request = format!("GET /ws HTTP/1.1\r\nhost: localhost\r\n{upgrade}\r\n{key}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    // "HTTP/1.1 429"
    let mut line = [0; 12];
    stream.read_exact(&mut line).unwrap();
    std::str::from_utf8(&line[9..]).unwrap().parse().unwrap()
}

#[test]
fn what_a_stream_is_told_to_wait_holds_for_all_requests_and_lives() {
    let folder = Folder::new("knocking");
    let dir = folder.join("data");
    let daemon = Process::start(&dir, &["run", "--pace", "real"]);
    daemon.prints("may trade");
    daemon.answers();
    assert!(!reports_waiting(&dir));
    // Connections are counted anew at each of these: what is waited for must not be over before the
    // next life has asked. The first one has started, so that its start does not count.
    while WINDOW - clock::wall().utc() % WINDOW < MINUTE {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    // Others behind the same address take all connections there are.
    let taken = (0..3 * CONNECTIONS).find(|_| knock(&dir) == 429);
    assert!(taken.is_some(), "all were opened");
    let switch = |word: &str| {
        let words = [word, "root/trading/feeds", "--reason", "a test", "--yes"];
        let (code, out, err) = run(&dir, &words);
        assert_eq!(code, Some(0), "{out}{err}");
    };
    switch("disable");
    let before = refused(&dir);
    switch("enable");
    wait_until("the stream is refused", || refused(&dir) > before);
    wait_until("all wait", || reports_waiting(&dir));
    let note = dir.join("venue-spent.json");
    let spent = serde_json::from_slice::<Spent>(&fs::read(&note).unwrap()).unwrap();
    let left = spent.banned_until - clock::wall().utc();
    assert!((1..=WINDOW).contains(&left), "until the window ends: {left} ms");
    daemon.kill();
    // The next life knows of it, too.
    let asked = refused(&dir);
    let daemon = Process::start(&dir, &["run", "--pace", "real"]);
    assert!(daemon.complains("waiting for venue budget, ", PATIENT), "it asks all the same");
    daemon.answers();
    assert!(reports_waiting(&dir));
    daemon.kill();
    assert_eq!(refused(&dir), asked, "nothing more was asked for");
}

/// A process at a second of the wall clock that finds what others have noted.
fn life_at(second: i64, noted: &Arc<Mutex<Spent>>) -> BinanceClient {
    let into = Arc::clone(noted);
    let write = Arc::new(move |spent: &Spent, _: Care| into.lock().unwrap().clone_from(spent));
    let config = Config {
        rest: "http://127.0.0.1:1".to_owned(),
        stream: "ws://127.0.0.1:1".to_owned(),
        ws_api: "ws://127.0.0.1:1/ws-api/v3".to_owned(),
        key: None,
        recv_window: 5_000,
        clock: SharedClock::new(Pace::Real),
        wall: Arc::new(move || everwarm_domain::time::WallMs::from_utc(second * 1_000)),
        probe: Probe::default(),
        note: Note { before: noted.lock().unwrap().clone(), write },
    };
    BinanceClient::new(config).unwrap()
}

#[test]
fn a_restart_loop_never_exceeds_the_connections_the_venue_takes() {
    let mut exchange = Counters::new(Limits::scaled(1));
    let noted = Arc::default();
    let (mut opened, mut waited) = (0, 0);
    // A life a second for half an hour.
    for second in 1_700_000_000..1_700_001_800 {
        let life = life_at(second, &noted);
        for mut stream in [ConnectionLimit::share(2), ConnectionLimit::share(2)] {
            match life.admit_connection(&mut stream, 0) {
                Ok(()) => {
                    opened += 1;
                    let refused = exchange.connect(u64::try_from(second).unwrap()).err();
                    assert_eq!(refused, None, "connection {opened}");
                }
                Err(_) => waited += 1,
            }
        }
    }
    // It goes on all the time, as fast as it may.
    assert_eq!((opened, waited), (6 * CONNECTIONS, 3_600 - 6 * CONNECTIONS));
}

#[test]
fn what_one_life_is_told_to_wait_holds_for_every_connection_of_the_next() {
    let noted = Arc::default();
    life_at(1_700_000_000, &noted).limited(300_000);
    // The market's costs no weight, the account's does.
    for weight in [0, 2] {
        let mut own = ConnectionLimit::share(2);
        let next = life_at(1_700_000_299, &noted);
        assert_eq!(next.admit_connection(&mut own, weight), Err(1_000), "weight {weight}");
        assert_eq!(next.waiting(), Some(1), "weight {weight}");
    }
    let mut own = ConnectionLimit::share(2);
    assert_eq!(life_at(1_700_000_300, &noted).admit_connection(&mut own, 0), Ok(()));
}

/// Orders are noted ahead in steps of a twentieth of what the venue takes: who is killed with each
/// order on its way has noted a full day after twenty.
#[test]
fn many_that_were_killed_with_an_order_on_its_way_leave_room_for_more() {
    let folder = Folder::new("noted-orders");
    let dir = folder.join("data");
    fs::create_dir(&dir).unwrap();
    let subject = Subject::new(BINARY, made_recording(&folder.join("made"), 3, 1_800));
    let who = "gateway".to_owned();
    let sent = PlannedFault {
        site: Site::AfterSend,
        who,
        phase: Phase::Live,
        nth: 1,
        kind: FaultKind::Die,
    };
    for life in 0..24 {
        let end = subject.killed(&dir, &Moment::At(sent.clone())).unwrap().end;
        // Its progress may be written a moment later.
        assert!(matches!(end, End::Killed(_)), "life {life}: {end:?}");
    }
    subject.to_its_end(&dir).unwrap();
}
