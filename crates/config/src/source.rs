//! The sources of the dominance and of prices of tokens, checked.

use super::checked::Values;
use everwarm_adapters::{coingecko, geckoterminal};
use everwarm_domain::secret::Secret;

const ENABLED: &str = "source.coingecko.enabled";
const ADDRESS: &str = "source.coingecko.address";
const KEY: &str = "source.coingecko.key";
const EVERY: &str = "source.coingecko.every_s";

const TOKENS_ENABLED: &str = "source.geckoterminal.enabled";
const TOKENS_ADDRESS: &str = "source.geckoterminal.address";
const TOKENS_EVERY: &str = "source.geckoterminal.every_s";

/// The source of the dominance.
#[derive(Clone, Debug)]
pub struct DominanceSource {
    /// Its address.
    pub address: String,
    /// The key of an account; none: there is none, or secrets were not loaded.
    pub key: Option<Secret>,
    /// Time between two polls, seconds.
    pub every_s: u32,
}

/// The source of prices of tokens. It needs no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointsSource {
    /// Its address.
    pub address: String,
    /// Time between two polls of a token, seconds.
    pub every_s: u32,
}

impl Values {
    /// The source of prices of tokens; none: it is not enabled.
    pub(super) fn points(&mut self) -> Option<PointsSource> {
        let address = self.source_address(TOKENS_ADDRESS, geckoterminal::ADDRESS);
        let source = PointsSource { address, every_s: self.get(TOKENS_EVERY) };
        self.get::<bool>(TOKENS_ENABLED).then_some(source)
    }

    /// The address of a source, which may be replaced by one on this machine or with TLS.
    fn source_address(&mut self, key: &str, usual: &str) -> String {
        let given = self.text(key);
        if given.is_empty() {
            return usual.to_owned();
        }
        self.is_here(key, Some(&given));
        given
    }

    /// The source without its key; none: it is not enabled.
    pub(super) fn dominance(&mut self) -> Option<DominanceSource> {
        let address = self.source_address(ADDRESS, coingecko::ADDRESS);
        let source = DominanceSource { address, key: None, every_s: self.get(EVERY) };
        self.get::<bool>(ENABLED).then_some(source)
    }

    /// Reads the key of the source, if it is enabled.
    pub(super) fn read_source(
        &mut self,
        source: &mut Option<DominanceSource>,
        environment: &[(String, String)],
    ) {
        if let Some(source) = source {
            source.key = self.secret(KEY, environment);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{CheckDepth, Config, ConfigErrors, Given, Sources};

    fn with(flags: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        with_source("coingecko", flags)
    }

    fn with_source(name: &str, flags: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        let given = |(key, text): &(&str, &str)| Given {
            key: format!("source.{name}.{key}"),
            text: (*text).to_owned(),
            place: format!("--{key}"),
        };
        let environment = vec![("THE_KEY".to_owned(), "CG-hunter2".to_owned())];
        let flags = flags.iter().map(given).collect();
        Sources { environment, flags, ..Sources::default() }.load(CheckDepth::World)
    }

    #[test]
    fn a_source_is_off_until_it_is_enabled() {
        assert!(with(&[]).unwrap().dominance.is_none());
        assert!(with(&[("key", "env:NOT_SET")]).unwrap().dominance.is_none());
        let source = with(&[("enabled", "true")]).unwrap().dominance.unwrap();
        assert_eq!(source.address, "https://api.coingecko.com/api/v3");
        assert_eq!((source.every_s, source.key.is_none()), (600, true));
        let flags = [
            ("enabled", "true"),
            ("key", "env:THE_KEY"),
            ("every_s", "60"),
            ("address", "http://127.0.0.1:8080/api"),
        ];
        let source = with(&flags).unwrap().dominance.unwrap();
        assert_eq!((source.address.as_str(), source.every_s), ("http://127.0.0.1:8080/api", 60));
        assert_eq!(source.key.as_ref().map(super::Secret::expose), Some("CG-hunter2"));
        assert!(!format!("{source:?}").contains("hunter2"));
    }

    #[test]
    fn prices_of_tokens_are_polled_if_their_source_is_enabled() {
        let with = |flags: &[(&str, &str)]| with_source("geckoterminal", flags);
        assert_eq!(with(&[]).unwrap().points, None);
        let source = with(&[("enabled", "true")]).unwrap().points.unwrap();
        assert_eq!(source.address, "https://api.geckoterminal.com/api/v2");
        assert_eq!(source.every_s, 60);
        let flags = [("enabled", "true"), ("every_s", "30"), ("address", "http://127.0.0.1:80")];
        let source = with(&flags).unwrap().points.unwrap();
        assert_eq!((source.address.as_str(), source.every_s), ("http://127.0.0.1:80", 30));
        for (key, text, why) in [
            ("every_s", "29", "source.geckoterminal.every_s: 29 is not in the range 30 to 3600"),
            ("address", "http://api.geckoterminal.com", "address: is not encrypted. Use https"),
            ("key", "env:X", "source.geckoterminal.key"),
        ] {
            let errors = with(&[("enabled", "true"), (key, text)]).unwrap_err().to_string();
            assert!(errors.contains(why), "{why:?} is not in {errors}");
        }
    }

    #[test]
    fn wrong_values_of_a_source_are_refused_with_the_reason() {
        for (key, text, why) in [
            ("enabled", "yes", "source.coingecko.enabled: \"yes\" is not true or false"),
            ("enable", "true", "did you mean \"source.coingecko.enabled\"?"),
            ("every_s", "59", "source.coingecko.every_s: 59 is not in the range 60 to 3600"),
            ("every_s", "3601", "source.coingecko.every_s: 3601 is not in the range 60 to 3600"),
            ("address", "http://api.coingecko.com", "address: is not encrypted. Use https"),
            ("address", "api.coingecko.com", "is no address like https://host:port/path"),
            ("key", "CG-hunter2", "key: a secret cannot stand here: write env:NAME or file:PATH"),
            ("key", "env:NOT_SET", "key: the variable NOT_SET is not set"),
        ] {
            let errors = with(&[("enabled", "true"), (key, text)]).unwrap_err().to_string();
            assert!(errors.contains(why), "{why:?} is not in {errors}");
            assert!(!errors.contains("hunter2"), "{errors}");
        }
    }
}
