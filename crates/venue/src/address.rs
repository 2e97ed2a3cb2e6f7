//! Parses addresses of venues strictly. Lenient parsers disagree on which part is the host and
//! which a password.

/// The parts of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// `https`, `wss` or the like.
    pub scheme: &'a str,
    /// The host, in lower case as written. IPv6 has its brackets.
    pub host: &'a str,
}

impl<'a> Address<'a> {
    /// Parses `scheme://host[:port][/path]`. It accepts no user names, no queries and nothing that
    /// needs an escape.
    ///
    /// # Errors
    /// The text has another form.
    pub fn read(text: &'a str) -> Result<Address<'a>, String> {
        let wrong = || format!("{text:?} is no address like https://host:port/path");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.find(']')) {
            Some(end) => place.split_at(end + 2),
            None => place.split_at(place.find(':').unwrap_or(place.len())),
        };
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        let named =
            host.starts_with(|c: char| c.is_ascii_alphanumeric()) && host.chars().all(plain);
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let numbered = inner.is_some_and(|host| {
            !host.is_empty() && host.chars().all(|c| c.is_ascii_hexdigit() || c == ':')
        });
        let number = port.strip_prefix(':').map(|port| port.parse::<u16>().is_ok());
        let number = number.unwrap_or(port.is_empty());
        let tail = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
        let good = (named || numbered) && number && path.chars().all(tail) && !scheme.is_empty();
        if good { Ok(Address { scheme, host }) } else { Err(wrong()) }
    }

    /// Whether the host is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let mut parts = self.host.split('.');
        let bytes =
            parts.clone().count() == 4 && self.host.split('.').all(|p| p.parse::<u8>().is_ok());
        matches!(self.host, "localhost" | "[::1]") || (bytes && parts.next() == Some("127"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_what_they_seem() {
        let host = |text| Address::read(text).map(|address| (address.host, address.is_loopback()));
        for (text, is, loopback) in [
            ("https://api.venue.example", "api.venue.example", false),
            ("wss://ws-api.venue.example:443/ws-api/v3", "ws-api.venue.example", false),
            ("http://127.0.0.1:8100", "127.0.0.1", true),
            ("ws://localhost:8100/ws", "localhost", true),
            ("ws://[::1]:8100", "[::1]", true),
            ("http://127.evil.example", "127.evil.example", false),
            ("http://127.0.0.1.evil.example/", "127.0.0.1.evil.example", false),
            ("http://localhost.evil.example", "localhost.evil.example", false),
        ] {
            assert_eq!(host(text), Ok((is, loopback)), "{text}");
        }
        for text in [
            "",
            "api.venue.example",
            "https://",
            "https://127.0.0.1@api.venue.example",
            "https://127.0.0.1:80@api.venue.example",
            "https://API.venue.example",
            "https://api.venue.example?x",
            "https://api.venue.example/#x",
            "https://a\\b",
            "https://a b",
            "https://a:99999",
            "https://[::1",
            "https://[]",
            "https://[::1]x",
        ] {
            assert!(host(text).is_err(), "{text}");
        }
    }
}
