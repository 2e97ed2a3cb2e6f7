//! The file of a sweep: its plan in the first line, then a line for each point that is done. Every
//! line is JSON. A killed sweep leaves at most a piece of a line at the end; it is dropped, and its
//! point is played again.

use everwarm_runtime::files::Lock;
use everwarm_views::backup::failed;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::sweep::{Outcome, PointResult, SweepPlan};
use everwarm_words::text::thousands;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Version of the format of the file.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    sweep: u32,
    plan: SweepPlan,
}

/// What is known of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The plan.
    pub plan: SweepPlan,
    /// The points that are done.
    pub points: BTreeMap<u64, Outcome>,
}

/// The file of a running sweep.
#[derive(Debug)]
pub struct Results {
    path: PathBuf,
    file: File,
    _lock: Lock,
    done: Done,
}

impl Results {
    /// Opens the file of a plan, or begins it. What it already has counts as done.
    ///
    /// # Errors
    /// It belongs to another plan, another process has it, or it cannot be written.
    pub fn open(path: &Path, plan: &SweepPlan) -> Result<Results, Failure> {
        let error = |e: std::io::Error| failed(path, &e);
        let Some(lock) = Lock::file(path).map_err(error)? else {
            let text = format!("{}: another sweep writes it", path.display());
            return Err(Failure::new(Exit::Held, text));
        };
        let text = std::fs::read_to_string(path).map_err(error)?;
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let (done, begun) = if whole == 0 {
            (Done { plan: plan.clone(), points: BTreeMap::new() }, true)
        } else {
            (parse(path, &text[..whole])?, false)
        };
        if done.plan != *plan {
            let text = format!(
                "{}: it holds another sweep, of {}. Give another --out, or remove the file",
                path.display(),
                difference(&done.plan, plan)
            );
            return Err(Failure::new(Exit::Refused, text));
        }
        let file = OpenOptions::new().append(true).open(path).map_err(error)?;
        file.set_len(whole as u64).map_err(error)?;
        let mut results = Results { path: path.to_owned(), file, _lock: lock, done };
        if begun {
            results.line(&Head { sweep: FORMAT, plan: plan.clone() })?;
        }
        Ok(results)
    }

    /// The points that are done.
    pub fn points(&self) -> &BTreeMap<u64, Outcome> {
        &self.done.points
    }

    /// Stores a point. It survives the end of this process, and a power cut.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn take(&mut self, result: PointResult) -> Result<(), Failure> {
        self.line(&result)?;
        self.done.points.insert(result.point, result.outcome);
        Ok(())
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(value).expect("a result can be written as JSON");
        line.push(b'\n');
        // One write: another line never begins within this one.
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|e| failed(&self.path, &e))
    }
}

/// Reads the files of shards and joins their points.
///
/// # Errors
/// A file cannot be read, the plans differ, or two results of a point differ.
pub fn merged(paths: &[PathBuf]) -> Result<Done, Failure> {
    let mut all: Option<(&Path, Done)> = None;
    for path in paths {
        let text = std::fs::read_to_string(path).map_err(|e| {
            let absent = || Failure::new(Exit::Usage, format!("{}: {e}", path.display()));
            if e.kind() == ErrorKind::NotFound { absent() } else { failed(path, &e) }
        })?;
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let one = parse(path, &text[..whole])?;
        let Some((first, all)) = &mut all else {
            all = Some((path, one));
            continue;
        };
        if all.plan != one.plan {
            let text = format!(
                "{} and {} are of two sweeps: they differ in {}",
                first.display(),
                path.display(),
                difference(&one.plan, &all.plan)
            );
            return Err(Failure::new(Exit::Usage, text));
        }
        for (point, outcome) in one.points {
            let known = all.points.entry(point).or_insert_with(|| outcome.clone());
            if *known != outcome {
                let text =
                    format!("{}: another file has another result of point {point}", path.display());
                return Err(Failure::new(Exit::Problems, text));
            }
        }
    }
    Ok(all.map(|(_, all)| all).unwrap_or_default())
}

/// The first member in which the plans differ, with the value of the first plan.
fn difference(of: &SweepPlan, other: &SweepPlan) -> String {
    let keys = |plan: &SweepPlan| -> Vec<String> {
        plan.axes.iter().map(|axis| axis.key.clone()).collect()
    };
    if of.version != other.version {
        format!("another version of everwarm, {}", of.version)
    } else if keys(of) != keys(other) {
        format!("other keys: {}", keys(of).join(", "))
    } else if let Some((axis, _)) = of.axes.iter().zip(&other.axes).find(|(a, b)| a != b) {
        format!("other values of {}: {}", axis.key, axis.values.join(", "))
    } else if of.parts != other.parts || of.train != other.train {
        "another period, --train or --folds".to_owned()
    } else {
        "other bars, or another configuration".to_owned()
    }
}

