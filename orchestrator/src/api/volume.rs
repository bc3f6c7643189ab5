//! `VolumeService`: volumes made, read, attached, detached and deleted.

use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::volume_service_server::VolumeService;
use windlass_sagas::cell::state::Volume;
use windlass_sagas::cell::volume_status;
use windlass_sagas::ids::VolumeId;
use windlass_sagas::record::{self, Body, ResourceRef};

use super::Api;
use super::call::{Answer, change};
use super::convert::volume_state;
use super::errors::FieldNames;
use super::fields;
use super::list::{Row, ask, page};
use super::view::{Named, Place, View};
use super::visit::point;

const FILTERS: [&str; 6] = ["state", "display_name", "zone", "host", "server", "image"];
const CREATE: FieldNames =
    &[("name", "volume.display_name"), ("image", "volume.image"), ("size_gib", "volume.size_gib")];
const NAMED: FieldNames = &[("volume", "name")];

#[tonic::async_trait]
impl VolumeService for Api {
    async fn get_volume(&self, request: Request<v1::GetVolumeRequest>) -> Answer<v1::Volume> {
        let (call, asked) = Self::open("volumes.get", request)?;
        let named = Named::of(&asked.name, "volumes");
        self.read(call, point!(asked), named.place, move |view| {
            let volume = view.found("volume", &named.last, |cell, id| {
                cell.volumes.get(&VolumeId(id)).map(|it| (it, it.spec.project))
            })?;
            Ok(view.volume(volume))
        })
        .await
    }

    async fn list_volumes(
        &self,
        request: Request<v1::ListVolumesRequest>,
    ) -> Answer<v1::ListVolumesResponse> {
        let (call, asked) = Self::open("volumes.list", request)?;
        let (place, ask) = (Place::parent_or_every(&asked.parent), ask!(call.method, asked, asked.parent));
        self.read(call, point!(asked), place, move |view| {
            let own = view.cell.volumes.values().filter(|volume| view.lists(volume.spec.project));
            let rows = own.map(|volume| Row {
                created: volume.created,
                name: &volume.spec.name,
                id: volume.spec.id.0,
                item: volume,
            });
            let values = |volume: &Volume, field: &str| values(view, volume, field);
            let (volumes, next_page_token) = page(&ask, &FILTERS, rows, values, |it| view.volume(it))?;
            Ok(v1::ListVolumesResponse { volumes, next_page_token, position: view.position() })
        })
        .await
    }

    async fn create_volume(&self, request: Request<v1::CreateVolumeRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("volumes.create", request)?;
        let (change, place) = (change!(asked), Place::parent(&asked.parent));
        let build = move |view: &View<'_>| {
            let volume = fields::required(asked.volume, "volume")?;
            let image = &volume.image;
            Ok(Body::CreateVolume(record::CreateVolume {
                name: fields::display_name(&volume.display_name, "volume")?,
                size_gib: volume.size_gib,
                image: (!image.is_empty()).then(|| view.image_named(image, "volume.image")).transpose()?,
                zone: fields::text_or_none(&volume.zone, "volume.zone")?,
            }))
        };
        self.change(call, change, place, CREATE, build).await
    }

    async fn delete_volume(&self, request: Request<v1::DeleteVolumeRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("volumes.delete", request)?;
        let Named { place, last: volume } = Named::of(&asked.name, "volumes");
        let build = |_: &View<'_>| Ok(Body::DeleteVolume(record::DeleteVolume { volume }));
        self.change(call, change!(asked), place, NAMED, build).await
    }

    async fn attach_volume(&self, request: Request<v1::AttachVolumeRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("volumes.attach", request)?;
        let change = change!(asked);
        let Named { place, last: volume } = Named::of(&asked.name, "volumes");
        let build = move |view: &View<'_>| {
            let server = view.own(&asked.server, "servers", "server")?;
            Ok(Body::AttachVolume(record::AttachVolume { volume, server }))
        };
        self.change(call, change, place, NAMED, build).await
    }

    async fn detach_volume(&self, request: Request<v1::DetachVolumeRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("volumes.detach", request)?;
        let Named { place, last: volume } = Named::of(&asked.name, "volumes");
        let build = |_: &View<'_>| Ok(Body::DetachVolume(record::DetachVolume { volume }));
        self.change(call, change!(asked), place, NAMED, build).await
    }
}

/// A volume's values of a field that lists are filtered by.
fn values(view: &View<'_>, volume: &Volume, field: &str) -> Vec<String> {
    let spec = &volume.spec;
    let host = view.cell.hosts.get(&spec.host);
    match field {
        "state" => vec![volume_state(volume_status(view.cell, volume)).as_str_name().to_owned()],
        "display_name" => vec![spec.name.clone()],
        "zone" => host.map(|host| host.zone.clone()).into_iter().collect(),
        // Where a volume is, is for operators only.
        "host" if view.operator => view.host_values(spec.host),
        "server" => {
            let servers = volume.attachments.iter().map(|attachment| attachment.server);
            servers
                .flat_map(|id| {
                    let server = view.cell.servers.get(&id);
                    view.values(ResourceRef::Server(id), server.map(|it| it.spec.name.as_str()))
                })
                .collect()
        }
        "image" => spec.image.map_or_else(Vec::new, |id| {
            let image = view.cell.images.get(&id);
            view.values(ResourceRef::Image(id), image.map(|it| it.name.as_str()))
        }),
        _ => Vec::new(),
    }
}
