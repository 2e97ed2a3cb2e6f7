//! Lies of a hostile venue: makes a false text out of a true one.
//!
//! Pure: the same lie and the same text give the same result. The dice choose the part of the text
//! that changes, and its false value.

use super::mode::Mode;
use everwarm_domain::money::{Decimal, parse_decimal};
use everwarm_kernel::chance::draw;
use serde_json::{Value, json};

/// A day in milliseconds.
const DAY: i64 = 86_400_000;
/// Placeholders, and the numbers that replace them in the written text. No number type here can
/// hold these numbers.
const HUGE: [(&str, &str); 4] = [
    ("@huge-0@", "1e30"),
    ("@huge-1@", "1234567890123456789012345678901234567890123456789012345678901234567890123456789"),
    ("@huge-2@", "-79228162514264337593543950336"),
    ("@huge-3@", "1e400"),
];
/// Most values that a lie changes in one text, unless it changes all of them.
const PARTS: usize = 3;

/// One lie: how to falsify a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
    /// The mode of the lie.
    pub mode: Mode,
    /// Seed of all other choices.
    pub dice: u64,
}

/// What the venue sends instead of a true text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Falsified {
    /// These texts, as messages. A response carries only the last of them.
    Texts(Vec<String>),
    /// This text, labelled as HTML.
    Html(String),
    /// These bytes.
    Bytes(Vec<u8>),
    /// This text and then endless blanks: as fast as the client reads, or one now and then.
    Endless {
        /// The text before the blanks.
        text: String,
        /// Whether the blanks come as fast as the client reads.
        fast: bool,
    },
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        let below = u64::try_from(below.max(1)).unwrap_or(u64::MAX);
        usize::try_from(draw(&mut self.0) % below).unwrap_or(0)
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let at = self.roll(all.len());
        &all[at]
    }
}

impl Lie {
    /// The lie that replaces `text`. `twin` is the id of another order of the same symbol, if one
    /// is known.
    #[must_use]
    pub fn falsify(self, text: &str, twin: Option<u64>) -> Falsified {
        let mut dice = Dice(self.dice);
        let mut value: Value = match self.mode {
            Mode::Truncated => return Falsified::Texts(vec![cut_off(text, &mut dice)]),
            Mode::WrongContent => return other_content(text, &mut dice),
            Mode::EndlessBodies => {
                return Falsified::Endless { text: text.to_owned(), fast: dice.roll(2) == 0 };
            }
            Mode::WrongTypes
            | Mode::HugeNumbers
            | Mode::AbsurdFilters
            | Mode::WrongTimes
            | Mode::DoubledIds
            | Mode::BalancesJump => serde_json::from_str(text).unwrap_or_default(),
        };
        match self.mode {
            Mode::WrongTypes => other_types(&mut value, &mut dice),
            Mode::HugeNumbers => huge(&mut value, &mut dice),
            Mode::AbsurdFilters => absurd(&mut value, &mut dice),
            Mode::WrongTimes => other_times(&mut value, &mut dice),
            Mode::BalancesJump => jump(&mut value, &mut dice),
            Mode::DoubledIds => {
                let truth = doubled(&mut value, twin, &mut dice).then(|| text.to_owned());
                return Falsified::Texts(truth.into_iter().chain([written(&value)]).collect());
            }
            Mode::Truncated | Mode::WrongContent | Mode::EndlessBodies => {}
        }
        Falsified::Texts(vec![written(&value)])
    }
}

/// The JSON text of `value`, with the numbers of [`HUGE`] instead of their placeholders.
fn written(value: &Value) -> String {
    let mut text = value.to_string();
    for (mark, number) in HUGE {
        text = text.replace(&format!("\"{mark}\""), number);
    }
    text
}

