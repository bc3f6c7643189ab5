//! `windlass host`: the machines of the cell, their drains and ends, and how they join.

use clap::{Args, Subcommand, ValueEnum};
use windlass_client::{NewSecret, v1};

use crate::app::{App, of_cell};
use crate::columns::{kind_and_name, roles};
use crate::names::Names;
use crate::output::{Format, say, time};
use crate::resource::{self, Listed, Named, Reasoned};
use crate::timeline::{self, Touched};
use crate::{access, exit};

/// Hosts.
#[derive(Subcommand, Debug)]
pub(crate) enum Host {
    /// List hosts.
    #[command(after_help = "Example: windlass host list --filter state=DOWN")]
    List(Listed),
    /// Show one, with its ledgers and what blocks its drain.
    #[command(after_help = "Example: windlass host get rack1-07")]
    Get(Named),
    /// Tell what happened to one, and every step that was dispatched to it, with its outcome.
    #[command(after_help = "Example: windlass host history rack1-07")]
    History(Touched),
    /// Place nothing more on it, and list what is still there. Clean-up goes on.
    #[command(after_help = "Example: windlass host drain rack1-07")]
    Drain(Named),
    /// Place on it again.
    #[command(after_help = "Example: windlass host undrain rack1-07")]
    Undrain(Named),
    /// Declare it gone: final, whatever it still does. Its undos count as resolved.
    #[command(after_help = "Example: windlass host gone rack1-07 --reason \"burnt out\"")]
    Gone(Reasoned),
    /// Affirm that a gone host is powered off, so that its addresses may be given again.
    #[command(after_help = "Example: windlass host off rack1-07")]
    Off(Named),
    /// Let a gone host join again under its name, once it is wiped.
    #[command(after_help = "Example: windlass host rejoin rack1-07")]
    Rejoin(Named),
    /// Make a token that lets one machine join, once; shown this once, on standard output. A host that is DOWN because its
    /// certificate has ended joins again by one with the roles and zone that it has, and keeps all that is on it.
    #[command(after_help = "Example: windlass host token rack1-07 --role hypervisor,network --zone a")]
    Token(Token),
    /// List join tokens, ended ones too while they are remembered.
    #[command(after_help = "Example: windlass host tokens --filter state=OPEN")]
    Tokens(Listed),
    /// Revoke a join token that is open.
    #[command(after_help = "Example: windlass host revoke-token rack1-07")]
    RevokeToken(Named),
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
    /// How long the token holds, seconds, at most 7 days.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
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
    let validate_only = app.validate_only;
    let full = |name: &str| of_cell("hosts", name);
    match command {
        Host::List(listed) => {
            let request = v1::ListHostsRequest { filter: listed.filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Host::History(touched) => timeline::of(app, "hosts", touched).await,
        Host::Get(named) => get(app, full(&named.name)).await,
        Host::Drain(named) => {
            let name = full(&named.name);
            let drain = v1::DrainHostRequest { name: name.clone(), validate_only, ..Default::default() };
            let code = resource::change(app, drain).await?;
            if code == exit::OK && !validate_only && app.format == Format::Table {
                blockers(app, name).await?;
            }
            Ok(code)
        }
        Host::Undrain(named) => {
            let name = full(&named.name);
            resource::change(app, v1::UndrainHostRequest { name, validate_only, ..Default::default() }).await
        }
        Host::Gone(Reasoned { name, reason }) => {
            let name = full(&name);
            let request = v1::DeclareHostGoneRequest { name, reason, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
        Host::Off(named) => {
            let name = full(&named.name);
            let request = v1::AffirmHostPoweredOffRequest { name, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
        Host::Rejoin(named) => {
            let name = full(&named.name);
            resource::change(app, v1::RejoinHostRequest { name, validate_only, ..Default::default() }).await
        }
        Host::Token(token) => token.run(app).await,
        Host::Tokens(listed) => {
            let request = v1::ListJoinTokensRequest { filter: listed.filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Host::RevokeToken(named) => {
            let name = of_cell("joinTokens", &named.name);
            let request = v1::RevokeJoinTokenRequest { name, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
    }
}

async fn get(app: &App, name: String) -> anyhow::Result<u8> {
    let host = app.call(v1::GetHostRequest { name, ..Default::default() }).await?;
    resource::show(app, &host).await?;
    if app.format == Format::Table {
        for ledger in &host.ledgers {
            let role = roles([ledger.role()].into_iter());
            let admitted = if ledger.admitted { "admitted" } else { "not admitted" };
            let calls = ledger.calls_in_flight;
            say(format!(
                "ledger of {role}: {admitted}, {calls} calls under way, incarnation {}",
                ledger.incarnation
            ))?;
        }
        drain(app, &host).await?;
    }
    Ok(exit::OK)
}

async fn blockers(app: &App, name: String) -> anyhow::Result<()> {
    let host = app.call(v1::GetHostRequest { name, ..Default::default() }).await?;
    drain(app, &host).await
}

/// Prints what keeps a drain from being quiet.
async fn drain(app: &App, host: &v1::Host) -> anyhow::Result<()> {
    let Some(drain) = &host.drain else { return Ok(()) };
    let since = time(drain.start_time.as_ref());
    let since = if since.is_empty() { since } else { format!(" since {since}") };
    if drain.quiet {
        return say(format!("drained{since}: quiet, nothing is left on it"));
    }
    say(format!("draining{since}, {} still there:", drain.blockers.len()))?;
    let names = Names::of(&app.client, drain.blockers.iter().map(|it| it.resource.as_str())).await;
    for it in &drain.blockers {
        say(format!(
            "  {} since {}: {}",
            kind_and_name(&it.resource, &names),
            time(it.since.as_ref()),
            it.hint
        ))?;
    }
    Ok(())
}

impl Token {
    async fn run(self, app: &App) -> anyhow::Result<u8> {
        let secret = NewSecret::join_token()?;
        let join_token = v1::JoinToken {
            display_name: self.host,
            roles: self.role.iter().map(|role| role.message()).collect(),
            zone: self.zone,
            secret_sha256: secret.sha256.clone(),
            expire_time: Some(access::from_now(self.valid_s)),
            ..Default::default()
        };
        let (join_token, validate_only) = (Some(join_token), app.validate_only);
        let request = v1::CreateJoinTokenRequest { join_token, validate_only, ..Default::default() };
        let operation = resource::begin(app, request).await?;
        let title = "join with it by `windlass agent join`; the token, shown this once:";
        // The authority's hash goes with it, so that the machine knows whom to believe.
        let text = match &app.ca_pem {
            Some(pem) => windlass_agents::join::Token::new(&secret.text, pem)?.text(),
            None => secret.text,
        };
        access::secret_made(app, operation, &text, title).await
    }
}
