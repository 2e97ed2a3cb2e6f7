//! The table of stages, by rank: the one list from which loops, shells and audits make them.

use super::decide::Decide;
use super::indicators::Indicators;
use super::ledger::Ledger;
use super::orders::Manager;
use super::risk::Breaker;
use super::rollup::RollUp;
use super::strategy::REGISTRY;
use everwarm_domain::fact::Body;
use everwarm_domain::fact::kinds::rank;
use everwarm_kernel::fact::Rank;
use everwarm_kernel::stage::Stage;

/// A stage of ours, ready to be run by whatever runs stages.
pub type AnyStage = Box<dyn Stage<Body = Body>>;

/// How to make one stage.
#[derive(Clone, Copy, Debug)]
pub struct StageSpec {
    /// Its name.
    pub name: &'static str,
    /// Its rank.
    pub rank: Rank,
    /// Makes it with no memory.
    pub make: fn() -> AnyStage,
}

/// Every stage, by rank.
#[must_use]
pub fn specs() -> Vec<StageSpec> {
    fn spec<S: Stage<Body = Body> + Default>(name: &'static str, rank: Rank) -> StageSpec {
        StageSpec { name, rank, make: || Box::new(S::default()) }
    }
    let mut specs = vec![
        spec::<RollUp>("roll-up", rank::ROLL_UP),
        spec::<Indicators>("indicator", rank::INDICATOR),
        spec::<Breaker>("breaker", rank::BREAKER),
        spec::<Decide>("decision", rank::DECISION),
        spec::<Manager>("order-manager", rank::ORDER_MANAGER),
        spec::<Ledger>("ledger", rank::LEDGER),
    ];
    let strategy =
        |e: &super::strategy::Entry| StageSpec { name: e.name, rank: e.rank, make: e.make };
    specs.extend(REGISTRY.iter().map(strategy));
    specs.sort_by_key(|spec| spec.rank);
    specs
}

/// Every stage by rank, with no memory.
#[must_use]
pub fn stages() -> Vec<AnyStage> {
    specs().iter().map(|spec| (spec.make)()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_what_the_stages_tell() {
        let specs = specs();
        assert!(specs.windows(2).all(|w| w[0].rank < w[1].rank));
        for spec in specs {
            let stage = (spec.make)();
            assert_eq!((stage.name(), stage.rank()), (spec.name, spec.rank));
            let mut again = (spec.make)();
            again.load(&stage.save()).unwrap();
            assert_eq!(again.save(), stage.save());
            assert!(again.load(b"\xff").is_err());
        }
        let strategies = REGISTRY.iter().map(|entry| entry.rank.0);
        assert!(strategies.into_iter().all(|rank| (400..500).contains(&rank)));
    }
}
