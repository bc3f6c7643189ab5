//! `windlass server`: create, list, get, delete, start, stop, reboot, console.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use windlass_client::v1;

use crate::app::{App, of_cell};
use crate::console::{self, Console};
use crate::exit;
use crate::resource::{self, Listed, Named};
use crate::timeline::{self, Touched};

/// Servers.
#[derive(Subcommand, Debug)]
pub(crate) enum Server {
    /// Make a server: BUILD at once, ACTIVE when its operation completes.
    #[command(
        after_help = "Example: windlass server create web-1 --flavor small --image debian-12 --network blue"
    )]
    Create(Box<Create>),
    /// List the project's servers.
    #[command(after_help = "Example: windlass server list --filter state=ACTIVE")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass server get web-1")]
    Get(Named),
    /// Delete one, with its own ports and, unless kept, its root volume.
    #[command(after_help = "Example: windlass server delete web-1")]
    Delete(Named),
    /// Give one that is SHUTOFF its guest again.
    #[command(after_help = "Example: windlass server start web-1")]
    Start(Named),
    /// Stop one's guest; its volumes stay attached, and its ports are kept.
    #[command(after_help = "Example: windlass server stop web-1 --grace 30")]
    Stop {
        /// Its name or id.
        name: String,
        /// How long the guest may take to power down, seconds, before it is off; at most 240.
        #[arg(long, value_name = "S", default_value_t = GRACE_S)]
        grace: u32,
    },
    /// Stop one's guest and boot another one with the same volumes and ports.
    #[command(after_help = "Example: windlass server reboot web-1")]
    Reboot {
        /// Its name or id.
        name: String,
        /// Off at once, without asking the guest to power down.
        #[arg(long)]
        hard: bool,
    },
    /// Tell everything that ever touched one, in order; one that is deleted by its id.
    #[command(after_help = "Example: windlass server history web-1")]
    History(Touched),
    /// Show what one's guest wrote to its console.
    #[command(after_help = "Example: windlass server console web-1 --bytes 4096")]
    Console(Console),
}

/// How long a guest may take to power down, seconds, where nobody says.
const GRACE_S: u32 = 60;

/// Make a server.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name, unique in the project.
    name: String,
    /// A flavor.
    #[arg(long)]
    flavor: String,
    /// An image.
    #[arg(long)]
    image: String,
    /// A network to plug it into, with a new port; may be repeated.
    #[arg(long)]
    network: Vec<String>,
    /// A port that exists; may be repeated.
    #[arg(long)]
    port: Vec<String>,
    /// A security group of the new ports; may be repeated; by default the project's default.
    #[arg(long)]
    security_group: Vec<String>,
    /// A volume to attach; may be repeated.
    #[arg(long)]
    volume: Vec<String>,
    /// A key pair.
    #[arg(long)]
    key_pair: Option<String>,
    /// A file that the guest's first boot runs, as cloud-init takes it.
    #[arg(long, value_name = "FILE")]
    user_data: Option<PathBuf>,
    /// The root's size, GiB; by default the flavor's.
    #[arg(long)]
    root_gib: Option<u64>,
    /// Keep the root volume when the server is deleted.
    #[arg(long)]
    keep_root: bool,
    /// Metadata, as KEY=VALUE; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<String>,
    /// Only in this zone.
    #[arg(long)]
    zone: Option<String>,
    /// Only on this host (operators).
    #[arg(long)]
    on_host: Option<String>,
    /// Not on the host of this server; may be repeated.
    #[arg(long)]
    different_host_from: Vec<String>,
    /// Only on the host of this server; may be repeated.
    #[arg(long)]
    same_host_as: Vec<String>,
    /// Only on hosts with this trait; may be repeated.
    #[arg(long = "trait")]
    traits: Vec<String>,
}

