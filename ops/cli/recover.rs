//! `windlass recover`: what is lost of a journal that came back shorter or otherwise, and the order to go on without it.

use clap::Args;
use windlass_client::v1;
use windlass_client::v1::recovery::State;

use crate::app::App;
use crate::exit::{self, Usage};
use crate::names::Names;
use crate::output::{self, Format, aligned, lower, note, say, time};

/// Show what is lost of a journal that came back without what was seen of it; order to go on without it.
///
/// Nobody leads a cell whose journal ends before a commit that an orchestrator or an agent has seen, or holds another one
/// there: a broker lost its disk, or was started on an old copy. The best way out is to stop the orchestrators and to
/// bring the right data back. Where it is gone for good, --order goes on with the journal as it is: what is lost stays
/// lost, the generation is raised, and what the hosts hold is compared with what is left before anything is called.
///
/// Exits with 0 where nothing is lost, and after an order that was carried out; with 1 where something is lost; with 4
/// where an order is refused, because nothing is lost or because the journal ends in another commit.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Recover {
    /// Go on with the journal that ends in this commit, as it was shown: its position, a colon, its hash.
    #[arg(long, value_name = "POSITION:HASH", value_parser = commit, requires = "reason")]
    order: Option<(u64, String)>,
    /// Why; it is recorded with who gave the order.
    #[arg(long, value_name = "TEXT", requires = "order")]
    reason: Option<String>,
}

const EXAMPLE: &str = "Example: windlass recover --order \
    26:c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00 --reason \"the broker's disk is gone\"";

/// The digits of a SHA-256 hash.
const HASH_DIGITS: usize = 64;

fn commit(text: &str) -> Result<(u64, String), String> {
    let expected = "expected a position, a colon and the hash of 64 hexadecimal digits, as `windlass recover` shows them";
    let (position, hash) = text.split_once(':').ok_or(expected)?;
    let position = position.parse().ok().filter(|it| *it > 0).ok_or(expected)?;
    let whole = hash.len() == HASH_DIGITS && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
    if whole { Ok((position, hash.to_ascii_lowercase())) } else { Err(expected.into()) }
}

pub(crate) async fn run(app: &App, recover: Recover) -> anyhow::Result<u8> {
    let shown = app.call(v1::GetRecoveryRequest::default()).await?;
    let Some((tip_position, tip_hash)) = recover.order else {
        show(app, &shown).await?;
        let nothing = shown.state() == State::NothingLost;
        return Ok(if nothing { exit::OK } else { exit::FAILED });
    };
    let Some(reason) = recover.reason else {
        anyhow::bail!(Usage("an order has a --reason, which is recorded".into()));
    };
    if shown.state() != State::NothingLost {
        note(text(&shown, &names(app, &shown).await));
    }
    let validate_only = app.validate_only;
    let order = v1::RecoverRequest { validate_only, tip_position, tip_hash, reason };
    let answer = app.call(order).await?;
    match app.format {
        Format::Json => output::json(&answer)?,
        Format::Table if validate_only => note("nothing is ordered"),
        Format::Table => {
            say(format!("led on in generation {}, at position {}", shown.next_generation, answer.position))?;
            note("what is lost stays lost; look with `windlass doctor` what the hosts hold of it");
        }
    }
    Ok(exit::OK)
}

async fn show(app: &App, shown: &v1::Recovery) -> anyhow::Result<()> {
    match app.format {
        Format::Json => output::json(shown),
        Format::Table => say(text(shown, &names(app, shown).await)),
    }
}

async fn names(app: &App, shown: &v1::Recovery) -> Names {
    let hosts = shown.witnesses.iter().map(|witness| witness.host.as_str());
    Names::of(&app.client, hosts.chain(shown.operations.iter().map(|it| it.project.as_str()))).await
}

/// Everything that is known, and what to do about it.
fn text(shown: &v1::Recovery, names: &Names) -> String {
    let tip = shown.tip.clone().unwrap_or_default();
    let what = match shown.state() {
        State::NothingLost => {
            return format!("nothing is lost: the journal stands at position {}", shown.position);
        }
        State::TailLost => "the journal's tail is lost: it ends before what was seen of it",
        State::TailRewritten => "the journal's tail is another one: it holds other commits than were seen",
        State::Unspecified => "the journal is not what was seen of it",
    };
    let mut lines = vec![
        format!("{what}; nobody leads"),
        format!("the journal ends at {}, of {}", commit_text(&tip), time(shown.tip_time.as_ref())),
    ];
    lines.push("seen otherwise by:".into());
    lines.extend(shown.witnesses.iter().map(|witness| format!("  {}", witness_text(witness, names))));
    if shown.witnesses_omitted > 0 {
        lines.push(format!("  {} more", shown.witnesses_omitted));
    }
    lines.extend(operations(shown, names));
    lines.push(if shown.ordered {
        "an order to go on with this was given, and waits for its lead".into()
    } else {
        format!(
            "bring the right data back, or go on without what is lost, in generation {}:\n  windlass recover --order \
             {}:{} --reason …",
            shown.next_generation, tip.position, tip.hash
        )
    });
    lines.join("\n")
}

fn commit_text(commit: &v1::SeenCommit) -> String {
    format!("position {} {} in term {}.{}", commit.position, commit.hash, commit.generation, commit.elected)
}

fn witness_text(witness: &v1::Witness, names: &Names) -> String {
    let who = if witness.host.is_empty() {
        "this orchestrator".into()
    } else {
        format!("host {}", names.show(&witness.host))
    };
    let seen = commit_text(&witness.seen.clone().unwrap_or_default());
    let how = match witness.against() {
        v1::witness::Against::Ahead => "which the journal does not have",
        v1::witness::Against::Other => "where the journal has another commit",
        v1::witness::Against::Unspecified => "which speaks against the journal",
    };
    format!("{who}: {seen}, {how}")
}

fn operations(shown: &v1::Recovery, names: &Names) -> Vec<String> {
    if shown.operations_known_to == 0 {
        return vec!["which operations are lost is not known here: no index is left that held them".into()];
    }
    let known_to = shown.operations_known_to;
    if shown.operations.is_empty() {
        return vec![format!(
            "no operation lost commits, as far as was known here up to position {known_to}"
        )];
    }
    let rows = shown.operations.iter().map(|it| {
        let left = if it.known { "ends, or stands stuck" } else { "never was: ask for it anew" };
        vec![
            format!("  {}", output::short(&it.name)),
            it.kind.clone(),
            names.show(&it.project),
            lower(it.state().as_str_name()),
            format!("{}-{}", it.first_position, it.last_position),
            left.into(),
        ]
    });
    let header = ["  OPERATION", "KIND", "PROJECT", "WAS", "POSITIONS", "AND NOW"];
    let mut lines = vec![
        format!("operations that lost commits, as far as was known here up to position {known_to}:"),
        aligned(Some(&header), rows),
    ];
    if shown.operations_omitted > 0 {
        lines.push(format!("  {} more", shown.operations_omitted));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_a_whole_commit() {
        let hash = "5E".repeat(32);
        assert_eq!(commit(&format!("7:{hash}")), Ok((7, hash.to_ascii_lowercase())));
        for bad in ["", "7", "7:", ":5e", "0:5e", "x:5e", &format!("0:{hash}"), &format!("7:{hash}0")] {
            assert!(commit(bad).is_err(), "{bad}");
        }
    }
}
