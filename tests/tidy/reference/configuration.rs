//! `docs/reference/configuration.md`, from the table of keys and the defaults.

use super::{cell, code, generated, sentence};
use crate::tidy::assert_generated;
use everwarm_config::keys::{KEYS, Kind, Unit, comments};
use everwarm_config::layers::Layer;
use everwarm_config::reloadable::is_live;
use everwarm_config::strategies::default_size;
use everwarm_domain::settings::ExitRules;
use everwarm_trading::strategy::{EXITS, Form, KINDS, SIZE};
use serde_json::Value;
use std::fmt::Write;

const HEAD: &str = "\
# Configuration keys

`everwarm run --config FILE` reads a file in TOML that names only what differs from the defaults.
Later sources win: defaults, the file, its drop-ins (`*.toml` in the folder `FILE.d`, by name),
environment (`EVERWARM_` with `__` between levels, like `EVERWARM_MARKET__SEED=7`), flags. An
unknown key is an error. `everwarm config check` reports every error, `everwarm config show` every
value and its source. [Configure](../how-to/configure.md) shows how to change values.

*Live* keys change while the daemon trades, by `everwarm config reload`. The others need a restart.

";

const STRATEGIES: &str = "
## strategy

A section `[strategy.NAME]` is one strategy. Any number may run. Each takes:

| key | default | takes | change | meaning |
|---|---|---|---|---|
| `kind` | | a kind of those below | live | The kind of the strategy. |
| `enabled` | `true` | `true`, `false` | live | Whether the strategy opens positions. Exits go on. |
";

fn whole(least: i64, most: i64, unit: Unit) -> String {
    let unit = match unit {
        Unit::Count => "",
        Unit::Seconds => " s",
        Unit::Milliseconds => " ms",
    };
    if most >= i64::from(u32::MAX) {
        return format!("whole number from {least}{unit}");
    }
    format!("{least} to {most}{unit}")
}

fn words(words: &[&str]) -> String {
    words.iter().map(|word| code(word)).collect::<Vec<_>>().join(", ")
}

fn amount(zero: bool) -> &'static str {
    if zero { "decimal number from 0" } else { "decimal number above 0" }
}

fn takes(kind: Kind) -> String {
    match kind {
        Kind::Flag => words(&["true", "false"]),
        Kind::Whole { least, most, unit } => whole(least, most, unit),
        Kind::Amount { zero } => amount(zero).to_owned(),
        Kind::OneOf(of) => words(of),
        Kind::Text(form) if form.pattern.is_empty() => "text".to_owned(),
        Kind::Text(form) => format!("text like {}", code(form.pattern)),
        Kind::Symbols => "`\"auto\"`, a number, or a list of names".to_owned(),
        Kind::Secret => "`env:NAME` or `file:PATH`".to_owned(),
        Kind::Strategies => "sections".to_owned(),
    }
}

fn setting(form: Form) -> String {
    match form {
        Form::Flag => words(&["true", "false"]),
        Form::Whole { least, most } => whole(least, most, Unit::Count),
        Form::Timeframe => "a width of bars, like `1m`".to_owned(),
        Form::Amount { zero } => format!("{}, as text", amount(zero)),
        Form::OneOf(of) => words(of),
        Form::Feature => "a feature, like `sma(20)@1h`".to_owned(),
        Form::Below => "a share below 100 %, like `5%`; or `none`".to_owned(),
        Form::Stop => {
            "a share below 100 %, like `5%`; a multiple, like `2 atr`; or `none`".to_owned()
        }
        Form::Above => "a share, like `10%`; or `none`".to_owned(),
        Form::Entry => "`market` or a limit, like `limit 0.1%`".to_owned(),
        Form::Part => "a part of one, like `0.4`, as text".to_owned(),
        Form::Regimes => "regimes, like `tight_smc, wide_structure`".to_owned(),
        Form::RegimeSizes => "parts by regime, like `tight_smc: 0.5`".to_owned(),
        Form::Drivers => "drivers by symbol, like `BTCUSDT: up, extended`".to_owned(),
        Form::Size => "`fixed`, `equity 10%` or `risk 1%`".to_owned(),
        Form::ProfitTable => "minutes and shares, like `0: 4%, 60: 1%`".to_owned(),
    }
}

fn default(value: &Value) -> String {
    code(&value.to_string())
}

#[test]
fn the_page_of_configuration_says_what_the_code_says() {
    let (comments, defaults) = (comments(), Layer::defaults());
    let mut page =
        HEAD.to_owned() + &generated("`crates/config/src/keys.rs` and `config/default.toml`");
    let mut section = "";
    for key in KEYS.iter().filter(|key| !matches!(key.kind, Kind::Strategies)) {
        let (of, leaf) = key.name.rsplit_once('.').unwrap();
        if of != section {
            write!(page, "\n## {of}\n\n| key | default | takes | change | meaning |\n").unwrap();
            page.push_str("|---|---|---|---|---|\n");
            section = of;
        }
        let value = serde_json::to_value(&defaults.0[key.name].value).unwrap();
        let change = if is_live(key.name) { "live" } else { "restart" };
        let about = sentence(&comments[key.name]);
        let (value, takes) = (default(&value), takes(key.kind));
        writeln!(page, "| `{leaf}` | {value} | {takes} | {change} | {about} |").unwrap();
    }
    page.push_str(STRATEGIES);
    let exits = Value::Object(ExitRules::default().members());
    let kinds = KINDS
        .iter()
        .map(|kind| (kind.name, kind.settings, serde_json::from_str(&(kind.defaults)()).unwrap()));
    let shared = [
        ("exit rules of every strategy", EXITS, exits),
        ("size of every strategy", &[SIZE][..], Value::Object(default_size())),
    ];
    let all = shared.into_iter().chain(kinds);
    for (name, settings, values) in all {
        let values: Value = values;
        write!(page, "\n### {name}\n\n| key | default | takes | change | meaning |\n").unwrap();
        page.push_str("|---|---|---|---|---|\n");
        for one in settings {
            let (value, takes) = (default(&values[one.name]), setting(one.form));
            let about = sentence(&cell(one.about));
            writeln!(page, "| `{}` | {value} | {takes} | live | {about} |", one.name).unwrap();
        }
    }
    assert_generated("docs/reference/configuration.md", &page);
}
