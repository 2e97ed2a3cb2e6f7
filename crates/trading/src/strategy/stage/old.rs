//! Converts the states of former versions of a strategy. That of version 4 had no plans and kept
//! `enabled` in its section. Those of later ones lack settings that the kind gained since.

use super::{FORMAT, Line, Standing, State};
use crate::instruments::Instruments;
use crate::strategy::Strategy;
use everwarm_domain::id::SymbolMap;
use everwarm_domain::order::Side;
use everwarm_kernel::state;
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::fmt;
use std::marker::PhantomData;

/// The format of version 4.
const FORMAT_4: u8 = 3;

#[derive(Deserialize)]
#[serde(bound = "")]
struct Version4<S: Strategy> {
    section: Option<Section<S>>,
    off: bool,
    lines: SymbolMap<OldLine<S>>,
    standings: SymbolMap<Standing>,
    instruments: Instruments,
}

#[derive(Deserialize)]
#[serde(bound = "")]
struct OldLine<S: Strategy> {
    last: Option<Side>,
    memory: S::Memory,
    kept: Option<Section<S>>,
}

/// The old section: `enabled`, then the present members, by position.
struct Section<S: Strategy> {
    enabled: bool,
    own: S::Section,
}

impl<'de, S: Strategy> Deserialize<'de> for Section<S> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Places<S>(PhantomData<S>);
        impl<'de, S: Strategy> Visitor<'de> for Places<S> {
            type Value = Section<S>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a section by its places")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Section<S>, A::Error> {
                let enabled = seq.next_element()?.ok_or_else(|| A::Error::custom("is empty"))?;
                let own = S::Section::deserialize(SeqAccessDeserializer::new(seq))?;
                Ok(Section { enabled, own })
            }
        }
        let members = S::SETTINGS.len() - S::ADDED.len();
        from.deserialize_tuple(1 + members, Places(PhantomData))
    }
}

/// A state whose sections lack the last `LACKS` settings.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Former<S: Strategy, const LACKS: usize> {
    section: Option<Shorter<S, LACKS>>,
    off: bool,
    lines: SymbolMap<FormerLine<S, LACKS>>,
    standings: SymbolMap<Standing>,
    instruments: Instruments,
    plan: u64,
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(bound = "")]
struct FormerLine<S: Strategy, const LACKS: usize> {
    last: Option<Side>,
    memory: S::Memory,
    kept: Option<Shorter<S, LACKS>>,
    wide: Vec<f64>,
}

/// A section from bytes without its last `LACKS` members. They have their value of before they
/// existed.
struct Shorter<S: Strategy, const LACKS: usize>(S::Section);

impl<'de, S: Strategy, const LACKS: usize> Deserialize<'de> for Shorter<S, LACKS> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        S::Section::deserialize(Start::<D, LACKS>(from)).map(Shorter)
    }
}

/// Reads the start of a structure: all members but the last `LACKS`.
struct Start<D, const LACKS: usize>(D);

