//! `windlass host`: list, get, drain, undrain, gone, off, rejoin, and join tokens.

use clap::{Args, Subcommand, ValueEnum};
use windlass_client::{NewSecret, v1};

use crate::app::App;
use crate::resource::{self, Listed, Named};

/// Hosts.
#[derive(Subcommand, Debug)]
pub(crate) enum Host {
    /// List hosts.
    List(Listed),
    /// Show one.
    Get(Named),
    /// Place nothing more on it.
    Drain(Named),
    /// Place on it again.
    Undrain(Named),
    /// Declare it gone: final, whatever it still does. Its undos count as resolved.
    Gone(Reasoned),
    /// Affirm that a gone host is powered off, so that its addresses may be given again.
    Off(Named),
    /// Let a gone host come back, once it is wiped.
    Rejoin(Named),
    /// Make a token that lets one machine join; shown once.
    Token(Token),
}

/// A host and why.
#[derive(Args, Debug)]
pub(crate) struct Reasoned {
    /// Its name or id.
    name: String,
    /// Why; it is recorded.
    #[arg(long)]
    reason: String,
}

/// Make a join token.
#[derive(Args, Debug)]
pub(crate) struct Token {
    /// The name that the host will have.
    host: String,
    /// What its agent may do; may be repeated.
    #[arg(long, value_enum, required = true, value_delimiter = ',')]
    role: Vec<Role>,
    /// The zone that it is in.
    #[arg(long, default_value = "default")]
    zone: String,
    /// How long the token holds, seconds.
    #[arg(long, default_value_t = 3600)]
    valid_s: u64,
}

/// Roles of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Runs guests.
    Hypervisor,
    /// Holds volumes.
    Storage,
    /// Plugs guests into networks.
    Network,
}

impl Role {
    /// Its name in flags and files.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hypervisor => "hypervisor",
            Self::Storage => "storage",
            Self::Network => "network",
        }
    }

    pub(crate) const fn message(self) -> i32 {
        match self {
            Self::Hypervisor => v1::host::Role::Hypervisor as i32,
            Self::Storage => v1::host::Role::Storage as i32,
            Self::Network => v1::host::Role::Network as i32,
        }
    }
}

pub(crate) async fn run(app: &App, command: Host) -> anyhow::Result<u8> {
    let validate_only = app.dry_run;
    let host = |name: &str| format!("hosts/{name}");
    match command {
        Host::List(listed) => {
            let request = v1::ListHostsRequest { filter: listed.filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Host::Get(named) => {
            resource::get(app, v1::GetHostRequest { name: host(&named.name), ..Default::default() }).await
        }
        Host::Drain(named) => {
            let name = host(&named.name);
            resource::change(app, v1::DrainHostRequest { name, validate_only, ..Default::default() }).await
        }
        Host::Undrain(named) => {
            let name = host(&named.name);
            resource::change(app, v1::UndrainHostRequest { name, validate_only, ..Default::default() }).await
        }
        Host::Gone(Reasoned { name, reason }) => {
            let name = host(&name);
            resource::change(
                app,
                v1::DeclareHostGoneRequest { name, reason, validate_only, ..Default::default() },
            )
            .await
        }
        Host::Off(named) => {
            let name = host(&named.name);
            resource::change(
                app,
                v1::AffirmHostPoweredOffRequest { name, validate_only, ..Default::default() },
            )
            .await
        }
        Host::Rejoin(named) => {
            let name = host(&named.name);
            resource::change(app, v1::RejoinHostRequest { name, validate_only, ..Default::default() }).await
        }
        Host::Token(token) => token.run(app).await,
    }
}

impl Token {
    async fn run(self, app: &App) -> anyhow::Result<u8> {
        let secret = NewSecret::join_token()?;
        let ends = std::time::Duration::from_secs(self.valid_s);
        let join_token = v1::JoinToken {
            display_name: self.host,
            roles: self.role.iter().map(|role| role.message()).collect(),
            zone: self.zone,
            secret_sha256: secret.sha256.clone(),
            expire_time: Some((windlass_orchestrator::clock::system_time() + ends).into()),
            ..Default::default()
        };
        let (join_token, validate_only) = (Some(join_token), app.dry_run);
        let request = v1::CreateJoinTokenRequest { join_token, validate_only, ..Default::default() };
        let operation = app.client.call(request).await?;
        if !app.dry_run {
            // The authority's hash goes with it, so that the machine knows whom to believe.
            let text = match &app.ca_pem {
                Some(pem) => windlass_agents::join::Token::new(&secret.text, pem)?.text(),
                None => secret.text,
            };
            eprintln!("join it with `windlass agent join`; the token, shown this once:");
            println!("{text}");
            return Ok(crate::exit::OK);
        }
        crate::wait::finish(app, operation).await
    }
}
