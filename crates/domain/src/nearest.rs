//! What was probably meant by a word that nobody knows.

/// The word of `known` that was probably meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let distance = |other: &str| {
        let whole = distance(word, other);
        let begun = word.len() >= 4 && other.starts_with(word);
        if last(word) == last(other) {
            whole.min(1)
        } else if begun {
            whole.min(2)
        } else {
            whole
        }
    };
    let nearest = known.map(|other| (distance(other), other)).min();
    nearest.filter(|(far, _)| *far <= word.len() / 3 + 1).map(|(_, other)| other)
}

/// Letters to insert, remove or replace to make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let cost = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
        assert_eq!(nearest("sima", ["sim", "paper"].into_iter()), Some("sim"));
        assert_eq!(nearest("seed", ["a.b", "a.seed"].into_iter()), Some("a.seed"));
        assert_eq!(nearest("a.trades", ["a.trades_a_day"].into_iter()), Some("a.trades_a_day"));
        assert_eq!(nearest("colour", ["sim", "paper"].into_iter()), None);
    }
}