pub(crate) async fn run(app: &App, command: Server) -> anyhow::Result<u8> {
    match command {
        Server::Create(create) => {
            let request = create.request(app)?;
            resource::change(app, request).await
        }
        Server::List(listed) => {
            let (parent, filter) = (app.parent()?, listed.filter);
            let request = v1::ListServersRequest { parent, filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Server::History(touched) => timeline::of(app, "servers", touched).await,
        Server::Get(named) => {
            let name = app.name("servers", &named.name)?;
            resource::get(app, v1::GetServerRequest { name, ..Default::default() }).await
        }
        Server::Delete(named) => {
            let (name, validate_only) = (app.name("servers", &named.name)?, app.validate_only);
            resource::change(app, v1::DeleteServerRequest { name, validate_only, ..Default::default() }).await
        }
        Server::Start(named) => {
            let (name, validate_only) = (app.name("servers", &named.name)?, app.validate_only);
            resource::change(app, v1::StartServerRequest { name, validate_only, ..Default::default() }).await
        }
        Server::Stop { name, grace } => {
            let (name, validate_only) = (app.name("servers", &name)?, app.validate_only);
            let grace_s = Some(grace);
            let request = v1::StopServerRequest { name, validate_only, grace_s, ..Default::default() };
            resource::change(app, request).await
        }
        Server::Reboot { name, hard } => {
            let (name, validate_only) = (app.name("servers", &name)?, app.validate_only);
            let grace_s = Some(if hard { 0 } else { GRACE_S });
            let request = v1::RebootServerRequest { name, validate_only, grace_s, ..Default::default() };
            resource::change(app, request).await
        }
        Server::Console(asked) => console::run(app, asked).await,
    }
}

impl Create {
    fn request(self, app: &App) -> anyhow::Result<v1::CreateServerRequest> {
        let pair = |text: &String| {
            let usage = || exit::Usage(format!("--metadata {text}: KEY=VALUE is expected"));
            let (key, value) = text.split_once('=').ok_or_else(usage)?;
            anyhow::Ok((key.to_string(), value.to_string()))
        };
        let placement = v1::server::PlacementHints {
            zone: self.zone.clone().unwrap_or_default(),
            host: self.on_host.as_ref().map(|host| of_cell("hosts", host)).unwrap_or_default(),
            same_host_as: app.names("servers", &self.same_host_as)?,
            different_host_from: app.names("servers", &self.different_host_from)?,
            traits: self.traits.clone(),
        };
        let root = v1::server::Root {
            size_gib: self.root_gib.unwrap_or(0),
            keep: self.keep_root,
            ..Default::default()
        };
        let volumes = app.names("volumes", &self.volume)?;
        let server = v1::Server {
            display_name: self.name.clone(),
            flavor: of_cell("flavors", &self.flavor),
            image: app.name("images", &self.image)?,
            interfaces: self.interfaces(app)?,
            volumes: volumes
                .into_iter()
                .map(|volume| v1::Attachment { volume, ..Default::default() })
                .collect(),
            key_pair: app.name_or_none("keyPairs", self.key_pair.as_ref())?,
            metadata: self.metadata.iter().map(pair).collect::<Result<_, _>>()?,
            user_data: self.user_data()?,
            root: Some(root),
            placement: Some(placement),
            ..Default::default()
        };
        let (parent, validate_only) = (app.parent()?, app.validate_only);
        Ok(v1::CreateServerRequest { parent, server: Some(server), validate_only, ..Default::default() })
    }

    /// New ports on networks first, then ports that exist, each in the order of the command line.
    fn interfaces(&self, app: &App) -> anyhow::Result<Vec<v1::server::Interface>> {
        let security_groups = app.names("securityGroups", &self.security_group)?;
        let networks = app.names("networks", &self.network)?.into_iter().map(|network| {
            v1::server::Interface { network, security_groups: security_groups.clone(), ..Default::default() }
        });
        let ports = app.names("ports", &self.port)?;
        let ports = ports.into_iter().map(|port| v1::server::Interface { port, ..Default::default() });
        Ok(networks.chain(ports).collect())
    }

    fn user_data(&self) -> anyhow::Result<Vec<u8>> {
        let Some(path) = &self.user_data else { return Ok(Vec::new()) };
        std::fs::read(path).with_context(|| format!("read {}", path.display()))
    }
}
