//! `NetworkService`: networks made, read and deleted.

use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::network_service_server::NetworkService;
use windlass_sagas::cell::state::Network;
use windlass_sagas::ids::NetworkId;
use windlass_sagas::record::{self, Body};

use super::Api;
use super::call::{Answer, change};
use super::errors::{FieldNames, Problem};
use super::fields;
use super::list::{Row, ask, page};
use super::view::{Named, Place, View};
use super::visit::point;

const CREATE: FieldNames = &[("name", "network.display_name"), ("mtu", "network.mtu")];
const NAMED: FieldNames = &[("network", "name")];

#[tonic::async_trait]
impl NetworkService for Api {
    async fn get_network(&self, request: Request<v1::GetNetworkRequest>) -> Answer<v1::Network> {
        let (call, asked) = Self::open("networks.get", request)?;
        let named = Named::of(&asked.name, "networks");
        self.read(call, point!(asked), named.place, move |view| {
            let network = view.found("network", &named.last, |cell, id| {
                cell.networks.get(&NetworkId(id)).map(|it| (it, it.project))
            })?;
            Ok(view.network(network))
        })
        .await
    }

    async fn list_networks(
        &self,
        request: Request<v1::ListNetworksRequest>,
    ) -> Answer<v1::ListNetworksResponse> {
        let (call, asked) = Self::open("networks.list", request)?;
        let (place, ask) = (Place::parent_or_every(&asked.parent), ask!(call.method, asked, asked.parent));
        self.read(call, point!(asked), place, move |view| {
            let own = view.cell.networks.values().filter(|network| view.lists(network.project));
            let rows = own.map(|network| Row {
                created: network.created,
                name: &network.name,
                id: network.id.0,
                item: network,
            });
            let values = |network: &Network, _: &str| vec![network.name.clone()];
            let (networks, next_page_token) =
                page(&ask, &["display_name"], rows, values, |it| view.network(it))?;
            Ok(v1::ListNetworksResponse { networks, next_page_token, position: view.position() })
        })
        .await
    }

    async fn create_network(&self, request: Request<v1::CreateNetworkRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("networks.create", request)?;
        let (change, place) = (change!(asked), Place::parent(&asked.parent));
        let build = move |_: &View<'_>| {
            let network = fields::required(asked.network, "network")?;
            let mtu = u16::try_from(network.mtu).map_err(|_| {
                Problem::field("network.mtu", format!("an MTU of 1280 to 9000 bytes, got {}", network.mtu))
            })?;
            Ok(Body::CreateNetwork(record::CreateNetwork {
                name: fields::display_name(&network.display_name, "network")?,
                mtu: (mtu > 0).then_some(mtu),
            }))
        };
        self.change(call, change, place, CREATE, build).await
    }

    async fn delete_network(&self, request: Request<v1::DeleteNetworkRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("networks.delete", request)?;
        let Named { place, last: network } = Named::of(&asked.name, "networks");
        let build = |_: &View<'_>| Ok(Body::DeleteNetwork(record::DeleteNetwork { network }));
        self.change(call, change!(asked), place, NAMED, build).await
    }
}
