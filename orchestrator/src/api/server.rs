//! `ServerService`: servers made, read and deleted.

use sha2::{Digest, Sha256};
use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::server_service_server::ServerService;
use windlass_sagas::cell::server_status;
use windlass_sagas::cell::state::Server;
use windlass_sagas::ids::{Hash, ServerId};
use windlass_sagas::limits::{
    HINTS_MAX, PORT_GROUPS_MAX, SERVER_PORTS_MAX, SERVER_VOLUMES_MAX, TAGS_MAX, TRAITS_MAX,
};
use windlass_sagas::record::{self, Body, Nic, ResourceRef};

use super::Api;
use super::call::{Answer, change};
use super::convert::server_state;
use super::errors::{FieldNames, Problem};
use super::limits::{GUEST_GRACE_S, METADATA_BYTES_MAX, USER_DATA_BYTES_MAX};
use super::list::{Row, ask, page};
use super::view::{Named, Place, View};
use super::visit::point;
use super::{fields, names};
use crate::blobs::format::{Format, inspect};

const FILTERS: [&str; 6] = ["state", "display_name", "host", "zone", "flavor", "image"];

/// The core's field names on the left.
const CREATE: FieldNames = &[
    ("name", "server.display_name"),
    ("flavor", "server.flavor"),
    ("image", "server.image"),
    ("nics", "server.interfaces"),
    ("ip", "server.interfaces.fixed_ips"),
    ("mac", "server.interfaces"),
    ("groups", "server.interfaces.security_groups"),
    ("volumes", "server.volumes"),
    ("key_pair", "server.key_pair"),
    ("metadata", "server.metadata"),
    ("root_gib", "server.root.size_gib"),
    ("placement.host", "server.placement.host"),
    ("placement.same_host_as", "server.placement.same_host_as"),
    ("placement.different_host_from", "server.placement.different_host_from"),
    ("placement.traits", "server.placement.traits"),
];

const NAMED: FieldNames = &[("server", "name"), ("grace_ms", "grace_s")];

#[tonic::async_trait]
impl ServerService for Api {
    async fn get_server(&self, request: Request<v1::GetServerRequest>) -> Answer<v1::Server> {
        let (call, asked) = Self::open("servers.get", request)?;
        let named = Named::of(&asked.name, "servers");
        self.read(call, point!(asked), named.place, move |view| {
            let server = view.found("server", &named.last, |cell, id| {
                cell.servers.get(&ServerId(id)).map(|it| (it, it.spec.project))
            })?;
            Ok(view.server(server))
        })
        .await
    }

    async fn list_servers(
        &self,
        request: Request<v1::ListServersRequest>,
    ) -> Answer<v1::ListServersResponse> {
        let (call, asked) = Self::open("servers.list", request)?;
        let (place, ask) = (Place::parent_or_every(&asked.parent), ask!(call.method, asked, asked.parent));
        self.read(call, point!(asked), place, move |view| {
            let own = view.cell.servers.values().filter(|server| view.lists(server.spec.project));
            let rows = own.map(|server| Row {
                created: server.created,
                name: &server.spec.name,
                id: server.spec.id.0,
                item: server,
            });
            let values = |server: &Server, field: &str| values(view, server, field);
            let (servers, next_page_token) = page(&ask, &FILTERS, rows, values, |it| view.server(it))?;
            Ok(v1::ListServersResponse { servers, next_page_token, position: view.position() })
        })
        .await
    }

