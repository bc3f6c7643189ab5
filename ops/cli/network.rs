//! `windlass network`, `subnet`, `port`, `security-group`.

use clap::{Args, Subcommand};
use windlass_client::v1;

use crate::app::App;
use crate::resource::{self, Listed, Named};
use crate::timeline::{self, Touched};

/// Networks.
#[derive(Subcommand, Debug)]
pub(crate) enum Network {
    /// Make a network.
    #[command(after_help = "Example: windlass network create blue")]
    Create {
        /// Its name, unique in the project.
        name: String,
        /// MTU inside the tunnel, bytes; by default the cell's.
        #[arg(long, default_value_t = 0)]
        mtu: u32,
    },
    /// List the project's networks.
    #[command(after_help = "Example: windlass network list")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass network get blue")]
    Get(Named),
    /// Tell everything that ever touched one, in order; one that is deleted by its id.
    #[command(after_help = "Example: windlass network history blue")]
    History(Touched),
    /// Delete one without ports and subnets.
    #[command(after_help = "Example: windlass network delete blue")]
    Delete(Named),
}

pub(crate) async fn run(app: &App, command: Network) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    match command {
        Network::Create { name, mtu } => {
            let network = Some(v1::Network { display_name: name, mtu, ..Default::default() });
            let parent = app.parent()?;
            resource::change(
                app,
                v1::CreateNetworkRequest { parent, network, validate_only, ..Default::default() },
            )
            .await
        }
        Network::List(listed) => {
            let (parent, filter) = (app.parent()?, listed.filter);
            resource::list(
                app,
                v1::ListNetworksRequest { parent, filter, ..Default::default() },
                listed.limit,
            )
            .await
        }
        Network::History(touched) => timeline::of(app, "networks", touched).await,
        Network::Get(named) => {
            let name = app.name("networks", &named.name)?;
            resource::get(app, v1::GetNetworkRequest { name, ..Default::default() }).await
        }
        Network::Delete(named) => {
            let name = app.name("networks", &named.name)?;
            resource::change(app, v1::DeleteNetworkRequest { name, validate_only, ..Default::default() })
                .await
        }
    }
}

/// Subnets.
#[derive(Subcommand, Debug)]
pub(crate) enum Subnet {
    /// Make a subnet.
    #[command(after_help = "Example: windlass subnet create blue-4 --network blue --cidr 10.0.0.0/24")]
    Create(CreateSubnet),
    /// List the project's subnets.
    #[command(after_help = "Example: windlass subnet list --filter network=blue")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass subnet get blue-4")]
    Get(Named),
    /// Tell everything that ever touched one, in order; one that is deleted by its id.
    #[command(after_help = "Example: windlass subnet history blue-4")]
    History(Touched),
    /// Delete one without addresses in use.
    #[command(after_help = "Example: windlass subnet delete blue-4")]
    Delete(Named),
}

/// Make a subnet.
#[derive(Args, Debug)]
pub(crate) struct CreateSubnet {
    /// Its name, unique in the project.
    name: String,
    /// Its network.
    #[arg(long)]
    network: String,
    /// Its range, as 10.0.0.0/24.
    #[arg(long)]
    cidr: String,
    /// Its gateway; by default the first address.
    #[arg(long)]
    gateway: Option<String>,
    /// A pool of addresses, as FIRST-LAST; may be repeated; by default all.
    #[arg(long, value_name = "FIRST-LAST")]
    pool: Vec<String>,
    /// A name server; may be repeated.
    #[arg(long)]
    dns: Vec<String>,
    /// Don't answer DHCP.
    #[arg(long)]
    no_dhcp: bool,
}

