//! What a reading of a journal found, as a table or as one JSON document.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windlass_replay::{Checked, SagaLine, Timeline, Verdict, Verified, utc};
use windlass_sagas::ids::HostId;

use crate::output::{Format, aligned, document, note, say};

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

/// What following the chain found; `witnesses` commits were known from elsewhere.
pub(super) fn verified(verified: &Verified, witnesses: usize, format: Format) -> anyhow::Result<()> {
    let (tip, voids) = (verified.tip, verified.voids.values().sum::<u64>());
    if format == Format::Json {
        let findings = verified.findings.iter().map(|finding| {
            json!({ "position": finding.position.0, "frame": finding.cursor.0, "what": finding.to_string() })
        });
        return document(&json!({
            "whole": verified.is_whole(),
            "frames": verified.frames,
            "commits": verified.commits,
            "voidCommits": voids,
            "cutOff": verified.cut_off,
            "findings": findings.collect::<Vec<_>>(),
            "findingsMore": verified.more,
            "position": tip.position.0,
            "hash": tip.hash.to_string(),
        }));
    }
    say(format!("{} frames, {} commits, {voids} void", verified.frames, verified.commits))?;
    say(format!("the whole chain ends at position {}, {}, hash {}", tip.position, utc(tip.time), tip.hash))?;
    for finding in &verified.findings {
        say(format!("  {finding}"))?;
    }
    if verified.more > 0 {
        say(format!("  {} findings more", verified.more))?;
    }
    if verified.cut_off > 0 {
        say(format!("  {} commits behind a break, which no reader applies", verified.cut_off))?;
    }
    note(match (verified.is_whole(), verified.commits, witnesses) {
        (true, _, 0) => "the chain is whole; a change of its very last commit would show only with --seen",
        (true, _, _) => "the chain is whole, and holds what was seen",
        (false, 0, _) if verified.findings.is_empty() => "the journal has no commits: nothing was verified",
        (false, _, _) => "the chain is broken",
    });
    Ok(())
}

/// One saga's life.
pub(super) fn timeline(
    timeline: &Timeline,
    hosts: &BTreeMap<HostId, String>,
    format: Format,
) -> anyhow::Result<()> {
    if format == Format::Table {
        return say(timeline.text(&|host| hosts.get(&host).cloned()).trim_end());
    }
    let entries = timeline.entries.iter().map(|entry| {
        json!({
            "position": entry.position.0,
            "ordinal": entry.ordinal,
            "time": utc(entry.time),
            "term": entry.term.to_string(),
            "event": entry.event.name(),
            "step": entry.step.map(|step| step.0),
            "direction": entry.direction.map(|direction| format!("{direction:?}").to_uppercase()),
            "attempt": entry.attempt.map(|attempt| attempt.0),
            "host": entry.host.map(|host| hosts.get(&host).cloned().unwrap_or_else(|| host.to_string())),
            "latencyMs": entry.latency_ms,
            "fact": entry.fact,
        })
    });
    let begun = timeline.begun().map(|begun| {
        json!({ "kind": begun.kind.operation(), "subject": begun.subject.to_string(), "time": utc(begun.time) })
    });
    document(&json!({
        "operation": timeline.saga.to_string(),
        "begun": begun,
        "entries": entries.collect::<Vec<Value>>(),
        "entriesLeftOut": timeline.left_out,
    }))
}

/// Sagas, a line each.
pub(super) fn sagas(lines: &[SagaLine], left_out: u64, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        let lines = lines.iter().map(|line| {
            json!({
                "operation": line.saga.to_string(),
                "kind": line.kind.operation(),
                "subject": line.subject.to_string(),
                "state": line.standing.name().to_uppercase().replace(' ', "_"),
                "startPosition": line.start.0,
                "time": utc(line.time),
            })
        });
        return document(&json!({ "operations": lines.collect::<Vec<Value>>(), "leftOut": left_out }));
    }
    let rows = lines.iter().map(|line| {
        vec![
            line.start.to_string(),
            utc(line.time),
            line.kind.operation().to_string(),
            line.standing.name().to_string(),
            line.subject.to_string(),
            line.saga.to_string(),
        ]
    });
    say(aligned(Some(&["POSITION", "STARTED", "KIND", "STATE", "SUBJECT", "ID"]), rows))?;
    if left_out > 0 {
        note(format!("{left_out} older ones that have ended are left out: see --limit"));
    }
    Ok(())
}
