//! The typed code of `flatten`.
//!
//! It counts the times at which Telegram received the messages. So a code that was typed in time is
//! valid, also if the daemon was killed and reads the message later.

use serde::{Deserialize, Serialize};

/// How long a code is valid, s.
pub(super) const VALID: i64 = 60;

/// A code that was sent to the chat and not used yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Code {
    /// The update that requested it.
    update: i64,
    text: String,
    /// When it expires, UTC seconds.
    until: i64,
}

impl Code {
    /// A code for the request with this number and this time in UTC seconds. A request that waited
    /// while the daemon was down gets a code that is valid from `now`.
    pub(super) fn new(text: String, (update, date): (i64, i64), now: i64) -> Code {
        Code { update, text, until: date.max(now).saturating_add(VALID) }
    }

    /// What the operator must type.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether this update requested it.
    pub(super) fn is_for(&self, update: i64) -> bool {
        self.update == update
    }

    /// How long it is valid after `now`, s; none: it has expired.
    pub(super) fn left(&self, now: i64) -> Option<i64> {
        Some(self.until.saturating_sub(now).min(VALID)).filter(|left| *left > 0)
    }

    /// Checks a code that was typed at `date`, UTC seconds.
    ///
    /// # Errors
    /// It is another one, or it has expired.
    pub(super) fn check(&self, typed: &str, date: i64) -> Result<(), String> {
        if typed != self.text {
            return Err(wrong());
        }
        if self.left(date).is_none() {
            return Err(expired());
        }
        Ok(())
    }
}

/// The response to a wrong code, or to one that nobody requested.
pub(super) fn wrong() -> String {
    "not done: that is not the code. Send /flatten for a new one".to_owned()
}

/// The response to a code that was typed too late.
pub(super) fn expired() -> String {
    format!("not done: the code has expired after {VALID} s. Send /flatten for a new one")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: i64 = 1_610_107_380;

    fn code(now: i64) -> Code {
        Code::new("0123".to_owned(), (7, ASKED), now)
    }

    #[test]
    fn a_code_expires_a_minute_after_its_request() {
        let code = code(ASKED);
        for late in [0, 1, 59] {
            assert_eq!(code.check("0123", ASKED + late), Ok(()), "{late} s");
            assert_eq!(code.left(ASKED + late), Some(60 - late));
        }
        for late in [60, 61, 3_600, i64::MAX - ASKED] {
            let why = code.check("0123", ASKED + late).unwrap_err();
            assert!(why.contains("expired after 60 s") && why.contains("/flatten"), "{why}");
            assert_eq!(code.left(ASKED + late), None);
        }
        for typed in ["0124", "123", "", "0123 "] {
            let why = code.check(typed, ASKED).unwrap_err();
            assert!(why.contains("not the code"), "{typed}: {why}");
        }
    }

    #[test]
    fn a_request_that_waited_gets_a_code_that_is_valid_for_a_minute_too() {
        let read = ASKED + 600;
        let code = code(read);
        assert_eq!(code.check("0123", read + 59), Ok(()));
        assert!(code.check("0123", read + 60).unwrap_err().contains("expired"));
        // The clock of this machine is slow.
        let code = Code::new("0123".to_owned(), (7, ASKED), ASKED - 600);
        assert_eq!((code.check("0123", ASKED + 59), code.left(ASKED - 600)), (Ok(()), Some(60)));
        code.check("0123", ASKED + 60).unwrap_err();
    }
}
