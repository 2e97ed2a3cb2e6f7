//! What is printed for wrong usage, and the help.

use crate::kit::{BINARY, Folder, ask, plain, printed, run, small_recording, until_end};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Every command there is, by its words, as the help lists them.
pub fn commands() -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = vec![Vec::new()];
    let mut next = 0;
    while let Some(command) = found.get(next).cloned() {
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let help = String::from_utf8(plain(&words).stdout).unwrap();
        let listed = help.split("\nCommands:\n").nth(1).unwrap_or("");
        let own = listed.lines().take_while(|line| !line.is_empty());
        let own = own.filter(|line| !line.starts_with("   "));
        let names = own.filter_map(|line| line.split_whitespace().next());
        let below: Vec<Vec<String>> = names
            .filter(|name| *name != "help")
            .map(|name| command.iter().cloned().chain([name.to_owned()]).collect())
            .collect();
        next += 1;
        for (i, one) in below.into_iter().enumerate() {
            found.insert(next + i, one);
        }
    }
    found.remove(0);
    found
}

#[test]
fn what_is_not_known_is_refused_with_what_is_nearest() {
    let folder = Folder::new("usage");
    let dir = folder.join("data");
    let config = folder.join("config.toml");
    let refused = |arguments: &[&str], words: &[&str]| {
        let (code, out, err) = run(&dir, arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
        for word in words {
            assert!(err.contains(word), "{word:?} is not printed: {err}");
        }
        assert!(!dir.exists(), "{arguments:?} made files");
    };
    refused(&["--seedd", "3"], &["--seedd", "--seed"]);
    refused(&["statsu"], &["statsu", "status"]);
    refused(&["run", "--pace", "fast"], &["--pace", "fast", "lockstep"]);
    refused(&["run", "--symbols", "0"], &["--symbols"]);
    let recording = small_recording(&folder.join("recording"));
    let absent = [&until_end(&recording)[..], &["--symbols", "NOPE"]].concat();
    refused(&absent, &["NOPE", "AAAUSD"]);
    let near = [&until_end(&recording)[..], &["--symbols", "AAUSD"]].concat();
    refused(&near, &["there is no AAUSD", "did you mean AAAUSD?"]);
    let misspelt = "the synthetic market has no BTCUSTD; did you mean BTCUSDT?";
    refused(&["run", "--symbols", "ETHUSDT,BTCUSTD"], &["--symbols: market.symbols", misspelt]);
    refused(&["run", "--symbols", "all"], &["market.symbols: \"all\" is not a symbol"]);
    refused(&["run", "--log", "debg"], &["--log", "did you mean \"debug\"?"]);
    refused(&["run", "--until-end"], &["--until-end", "recording"]);
    let path = config.to_str().unwrap();
    fs::write(&config, "[market]\nseeed = 1\n").unwrap();
    refused(&["run", "--config", path], &[path, "seeed", "seed"]);
    fs::write(&config, "[market]\nsymbols = \"all\"\n").unwrap();
    let list = "Give \"auto\", a number, or a list of names, like [\"BTCUSDT\"]";
    refused(
        &["run", "--config", path],
        &[path, ":2:11: market.symbols: \"all\" is not a symbol", list],
    );
    fs::write(&config, "[market.universe]\nquote = \"EUR\"\n").unwrap();
    let played = [&until_end(&recording)[..], &["--config", path]].concat();
    let nothing =
        "market.universe.quote: no symbol remains to trade: no symbol has the quote asset EUR";
    refused(&played, &[nothing, "USD"]);
    fs::write(&config, "[market.universe]\nexclude = \"AAAUSD, BBBUSD, CCCUSD\"\n").unwrap();
    refused(&played, &["market.universe.exclude: no symbol remains", "is excluded"]);
    fs::write(&config, "[strategy.sma_cross]\nfast = 30\n").unwrap();
    refused(&["run", "--config", path], &[path, "strategy.sma_cross.fast"]);
    fs::write(&config, "[market\n").unwrap();
    refused(&["run", "--config", path], &[path]);
}

#[test]
fn a_day_without_data_is_refused_and_not_told_as_fine() {
    let folder = Folder::new("no-such-day");
    let recording = small_recording(&folder.join("recording"));
    let dir = folder.join("data");
    assert_eq!(run(&dir, &until_end(&recording)).0, Some(0));
    for day in ["2015-01-01", "2090-01-01"] {
        for what in ["replay", "summary"] {
            let (code, out, err) = run(&dir, &[what, day]);
            assert_eq!((code, out.as_str()), (Some(1), ""), "{what} {day}: {err}");
            assert!(err.contains(day), "{what}: {err}");
        }
    }
    let (_, _, err) = run(&dir, &["replay", "2015-01-01"]);
    assert!(err.contains("the journal has no inputs of 2015-01-01; the inputs are from "), "{err}");
    assert!(ask(&dir, &["replay"])["inputs"].as_u64() > Some(100));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Folder::new("pipe");
    let recording = small_recording(&folder.join("recording"));
    let dir = folder.join("data");
    let into_nothing = |arguments: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--data-dir").arg(&dir);
        let output = printed(command.stdout(Stdio::from(writer)).stderr(Stdio::piped()));
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {err}");
        assert!(!err.contains("panicked"), "{arguments:?}: {err}");
    };
    into_nothing(&until_end(&recording));
    assert!(ask(&dir, &["orders"]).as_array().unwrap().len() > 5);
    for what in ["status", "orders", "fills", "equity", "signals", "verify"] {
        into_nothing(&[what, "--json"]);
        into_nothing(&[what]);
    }
    // A full disk behind standard output is one.
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(BINARY);
    command.args(["fills", "--json", "--data-dir"]).arg(&dir);
    let output = printed(command.stdout(full).stderr(Stdio::piped()));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(11), "{err}");
    assert!(err.contains("standard output"), "{err}");
    let help = printed(Command::new(BINARY).arg("--help").stdout(Stdio::null()));
    assert_eq!(help.status.code(), Some(0));
}

#[test]
fn the_help_is_as_written_down() {
    let mut help = String::new();
    let mut add = |arguments: &[&str]| {
        let output = plain(arguments);
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{arguments:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        help += &["$ everwarm ", &arguments.join(" "), "\n", &lines.join("\n"), "\n\n"].concat();
    };
    add(&["--help"]);
    let commands = commands();
    assert!(commands.len() > 60 && commands.contains(&vec!["live".into(), "confirm".into()]));
    for command in commands {
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        add(&words);
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/help.txt");
    if std::env::var_os("EVERWARM_BLESS").is_some() {
        fs::write(&file, &help).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    let differing = written.lines().zip(help.lines()).find(|(a, b)| a != b);
    assert!(written == help, "the help changed; EVERWARM_BLESS=1 writes it down: {differing:?}");
    let version = plain(&["--version"]);
    let text = String::from_utf8(version.stdout).unwrap();
    let known = format!("everwarm {} (", env!("CARGO_PKG_VERSION"));
    assert!(text.starts_with(&known) && text.ends_with(")\n"), "{text}");
}
