//! `HostService`: the asset register, a host's life, and the tokens by which hosts join.

use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::host_service_server::HostService;
use windlass_sagas::cell::state::{Host, JoinToken};
use windlass_sagas::ids::{HostId, JoinTokenId, Time};
use windlass_sagas::record::{self, Body, Role};

use super::Api;
use super::call::{Answer, change};
use super::convert::host_state;
use super::errors::{FieldNames, Problem};
use super::limits::{HOST_NAME_BYTES_MAX, JOIN_TOKEN_AHEAD_US_MAX};
use super::list::{Row, ask, page};
use super::view::{Named, Place, View};
use super::visit::point;
use super::{convert, fields, names};

const FILTERS: [&str; 6] = ["state", "display_name", "role", "zone", "draining", "trait"];
const TOKEN_FILTERS: [&str; 2] = ["state", "display_name"];
const NAMED: FieldNames = &[("host", "name")];
const CREATE: FieldNames = &[
    ("host", "join_token.display_name"),
    ("name", "join_token.display_name"),
    ("roles", "join_token.roles"),
    ("expires", "join_token.expire_time"),
];
const REVOKE: FieldNames = &[("token", "name")];

#[tonic::async_trait]
impl HostService for Api {
    async fn get_host(&self, request: Request<v1::GetHostRequest>) -> Answer<v1::Host> {
        let (call, asked) = Self::open("hosts.get", request)?;
        let named = Named::in_cell(&asked.name, "hosts");
        self.read(call, point!(asked), named.place, move |view| {
            let host = view.found_in_cell("host", &named.last, |cell, id| cell.hosts.get(&HostId(id)))?;
            Ok(view.host(host))
        })
        .await
    }

    async fn list_hosts(&self, request: Request<v1::ListHostsRequest>) -> Answer<v1::ListHostsResponse> {
        let (call, asked) = Self::open("hosts.list", request)?;
        let ask = ask!(call.method, asked);
        self.read(call, point!(asked), Ok(Place::Cell), move |view| {
            let all = view.cell.hosts.values();
            let rows = all.map(|it| Row { created: Time(0), name: &it.name, id: it.id.0, item: it });
            let (hosts, next_page_token) = page(&ask, &FILTERS, rows, values, |it| view.host(it))?;
            Ok(v1::ListHostsResponse { hosts, next_page_token, position: view.position() })
        })
        .await
    }

    async fn drain_host(&self, request: Request<v1::DrainHostRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("hosts.drain", request)?;
        let Named { place, last: host } = Named::in_cell(&asked.name, "hosts");
        let build = |_: &View<'_>| Ok(Body::DrainHost(record::DrainHost { host }));
        self.change(call, change!(asked), place, NAMED, build).await
    }

    async fn undrain_host(&self, request: Request<v1::UndrainHostRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("hosts.undrain", request)?;
        let Named { place, last: host } = Named::in_cell(&asked.name, "hosts");
        let build = |_: &View<'_>| Ok(Body::UndrainHost(record::UndrainHost { host }));
        self.change(call, change!(asked), place, NAMED, build).await
    }

