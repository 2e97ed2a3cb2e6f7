//! Lists all stages by rank. Event loops, actors and audits make their stages from this list.

use super::decide::Decide;
use super::indicators::Indicators;
use super::ledger::Ledger;
use super::orders::Manager;
use super::risk::Breaker;
use super::rollup::RollUp;
use super::strategy;
use everwarm_domain::fact::Body;
use everwarm_domain::fact::kinds::rank;
use everwarm_domain::order::FIRST_STRATEGY;
use everwarm_domain::settings::Settings;
use everwarm_kernel::fact::Rank;
use everwarm_kernel::roster::Joined;
use everwarm_kernel::stage::Stage;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// A stage of the daemon, for any event loop or actor.
pub type AnyStage = Box<dyn Stage<Body = Body>>;

/// Makes a stage with this name and rank and an empty state.
pub type Make = fn(&'static str, Rank) -> AnyStage;

/// Name, rank and constructor of one stage.
#[derive(Clone, Copy, Debug)]
pub struct StageSpec {
    /// Name of the stage.
    pub name: &'static str,
    /// Rank of the stage.
    pub rank: Rank,
    /// Makes the stage from name and rank, with an empty state.
    pub make: Make,
}

impl StageSpec {
    /// Makes the stage with an empty state.
    #[must_use]
    pub fn build(&self) -> AnyStage {
        (self.make)(self.name, self.rank)
    }
}

/// All stages that every journal has, by rank.
#[must_use]
pub fn specs() -> Vec<StageSpec> {
    fn spec<S: Stage<Body = Body> + Default>(name: &'static str, rank: Rank) -> StageSpec {
        StageSpec { name, rank, make: |_, _| Box::new(S::default()) }
    }
    let mut specs = vec![
        spec::<RollUp>("roll-up", rank::ROLL_UP),
        spec::<Indicators>("indicator", rank::INDICATOR),
        spec::<Breaker>("breaker", rank::BREAKER),
        spec::<Decide>("decision", rank::DECISION),
        spec::<Manager>("order-manager", rank::ORDER_MANAGER),
        spec::<Ledger>("ledger", rank::LEDGER),
    ];
    // The first strategy is older than configured instances, so every journal has it.
    specs.extend(strategy::kind(FIRST_STRATEGY).map(|kind| StageSpec {
        name: FIRST_STRATEGY,
        rank: rank::STRATEGY,
        make: kind.make,
    }));
    specs.sort_by_key(|spec| spec.rank);
    specs
}

/// The stage of a strategy instance that joined. `None` if the kind is unknown or the rank is
/// outside the range of strategies.
#[must_use]
pub fn instance(id: &str, kind: &str, rank: Rank) -> Option<StageSpec> {
    let kind = strategy::kind(kind).filter(|_| RANKS.contains(&rank.0))?;
    Some(StageSpec { name: interned(id), rank, make: kind.make })
}

/// All stages of a journal: the fixed ones, and one for each instance in `joined` with a known
/// kind. `joined` includes instances that have left.
#[must_use]
pub fn specs_joined<'a>(joined: impl IntoIterator<Item = &'a Joined>) -> Vec<StageSpec> {
    let mut specs = specs();
    for who in joined {
        specs.extend(instance(&who.id, &who.kind, who.rank));
    }
    specs.sort_by_key(|spec| spec.rank);
    specs.dedup_by_key(|spec| spec.rank);
    specs
}

/// The stages of [`specs_joined`], and one for each configured strategy that is not among them.
///
/// # Errors
/// The error names the strategy. Its id had another kind before, no rank is left, or this program
/// lacks the kind of a joined instance.
pub fn specs_of(joined: &[Joined], settings: &Settings) -> Result<Vec<StageSpec>, String> {
    if let Some(who) =
        joined.iter().find(|who| RANKS.contains(&who.rank.0) && strategy::kind(&who.kind).is_none())
    {
        let Joined { id, kind, .. } = who;
        return Err(format!(
            "strategy.{id}: it is of kind {kind}, which this program lacks: start one that has it"
        ));
    }
    let mut specs = specs_joined(joined);
    for (id, one) in &settings.strategy.0 {
        let known = joined.iter().find(|who| who.id == *id).map(|who| who.kind.as_str());
        let known = known.or_else(|| (id == FIRST_STRATEGY).then_some(FIRST_STRATEGY));
        match known {
            Some(kind) if kind == one.kind => continue,
            Some(kind) => {
                return Err(format!(
                    "strategy.{id}: this data directory knows it as {kind}, not as {}: give the \
                     new one another id",
                    one.kind
                ));
            }
            None => {}
        }
        let taken = |rank: u16| {
            joined.iter().any(|who| who.rank.0 == rank) || specs.iter().any(|s| s.rank.0 == rank)
        };
        let Some(rank) = RANKS.filter(|rank| *rank != SHADOWS).find(|rank| !taken(*rank)) else {
            return Err(format!(
                "strategy.{id}: there have been {} strategies in this data directory, and there is \
                 room for no other: begin a new one",
                joined.len()
            ));
        };
        specs.extend(instance(id, &one.kind, Rank(rank)));
    }
    specs.sort_by_key(|spec| spec.rank);
    Ok(specs)
}

