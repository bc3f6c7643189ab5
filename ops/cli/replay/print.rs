//! What a reading of a journal found, as a table or as one JSON document.

use serde_json::json;
use windlass_replay::{Checked, Verdict};

use crate::output::{Format, document, note, say};

/// What deciding again found.
pub(super) fn checked(checked: &Checked, format: Format) -> anyhow::Result<()> {
    let verdict = match checked.verdict() {
        Verdict::Same => "everything is decided as it was",
        Verdict::Intended => "what differs is meant and reviewed",
        Verdict::Different => "this build decides differently: see above, and `--intended` for what is meant",
        Verdict::NotChecked => "not everything was looked at: this is no pass",
    };
    if format == Format::Table {
        say(checked.to_string().trim_end())?;
        note(verdict);
        return Ok(());
    }
    let groups = checked.groups.iter().map(|group| {
        json!({
            "build": group.build,
            "rule": group.rule,
            "commits": group.commits,
            "firstPosition": group.first.position.0,
            "lastPosition": group.last.0,
            "first": group.first.to_string(),
            "intended": group.intended,
        })
    });
    let unchecked = checked
        .unchecked
        .iter()
        .map(|it| json!({ "fromPosition": it.from.0, "toPosition": it.to.map(|to| to.0), "why": it.why }));
    document(&json!({
        "verdict": match checked.verdict() {
            Verdict::Same => "SAME",
            Verdict::Intended => "INTENDED",
            Verdict::Different => "DIFFERENT",
            Verdict::NotChecked => "NOT_CHECKED",
        },
        "factsDecidedAgain": checked.commits,
        "differences": checked.differences(),
        "groups": groups.collect::<Vec<_>>(),
        "notChecked": unchecked.collect::<Vec<_>>(),
        "notCheckedMore": checked.more_unchecked,
        "voidCommits": checked.voids.values().sum::<u64>(),
        "isolated": checked.isolated,
        "endPosition": checked.end.0,
    }))
}
