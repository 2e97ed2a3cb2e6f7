//! `everwarm chaos`: as people run it on a recording of theirs, and that it can find something.

use crate::kit::{
    BINARY, Folder, Process, made_recording, output, plain, run, runs, small_recording, wait_until,
};
use everwarm::chaos::prove::Part;
use everwarm_sim::faults::{KINDS, Kind};
use everwarm_sim::server::port::PortFile;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn kills_crashes_and_dying_disks_make_no_difference_and_are_counted() {
    let folder = Folder::new("chaos");
    let recording = small_recording(&folder.join("recording"));
    let asked = ["chaos", "--recording", &recording, "--kills", "40", "--crashes", "11"];
    let output = plain(&[&asked[..], &["--disk", "3", "--seed", "5", "--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(errors, "", "no bar where nobody looks");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["differences"], serde_json::json!([]));
    assert!(report["closes"].as_u64().unwrap() > 200, "{report}");
    let times = |what: &str| -> u64 {
        let rows = report["struck"].as_array().unwrap().iter();
        rows.filter(|row| row["what"] == what).map(|row| row["times"].as_u64().unwrap()).sum()
    };
    assert_eq!((times("crash"), times("disk")), (11, 3), "{report}");
    assert!(times("kill") + times("panic") >= 40, "{report}");
    assert!(report["restarts_us"][0].as_u64().unwrap() > 0, "{report}");
    assert!(report["lives"].as_u64().unwrap() >= 14, "{report}");
    assert_eq!(times("venue"), 0, "{report}");
    // A quarter falls while people speak, and once venue time passes by itself.
    assert!(times("command") > 10, "{report}");
    assert!(report["struck"].to_string().contains("dead for"), "{report}");
}

#[test]
fn every_part_of_a_life_is_struck_under_a_venue_that_misbehaves() {
    let folder = Folder::new("chaos-venue");
    // Long enough that something is sealed.
    let recording = made_recording(&folder.join("recording"), 8, 300);
    let asked = ["chaos", "--recording", &recording, "--kills", "6", "--crashes", "26"];
    let output = plain(&[&asked[..], &["--disk", "1", "--venue-faults", "--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    // First, because whoever shows this may cut it short.
    assert!(output.status.success(), "{}\n{errors}\n{report}", report["differences"]);

    assert_eq!(report["differences"], serde_json::json!([]), "{report}");
    let injected = |what: &str, place: &str| -> u64 {
        let mut rows = report["struck"].as_array().unwrap().iter();
        let row = rows.find(|row| row["what"] == what && row["place"] == place);
        row.map_or(0, |row| row["times"].as_u64().unwrap())
    };
    // Crashes hit the other parts by time; how often, a loaded machine decides.
    let always = [Part::Repair, Part::Sync, Part::Checkpoint, Part::Sealing];
    for part in [&always[..], &[Part::Continued, Part::Alone]].concat() {
        assert!(injected("crash", part.name()) > 0, "{}: {report}", part.name());
    }
    let all: u64 = Part::ALL.iter().map(|part| injected("crash", part.name())).sum();
    assert!((26..28).contains(&all), "{report}");
    // What was never met is reported too.
    for name in KINDS.iter().map(|row| row.name) {
        let mut rows = report["struck"].as_array().unwrap().iter();
        assert!(rows.any(|row| row["what"] == "venue" && row["place"] == name), "{name}: {report}");
    }
    // What a clock that is wrong or an answer that is late changes is there in every start.
    let always = [Kind::Slow, Kind::ClockSkew];
    for row in KINDS.iter().filter(|row| row.transparent || always.contains(&row.kind)) {
        assert!(injected("venue", row.name) > 0, "{}: {report}", row.name);
    }
}

#[test]
fn a_few_of_all_runs_on_the_small_feed_make_no_difference() {
    let output = plain(&["chaos", "--exhaustive", "--runs", "6", "--json"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["runs"].as_u64().unwrap() >= 7, "{report}");
    assert!(report["closes"].as_u64().unwrap() > 200, "{report}");
    assert!(!report["struck"].as_array().unwrap().is_empty(), "{report}");
}

#[test]
fn a_run_that_is_made_again_tells_what_struck_and_how_long_it_lived() {
    let folder = Folder::new("chaos-again");
    let recording = small_recording(&folder.join("recording"));
    let again = |plan: &str, times: &[&str]| {
        let asked = ["chaos", "--recording", &recording, "--plan", plan];
        let output = plain(&[&asked[..], times].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    };
    let fault = r#"{"site":"before-step","who":"ledger","phase":"live","nth":9,"blow":"kill"}"#;
    let text = again(&format!(r#"{{"strikes":[{fault}]}}"#), &[]);
    assert!(text.contains("before-step of live"), "{text}");
    assert!(text.contains("2 runs of 3"), "{text}");
    assert!(text.contains("closes, 2 lives,"), "{text}");
    assert!(!text.contains("timing"), "{text}");
    let text = again(r#"{"at_random":[5,3]}"#, &["--times", "2"]);
    assert!(text.contains("depends on timing"), "{text}");
    let moments = ["any moment", "ten at once", "a whole branch"];
    assert!(moments.iter().any(|what| text.contains(what)), "{text}");
    assert!(text.contains("3 runs of 3"), "{text}");
    let crashes = r#"{"crashes":{"seed":7,"live_us":900000,"parts":["live","repair"]}}"#;
    let text = again(crashes, &["--times", "1"]);
    assert!(text.contains("repair"), "{text}");
    assert!(text.contains("2 runs of 3"), "{text}");
}

#[test]
fn a_promise_that_is_broken_is_told_with_the_line_that_shows_it_again() {
    let folder = Folder::new("chaos-broken");
    let recording = small_recording(&folder.join("recording"));
    let plan = r#"{"sabotage":"random-ids"}"#;
    let output = plain(&["chaos", "--recording", &recording, "--plan", plan]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("DIFFERENT: "), "{text}");
    let again = format!("again: everwarm chaos --recording {recording} --plan '{plan}'");
    assert!(text.lines().any(|line| line == again), "{text}");
    let output = plain(&["chaos", "--recording", &recording, "--plan", "{\"strike\":[]}"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("--plan: unknown field `strike`"), "{text}");
}

/// What it proves of a configuration: standard output as JSON, and what it prints besides.
fn proved(folder: &Folder, configuration: &str, asked: &[&str]) -> (Option<i32>, Value, String) {
    let recording = small_recording(&folder.join("recording"));
    let file = folder.join("mine.toml");
    fs::write(&file, configuration).unwrap();
    let all = ["chaos", "--recording", &recording, "--config", file.to_str().unwrap(), "--json"];
    let output = plain(&[&all[..], asked].concat());
    let value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), value, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn kills_strike_the_symbols_of_the_configuration_and_no_others() {
    let folder = Folder::new("chaos-symbols");
    let fault = |who: &str| {
        let at = r#""site":"after-receive","phase":"live","nth":3,"blow":"kill""#;
        format!(r#"{{"strikes":[{{{at},"who":"{who}"}}]}}"#)
    };
    for (symbols, missed) in [("", 0), ("[market]\nsymbols = [\"AAAUSD\", \"CCCUSD\"]\n", 1)] {
        let (code, report, errors) = proved(&folder, symbols, &["--plan", &fault("BBBUSD")]);
        // A fault is not injected into who is not there, and that proves nothing.
        assert_eq!(
            (code, &report["missed"]),
            (Some(missed), &missed.into()),
            "{symbols}: {errors}{report}"
        );
        let (code, report, errors) = proved(&folder, symbols, &["--plan", &fault("AAAUSD")]);
        assert_eq!((code, &report["missed"]), (Some(0), &0.into()), "{symbols}: {errors}{report}");
    }
    let absent = "[market]\nsymbols = [\"ZZZUSD\"]\n";
    let (code, _, errors) = proved(&folder, absent, &["--kills", "1", "--crashes", "0"]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(
        errors.contains("market.symbols: there is no ZZZUSD; the symbols are AAAUSD"),
        "{errors}"
    );
}

/// The configuration of somebody who trades real money, is notified of it, and may be asked from
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
    let (code, report, errors) = proved(&folder, &configuration, &asked);
    assert_eq!(code, Some(0), "{errors}{report}");
    assert_eq!(report["differences"], serde_json::json!([]));
    let line = "venue.kind is \"binance\": strategies, limits and symbols run at the \
                simulated exchange, on the recording; no order leaves this machine\n";
    assert_eq!(errors, line);
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
    let output = output(&mut command);
    let text = String::from_utf8(output.stdout).unwrap();
    let again = text.lines().find_map(|line| line.strip_prefix("again: "));
    let again = again.unwrap_or_else(|| panic!("{text}"));
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
    let (code, _, errors) = proved(&folder, "", &nothing);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("no fault is requested, so nothing would be proved"), "{errors}");
    for asked in [
        &["--exhaustive", "--runs", "0"][..],
        &["--plan", "{}", "--times", "0"],
        &["--exhaustive", "--config", "mine.toml"],
        &["--exhaustive", "--plan", "{}"],
        &["--exhaustive", "--plan", r#"{"workers":4,"image":"synced","at_random":[7,0]}"#],
        &["--exhaustive", "--plan", r#"{"crashes":{"seed":7,"live_us":9,"parts":[]}}"#],
    ] {
        let output = plain(&[&["chaos"][..], asked].concat());
        assert_eq!(output.status.code(), Some(2), "{asked:?}");
    }
    let nobody = r#"{"site":"before-step","who":"nobody","phase":"live","nth":1,"blow":"kill"}"#;
    let plan = format!(r#"{{"strikes":[{nobody}]}}"#);
    let output = plain(&["chaos", "--exhaustive", "--plan", &plan]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("1 planned fault not reached") && text.contains("nothing is proved"),
        "{text}"
    );
    let (code, report, errors) = proved(&folder, "", &[&nothing[..], &["--venue-faults"]].concat());
    assert_eq!((code, &report["runs"]), (Some(0), &4.into()), "{errors}{report}");
    let injected = report["struck"].as_array().unwrap();
    assert!(injected.iter().any(|row| row["what"] == "venue"), "{report}");
}

/// Folders of chaos runs whose names begin like this.
fn folders_of(prefix: &str) -> BTreeSet<PathBuf> {
    let places = [PathBuf::from("/dev/shm"), std::env::temp_dir()];
    let all = places.iter().filter_map(|place| fs::read_dir(place).ok()).flatten().flatten();
    let all = all.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
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
        // A process that was killed earlier may have had the same id.
        let before = folders_of("everwarm-rig-");
        let proving = Process::bare(command);
        let pid = proving.pid();
        let ours = format!("everwarm-rig-{pid}-");
        let left = || &folders_of(&ours) - &before;
        wait_until("lives are lived", || {
            let daemons = crashes == "0" || processes_with(&ours).len() > 1;
            daemons && left().iter().any(|dir| fs::read_dir(dir).is_ok_and(|d| d.count() > 0))
        });
        proving.signal("-INT");
        let (code, out, err) = proving.result();
        assert_eq!(code, Some(130), "{out}{err}");
        assert!(err.contains("interrupted; nothing is proved"), "{out}{err}");
        assert!(!runs(pid));
        assert_eq!(left(), BTreeSet::new());
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
