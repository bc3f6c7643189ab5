//! `--journal`: every read command over a journal that nobody leads here. The API runs inside the command, read-only.

use std::sync::Arc;

use anyhow::Context as _;
use windlass_client::{Client, Config, v1};
use windlass_journal::Read as _;
use windlass_orchestrator::api::Roles;
use windlass_orchestrator::held;
use windlass_replay::{Scope as Captured, Source};
use windlass_sagas::record::{AccessRole, Scope};
use windlass_store::Store;

use crate::meter::Meter;
use crate::replay::named;

/// No token is asked for inside a process; one of the right form is shown all the same.
const NO_TOKEN: &str = "wlt_none";

/// A client of the journal that `text` names: an exported file, a journal's own directory, a stopped orchestrator's state
/// directory, or `nats://host:port/CELL`.
pub(crate) async fn open(text: &str, read_at: Option<v1::ReadAt>) -> anyhow::Result<Client> {
    let (source, kind, store) = source(text).await?;
    let source = Arc::new(source);
    let meter = Meter::new("reading the journal", "frame", source.last().await?.0);
    // Of a project's copy only what is the project's is whole.
    let roles: Roles = match source.about().map(|it| &it.scope) {
        Some(Captured::Project { project, .. }) => [(Scope::Project(*project), AccessRole::Auditor)].into(),
        Some(Captured::Cell | Captured::Span | Captured::Operation { .. }) | None => {
            [(Scope::Cell, AccessRole::Auditor), (Scope::Cell, AccessRole::DrillOperator)].into()
        }
    };
    let parts = held::open(Arc::clone(&source), (kind, store), roles, |cursor| meter.at(cursor.0)).await;
    meter.end();
    let connect = held::serve(parts?).await?;
    let mut config = Config::new(["http://inside"]);
    (config.token, config.read_at) = (Some(NO_TOKEN.to_owned()), read_at);
    Ok(Client::over(&config, connect)?)
}

/// The journal, its kind for people, and the store beside it.
async fn source(text: &str) -> anyhow::Result<(Source, &'static str, Option<Store>)> {
    let (source, path) = named(text).await?;
    let Some(path) = path else { return Ok((source, "jetstream", None)) };
    if !path.is_dir() {
        return Ok((source, "file", None));
    }
    let store = path.parent().map(|state| state.join("store")).filter(|store| store.is_dir());
    let store =
        store.map(|store| Store::open(&store)).transpose().context("open the store beside the journal")?;
    Ok((source, "embedded", store.map(|(store, _)| store)))
}
