//! Strategies with one fault each, which the check must find, and one without.

use super::*;
use crate::strategy::{Setting, Strategy, StrategySignal, View, add};
use crate::testing::sym;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::time::Timeframe;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Once;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// What differs between the strategies.
trait Planted: Send + 'static {
    const KIND: &'static str;
    type Memory: Clone + Debug + Default + Send + Serialize + DeserializeOwned;
    /// Whether it opens or closes, by the row.
    fn decides(memory: &mut Self::Memory, long: bool, row: &View<'_>) -> bool;
}

struct Of<P>(PhantomData<P>);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Nothing {}

impl<P: Planted> Strategy for Of<P> {
    const KIND: &'static str = P::KIND;
    const VERSION: u16 = 1;
    const SETTINGS: &'static [Setting] = &[];
    type Section = Nothing;
    type Memory = P::Memory;

    fn timeframe(_: &Nothing) -> Timeframe {
        Timeframe::M1
    }

    fn features(_: &Nothing) -> Vec<String> {
        ["close@1m", "sma(20)@1m"].map(str::to_owned).to_vec()
    }

    fn update(
        _: &Nothing,
        memory: &mut P::Memory,
        long: bool,
        view: &View<'_>,
    ) -> Option<StrategySignal> {
        let intent = if long { Intent::Close } else { Intent::Open };
        let decides = P::decides(memory, long, view);
        decides.then(|| StrategySignal::new(intent, 1, "planted".to_owned()))
    }

    fn why_not(_: &Nothing, _: &P::Memory, _: bool, _: &View<'_>) -> String {
        String::new()
    }
}

/// Whether a row crosses to the other side of the average.
fn crosses(long: bool, view: &View<'_>) -> bool {
    let [close, average] = *view.values else { return false };
    if long { close < average } else { close > average }
}

struct Sound;
impl Planted for Sound {
    const KIND: &'static str = "sound";
    type Memory = ();
    fn decides((): &mut (), long: bool, view: &View<'_>) -> bool {
        crosses(long, view)
    }
}

struct Counts;
impl Planted for Counts {
    const KIND: &'static str = "counts";
    type Memory = ();
    fn decides((): &mut (), _: bool, _: &View<'_>) -> bool {
        static ROWS: AtomicU64 = AtomicU64::new(0);
        (ROWS.fetch_add(1, Relaxed) + 5).is_multiple_of(17)
    }
}

struct ByHash;
impl Planted for ByHash {
    const KIND: &'static str = "by_hash";
    type Memory = ();
    fn decides((): &mut (), _: bool, _: &View<'_>) -> bool {
        let numbers: HashSet<u32> = (0..16).collect();
        numbers.iter().next().is_some_and(|first| *first < 3)
    }
}

