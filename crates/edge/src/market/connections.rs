//! Assigns symbols to market connections, if one cannot carry them all. Pure.

use everwarm_domain::id::Symbol;

/// The symbols of each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionPlan {
    most: usize,
    parts: Vec<Vec<Symbol>>,
}

impl ConnectionPlan {
    /// A plan for connections of `most` symbols each.
    #[must_use]
    pub fn new(most: usize) -> ConnectionPlan {
        ConnectionPlan { most: most.max(1), parts: Vec::new() }
    }

    /// The symbols of each connection, by name. An empty one is no longer needed.
    #[must_use]
    pub fn parts(&self) -> &[Vec<Symbol>] {
        &self.parts
    }

    /// Carries `wanted` from here on. A symbol that was carried stays on its connection, so that
    /// few connections change. A new symbol takes a free place, or a new connection.
    pub fn turn(&mut self, wanted: &[Symbol]) {
        for part in &mut self.parts {
            part.retain(|symbol| wanted.contains(symbol));
        }
        let carried: Vec<Symbol> = self.parts.concat();
        for symbol in wanted.iter().filter(|symbol| !carried.contains(symbol)) {
            match self.parts.iter_mut().find(|part| part.len() < self.most) {
                Some(part) => part.push(*symbol),
                None => self.parts.push(vec![*symbol]),
            }
        }
        self.parts.iter_mut().for_each(|part| part.sort_unstable());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &str) -> Vec<Symbol> {
        names.split_whitespace().map(|name| Symbol::new(name).unwrap()).collect()
    }

    fn shown(plan: &ConnectionPlan) -> String {
        let part =
            |part: &Vec<Symbol>| part.iter().map(Symbol::as_str).collect::<Vec<_>>().join(" ");
        plan.parts().iter().map(part).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn none_carries_more_than_it_may_and_who_is_carried_stays() {
        let mut plan = ConnectionPlan::new(2);
        plan.turn(&named("A B C D E"));
        assert_eq!(shown(&plan), "A B | C D | E");
        plan.turn(&named("B C D E F G"));
        assert_eq!(shown(&plan), "B F | C D | E G");
        plan.turn(&named("C D H"));
        assert_eq!(shown(&plan), "H | C D | ");
        plan.turn(&[]);
        assert_eq!(shown(&plan), " |  | ");
        let mut all = ConnectionPlan::new(1024);
        all.turn(&named("A B"));
        assert_eq!(shown(&all), "A B");
    }
}
