//! What was exported and what following the chain has found, as lines for people or as one JSON document.

use std::path::Path;

use serde_json::json;
use windlass_client::v1;
use windlass_replay::{File, Manifest, Verified, utc};

use super::as_test::Kept;
use crate::output::{Format, document, note, say};

/// What a file says of itself.
pub(super) fn exported(file: &File, path: &Path, format: Format) -> anyhow::Result<()> {
    let Some(about) = file.about() else { anyhow::bail!("the file says nothing of itself") };
    let bytes = std::fs::metadata(path)?.len();
    let Manifest { first, last, commits, frames, left_out, shared, .. } = about;
    if format == Format::Json {
        return document(&json!({
            "file": path.display().to_string(),
            "bytes": bytes,
            "cell": about.name,
            "scope": about.scope.to_string(),
            "basePosition": about.base.0,
            "firstPosition": first.0,
            "lastPosition": last.0,
            "lastHash": about.hash.to_string(),
            "frames": frames,
            "commits": commits,
            "leftOut": left_out,
            "shared": shared,
        }));
    }
    say(format!("{}: {} of cell {}, positions {first} to {last}", path.display(), about.scope, about.name))?;
    say(format!("  {commits} commits in {frames} frames, {bytes} bytes"))?;
    if about.base.0 > 0 {
        say(format!("  it begins with an image of position {}", about.base))?;
    }
    if *left_out > 0 {
        say(format!("  {left_out} commits of other projects are not in it, {shared} speak of both and are"))?;
    }
    note(format!("its last commit: --seen {last}:{}", about.hash));
    Ok(())
}

/// A case that was kept.
pub(super) fn case(kept: &Kept, format: Format) -> anyhow::Result<()> {
    let (case, directory) = (&kept.case, kept.directory.display().to_string());
    let strikes = case.strikes.iter().map(|strike| {
        let good = if strike.for_good { ", for good" } else { "" };
        format!("{} {:?}: {}{good}", strike.name, strike.direction, strike.fault).to_lowercase()
    });
    let (strikes, ended) = (strikes.collect::<Vec<_>>(), case.ended.map_or("", windlass_replay::ended_name));
    if format == Format::Json {
        let saga = case.kind.operation();
        return document(&json!({ "directory": directory, "saga": saga, "struck": strikes, "ended": ended }));
    }
    say(format!("{directory}: {}, {}, {ended}", case.kind.operation(), strikes.join("; ")))
}

/// What a live cell's orchestrator found, up to a position.
pub(super) fn told(verified: &v1::Verification, position: u64, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return crate::output::json(verified);
    }
    let v1::Verification { frames, commits, void_commits, cut_off, findings_more, hash, .. } = verified;
    say(format!("{frames} frames, {commits} commits, {void_commits} void"))?;
    say(format!("the whole chain ends at position {position}, hash {hash}"))?;
    for finding in &verified.findings {
        say(format!("  {}", finding.what))?;
    }
    if *findings_more > 0 {
        say(format!("  {findings_more} findings more"))?;
    }
    if *cut_off > 0 {
        say(format!("  {cut_off} commits behind a break, which no reader applies"))?;
    }
    note(if verified.whole {
        "the chain is whole, and holds what the orchestrator has folded"
    } else {
        "the chain is broken"
    });
    Ok(())
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
            "basePosition": verified.base.0,
            "leftOut": verified.left_out,
            "findings": findings.collect::<Vec<_>>(),
            "findingsMore": verified.more,
            "position": tip.position.0,
            "hash": tip.hash.to_string(),
        }));
    }
    say(format!("{} frames, {} commits, {voids} void", verified.frames, verified.commits))?;
    say(format!("the whole chain ends at position {}, {}, hash {}", tip.position, utc(tip.time), tip.hash))?;
    if verified.base.0 > 0 {
        say(format!("  it begins with an image of position {}, which nothing here proves", verified.base))?;
    }
    if verified.left_out > 0 {
        say(format!("  {} commits are not in it; the chain leads over them", verified.left_out))?;
    }
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
