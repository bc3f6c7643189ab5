//! Where the cell is and who asks: a file, then the environment, then flags; the later wins.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};
use windlass_client::v1::ReadAt;
use windlass_client::{Client, Config};

use crate::app::GLOBAL;
use crate::moment::At;
use crate::{held, moment};

/// Flags that say where the cell is; each has its environment variable.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    /// The context file; by default ~/.config/windlass/context.toml.
    #[arg(long, global = true, help_heading = GLOBAL, env = "WINDLASS_CONTEXT", value_name = "FILE")]
    context: Option<PathBuf>,
    /// An orchestrator's address, as https://10.0.0.1:7700; may be repeated.
    #[arg(long, global = true, help_heading = GLOBAL, env = "WINDLASS_ENDPOINT", value_name = "URL", value_delimiter = ',')]
    endpoint: Vec<String>,
    /// The file with the cell's CA certificate.
    #[arg(long, global = true, help_heading = GLOBAL, env = "WINDLASS_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The API token; better in the context file or the environment than on a command line.
    #[arg(long, global = true, help_heading = GLOBAL, env = "WINDLASS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// The project to work in; lists take - for all.
    #[arg(long, short = 'p', global = true, help_heading = GLOBAL, env = "WINDLASS_PROJECT", value_name = "NAME")]
    project: Option<String>,
    /// Read the past: the state after the commit at this position, or at this time (2026-11-26T03:12:00Z, 03:12, -2h; UTC);
    /// two with .. between them for `windlass diff`.
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "POSITION|TIME", value_parser = moment::at, allow_hyphen_values = true)]
    at: Option<At>,
    /// Read a journal that nobody leads in place of a cell: an exported file, a stopped orchestrator's state directory, or
    /// nats://host:port/CELL.
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "PATH|URL")]
    journal: Option<String>,
}

/// From one moment to another, or to now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: ReadAt,
    pub(crate) to: Option<ReadAt>,
}

/// Who answers, and what is asked of him.
pub(crate) struct Connected {
    /// The client.
    pub(crate) client: Client,
    /// The cell's CA certificate, in PEM.
    pub(crate) ca_pem: Option<String>,
    /// Where the orchestrators are, or the journal.
    pub(crate) endpoints: String,
    /// The project to work in.
    pub(crate) project: Option<String>,
    /// Whether it is the past that is read, or a journal that nobody leads: no host can be asked.
    pub(crate) past: bool,
}

/// The context file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Orchestrators' addresses.
    pub(crate) endpoints: Vec<String>,
    /// The file with the cell's CA certificate.
    pub(crate) ca: Option<PathBuf>,
    /// The API token.
    pub(crate) token: Option<String>,
    /// The project to work in.
    pub(crate) project: Option<String>,
}

impl Target {
    /// The file with the cell's CA certificate, where a flag or the environment names one.
    pub(crate) fn ca(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    /// The two moments that are named.
    pub(crate) fn span(&self) -> anyhow::Result<Span> {
        match self.at {
            Some(At::Between(from, to)) => Ok(Span { from, to }),
            Some(At::One(_)) | None => {
                let message = "two moments are needed: --at A..B, or --at A.. for from then to now";
                anyhow::bail!(crate::exit::Usage(message.into()))
            }
        }
    }

    /// A client of the cell, or of the journal that is read in its place, at the moment that is named.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connected> {
        match self.at {
            None => self.connect_at(None).await,
            Some(At::One(at)) => self.connect_at(Some(at)).await,
            Some(At::Between(..)) => {
                let message = "--at names two moments: only `windlass diff` reads two";
                anyhow::bail!(crate::exit::Usage(message.into()))
            }
        }
    }

    /// The same for a command that names its moments itself.
    pub(crate) async fn connect_at(&self, at: Option<ReadAt>) -> anyhow::Result<Connected> {
        if let Some(journal) = &self.journal {
            let client = held::open(journal, at).await?;
            let project = self.project.clone();
            return Ok(Connected { client, ca_pem: None, endpoints: journal.clone(), project, past: true });
        }
        let context = self.resolve()?;
        Ok(Connected {
            client: context.client_at(at)?,
            ca_pem: context.ca_pem()?,
            endpoints: context.endpoints.join(", "),
            project: context.project,
            past: at.is_some(),
        })
    }

    /// The context with the flags laid over it.
    pub(crate) fn resolve(&self) -> anyhow::Result<Context> {
        let named = self.context.clone();
        let path = named.clone().or_else(default_path);
        let mut context = match path {
            Some(path) if named.is_some() || path.exists() => read(&path)?,
            Some(_) | None => Context::default(),
        };
        if !self.endpoint.is_empty() {
            context.endpoints.clone_from(&self.endpoint);
        }
        context.ca = self.ca.clone().or(context.ca);
        context.token = self.token.clone().or(context.token);
        context.project = self.project.clone().or(context.project);
        if context.endpoints.is_empty() {
            let message = "no cell: name one with --endpoint, or in a context file";
            anyhow::bail!(crate::exit::Usage(message.into()));
        }
        Ok(context)
    }
}

impl Context {
    /// Writes the context, for its owner's eyes alone: it holds the token.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self)?;
        let beside = path.with_extension("new");
        let options = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside);
        let mut file = options.with_context(|| format!("write {}", beside.display()))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path).with_context(|| format!("write {}", path.display()))
    }

    /// The cell's CA certificate, if the context names one.
    pub(crate) fn ca_pem(&self) -> anyhow::Result<Option<String>> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
        };
        self.ca.as_ref().map(read).transpose()
    }

    /// A client of the cell.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        self.client_at(None)
    }

    /// A client of the cell as it was at a moment; of now where none is named.
    fn client_at(&self, read_at: Option<ReadAt>) -> anyhow::Result<Client> {
        let mut config = Config::new(self.endpoints.clone());
        config.read_at = read_at;
        config.ca_pem = self.ca_pem()?;
        config.token.clone_from(&self.token);
        Ok(Client::new(&config)?)
    }
}

/// `$XDG_CONFIG_HOME/windlass/context.toml`, or below ~/.config.
fn default_path() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let base = base.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    base.map(|base| base.join("windlass").join("context.toml"))
}

fn read(path: &Path) -> anyhow::Result<Context> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not a context", path.display()))
}