fn cut_off(text: &str, dice: &mut Dice) -> String {
    let mut at = dice.roll(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    text[..at].to_owned()
}

fn other_content(text: &str, dice: &mut Dice) -> Falsified {
    let page = "<html><head><title>Sorry</title></head><body>Sorry \u{1b}[2J</body></html>";
    match dice.roll(5) {
        0 => Falsified::Html(page.to_owned()),
        1 => Falsified::Html(text.to_owned()),
        2 => Falsified::Texts(vec![String::new()]),
        3 => Falsified::Texts(vec!["Sorry, one moment \u{0} please \u{1b}[2J".to_owned()]),
        _ => Falsified::Bytes(vec![0, 0xff, 0xfe, b'{', 0x80]),
    }
}

/// Collects the JSON pointers of all values, including the root.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(all) => {
            for (name, inner) in all {
                places(inner, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(all) => {
            for (number, inner) in all.iter().enumerate() {
                places(inner, &format!("{at}/{number}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Replaces one to three of the values that `fits` accepts, or, one time in eight, all of them.
fn change(
    value: &mut Value,
    dice: &mut Dice,
    fits: impl Fn(&str, &Value) -> bool,
    mut to: impl FnMut(&Value, &mut Dice) -> Value,
) {
    let mut all = Vec::new();
    places(value, "", &mut all);
    all.retain(|at| value.pointer(at).is_some_and(|inner| fits(at, inner)));
    if all.is_empty() {
        return;
    }
    let wanted = if dice.roll(8) == 0 { all.len() } else { 1 + dice.roll(PARTS) };
    for _ in 0..wanted.min(all.len()) {
        let at = all.swap_remove(dice.roll(all.len()));
        if let Some(inner) = value.pointer_mut(&at) {
            *inner = to(inner, dice);
        }
    }
}

fn other_types(value: &mut Value, dice: &mut Dice) {
    let other = |inner: &Value, dice: &mut Dice| {
        let mut all = vec![
            Value::Null,
            json!("x"),
            json!(7),
            json!(true),
            json!({}),
            json!([]),
            json!([[]]),
            json!({"0": [1]}),
        ];
        let same = |other: &Value| std::mem::discriminant(other) == std::mem::discriminant(inner);
        all.retain(|other| !same(other));
        dice.of(&all).clone()
    };
    if dice.roll(4) == 0
        && let Some(all) = first_object(value)
        && !all.is_empty()
    {
        let names: Vec<String> = all.keys().cloned().collect();
        all.remove(dice.of(&names));
        return;
    }
    change(value, dice, |_, _| true, other);
}

/// The value itself if it is an object, or the first object of an array.
fn first_object(value: &mut Value) -> Option<&mut serde_json::Map<String, Value>> {
    match value {
        Value::Object(all) => Some(all),
        Value::Array(all) => all.first_mut().and_then(first_object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn huge(value: &mut Value, dice: &mut Dice) {
    // A negative fee would not be a lie: some venues pay rebates.
    let fee = |at: &str| at.ends_with("/commission") || at.ends_with("/n");
    let number = |at: &str, inner: &Value| match inner {
        Value::Number(_) => true,
        Value::String(text) => !fee(at) && parse_decimal(text).is_ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    };
    change(value, dice, number, |inner, dice| {
        let below = |text: &str| format!("-{}", if text == "0" { "1" } else { text });
        match (inner, dice.roll(HUGE.len() + 1)) {
            (Value::String(text), at) => {
                let huge = HUGE.get(at).map(|(_, number)| (*number).to_owned());
                json!(huge.unwrap_or_else(|| below(text)))
            }
            (_, at) if at < HUGE.len() => json!(HUGE[at].0),
            (other, _) => other.as_i64().map_or(json!(-1), |it| json!(-(it.max(1)))),
        }
    });
}

/// Fields of symbol filters that hold decimals.
const RULES: [&str; 6] = ["minQty", "maxQty", "stepSize", "tickSize", "minNotional", "minPrice"];

fn absurd(value: &mut Value, dice: &mut Dice) {
    let all = value["symbols"].as_array().map_or(0, Vec::len);
    let which = if dice.roll(2) == 0 { None } else { Some(dice.roll(all)) };
    let how = dice.roll(8);
    if how == 7 {
        value["symbols"] = json!([]);
        return;
    }
    let rule = *dice.of(&RULES);
    let symbols = value["symbols"].as_array_mut();
    for (at, symbol) in symbols.into_iter().flatten().enumerate() {
        if which.is_some_and(|which| which != at) {
            continue;
        }
        if how == 6 {
            symbol["status"] = json!("GONE_FISHING");
            continue;
        }
        for filter in symbol["filters"].as_array_mut().into_iter().flatten() {
            let Some(filter) = filter.as_object_mut() else { continue };
            let mut put = |name: &str, text: &str| {
                if let Some(rule) = filter.get_mut(name) {
                    *rule = json!(text);
                }
            };
            match how {
                0 => {
                    put("minQty", "9000");
                    put("maxQty", "0.0001");
                }
                1 => put("stepSize", "0.00000000"),
                2 => put("tickSize", "0.0000000000000000000000000001"),
                3 => put(rule, "-1"),
                4 => put(rule, "79228162514264337593543950335"),
                _ => put(rule, "1000000000000000001"),
            }
        }
    }
}

/// Whether the value at this pointer is a time.
fn is_time(at: &str, inner: &Value) -> bool {
    const NAMES: [&str; 8] =
        ["serverTime", "transactTime", "time", "updateTime", "workingTime", "E", "T", "W"];
    let name = at.rsplit('/').next().unwrap_or_default();
    let opens = at.ends_with("/k/t");
    // The opening and the closing time in a row of klines.
    let row = at.matches('/').count() == 2 && matches!(name, "0" | "6");
    inner.is_i64() && (opens || row || NAMES.contains(&name))
}

fn other_times(value: &mut Value, dice: &mut Dice) {
    let far = [-36_500 * DAY, -3_650 * DAY, -DAY, DAY, 3_650 * DAY, 36_500 * DAY];
    let never = [0, -1, i64::MAX, i64::MIN];
    let (by, to) = (*dice.of(&far), *dice.of(&never));
    let mut all = Vec::new();
    places(value, "", &mut all);
    all.retain(|at| value.pointer(at).is_some_and(|inner| is_time(at, inner)));
    let how = dice.roll(4);
    if how == 0 && value.pointer("/k/t").or(value.pointer("/data/k/t")).is_some() {
        // Moves the bar to the next minute, which is not over yet.
        all.retain(|at| at.contains("/k/"));
    } else if how == 1 && all.len() > 1 {
        let one = dice.roll(all.len());
        all = vec![all.swap_remove(one)];
    }
    for at in all {
        let Some(inner) = value.pointer_mut(&at) else { continue };
        let before = inner.as_i64().unwrap_or_default();
        let after = match how {
            0 if at.contains("/k/") => before.saturating_add(60_000),
            2 => to,
            _ => before.saturating_add(by),
        };
        *inner = json!(after);
    }
}

fn jump(value: &mut Value, dice: &mut Dice) {
    let (list, free) =
        if value["balances"].is_array() { ("/balances", "free") } else { ("/event/B", "f") };
    let how = dice.roll(6);
    let Some(rows) = value.pointer_mut(list).and_then(Value::as_array_mut) else { return };
    if how == 5 || rows.is_empty() {
        rows.push(json!({"asset": "JUNK", "a": "JUNK", "free": "1000000", "f": "1000000",
            "locked": "0", "l": "0"}));
        return;
    }
    let one = dice.roll(rows.len());
    match how {
        0 => drop(rows.remove(one)),
        1 => rows.clear(),
        _ => {
            let all = dice.roll(2) == 0;
            let factor = [Decimal::ONE_THOUSAND, Decimal::new(1, 3), Decimal::ZERO][how - 2];
            for (at, row) in rows.iter_mut().enumerate() {
                if all || at == one {
                    row[free] = scaled(&row[free], factor);
                }
            }
        }
    }
}

/// The decimal in a JSON string, multiplied by `factor`. Other values stay as they are.
fn scaled(value: &Value, factor: Decimal) -> Value {
    let number = value.as_str().and_then(|text| parse_decimal(text).ok());
    let Some(number) = number else { return value.clone() };
    json!(number.saturating_mul(factor).round_dp(8).to_string())
}

/// Repeats an id with other content. Returns whether the true text must be sent first.
fn doubled(value: &mut Value, twin: Option<u64>, dice: &mut Dice) -> bool {
    // If a twin is known, chance decides between its id and changed content.
    let twin = twin.filter(|_| dice.roll(2) == 0);
    let mut other = |row: &mut Value| {
        let percent = Decimal::new(90 + i64::try_from(dice.roll(9)).unwrap_or(0), 2);
        for name in ["price", "qty", "free", "executedQty", "l", "L", "4"] {
            if let Some(of) = row.pointer_mut(&format!("/{name}")) {
                *of = scaled(of, percent);
            }
        }
    };
    if let Some(event) = value.get_mut("event") {
        match twin {
            Some(twin) => event["i"] = json!(twin),
            None => other(event),
        }
        return true;
    }
    if let (Some(twin), Some(order)) = (twin, value.get_mut("orderId")) {
        *order = json!(twin);
        return false;
    }
    for at in ["/fills", "/balances", "/symbols", ""] {
        let rows = value.pointer_mut(at).and_then(Value::as_array_mut);
        if let Some(rows) = rows.filter(|rows| !rows.is_empty()) {
            let mut row = rows[rows.len() - 1].clone();
            other(&mut row);
            rows.push(row);
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::MODES;

    fn lie(mode: Mode, dice: u64) -> Lie {
        Lie { mode, dice }
    }

    #[test]
    fn a_lie_of_each_mode_is_another_text_and_the_same_twice() {
        let order = json!({"symbol": "AAAUSD", "orderId": 7, "transactTime": 1_700_000_040_000_i64,
            "executedQty": "1", "fills": [{"price": "2.5", "qty": "1", "tradeId": 3}]});
        let info = json!({"serverTime": 5, "symbols": [{"symbol": "AAAUSD", "status": "TRADING",
            "filters": [{"minQty": "1", "maxQty": "9", "stepSize": "1"}, {"tickSize": "0.1"}]}]});
        let account = json!({"balances": [{"asset": "USD", "free": "10", "locked": "0"}]});
        for mode in MODES.iter().map(|row| row.mode) {
            let text = match mode {
                Mode::AbsurdFilters => &info,
                Mode::BalancesJump => &account,
                Mode::WrongTypes
                | Mode::HugeNumbers
                | Mode::EndlessBodies
                | Mode::WrongTimes
                | Mode::DoubledIds
                | Mode::Truncated
                | Mode::WrongContent => &order,
            };
            let text = text.to_string();
            let all: Vec<Falsified> =
                (0..60).map(|dice| lie(mode, dice).falsify(&text, Some(6))).collect();
            let again: Vec<Falsified> =
                (0..60).map(|dice| lie(mode, dice).falsify(&text, Some(6))).collect();
            assert_eq!(all, again, "{mode:?}");
            let other =
                all.iter().filter(|falsified| **falsified != Falsified::Texts(vec![text.clone()]));
            assert!(other.count() > 40, "{mode:?}");
        }
    }

    #[test]
    fn numbers_are_written_as_no_value_can_hold_them() {
        let all = (0..200).map(|dice| lie(Mode::HugeNumbers, dice).falsify("[1,\"2\"]", None));
        let all: Vec<String> = all.map(|falsified| format!("{falsified:?}")).collect();
        for words in ["1e30,", "\\\"1e30\\\"", "90123456789", "[-1,", "\\\"-2\\\""] {
            assert!(all.iter().any(|text| text.contains(words)), "{words}");
        }
        assert!(all.iter().all(|text| !text.contains('@')));
    }
}
