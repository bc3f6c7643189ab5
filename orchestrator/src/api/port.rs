//! `PortService`: ports made, read and deleted.

use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::port_service_server::PortService;
use windlass_sagas::cell::port_status;
use windlass_sagas::cell::state::Port;
use windlass_sagas::ids::PortId;
use windlass_sagas::limits::{PORT_ADDRESSES_MAX, PORT_GROUPS_MAX};
use windlass_sagas::record::{self, Body, ResourceRef};

use super::Api;
use super::call::{Answer, change};
use super::convert::port_state;
use super::errors::{FieldNames, Problem};
use super::fields;
use super::list::{Row, ask, page};
use super::view::{Named, Place, View};
use super::visit::point;

const FILTERS: [&str; 7] =
    ["state", "display_name", "network", "server", "host", "mac_address", "ip_address"];
const CREATE: FieldNames = &[
    ("name", "port.display_name"),
    ("network", "port.network"),
    ("ips", "port.fixed_ips"),
    ("ip", "port.fixed_ips"),
    ("mac", "port.mac_address"),
    ("groups", "port.security_groups"),
];
const NAMED: FieldNames = &[("port", "name")];

#[tonic::async_trait]
impl PortService for Api {
    async fn get_port(&self, request: Request<v1::GetPortRequest>) -> Answer<v1::Port> {
        let (call, asked) = Self::open("ports.get", request)?;
        let named = Named::of(&asked.name, "ports");
        self.read(call, point!(asked), named.place, move |view| {
            let port = view.found("port", &named.last, |cell, id| {
                cell.ports.get(&PortId(id)).map(|it| (it, it.spec.project))
            })?;
            Ok(view.port(port))
        })
        .await
    }

    async fn list_ports(&self, request: Request<v1::ListPortsRequest>) -> Answer<v1::ListPortsResponse> {
        let (call, asked) = Self::open("ports.list", request)?;
        let (place, ask) = (Place::parent_or_every(&asked.parent), ask!(call.method, asked, asked.parent));
        self.read(call, point!(asked), place, move |view| {
            let own = view.cell.ports.values().filter(|port| view.lists(port.spec.project));
            let rows = own.map(|port| Row {
                created: port.created,
                name: &port.spec.name,
                id: port.spec.id.0,
                item: port,
            });
            let values = |port: &Port, field: &str| values(view, port, field);
            let (ports, next_page_token) = page(&ask, &FILTERS, rows, values, |it| view.port(it))?;
            Ok(v1::ListPortsResponse { ports, next_page_token, position: view.position() })
        })
        .await
    }

    async fn create_port(&self, request: Request<v1::CreatePortRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("ports.create", request)?;
        let (change, place) = (change!(asked), Place::parent(&asked.parent));
        let build = move |view: &View<'_>| body(view, &fields::required(asked.port, "port")?);
        self.change(call, change, place, CREATE, build).await
    }

    async fn delete_port(&self, request: Request<v1::DeletePortRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("ports.delete", request)?;
        let Named { place, last: port } = Named::of(&asked.name, "ports");
        let build = |_: &View<'_>| Ok(Body::DeletePort(record::DeletePort { port }));
        self.change(call, change!(asked), place, NAMED, build).await
    }
}

fn values(view: &View<'_>, port: &Port, field: &str) -> Vec<String> {
    let spec = &port.spec;
    let user = port.user();
    match field {
        "state" => vec![port_state(port_status(port)).as_str_name().to_owned()],
        "display_name" => vec![spec.name.clone()],
        "network" => {
            let network = view.cell.networks.get(&spec.network);
            view.values(ResourceRef::Network(spec.network), network.map(|it| it.name.as_str()))
        }
        "server" => user.map_or_else(Vec::new, |(id, _)| {
            let server = view.cell.servers.get(&id);
            view.values(ResourceRef::Server(id), server.map(|it| it.spec.name.as_str()))
        }),
        // Where a port is, is for operators only.
        "host" if view.operator => user.map(|(_, host)| view.host_values(host)).unwrap_or_default(),
        "mac_address" => vec![spec.mac.to_string()],
        "ip_address" => spec.addresses.iter().map(|address| address.ip.to_string()).collect(),
        _ => Vec::new(),
    }
}

fn body(view: &View<'_>, port: &v1::Port) -> Result<Body, Problem> {
    fields::at_most(port.fixed_ips.len(), PORT_ADDRESSES_MAX, "port.fixed_ips")?;
    let address =
        |(place, wanted): (usize, &v1::FixedIp)| view.fixed_ip(wanted, &format!("port.fixed_ips[{place}]"));
    let mac = &port.mac_address;
    let groups = &port.security_groups;
    Ok(Body::CreatePort(record::CreatePort {
        name: fields::display_name(&port.display_name, "port")?,
        network: view.own(&port.network, "networks", "port.network")?,
        ips: port.fixed_ips.iter().enumerate().map(address).collect::<Result<_, _>>()?,
        mac: (!mac.is_empty()).then(|| fields::mac(mac, "port.mac_address")).transpose()?,
        groups: view.all_own(groups, PORT_GROUPS_MAX, "securityGroups", "port.security_groups")?,
    }))
}
