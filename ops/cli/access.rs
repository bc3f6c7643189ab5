//! `windlass principal` and `windlass token`: who may do what, and their credentials.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use windlass_client::{NewSecret, v1};

use crate::app::{App, of_cell};
use crate::output::{self, Format, note, say};
use crate::resource::{self, Listed, Named};
use crate::{exit, wait};

/// Principals: people and programs.
#[derive(Subcommand, Debug)]
pub(crate) enum Principal {
    /// Make a principal, without any role.
    #[command(after_help = "Example: windlass principal create ada")]
    Create(Named),
    /// List principals with their roles.
    #[command(after_help = "Example: windlass principal list --filter role=ADMIN")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass principal get ada")]
    Get(Named),
    /// Delete one with its tokens and roles; not the cell's last administrator.
    #[command(after_help = "Example: windlass principal delete ada")]
    Delete(Named),
    /// Grant a role, in a project or in the whole cell.
    #[command(after_help = "Example: windlass principal grant ada --role member --in web")]
    Grant(Grant),
    /// Take a role away.
    #[command(after_help = "Example: windlass principal revoke ada --role member --in web")]
    Revoke(Grant),
}

/// A role somewhere.
#[derive(Args, Debug)]
pub(crate) struct Grant {
    /// The principal.
    name: String,
    /// The role.
    #[arg(long, value_enum)]
    role: Role,
    /// The project that it counts in; by default the whole cell.
    #[arg(long = "in", value_name = "PROJECT")]
    project: Option<String>,
}

impl Grant {
    fn grant(&self) -> v1::RoleGrant {
        let scope = self.project.as_ref().map(|project| of_cell("projects", project)).unwrap_or_default();
        v1::RoleGrant { role: self.role.message(), scope }
    }
}

/// Roles of principals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Everything.
    Admin,
    /// Make, change and delete resources.
    Member,
    /// Read resources.
    Reader,
    /// Read resources and all history.
    Auditor,
    /// Arm faults and run drills.
    DrillOperator,
}

impl Role {
    const fn message(self) -> i32 {
        use v1::role_grant as grant;
        match self {
            Self::Admin => grant::Role::Admin as i32,
            Self::Member => grant::Role::Member as i32,
            Self::Reader => grant::Role::Reader as i32,
            Self::Auditor => grant::Role::Auditor as i32,
            Self::DrillOperator => grant::Role::DrillOperator as i32,
        }
    }
}

pub(crate) async fn run(app: &App, command: Principal) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    let full = |name: &str| of_cell("principals", name);
    match command {
        Principal::Create(named) => {
            let principal = Some(v1::Principal { display_name: named.name, ..Default::default() });
            let request = v1::CreatePrincipalRequest { principal, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
        Principal::List(listed) => {
            let request = v1::ListPrincipalsRequest { filter: listed.filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Principal::Get(named) => {
            let name = full(&named.name);
            resource::get(app, v1::GetPrincipalRequest { name, ..Default::default() }).await
        }
        Principal::Delete(named) => {
            let name = full(&named.name);
            let request = v1::DeletePrincipalRequest { name, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
        Principal::Grant(grant) => {
            let (name, grant) = (full(&grant.name), Some(grant.grant()));
            let request = v1::GrantRoleRequest { name, grant, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
        Principal::Revoke(grant) => {
            let (name, grant) = (full(&grant.name), Some(grant.grant()));
            let request = v1::RevokeRoleRequest { name, grant, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
    }
}

/// API tokens: the cell knows their hashes only.
#[derive(Subcommand, Debug)]
pub(crate) enum Token {
    /// Make a token of a principal; shown once, on standard output.
    #[command(after_help = "Example: windlass token create ci --principal ada --valid-s 86400")]
    Create(CreateToken),
    /// List tokens, never their secrets.
    #[command(after_help = "Example: windlass token list --principal ada")]
    List {
        /// Only this principal's.
        #[arg(long)]
        principal: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Revoke a token at once.
    #[command(after_help = "Example: windlass token revoke ci --principal ada")]
    Revoke {
        /// Its name or id.
        name: String,
        /// Whose it is.
        #[arg(long)]
        principal: String,
    },
}

/// Make a token.
#[derive(Args, Debug)]
pub(crate) struct CreateToken {
    /// What it is for, unique among the principal's tokens.
    name: String,
    /// Whose it is.
    #[arg(long)]
    principal: String,
    /// How long it holds, seconds; by default for ever.
    #[arg(long, value_name = "SECONDS")]
    valid_s: Option<u64>,
}

pub(crate) async fn token(app: &App, command: Token) -> anyhow::Result<u8> {
    match command {
        Token::Create(create) => create.run(app).await,
        Token::List { principal, listed } => {
            let parent = of_cell("principals", principal.as_deref().unwrap_or("-"));
            let request = v1::ListApiTokensRequest { parent, filter: listed.filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Token::Revoke { name, principal } => {
            let (name, validate_only) =
                (format!("{}/apiTokens/{name}", of_cell("principals", &principal)), app.validate_only);
            let request = v1::RevokeApiTokenRequest { name, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
    }
}

impl CreateToken {
    async fn run(self, app: &App) -> anyhow::Result<u8> {
        let secret = NewSecret::api_token()?;
        let api_token = v1::ApiToken {
            display_name: self.name,
            secret_sha256: secret.sha256.clone(),
            expire_time: self.valid_s.map(from_now),
            ..Default::default()
        };
        let (parent, validate_only) = (of_cell("principals", &self.principal), app.validate_only);
        let api_token = Some(api_token);
        let request = v1::CreateApiTokenRequest { parent, api_token, validate_only, ..Default::default() };
        let operation = resource::begin(app, request).await?;
        secret_made(app, operation, &secret.text, "the token, shown this once:").await
    }
}

/// The moment so many seconds from now.
pub(crate) fn from_now(seconds: u64) -> prost_types::Timestamp {
    (windlass_orchestrator::clock::system_time() + Duration::from_secs(seconds)).into()
}

/// Shows a new secret, once the change that records its hash is durable. Standard output has nothing but the secret;
/// as JSON, the operation with the secret beside it.
pub(crate) async fn secret_made(
    app: &App,
    operation: v1::Operation,
    secret: &str,
    title: &str,
) -> anyhow::Result<u8> {
    if app.validate_only {
        return wait::finish(app, operation).await;
    }
    match app.format {
        Format::Json => {
            let operation = windlass_proto::to_json(&operation, true)?;
            output::document(&serde_json::json!({ "operation": operation, "secret": secret }))?;
        }
        Format::Table => {
            note(title);
            say(secret)?;
        }
    }
    Ok(exit::OK)
}
