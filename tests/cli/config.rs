//! `everwarm config` as an operator meets it.

use crate::kit::{Folder, Process, ask, output, plain, run};
use everwarm_config::keys::KEYS;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs `everwarm config` with more variables: exit code, standard output, standard error.
fn config(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(crate::kit::BINARY);
    command.arg("config").args(arguments);
    let output = output(command.envs(variables.iter().copied()));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The row of a key.
fn row<'a>(values: &'a Value, key: &str) -> &'a Value {
    values.as_array().unwrap().iter().find(|row| row["key"] == key).unwrap()
}

const WRONG: &str = "\
[daemon]
workers = \"two\"
[market]
seeed = 1
pace = \"fast\"
[trading]
recv_window_ms = 60_001
[strategy.sma_cross]
timeframe = \"2m\"
fast = 30
";

#[test]
fn everything_wrong_is_told_at_once_with_line_column_and_the_nearest_key() {
    let folder = Folder::new("config-wrong");
    let file = folder.join("mine.toml");
    fs::write(&file, WRONG).unwrap();
    let path = file.to_str().unwrap();
    let variables = [("EVERWARM_RISK__MAX_TRADES", "3")];
    let (code, out, err) = config(&["check", "--config", path, "--seed", "x"], &variables);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    let lines: Vec<&str> = err.lines().collect();
    let expected = [
        "everwarm: the configuration has 8 errors".to_owned(),
        format!("{path}:2:11: daemon.workers: \"two\" is not a whole number"),
        format!("{path}:4:1: unknown key \"market.seeed\"; did you mean \"market.seed\"?"),
        format!(
            "{path}:5:8: market.pace: \"fast\" is not a pace: write lockstep, real, or 1x to \
             100000x"
        ),
        format!("{path}:7:18: trading.recv_window_ms: 60001 is not in the range 1 to 60000"),
        format!(
            "{path}:9:13: strategy.sma_cross.timeframe: \"2m\" is not one of 1m, 5m, 15m, 1h, 4h, \
             1d; did you mean \"1m\"?"
        ),
        format!("{path}:10:8: strategy.sma_cross.fast: fast = 30 must be less than slow = 30"),
        "EVERWARM_RISK__MAX_TRADES: unknown key \"risk.max_trades\"; did you mean \
         EVERWARM_RISK__MAX_TRADES_PER_DAY?"
            .to_owned(),
        "--seed: market.seed: \"x\" is not a whole number".to_owned(),
    ];
    assert_eq!(lines, expected);

    let (code, out, err) = config(&["check", "--json", "--config", path], &[]);
    assert_eq!((code, err.as_str()), (Some(2), ""));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["valid"], report["errors"].as_array().unwrap().len()), (&json!(false), 6));
    let unknown = json!({
        "source": path, "line": 4, "column": 1, "key": null, "nearest": "market.seed",
        "text": "unknown key \"market.seeed\"; did you mean \"market.seed\"?",
    });
    assert_eq!(report["errors"][1], unknown);

    // A start reports the same, and touches nothing.
    let dir = folder.join("data");
    let (code, _, err) = run(&dir, &["run", "--config", path]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.starts_with("everwarm: the configuration has 6 errors\n"), "{err}");
    assert!(!dir.exists());
    let (code, _, err) = config(&["check", "--config", "/nowhere.toml"], &[]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("/nowhere.toml: cannot be read"), "{err}");
}

