//! `SecurityGroupService`: security groups made, read, changed and deleted.

use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::security_group_service_server::SecurityGroupService;
use windlass_proto::v1::security_rule;
use windlass_sagas::cell::state::SecurityGroup;
use windlass_sagas::ids::SecurityGroupId;
use windlass_sagas::limits::SECURITY_RULES_MAX;
use windlass_sagas::record::{self, Body, Protocol, RuleAsked, RuleDirection};

use super::Api;
use super::call::{Answer, change};
use super::errors::{FieldNames, Problem};
use super::fields;
use super::list::{Row, ask, page};
use super::view::{Named, Place, View};
use super::visit::point;

const CREATE: FieldNames = &[
    ("name", "security_group.display_name"),
    ("rules", "security_group.rules"),
    ("rules.ports", "security_group.rules.port_min"),
    ("rules.remote", "security_group.rules.remote_cidr"),
    ("rules.remote_group", "security_group.rules.remote_group"),
];
const SET: FieldNames =
    &[("group", "name"), ("rules.ports", "rules.port_min"), ("rules.remote", "rules.remote_cidr")];
const NAMED: FieldNames = &[("group", "name")];

#[tonic::async_trait]
impl SecurityGroupService for Api {
    async fn get_security_group(
        &self,
        request: Request<v1::GetSecurityGroupRequest>,
    ) -> Answer<v1::SecurityGroup> {
        let (call, asked) = Self::open("securityGroups.get", request)?;
        let named = Named::of(&asked.name, "securityGroups");
        self.read(call, point!(asked), named.place, move |view| {
            let group = view.found("security group", &named.last, |cell, id| {
                cell.security_groups.get(&SecurityGroupId(id)).map(|it| (it, it.project))
            })?;
            Ok(view.security_group(group))
        })
        .await
    }

    async fn list_security_groups(
        &self,
        request: Request<v1::ListSecurityGroupsRequest>,
    ) -> Answer<v1::ListSecurityGroupsResponse> {
        let (call, asked) = Self::open("securityGroups.list", request)?;
        let (place, ask) = (Place::parent_or_every(&asked.parent), ask!(call.method, asked, asked.parent));
        self.read(call, point!(asked), place, move |view| {
            let own = view.cell.security_groups.values().filter(|group| view.lists(group.project));
            let rows = own.map(|group| Row {
                created: group.created,
                name: &group.name,
                id: group.id.0,
                item: group,
            });
            let values = |group: &SecurityGroup, _: &str| vec![group.name.clone()];
            let (security_groups, next_page_token) =
                page(&ask, &["display_name"], rows, values, |it| view.security_group(it))?;
            let position = view.position();
            Ok(v1::ListSecurityGroupsResponse { security_groups, next_page_token, position })
        })
        .await
    }

    async fn create_security_group(
        &self,
        request: Request<v1::CreateSecurityGroupRequest>,
    ) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("securityGroups.create", request)?;
        let (change, place) = (change!(asked), Place::parent(&asked.parent));
        let build = move |view: &View<'_>| {
            let group = fields::required(asked.security_group, "security_group")?;
            if group.display_name == "self" {
                let message = "`self` means the group of a rule itself";
                return Err(Problem::field("security_group.display_name", message));
            }
            Ok(Body::CreateSecurityGroup(record::CreateSecurityGroup {
                name: fields::display_name(&group.display_name, "security_group")?,
                rules: rules(view, &group.rules, "security_group.rules")?,
            }))
        };
        self.change(call, change, place, CREATE, build).await
    }

    async fn delete_security_group(
        &self,
        request: Request<v1::DeleteSecurityGroupRequest>,
    ) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("securityGroups.delete", request)?;
        let Named { place, last: group } = Named::of(&asked.name, "securityGroups");
        let build = |_: &View<'_>| Ok(Body::DeleteSecurityGroup(record::DeleteSecurityGroup { group }));
        self.change(call, change!(asked), place, NAMED, build).await
    }

    async fn set_security_group_rules(
        &self,
        request: Request<v1::SetSecurityGroupRulesRequest>,
    ) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("securityGroups.setRules", request)?;
        let change = change!(asked);
        let Named { place, last: group } = Named::of(&asked.name, "securityGroups");
        let build = move |view: &View<'_>| {
            let rules = rules(view, &asked.rules, "rules")?;
            Ok(Body::SetSecurityRules(record::SetSecurityRules { group, rules }))
        };
        self.change(call, change, place, SET, build).await
    }
}

fn rules(view: &View<'_>, rules: &[v1::SecurityRule], field: &str) -> Result<Vec<RuleAsked>, Problem> {
    fields::at_most(rules.len(), SECURITY_RULES_MAX, field)?;
    rules.iter().enumerate().map(|(place, asked)| rule(view, asked, &format!("{field}[{place}]"))).collect()
}

fn rule(view: &View<'_>, rule: &v1::SecurityRule, field: &str) -> Result<RuleAsked, Problem> {
    let at = |name: &str| format!("{field}.{name}");
    let direction = match security_rule::Direction::try_from(rule.direction) {
        Ok(security_rule::Direction::Ingress) => RuleDirection::Ingress,
        Ok(security_rule::Direction::Egress) => RuleDirection::Egress,
        Ok(security_rule::Direction::Unspecified) | Err(_) => return Err(fields::unknown(&at("direction"))),
    };
    let protocol = match security_rule::Protocol::try_from(rule.protocol) {
        Ok(security_rule::Protocol::Any) => Protocol::Any,
        Ok(security_rule::Protocol::Icmp) => Protocol::Icmp,
        Ok(security_rule::Protocol::Tcp) => Protocol::Tcp,
        Ok(security_rule::Protocol::Udp) => Protocol::Udp,
        Err(_) => return Err(fields::unknown(&at("protocol"))),
    };
    let port = |port: u32, name: &str| {
        u16::try_from(port)
            .map_err(|_| Problem::field(at(name), format!("a port is at most 65535, got {port}")))
    };
    let ports = (port(rule.port_min, "port_min")?, port(rule.port_max, "port_max")?);
    let (remote, remote_group) = match &rule.remote {
        None => (None, None),
        Some(security_rule::Remote::RemoteCidr(range)) => {
            (Some(fields::cidr(range, &at("remote_cidr"))?), None)
        }
        Some(security_rule::Remote::RemoteGroup(group)) if group == "self" => (None, Some(group.clone())),
        Some(security_rule::Remote::RemoteGroup(group)) => {
            (None, Some(view.own(group, "securityGroups", &at("remote_group"))?))
        }
    };
    let ports = (ports != (0, 0)).then_some(ports);
    Ok(RuleAsked { direction, protocol, ports, remote, remote_group })
}
