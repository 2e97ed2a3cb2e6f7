//! `everwarm analyze`: indicators and structures over a file of bars, as text or as a picture.

mod plot;
mod structure;

use self::structure::Structures;
use crate::print::Printer;
use everwarm_analysis::structure::Named;
use everwarm_analysis::{Bank, Bar as Plain, Formula};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_sim::market::read_bars_of;
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::{Table, count, instant};
use serde_json::{Map, Number, Value};
use std::path::PathBuf;

/// Rows that are written at once.
const BLOCK: usize = 1_000;
/// Newest rows of the table.
const ROWS: usize = 20;

/// The indicators of `--regime`.
const REGIME: &str = "regime,driver";

/// Flags of `analyze`.
#[derive(Clone, Debug, clap::Args)]
#[command(group(
    clap::ArgGroup::new("computed")
        .required(true)
        .multiple(true)
        .args(["indicators", "structure", "regime", "plot"])
))]
pub struct AnalyzeArgs {
    /// File of bars with the columns open_time, open, high, low, close, volume: CSV, which may end
    /// with .gz, or Parquet, which ends with .parquet.
    file: PathBuf,
    /// Symbol of a Parquet file with several symbols.
    #[arg(long, value_name = "SYMBOL", value_parser = |text: &str| Symbol::named(text))]
    symbol: Option<Symbol>,
    /// Indicators, separated by commas, like sma:20 or sma(20); macd:12:26:9 gives all its values,
    /// macd:12:26:9.signal one.
    #[arg(long, value_name = "LIST")]
    indicators: Option<String>,
    /// Structures, separated by commas: swings:5, fvg, fvg:join, bos:5, choch:5, ob:5, liquidity:5.
    /// Prints their events instead of the values of indicators.
    #[arg(long, value_name = "LIST", conflicts_with = "csv")]
    structure: Option<String>,
    /// Prints the regime, the regime by the directional index alone, and the driver.
    #[arg(long)]
    regime: bool,
    /// Draws candles as an SVG picture, with all that is computed. With it, --indicators,
    /// --structure and --regime may be used together.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Draw the newest N bars.
    #[arg(long, value_name = "N", requires = "plot", default_value_t = plot::BARS)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=plot::BARS_MAX))]
    plot_bars: u64,
    /// Read only the first N bars.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Print all rows as CSV. A value is empty until it is defined.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print all rows or events as JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// A value of an indicator that is computed.
#[derive(Clone, Debug)]
struct Column {
    /// Its name in tables.
    name: String,
    /// Its name as typed, with the output.
    typed: String,
    /// The number of its text in the list, which can name several values.
    group: usize,
    formula: Formula,
}

/// Computes what the flags name. Prints the values of the indicators at each bar and the events of
/// the structures, and draws the picture.
pub fn print(args: &AnalyzeArgs, printer: Printer) -> Result<Exit, Failure> {
    let usage = |flag: &str, why: &str| Failure::new(Exit::Usage, format!("{flag}: {why}"));
    let indicators = args.indicators.as_deref();
    if args.plot.is_none() {
        let asked = [indicators.is_some(), args.structure.is_some(), args.regime];
        if asked.into_iter().filter(|asked| *asked).count() > 1 {
            let why = "cannot be used together without --plot FILE.svg; choose one of them";
            return Err(usage("--indicators, --structure and --regime", why));
        }
    }
    let all = match (indicators, args.regime) {
        (Some(list), true) => Some(format!("{list},{REGIME}")),
        (Some(list), false) => Some(list.to_owned()),
        (None, true) => Some(REGIME.to_owned()),
        (None, false) => None,
    };
    let all = all.map(|list| columns(&list)).transpose();
    let columns = all.map_err(|why| usage("--indicators", &why))?.unwrap_or_default();
    let structures = args.structure.as_deref().map(structure::named).transpose();
    let structures = structures.map_err(|why| usage("--structure", &why))?.unwrap_or_default();
    if let Some(file) = &args.plot {
        plot::check(file, &args.file, &columns, &structures)
            .map_err(|why| usage("--plot", &why))?;
    }
    let bars = read(args, printer)?;
    if let Some(file) = &args.plot {
        let most = usize::try_from(args.plot_bars).unwrap_or(usize::MAX);
        let (columns, structures) = (&columns[..], &structures[..]);
        let scene = plot::Scene { file: &args.file, bars: &bars, columns, structures, most };
        scene.write(file, printer)?;
    }
    let computed = !columns.is_empty() || !structures.is_empty();
    if computed && (args.csv || args.json) {
        return rows(args, &columns, &structures, &bars, printer);
    }
    if !columns.is_empty() {
        table(&columns, &bars, printer)?;
    }
    if !structures.is_empty() {
        structure::table(Structures::new(&structures, &bars)?, &bars, printer)?;
    }
    Ok(Exit::Fine)
}

/// The bars of the file. Prints what the reader notices.
fn read(args: &AnalyzeArgs, printer: Printer) -> Result<Vec<Bar>, Failure> {
    let most = args.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    if args.symbol.is_some() && args.file.extension().is_none_or(|end| end != "parquet") {
        let why = "--symbol: only a file that ends with .parquet names symbols";
        return Err(Failure::new(Exit::Usage, why));
    }
    let (bars, notices) = read_bars_of(&args.file, args.symbol, most)
        .map_err(|why| Failure::new(Exit::Usage, why.to_string()))?;
    for notice in notices {
        printer.note(&notice.to_string());
    }
    Ok(bars)
}

/// Prints everything as lines. The events that a bar makes known follow its values.
fn rows(
    args: &AnalyzeArgs,
    columns: &[Column],
    structures: &[(String, Named)],
    bars: &[Bar],
    printer: Printer,
) -> Result<Exit, Failure> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let (mut rows, mut structures) =
        (Rows::new(columns, bars)?, Structures::new(structures, bars)?);
    let mut head = args.csv.then(|| format!("open_time,{}", names.join(",")));
    for block in bars.chunks(BLOCK) {
        let mut lines: Vec<String> = head.take().into_iter().collect();
        for bar in block {
            if !columns.is_empty() {
                let values = rows.next(bar);
                let line = if args.csv { csv(bar, &values) } else { json(bar, &names, &values) };
                lines.push(line);
            }
            lines.extend(structures.next(bar).iter().map(|event| structure::json(event, bars)));
        }
        if !printer.lines(&lines)? {
            break;
        }
    }
    Ok(Exit::Fine)
}

