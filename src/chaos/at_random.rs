//! Kills at random moments: of one actor, of ten together, of a whole branch.

use super::sweep::Die;
use everwarm_runtime::supervise::{Directory, Injected, Kind, TreeView};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Wall time between two kills, at most, microseconds.
const BETWEEN_US: u64 = 60_000;
/// Number of equal draws: [`BRANCHES`] kill a whole branch, [`TENS`] ten actors together.
const DRAWS: u64 = 8;
const BRANCHES: std::ops::Range<u64> = 0..3;
const TENS: std::ops::Range<u64> = 3..4;
/// Actors killed together.
const AT_ONCE: u64 = 10;

/// Kills so far, by kind.
pub type Fell = BTreeMap<&'static str, u64>;

/// The random kills of all lives of a run.
#[derive(Clone, Debug)]
pub(super) struct AtRandom {
    /// Kills wanted.
    wanted: u64,
    fell: Arc<Mutex<Fell>>,
}

/// A task that is aborted when this is dropped.
pub(super) struct Ended(tokio::task::JoinHandle<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl AtRandom {
    pub(super) fn new(wanted: u64) -> AtRandom {
        AtRandom { wanted, fell: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Fell> {
        self.fell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills so far.
    pub(super) fn fell(&self) -> Fell {
        self.lock().clone()
    }

    fn left(&self) -> u64 {
        self.wanted.saturating_sub(self.lock().values().sum())
    }

    /// Kills in a life until there were enough, or the returned handle is dropped.
    pub(super) fn begin(&self, directory: Directory, die: Die) -> Ended {
        Ended(tokio::spawn(self.clone().kill(directory, die)))
    }

    async fn kill(self, directory: Directory, mut die: Die) {
        while self.left() > 0 {
            tokio::time::sleep(Duration::from_micros(die.below(BETWEEN_US))).await;
            let Some(view) = directory.view() else { continue };
            let (what, paths) = drawn(&view, self.left(), &mut die);
            let why = Injected("killed at a random moment".to_owned());
            let fell = paths.iter().filter(|path| directory.inject_kill(path, &why)).count();
            if fell > 0 {
                *self.lock().entry(what).or_default() += fell as u64;
            }
        }
    }
}

/// The next kill: its kind, and at most `most` paths.
fn drawn(tree: &TreeView, most: u64, die: &mut Die) -> (&'static str, Vec<String>) {
    let (mut actors, mut branches) = (Vec::new(), Vec::new());
    tree.children.iter().for_each(|child| sort(child, &mut actors, &mut branches));
    let drawn = die.below(DRAWS);
    let (what, mut from, count) = if BRANCHES.contains(&drawn) {
        ("a whole branch", branches, 1)
    } else if TENS.contains(&drawn) {
        ("ten at once", actors, AT_ONCE.min(most))
    } else {
        ("any moment", actors, 1)
    };
    die.shuffle(&mut from);
    from.truncate(usize::try_from(count).unwrap_or(1));
    (what, from)
}

/// Sorts a part of the tree into actors and branches; the root is neither.
fn sort(view: &TreeView, actors: &mut Vec<String>, branches: &mut Vec<String>) {
    let into = if view.kind == Kind::Worker { &mut *actors } else { &mut *branches };
    into.push(view.path.clone());
    view.children.iter().for_each(|child| sort(child, actors, branches));
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_runtime::supervise::State;
    use std::collections::BTreeSet;

    fn node(path: &str, kind: Kind, children: Vec<TreeView>) -> TreeView {
        TreeView {
            path: path.to_owned(),
            kind,
            state: State::Running,
            since_ms: 0,
            restarts: 0,
            injected: 0,
            last_failure: None,
            down: false,
            blocked: false,
            planned: None,
            mailbox: 0,
            children,
        }
    }

    #[test]
    fn actors_alone_ten_at_once_and_whole_branches_are_struck_but_never_the_root() {
        let worker = |path: String| node(&path, Kind::Worker, Vec::new());
        let inner = (0..15).map(|i| worker(format!("root/a/b/{i}"))).collect();
        let inner = node("root/a/b", Kind::Supervisor, inner);
        let outer = node("root/a", Kind::Supervisor, vec![inner, worker("root/a/c".to_owned())]);
        let tree = node("root", Kind::Supervisor, vec![outer]);
        let (mut die, mut met) = (Die(1), BTreeMap::<_, BTreeSet<String>>::new());
        for _ in 0..2_000 {
            let (what, paths) = drawn(&tree, 500, &mut die);
            assert_eq!(paths.len(), if what == "ten at once" { 10 } else { 1 });
            met.entry(what).or_default().extend(paths);
        }
        let met: Vec<_> = met.iter().map(|(what, paths)| (*what, paths.len())).collect();
        assert_eq!(met, [("a whole branch", 2), ("any moment", 16), ("ten at once", 16)]);
        assert!((0..100).all(|_| drawn(&tree, 3, &mut die).1.len() <= 3), "no more than are left");
    }
}
