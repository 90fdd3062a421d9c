//! Which SPIFFE IDs are meant.

use std::{fmt, str::FromStr};

use crate::{Error, Result, SpiffeId};

/// One SPIFFE ID, or all below a path.
///
/// | text | matches |
/// | --- | --- |
/// | `spiffe://td.example/node/a` | this ID alone |
/// | `spiffe://td.example/node/*` | exactly one segment in place of the `*` |
/// | `spiffe://td.example/node/**` | one segment or more; never `spiffe://td.example/node` itself |
///
/// A star stands for whole segments, and only at the end.
///
/// ```
/// use catalyst_pki::{IdPattern, SpiffeId};
///
/// let pattern: IdPattern = "spiffe://td.example/node/*".parse()?;
/// assert!(pattern.matches(&"spiffe://td.example/node/a".parse::<SpiffeId>()?));
/// assert!(!pattern.matches(&"spiffe://td.example/node/region/a".parse::<SpiffeId>()?));
/// # Ok::<(), catalyst_pki::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdPattern {
    /// The ID, or the part of it that is fixed.
    fixed: SpiffeId,
    tail: Tail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Tail {
    None,
    OneSegment,
    Segments,
}

impl IdPattern {
    /// Whether `id` is meant.
    #[must_use]
    pub fn matches(&self, id: &SpiffeId) -> bool {
        let below = || id.as_str().strip_prefix(self.fixed.as_str())?.strip_prefix('/');
        match self.tail {
            Tail::None => *id == self.fixed,
            Tail::OneSegment => below().is_some_and(|rest| !rest.contains('/')),
            Tail::Segments => below().is_some(),
        }
    }

    /// The trust domain of every ID that matches.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        self.fixed.trust_domain()
    }
}

impl FromStr for IdPattern {
    type Err = Error;

    /// # Errors
    ///
    /// [`Error::InvalidPolicy`] if it is no SPIFFE ID with a path, or has a star elsewhere than as
    /// its last segment.
    fn from_str(text: &str) -> Result<Self> {
        let (fixed, tail) = match (text.strip_suffix("/**"), text.strip_suffix("/*")) {
            (Some(fixed), _) => (fixed, Tail::Segments),
            (None, Some(fixed)) => (fixed, Tail::OneSegment),
            (None, None) => (text, Tail::None),
        };
        let refused = |why: &dyn fmt::Display| {
            let text: String = text.chars().take(256).collect();
            Error::InvalidPolicy(format!("the pattern {text:?}: {why}"))
        };
        let fixed: SpiffeId = fixed.parse().map_err(|error| refused(&error))?;
        if tail == Tail::None && fixed.path().is_empty() {
            return Err(refused(&"a trust domain's own ID names no workload; add /**"));
        }
        Ok(IdPattern { fixed, tail })
    }
}

impl fmt::Display for IdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail = match self.tail {
            Tail::None => "",
            Tail::OneSegment => "/*",
            Tail::Segments => "/**",
        };
        write!(f, "{}{tail}", self.fixed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_whole_segments_at_the_end() {
        for (pattern, id, expected) in [
            ("spiffe://td.example/node/a", "spiffe://td.example/node/a", true),
            ("spiffe://td.example/node/a", "spiffe://td.example/node/a/b", false),
            ("spiffe://td.example/node/a", "spiffe://td.example/node/A", false),
            ("spiffe://td.example/node/*", "spiffe://td.example/node/a", true),
            ("spiffe://td.example/node/*", "spiffe://td.example/node", false),
            ("spiffe://td.example/node/*", "spiffe://td.example/node/a/b", false),
            ("spiffe://td.example/node/*", "spiffe://td.example/nodes/a", false),
            ("spiffe://td.example/node/**", "spiffe://td.example/node/a", true),
            ("spiffe://td.example/node/**", "spiffe://td.example/node/a/b", true),
            ("spiffe://td.example/node/**", "spiffe://td.example/node", false),
            ("spiffe://td.example/**", "spiffe://td.example/node/a", true),
            ("spiffe://td.example/**", "spiffe://td.example", false),
            ("spiffe://td.example/**", "spiffe://td.example.evil/node/a", false),
            ("spiffe://td.example/*", "spiffe://td.example/node", true),
        ] {
            let parsed: IdPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(&id.parse().unwrap()), expected, "{pattern} {id}");
            assert_eq!(parsed.to_string(), pattern);
        }
    }

    #[test]
    fn other_stars_are_refused() {
        for pattern in [
            "",
            "*",
            "**",
            "spiffe://*",
            "spiffe://td.example",
            "spiffe://*/node/a",
            "spiffe://td.example/*/a",
            "spiffe://td.example/node/a*",
            "spiffe://td.example/node/***",
            "spiffe://td.example/node/*/*",
            "spiffe://td.example/node/**/**",
            "spiffe://td.example/node/",
            "spiffe://td.example//*",
            "https://td.example/*",
        ] {
            assert!(pattern.parse::<IdPattern>().is_err(), "{pattern}");
        }
    }
}