struct Neighbour;
impl Planted for Neighbour {
    const KIND: &'static str = "neighbour";
    type Memory = ();
    fn decides((): &mut (), _: bool, view: &View<'_>) -> bool {
        static LAST: AtomicI64 = AtomicI64::new(0);
        let time = view.head.time;
        // The first symbol of a close decides for the others.
        LAST.swap(time, Relaxed) != time && time % (7 * MINUTE) == 0
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Lost {
    #[serde(skip)]
    rows: u32,
}

struct Forgets;
impl Planted for Forgets {
    const KIND: &'static str = "forgets";
    type Memory = Lost;
    fn decides(lost: &mut Lost, long: bool, view: &View<'_>) -> bool {
        lost.rows += 1;
        lost.rows > 150 && crosses(long, view)
    }
}

struct Phase;
impl Planted for Phase {
    const KIND: &'static str = "phase";
    type Memory = u32;
    fn decides(rows: &mut u32, _: bool, _: &View<'_>) -> bool {
        *rows += 1;
        rows.is_multiple_of(11)
    }
}

struct Keeps;
impl Planted for Keeps {
    const KIND: &'static str = "keeps";
    type Memory = ();
    fn decides((): &mut (), long: bool, view: &View<'_>) -> bool {
        !long && crosses(long, view)
    }
}

struct Panics;
impl Planted for Panics {
    const KIND: &'static str = "panics";
    type Memory = u32;
    fn decides(rows: &mut u32, _: bool, _: &View<'_>) -> bool {
        *rows += 1;
        assert!(*rows < 500, "row {rows} is one too many");
        false
    }
}

struct Silent;
impl Planted for Silent {
    const KIND: &'static str = "silent";
    type Memory = ();
    fn decides((): &mut (), _: bool, _: &View<'_>) -> bool {
        false
    }
}

/// Prices of three symbols that wander, from a fixed seed.
fn bars() -> Vec<Bars> {
    let mut seed: u64 = 7;
    let mut prices = [("A", 100_000_i64), ("B", 50_000), ("C", 20_000)];
    let mut at = |minute: i64| {
        let bars = prices.iter_mut().map(|(name, price)| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *price += *price * (i64::try_from(seed >> 55).unwrap() - 255) / 100_000;
            let price = Price::e8(*price * 100_000);
            let (symbol, open_time, volume) = (sym(name), minute * MINUTE, Decimal::ONE);
            Bar { symbol, open_time, open: price, high: price, low: price, close: price, volume }
        });
        Bars { bars: bars.collect(), time: (minute + 1) * MINUTE }
    };
    (0..3_000).map(&mut at).collect()
}

fn report(kind: &str) -> Report {
    static ADDED: Once = Once::new();
    ADDED.call_once(|| {
        let kinds = [
            Kind::of::<Of<Sound>>(),
            Kind::of::<Of<Counts>>(),
            Kind::of::<Of<ByHash>>(),
            Kind::of::<Of<Neighbour>>(),
            Kind::of::<Of<Forgets>>(),
            Kind::of::<Of<Phase>>(),
            Kind::of::<Of<Keeps>>(),
            Kind::of::<Of<Panics>>(),
            Kind::of::<Of<Silent>>(),
        ];
        add(&kinds).unwrap();
        assert!(add(&[]).unwrap_err().contains("added before"));
        assert!(crate::strategy::kinds().any(|kind| kind.name == "silent"));
    });
    let mut settings = Settings::default();
    settings.strategy.set("mine", "x", 1);
    let one = settings.strategy.0.get_mut("mine").unwrap();
    (one.kind, one.section) = (kind.to_owned(), "{}".to_owned());
    if kind == "keeps" {
        one.exits = Some(ExitRules::none());
    }
    check(&settings, "mine", &bars()).unwrap()
}

/// The checks that a strategy fails, with what they say.
fn failures(kind: &str) -> Vec<(&'static str, String)> {
    let findings = report(kind).findings.into_iter();
    let failed = findings.filter(|finding| finding.outcome == Outcome::Failed);
    failed.map(|finding| (finding.check, finding.text)).collect()
}

fn fails(kind: &str, check: &str, words: &str) {
    let all = failures(kind);
    let found = all.iter().any(|(of, text)| *of == check && text.contains(words));
    assert!(found, "{kind}: {check}: {words}: {all:?}");
}

#[test]
fn a_sound_strategy_passes_every_check() {
    let report = report("sound");
    assert!(report.entries > 50 && report.exits > 50, "{report:?}");
    assert_eq!((report.closes, report.symbols), (3_000, 3));
    assert!(!report.is_bad(), "{report:?}");
    let passed = report.findings.iter().filter(|one| one.outcome == Outcome::Passed);
    assert_eq!(passed.count(), 6, "{report:?}");
}

#[test]
fn each_planted_fault_is_found_by_its_check() {
    fails("counts", "same again", "gave other signals");
    fails("by_hash", "same again", "HashMap order");
    fails("neighbour", "each symbol alone", "B: a run with one symbol");
    fails("forgets", "exact restart", "serde(skip)");
    fails("phase", "later start", "up to the end");
    fails("keeps", "exits", "no exit rule");
    assert_eq!(failures("forgets").len(), 1, "{:?}", failures("forgets"));
    assert_eq!(failures("keeps").len(), 1, "{:?}", failures("keeps"));
}

#[test]
fn a_panic_is_reported_with_the_time_of_its_bar() {
    let report = report("panics");
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    assert_eq!((finding.check, finding.outcome), ("run", Outcome::Failed));
    assert_eq!(finding.text, "it panicked: row 500 is one too many");
    assert_eq!(finding.time, Some(500 * MINUTE));
}

#[test]
fn a_strategy_without_signals_has_shown_nothing() {
    let report = report("silent");
    assert!(report.findings.iter().all(|one| one.outcome == Outcome::Unknown), "{report:?}");
    assert!(report.findings[0].text.starts_with("no signal in 3000 closes"), "{report:?}");
}

#[test]
fn the_exit_rules_of_a_kind_close_its_lots() {
    let settings = crate::testing::crossing(10, 30);
    let mut settings = Settings { strategy: settings.strategy, ..Settings::default() };
    let rules = ExitRules { max_hold_minutes: 3, ..ExitRules::none() };
    settings.strategy.set_exits("sma_cross", rules);
    let report = check(&settings, "sma_cross", &bars()).unwrap();
    assert!(!report.is_bad(), "{report:?}");
    let exits = report.findings.last().unwrap();
    assert!(!exits.text.contains(" 0 by exit rules"), "{exits:?}");
    assert!(check(&settings, "other", &[]).unwrap_err().contains("not configured"));
}
