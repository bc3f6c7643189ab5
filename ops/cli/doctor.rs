//! `windlass doctor`: whether the hosts hold what the cell says. What was not looked at is never a pass.

use clap::Args;
use windlass_client::v1;
use windlass_client::v1::invariant_check::Result as Found;

use crate::app::{App, of_cell};
use crate::columns::kind_and_name;
use crate::exit;
use crate::names::Names;
use crate::output::{self, Format, aligned, note, say};

/// What the hosts' inventories can tell.
const TOLD_BY_INVENTORIES: [u32; 5] = [2, 3, 4, 5, 6];
/// What the state can tell by itself, of the past.
const TOLD_BY_STATE: [u32; 4] = [3, 4, 5, 6];

/// Compare what the hosts hold with what the cell says: invariants 2 to 6, from the agents' inventories. Of the past
/// (--at, --journal), what the state shows by itself: 3 to 6.
///
/// Exits with 1 where a check fails, and also where one could not be made or no host was looked at.
#[derive(Args, Debug)]
#[command(after_help = "Example: windlass doctor --invariant 2 --host rack1-07")]
pub(crate) struct Doctor {
    /// Only this invariant, 1 to 11; may be repeated.
    #[arg(long, value_name = "NUMBER")]
    invariant: Vec<u32>,
    /// Only this host; may be repeated.
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// How long to wait for the hosts' inventories, milliseconds, at most 60000.
    #[arg(long, default_value_t = 10_000)]
    wait_ms: u32,
}

pub(crate) async fn run(app: &App, doctor: Doctor) -> anyhow::Result<u8> {
    let all = if doctor.host.is_empty() { "every host".to_string() } else { doctor.host.join(", ") };
    let told: &[u32] = if app.past { &TOLD_BY_STATE } else { &TOLD_BY_INVENTORIES };
    if app.past {
        note("checking the state by itself: what hosts held is in no history");
    } else {
        note(format!("asking {all} for its inventory"));
    }
    let request = v1::DoctorRequest {
        invariants: if doctor.invariant.is_empty() { told.into() } else { doctor.invariant },
        hosts: doctor.host.iter().map(|host| of_cell("hosts", host)).collect(),
        wait_ms: doctor.wait_ms,
        ..Default::default()
    };
    let answer = app.client.call(request).await?;
    match app.format {
        Format::Json => output::json(&answer)?,
        Format::Table => {
            let findings = answer.checks.iter().flat_map(|check| &check.findings);
            let found = findings.flat_map(|it| [it.resource.as_str(), it.host.as_str()]);
            let names =
                Names::of(&app.client, answer.hosts_missing.iter().map(String::as_str).chain(found)).await;
            say(text(&answer, &names, app.past))?;
        }
    }
    note(verdict(&answer, app.past));
    Ok(if is_sound(&answer, app.past) { exit::OK } else { exit::FAILED })
}

/// Whether every check that was asked for was made and passed: on at least one host, or of the state of the past alone.
fn is_sound(answer: &v1::DoctorResponse, past: bool) -> bool {
    let passed = answer.checks.iter().all(|check| check.result() == Found::Passed);
    passed && !answer.checks.is_empty() && (past || !answer.hosts_compared.is_empty())
}

fn verdict(answer: &v1::DoctorResponse, past: bool) -> &'static str {
    let any = |wanted: Found| answer.checks.iter().any(|check| check.result() == wanted);
    if past {
        match () {
            () if any(Found::Failed) => "the state breaks an invariant",
            () if answer.checks.iter().all(|check| check.result() == Found::Passed) => {
                "every check of the state passed"
            }
            () => "not everything could be checked: this is no pass",
        }
    } else if any(Found::Failed) {
        "the hosts do not hold what the cell says"
    } else if answer.hosts_compared.is_empty() || answer.checks.is_empty() {
        "not checked: no host gave an inventory, so nothing was looked at"
    } else if any(Found::NotChecked) || any(Found::Unspecified) {
        "not everything could be checked: this is no pass"
    } else {
        "every check passed"
    }
}

fn text(answer: &v1::DoctorResponse, names: &Names, past: bool) -> String {
    let nothing = answer.hosts_compared.is_empty() && !past;
    let rows = answer.checks.iter().map(|check| {
        let result = match check.result() {
            // A check over no host at all has seen nothing, whatever it found.
            Found::Passed if nothing => "NOT CHECKED",
            Found::Passed => "passed",
            Found::Failed => "FAILED",
            Found::NotChecked | Found::Unspecified => "NOT CHECKED",
        };
        vec![check.invariant.to_string(), result.into(), check.looked_at.to_string(), check.statement.clone()]
    });
    let mut lines = vec![aligned(Some(&["INVARIANT", "RESULT", "LOOKED AT", "WHAT HOLDS"]), rows)];
    for check in &answer.checks {
        let number = check.invariant;
        if !check.not_checked_because.is_empty() {
            lines.push(format!("{number} not checked: {}", check.not_checked_because));
        }
        for finding in &check.findings {
            let what = kind_and_name(&finding.resource, names);
            let place = if finding.host.is_empty() {
                String::new()
            } else {
                format!(" on {}", names.show(&finding.host))
            };
            lines.push(format!("{number} found: {what}{place}: {}", finding.message));
            if !finding.hint.is_empty() {
                lines.push(format!("  hint: {}", finding.hint));
            }
        }
        if check.findings_omitted > 0 {
            lines.push(format!("{number} found: {} more", check.findings_omitted));
        }
    }
    if past {
        return lines.join("\n");
    }
    lines.push(format!("hosts compared: {}", answer.hosts_compared.len()));
    if !answer.hosts_missing.is_empty() {
        lines.push(format!("hosts without an inventory: {}", names.all(&answer.hosts_missing)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(results: &[Found], hosts: usize) -> v1::DoctorResponse {
        let check = |result: &Found| v1::InvariantCheck { result: (*result).into(), ..Default::default() };
        v1::DoctorResponse {
            checks: results.iter().map(check).collect(),
            hosts_compared: vec!["hosts/1".into(); hosts],
            ..Default::default()
        }
    }

    #[test]
    fn only_a_whole_look_passes() {
        assert!(is_sound(&answer(&[Found::Passed, Found::Passed], 1), false));
        assert!(is_sound(&answer(&[Found::Passed], 0), true) && !is_sound(&answer(&[], 0), true));
        assert!(!is_sound(&answer(&[Found::NotChecked], 0), true));
        for (results, hosts) in [
            (&[Found::Passed, Found::Failed][..], 1),
            (&[Found::Passed, Found::NotChecked], 1),
            (&[Found::Passed], 0),
            (&[], 1),
        ] {
            assert!(!is_sound(&answer(results, hosts), false), "{results:?} over {hosts}");
            assert_ne!(verdict(&answer(results, hosts), false), "every check passed");
        }
        assert!(text(&answer(&[Found::Passed], 0), &Names::default(), false).contains("NOT CHECKED"));
    }
}
