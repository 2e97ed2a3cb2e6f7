//! Reads and writes an indicator with its parameters as text: `close`, `sma(20)`,
//! `macd(12,26,9).signal`. `sma:20` is read as `sma(20)`.

use crate::CATALOG;
use crate::bank::Bank;
use crate::catalog::{Entry, Param};
use std::cmp::Ordering;
use std::fmt::{self, Display};
use std::str::FromStr;

/// An indicator with its parameters and the selected output.
#[derive(Clone, Debug)]
pub struct Formula {
    entry: &'static Entry,
    params: Vec<u32>,
    output: usize,
}

impl Formula {
    /// An empty bank of this indicator.
    #[must_use]
    pub fn bank(&self) -> Box<dyn Bank> {
        (self.entry.bank)(&self.params, self.output)
    }

    /// Bars needed for the first value.
    #[must_use]
    pub fn warm_up(&self) -> u32 {
        (self.entry.warm_up)(&self.params, self.output)
    }

    /// Bars after which the bars before the first one have a weight of at most 1 %; not less than
    /// [`Formula::warm_up`].
    #[must_use]
    pub fn settled(&self) -> u32 {
        (self.entry.settled)(&self.params, self.output)
    }

    /// Whether a value needs all bars since the begin of the UTC day.
    #[must_use]
    pub const fn is_daily(&self) -> bool {
        self.entry.daily
    }

    /// Whether its values are prices, which a chart shows over the bars.
    #[must_use]
    pub fn is_price(&self) -> bool {
        (self.entry.is_price)(self.output)
    }

    /// Whether its values are states, each with a word.
    #[must_use]
    pub const fn has_words(&self) -> bool {
        !self.entry.words.is_empty()
    }

    /// The word for a value, if the indicator has words for its values.
    #[must_use]
    pub fn word(&self, value: f64) -> Option<&'static str> {
        let words = self.entry.words;
        let is = |at: &usize| u32::try_from(*at).is_ok_and(|at| f64::from(at) - value == 0.0);
        let at = (0..=words.len()).find(|at| !words.is_empty() && is(at))?;
        Some(at.checked_sub(1).map_or("none", |at| words[at]))
    }

    /// Name of the indicator.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.entry.name
    }

    /// Parameter values, in the order of the text.
    #[must_use]
    pub fn params(&self) -> &[u32] {
        &self.params
    }

    /// Name of the output. Empty if the indicator has a single value, or if it is the usual one.
    #[must_use]
    pub fn output(&self) -> &'static str {
        self.entry.outputs.get(self.output).copied().unwrap_or_default()
    }

    /// Parses a text that may leave out the output: then it means all columns of the indicator.
    ///
    /// # Errors
    /// Describes what is wrong with the text.
    pub fn columns_of(text: &str) -> Result<Vec<Formula>, String> {
        let (entry, params, output) = parse(text)?;
        if output.is_some() || entry.columns.is_empty() {
            return text.parse().map(|formula| vec![formula]);
        }
        let of =
            |(output, _): &(usize, _)| Formula { entry, params: params.clone(), output: *output };
        Ok(entry.columns.iter().map(of).collect())
    }

    /// The name of its column in a table. The parameters are part of it, unless the indicator has
    /// several and the table has it once.
    #[must_use]
    pub fn column(&self, once: bool) -> String {
        let known = self.entry.columns.iter().find(|(output, _)| *output == self.output);
        let output = self.entry.outputs.get(self.output).filter(|output| !output.is_empty());
        let name = known.map(|(_, name)| name).or(output).unwrap_or(&self.entry.name);
        let mut parts = vec![(*name).to_owned()];
        if !once || self.params.len() < 2 {
            parts.extend(self.params.iter().map(u32::to_string));
        }
        parts.join("_")
    }

    /// Roughly the bytes for one symbol: one price or volume for each bar of the window. A window
    /// that rises or falls all the time takes up to four times as much in `donchian`.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let bars: u64 = self.params.iter().map(|param| u64::from(*param)).sum();
        self.entry.state_bytes + self.entry.bar_bytes * bars
    }
}

