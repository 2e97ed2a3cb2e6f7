//! How many bars the features of a strategy need before it enters.

use serde_json::{Map, Value};

/// Name of the member of a section.
pub const MEMBER: &str = "warmup";
/// The values of the member.
pub const NAMES: [&str; 2] = [WarmUp::First.name(), WarmUp::Settled.name()];

/// The bars that each feature of a strategy needs before it enters. Exits need none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WarmUp {
    /// Those of its first value.
    #[default]
    First,
    /// Those after which the bars before them weigh at most 1 %.
    Settled,
}

impl WarmUp {
    /// The name in a section.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            WarmUp::First => "first",
            WarmUp::Settled => "settled",
        }
    }

    /// Takes the member of a section. Without it the first value is enough.
    ///
    /// # Errors
    /// The reason as text.
    pub fn take(section: &mut Map<String, Value>) -> Result<WarmUp, String> {
        let Some(value) = section.remove(MEMBER) else { return Ok(WarmUp::default()) };
        let all = [WarmUp::First, WarmUp::Settled];
        let known = all.into_iter().find(|of| value.as_str() == Some(of.name()));
        known.ok_or_else(|| format!("{MEMBER}: {value} is not one of {}", NAMES.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_is_one_of_two_words() {
        let take = |value: Value| {
            let mut section = Map::new();
            section.insert(MEMBER.to_owned(), value);
            WarmUp::take(&mut section)
        };
        for of in [WarmUp::First, WarmUp::Settled] {
            assert_eq!(take(of.name().into()), Ok(of));
        }
        assert_eq!(WarmUp::take(&mut Map::new()), Ok(WarmUp::First));
        let wrong = take("soon".into()).unwrap_err();
        assert_eq!(wrong, "warmup: \"soon\" is not one of first, settled");
        assert!(take(5.into()).is_err());
    }
}
