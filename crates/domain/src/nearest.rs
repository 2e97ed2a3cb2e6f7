//! Suggests a known word for an unknown one.

/// The known word that was probably meant; none if no word is close.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let distance = |other: &str| {
        let whole = strsim::damerau_levenshtein(word, other);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_near() {
        assert_eq!(nearest("sima", ["sim", "paper"].into_iter()), Some("sim"));
        assert_eq!(nearest("seed", ["a.b", "a.seed"].into_iter()), Some("a.seed"));
        assert_eq!(nearest("a.trades", ["a.trades_a_day"].into_iter()), Some("a.trades_a_day"));
        assert_eq!(nearest("colour", ["sim", "paper"].into_iter()), None);
        // Two swapped letters are one mistake.
        assert_eq!(nearest("ism", ["sim", "ipsum"].into_iter()), Some("sim"));
        assert_eq!(nearest("", ["sim", "paper"].into_iter()), None);
    }
}