/// Prints the columns at the newest bars as a table.
fn table(columns: &[Column], bars: &[Bar], printer: Printer) -> Result<Exit, Failure> {
    let mut rows = Rows::new(columns, bars)?;
    let heads: Vec<String> = columns.iter().map(|column| format!(">{}", column.name)).collect();
    let heads = ["open (UTC)", ">close"].into_iter().chain(heads.iter().map(String::as_str));
    let mut table = Table::new(&heads.collect::<Vec<_>>());
    let first = bars.len().saturating_sub(ROWS);
    for (at, bar) in bars.iter().enumerate() {
        let values = rows.next(bar);
        if at >= first {
            let mut row = vec![instant(bar.open_time), bar.close.to_string()];
            row.extend(values.iter().map(Shown::short));
            table.row(row);
        }
    }
    if first > 0 {
        let all = count(bars.len() as u64, "bar");
        printer.note(&format!("the newest {ROWS} of {all}; --csv and --json print all"));
    }
    printer.table(&table)
}

/// The columns of a list of indicators.
fn columns(list: &str) -> Result<Vec<Column>, String> {
    let mut all: Vec<(&str, Vec<Formula>)> = Vec::new();
    for text in split(list) {
        let formulas = Formula::columns_of(text)?;
        if all.iter().flat_map(|(_, of)| of).any(|formula| formulas.contains(formula)) {
            return Err(format!("`{text}` is named twice"));
        }
        all.push((text, formulas));
    }
    let has = |name: &str, of: &[Formula]| of.iter().any(|formula| formula.name() == name);
    let once = |name: &str| all.iter().filter(|(_, of)| has(name, of)).count() < 2;
    let mut columns = Vec::new();
    for (group, (text, formulas)) in all.iter().enumerate() {
        for formula in formulas {
            let (name, output) = (formula.column(once(formula.name())), formula.output());
            let whole = formulas.len() == 1 || output.is_empty();
            let typed = if whole { (*text).to_owned() } else { format!("{text}.{output}") };
            columns.push(Column { name, typed, group, formula: formula.clone() });
        }
    }
    if columns.is_empty() {
        return Err("name at least one indicator, like `sma:20`".to_owned());
    }
    Ok(columns)
}

