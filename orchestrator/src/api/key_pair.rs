//! `KeyPairService`: public keys registered, read and deleted.

use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::key_pair_service_server::KeyPairService;
use windlass_sagas::cell::state::KeyPair;
use windlass_sagas::ids::KeyPairId;
use windlass_sagas::limits::PUBLIC_KEY_BYTES_MAX;
use windlass_sagas::record::{self, Body};

use super::Api;
use super::call::{Answer, change};
use super::convert::fingerprint;
use super::errors::FieldNames;
use super::fields;
use super::list::{Row, ask, page};
use super::view::{Named, Place, View};
use super::visit::point;

const FILTERS: [&str; 2] = ["display_name", "fingerprint"];
const CREATE: FieldNames = &[("name", "key_pair.display_name"), ("public_key", "key_pair.public_key")];
const NAMED: FieldNames = &[("key_pair", "name")];

#[tonic::async_trait]
impl KeyPairService for Api {
    async fn get_key_pair(&self, request: Request<v1::GetKeyPairRequest>) -> Answer<v1::KeyPair> {
        let (call, asked) = Self::open("keyPairs.get", request)?;
        let named = Named::of(&asked.name, "keyPairs");
        self.read(call, point!(asked), named.place, move |view| {
            let key_pair = view.found("key pair", &named.last, |cell, id| {
                cell.key_pairs.get(&KeyPairId(id)).map(|it| (it, it.project))
            })?;
            Ok(view.key_pair(key_pair))
        })
        .await
    }

    async fn list_key_pairs(
        &self,
        request: Request<v1::ListKeyPairsRequest>,
    ) -> Answer<v1::ListKeyPairsResponse> {
        let (call, asked) = Self::open("keyPairs.list", request)?;
        let (place, ask) = (Place::parent_or_every(&asked.parent), ask!(call.method, asked, asked.parent));
        self.read(call, point!(asked), place, move |view| {
            let own = view.cell.key_pairs.values().filter(|key_pair| view.lists(key_pair.project));
            let rows = own.map(|key_pair| Row {
                created: key_pair.created,
                name: &key_pair.name,
                id: key_pair.id.0,
                item: key_pair,
            });
            let values = |key_pair: &KeyPair, field: &str| match field {
                "fingerprint" => vec![fingerprint(&key_pair.public_key)],
                _ => vec![key_pair.name.clone()],
            };
            let (key_pairs, next_page_token) = page(&ask, &FILTERS, rows, values, |it| view.key_pair(it))?;
            Ok(v1::ListKeyPairsResponse { key_pairs, next_page_token, position: view.position() })
        })
        .await
    }

    async fn create_key_pair(&self, request: Request<v1::CreateKeyPairRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("keyPairs.create", request)?;
        let (change, place) = (change!(asked), Place::parent(&asked.parent));
        let build = move |_: &View<'_>| {
            let key_pair = fields::required(asked.key_pair, "key_pair")?;
            Ok(Body::CreateKeyPair(record::CreateKeyPair {
                name: fields::display_name(&key_pair.display_name, "key_pair")?,
                public_key: fields::text(&key_pair.public_key, "key_pair.public_key", PUBLIC_KEY_BYTES_MAX)?,
            }))
        };
        self.change(call, change, place, CREATE, build).await
    }

    async fn delete_key_pair(&self, request: Request<v1::DeleteKeyPairRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("keyPairs.delete", request)?;
        let Named { place, last: key_pair } = Named::of(&asked.name, "keyPairs");
        let build = |_: &View<'_>| Ok(Body::DeleteKeyPair(record::DeleteKeyPair { key_pair }));
        self.change(call, change!(asked), place, NAMED, build).await
    }
}