impl Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.name)?;
        for (i, param) in self.params.iter().enumerate() {
            write!(f, "{}{param}", if i == 0 { "(" } else { "," })?;
        }
        if !self.params.is_empty() {
            f.write_str(")")?;
        }
        match self.entry.outputs.get(self.output) {
            Some(output) if !output.is_empty() => write!(f, ".{output}"),
            Some(_) | None => Ok(()),
        }
    }
}

impl FromStr for Formula {
    type Err = String;

    /// Parses the text. Spaces around its parts do not matter.
    fn from_str(text: &str) -> Result<Formula, String> {
        let (entry, params, output) = parse(text)?;
        let (whole, name) = (text.trim(), entry.name);
        let output = match output {
            None if entry.outputs.first().is_none_or(|first| first.is_empty()) => 0,
            None => {
                let all = entry.outputs.join(", ");
                return Err(format!("`{whole}`: say which value of {name}: {all}"));
            }
            Some(output) => {
                let at = entry.outputs.iter().position(|other| *other == output);
                at.filter(|_| !output.is_empty()).ok_or_else(|| {
                    let near = nearest(output, entry.outputs.iter().copied());
                    format!("`{whole}`: {name} gives no `{output}`{near}")
                })?
            }
        };
        Ok(Formula { entry, params, output })
    }
}

/// The indicator, its parameters and the text of the output, if the text names one.
fn parse(text: &str) -> Result<(&'static Entry, Vec<u32>, Option<&str>), String> {
    let whole = text.trim();
    // The names of outputs begin with letters: `2.5` is a parameter.
    let is_output = |output: &str| !output.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let (call, output) = match whole.rsplit_once('.') {
        Some((call, output)) if is_output(output) => (call.trim_end(), Some(output.trim())),
        Some(_) | None => (whole, None),
    };
    let (name, given) = self::call(call, whole)?;
    let Some(entry) = CATALOG.iter().find(|entry| entry.name == name) else {
        let names = || CATALOG.iter().map(|entry| entry.name);
        let all = names().collect::<Vec<_>>().join(", ");
        let near = nearest(name, names());
        return Err(format!("there is no indicator `{name}`, but {all}{near}"));
    };
    if given.len() != entry.params.len() {
        let names: Vec<&str> = entry.params.iter().map(|param| param.name).collect();
        let wanted = match &names[..] {
            [] => "no parameter".to_owned(),
            names => format!("{}({})", entry.name, names.join(",")),
        };
        return Err(format!("`{whole}`: {name} takes {wanted}"));
    }
    let mut params = Vec::with_capacity(given.len());
    for (text, param) in given.iter().zip(entry.params) {
        params.push(number(text, param, whole)?);
    }
    (entry.check)(&params).map_err(|rule| format!("`{whole}`: {rule}"))?;
    Ok((entry, params, output))
}

/// The name and the parameters of `name(a,b)` or `name:a:b`. Errors quote `whole`.
pub(crate) fn call<'a>(call: &'a str, whole: &str) -> Result<(&'a str, Vec<&'a str>), String> {
    let (name, params, between) = match (call.split_once('('), call.split_once(':')) {
        (Some((name, rest)), _) => {
            let inner = rest.strip_suffix(')');
            (name.trim_end(), inner.ok_or_else(|| format!("`{whole}` lacks its `)`"))?, ',')
        }
        (None, Some((name, rest))) => (name.trim_end(), rest, ':'),
        (None, None) => (call, "", ','),
    };
    let params = params.split(between).map(str::trim).filter(|param| !param.is_empty());
    Ok((name, params.collect()))
}

/// The value of a parameter. Errors quote `whole`.
pub(crate) fn number(text: &str, param: &Param, whole: &str) -> Result<u32, String> {
    let within = |value: &u32| (param.least..=param.most).contains(value);
    text.parse().ok().filter(within).ok_or_else(|| {
        let (name, least, most) = (param.name, param.least, param.most);
        format!("`{whole}`: {name} is a whole number from {least} to {most}")
    })
}

/// The most similar name, as the end of an error message. Empty if no name is similar.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let distance = |other: &str| strsim::damerau_levenshtein(name, other);
    let best = names.map(|other| (distance(other), other)).min();
    best.filter(|(distance, _)| *distance <= 2)
        .map_or_else(String::new, |(_, other)| format!("; did you mean `{other}`?"))
}

