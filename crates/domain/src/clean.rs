//! Cleans text from outside before it is stored and shown.

/// Most characters kept of a text from outside.
pub const TEXT_MAX: usize = 500;

/// Whether a character is invisible but changes how others are shown. These are control characters,
/// which a terminal obeys, and marks that reverse or hide text.
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

/// Cleans a text from a venue or another outside source. Hidden characters become spaces. The text
/// is cut to [`TEXT_MAX`] characters and trimmed.
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