#[test]
fn what_is_wrong_in_a_drop_in_is_told_where_it_stands_in_it() {
    let folder = Folder::new("config-drop-in");
    let file = folder.join("mine.toml");
    let path = file.to_str().unwrap();
    fs::write(&file, "[market]\nseed = 2\n").unwrap();
    let more = folder.join("mine.toml.d");
    fs::create_dir(&more).unwrap();
    fs::write(more.join("10-first.toml"), "[trading]\n  notinal = 5\n").unwrap();
    fs::write(more.join("20-torn.toml"), b"[market]\npace = \"\xff\"\n").unwrap();
    fs::write(more.join("ignored.txt"), "nothing of ours").unwrap();
    let (code, out, err) = config(&["check", "--config", path], &[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    let lines: Vec<&str> = err.lines().collect();
    let folder = more.display();
    let expected = [
        "everwarm: the configuration has 2 errors".to_owned(),
        format!(
            "{folder}/10-first.toml:2:3: unknown key \"trading.notinal\"; did you mean \
             \"trading.notional\"?"
        ),
        format!("{folder}/20-torn.toml:2:9: this is not UTF-8"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn every_value_is_shown_with_its_origin_and_later_sources_win() {
    let folder = Folder::new("config-show");
    let file = folder.join("mine.toml");
    let path = file.to_str().unwrap();
    let all = "max_positions = 2\nvalid_for_s = 2\nrecv_window_ms = 2\nnotional = \"2\"\n";
    fs::write(&file, format!("[trading]\n{all}")).unwrap();
    let more = folder.join("mine.toml.d");
    fs::create_dir(&more).unwrap();
    let all = "valid_for_s = 3\nrecv_window_ms = 3\n";
    fs::write(more.join("10-first.toml"), format!("[trading]\n{all}")).unwrap();
    fs::write(more.join("20-second.toml"), "[trading]\nrecv_window_ms = 4\n").unwrap();
    let variables = [("EVERWARM_TRADING__NOTIONAL", "5"), ("EVERWARM_MARKET__SEED", "5")];
    let given = ["show", "--json", "--config", path, "--seed", "6"];
    let (code, out, err) = config(&given, &variables);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let values: Value = serde_json::from_str(&out).unwrap();
    let folder = more.to_str().unwrap();
    for (key, value, origin) in [
        ("trading.max_positions", json!(2), format!("{path}:2:1")),
        ("trading.valid_for_s", json!(3), format!("{folder}/10-first.toml:2:1")),
        ("trading.recv_window_ms", json!(4), format!("{folder}/20-second.toml:2:1")),
        ("trading.notional", json!("5"), "EVERWARM_TRADING__NOTIONAL".to_owned()),
        ("market.seed", json!(6), "--seed".to_owned()),
        ("market.pace", json!("240x"), "default".to_owned()),
    ] {
        let row = row(&values, key);
        assert_eq!((&row["value"], &row["origin"]), (&value, &json!(origin)), "{key}");
    }
    assert_eq!(row(&values, "market.seed")["default"], 1);
    let (_, table, _) = config(&given[..1], &variables);
    let line = table.lines().find(|line| line.starts_with("market.seed")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words, ["market.seed", "5", "EVERWARM_MARKET__SEED"]);
    assert_eq!(config(&[], &variables).1, table, "the bare noun shows");
    let (code, out, _) = config(&["check", "--config", path], &variables);
    assert_eq!(code, Some(0));
    let (text, all) = ("keys are set, the others have defaults", KEYS.len() + 21);
    assert_eq!(out, format!("the configuration is valid: 5 of {all} {text}\n"));
}

#[test]
fn the_example_is_the_file_of_defaults_and_fits_the_schema() {
    let folder = Folder::new("config-example");
    let (code, example, err) = config(&["example"], &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(example, fs::read_to_string(root.join("config/default.toml")).unwrap());
    let file = folder.join("all.toml");
    fs::write(&file, &example).unwrap();
    let (code, out, err) = config(&["check", "--config", file.to_str().unwrap()], &[]);
    assert_eq!(code, Some(0), "{err}");
    // The strategy of the example has twenty-two.
    let all = KEYS.len() + 21;
    assert!(out.contains(&format!("{all} of {all} keys")), "{out}");

    let (code, schema, _) = config(&["schema"], &[]);
    assert_eq!(code, Some(0));
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let values: toml::Table = example.parse().unwrap();
    fits(&serde_json::to_value(values).unwrap(), &schema);
}

/// Asserts that an object has the properties of its schema, no others, and their types.
fn fits(value: &Value, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else {
        let text = schema["description"].as_str().unwrap();
        assert!(text.len() > 10, "{schema}");
        assert_eq!(*value, schema["default"], "{schema}");
        return;
    };
    let of_strategies = schema["propertyNames"].is_object();
    assert!(of_strategies || schema["additionalProperties"] == false, "{schema}");
    let object = value.as_object().unwrap();
    // The example has the first strategy of the kinds there are.
    let all = || object.keys().all(|key| properties.contains_key(key));
    let same = object.keys().eq(properties.keys());
    assert!(same || (of_strategies && !object.is_empty() && all()), "{object:?}");
    for (key, inner) in object {
        fits(inner, &properties[key]);
    }
}

#[test]
fn the_running_configuration_is_compared_with_what_a_start_would_take() {
    let folder = Folder::new("config-diff");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    fs::write(&file, "[market]\nsymbols = 3\n").unwrap();
    let diff = ["config", "diff", "--config", path];
    let (code, _, err) = run(&dir, &diff);
    assert_eq!(code, Some(3), "{err}");

    let daemon = Process::start(&dir, &["run", "--config", path]);
    daemon.answers();
    let (code, out, err) = run(&dir, &diff);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert_eq!(out, "the running daemon agrees with the sources");
    // Without a file named, the one that the daemon was started with is compared, and printed.
    let noted = format!("configuration of the daemon's last start: {path}");
    let (code, out, err) = run(&dir, &["config", "diff"]);
    assert_eq!((code, err.as_str()), (Some(0), noted.as_str()), "{out}");
    fs::write(&file, "[trading]\nnotional = -1\n").unwrap();
    let (code, out, err) = run(&dir, &["config", "check"]);
    let place = format!("{path}:2:12: trading.notional");
    assert!(code == Some(2) && err.contains(&place), "{out}{err}");
    fs::write(&file, "[market]\nsymbols = 3\n[trading]\nnotional = 500\n").unwrap();
    let (code, out, _) = run(&dir, &diff);
    assert_eq!(code, Some(4), "{out}");
    let cells: Vec<&str> = out.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(cells, ["trading.notional", "\"1000\"", "default", "500", &format!("{path}:4:1")]);
    let (code, out, _) = run(&dir, &[&diff[..], &["--json"]].concat());
    assert_eq!(code, Some(4), "{out}");
    let expected = json!([{
        "key": "trading.notional",
        "running": { "value": "1000", "origin": "default" },
        "now": { "value": 500, "origin": format!("{path}:4:1") },
    }]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), expected);
    assert_eq!(ask(&dir, &["status"])["config_generation"], 1);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));

    // A start with other settings is another generation, appended for the stages as a fact.
    let daemon = Process::start(&dir, &["run", "--config", path]);
    daemon.answers();
    daemon.prints("may trade");
    assert_eq!(run(&dir, &diff).0, Some(0));
    assert_eq!(ask(&dir, &["status"])["config_generation"], 2);
    let (_, out, _) = run(&dir, &["explain", "2"]);
    let settings = format!("market.symbols by {path}:2:1\n\nbefore any market time\n");
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    let settings = settings.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.starts_with("configuration 1 applied: daemon.data_dir by --data-dir, "), "{out}");
    assert!(words.contains(&settings), "{out}");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn plain_usage_is_refused() {
    for words in [&["config", "chekc"][..], &["config", "diff", "--jsn"]] {
        let output = plain(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
}
