//! The receivers of messages. Addresses and tokens are secrets. No text about a receiver contains
//! one.

use everwarm_domain::secret::Secret;

/// A receiver of messages.
#[derive(Clone, Debug)]
pub enum Receiver {
    /// A server that accepts the message as JSON.
    Webhook {
        /// Its address.
        url: Secret,
        /// Sent as a bearer token.
        token: Option<Secret>,
    },
    /// A Telegram chat.
    Telegram {
        /// Base address of the bot API, without a slash at its end.
        base: String,
        /// The bot's token.
        token: Secret,
        /// The chat.
        chat: String,
    },
}

impl Receiver {
    /// Its name in the configuration, the journal and the tree.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Receiver::Webhook { .. } => "webhook",
            Receiver::Telegram { .. } => "telegram",
        }
    }
}

/// Checks an address for messages. The error does not repeat the address.
///
/// # Errors
/// The text is no address, or it uses no TLS to another machine.
pub fn check(url: &str) -> Result<(), String> {
    let wrong = || "is no address like https://host/path (http only on this machine)".to_owned();
    let parsed = reqwest::Url::parse(url).map_err(|_| wrong())?;
    let here = parsed.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    });
    match parsed.scheme() {
        "https" => Ok(()),
        "http" if here => Ok(()),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_secure_or_on_this_machine() {
        let good = ["https://h.example/x?y", "http://127.0.0.1:80/a", "http://localhost/a"];
        assert!(good.iter().all(|url| check(url).is_ok()));
        for url in
            ["http://h.example/secret", "ftp://h/secret", "secret", "", "http://127.0.0.1.x/"]
        {
            let error = check(url).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
