//! The errors of a configuration, with their places.

use super::layers::PREFIX;
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::count;
use serde::Serialize;
use std::fmt;

/// A place in a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// File, variable or flag; `default` for the embedded defaults.
    pub source: String,
    /// Line in a file, from 1.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
}

impl Place {
    /// A source without a line.
    pub fn whole(source: impl Into<String>) -> Place {
        Place { source: source.into(), line: None, column: None }
    }

    /// The place of byte `offset` in the text of a file called `name`.
    #[must_use]
    pub fn within(name: &str, text: &str, offset: usize) -> Place {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Place {
            source: name.to_owned(),
            line: Some(1 + before.matches('\n').count()),
            column: Some(1 + before[line_start..].chars().count()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}

/// One error of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The place.
    #[serde(flatten)]
    pub place: Place,
    /// The key, if the error is about one.
    pub key: Option<String>,
    /// The text. It never shows a secret.
    pub text: String,
    /// The known key nearest to an unknown one.
    pub nearest: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.text)
    }
}

/// All errors of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    /// Adds an error at `place`, about `key` or in general. It adds the same error only once.
    pub fn push(&mut self, place: Place, key: Option<&str>, text: impl Into<String>) {
        let error =
            ConfigError { place, key: key.map(Into::into), text: text.into(), nearest: None };
        if !self.0.contains(&error) {
            self.0.push(error);
        }
    }

    /// Sorts by source: in the order of `files`, then variables, flags and defaults. Errors in a
    /// file are sorted by line.
    pub fn sort(&mut self, files: &[String]) {
        let rank = |place: &Place| {
            let others = || match place.source.as_str() {
                flag if flag.starts_with("--") => 1,
                variable if variable.starts_with(PREFIX) => 0,
                _ => 2,
            };
            let file = files.iter().position(|file| *file == place.source);
            file.unwrap_or_else(|| files.len() + others())
        };
        self.0.sort_by_cached_key(|e| (rank(&e.place), e.place.line, e.place.column));
    }

    /// Whether `key` has an error.
    #[must_use]
    pub fn about(&self, key: &str) -> bool {
        self.0.iter().any(|error| error.key.as_deref() == Some(key))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let end = if i + 1 < self.0.len() { "\n" } else { "" };
            write!(f, "{error}{end}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Failure {
        let wrong = count(errors.0.len() as u64, "error");
        Failure::new(Exit::Usage, format!("the configuration has {wrong}\n{errors}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_columns_of_characters() {
        let text = "# größe\nä = 1\n";
        let at = |offset| Place::within("a.toml", text, offset).to_string();
        assert_eq!(
            [at(0), at(text.find('1').unwrap()), at(999)],
            ["a.toml:1:1", "a.toml:2:5", "a.toml:3:1"]
        );
        assert_eq!(Place::whole("--seed").to_string(), "--seed");
    }
}
