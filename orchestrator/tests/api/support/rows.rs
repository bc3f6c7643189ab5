//! One row a method of the public API: a request that is good on the stage, and bad ones with what they are refused
//! for. Tests compare the rows with the descriptor, so that no method is without one.

use prost::Message;
use windlass_client::Unary;
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::*;

use super::furniture::*;
use super::raw::{DOWNLOAD, EVENTS, WATCH};
use super::request_id;
use super::rows_cell;
use super::stage::{Stage, key_pair, security_group};

/// One method.
pub(crate) struct Row {
    pub(crate) path: String,
    /// A good request, with a request id that no other row has.
    pub(crate) valid: Vec<u8>,
    pub(crate) bad: Vec<Bad>,
}

/// A bad request, why it is refused, and the field at fault.
pub(crate) struct Bad {
    pub(crate) request: Vec<u8>,
    pub(crate) reason: ErrorReason,
    pub(crate) field: &'static str,
}

/// Collects rows.
#[derive(Default)]
pub(crate) struct Rows {
    rows: Vec<Row>,
    ids: u64,
}

/// What a bad request differs in from the good one.
pub(crate) type Spoil<M> = (fn(&mut M), ErrorReason, &'static str);

impl Rows {
    pub(crate) fn add<M: Unary>(&mut self, valid: M, bad: &[Spoil<M>]) {
        let bad = bad.iter().map(|(spoil, reason, field)| {
            let mut request = valid.clone();
            spoil(&mut request);
            Bad { request: self.encoded(request), reason: *reason, field }
        });
        let bad = bad.collect();
        let valid = self.encoded(valid);
        self.rows.push(Row { path: M::PATH.into(), valid, bad });
    }

    fn encoded<M: Unary>(&mut self, mut request: M) -> Vec<u8> {
        self.ids += 1;
        if let Some(id) = request.request_id() {
            *id = request_id(0, 500_000 + self.ids);
        }
        request.encode_to_vec()
    }
}

/// Every row.
pub(crate) fn all(stage: &Stage) -> Vec<Row> {
    let mut rows = Rows::default();
    reads(&mut rows, stage);
    lists(&mut rows, stage);
    creates(&mut rows);
    servers(&mut rows);
    power(&mut rows);
    console(&mut rows);
    deletes(&mut rows);
    rows_cell::add(&mut rows, stage);
    watch(&mut rows, stage);
    events(&mut rows);
    download(&mut rows);
    rows.rows
}

macro_rules! named {
    ($rows:expr, $($request:ident $name:expr;)*) => {$(
        $rows.add($request { name: $name.into(), ..Default::default() }, &[
            (|it| it.name = "nonsense".into(), InvalidField, "name"),
            (|it| it.name = format!("{}/more", it.name), InvalidField, "name"),
        ]);
    )*};
}
pub(crate) use named;

fn reads(rows: &mut Rows, stage: &Stage) {
    named! { rows,
        GetServerRequest "projects/blue/servers/web";
        GetVolumeRequest "projects/blue/volumes/free";
        GetNetworkRequest "projects/blue/networks/net";
        GetSubnetRequest "projects/blue/subnets/sub";
        GetPortRequest "projects/blue/ports/spare";
        GetSecurityGroupRequest "projects/blue/securityGroups/default";
        GetFlavorRequest "flavors/small";
        GetImageRequest "projects/blue/images/debian";
        GetKeyPairRequest "projects/blue/keyPairs/spare";
        GetProjectRequest "projects/blue";
        GetQuotaRequest "projects/blue/quota";
        GetHostRequest "hosts/h0";
        GetPrincipalRequest "principals/ben";
        GetOperationRequest stage.running.clone();
    }
}

macro_rules! listed {
    ($rows:expr, $($request:ident $parent:literal;)*) => {$(
        $rows.add($request { parent: $parent.into(), ..Default::default() }, &[
            (|it| it.parent = "nonsense".into(), InvalidField, "parent"),
            (|it| it.filter = "state".into(), FilterInvalid, "filter"),
            (|it| it.filter = "nonsense=1".into(), FilterInvalid, "filter"),
            (|it| it.page_size = 1_001, InvalidField, "page_size"),
            (|it| it.page_token = "nonsense".into(), PageTokenInvalid, "page_token"),
        ]);
    )*};
}

fn lists(rows: &mut Rows, stage: &Stage) {
    listed! { rows,
        ListServersRequest "projects/blue";
        ListVolumesRequest "projects/-";
        ListNetworksRequest "projects/blue";
        ListSubnetsRequest "projects/blue";
        ListPortsRequest "projects/blue";
        ListSecurityGroupsRequest "projects/blue";
        ListImagesRequest "projects/blue";
        ListKeyPairsRequest "projects/blue";
        ListOperationsRequest "projects/blue";
        ListQuarantineRequest "projects/blue";
        ListApiTokensRequest "principals/ben";
    }
    let parent = stage.running.clone();
    rows.add(
        ListEventsRequest { parent, ..Default::default() },
        &[
            (|it| it.parent = "operations/blue".into(), InvalidField, "parent"),
            (|it| it.parent = String::new(), InvalidField, "parent"),
            (|it| it.parent = "projects/blue".into(), InvalidField, "parent"),
            (|it| it.parent = "projects/blue/clouds/net".into(), InvalidField, "parent"),
            (|it| it.parent = "projects/blue/servers/none".into(), NotFound, "parent"),
            (|it| it.parent = "projects/none/servers/web".into(), NotFound, ""),
            (|it| it.parent = "hosts/none".into(), NotFound, "parent"),
            (|it| it.parent = "hosts/01234567-89ab-4def-8123-456789abcdef".into(), NotFound, "parent"),
            (|it| it.filter = "colour=1".into(), FilterInvalid, "filter"),
            (|it| it.order_by = "time".into(), FilterInvalid, "order_by"),
        ],
    );
    let from = Some(ReadAt { point: Some(read_at::Point::Position(7)) });
    rows.add(
        DiffRequest { parent: "projects/blue".into(), from, ..Default::default() },
        &[
            (|it| it.parent = "operations/blue".into(), InvalidField, "parent"),
            (|it| it.from = None, InvalidField, "from"),
            (
                |it| it.from = Some(ReadAt { point: Some(read_at::Point::Position(0)) }),
                PositionOutOfRange,
                "from",
            ),
        ],
    );
}

macro_rules! spoilt {
    ($field:ident . $inner:ident = $value:expr) => {
        |it| it.$field.as_mut().expect("set").$inner = $value
    };
}
pub(crate) use spoilt;

fn creates(rows: &mut Rows) {
    rows.add(
        volume("v2"),
        &[
            (|it| it.parent = String::new(), InvalidField, "parent"),
            (|it| it.volume = None, InvalidField, "volume"),
            (spoilt!(volume.display_name = String::new()), InvalidField, "volume.display_name"),
            (spoilt!(volume.display_name = "a/b".into()), InvalidField, "volume.display_name"),
            (spoilt!(volume.display_name = "a\nb".into()), InvalidField, "volume.display_name"),
            (spoilt!(volume.display_name = "x".repeat(256)), InvalidField, "volume.display_name"),
            (spoilt!(volume.display_name = "free".into()), NameTaken, "volume.display_name"),
            (spoilt!(volume.size_gib = 0), InvalidField, "volume.size_gib"),
            (spoilt!(volume.size_gib = 1 << 40), InvalidField, "volume.size_gib"),
            (spoilt!(volume.image = "debian".into()), InvalidField, "volume.image"),
            (spoilt!(volume.image = "projects/blue/images/none".into()), NotFound, "volume.image"),
            (spoilt!(volume.zone = "z".repeat(256)), InvalidField, "volume.zone"),
        ],
    );
    rows.add(
        network("n2"),
        &[
            (|it| it.network = None, InvalidField, "network"),
            (spoilt!(network.mtu = 100), InvalidField, "network.mtu"),
            (spoilt!(network.mtu = 70_000), InvalidField, "network.mtu"),
            (spoilt!(network.display_name = "net".into()), NameTaken, "network.display_name"),
        ],
    );
    rows.add(
        subnet("s2", "projects/blue/networks/net", "10.7.0.0/24"),
        &[
            (|it| it.subnet = None, InvalidField, "subnet"),
            (spoilt!(subnet.network = String::new()), InvalidField, "subnet.network"),
            (spoilt!(subnet.network = "projects/spare/networks/net".into()), InvalidField, "subnet.network"),
            (spoilt!(subnet.cidr = "10.0.0.0".into()), InvalidField, "subnet.cidr"),
            (spoilt!(subnet.cidr = "10.0.0.0/16".into()), InvalidField, "subnet.cidr"),
            (spoilt!(subnet.cidr = "10.7.0.1/24".into()), InvalidField, "subnet.cidr"),
            (spoilt!(subnet.gateway_ip = "192.0.2.1".into()), InvalidField, "subnet.gateway_ip"),
            (spoilt!(subnet.dns_nameservers = vec!["x".into()]), InvalidField, "subnet.dns_nameservers[0]"),
        ],
    );
    ports(rows);
    groups(rows);
}

fn ports(rows: &mut Rows) {
    rows.add(
        port("p2"),
        &[
            (|it| it.port = None, InvalidField, "port"),
            (spoilt!(port.network = "projects/blue/networks/none".into()), NotFound, "port.network"),
            (spoilt!(port.mac_address = "fa:16".into()), InvalidField, "port.mac_address"),
            (
                spoilt!(port.fixed_ips = vec![FixedIp { ip_address: "x".into(), ..Default::default() }]),
                InvalidField,
                "port.fixed_ips[0].ip_address",
            ),
            (
                spoilt!(
                    port.fixed_ips = vec![FixedIp { ip_address: "192.0.2.9".into(), ..Default::default() }]
                ),
                AddressUnavailable,
                "port.fixed_ips",
            ),
            (
                spoilt!(port.security_groups = vec!["projects/blue/securityGroups/none".into()]),
                NotFound,
                "port.security_groups",
            ),
        ],
    );
    rows.add(
        key_pair("k2"),
        &[
            (|it| it.key_pair = None, InvalidField, "key_pair"),
            (spoilt!(key_pair.public_key = String::new()), InvalidField, "key_pair.public_key"),
            (spoilt!(key_pair.public_key = "k".repeat(5_000)), InvalidField, "key_pair.public_key"),
        ],
    );
}

fn groups(rows: &mut Rows) {
    rows.add(
        security_group("g2"),
        &[
            (|it| it.security_group = None, InvalidField, "security_group"),
            (
                spoilt!(security_group.display_name = "self".into()),
                InvalidField,
                "security_group.display_name",
            ),
            (
                spoilt!(security_group.rules = vec![SecurityRule::default()]),
                InvalidField,
                "security_group.rules[0].direction",
            ),
        ],
    );
    let rules = security_group("g2").security_group.expect("set").rules;
    rows.add(
        SetSecurityGroupRulesRequest {
            name: "projects/blue/securityGroups/spare".into(),
            rules,
            ..Default::default()
        },
        &[
            (|it| it.name = "nonsense".into(), InvalidField, "name"),
            (|it| it.rules[0].port_max = 70_000, InvalidField, "rules[0].port_max"),
            (|it| it.rules[0].port_min = 23, InvalidField, "rules.port_min"),
            (|it| it.rules = vec![SecurityRule::default(); 101], InvalidField, "rules"),
        ],
    );
}

fn servers(rows: &mut Rows) {
    let mut good = server("web2");
    good.server.as_mut().expect("set").metadata.insert("colour".into(), "blue".into());
    rows.add(
        good,
        &[
            (|it| it.server = None, InvalidField, "server"),
            (spoilt!(server.display_name = "web".into()), NameTaken, "server.display_name"),
            (spoilt!(server.flavor = "small".into()), InvalidField, "server.flavor"),
            (spoilt!(server.flavor = "flavors/none".into()), NotFound, "server.flavor"),
            (spoilt!(server.image = String::new()), InvalidField, "server.image"),
            (spoilt!(server.interfaces = vec![]), InvalidField, "server.interfaces"),
            (
                spoilt!(server.interfaces = vec![server::Interface::default()]),
                InvalidField,
                "server.interfaces[0]",
            ),
            (
                |it| {
                    let server = it.server.as_mut().expect("set");
                    server.interfaces[0].network = "projects/blue/networks/none".into();
                },
                NotFound,
                "server.interfaces",
            ),
            (
                spoilt!(server.interfaces = vec![server::Interface::default(); 9]),
                InvalidField,
                "server.interfaces",
            ),
            (spoilt!(server.key_pair = "projects/blue/keyPairs/none".into()), NotFound, "server.key_pair"),
            (spoilt!(server.volumes = vec![Attachment::default()]), InvalidField, "server.volumes[0].volume"),
            (spoilt!(server.user_data = vec![1; 70_000]), InvalidField, "server.user_data"),
            (spoilt!(server.user_data = b"QFI\xfb, an image".to_vec()), InvalidField, "server.user_data"),
            (
                |it| drop(it.server.as_mut().expect("set").metadata.insert(String::new(), "x".into())),
                InvalidField,
                "server.metadata",
            ),
        ],
    );
    rows.add(
        AttachVolumeRequest {
            name: "projects/blue/volumes/free".into(),
            server: "projects/blue/servers/web".into(),
            ..Default::default()
        },
        &[
            (|it| it.name = "volumes/free".into(), InvalidField, "name"),
            (|it| it.server = String::new(), InvalidField, "server"),
            (|it| it.server = "projects/spare/servers/web".into(), InvalidField, "server"),
            (|it| it.server = "projects/blue/servers/none".into(), NotFound, "server"),
            (|it| it.name = "projects/blue/volumes/none".into(), NotFound, "name"),
        ],
    );
}

fn console(rows: &mut Rows) {
    rows.add(
        GetServerConsoleRequest { name: "projects/blue/servers/web".into(), ..Default::default() },
        &[
            (|it| it.name = "nonsense".into(), InvalidField, "name"),
            (|it| it.name = "projects/blue/servers/none".into(), NotFound, "name"),
            (|it| it.bytes_max = 262_145, InvalidField, "bytes_max"),
            (|it| it.name = "projects/blue/servers/off".into(), WrongState, ""),
        ],
    );
}

fn power(rows: &mut Rows) {
    let web = "projects/blue/servers/web";
    rows.add(
        StopServerRequest { name: web.into(), ..Default::default() },
        &[
            (|it| it.name = "nonsense".into(), InvalidField, "name"),
            (|it| it.name = "projects/blue/servers/none".into(), NotFound, "name"),
            (|it| it.name = "projects/blue/servers/off".into(), WrongState, ""),
            (|it| it.grace_s = Some(241), InvalidField, "grace_s"),
            (|it| it.grace_s = Some(u32::MAX), InvalidField, "grace_s"),
        ],
    );
    rows.add(
        RebootServerRequest { name: web.into(), grace_s: Some(0), ..Default::default() },
        &[
            (|it| it.name = "nonsense".into(), InvalidField, "name"),
            (|it| it.name = "projects/blue/servers/none".into(), NotFound, "name"),
            (|it| it.name = "projects/blue/servers/off".into(), WrongState, ""),
            (|it| it.grace_s = Some(241), InvalidField, "grace_s"),
        ],
    );
    let boot = image::Boot {
        kernel: "projects/blue/images/kernel".into(),
        initrd: "projects/blue/images/kernel".into(),
        cmdline: "console=ttyS0".into(),
    };
    let name = "projects/blue/images/spare".into();
    rows.add(
        SetImageBootRequest { name, boot: Some(boot), ..Default::default() },
        &[
            (|it| it.name = "nonsense".into(), InvalidField, "name"),
            (|it| it.name = "projects/blue/images/none".into(), NotFound, "name"),
            (|it| it.name = "projects/blue/images/debian".into(), ResourceInUse, ""),
            (|it| it.boot = None, InvalidField, "boot"),
            (spoilt!(boot.kernel = "projects/blue/images/none".into()), NotFound, "boot.kernel"),
            (spoilt!(boot.kernel = "projects/blue/images/debian".into()), InvalidField, "boot.kernel"),
            (spoilt!(boot.initrd = "nonsense".into()), InvalidField, "boot.initrd"),
            (spoilt!(boot.cmdline = "x".repeat(1_025)), InvalidField, "boot.cmdline"),
            (spoilt!(boot.cmdline = "é".into()), InvalidField, "boot.cmdline"),
        ],
    );
}

fn deletes(rows: &mut Rows) {
    named! { rows,
        DeleteServerRequest "projects/blue/servers/web";
        StartServerRequest "projects/blue/servers/off";
        DeleteVolumeRequest "projects/blue/volumes/free";
        DetachVolumeRequest "projects/blue/volumes/used";
        DeleteNetworkRequest "projects/blue/networks/spare";
        DeleteSubnetRequest "projects/blue/subnets/spare";
        DeletePortRequest "projects/blue/ports/spare";
        DeleteSecurityGroupRequest "projects/blue/securityGroups/spare";
        DeleteFlavorRequest "flavors/spare";
        DeleteImageRequest "projects/blue/images/spare";
        DeleteKeyPairRequest "projects/blue/keyPairs/spare";
        DeleteProjectRequest "projects/spare";
    }
}

/// It answers a stream and is no `Unary`.
fn download(rows: &mut Rows) {
    let valid = DownloadImageDataRequest { name: "projects/blue/images/bytes".into(), ..Default::default() };
    let bad = |name: &str, reason| {
        let request = DownloadImageDataRequest { name: name.into(), ..Default::default() };
        Bad {
            request: request.encode_to_vec(),
            reason,
            field: if reason == InvalidField { "name" } else { "" },
        }
    };
    let bad = vec![
        bad("nonsense", InvalidField),
        bad("projects/blue/volumes/free", InvalidField),
        bad("projects/blue/images/none", NotFound),
        bad("projects/blue/images/debian", ImageDataMissing),
    ];
    rows.rows.push(Row { path: DOWNLOAD.into(), valid: valid.encode_to_vec(), bad });
}

/// It answers a stream and is no `Unary`.
fn watch(rows: &mut Rows, stage: &Stage) {
    let valid = WatchOperationsRequest { parent: stage.running.clone(), ..Default::default() };
    let bad = |spoil: fn(&mut WatchOperationsRequest), reason, field| {
        let mut request = valid.clone();
        spoil(&mut request);
        Bad { request: request.encode_to_vec(), reason, field }
    };
    let bad = vec![
        bad(|it| it.parent = String::new(), InvalidField, "parent"),
        bad(|it| it.parent = "operations/blue".into(), InvalidField, "parent"),
        bad(|it| it.after_position = Some(u64::MAX), PositionOutOfRange, "after_position"),
        bad(|it| it.view = 99, InvalidField, "view"),
    ];
    rows.rows.push(Row { path: WATCH.into(), valid: valid.encode_to_vec(), bad });
}

/// So does this one.
fn events(rows: &mut Rows) {
    let valid = WatchEventsRequest { parent: "projects/blue".into(), ..Default::default() };
    let bad = |spoil: fn(&mut WatchEventsRequest), reason, field| {
        let mut request = valid.clone();
        spoil(&mut request);
        Bad { request: request.encode_to_vec(), reason, field }
    };
    let bad = vec![
        bad(|it| it.parent = String::new(), InvalidField, "parent"),
        bad(|it| it.parent = "operations/blue".into(), InvalidField, "parent"),
        bad(|it| it.filter = "colour=1".into(), FilterInvalid, "filter"),
        bad(|it| it.after_position = Some(u64::MAX), PositionOutOfRange, "after_position"),
    ];
    rows.rows.push(Row { path: EVENTS.into(), valid: valid.encode_to_vec(), bad });
}
