//! `windlass cell`, `version`, `completion`: what this is, and what it talks to.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use windlass_client::v1;

use crate::app::{App, Cli};
use crate::exit;
use crate::output::{self, Format, say};
use crate::resource;

/// Show the cell: who leads it since when, how far it is, what is unsafe about it.
#[derive(Args, Debug)]
#[command(after_help = "Example: windlass cell -o json")]
pub(crate) struct Cell {}

pub(crate) async fn cell(app: &App, _: Cell) -> anyhow::Result<u8> {
    resource::get(app, v1::GetCellRequest::default()).await
}

/// Show the version of this command.
#[derive(Args, Debug)]
#[command(after_help = "Example: windlass version -o json")]
pub(crate) struct Version {}

pub(crate) fn version(_: &Version, format: Format) -> anyhow::Result<u8> {
    let (version, level) = (env!("CARGO_PKG_VERSION"), windlass_sagas::record::FORMAT_LEVEL);
    let lab = cfg!(feature = "lab");
    match format {
        Format::Table => {
            let with = if lab { "with" } else { "without" };
            say(format!(
                "windlass {version}, API v1, writes commits of format level {level}, {with} the simulator"
            ))?;
        }
        Format::Json => output::document(&serde_json::json!({
            "version": version,
            "apiVersion": "v1",
            "formatLevel": level,
            "lab": lab,
        }))?,
    }
    Ok(exit::OK)
}

/// Print the completion script of a shell.
#[derive(Args, Debug)]
#[command(after_help = "Example: windlass completion bash > /etc/bash_completion.d/windlass")]
pub(crate) struct Completion {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn completion(completion: &Completion) -> anyhow::Result<u8> {
    // Written to memory first: the generator panics where nobody reads it.
    let mut script = Vec::new();
    clap_complete::generate(completion.shell, &mut Cli::command(), "windlass", &mut script);
    say(String::from_utf8(script)?.trim_end())?;
    Ok(exit::OK)
}
