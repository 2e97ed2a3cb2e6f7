//! Every indicator over every recorded series: one that is saved and restored now and then gives
//! the same bits as one that never stops.

use crate::recorded::{SAVED_EVERY, bars, every_series};
use crate::{Bank, Bar, CATALOG, Formula};

/// A formula of each output of each indicator, with lengths of some bars.
fn formulas() -> Vec<String> {
    let mut all = Vec::new();
    for entry in CATALOG {
        let lengths = (0..).zip(entry.params);
        let lengths = lengths.map(|(at, of)| (5 + 9 * at).clamp(of.least, of.most).to_string());
        let lengths: Vec<String> = lengths.collect();
        let base = if lengths.is_empty() {
            entry.name.to_owned()
        } else {
            format!("{}({})", entry.name, lengths.join(","))
        };
        all.push(base.clone());
        let named = entry.outputs.iter().filter(|output| !output.is_empty());
        all.extend(named.map(|output| format!("{base}.{output}")));
        // Where no output is the usual one, the name alone means none.
        if entry.outputs.first().is_some_and(|output| !output.is_empty()) {
            all.retain(|text| *text != base);
        }
    }
    all
}

fn value(bank: &mut dyn Bank, bar: &Bar) -> u64 {
    let mut value = [f64::NAN];
    bank.update(&[(0, *bar)], &mut value, 1);
    value[0].to_bits()
}

fn check(text: &str, bars: &[Bar], file: &str) {
    let formula: Formula = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
    let [mut whole, mut stopped] = [formula.bank(), formula.bank()];
    whole.insert(0);
    stopped.insert(0);
    let mut defined = 0;
    for (at, bar) in bars.iter().enumerate() {
        if at % SAVED_EVERY == SAVED_EVERY - 1 {
            let saved = stopped.save();
            stopped = formula.bank();
            stopped.load(&saved, 1).unwrap();
        }
        let expected = value(&mut *whole, bar);
        assert_eq!(value(&mut *stopped, bar), expected, "{text} at {at} of {file}");
        defined += usize::from(!f64::from_bits(expected).is_nan());
    }
    assert_eq!(whole.save(), stopped.save(), "{text} over {file}");
    let least = usize::try_from(formula.warm_up()).unwrap();
    assert!(bars.len() < 2 * least || defined > 0, "{text} has no value over {file}");
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn a_restored_indicator_gives_the_same_bits_on_every_series() {
    let formulas = formulas();
    assert!(formulas.len() > CATALOG.len(), "{formulas:?}");
    for file in every_series() {
        let bars = bars(&file, usize::MAX);
        for text in &formulas {
            check(text, &bars, &file);
        }
    }
}
