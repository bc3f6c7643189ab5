//! `FlavorService`: flavors made, read and deleted. Everybody in the cell may read them.

use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::flavor_service_server::FlavorService;
use windlass_sagas::cell::state::Flavor;
use windlass_sagas::ids::{FlavorId, Time};
use windlass_sagas::limits::TRAITS_MAX;
use windlass_sagas::record::{self, Body};

use super::Api;
use super::call::{Answer, change};
use super::errors::{FieldNames, Problem};
use super::fields;
use super::list::{Row, ask, page};
use super::view::{Named, Place, View};
use super::visit::point;

const CREATE: FieldNames = &[
    ("name", "flavor.display_name"),
    ("vcpus", "flavor.vcpus"),
    ("ram_mib", "flavor.ram_mib"),
    ("root_gib", "flavor.root_gib"),
    ("traits", "flavor.required_traits"),
];
const NAMED: FieldNames = &[("flavor", "name")];

#[tonic::async_trait]
impl FlavorService for Api {
    async fn get_flavor(&self, request: Request<v1::GetFlavorRequest>) -> Answer<v1::Flavor> {
        let (call, asked) = Self::open("flavors.get", request)?;
        let named = Named::in_cell(&asked.name, "flavors");
        self.read(call, point!(asked), named.place, move |view| {
            let flavor =
                view.found_in_cell("flavor", &named.last, |cell, id| cell.flavors.get(&FlavorId(id)))?;
            Ok(view.flavor(flavor))
        })
        .await
    }

    async fn list_flavors(
        &self,
        request: Request<v1::ListFlavorsRequest>,
    ) -> Answer<v1::ListFlavorsResponse> {
        let (call, asked) = Self::open("flavors.list", request)?;
        let ask = ask!(call.method, asked);
        self.read(call, point!(asked), Ok(Place::Anywhere), move |view| {
            let flavors = view.cell.flavors.values();
            let rows = flavors.map(|flavor| Row {
                created: Time(0),
                name: &flavor.name,
                id: flavor.id.0,
                item: flavor,
            });
            let values = |flavor: &Flavor, _: &str| vec![flavor.name.clone()];
            let (flavors, next_page_token) =
                page(&ask, &["display_name"], rows, values, |it| view.flavor(it))?;
            Ok(v1::ListFlavorsResponse { flavors, next_page_token, position: view.position() })
        })
        .await
    }

    async fn create_flavor(&self, request: Request<v1::CreateFlavorRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("flavors.create", request)?;
        let change = change!(asked);
        let build = move |_: &View<'_>| {
            let flavor = fields::required(asked.flavor, "flavor")?;
            if flavor.root_gib == 0 {
                return Err(Problem::field("flavor.root_gib", "a root has at least 1 GiB"));
            }
            Ok(Body::CreateFlavor(record::CreateFlavor {
                name: fields::display_name(&flavor.display_name, "flavor")?,
                vcpus: flavor.vcpus,
                ram_mib: flavor.ram_mib,
                root_gib: flavor.root_gib,
                traits: fields::words(&flavor.required_traits, TRAITS_MAX, "flavor.required_traits")?,
            }))
        };
        self.change(call, change, Ok(Place::Cell), CREATE, build).await
    }

    async fn delete_flavor(&self, request: Request<v1::DeleteFlavorRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("flavors.delete", request)?;
        let Named { place, last: flavor } = Named::in_cell(&asked.name, "flavors");
        let build = |_: &View<'_>| Ok(Body::DeleteFlavor(record::DeleteFlavor { flavor }));
        self.change(call, change!(asked), place, NAMED, build).await
    }
}