impl CreateSubnet {
    fn request(self, app: &App) -> anyhow::Result<v1::CreateSubnetRequest> {
        let pool = |text: &String| {
            let usage = || crate::exit::Usage(format!("--pool {text}: FIRST-LAST is expected"));
            let (start, end) = text.split_once('-').ok_or_else(usage)?;
            anyhow::Ok(v1::subnet::AllocationPool { start: start.to_string(), end: end.to_string() })
        };
        let subnet = v1::Subnet {
            display_name: self.name,
            network: app.name("networks", &self.network)?,
            cidr: self.cidr,
            gateway_ip: self.gateway.unwrap_or_default(),
            allocation_pools: self.pool.iter().map(pool).collect::<Result<_, _>>()?,
            dns_nameservers: self.dns,
            enable_dhcp: Some(!self.no_dhcp),
            ..Default::default()
        };
        let (parent, validate_only) = (app.parent()?, app.validate_only);
        Ok(v1::CreateSubnetRequest { parent, subnet: Some(subnet), validate_only, ..Default::default() })
    }
}

pub(crate) async fn subnet(app: &App, command: Subnet) -> anyhow::Result<u8> {
    match command {
        Subnet::Create(create) => {
            let request = create.request(app)?;
            resource::change(app, request).await
        }
        Subnet::List(listed) => {
            let (parent, filter) = (app.parent()?, listed.filter);
            resource::list(app, v1::ListSubnetsRequest { parent, filter, ..Default::default() }, listed.limit)
                .await
        }
        Subnet::History(touched) => timeline::of(app, "subnets", touched).await,
        Subnet::Get(named) => {
            let name = app.name("subnets", &named.name)?;
            resource::get(app, v1::GetSubnetRequest { name, ..Default::default() }).await
        }
        Subnet::Delete(named) => {
            let (name, validate_only) = (app.name("subnets", &named.name)?, app.validate_only);
            resource::change(app, v1::DeleteSubnetRequest { name, validate_only, ..Default::default() }).await
        }
    }
}

/// Ports.
#[derive(Subcommand, Debug)]
pub(crate) enum Port {
    /// Make a port.
    #[command(after_help = "Example: windlass port create web-1 --network blue --ip 10.0.0.7")]
    Create {
        /// Its name, unique in the project.
        name: String,
        /// Its network.
        #[arg(long)]
        network: String,
        /// A wanted address; may be repeated.
        #[arg(long)]
        ip: Vec<String>,
        /// A wanted MAC, as fa:16:3e:00:00:01; by default one is given.
        #[arg(long)]
        mac: Option<String>,
        /// A security group; may be repeated; by default the project's default.
        #[arg(long)]
        security_group: Vec<String>,
    },
    /// List the project's ports.
    #[command(after_help = "Example: windlass port list")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass port get web-1")]
    Get(Named),
    /// Tell everything that ever touched one, in order; one that is deleted by its id.
    #[command(after_help = "Example: windlass port history web-1")]
    History(Touched),
    /// Delete one that no server uses.
    #[command(after_help = "Example: windlass port delete web-1")]
    Delete(Named),
}

pub(crate) async fn port(app: &App, command: Port) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    match command {
        Port::Create { name, network, ip, mac, security_group } => {
            let fixed = |ip_address: String| v1::FixedIp { ip_address, ..Default::default() };
            let port = v1::Port {
                display_name: name,
                network: app.name("networks", &network)?,
                fixed_ips: ip.into_iter().map(fixed).collect(),
                mac_address: mac.unwrap_or_default(),
                security_groups: app.names("securityGroups", &security_group)?,
                ..Default::default()
            };
            let (parent, port) = (app.parent()?, Some(port));
            resource::change(app, v1::CreatePortRequest { parent, port, validate_only, ..Default::default() })
                .await
        }
        Port::List(listed) => {
            let (parent, filter) = (app.parent()?, listed.filter);
            resource::list(app, v1::ListPortsRequest { parent, filter, ..Default::default() }, listed.limit)
                .await
        }
        Port::History(touched) => timeline::of(app, "ports", touched).await,
        Port::Get(named) => {
            let name = app.name("ports", &named.name)?;
            resource::get(app, v1::GetPortRequest { name, ..Default::default() }).await
        }
        Port::Delete(named) => {
            let name = app.name("ports", &named.name)?;
            resource::change(app, v1::DeletePortRequest { name, validate_only, ..Default::default() }).await
        }
    }
}

