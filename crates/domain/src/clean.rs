//! Text from outside, made fit to be kept and shown.

/// Longest text from outside that is kept, characters.
pub const TEXT_MAX: usize = 500;

/// Whether a character shows nothing itself but changes how others are shown: control characters
/// (a terminal obeys them), and marks that turn or hide what follows.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// A text of a venue or another stranger: each hidden character is a space, and what is too long is
/// cut.
#[must_use]
pub fn clean(text: &str) -> String {
    let shown = text.chars().take(TEXT_MAX).map(|c| if is_hidden(c) { ' ' } else { c });
    shown.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_gone() {
        let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\rbuy\u{9b}31m \u{202e}lles\u{0}";
        assert_eq!(clean(hostile), "[2J ]0;owned  buy 31m  lles");
        assert_eq!(
            clean("Filter failure: LOT_SIZE \u{2014} \u{e9}"),
            "Filter failure: LOT_SIZE \u{2014} \u{e9}"
        );
        assert_eq!(clean(&"x".repeat(10_000)).len(), TEXT_MAX);
    }
}
