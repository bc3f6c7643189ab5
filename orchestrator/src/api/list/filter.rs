//! The filter of a list: comparisons joined by ` AND `, each `field=value` or `field!=value`, a value with spaces in
//! double quotes. A field with several values is equal to each of them.

use windlass_proto::v1::ErrorReason;

use crate::api::errors::Problem;
use crate::api::limits::{FILTER_BYTES_MAX, FILTER_TERMS_MAX};

/// A conjunction of comparisons; none takes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct Filter(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    field: String,
    value: String,
    equal: bool,
}

impl Filter {
    /// Reads a filter over these fields.
    ///
    /// # Errors
    /// `FILTER_INVALID`, saying what can't be read or which fields there are.
    pub(in crate::api) fn parse(text: &str, known: &[&str]) -> Result<Self, Problem> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(bad(&format!("the filter is longer than {FILTER_BYTES_MAX} bytes")));
        }
        let mut terms = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (term, behind) = term(rest)?;
            if !known.contains(&term.field.as_str()) {
                let fields = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(bad(&format!("this list can be filtered by: {fields}")));
            }
            terms.push(term);
            if terms.len() > FILTER_TERMS_MAX {
                return Err(bad(&format!("the filter has more than {FILTER_TERMS_MAX} comparisons")));
            }
            rest = match behind.trim_start().strip_prefix("AND ") {
                Some(more) if behind.starts_with(' ') && !more.trim().is_empty() => more.trim_start(),
                Some(_) => return Err(bad("AND stands between two comparisons")),
                None if behind.trim().is_empty() => "",
                None => return Err(bad("comparisons are joined by AND")),
            };
        }
        Ok(Self(terms))
    }

    /// Whether an element with these values is taken.
    pub(in crate::api) fn takes(&self, values: impl Fn(&str) -> Vec<String>) -> bool {
        self.0.iter().all(|term| values(&term.field).contains(&term.value) == term.equal)
    }
}

/// The first comparison of a text, and what stands behind it.
fn term(text: &str) -> Result<(Term, &str), Problem> {
    let end = text.find(['=', '!']).ok_or_else(|| bad("a comparison is field=value or field!=value"))?;
    let (field, operator) = text.split_at(end);
    let (equal, value) = match (operator.strip_prefix("!="), operator.strip_prefix('=')) {
        (Some(value), _) => (false, value),
        (None, Some(value)) => (true, value),
        (None, None) => return Err(bad("a comparison is field=value or field!=value")),
    };
    let (value, rest) = match value.trim_start().strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or_else(|| bad("a quote is not closed"))?,
        None => {
            let value = value.trim_start();
            value.split_at(value.find(' ').unwrap_or(value.len()))
        }
    };
    Ok((Term { field: field.trim().to_owned(), value: value.to_owned(), equal }, rest))
}

fn bad(message: &str) -> Problem {
    Problem::new(ErrorReason::FilterInvalid, message)
        .of_field("filter")
        .hint("as: state=ACTIVE AND host!=\"h 1\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(filter: &str, state: &str, host: &str) -> bool {
        let filter = Filter::parse(filter, &["state", "host"]).expect(filter);
        filter.takes(|field| vec![if field == "state" { state.into() } else { host.into() }])
    }

    #[test]
    fn every_comparison_must_hold() {
        assert!(takes("", "ACTIVE", "h1"));
        assert!(takes("state=ACTIVE", "ACTIVE", "h1"));
        assert!(takes("state = ACTIVE AND host != \"h 2\"", "ACTIVE", "h1"));
        assert!(!takes("state=ACTIVE AND host!=\"h 1\"", "ACTIVE", "h 1"));
        assert!(!takes("state=ERROR", "ACTIVE", "h1"));
        assert!(takes("host=\"a AND b=c\"", "", "a AND b=c"));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let long = "x".repeat(FILTER_BYTES_MAX + 1);
        let many = vec!["state=A"; FILTER_TERMS_MAX + 1].join(" AND ");
        for bad in [
            "state",
            "state<3",
            "state=\"A",
            "state=A host=B",
            "state=A OR host=B",
            "state=A AND ",
            "colour=blue",
            "=A",
            "state=AANDhost=B AND",
            "state!A",
            &long,
            &many,
        ] {
            assert!(Filter::parse(bad, &["state", "host"]).is_err(), "{bad}");
        }
    }
}