/// Two formulas are equal if their canonical texts are equal.
impl PartialEq for Formula {
    fn eq(&self, other: &Formula) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Formula {}

impl PartialOrd for Formula {
    fn partial_cmp(&self, other: &Formula) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Orders by name, then by parameters as numbers, then by output.
impl Ord for Formula {
    fn cmp(&self, other: &Formula) -> Ordering {
        let key = |of: &Formula| (of.entry.name, of.output);
        let names = self.entry.name.cmp(other.entry.name);
        names.then_with(|| self.params.cmp(&other.params)).then_with(|| key(self).cmp(&key(other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        text.parse::<Formula>().unwrap_err()
    }

    #[test]
    fn a_text_has_one_form() {
        for (text, form) in [
            ("close", "close"),
            (" sma( 20 ) ", "sma(20)"),
            ("sma:20", "sma(20)"),
            ("macd:12:26:9.hist", "macd(12,26,9).hist"),
            ("atr(14)", "atr(14)"),
        ] {
            assert_eq!(text.parse::<Formula>().unwrap().to_string(), form);
        }
        let formula: Formula = "atr(14)".parse().unwrap();
        assert_eq!((formula.warm_up(), formula.params()), (15, &[14][..]));
    }

    #[test]
    fn a_table_has_columns_with_short_names() {
        let columns = |text: &str, once: bool| -> Vec<String> {
            Formula::columns_of(text).unwrap().iter().map(|of| of.column(once)).collect()
        };
        assert_eq!(columns("sma:20", true), ["sma_20"]);
        assert_eq!(columns("tr", true), ["tr"]);
        assert_eq!([columns("volume:20", true), columns("vwap", true)], [["volume_20"], ["vwap"]]);
        assert_eq!(columns("adx:14", true), ["plus_di_14", "minus_di_14", "adx_14"]);
        assert_eq!(columns("adx(14).dx", true), ["dx_14"]);
        assert_eq!(columns("macd(12,26,9)", true), ["macd", "macd_signal", "macd_hist"]);
        assert_eq!(
            columns("bbands:20:2", false),
            ["bb_upper_20_2", "bb_mid_20_2", "bb_lower_20_2"]
        );
        assert!(Formula::columns_of("sna:20").unwrap_err().contains("did you mean `sma`?"));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_near() {
        let text = wrong("sna(20)");
        assert!(text.starts_with("there is no indicator `sna`, but close, sma, ema, "), "{text}");
        assert!(text.ends_with("; did you mean `sma`?"), "{text}");
        assert!(!wrong("moon(20)").contains("meant"), "nothing is near");
        assert_eq!(wrong("sma(0)"), "`sma(0)`: length is a whole number from 1 to 10000");
        assert!(wrong("sma(99999999999)").contains("from 1 to 10000"));
        assert!(wrong("sma(x)").contains("whole number"));
        assert_eq!(wrong("sma"), "`sma`: sma takes sma(length)");
        assert_eq!(wrong("close(3)"), "`close(3)`: close takes no parameter");
        assert!(wrong("sma(3").contains("lacks its `)`"));
        assert!(wrong("sma(3).signal").contains("gives no `signal`"));
    }

    #[test]
    fn every_indicator_is_warm_when_it_says_and_goes_on_after_a_save() {
        for entry in CATALOG {
            let params: Vec<String> =
                (5..).take(entry.params.len()).map(|n: u32| n.to_string()).collect();
            let text = match params.len() {
                0 => entry.name.to_owned(),
                _ => format!("{}({})", entry.name, params.join(",")),
            };
            let outputs = if entry.outputs.is_empty() { &[""][..] } else { entry.outputs };
            for output in outputs {
                let dot = if output.is_empty() { "" } else { "." };
                goes_on_after_a_save(&format!("{text}{dot}{output}").parse().unwrap());
            }
        }
    }

    fn goes_on_after_a_save(formula: &Formula) {
        let mut bank = formula.bank();
        bank.insert(0);
        bank.insert(1);
        let mut unsaved = formula.bank();
        unsaved.insert(0);
        for n in 1..=40_i64 {
            let bar = crate::testing::bar(100 + n * n % 17);
            let mut values = [0.0; 2];
            bank.update(&[(0, bar), (1, bar)], &mut values, 1);
            let warm = n >= i64::from(formula.warm_up());
            assert_eq!(values.map(f64::is_nan), [!warm; 2], "{formula} after {n} bars");
            let mut value = [0.0];
            unsaved.update(&[(0, bar)], &mut value, 1);
            assert_eq!(values.map(f64::to_bits), [value[0].to_bits(); 2], "{formula}");
            let saved = bank.save();
            assert!(bank.load(&saved, 3).is_err(), "one is missing");
            bank = formula.bank();
            bank.load(&saved, 2).unwrap();
        }
        bank.remove(0);
        assert!(bank.load(b"\xff", 1).is_err());
    }

    /// The value after `bars` bars with these prices.
    fn after(formula: &Formula, bars: u32, price: impl Fn(i64) -> i64) -> f64 {
        let mut bank = formula.bank();
        bank.insert(0);
        let mut value = [f64::NAN];
        for n in 0..i64::from(bars) {
            bank.update(&[(0, crate::testing::bar(price(n)))], &mut value, 1);
        }
        value[0]
    }

    #[test]
    fn after_the_settled_bars_the_seed_weighs_at_most_one_percent() {
        let settled = |text: &str| text.parse::<Formula>().unwrap().settled();
        assert_eq!([settled("sma(200)"), settled("ema(200)"), settled("rsi(14)")], [200, 663, 80]);
        assert_eq!([settled("adx(14)"), settled("macd(12,26,9).hist")], [100, 122]);
        // A line with a step in the seed: the rest of the step is the weight of the seed.
        for length in [1, 2, 5, 14, 50, 200, 1_000_i64] {
            let formula: Formula = format!("ema({length})").parse().unwrap();
            let level = |by: i64| move |n: i64| if n < length { 1_000 + by } else { 1_000 };
            let at = |bars, by| after(&formula, bars, level(by));
            let weight = (at(formula.settled(), 100) - at(formula.settled(), 0)) / 100.0;
            assert!((0.0..=0.01).contains(&weight), "ema({length}): {weight}");
            let formula: Formula = format!("atr({length})").parse().unwrap();
            // Each bar has a range of one, or of two in the seed.
            let zigzag = |by: i64| move |n: i64| if n <= length { 100 + n % 2 * by } else { 100 };
            let at = |bars, by| after(&formula, bars, zigzag(by));
            let weight = at(formula.settled(), 2) - at(formula.settled(), 1);
            assert!((0.0..=0.01).contains(&weight), "atr({length}): {weight}");
        }
        let before: Formula = "ema(50)".parse().unwrap();
        let level = |by: i64| move |n: i64| if n < 50 { 1_000 + by } else { 1_000 };
        let early = before.settled() - 25;
        let weight = (after(&before, early, level(100)) - after(&before, early, level(0))) / 100.0;
        assert!(weight > 0.01, "fewer bars are not enough: {weight}");
    }

    #[test]
    fn an_output_is_named_unless_it_is_the_usual_one() {
        for text in ["adx(14)", "adx(14).plus_di", "macd(12,26,9).hist", "bbands(20,2).mid"] {
            assert_eq!(text.parse::<Formula>().unwrap().to_string(), text);
        }
        let warm = |text: &str| text.parse::<Formula>().unwrap().warm_up();
        assert_eq!((warm("adx(14)"), warm("adx(14).dx"), warm("macd(12,26,9).line")), (28, 15, 34));
        assert_eq!(
            wrong("macd(12,26,9)"),
            "`macd(12,26,9)`: say which value of macd: line, signal, hist"
        );
        assert_eq!(
            wrong("macd(26,12,9).line"),
            "`macd(26,12,9).line`: fast must be less than slow"
        );
        let parts = ["bbands:20:2.5", "bbands(20,2.5)"].map(wrong);
        assert!(parts.iter().all(|why| why.contains("is a whole number from")), "{parts:?}");
        assert!(wrong("adx(14).plus").contains("adx gives no `plus`"));
        assert!(wrong("adx(14).").contains("adx gives no ``"));
    }
}