    async fn create_server(&self, request: Request<v1::CreateServerRequest>) -> Answer<v1::Operation> {
        let (call, mut asked) = Self::open("servers.create", request)?;
        let user_data = asked.server.as_mut().map(|it| std::mem::take(&mut it.user_data)).unwrap_or_default();
        let hash = (!user_data.is_empty()).then(|| Hash(Sha256::digest(&user_data).into()));
        let bytes = user_data.len();
        // It is kept beside images, and an image may be registered by any hash: what a host should not open as one must
        // not come in this way either.
        let strange = hash.and_then(|_| inspect(Format::Raw, &user_data, bytes as u64).err());
        let (change, place) = (change!(asked), Place::parent(&asked.parent));
        let entered = self
            .enter(call, &change, place, move |view| {
                if bytes > USER_DATA_BYTES_MAX {
                    let message = format!("user data has at most {USER_DATA_BYTES_MAX} bytes, this {bytes}");
                    return Err(Problem::field("server.user_data", message));
                }
                if let Some(unfit) = strange {
                    return Err(Problem::field(
                        "server.user_data",
                        format!("user data is no image: {unfit}"),
                    ));
                }
                body(view, &fields::required(asked.server, "server")?, hash)
            })
            .await?;
        if hash.is_some() && entered.is_good() {
            self.keep_blob(user_data, change.validate_only).await?;
        }
        Ok(tonic::Response::new(self.submit(call, &change, entered, CREATE).await?))
    }

    async fn delete_server(&self, request: Request<v1::DeleteServerRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("servers.delete", request)?;
        let Named { place, last: server } = Named::of(&asked.name, "servers");
        let build = |_: &View<'_>| Ok(Body::DeleteServer(record::DeleteServer { server }));
        self.change(call, change!(asked), place, NAMED, build).await
    }

    async fn get_server_console(
        &self,
        request: Request<v1::GetServerConsoleRequest>,
    ) -> Answer<v1::GetServerConsoleResponse> {
        let (call, asked) = Self::open("serverConsoles.get", request)?;
        Ok(tonic::Response::new(self.console(call, asked).await?))
    }

    async fn start_server(&self, request: Request<v1::StartServerRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("servers.start", request)?;
        let Named { place, last: server } = Named::of(&asked.name, "servers");
        let build = |_: &View<'_>| Ok(Body::StartServer(record::StartServer { server }));
        self.change(call, change!(asked), place, NAMED, build).await
    }

    async fn stop_server(&self, request: Request<v1::StopServerRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("servers.stop", request)?;
        let (Named { place, last: server }, grace_ms) =
            (Named::of(&asked.name, "servers"), grace_ms(asked.grace_s));
        let build = move |_: &View<'_>| Ok(Body::StopServer(record::StopServer { server, grace_ms }));
        self.change(call, change!(asked), place, NAMED, build).await
    }

    async fn reboot_server(&self, request: Request<v1::RebootServerRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("servers.reboot", request)?;
        let (Named { place, last: server }, grace_ms) =
            (Named::of(&asked.name, "servers"), grace_ms(asked.grace_s));
        let build = move |_: &View<'_>| Ok(Body::RebootServer(record::RebootServer { server, grace_ms }));
        self.change(call, change!(asked), place, NAMED, build).await
    }
}

/// What a guest may take to power down, milliseconds; whether that is too long is `decide`'s to say.
fn grace_ms(asked_s: Option<u32>) -> u32 {
    asked_s.unwrap_or(GUEST_GRACE_S).saturating_mul(1000)
}

/// A server's values of a field that lists are filtered by.
fn values(view: &View<'_>, server: &Server, field: &str) -> Vec<String> {
    let spec = &server.spec;
    match field {
        "state" => vec![server_state(server_status(view.cell, server)).as_str_name().to_owned()],
        "display_name" => vec![spec.name.clone()],
        "host" => view.host_values(spec.host),
        "zone" => view.cell.hosts.get(&spec.host).map(|host| host.zone.clone()).into_iter().collect(),
        "flavor" => {
            let flavor = view.cell.flavors.get(&spec.flavor);
            view.values(ResourceRef::Flavor(spec.flavor), flavor.map(|it| it.name.as_str()))
        }
        "image" => {
            let image = view.cell.images.get(&spec.image);
            view.values(ResourceRef::Image(spec.image), image.map(|it| it.name.as_str()))
        }
        _ => Vec::new(),
    }
}

