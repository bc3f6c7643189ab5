//! `AccessService`: principals, their API tokens and their roles.

use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::access_service_server::AccessService;
use windlass_sagas::cell::state::{Credential, PrincipalState};
use windlass_sagas::ids::{CredentialId, PrincipalId, ProjectId, Time};
use windlass_sagas::record::{self, AccessRole, Body, Scope};

use super::Api;
use super::call::{Answer, change};
use super::convert::access_role;
use super::errors::{FieldNames, Problem};
use super::list::{Row, ask, page};
use super::names::{EVERY, NO_PROJECT};
use super::view::{Named, Place, View};
use super::visit::point;
use super::{fields, names};

const FILTERS: [&str; 3] = ["display_name", "scope", "role"];
const CREATE: FieldNames = &[("name", "principal.display_name")];
const NAMED: FieldNames = &[("principal", "name"), ("role", "grant.role"), ("scope", "grant.scope")];
const TOKEN: FieldNames = &[
    ("name", "api_token.display_name"),
    ("secret_sha256", "api_token.secret_sha256"),
    ("expires", "api_token.expire_time"),
    ("principal", "parent"),
];
const REVOKE: FieldNames = &[("credential", "name")];

#[tonic::async_trait]
impl AccessService for Api {
    async fn get_principal(&self, request: Request<v1::GetPrincipalRequest>) -> Answer<v1::Principal> {
        let (call, asked) = Self::open("principals.get", request)?;
        let named = Named::in_cell(&asked.name, "principals");
        self.read(call, point!(asked), named.place, move |view| {
            Ok(view.principal(principal(view, &named.last)?))
        })
        .await
    }

    async fn list_principals(
        &self,
        request: Request<v1::ListPrincipalsRequest>,
    ) -> Answer<v1::ListPrincipalsResponse> {
        let (call, asked) = Self::open("principals.list", request)?;
        let ask = ask!(call.method, asked);
        self.read(call, point!(asked), Ok(Place::Cell), move |view| {
            let all = view.cell.principals.values();
            let rows = all.map(|it| Row { created: Time(0), name: &it.name, id: it.id.0, item: it });
            let values = |it: &PrincipalState, field: &str| values(view, it, field);
            let (principals, next_page_token) = page(&ask, &FILTERS, rows, values, |it| view.principal(it))?;
            Ok(v1::ListPrincipalsResponse { principals, next_page_token, position: view.position() })
        })
        .await
    }

    async fn create_principal(&self, request: Request<v1::CreatePrincipalRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("principals.create", request)?;
        let change = change!(asked);
        let build = move |_: &View<'_>| {
            let principal = fields::required(asked.principal, "principal")?;
            let name = fields::display_name(&principal.display_name, "principal")?;
            Ok(Body::CreatePrincipal(record::CreatePrincipal { name }))
        };
        self.change(call, change, Ok(Place::Cell), CREATE, build).await
    }

    async fn delete_principal(&self, request: Request<v1::DeletePrincipalRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("principals.delete", request)?;
        let Named { place, last: principal } = Named::in_cell(&asked.name, "principals");
        let build = |_: &View<'_>| Ok(Body::DeletePrincipal(record::DeletePrincipal { principal }));
        self.change(call, change!(asked), place, NAMED, build).await
    }

    async fn list_api_tokens(
        &self,
        request: Request<v1::ListApiTokensRequest>,
    ) -> Answer<v1::ListApiTokensResponse> {
        let (call, asked) = Self::open("apiTokens.list", request)?;
        let ask = ask!(call.method, asked, asked.parent);
        let parent = names::one(&asked.parent, "principals", "parent");
        let place = parent.clone().map(|_| Place::Cell);
        self.read(call, point!(asked), place, move |view| {
            let parent = parent?;
            let owner = if parent == EVERY { None } else { Some(principal(view, &parent)?.id) };
            let own =
                view.cell.credentials.values().filter(|it| owner.is_none_or(|owner| owner == it.principal));
            let rows = own.map(|it| Row { created: Time(0), name: &it.name, id: it.id.0, item: it });
            let values = |it: &Credential, _: &str| vec![it.name.clone()];
            let (api_tokens, next_page_token) =
                page(&ask, &["display_name"], rows, values, |it| view.api_token(it))?;
            Ok(v1::ListApiTokensResponse { api_tokens, next_page_token, position: view.position() })
        })
        .await
    }

    async fn create_api_token(&self, request: Request<v1::CreateApiTokenRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("apiTokens.create", request)?;
        let change = change!(asked);
        let parent = names::one(&asked.parent, "principals", "parent");
        let place = parent.clone().map(|_| Place::Cell);
        let build = move |_: &View<'_>| {
            let token = fields::required(asked.api_token, "api_token")?;
            let expires = token.expire_time.as_ref();
            Ok(Body::CreateCredential(record::CreateCredential {
                principal: parent?,
                name: fields::display_name(&token.display_name, "api_token")?,
                secret_sha256: fields::hash(&token.secret_sha256, "api_token.secret_sha256")?,
                expires: expires.map(|time| fields::time(time, "api_token.expire_time")).transpose()?,
            }))
        };
        self.change(call, change, place, TOKEN, build).await
    }

    async fn revoke_api_token(&self, request: Request<v1::RevokeApiTokenRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("apiTokens.revoke", request)?;
        let named = names::two(&asked.name, "principals", "apiTokens", "name");
        let place = named.clone().map(|_| Place::Cell);
        let build = move |view: &View<'_>| {
            let (owner, token) = named?;
            let credential = credential(view, &owner, &token)?;
            Ok(Body::RevokeCredential(record::RevokeCredential { credential }))
        };
        self.change(call, change!(asked), place, REVOKE, build).await
    }

    async fn grant_role(&self, request: Request<v1::GrantRoleRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("roles.grant", request)?;
        let change = change!(asked);
        let Named { place, last: principal } = Named::in_cell(&asked.name, "principals");
        let build = move |view: &View<'_>| {
            let (role, scope) = grant(view, asked.grant)?;
            Ok(Body::GrantRole(record::GrantRole { principal, role, scope }))
        };
        self.change(call, change, place, NAMED, build).await
    }

    async fn revoke_role(&self, request: Request<v1::RevokeRoleRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("roles.revoke", request)?;
        let change = change!(asked);
        let Named { place, last: principal } = Named::in_cell(&asked.name, "principals");
        let build = move |view: &View<'_>| {
            let (role, scope) = grant(view, asked.grant)?;
            Ok(Body::RevokeRole(record::RevokeRole { principal, role, scope }))
        };
        self.change(call, change, place, NAMED, build).await
    }
}

