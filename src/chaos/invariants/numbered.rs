//! Inputs are numbered without gaps.

use everwarm_domain::fact::Body;
use everwarm_kernel::fact::Fact;

/// The last input number seen.
#[derive(Debug, Default)]
pub struct Numbered {
    last: u64,
    broken: Vec<String>,
}

impl Numbered {
    /// Takes one fact, in the order of the journal.
    pub fn see(&mut self, fact: &Fact<Body>) {
        if fact.key.rank == 0 {
            if fact.key.n != self.last + 1 {
                self.broken.push(format!("input {} follows input {}", fact.key.n, self.last));
            }
            self.last = fact.key.n;
        }
    }

    /// The gaps found, one sentence each.
    #[must_use]
    pub fn end(self) -> Vec<String> {
        self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::sent;
    use super::*;

    #[test]
    fn a_gap_is_found() {
        let mut numbered = Numbered::default();
        for n in [1, 2, 4] {
            numbered.see(&sent(n, "a"));
        }
        assert_eq!(numbered.end(), ["input 4 follows input 2"]);
    }
}
