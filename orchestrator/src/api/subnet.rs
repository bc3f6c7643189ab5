//! `SubnetService`: subnets made, read and deleted.

use std::net::IpAddr;

use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::subnet_service_server::SubnetService;
use windlass_sagas::cell::state::Subnet;
use windlass_sagas::ids::SubnetId;
use windlass_sagas::limits::{SUBNET_DNS_MAX, SUBNET_POOLS_MAX};
use windlass_sagas::record::{self, Body, ResourceRef};

use super::Api;
use super::call::{Answer, change};
use super::errors::{FieldNames, Problem};
use super::fields;
use super::list::{Row, ask, page};
use super::view::{Named, Place, View};
use super::visit::point;

const FILTERS: [&str; 3] = ["display_name", "network", "ip_version"];
const CREATE: FieldNames = &[
    ("name", "subnet.display_name"),
    ("network", "subnet.network"),
    ("cidr", "subnet.cidr"),
    ("gateway", "subnet.gateway_ip"),
    ("pools", "subnet.allocation_pools"),
    ("dns", "subnet.dns_nameservers"),
];
const NAMED: FieldNames = &[("subnet", "name")];

#[tonic::async_trait]
impl SubnetService for Api {
    async fn get_subnet(&self, request: Request<v1::GetSubnetRequest>) -> Answer<v1::Subnet> {
        let (call, asked) = Self::open("subnets.get", request)?;
        let named = Named::of(&asked.name, "subnets");
        self.read(call, point!(asked), named.place, move |view| {
            let subnet = view.found("subnet", &named.last, |cell, id| {
                cell.subnets.get(&SubnetId(id)).map(|it| (it, it.project))
            })?;
            Ok(view.subnet(subnet))
        })
        .await
    }

    async fn list_subnets(
        &self,
        request: Request<v1::ListSubnetsRequest>,
    ) -> Answer<v1::ListSubnetsResponse> {
        let (call, asked) = Self::open("subnets.list", request)?;
        let (place, ask) = (Place::parent_or_every(&asked.parent), ask!(call.method, asked, asked.parent));
        self.read(call, point!(asked), place, move |view| {
            let own = view.cell.subnets.values().filter(|subnet| view.lists(subnet.project));
            let rows = own.map(|subnet| Row {
                created: subnet.created,
                name: &subnet.name,
                id: subnet.id.0,
                item: subnet,
            });
            let values = |subnet: &Subnet, field: &str| values(view, subnet, field);
            let (subnets, next_page_token) = page(&ask, &FILTERS, rows, values, |it| view.subnet(it))?;
            Ok(v1::ListSubnetsResponse { subnets, next_page_token, position: view.position() })
        })
        .await
    }

    async fn create_subnet(&self, request: Request<v1::CreateSubnetRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("subnets.create", request)?;
        let (change, place) = (change!(asked), Place::parent(&asked.parent));
        let build = move |view: &View<'_>| body(view, &fields::required(asked.subnet, "subnet")?);
        self.change(call, change, place, CREATE, build).await
    }

    async fn delete_subnet(&self, request: Request<v1::DeleteSubnetRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("subnets.delete", request)?;
        let Named { place, last: subnet } = Named::of(&asked.name, "subnets");
        let build = |_: &View<'_>| Ok(Body::DeleteSubnet(record::DeleteSubnet { subnet }));
        self.change(call, change!(asked), place, NAMED, build).await
    }
}

fn values(view: &View<'_>, subnet: &Subnet, field: &str) -> Vec<String> {
    match field {
        "display_name" => vec![subnet.name.clone()],
        "network" => {
            let network = view.cell.networks.get(&subnet.network);
            view.values(ResourceRef::Network(subnet.network), network.map(|it| it.name.as_str()))
        }
        "ip_version" => vec![if subnet.cidr.address.is_ipv4() { "4" } else { "6" }.to_owned()],
        _ => Vec::new(),
    }
}

fn body(view: &View<'_>, subnet: &v1::Subnet) -> Result<Body, Problem> {
    fields::at_most(subnet.allocation_pools.len(), SUBNET_POOLS_MAX, "subnet.allocation_pools")?;
    fields::at_most(subnet.dns_nameservers.len(), SUBNET_DNS_MAX, "subnet.dns_nameservers")?;
    let pool = |(place, pool): (usize, &v1::subnet::AllocationPool)| -> Result<(IpAddr, IpAddr), Problem> {
        let at = |end: &str| format!("subnet.allocation_pools[{place}].{end}");
        Ok((fields::ip(&pool.start, &at("start"))?, fields::ip(&pool.end, &at("end"))?))
    };
    let dns =
        |(place, server): (usize, &String)| fields::ip(server, &format!("subnet.dns_nameservers[{place}]"));
    Ok(Body::CreateSubnet(record::CreateSubnet {
        name: fields::display_name(&subnet.display_name, "subnet")?,
        network: view.own(&subnet.network, "networks", "subnet.network")?,
        cidr: fields::cidr(&subnet.cidr, "subnet.cidr")?,
        gateway: fields::ip_or_none(&subnet.gateway_ip, "subnet.gateway_ip")?,
        pools: subnet.allocation_pools.iter().enumerate().map(pool).collect::<Result<_, _>>()?,
        dns: subnet.dns_nameservers.iter().enumerate().map(dns).collect::<Result<_, _>>()?,
        dhcp: subnet.enable_dhcp.unwrap_or(true),
    }))
}