fn principal<'a>(view: &View<'a>, text: &str) -> Result<&'a PrincipalState, Problem> {
    view.found_in_cell("principal", text, |cell, id| cell.principals.get(&PrincipalId(id)))
}

/// A token by its id, or by its display name among its principal's. An id is taken as it is: `decide` looks it up.
fn credential(view: &View<'_>, owner: &str, token: &str) -> Result<CredentialId, Problem> {
    if let Ok(id) = token.parse::<CredentialId>() {
        return Ok(id);
    }
    let owner = principal(view, owner)?.id;
    let mut named = view.cell.credentials.values().filter(|it| it.principal == owner && it.name == token);
    let missing = || Problem::not_found("API token", token).of_field("name");
    let found = named.next().ok_or_else(missing)?;
    match named.next() {
        None => Ok(found.id),
        Some(_) => Err(Problem::field("name", "several tokens have this display name: use the id")),
    }
}

fn grant(view: &View<'_>, grant: Option<v1::RoleGrant>) -> Result<(AccessRole, Scope), Problem> {
    let grant = fields::required(grant, "grant")?;
    let role = match v1::role_grant::Role::try_from(grant.role) {
        Ok(v1::role_grant::Role::Admin) => AccessRole::Admin,
        Ok(v1::role_grant::Role::Member) => AccessRole::Member,
        Ok(v1::role_grant::Role::Reader) => AccessRole::Reader,
        Ok(v1::role_grant::Role::Auditor) => AccessRole::Auditor,
        Ok(v1::role_grant::Role::DrillOperator) => AccessRole::DrillOperator,
        Ok(v1::role_grant::Role::Unspecified) | Err(_) => return Err(fields::unknown("grant.role")),
    };
    if grant.scope.is_empty() {
        return Ok((role, Scope::Cell));
    }
    let project = names::one(&grant.scope, "projects", "grant.scope")?;
    let id = view.id("project", NO_PROJECT, &project).map(ProjectId);
    let missing = || Problem::not_found("project", &grant.scope).of_field("grant.scope");
    Ok((role, Scope::Project(id.ok_or_else(missing)?)))
}

fn values(view: &View<'_>, principal: &PrincipalState, field: &str) -> Vec<String> {
    match field {
        "display_name" => vec![principal.name.clone()],
        "scope" => {
            let scopes = principal.roles.iter().map(|(scope, _)| match scope {
                Scope::Cell => vec![String::new()],
                Scope::Project(id) => {
                    let project = view.cell.projects.get(id);
                    let resource = windlass_sagas::record::ResourceRef::Project(*id);
                    view.values(resource, project.map(|it| it.name.as_str()))
                }
            });
            scopes.flatten().collect()
        }
        "role" => {
            principal.roles.iter().map(|(_, role)| access_role(*role).as_str_name().to_owned()).collect()
        }
        _ => Vec::new(),
    }
}