fn body(view: &View<'_>, server: &v1::Server, user_data: Option<Hash>) -> Result<Body, Problem> {
    let root = server.root.clone().unwrap_or_default();
    let volume = |(place, attachment): (usize, &v1::Attachment)| {
        view.own(&attachment.volume, "volumes", &format!("server.volumes[{place}].volume"))
    };
    fields::at_most(server.volumes.len(), SERVER_VOLUMES_MAX - 1, "server.volumes")?;
    Ok(Body::CreateServer(record::CreateServer {
        name: fields::display_name(&server.display_name, "server")?,
        flavor: names::one(&server.flavor, "flavors", "server.flavor")?,
        image: view.image_named(&server.image, "server.image")?,
        nics: nics(view, &server.interfaces)?,
        volumes: server.volumes.iter().enumerate().map(volume).collect::<Result<_, _>>()?,
        key_pair: view.own_or_none(&server.key_pair, "keyPairs", "server.key_pair")?,
        user_data,
        metadata: metadata(server)?,
        root_gib: (root.size_gib > 0).then_some(root.size_gib),
        keep_root: root.keep,
        placement: placement(view, server.placement.as_ref())?,
    }))
}

fn nics(view: &View<'_>, interfaces: &[v1::server::Interface]) -> Result<Vec<Nic>, Problem> {
    if interfaces.is_empty() {
        return Err(Problem::field("server.interfaces", "a server has at least one interface"));
    }
    fields::at_most(interfaces.len(), SERVER_PORTS_MAX, "server.interfaces")?;
    interfaces.iter().enumerate().map(|(place, interface)| nic(view, place, interface)).collect()
}

fn nic(view: &View<'_>, place: usize, interface: &v1::server::Interface) -> Result<Nic, Problem> {
    let at = |field: &str| format!("server.interfaces[{place}].{field}");
    match (interface.network.is_empty(), interface.port.is_empty()) {
        (true, true) | (false, false) => {
            let field = format!("server.interfaces[{place}]");
            Err(Problem::field(field, "an interface names exactly one of network and port"))
        }
        (true, false) => {
            if !interface.fixed_ips.is_empty() || !interface.security_groups.is_empty() {
                let message = "a port that exists has its addresses and groups already";
                return Err(Problem::field(at("port"), message));
            }
            Ok(Nic::Port(view.own(&interface.port, "ports", &at("port"))?))
        }
        (false, true) => {
            fields::at_most(interface.fixed_ips.len(), 1, &at("fixed_ips"))?;
            let wanted = interface.fixed_ips.first();
            let groups = &interface.security_groups;
            Ok(Nic::Network {
                network: view.own(&interface.network, "networks", &at("network"))?,
                ip: wanted.map(|wanted| view.fixed_ip(wanted, &at("fixed_ips[0]"))).transpose()?,
                groups: view.all_own(groups, PORT_GROUPS_MAX, "securityGroups", &at("security_groups"))?,
            })
        }
    }
}

fn metadata(server: &v1::Server) -> Result<Vec<(String, String)>, Problem> {
    const FIELD: &str = "server.metadata";
    fields::at_most(server.metadata.len(), TAGS_MAX, FIELD)?;
    let entry = |(key, value): (&String, &String)| {
        if key.is_empty() {
            return Err(Problem::field(FIELD, "a key of metadata has at least one byte"));
        }
        let key = fields::text(key, FIELD, METADATA_BYTES_MAX)?;
        Ok((key, fields::text(value, FIELD, METADATA_BYTES_MAX)?))
    };
    server.metadata.iter().map(entry).collect()
}

fn placement(
    view: &View<'_>,
    hints: Option<&v1::server::PlacementHints>,
) -> Result<record::PlacementHints, Problem> {
    let Some(hints) = hints else { return Ok(record::PlacementHints::default()) };
    let at = |field: &str| format!("server.placement.{field}");
    let servers = |list: &[String], field: &str| view.all_own(list, HINTS_MAX, "servers", &at(field));
    let host = (!hints.host.is_empty()).then(|| names::one(&hints.host, "hosts", &at("host"))).transpose()?;
    Ok(record::PlacementHints {
        zone: fields::text_or_none(&hints.zone, &at("zone"))?,
        host,
        same_host_as: servers(&hints.same_host_as, "same_host_as")?,
        different_host_from: servers(&hints.different_host_from, "different_host_from")?,
        traits: fields::words(&hints.traits, TRAITS_MAX, &at("traits"))?,
    })
}
