//! The token for requests that change something.

use everwarm_domain::secret::{Secret, long_enough};
use everwarm_runtime::files::{is_full, read_private, write_whole};
use everwarm_views::exit::{Exit, Failure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

/// Name of the file in the data directory that holds the token if none is configured.
pub const TOKEN_FILE: &str = "api.token";
/// Number of random bytes in a token.
const CHANCE: usize = 32;

/// A new random secret.
///
/// # Errors
/// The system has no random bytes.
pub fn chance() -> std::io::Result<String> {
    let mut chance = [0; CHANCE];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut chance)?;
    let mut text = String::with_capacity(2 * CHANCE);
    for byte in chance {
        write!(text, "{byte:02x}").expect("a text takes everything");
    }
    Ok(text)
}

/// The token.
#[derive(Clone, Debug)]
pub struct Token(Secret);

impl Token {
    /// The configured token, else that of the data directory; `None` if there is neither.
    ///
    /// # Errors
    /// Others may read the file, or it cannot be read.
    pub fn find(configured: Option<&Secret>, data_dir: &Path) -> Result<Option<Token>, Failure> {
        let refused = |e| Failure::new(Exit::Refused, format!("the token of the API: {e}"));
        if let Some(secret) = configured {
            long_enough(secret).map_err(refused)?;
            return Ok(Some(Token(secret.clone())));
        }
        let file = data_dir.join(TOKEN_FILE);
        if !file.exists() {
            return Ok(None);
        }
        let secret = Secret::new(&read_private(&file).map_err(refused)?);
        long_enough(&secret).map_err(|e| {
            let file = file.display();
            refused(format!("{file}: {e}; or remove the file, and the next start makes a new one"))
        })?;
        Ok(Some(Token(secret)))
    }

    /// The token in a file.
    ///
    /// # Errors
    /// Others may read the file, or it has no token.
    pub fn read(file: &Path) -> Result<Token, Failure> {
        let refused = |e| Failure::new(Exit::Refused, format!("the token of the API: {e}"));
        let secret = Secret::new(&read_private(file).map_err(refused)?);
        long_enough(&secret).map_err(|e| refused(format!("{}: {e}", file.display())))?;
        Ok(Token(secret))
    }

    /// Like [`Token::find`], but creates a token in the data directory if there is none.
    ///
    /// # Errors
    /// Others may read the file, or it cannot be read or written.
    pub fn find_or_make(configured: Option<&Secret>, data_dir: &Path) -> Result<Token, Failure> {
        if let Some(token) = Token::find(configured, data_dir)? {
            return Ok(token);
        }
        let failed = |e: std::io::Error| {
            let exit = if is_full(&e) { Exit::DiskFull } else { Exit::Failed };
            Failure::new(exit, format!("{TOKEN_FILE}: {e}"))
        };
        let text = chance().map_err(failed)?;
        write_whole(&data_dir.join(TOKEN_FILE), text.as_bytes()).map_err(failed)?;
        Ok(Token(Secret::new(&text)))
    }

    /// Whether `given` is the token. It compares digests in constant time.
    #[must_use]
    pub fn is(&self, given: &str) -> bool {
        let (ours, theirs) = (Sha256::digest(self.0.expose()), Sha256::digest(given));
        let differ = ours.iter().zip(theirs.iter()).fold(0, |differ, (a, b)| differ | (a ^ b));
        std::hint::black_box(differ) == 0
    }

    /// Whether `signature` is the hex HMAC-SHA256 of `body` with the token as its key. It compares
    /// in constant time.
    #[must_use]
    pub fn signs(&self, body: &[u8], signature: &str) -> bool {
        let digit = |text: &str| u8::from_str_radix(text, 16).ok();
        let pair = |at: usize| signature.get(2 * at..2 * at + 2).and_then(digit);
        let given: Option<Vec<u8>> = (0..signature.len().div_ceil(2)).map(pair).collect();
        let key = self.0.expose().as_bytes();
        let (Some(given), Ok(mac)) = (given, Hmac::<Sha256>::new_from_slice(key)) else {
            return false;
        };
        mac.chain_update(body).verify_slice(&given).is_ok()
    }

    /// The value of the `Authorization` header with the token.
    #[must_use]
    pub fn header(&self) -> Secret {
        Secret::new(&format!("Bearer {}", self.0.expose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_made_once_and_is_the_owners_alone() {
        let folder = std::env::temp_dir().join(format!("everwarm-token-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(Token::find(None, &folder).unwrap().is_none());
        let token = Token::find_or_make(None, &folder).unwrap();
        let file = folder.join(TOKEN_FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.len(), 64);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(token.is(&text) && Token::find_or_make(None, &folder).unwrap().is(&text));
        assert!(!token.is("") && !token.is(&text[1..]) && !token.is(&text.to_uppercase()));
        assert!(!format!("{token:?}").contains(&text));
        let set = Secret::new("mine-and-no-other");
        assert!(Token::find_or_make(Some(&set), &folder).unwrap().is("mine-and-no-other"));
        // Test case 2 of RFC 4231.
        let token = Token(Secret::new("Jefe"));
        let signature = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(token.signs(b"what do ya want for nothing?", signature));
        for wrong in ["", "5", "5b", "zz", "+5bd", &signature[1..], &format!("{signature}00")] {
            assert!(!token.signs(b"what do ya want for nothing?", wrong), "{wrong}");
        }
        assert!(!token.signs(b"what do ya want for nothing!", signature));
        // A token that can be guessed is refused.
        let error = Token::find(Some(&Secret::new("short")), &folder).unwrap_err();
        assert_eq!(error.exit, Exit::Refused);
        assert!(error.text.contains("5 characters, but needs at least 16"), "{error}");
        assert!(!error.text.contains("short"), "{error}");
        std::fs::write(&file, "x").unwrap();
        let error = Token::find_or_make(None, &folder).unwrap_err();
        assert_eq!(error.exit, Exit::Refused);
        assert!(error.text.contains("api.token: the token has 1 characters"), "{error}");
        std::fs::write(&file, &text).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
        let error = Token::find(None, &folder).unwrap_err();
        assert_eq!(error.exit, Exit::Refused);
        assert!(
            error.text.contains("other users can read it") && !error.text.contains(&text),
            "{error}"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