    async fn declare_host_gone(&self, request: Request<v1::DeclareHostGoneRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("hosts.declareGone", request)?;
        let change = change!(asked);
        let Named { place, last: host } = Named::in_cell(&asked.name, "hosts");
        let build = move |_: &View<'_>| {
            let reason = fields::reason(&asked.reason)?;
            Ok(Body::DeclareHostGone(record::DeclareHostGone { host, reason }))
        };
        self.change(call, change, place, NAMED, build).await
    }

    async fn affirm_host_powered_off(
        &self,
        request: Request<v1::AffirmHostPoweredOffRequest>,
    ) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("hosts.affirmPoweredOff", request)?;
        let Named { place, last: host } = Named::in_cell(&asked.name, "hosts");
        let build = |_: &View<'_>| Ok(Body::AffirmHostOff(record::AffirmHostOff { host }));
        self.change(call, change!(asked), place, NAMED, build).await
    }

    async fn rejoin_host(&self, request: Request<v1::RejoinHostRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("hosts.rejoin", request)?;
        let Named { place, last: host } = Named::in_cell(&asked.name, "hosts");
        let build = |_: &View<'_>| Ok(Body::RejoinHost(record::RejoinHost { host }));
        self.change(call, change!(asked), place, NAMED, build).await
    }

    async fn list_join_tokens(
        &self,
        request: Request<v1::ListJoinTokensRequest>,
    ) -> Answer<v1::ListJoinTokensResponse> {
        let (call, asked) = Self::open("joinTokens.list", request)?;
        let ask = ask!(call.method, asked);
        self.read(call, point!(asked), Ok(Place::Cell), move |view| {
            let all = view.cell.join_tokens.values();
            let rows = all.map(|it| Row { created: Time(0), name: &it.host, id: it.id.0, item: it });
            let values = |it: &JoinToken, field: &str| match field {
                "state" => vec![view.join_token_state(it).as_str_name().to_owned()],
                _ => vec![it.host.clone()],
            };
            let (join_tokens, next_page_token) =
                page(&ask, &TOKEN_FILTERS, rows, values, |it| view.join_token(it))?;
            Ok(v1::ListJoinTokensResponse { join_tokens, next_page_token, position: view.position() })
        })
        .await
    }

    async fn create_join_token(&self, request: Request<v1::CreateJoinTokenRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("joinTokens.create", request)?;
        let change = change!(asked);
        let build = move |view: &View<'_>| token(view, &fields::required(asked.join_token, "join_token")?);
        self.change(call, change, Ok(Place::Cell), CREATE, build).await
    }

    async fn revoke_join_token(&self, request: Request<v1::RevokeJoinTokenRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("joinTokens.revoke", request)?;
        let named = names::one(&asked.name, "joinTokens", "name");
        let place = named.clone().map(|_| Place::Cell);
        let build = move |view: &View<'_>| {
            let text = named?;
            // An id is taken as it is: `decide` looks it up.
            let by_name = || view.cell.join_tokens.values().find(|it| it.host == text).map(|it| it.id);
            let token = text.parse::<JoinTokenId>().ok().or_else(by_name);
            let missing = || Problem::not_found("join token", &text).of_field("name");
            Ok(Body::RevokeJoinToken(record::RevokeJoinToken { token: token.ok_or_else(missing)? }))
        };
        self.change(call, change!(asked), place, REVOKE, build).await
    }
}

fn values(host: &Host, field: &str) -> Vec<String> {
    match field {
        "state" => vec![host_state(host.life).as_str_name().to_owned()],
        "display_name" => vec![host.name.clone()],
        "role" => host.roles.iter().map(|role| convert::role(*role).as_str_name().to_owned()).collect(),
        "zone" => vec![host.zone.clone()],
        "draining" => vec![host.draining.to_string()],
        "trait" => host.traits.clone(),
        _ => Vec::new(),
    }
}

fn token(view: &View<'_>, token: &v1::JoinToken) -> Result<Body, Problem> {
    const NAME: &str = "join_token.display_name";
    let host = fields::text(&token.display_name, NAME, HOST_NAME_BYTES_MAX)?;
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        let message = format!("a host's name is 1 to {HOST_NAME_BYTES_MAX} letters, digits and hyphens");
        return Err(Problem::field(NAME, message));
    }
    fields::at_most(token.roles.len(), Role::ALL.len(), "join_token.roles")?;
    let roles = token.roles.iter().map(|role| fields::role(*role, "join_token.roles"));
    let expires = fields::required(token.expire_time, "join_token.expire_time")?;
    let expires = fields::time(&expires, "join_token.expire_time")?;
    if expires.0.saturating_sub(view.now.0) > JOIN_TOKEN_AHEAD_US_MAX {
        return Err(Problem::field("join_token.expire_time", "a join token ends within 7 days"));
    }
    Ok(Body::CreateJoinToken(record::CreateJoinToken {
        host,
        roles: roles.collect::<Result<_, _>>()?,
        zone: fields::text(&token.zone, "join_token.zone", windlass_sagas::limits::NAME_BYTES_MAX)?,
        secret_sha256: fields::hash(&token.secret_sha256, "join_token.secret_sha256")?,
        expires,
    }))
}