fn parse(path: &Path, text: &str) -> Result<Done, Failure> {
    let wrong = |line: usize, why: String| {
        let text = format!("{}:{line}: not a result of a sweep: {why}", path.display());
        Failure::new(Exit::Foreign, text)
    };
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let head: Head = serde_json::from_str(head).map_err(|e| wrong(1, e.to_string()))?;
    if head.sweep != FORMAT {
        return Err(wrong(1, format!("format {} is unknown", head.sweep)));
    }
    let (plan, mut points) = (head.plan, BTreeMap::new());
    let all = plan.count().unwrap_or_default();
    for (at, line) in lines.enumerate() {
        let row: PointResult =
            serde_json::from_str(line).map_err(|e| wrong(at + 2, e.to_string()))?;
        if row.point >= all {
            let why = format!("the grid has {} points, and this is {}", thousands(all), row.point);
            return Err(wrong(at + 2, why));
        }
        if let Outcome::Played(figures) = &row.outcome
            && figures.len() != plan.parts.len()
        {
            let why = format!("it has {} parts of {}", figures.len(), plan.parts.len());
            return Err(wrong(at + 2, why));
        }
        points.insert(row.point, row.outcome);
    }
    Ok(Done { plan, points })
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_views::sweep::{Axis, Figures, Part};

    fn plan() -> SweepPlan {
        SweepPlan {
            version: "1".to_owned(),
            base: "00".to_owned(),
            axes: vec![Axis { key: "a.b".to_owned(), values: vec!["1".into(), "2".into()] }],
            parts: vec![Part { from: 0, to: 60_000 }, Part { from: 60_000, to: 120_000 }],
            train: 1,
        }
    }

    fn row(point: u64, trades: u64) -> PointResult {
        let figures = Figures { trades, ..Figures::default() };
        PointResult { point, outcome: Outcome::Played(vec![figures.clone(), figures]) }
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("everwarm-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_piece_of_a_line_is_dropped_at_every_length_and_the_rest_counts() {
        let dir = folder("sweep-torn");
        let path = dir.join("sweep.jsonl");
        let mut results = Results::open(&path, &plan()).unwrap();
        let other = Results::open(&path, &plan()).unwrap_err();
        assert_eq!(other.exit, Exit::Held, "{other}");
        results.take(row(0, 3)).unwrap();
        results.take(row(1, 4)).unwrap();
        drop(results);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let lines = whole[..length].split(|byte| *byte == b'\n').count() - 1;
            let mut results = Results::open(&path, &plan()).unwrap();
            assert_eq!(results.points().len(), lines.saturating_sub(1), "{length} bytes");
            for point in 0..2 {
                if !results.points().contains_key(&point) {
                    results.take(row(point, 3 + point)).unwrap();
                }
            }
            drop(results);
            assert_eq!(std::fs::read(&path).unwrap(), whole, "{length} bytes");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn another_plan_and_damage_are_refused_with_their_place() {
        let dir = folder("sweep-refused");
        let path = dir.join("sweep.jsonl");
        drop(Results::open(&path, &plan()).unwrap());
        for (change, words) in [
            (SweepPlan { base: "01".into(), ..plan() }, "other bars, or another configuration"),
            (SweepPlan { version: "2".into(), ..plan() }, "another version of everwarm, 1"),
            (SweepPlan { train: 0, ..plan() }, "another period, --train or --folds"),
            (SweepPlan { axes: Vec::new(), ..plan() }, "other keys: a.b"),
        ] {
            let why = Results::open(&path, &change).unwrap_err();
            assert_eq!(why.exit, Exit::Refused);
            assert!(why.text.contains(words), "{why}");
        }
        let head = std::fs::read_to_string(&path).unwrap();
        for (line, words) in [
            ("{}", "sweep.jsonl:2: not a result"),
            (r#"{"point":2,"outcome":{"refused":"x"}}"#, "the grid has 2 points"),
            (r#"{"point":1,"outcome":{"played":[]}}"#, "it has 0 parts of 2"),
        ] {
            std::fs::write(&path, format!("{head}{line}\n")).unwrap();
            let why = Results::open(&path, &plan()).unwrap_err();
            assert_eq!(why.exit, Exit::Foreign);
            assert!(why.text.contains(words), "{why}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn shards_are_joined_and_contradictions_are_refused() {
        let dir = folder("sweep-merge");
        let file = |name: &str, rows: &[PointResult]| {
            let path = dir.join(name);
            let mut results = Results::open(&path, &plan()).unwrap();
            for row in rows {
                results.take(row.clone()).unwrap();
            }
            path
        };
        let (a, b) = (file("a", &[row(0, 3)]), file("b", &[row(1, 4), row(0, 3)]));
        let all = merged(&[a.clone(), b.clone()]).unwrap();
        assert_eq!((all.plan, all.points.len()), (plan(), 2));
        let wrong = file("c", &[row(1, 5)]);
        let why = merged(&[a, b, wrong]).unwrap_err();
        assert!(why.text.contains("another result of point 1"), "{why}");
        let none = merged(&[dir.join("none")]).unwrap_err();
        assert_eq!(none.exit, Exit::Usage);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