/// Security groups: what no rule allows is denied.
#[derive(Subcommand, Debug)]
pub(crate) enum Group {
    /// Make a security group.
    #[command(after_help = "Example: windlass security-group create web --rule ingress:tcp:443:0.0.0.0/0")]
    Create {
        /// Its name, unique in the project.
        name: String,
        /// A rule, as `ingress:tcp:22:0.0.0.0/0` or `ingress:any::group=default`; may be repeated.
        #[arg(long)]
        rule: Vec<String>,
    },
    /// Replace a group's rules.
    #[command(after_help = "Example: windlass security-group set-rules web --rule ingress:tcp:443:0.0.0.0/0")]
    SetRules {
        /// The group.
        name: String,
        /// A rule, as for create; may be repeated.
        #[arg(long)]
        rule: Vec<String>,
    },
    /// List the project's security groups.
    #[command(after_help = "Example: windlass security-group list")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass security-group get web")]
    Get(Named),
    /// Tell everything that ever touched one, in order; one that is deleted by its id.
    #[command(after_help = "Example: windlass security-group history web")]
    History(Touched),
    /// Delete one that nothing uses.
    #[command(after_help = "Example: windlass security-group delete web")]
    Delete(Named),
}

pub(crate) async fn group(app: &App, command: Group) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    match command {
        Group::Create { name, rule } => {
            let rules = rule.iter().map(|text| parse_rule(app, text)).collect::<Result<_, _>>()?;
            let security_group = Some(v1::SecurityGroup { display_name: name, rules, ..Default::default() });
            let parent = app.parent()?;
            let request = v1::CreateSecurityGroupRequest {
                parent,
                security_group,
                validate_only,
                ..Default::default()
            };
            resource::change(app, request).await
        }
        Group::SetRules { name, rule } => {
            let rules = rule.iter().map(|text| parse_rule(app, text)).collect::<Result<_, _>>()?;
            let name = app.name("securityGroups", &name)?;
            let request =
                v1::SetSecurityGroupRulesRequest { name, rules, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
        Group::List(listed) => {
            let (parent, filter) = (app.parent()?, listed.filter);
            let request = v1::ListSecurityGroupsRequest { parent, filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Group::History(touched) => timeline::of(app, "securityGroups", touched).await,
        Group::Get(named) => {
            let name = app.name("securityGroups", &named.name)?;
            resource::get(app, v1::GetSecurityGroupRequest { name, ..Default::default() }).await
        }
        Group::Delete(named) => {
            let name = app.name("securityGroups", &named.name)?;
            resource::change(
                app,
                v1::DeleteSecurityGroupRequest { name, validate_only, ..Default::default() },
            )
            .await
        }
    }
}

/// `direction:protocol:ports:remote`; ports empty, one or FIRST-LAST; remote empty, a range, `group=NAME` or `group=self`.
fn parse_rule(app: &App, text: &str) -> anyhow::Result<v1::SecurityRule> {
    use v1::security_rule::{Direction, Protocol, Remote};
    let usage = || {
        crate::exit::Usage(format!(
            "rule {text}: expected DIRECTION:PROTOCOL:PORTS:REMOTE, as ingress:tcp:22:0.0.0.0/0"
        ))
    };
    let mut parts = text.splitn(4, ':');
    let (direction, protocol) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (ports, remote) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let direction = match direction {
        "ingress" => Direction::Ingress,
        "egress" => Direction::Egress,
        _ => anyhow::bail!(usage()),
    };
    let protocol = match protocol {
        "any" => Protocol::Any,
        "icmp" => Protocol::Icmp,
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => anyhow::bail!(usage()),
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| usage());
    let (port_min, port_max) = match ports.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None if ports.is_empty() => (0, 0),
        None => (number(ports)?, number(ports)?),
    };
    let remote = match remote.strip_prefix("group=") {
        Some("self") => Some(Remote::RemoteGroup("self".into())),
        Some(group) => Some(Remote::RemoteGroup(app.name("securityGroups", group)?)),
        None => (!remote.is_empty()).then(|| Remote::RemoteCidr(remote.to_string())),
    };
    let (direction, protocol) = (direction as i32, protocol as i32);
    Ok(v1::SecurityRule { direction, protocol, port_min, port_max, remote })
}
