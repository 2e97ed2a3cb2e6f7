//! Converts the version 4 state of a strategy, which had no plans and kept `enabled` in its
//! section.

use super::{Line, Standing, State};
use crate::instruments::Instruments;
use crate::strategy::Strategy;
use everwarm_domain::id::SymbolMap;
use everwarm_domain::order::Side;
use everwarm_kernel::state;
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

const FORMAT: u8 = 3;

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
        from.deserialize_tuple(1 + S::SETTINGS.len(), Places(PhantomData))
    }
}

/// The present state, from a version 4 state.
pub(super) fn convert<S: Strategy>(bytes: &[u8]) -> Result<State<S>, String> {
    let old: Version4<S> = state::load(FORMAT, bytes)?;
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
