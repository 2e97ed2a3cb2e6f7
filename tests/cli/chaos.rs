//! `everwarm chaos`: as people run it on a recording of theirs, and that it can find something.

use crate::kit::{
    BINARY, Folder, Process, made_recording, output, plain, run, runs, small_recording, wait_until,
};
use everwarm::chaos::prove::Part;
use everwarm_sim::faults::{KINDS, Kind};
use everwarm_sim::server::port::PortFile;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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
    // A quarter falls while people speak, and once venue time passes by itself.
    assert!(times("word") > 10, "{told}");
    assert!(told["struck"].to_string().contains("dead for"), "{told}");
}

#[test]
fn every_part_of_a_life_is_struck_under_a_venue_that_misbehaves() {
    let folder = Folder::new("chaos-venue");
    // Long enough that something is sealed.
    let recording = made_recording(&folder.join("recording"), 8, 300);
    let asked = ["chaos", "--recording", &recording, "--kills", "6", "--crashes", "26"];
    let told = plain(&[&asked[..], &["--disk", "1", "--venue-faults", "--json"]].concat());
    let said = String::from_utf8_lossy(&told.stderr);
    let found: Value = serde_json::from_slice(&told.stdout).unwrap_or_default();
    // First, because whoever shows this may cut it short.
    assert!(told.status.success(), "{}\n{said}\n{found}", found["differences"]);
    let told = found;
    assert_eq!(told["differences"], serde_json::json!([]), "{told}");
    let struck = |what: &str, place: &str| -> u64 {
        let mut rows = told["struck"].as_array().unwrap().iter();
        let row = rows.find(|row| row["what"] == what && row["place"] == place);
        row.map_or(0, |row| row["times"].as_u64().unwrap())
    };
    // The others are struck by time; how often, a loaded machine decides.
    let always = [Part::Repair, Part::Sync, Part::Checkpoint, Part::Sealing];
    for part in [&always[..], &[Part::Continued, Part::Alone]].concat() {
        assert!(struck("crash", part.name()) > 0, "{}: {told}", part.name());
    }
    let all: u64 = Part::ALL.iter().map(|part| struck("crash", part.name())).sum();
    assert!((26..28).contains(&all), "{told}");
    // What was never met is told too.
    for name in KINDS.iter().map(|row| row.name) {
        let mut rows = told["struck"].as_array().unwrap().iter();
        assert!(rows.any(|row| row["what"] == "venue" && row["place"] == name), "{name}: {told}");
    }
    // What a clock that is wrong or an answer that is late changes is there in every start.
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
    assert!(said.contains("depends on timing"), "{said}");
    let struck = ["any moment", "ten at once", "a whole branch"];
    assert!(struck.iter().any(|what| said.contains(what)), "{said}");
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

/// What it proves of a configuration: standard output as JSON, and what it says besides.
fn proved(folder: &Folder, configuration: &str, asked: &[&str]) -> (Option<i32>, Value, String) {
    let recording = small_recording(&folder.join("recording"));
    let file = folder.join("mine.toml");
    fs::write(&file, configuration).unwrap();
    let all = ["chaos", "--recording", &recording, "--config", file.to_str().unwrap(), "--json"];
    let told = plain(&[&all[..], asked].concat());
    let value = serde_json::from_slice(&told.stdout).unwrap_or_default();
    (told.status.code(), value, String::from_utf8(told.stderr).unwrap())
}

#[test]
fn kills_strike_the_symbols_of_the_configuration_and_no_others() {
    let folder = Folder::new("chaos-symbols");
    let strike = |who: &str| {
        let at = r#""site":"after-receive","phase":"live","nth":3,"blow":"kill""#;
        format!(r#"{{"strikes":[{{{at},"who":"{who}"}}]}}"#)
    };
    for (symbols, missed) in [("", 0), ("[market]\nsymbols = [\"AAAUSD\", \"CCCUSD\"]\n", 1)] {
        let (code, told, said) = proved(&folder, symbols, &["--plan", &strike("BBBUSD")]);
        // Who is not there cannot be struck, and that proves nothing.
        assert_eq!(
            (code, &told["missed"]),
            (Some(missed), &missed.into()),
            "{symbols}: {said}{told}"
        );
        let (code, told, said) = proved(&folder, symbols, &["--plan", &strike("AAAUSD")]);
        assert_eq!((code, &told["missed"]), (Some(0), &0.into()), "{symbols}: {said}{told}");
    }
    let absent = "[market]\nsymbols = [\"ZZZUSD\"]\n";
    let (code, _, said) = proved(&folder, absent, &["--kills", "1", "--crashes", "0"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("market.symbols: there is no ZZZUSD; the symbols are AAAUSD"), "{said}");
}

/// The configuration of somebody who trades real money, is told of it, and may be asked from
/// elsewhere: nothing of that happens.
#[test]
fn a_configuration_for_a_real_venue_is_proved_at_the_simulated_one() {
    let folder = Folder::new("chaos-real");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    let configuration = format!(
        "[daemon]\nlisten = \"{taken}\"\n[venue]\nkind = \"binance\"\nenvironment = \"live\"\n\
         key = \"env:NO_SUCH_KEY\"\nsecret = \"env:NO_SUCH_SECRET\"\n\
         [trading]\nmode = \"live\"\nquote_asset = \"USD\"\n\
         [market]\nsymbols = [\"AAAUSD\"]\npace = \"real\"\n\
         [api]\nlisten = \"0.0.0.0:1\"\ntls_cert = \"no-such\"\ntls_key = \"env:NO_SUCH_TLS\"\n\
         [messages]\nwebhook = \"env:NO_SUCH_HOOK\"\nheartbeat = \"env:NO_SUCH_BEAT\"\n"
    );
    let asked = ["--kills", "5", "--crashes", "2", "--disk", "0"];
    let (code, told, said) = proved(&folder, &configuration, &asked);
    assert_eq!(code, Some(0), "{said}{told}");
    assert_eq!(told["differences"], serde_json::json!([]));
    let line = "venue.kind is \"binance\": strategies, limits and symbols run at the \
                simulated exchange, on the recording; no order leaves this machine\n";
    assert_eq!(said, line);
}

fn through_a_shell(line: &str) -> Output {
    let folder = Path::new(BINARY).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    output(Command::new("sh").args(["-c", line]).env("PATH", path))
}

#[test]
fn the_line_that_shows_it_again_is_taken_by_a_shell_and_has_what_configured_it() {
    let folder = Folder::new("chaos again");
    let recording = small_recording(&folder.join("it's mine"));
    let mut command = Command::new(BINARY);
    command.args(["chaos", "--seed", "3", "--recording", &recording]);
    command.args(["--plan", r#"{"sabotage":"random-ids"}"#]);
    command.env("EVERWARM_MARKET__SYMBOLS", "AAAUSD, BBBUSD");
    command.env("EVERWARM_TRADING__MAX_POSITIONS", "7");
    let told = output(&mut command);
    let said = String::from_utf8(told.stdout).unwrap();
    let again = said.lines().find_map(|line| line.strip_prefix("again: "));
    let again = again.unwrap_or_else(|| panic!("{said}"));
    let variables = "EVERWARM_MARKET__SYMBOLS='AAAUSD, BBBUSD' EVERWARM_TRADING__MAX_POSITIONS=7";
    assert!(again.starts_with(&format!("{variables} everwarm chaos --recording '")), "{again}");
    let once_more = through_a_shell(again);
    let other = String::from_utf8(once_more.stdout).unwrap();
    assert_eq!(once_more.status.code(), Some(4), "{again}: {other}");
    assert!(other.lines().any(|line| line == format!("again: {again}")), "{again}: {other}");
}

#[test]
fn what_strikes_nothing_is_refused_for_it_proves_nothing() {
    let folder = Folder::new("chaos-nothing");
    let nothing = ["--kills", "0", "--crashes", "0", "--disk", "0"];
    let (code, _, said) = proved(&folder, "", &nothing);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no fault is requested, so nothing would be proved"), "{said}");
    for asked in [
        &["--exhaustive", "--runs", "0"][..],
        &["--plan", "{}", "--times", "0"],
        &["--exhaustive", "--config", "mine.toml"],
        &["--exhaustive", "--plan", "{}"],
        &["--exhaustive", "--plan", r#"{"workers":4,"image":"synced","at_random":[7,0]}"#],
        &["--exhaustive", "--plan", r#"{"crashes":{"seed":7,"live_us":9,"parts":[]}}"#],
    ] {
        let told = plain(&[&["chaos"][..], asked].concat());
        assert_eq!(told.status.code(), Some(2), "{asked:?}");
    }
    let nobody = r#"{"site":"before-step","who":"nobody","phase":"live","nth":1,"blow":"kill"}"#;
    let plan = format!(r#"{{"strikes":[{nobody}]}}"#);
    let told = plain(&["chaos", "--exhaustive", "--plan", &plan]);
    let said = String::from_utf8_lossy(&told.stdout);
    assert_eq!(told.status.code(), Some(1), "{said}");
    assert!(
        said.contains("1 planned fault not reached") && said.contains("nothing is proved"),
        "{said}"
    );
    let (code, told, said) = proved(&folder, "", &[&nothing[..], &["--venue-faults"]].concat());
    assert_eq!((code, &told["runs"]), (Some(0), &4.into()), "{said}{told}");
    let struck = told["struck"].as_array().unwrap();
    assert!(struck.iter().any(|row| row["what"] == "venue"), "{told}");
}

/// Folders in which a process proves.
fn left_by(pid: u32) -> Vec<PathBuf> {
    let ours = format!("everwarm-rig-{pid}-");
    let places = [PathBuf::from("/dev/shm"), std::env::temp_dir()];
    let all = places.iter().filter_map(|place| fs::read_dir(place).ok()).flatten().flatten();
    let all = all.filter(|entry| entry.file_name().to_string_lossy().starts_with(&ours));
    all.map(|entry| entry.path()).collect()
}

/// Processes with such a word in their command.
fn processes_with(word: &str) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has = |pid: &u32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(word)
    };
    pids.filter(has).collect()
}

#[test]
fn one_that_is_interrupted_leaves_no_process_and_no_file() {
    let folder = Folder::new("chaos-stopped");
    let recording = made_recording(&folder.join("recording"), 4, 2_000);
    for (kills, crashes) in [("0", "500"), ("500000", "0")] {
        let asked = ["chaos", "--recording", &recording, "--disk", "0", "--kills", kills];
        let asked = [&asked[..], &["--crashes", crashes]].concat();
        let mut command = Command::new(BINARY);
        command.args(&asked);
        let proving = Process::bare(command);
        let pid = proving.pid();
        let ours = format!("everwarm-rig-{pid}-");
        wait_until("lives are lived", || {
            let daemons = crashes == "0" || processes_with(&ours).len() > 1;
            daemons && left_by(pid).iter().any(|dir| fs::read_dir(dir).is_ok_and(|d| d.count() > 0))
        });
        proving.signal("-INT");
        let (code, said, err) = proving.result();
        assert_eq!(code, Some(130), "{said}{err}");
        assert!(err.contains("interrupted; nothing is proved"), "{said}{err}");
        assert!(!runs(pid));
        assert!(left_by(pid).is_empty(), "{:?}", left_by(pid));
        assert_eq!(processes_with(&ours), [0; 0]);
    }
}

#[test]
fn faults_that_could_never_hit_are_refused_in_sentences() {
    let folder = Folder::new("chaos-never");
    let dir = folder.join("exchange");
    fs::create_dir_all(&dir).unwrap();
    let exchange = Process::start(&dir, &["sim", "--symbols", "BTCUSD", "--pace", "lockstep"]);
    wait_until("it listens", || PortFile::read(&dir).ok().flatten().is_some());
    for (asked, why) in [
        (&["lift", "99"][..], "no fault 99 is on; none is"),
        (&["fault", "slow", "--at", "POST orders"], "did you mean \"POST order\"?"),
        (&["fault", "missing", "--at", "btcusd@kline1m"], "did you mean \"btcusd@kline_1m\"?"),
        (&["fault", "missing", "--at", "btcusdt@trade"], "did you mean \"btcusd@trade\"?"),
        (&["fault", "late-fills", "--at", "BTCUSDT"], "did you mean \"BTCUSD\"?"),
        (&["fault", "clock-skew", "--times", "3"], "takes no times, skip or chance"),
    ] {
        let (code, out, err) = run(&dir, &[&["sim"][..], asked].concat());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{asked:?}: {err}");
        assert!(err.contains(why) && !err.contains('{'), "{asked:?}: {err}");
    }
    let on = ["sim", "fault", "missing", "--at", "btcusd@kline_1m"];
    assert_eq!(run(&dir, &on).0, Some(0));
    exchange.kill();
}
