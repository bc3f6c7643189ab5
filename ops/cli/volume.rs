//! `windlass volume`: create, list, get, delete, attach, detach.

use clap::{Args, Subcommand};
use windlass_client::v1;

use crate::app::App;
use crate::resource::{self, Listed, Named};
use crate::timeline::{self, Touched};

/// Volumes.
#[derive(Subcommand, Debug)]
pub(crate) enum Volume {
    /// Make a volume.
    #[command(after_help = "Example: windlass volume create data --size-gib 100")]
    Create(Create),
    /// List the project's volumes.
    #[command(after_help = "Example: windlass volume list --filter state=AVAILABLE")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass volume get data")]
    Get(Named),
    /// Tell everything that ever touched one, in order; one that is deleted by its id.
    #[command(after_help = "Example: windlass volume history data")]
    History(Touched),
    /// Delete one that is not attached.
    #[command(after_help = "Example: windlass volume delete data")]
    Delete(Named),
    /// Attach one to a server.
    #[command(after_help = "Example: windlass volume attach data web-1")]
    Attach(Attach),
    /// Detach one from its server.
    #[command(after_help = "Example: windlass volume detach data")]
    Detach(Named),
}

/// Make a volume.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name, unique in the project.
    name: String,
    /// Its size, GiB.
    #[arg(long)]
    size_gib: u64,
    /// The image that its bytes come from; by default it is blank.
    #[arg(long)]
    image: Option<String>,
    /// Only in this zone.
    #[arg(long)]
    zone: Option<String>,
}

/// Attach a volume.
#[derive(Args, Debug)]
pub(crate) struct Attach {
    /// The volume.
    volume: String,
    /// The server.
    server: String,
}

pub(crate) async fn run(app: &App, command: Volume) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    match command {
        Volume::Create(create) => {
            let volume = v1::Volume {
                display_name: create.name,
                size_gib: create.size_gib,
                image: app.name_or_none("images", create.image.as_ref())?,
                zone: create.zone.unwrap_or_default(),
                ..Default::default()
            };
            let (parent, volume) = (app.parent()?, Some(volume));
            resource::change(
                app,
                v1::CreateVolumeRequest { parent, volume, validate_only, ..Default::default() },
            )
            .await
        }
        Volume::List(listed) => {
            let (parent, filter) = (app.parent()?, listed.filter);
            let request = v1::ListVolumesRequest { parent, filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Volume::History(touched) => timeline::of(app, "volumes", touched).await,
        Volume::Get(named) => {
            let name = app.name("volumes", &named.name)?;
            resource::get(app, v1::GetVolumeRequest { name, ..Default::default() }).await
        }
        Volume::Delete(named) => {
            let name = app.name("volumes", &named.name)?;
            resource::change(app, v1::DeleteVolumeRequest { name, validate_only, ..Default::default() }).await
        }
        Volume::Attach(attach) => {
            let (name, server) = (app.name("volumes", &attach.volume)?, app.name("servers", &attach.server)?);
            resource::change(
                app,
                v1::AttachVolumeRequest { name, server, validate_only, ..Default::default() },
            )
            .await
        }
        Volume::Detach(named) => {
            let name = app.name("volumes", &named.name)?;
            resource::change(app, v1::DetachVolumeRequest { name, validate_only, ..Default::default() }).await
        }
    }
}