/// Whether the rank belongs to strategies that join and leave.
#[must_use]
pub fn joins(rank: Rank) -> bool {
    RANKS.contains(&rank.0)
}

/// Ranks of instances that join. The first strategy has the rank before them.
const RANKS: RangeInclusive<u16> = rank::STRATEGY.0 + 1..=499;
/// Most strategies that may ever join a journal, besides the first one.
pub const STRATEGIES_MAX: usize = 98;
/// Rank reserved for strategies that only report what they would do.
const SHADOWS: u16 = 450;

thread_local! {
    /// Ids of strategies as stage names. They are leaked, which is bounded: a journal has at most
    /// 98.
    static NAMES: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

pub(crate) fn interned(id: &str) -> &'static str {
    NAMES.with_borrow_mut(|names| {
        if let Some(name) = names.get(id).copied() {
            return name;
        }
        let name: &'static str = Box::leak(id.to_owned().into_boxed_str());
        names.insert(name);
        name
    })
}

/// Makes all stages of [`specs`] with empty states, by rank.
#[must_use]
pub fn stages() -> Vec<AnyStage> {
    specs().iter().map(StageSpec::build).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::crossing;

    fn with(ids: &[&str]) -> Settings {
        let mut settings = crossing(10, 30);
        let one = settings.strategy.0[FIRST_STRATEGY].clone();
        settings.strategy.0.extend(ids.iter().map(|id| ((*id).to_owned(), one.clone())));
        settings
    }

    fn member(rank: u16, id: &str, kind: &str) -> Joined {
        let (id, kind) = (id.to_owned(), kind.to_owned());
        Joined { rank: Rank(rank), id, kind, version: 1, settings: String::new() }
    }

    #[test]
    fn an_id_keeps_its_rank_and_a_new_one_takes_the_next() {
        let joined = [member(402, "b", "sma_cross"), member(403, "gone", "sma_cross")];
        let specs = specs_of(&joined, &with(&["a", "b", "c"])).unwrap();
        let ours: Vec<&StageSpec> =
            specs.iter().filter(|spec| (400..=499).contains(&spec.rank.0)).collect();
        let named: Vec<(u16, &str)> = ours.iter().map(|spec| (spec.rank.0, spec.name)).collect();
        let all = [(400, "sma_cross"), (401, "a"), (402, "b"), (403, "gone"), (404, "c")];
        assert_eq!(named, all);
        assert_eq!(ours[1].build().instance_of(), Some("sma_cross"));
        assert_eq!(ours[0].build().instance_of(), None);
    }

    #[test]
    fn another_kind_of_an_id_and_a_full_table_are_refused_by_the_id() {
        let why = specs_of(&[member(401, "a", "gone")], &with(&["a"])).unwrap_err();
        assert_eq!(
            why,
            "strategy.a: it is of kind gone, which this program lacks: start one that has it"
        );
        let mut other = with(&[]);
        other.strategy.0.get_mut(FIRST_STRATEGY).unwrap().kind = "gone".to_owned();
        let why = specs_of(&[], &other).unwrap_err();
        assert!(why.starts_with("strategy.sma_cross: this data directory knows it as"), "{why}");
        let ids: Vec<String> = (401..=499).map(|rank| format!("s{rank}")).collect();
        let all: Vec<Joined> = (401..=499)
            .filter(|rank| *rank != SHADOWS)
            .map(|rank| member(rank, &format!("s{rank}"), "sma_cross"))
            .collect();
        let known: Vec<&str> = ids.iter().map(String::as_str).filter(|id| *id != "s450").collect();
        let most = specs().len() + STRATEGIES_MAX;
        assert_eq!(specs_of(&all, &with(&known)).unwrap().len(), most);
        let why = specs_of(&all, &with(&["one_more"])).unwrap_err();
        assert!(why.starts_with("strategy.one_more: there have been 98 strategies"), "{why}");
    }

    #[test]
    fn the_table_tells_what_the_stages_tell() {
        let specs = specs();
        assert!(specs.windows(2).all(|w| w[0].rank < w[1].rank));
        for spec in specs {
            let stage = spec.build();
            assert_eq!((stage.name(), stage.rank()), (spec.name, spec.rank));
            let mut again = spec.build();
            again.load(&stage.save()).unwrap();
            assert_eq!(again.save(), stage.save());
            assert!(again.load(b"\xff").is_err());
        }
    }
}
