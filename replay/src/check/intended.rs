//! The reviewed list of differences that are meant: which build's decisions, by which rule, and why they differ now.

use serde::Deserialize;

/// One reviewed difference: decisions that `build` wrote by `rule` are made differently since, and that is meant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intended {
    /// The build that wrote the decisions, as its `LeaderElected` says.
    pub build: String,
    /// The fact's name.
    pub rule: String,
    /// Why it is meant; required.
    pub reason: String,
}

/// Why a list can't be used.
#[derive(Debug, thiserror::Error)]
pub enum IntendedError {
    /// It is not what such a list looks like; says where.
    #[error("the list of intended differences can't be read: {0}")]
    Syntax(Box<toml::de::Error>),
    /// An entry without a reason, by its build and rule.
    #[error("the intended difference of {build} in {rule} gives no reason")]
    NoReason {
        /// Its build.
        build: String,
        /// Its rule.
        rule: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    intended: Vec<Intended>,
}

impl Intended {
    /// Reads a list: TOML, an `[[intended]]` table with build, rule and reason for each.
    ///
    /// # Errors
    /// Where it is not one, has unknown keys, or lacks a reason.
    pub fn parse(text: &str) -> Result<Vec<Self>, IntendedError> {
        let List { intended } =
            toml::from_str(text).map_err(|error| IntendedError::Syntax(Box::new(error)))?;
        match intended.iter().find(|it| it.reason.trim().is_empty()) {
            Some(Self { build, rule, .. }) => {
                Err(IntendedError::NoReason { build: build.clone(), rule: rule.clone() })
            }
            None => Ok(intended),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_and_a_bad_one_is_refused() {
        let good = "[[intended]]\nbuild = \"0.1.0\"\nrule = \"CreateServer\"\nreason = \"packs since 0.2\"\n";
        let (build, rule) = ("0.1.0".to_owned(), "CreateServer".to_owned());
        let reason = "packs since 0.2".to_owned();
        assert_eq!(Intended::parse(good).unwrap(), vec![Intended { build, rule, reason }]);
        assert_eq!(Intended::parse("").unwrap(), vec![]);
        assert!(matches!(Intended::parse("[[intended]]\nbuild = \"1\""), Err(IntendedError::Syntax(_))));
        assert!(matches!(Intended::parse("what = 1"), Err(IntendedError::Syntax(_))));
        let blank = "[[intended]]\nbuild = \"1\"\nrule = \"Step\"\nreason = \" \"";
        assert!(matches!(Intended::parse(blank), Err(IntendedError::NoReason { .. })));
    }
}
