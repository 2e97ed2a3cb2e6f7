//! Keys and passwords in memory.

use std::fmt;

/// Fewest characters of a token of the API.
pub const TOKEN_MIN: usize = 16;

/// A text that never shows in logs, errors or debug output.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes over a secret, trimmed.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Secret(text.trim().as_bytes().to_vec())
    }

    /// The text, only for sending it.
    #[must_use]
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Checks that a secret is long enough for a token.
///
/// # Errors
/// Names its length and the required length.
pub fn long_enough(secret: &Secret) -> Result<(), String> {
    let length = secret.expose().chars().count();
    if length >= TOKEN_MIN {
        return Ok(());
    }
    Err(format!(
        "the token has {length} characters, but needs at least {TOKEN_MIN}; make one with `openssl \
         rand -hex 32`"
    ))
}
