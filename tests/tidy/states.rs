//! `tests/states.txt` has the fingerprint of the saved state of every stage. Where a type in a
//! state changed, its stage must declare it, or a start could not read what an older program saved.

use super::root;
use everwarm::daemon_run::places;
use everwarm_kernel::state;
use everwarm_runtime::journal::StageInfo;
use everwarm_sim::exchange::Exchange;
use std::collections::BTreeMap;
use std::fmt::Write;

const LIST: &str = "tests/states.txt";

const HEAD: &str = "\
# The saved states: stage, its version, the format of its state, the fingerprint of its type.
# EVERWARM_BLESS=1 cargo test states writes it anew.
";

/// By name: (version, format, fingerprint).
type States = BTreeMap<String, (u16, u8, u64)>;

fn now() -> States {
    let mut all = places(&everwarm_trading::specs());
    all.push(StageInfo::of(&Exchange::default()));
    let of = |info: &StageInfo| {
        let head = state::head(&info.fresh).unwrap().unwrap();
        (info.name.to_owned(), (info.version, head.format, head.fingerprint))
    };
    all.iter().map(of).collect()
}

fn written(text: &str) -> States {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let one = |line: &str| {
        let [name, version, format, print] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{LIST}: {line}")
        };
        let print = u64::from_str_radix(print, 16).unwrap();
        (name.to_owned(), (version.parse().unwrap(), format.parse().unwrap(), print))
    };
    lines.map(one).collect()
}

/// States whose type changed while their stage declares that it is the same.
fn silent(before: &States, now: &States) -> Vec<String> {
    let changed = |(name, (version, format, print)): (&String, &(u16, u8, u64))| {
        let (known_version, known_format, known) = before.get(name)?;
        let same = (known_version, known_format) == (version, format);
        (same && known != print).then(|| name.clone())
    };
    now.iter().filter_map(changed).collect()
}

#[test]
fn no_saved_state_changes_in_silence() {
    let path = root().join(LIST);
    let now = now();
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let silent = silent(&written(&text), &now);
    assert!(
        silent.is_empty(),
        "the saved state of {} has another type than {LIST} says, under the same version and \
         format. Stores of the program before hold the type before. Either give the members back \
         their names, order and types; or raise `version()` and `FORMAT` of the stage, read the \
         state before in `Stage::convert`, and write the list anew: EVERWARM_BLESS=1 cargo test \
         states",
        silent.join(", ")
    );
    let mut list = HEAD.to_owned();
    for (name, (version, format, print)) in &now {
        writeln!(list, "{name} {version} {format} {print:016x}").unwrap();
    }
    if std::env::var_os("EVERWARM_BLESS").is_some() {
        std::fs::write(&path, &list).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, list, "write {LIST} anew: EVERWARM_BLESS=1 cargo test states");
}

#[test]
fn a_type_that_changed_is_found() {
    let one = |version, format, print| States::from([("one".to_owned(), (version, format, print))]);
    assert_eq!(silent(&one(1, 1, 5), &one(1, 1, 6)), ["one"]);
    assert_eq!(silent(&one(1, 1, 5), &one(2, 1, 6)), [""; 0]);
    assert_eq!(silent(&one(1, 1, 5), &one(1, 2, 6)), [""; 0]);
    assert_eq!(silent(&one(1, 1, 5), &one(1, 1, 5)), [""; 0]);
    assert_eq!(silent(&States::new(), &one(1, 1, 5)), [""; 0]);
}

/// Postcard could not read back what was left out. Facts may leave members out; a type of facts
/// that lies in a state has a form of its own there, see `crates/trading/src/orders/saved.rs`.
#[test]
fn nothing_in_a_state_is_left_out_or_untagged() {
    let traps = ["skip_serializing_if", "serde(untagged", "serde(flatten"];
    let mut found = Vec::new();
    for source in super::rust_files() {
        let places = ["crates/kernel/", "crates/analysis/", "crates/trading/", "crates/edge/src/"];
        let exchange = source.path.starts_with("crates/sim/src/exchange/");
        if !exchange && !places.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        let tests = source.path.ends_with("tests.rs");
        let code = super::without_comments(&source.text);
        if !tests && traps.iter().any(|trap| code.contains(trap)) {
            found.push(source.path);
        }
    }
    assert_eq!(found, [""; 0], "these leave members of saved states out");
}
