//! `windlass explain`: the handbook's page of an error reason, compiled in, so that it is at hand where the handbook isn't.

use clap::Args;

use crate::exit;
use crate::output::{aligned, say};

/// Explain an error's code: what it means and what to do. Without a code, list them all.
#[derive(Args, Debug)]
#[command(after_help = "Example: windlass explain RESOURCE_BUSY")]
pub(crate) struct Explain {
    /// The code that stood behind `code:`.
    code: Option<String>,
}

macro_rules! pages {
    ($($reason:ident)*) => {
        /// Each reason with its page.
        const PAGES: &[(&str, &str)] = &[
            $((stringify!($reason), include_str!(concat!("../handbook/errors/", stringify!($reason), ".md"))),)*
        ];
    };
}

pages! {
    ADDRESS_POOL_EXHAUSTED
    ADDRESS_UNAVAILABLE
    ALREADY_ENDED
    CHECKSUM_MISMATCH
    DRAINING
    FAULTS_NOT_ALLOWED
    FILTER_INVALID
    HOST_UNREACHABLE
    IMAGE_DATA_MISSING
    IMAGE_INVALID
    INTERNAL
    INVALID_FIELD
    JOURNAL_UNAVAILABLE
    NAME_TAKEN
    NOT_FOUND
    NOT_LEADER
    NOT_STUCK
    NO_HOST_FITS
    OVERLOADED
    PAGE_TOKEN_INVALID
    PAST_PIVOT
    PERMISSION_DENIED
    POSITION_NOT_REACHED
    POSITION_OUT_OF_RANGE
    QUOTA_EXCEEDED
    READ_AT_UNSUPPORTED
    READ_ONLY
    REQUEST_ID_EXPIRED
    REQUEST_ID_INVALID
    REQUEST_ID_IN_FUTURE
    REQUEST_ID_MISMATCH
    REQUEST_ID_REQUIRED
    RESOURCE_BUSY
    RESOURCE_IN_USE
    RESOURCE_QUARANTINED
    TOKEN_INVALID
    TOO_LARGE
    TOO_MANY_FAULTS
    UNAUTHENTICATED
    UPLOAD_SPACE_EXHAUSTED
    UPLOAD_BROKEN_OFF
    WATCH_TOO_SLOW
    WRONG_STATE
}

pub(crate) fn run(explain: &Explain) -> anyhow::Result<u8> {
    let Some(code) = &explain.code else {
        say(aligned(
            Some(&["CODE", "WHAT IT MEANS"]),
            PAGES.iter().map(|(reason, page)| vec![(*reason).to_string(), meaning(page)]),
        ))?;
        return Ok(exit::OK);
    };
    let wanted = code.to_uppercase().replace('-', "_");
    let Some((_, page)) = PAGES.iter().find(|(reason, _)| *reason == wanted) else {
        anyhow::bail!(exit::Hinted {
            message: format!("there is no page of {code}"),
            hint: "`windlass explain` lists all codes; an agent's own codes stand with its refusal".into(),
            code: exit::NOT_FOUND,
        });
    };
    say(page.trim_end())?;
    Ok(exit::OK)
}

/// The first paragraph behind "What it means", on one line.
fn meaning(page: &str) -> String {
    let behind = page.split("## What it means").nth(1).unwrap_or_default();
    let paragraph = behind.trim_start().split("\n\n").next().unwrap_or_default();
    paragraph.lines().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_api_has_its_page() {
        let reasons =
            windlass_proto::pool().get_enum_by_name("windlass.v1.ErrorReason").expect("the enum exists");
        let reasons: Vec<String> =
            reasons.values().filter(|it| it.number() != 0).map(|it| it.name().to_string()).collect();
        assert!(reasons.len() > 30);
        for reason in &reasons {
            assert!(
                PAGES.iter().any(|(of, _)| of == reason),
                "{reason} can't be explained: add it to `pages!`"
            );
        }
        for (reason, page) in PAGES {
            assert!(reasons.iter().any(|it| it == reason), "{reason} is no reason of the API");
            assert!(page.starts_with(&format!("# {reason}\n")) && !meaning(page).is_empty(), "{reason}");
        }
    }
}
