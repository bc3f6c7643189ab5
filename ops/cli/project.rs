//! `windlass project`, `quota`, `flavor`, `key-pair`: what servers are made in and from.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use windlass_client::v1;

use crate::app::{App, of_cell};
use crate::resource::{self, Listed, Named};

/// Projects.
#[derive(Subcommand, Debug)]
pub(crate) enum Project {
    /// Make a project, with a default security group.
    #[command(after_help = "Example: windlass project create web")]
    Create(Named),
    /// List projects.
    #[command(after_help = "Example: windlass project list")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass project get web")]
    Get(Named),
    /// Delete an empty one.
    #[command(after_help = "Example: windlass project delete web")]
    Delete(Named),
}

pub(crate) async fn run(app: &App, command: Project) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    match command {
        Project::Create(named) => {
            let project = Some(v1::Project { display_name: named.name, ..Default::default() });
            resource::change(app, v1::CreateProjectRequest { project, validate_only, ..Default::default() })
                .await
        }
        Project::List(listed) => {
            let request = v1::ListProjectsRequest { filter: listed.filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Project::Get(named) => {
            let name = of_cell("projects", &named.name);
            resource::get(app, v1::GetProjectRequest { name, ..Default::default() }).await
        }
        Project::Delete(named) => {
            let name = of_cell("projects", &named.name);
            resource::change(app, v1::DeleteProjectRequest { name, validate_only, ..Default::default() })
                .await
        }
    }
}

/// Quotas.
#[derive(Subcommand, Debug)]
pub(crate) enum Quota {
    /// Show the project's quota and what it holds.
    #[command(after_help = "Example: windlass quota get --project web")]
    Get,
    /// Set the project's quota; what is not named stays.
    #[command(after_help = "Example: windlass quota set --servers 20 --vcpus 80")]
    Set(SetQuota),
}

/// Set a quota.
#[derive(Args, Debug)]
pub(crate) struct SetQuota {
    /// Servers.
    #[arg(long)]
    servers: Option<u64>,
    /// Virtual CPUs.
    #[arg(long)]
    vcpus: Option<u64>,
    /// Memory, MiB.
    #[arg(long)]
    ram_mib: Option<u64>,
    /// Volumes.
    #[arg(long)]
    volumes: Option<u64>,
    /// Volume bytes, GiB.
    #[arg(long)]
    gib: Option<u64>,
    /// Networks.
    #[arg(long)]
    networks: Option<u64>,
    /// Ports.
    #[arg(long)]
    ports: Option<u64>,
}

impl SetQuota {
    fn over(self, now: v1::Amounts) -> v1::Amounts {
        v1::Amounts {
            servers: self.servers.or(now.servers),
            vcpus: self.vcpus.or(now.vcpus),
            ram_mib: self.ram_mib.or(now.ram_mib),
            volumes: self.volumes.or(now.volumes),
            gib: self.gib.or(now.gib),
            networks: self.networks.or(now.networks),
            ports: self.ports.or(now.ports),
        }
    }
}

pub(crate) async fn quota(app: &App, command: Quota) -> anyhow::Result<u8> {
    let name = format!("{}/quota", app.parent()?);
    match command {
        Quota::Get => resource::get(app, v1::GetQuotaRequest { name, ..Default::default() }).await,
        Quota::Set(set) => {
            // A quota is set as a whole; what is not named is what it is now.
            let now = v1::GetQuotaRequest { name: name.clone(), ..Default::default() };
            let limits = Some(set.over(app.call(now).await?.limits.unwrap_or_default()));
            let validate_only = app.validate_only;
            resource::change(app, v1::SetQuotaRequest { name, limits, validate_only, ..Default::default() })
                .await
        }
    }
}

/// Flavors: the whole cell's.
#[derive(Subcommand, Debug)]
pub(crate) enum Flavor {
    /// Make a flavor.
    #[command(after_help = "Example: windlass flavor create small --vcpus 1 --ram-mib 1024 --root-gib 10")]
    Create {
        /// Its name, unique in the cell.
        name: String,
        /// Virtual CPUs.
        #[arg(long)]
        vcpus: u32,
        /// Memory, MiB.
        #[arg(long)]
        ram_mib: u64,
        /// The root's size, GiB.
        #[arg(long)]
        root_gib: u64,
        /// A trait that its servers' hosts must have; may be repeated.
        #[arg(long = "trait")]
        traits: Vec<String>,
    },
    /// List flavors.
    #[command(after_help = "Example: windlass flavor list")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass flavor get small")]
    Get(Named),
    /// Delete one; servers keep what they were made from.
    #[command(after_help = "Example: windlass flavor delete small")]
    Delete(Named),
}

pub(crate) async fn flavor(app: &App, command: Flavor) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    match command {
        Flavor::Create { name, vcpus, ram_mib, root_gib, traits: required_traits } => {
            let flavor = v1::Flavor {
                display_name: name,
                vcpus,
                ram_mib,
                root_gib,
                required_traits,
                ..Default::default()
            };
            let flavor = Some(flavor);
            resource::change(app, v1::CreateFlavorRequest { flavor, validate_only, ..Default::default() })
                .await
        }
        Flavor::List(listed) => {
            let request = v1::ListFlavorsRequest { filter: listed.filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Flavor::Get(named) => {
            let name = of_cell("flavors", &named.name);
            resource::get(app, v1::GetFlavorRequest { name, ..Default::default() }).await
        }
        Flavor::Delete(named) => {
            let name = of_cell("flavors", &named.name);
            resource::change(app, v1::DeleteFlavorRequest { name, validate_only, ..Default::default() }).await
        }
    }
}

/// Key pairs: the cell knows the public half only.
#[derive(Subcommand, Debug)]
pub(crate) enum KeyPair {
    /// Register a public key.
    #[command(after_help = "Example: windlass key-pair create ada --public-key ~/.ssh/id_ed25519.pub")]
    Create {
        /// Its name.
        name: String,
        /// The file with the public half, one line as in authorized_keys.
        #[arg(long, value_name = "FILE")]
        public_key: PathBuf,
    },
    /// List the project's key pairs.
    #[command(after_help = "Example: windlass key-pair list")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass key-pair get ada")]
    Get(Named),
    /// Delete one; guests keep it.
    #[command(after_help = "Example: windlass key-pair delete ada")]
    Delete(Named),
}

pub(crate) async fn key_pair(app: &App, command: KeyPair) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    match command {
        KeyPair::Create { name, public_key } => {
            let text = std::fs::read_to_string(&public_key)
                .with_context(|| format!("read {}", public_key.display()))?;
            let public_key = text.trim().to_string();
            let key_pair = Some(v1::KeyPair { display_name: name, public_key, ..Default::default() });
            let parent = app.parent()?;
            resource::change(
                app,
                v1::CreateKeyPairRequest { parent, key_pair, validate_only, ..Default::default() },
            )
            .await
        }
        KeyPair::List(listed) => {
            let (parent, filter) = (app.parent()?, listed.filter);
            resource::list(
                app,
                v1::ListKeyPairsRequest { parent, filter, ..Default::default() },
                listed.limit,
            )
            .await
        }
        KeyPair::Get(named) => {
            let name = app.name("keyPairs", &named.name)?;
            resource::get(app, v1::GetKeyPairRequest { name, ..Default::default() }).await
        }
        KeyPair::Delete(named) => {
            let name = app.name("keyPairs", &named.name)?;
            resource::change(app, v1::DeleteKeyPairRequest { name, validate_only, ..Default::default() })
                .await
        }
    }
}