/// The parts of a list: split at each comma outside parentheses.
fn split(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    let parts = list.split(move |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth <= 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// A value: a number, or the word for it.
#[derive(Clone, Copy, Debug)]
enum Shown {
    Number(f64),
    Word(&'static str),
}

impl Shown {
    /// The word, or the number with few digits.
    fn short(&self) -> String {
        match *self {
            Shown::Number(value) => short(value),
            Shown::Word(word) => word.to_owned(),
        }
    }
}

/// The values of all columns, bar by bar.
struct Rows {
    formulas: Vec<Formula>,
    banks: Vec<Box<dyn Bank>>,
    /// Decimals of the prices of the whole file.
    scale: u8,
    values: Vec<f64>,
}

impl Rows {
    /// # Errors
    /// The prices of the bars fit no common number of decimals.
    fn new(columns: &[Column], bars: &[Bar]) -> Result<Rows, Failure> {
        let bank = |formula: &Formula| {
            let mut bank = formula.bank();
            bank.insert(0);
            bank
        };
        let formulas: Vec<Formula> = columns.iter().map(|of| of.formula.clone()).collect();
        let banks: Vec<_> = formulas.iter().map(bank).collect();
        let values = vec![f64::NAN; banks.len()];
        let scale = common_scale(bars)?;
        Ok(Rows { formulas, banks, scale, values })
    }

    /// Takes the next bar. Returns the values, which are `NaN` until they are defined.
    fn values(&mut self, bar: &Bar) -> &[f64] {
        let plain = plain(bar, self.scale).expect("all bars fit");
        for (bank, value) in self.banks.iter_mut().zip(&mut self.values) {
            bank.update(&[(0, plain)], std::slice::from_mut(value), 1);
        }
        &self.values
    }

    /// Takes the next bar. Returns what is printed.
    fn next(&mut self, bar: &Bar) -> Vec<Shown> {
        self.values(bar);
        let shown = |(formula, value): (&Formula, &f64)| {
            formula.word(*value).map_or(Shown::Number(*value), Shown::Word)
        };
        self.formulas.iter().zip(&self.values).map(shown).collect()
    }
}

/// The decimals that the prices of all bars need.
///
/// # Errors
/// The prices of a bar do not fit that many decimals.
fn common_scale(bars: &[Bar]) -> Result<u8, Failure> {
    let scale = bars.iter().map(Bar::scale).max().unwrap_or_default();
    if let Some(bar) = bars.iter().find(|bar| plain(bar, scale).is_none()) {
        let time = instant(bar.open_time);
        let why = format!("the prices at {time} do not fit {scale} decimals, which others need");
        return Err(Failure::new(Exit::Usage, why));
    }
    Ok(scale)
}

/// A bar whose prices have that many decimals; none if they do not fit.
fn plain(bar: &Bar, decimals: u8) -> Option<Plain> {
    let ([open, high, low, close], scale) = bar.units();
    let (open_time, volume) = (bar.open_time, bar.volume_units());
    Plain { open_time, open, high, low, close, scale, volume }.at(decimals)
}

fn csv(bar: &Bar, values: &[Shown]) -> String {
    let mut line = bar.open_time.to_string();
    for value in values {
        line.push(',');
        match value {
            Shown::Number(value) if value.is_nan() => {}
            Shown::Number(value) => line.push_str(&value.to_string()),
            Shown::Word(word) => line.push_str(word),
        }
    }
    line
}

fn json(bar: &Bar, names: &[&str], values: &[Shown]) -> String {
    let mut row = Map::new();
    row.insert("open_time".to_owned(), bar.open_time.into());
    for (name, value) in names.iter().zip(values) {
        let value = match *value {
            Shown::Number(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
            Shown::Word(word) => word.into(),
        };
        row.insert((*name).to_owned(), value);
    }
    Value::Object(row).to_string()
}

/// A value with seven significant digits.
fn short(value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    let exponent = format!("{value:e}").split_once('e').and_then(|(_, power)| power.parse().ok());
    let decimals = 6_i32.saturating_sub(exponent.unwrap_or(0));
    let text = format!("{value:.*}", usize::try_from(decimals).unwrap_or(0));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::money::{Decimal, Price};

    fn names(list: &str) -> Vec<String> {
        columns(list).unwrap().into_iter().map(|column| column.name).collect()
    }

    #[test]
    fn the_columns_are_those_of_the_list_in_its_order() {
        let list = "sma:20,ema:200,rsi:14,atr:14,adx:14,macd:12:26:9,bbands:20:2,donchian:20";
        let want = "sma_20,ema_200,rsi_14,atr_14,plus_di_14,minus_di_14,adx_14,macd,macd_signal,\
                    macd_hist,bb_upper,bb_mid,bb_lower,don_high_20,don_low_20";
        assert_eq!(names(list).join(","), want);
        assert_eq!(names("volume:20,vwap"), ["volume_20", "vwap"]);
        let both = names("macd(12,26,9).line, macd(5,10,4).line");
        assert_eq!(both, ["macd_12_26_9", "macd_5_10_4"]);
        assert_eq!(columns("sma:20,sma(20)").unwrap_err(), "`sma(20)` is named twice");
        assert!(columns(" ,").unwrap_err().contains("at least one"));
        assert!(columns("sna:20").unwrap_err().contains("did you mean `sma`?"));
    }

    fn bar(minute: i64, price: &str) -> Bar {
        let price = Price::exact(price.parse().unwrap()).unwrap();
        let (symbol, open_time) = (Symbol::named("ANY").unwrap(), minute * 60_000);
        let [open, high, low, close] = [price; 4];
        Bar { symbol, open_time, open, high, low, close, volume: 0.into() }
    }

    #[test]
    fn a_value_is_empty_until_it_is_defined_and_whole_afterwards() {
        let bars = [bar(0, "1"), bar(1, "2.3"), bar(2, "0.000000000031")];
        let mut rows = Rows::new(&columns("sma:2,close").unwrap(), &bars).unwrap();
        assert_eq!(csv(&bars[0], &rows.next(&bars[0])), "0,,1");
        assert_eq!(csv(&bars[1], &rows.next(&bars[1])), "60000,1.65,2.3");
        let values = rows.next(&bars[2]);
        let names = ["sma_2", "close"];
        let want = r#"{"close":3.1e-11,"open_time":120000,"sma_2":1.1500000000155}"#;
        assert_eq!(json(&bars[2], &names, &values), want);
        assert_eq!(
            json(&bars[0], &names[..1], &[Shown::Number(f64::NAN)]),
            r#"{"open_time":0,"sma_2":null}"#
        );
    }

    #[test]
    fn volumes_and_their_average_price_come_from_the_file() {
        let traded = |minute, price, volume| Bar { volume, ..bar(minute, price) };
        let bars = [traded(0, "2", Decimal::new(15, 1)), traded(1, "4", Decimal::new(5, 1))];
        let mut rows = Rows::new(&columns("volume:2,vwap").unwrap(), &bars).unwrap();
        assert_eq!(csv(&bars[0], &rows.next(&bars[0])), "0,,2");
        assert_eq!(csv(&bars[1], &rows.next(&bars[1])), "60000,2,2.5");
    }

    #[test]
    fn states_are_words_and_no_data_is_empty() {
        let columns = columns(REGIME).unwrap();
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        assert_eq!(names, ["regime", "regime_adx", "driver"]);
        let bars: Vec<Bar> = (0..200).map(|n| bar(n, &(100 + n).to_string())).collect();
        let mut rows = Rows::new(&columns, &bars).unwrap();
        let lines: Vec<String> = bars.iter().map(|bar| csv(bar, &rows.next(bar))).collect();
        assert_eq!(lines[26], "1560000,,,");
        assert_eq!(lines[27], "1620000,wide_structure,wide_structure,");
        assert_eq!(lines[199], "11940000,wide_structure,wide_structure,none");
    }

    #[test]
    fn something_must_be_computed_or_drawn() {
        let refused = |flags: &[&str]| {
            let words = ["everwarm", "analyze", "A_1h.csv"].iter().chain(flags);
            let matches = crate::command().try_get_matches_from(words);
            matches.err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(refused(&["--indicators", "close", "--csv"]), "");
        assert_eq!(refused(&["--structure", "fvg", "--json", "--limit", "5"]), "");
        assert_eq!(refused(&["--plot", "a.svg", "--plot-bars", "5"]), "");
        let text = refused(&[]);
        assert!(text.contains("--indicators <LIST>|--structure <LIST>|--regime|--plot"), "{text}");
        let text = refused(&["--structure", "fvg", "--csv"]);
        assert!(text.contains("cannot be used with"), "{text}");
        let text = refused(&["--structure", "fvg", "--plot-bars", "5"]);
        assert!(text.contains("--plot"), "{text}");
    }

    #[test]
    fn a_table_has_few_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1.65, "1.65"),
            (48_123.456_789, "48123.46"),
            (-3.1e-11, "-0.000000000031"),
        ] {
            assert_eq!(short(value), text);
        }
        assert_eq!(
            (short(f64::NAN), short(1e20)),
            ("-".to_owned(), "100000000000000000000".to_owned())
        );
    }
}
