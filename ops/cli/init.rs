//! `windlass init`: a cell's certificate authority, the orchestrators' certificate and the administrator's token.

use std::path::PathBuf;

use clap::Args;

use crate::exit;
use crate::output;

/// Make a cell. Its identity directory holds the authority's key: keep it as you keep a root password.
#[derive(Args, Debug)]
pub(crate) struct Init {
    /// The cell's name.
    #[arg(long)]
    cell: String,
    /// The state directory; the identity goes below it.
    #[arg(long, env = "WINDLASS_STATE", value_name = "DIR")]
    state: PathBuf,
    /// A name or address under which orchestrators are reached; may be repeated.
    #[arg(long, default_value = "localhost,127.0.0.1", value_delimiter = ',')]
    name: Vec<String>,
}

impl Init {
    pub(crate) fn run(&self) -> anyhow::Result<u8> {
        let made =
            windlass_orchestrator::identity::init(&self.state.join("identity"), &self.cell, &self.name)?;
        eprintln!("made cell {} ({}) in {}", self.cell, made.cell, self.state.display());
        eprintln!("the administrator's token, shown this once:");
        output::tell(made.admin_token);
        Ok(exit::OK)
    }
}
