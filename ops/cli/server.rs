//! `windlass server`: create, list, get, delete.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use windlass_client::v1;

use crate::app::App;
use crate::resource::{self, Listed, Named};

/// Servers.
#[derive(Subcommand, Debug)]
pub(crate) enum Server {
    /// Make a server: BUILD at once, ACTIVE when its operation completes.
    Create(Box<Create>),
    /// List the project's servers.
    List(Listed),
    /// Show one.
    Get(Named),
    /// Delete one, with its own ports and, unless kept, its root volume.
    Delete(Named),
}

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
    /// A volume to attach; may be repeated.
    #[arg(long)]
    volume: Vec<String>,
    /// A key pair.
    #[arg(long)]
    key_pair: Option<String>,
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
        Server::Get(named) => {
            let name = app.name("servers", &named.name)?;
            resource::get(app, v1::GetServerRequest { name, ..Default::default() }).await
        }
        Server::Delete(named) => {
            let (name, validate_only) = (app.name("servers", &named.name)?, app.dry_run);
            resource::change(app, v1::DeleteServerRequest { name, validate_only, ..Default::default() }).await
        }
    }
}

impl Create {
    fn request(self, app: &App) -> anyhow::Result<v1::CreateServerRequest> {
        let pair = |text: &String| {
            let (key, value) =
                text.split_once('=').with_context(|| format!("--metadata {text}: KEY=VALUE is expected"))?;
            anyhow::Ok((key.to_string(), value.to_string()))
        };
        let interface = |network: String| v1::server::Interface { network, ..Default::default() };
        let port = |port: String| v1::server::Interface { port, ..Default::default() };
        let placement = v1::server::PlacementHints {
            zone: self.zone.unwrap_or_default(),
            host: self.on_host.unwrap_or_default(),
            different_host_from: self.different_host_from,
            ..Default::default()
        };
        let root = v1::server::Root {
            size_gib: self.root_gib.unwrap_or(0),
            keep: self.keep_root,
            ..Default::default()
        };
        let server = v1::Server {
            display_name: self.name,
            flavor: self.flavor,
            image: self.image,
            interfaces: self
                .network
                .into_iter()
                .map(interface)
                .chain(self.port.into_iter().map(port))
                .collect(),
            volumes: self
                .volume
                .into_iter()
                .map(|volume| v1::Attachment { volume, ..Default::default() })
                .collect(),
            key_pair: self.key_pair.unwrap_or_default(),
            metadata: self.metadata.iter().map(pair).collect::<Result<_, _>>()?,
            root: Some(root),
            placement: Some(placement),
            ..Default::default()
        };
        let (parent, validate_only) = (app.parent()?, app.dry_run);
        Ok(v1::CreateServerRequest { parent, server: Some(server), validate_only, ..Default::default() })
    }
}