impl<'de, D: Deserializer<'de>, const LACKS: usize> Deserializer<'de> for Start<D, LACKS> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let there = fields.len().saturating_sub(LACKS);
        self.0.deserialize_struct(name, &fields[..there], visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
        Err(D::Error::custom("a section is a structure"))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The present state, from the state of a former version of the kind.
pub(super) fn convert<S: Strategy>(version: u16, bytes: &[u8]) -> Result<State<S>, String> {
    let format = state::head(bytes)?.map_or(bytes[0], |head| head.format);
    if format == FORMAT_4 {
        return version_4(bytes);
    }
    match S::ADDED.iter().filter(|added| added.version > version).count() {
        0 => state::load(FORMAT, bytes),
        1 => former::<S, 1>(bytes),
        2 => former::<S, 2>(bytes),
        3 => former::<S, 3>(bytes),
        lacks => Err(format!("its sections lack {lacks} settings")),
    }
}

fn former<S: Strategy, const LACKS: usize>(bytes: &[u8]) -> Result<State<S>, String> {
    let former: Former<S, LACKS> = state::load(FORMAT, bytes)?;
    let Former { section, off, lines: of_then, standings, instruments, plan, features } = former;
    let own = |section: &Option<Shorter<S, LACKS>>| section.as_ref().map(|of| of.0.clone());
    let mut lines: SymbolMap<Line<S>> = SymbolMap::default();
    for (symbol, line) in of_then.iter() {
        let (last, memory, kept) = (line.last, line.memory.clone(), own(&line.kept));
        *lines.entry(symbol) = Line { last, memory, kept, wide: line.wide.clone() };
    }
    let section = own(&section);
    Ok(State { section, off, lines, standings, instruments, plan, features })
}

fn version_4<S: Strategy>(bytes: &[u8]) -> Result<State<S>, String> {
    let old: Version4<S> = state::load(FORMAT_4, bytes)?;
    let Version4 { section, off, lines: of_then, standings, instruments } = old;
    let own = |section: &Option<Section<S>>| {
        section.as_ref().filter(|section| section.enabled).map(|section| section.own.clone())
    };
    let mut lines: SymbolMap<Line<S>> = SymbolMap::default();
    for (symbol, line) in of_then.iter() {
        let (last, memory, kept) = (line.last, line.memory.clone(), own(&line.kept));
        *lines.entry(symbol) = Line { last, memory, kept, wide: Vec::new() };
    }
    let (section, fresh) = (own(&section), State::default());
    Ok(State { section, off, lines, standings, instruments, ..fresh })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{SmaCross, StrategyStage};
    use crate::testing::{facts_of, input, old_state, sym};
    use everwarm_domain::fact::kinds::rank;
    use everwarm_domain::fact::{Analysis, Body};
    use everwarm_domain::features::{FeatureHead, FeatureTable};
    use everwarm_domain::money::Price;
    use everwarm_domain::time::Timeframe;
    use everwarm_kernel::stage::Stage as _;
    use serde::Serialize;

    /// The fingerprint that version 5 of `sma_cross` wrote.
    const VERSION_5: u64 = 0x40dc_1a9f_9215_b97f;

    #[derive(Clone, Serialize, Deserialize)]
    struct Section5 {
        timeframe: Timeframe,
        fast: u32,
        slow: u32,
    }

    #[derive(Default, Serialize, Deserialize)]
    struct Line5 {
        last: Option<Side>,
        memory: Option<i8>,
        kept: Option<Section5>,
        wide: Vec<f64>,
    }

    #[derive(Serialize, Deserialize)]
    struct State5 {
        section: Option<Section5>,
        off: bool,
        lines: SymbolMap<Line5>,
        standings: SymbolMap<Standing>,
        instruments: Instruments,
        plan: u64,
        features: Vec<String>,
    }

    /// A position in `A` that was opened with other settings; the averages of `B` touch.
    fn state_5() -> State5 {
        let section = |slow| Section5 { timeframe: Timeframe::M1, fast: 10, slow };
        let mut lines: SymbolMap<Line5> = SymbolMap::default();
        let (last, memory, kept) = (Some(Side::Buy), Some(1), Some(section(40)));
        *lines.entry(sym("A")) = Line5 { last, memory, kept, wide: Vec::new() };
        lines.entry(sym("B")).memory = Some(0);
        State5 {
            section: Some(section(30)),
            off: false,
            lines,
            standings: SymbolMap::default(),
            instruments: Instruments::default(),
            plan: 7,
            features: [10, 30, 40].map(|n| format!("sma({n})@1m")).to_vec(),
        }
    }

    #[test]
    fn a_state_whose_section_lacks_a_setting_goes_on_with_the_former_formula() {
        let state = state_5();
        let bytes = state::save(FORMAT, &state);
        let head = state::head(&bytes).unwrap().unwrap();
        assert_eq!(head.fingerprint, VERSION_5, "it is not the form of the release");
        let mut other = StrategyStage::<SmaCross>::new("sma_cross", rank::STRATEGY);
        assert!(other.load(&bytes).is_err(), "it has another form");
        for bytes in [bytes, old_state(FORMAT, &state)] {
            let mut converted = StrategyStage::<SmaCross>::new("sma_cross", rank::STRATEGY);
            converted.convert(5, &bytes).unwrap();
            converted.load(&converted.save()).unwrap();
            let row = |name| FeatureHead { symbol: sym(name), time: 0, close: Price::e8(1) };
            let heads = vec![row("A"), row("B")];
            let values = vec![1.0, f64::NAN, 2.0, 3.0, 2.0, f64::NAN];
            let (plan, timeframe) = (7, Timeframe::M1);
            let table = FeatureTable::of(3, heads, values);
            let values = Analysis::FeatureValues { plan, timeframe, table };
            let facts = facts_of(&mut converted, &input(2, Body::Analysis(values)));
            let [Body::Analysis(Analysis::Signals { rows })] = &facts[..] else {
                panic!("{facts:?}")
            };
            let found = rows.iter().map(|row| (row.confidence_ppm, row.reason.as_str()));
            let sold = (500_000, "sma10 1.0000 crossed below sma40 2.0000");
            let bought = (500_000, "sma10 3.0000 crossed above sma30 2.0000");
            assert_eq!(found.collect::<Vec<_>>(), [sold, bought]);
        }
    }
}
