//! Translates texts that stages stored in facts into the current wording. A journal keeps the
//! wording of the version that wrote it. Only this module replaces it, for views.

use aho_corasick::AhoCorasick;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Placeholder for any one word.
const GAP: &str = "{}";

/// Stored wordings, each with its replacement.
const WORDS: &[(&str, &str)] = &[
    ("a balance that cannot be believed", "an impossible balance"),
    ("a careful start, only data is collected", "safe start, only data is collected"),
    ("a careful start, positions may only be left", "safe start, only exits are allowed"),
    ("an operator halted trading", "an operator stopped entries"),
    ("an operator has everything sold", "an operator closes all positions"),
    ("an operator took the venue's word", "an operator accepted the venue's side"),
    ("and an operator took its word", "and an operator accepted its side"),
    ("another has sent an order of this id", "another program sent an order with this id"),
    ("failed and is out; an operator has to decide", "failed and is stopped"),
    ("failed and stands still; an operator has to decide", "failed and waits for an operator"),
    ("failed at it and went on without; an operator has to look", "failed at a part of an input"),
    ("failed too often and is kept down", "is stopped by its supervisor"),
    ("has not closed yet", "has no close yet"),
    ("is being left:", "is being closed:"),
    ("is held already", "is already held"),
    ("is held still", "is still held"),
    ("is not traded any more", "is not among the traded symbols"),
    ("is owed still", "is still owed"),
    ("is paid in", "is quoted in"),
    ("it is named", "market.symbols names it"),
    ("its signal was withdrawn", "the daemon requested it"),
    (
        "life {} began before the answer was heard",
        "run {} started before the response was received",
    ),
    (
        "limits, stops and targets of signals are not traded",
        "limits, stops and targets of signals are not supported",
    ),
    ("min old, {} s may be", "min old, the limit is {} s"),
    ("never decided", "no such order"),
    ("no part of a lot is sold", "partial exits are not supported"),
    (
        "not among the open orders; only a query can tell what became of it",
        "not among the open orders",
    ),
    ("nothing is added to a lot", "additions to a lot are not supported"),
    ("nothing of {} is held", "no {} is held"),
    ("numbers beyond the limits:", "impossible numbers:"),
    ("positions are taken", "positions are open"),
    ("positions may be left, not entered:", "only exits are allowed:"),
    ("short lots are not traded", "short positions are not supported"),
    ("that {} asks for", "that {} requires"),
    (
        "the asset cash is counted in is neither set nor known from instruments",
        "trading.quote_asset is not set, and no instrument names a quote asset",
    ),
    (
        "the cash is not known before the account was compared",
        "the account has not been compared yet",
    ),
    ("the rule takes it", "the universe rule selects it"),
    (
        "the venue tells more executed than fills; they are being fetched",
        "the venue reports more executed than its fills; the daemon fetches them",
    ),
    ("the venue does not have {} any more", "the venue delisted {}"),
    ("the venue does not take orders in {} now", "the venue accepts no orders in {} now"),
    ("the venue takes no orders in {} now", "the venue accepts no orders in {} now"),
    ("the venue refused attempt", "the venue rejected attempt"),
    ("to the venue that no record explains", "from the venue that no record explains"),
    ("{} ours and {} foreign", "{} in the books and {} external"),
];

/// Finds the longest part without a gap of each wording. A start reads thousands of texts, and most
/// contain no stored wording.
static PARTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let longest = |from: &'static str| from.split(GAP).max_by_key(|part| part.len());
    let parts = WORDS.iter().map(|(from, _)| longest(from).unwrap_or_default());
    AhoCorasick::new(parts).expect("the wordings are few and short")
});

/// A stored text in the current wording.
#[must_use]
pub fn shown(text: &str) -> String {
    let found = PARTS.find_overlapping_iter(text).map(|found| found.pattern().as_usize());
    let found: BTreeSet<usize> = found.collect();
    let replaced = |text: String, at: usize| {
        WORDS.get(at).map_or_else(|| text.clone(), |(from, to)| replaced(&text, from, to))
    };
    found.into_iter().fold(text.to_owned(), replaced)
}

/// `text` with every match of `from` replaced by `to`.
fn replaced(text: &str, from: &str, to: &str) -> String {
    if !from.contains(GAP) {
        return text.replace(from, to);
    }
    let words: Vec<&str> = text.split(' ').collect();
    let pattern: Vec<&str> = from.split(' ').collect();
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let here = words.get(at..at + pattern.len());
        let replaced = here.and_then(|here| filled(here, &pattern, to));
        at += replaced.as_ref().map_or(1, |_| pattern.len());
        out.push(replaced.unwrap_or_else(|| (*word).to_owned()));
    }
    out.join(" ")
}

/// `to` with the words in the gaps of `pattern`; none if `words` do not match it. The last word may
/// end with a punctuation mark.
fn filled(words: &[&str], pattern: &[&str], to: &str) -> Option<String> {
    let bare = |word: &str| word.trim_end_matches([';', ',', '.']).len();
    let (last, before) = words.split_last()?;
    let (last, end) = last.split_at(bare(last));
    let words = || before.iter().copied().chain([last]).zip(pattern);
    words().all(|(word, want)| *want == GAP || word == *want).then(|| {
        let mut gaps = words().filter(|(_, want)| **want == GAP).map(|(word, _)| word);
        let fill = |want| if want == GAP { gaps.next().unwrap_or_default() } else { want };
        to.split(' ').map(fill).collect::<Vec<_>>().join(" ") + end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_older_journals_are_shown_in_those_of_today() {
        for (stored, now) in [
            ("trading is halted: lunch", "trading is halted: lunch"),
            ("the venue does not have ETHUSD any more", "the venue delisted ETHUSD"),
            (
                "the newest bar of ETHUSD is 7 min old, 180 s may be",
                "the newest bar of ETHUSD is 7 min old, the limit is 180 s",
            ),
            (
                "the venue takes no orders in ETHUSD now; again",
                "the venue accepts no orders in ETHUSD now; again",
            ),
            (
                "life 2 began before the answer was heard",
                "run 2 started before the response was received",
            ),
            (
                "positions may be left, not entered: a careful start, positions may only be \
                 left: x",
                "only exits are allowed: safe start, only exits are allowed: x",
            ),
            ("5 BTC: 4 ours and 1 foreign", "5 BTC: 4 in the books and 1 external"),
        ] {
            assert_eq!(shown(stored), now);
        }
    }

    #[test]
    fn nothing_is_replaced_twice() {
        for (from, to) in WORDS {
            let stored = from.replace(GAP, "X");
            let once = shown(&stored);
            assert_eq!(once, to.replace(GAP, "X"));
            assert_eq!(shown(&once), once);
        }
    }
}
