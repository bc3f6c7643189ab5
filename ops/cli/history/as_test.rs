//! `windlass history export --as-test`: a captured operation as a case for the failure matrix, beside its file.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use toml::{Table, Value};
use windlass_replay::{Case, File, Strike};
use windlass_sagas::ids::SagaId;
use windlass_sagas::record::Direction;

use crate::exit::{self, Hinted};

/// The captured file in a case's directory.
pub(super) const CAPTURE: &str = "capture.wlj";
/// What was recorded, beside it.
const CASE: &str = "case.toml";

/// What was kept, and where.
pub(super) struct Kept {
    pub(super) case: Case,
    pub(super) directory: PathBuf,
}

/// Writes what the file tells of the operation beside it, and moves both from `beside` to their place below `directory`.
pub(super) async fn keep(file: &File, saga: SagaId, beside: &Path, directory: &Path) -> anyhow::Result<Kept> {
    let refused = |message: String, hint: &str| Hinted { message, hint: hint.into(), code: exit::CONFLICT };
    let case = windlass_replay::case(file, saga).await?;
    let case = case.with_context(|| format!("operation {saga} is not in its own file"))?;
    let Some(ended) = case.ended else {
        anyhow::bail!(refused(format!("operation {saga} has not ended"), "wait for its end, or cancel it"));
    };
    let Some(strike) = case.strikes.first() else {
        let hint = "a case needs a step that was refused or overdue, or a fault that was armed for it";
        anyhow::bail!(refused(format!("nothing struck operation {saga}"), hint));
    };
    let id = saga.to_string();
    let words = [case.kind.operation(), strike.name, strike.fault.name(), &id[..8]];
    let place = directory.join(words.join("-").replace(['.', ' ', '_'], "-"));
    if place.try_exists()? {
        anyhow::bail!(refused(format!("{} exists", place.display()), "it is captured already"));
    }
    let head = "# A captured operation: what struck it, and how it ended. Written by `windlass history export --as-test`.\n";
    std::fs::write(beside.join(CASE), format!("{head}{}", text(&case, windlass_replay::ended_name(ended))))?;
    std::fs::rename(beside, &place).with_context(|| format!("make {}", place.display()))?;
    Ok(Kept { case, directory: place })
}

fn text(case: &Case, ended: &str) -> String {
    let strike = |strike: &Strike| {
        let direction = match strike.direction {
            Direction::Forward => "forward",
            Direction::Undo => "undo",
        };
        let mut table = Table::new();
        table.insert("step".into(), strike.name.into());
        table.insert("index".into(), Value::Integer(strike.step.0.into()));
        table.insert("direction".into(), direction.into());
        table.insert("fault".into(), strike.fault.name().into());
        table.insert("for_good".into(), strike.for_good.into());
        Value::Table(table)
    };
    let mut table = Table::new();
    table.insert("operation".into(), case.saga.to_string().into());
    table.insert("saga".into(), case.kind.operation().into());
    table.insert("steps".into(), case.steps.iter().map(|step| Value::from(*step)).collect::<Vec<_>>().into());
    table.insert("ended".into(), ended.into());
    table.insert("stuck".into(), case.stuck.into());
    table.insert("struck".into(), case.strikes.iter().map(strike).collect::<Vec<_>>().into());
    table.to_string()
}
