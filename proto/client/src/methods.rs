//! The unary methods of the public API as types: each request knows its path and its answer. The table is checked
//! against the descriptor, so that no method is missing and none is wrong.

use windlass_proto::v1::*;

/// A request of a unary method.
pub trait Unary: prost::Message + Clone + 'static {
    /// What it is answered with.
    type Answer: prost::Message + Default + 'static;
    /// The method's path in HTTP/2.
    const PATH: &'static str;

    /// Its request id, where it is a change.
    fn request_id(&mut self) -> Option<&mut String> {
        None
    }

    /// The moment that it reads, where it is a read.
    fn read_at(&mut self) -> Option<&mut Option<ReadAt>> {
        None
    }
}

/// A request whose answer is a page.
pub trait List: Unary {
    /// What the list is of.
    type Item;

    /// Sets the token of the wanted page.
    fn set_page_token(&mut self, token: String);
    /// Sets how many items a page holds at most; at most 1,000, 0 = 100.
    fn set_page_size(&mut self, size: u32);
    /// The page's items, the token of the next page, and the position that the page speaks for.
    fn open(page: Self::Answer) -> (Vec<Self::Item>, String, u64);
}

macro_rules! methods {
    (
        reads { $($read:ident $read_path:literal => $read_answer:ident;)* }
        orders { $($order:ident $order_path:literal => $order_answer:ident;)* }
        lists { $($list:ident $list_path:literal => $page:ident [$items:ident: $item:ident];)* }
        changes { $($change:ident $change_path:literal;)* }
    ) => {
        $(impl Unary for $read {
            type Answer = $read_answer;
            const PATH: &'static str = concat!("/windlass.v1.", $read_path);
            fn read_at(&mut self) -> Option<&mut Option<ReadAt>> {
                Some(&mut self.read_at)
            }
        })*
        $(impl Unary for $order {
            type Answer = $order_answer;
            const PATH: &'static str = concat!("/windlass.v1.", $order_path);
        })*
        $(impl Unary for $list {
            type Answer = $page;
            const PATH: &'static str = concat!("/windlass.v1.", $list_path);
            fn read_at(&mut self) -> Option<&mut Option<ReadAt>> {
                Some(&mut self.read_at)
            }
        }
        impl List for $list {
            type Item = $item;
            fn set_page_token(&mut self, token: String) {
                self.page_token = token;
            }
            fn set_page_size(&mut self, size: u32) {
                self.page_size = size;
            }
            fn open(page: $page) -> (Vec<$item>, String, u64) {
                (page.$items, page.next_page_token, page.position)
            }
        })*
        $(impl Unary for $change {
            type Answer = Operation;
            const PATH: &'static str = concat!("/windlass.v1.", $change_path);
            fn request_id(&mut self) -> Option<&mut String> {
                Some(&mut self.request_id)
            }
        })*
        /// Each unary method's path with the full names of its request and its answer.
        pub fn unary_paths() -> Vec<(&'static str, String, String)> {
            fn row<M: Unary + prost::Name>() -> (&'static str, String, String)
            where
                M::Answer: prost::Name,
            {
                (M::PATH, <M as prost::Name>::full_name(), <M::Answer as prost::Name>::full_name())
            }
            vec![$(row::<$read>(),)* $(row::<$order>(),)* $(row::<$list>(),)* $(row::<$change>(),)*]
        }
    };
}

methods! {
    reads {
        GetServerRequest "ServerService/GetServer" => Server;
        GetVolumeRequest "VolumeService/GetVolume" => Volume;
        GetNetworkRequest "NetworkService/GetNetwork" => Network;
        GetSubnetRequest "SubnetService/GetSubnet" => Subnet;
        GetPortRequest "PortService/GetPort" => Port;
        GetSecurityGroupRequest "SecurityGroupService/GetSecurityGroup" => SecurityGroup;
        GetFlavorRequest "FlavorService/GetFlavor" => Flavor;
        GetImageRequest "ImageService/GetImage" => Image;
        GetKeyPairRequest "KeyPairService/GetKeyPair" => KeyPair;
        GetProjectRequest "ProjectService/GetProject" => Project;
        GetQuotaRequest "ProjectService/GetQuota" => Quota;
        GetServerConsoleRequest "ServerService/GetServerConsole" => GetServerConsoleResponse;
        GetHostRequest "HostService/GetHost" => Host;
        GetFaultRequest "FaultService/GetFault" => PlannedFault;
        GetPrincipalRequest "AccessService/GetPrincipal" => Principal;
        GetOperationRequest "OperationService/GetOperation" => Operation;
        GetCellRequest "CellService/GetCell" => Cell;
        DoctorRequest "CellService/Doctor" => DoctorResponse;
        DiffRequest "HistoryService/Diff" => DiffResponse;
        GetRecoveryRequest "CellService/GetRecovery" => Recovery;
    }
    orders {
        // It answers no operation; the commit that it names makes it safe to send again.
        RecoverRequest "CellService/Recover" => Recovery;
    }
    lists {
        ListServersRequest "ServerService/ListServers" => ListServersResponse [servers: Server];
        ListVolumesRequest "VolumeService/ListVolumes" => ListVolumesResponse [volumes: Volume];
        ListNetworksRequest "NetworkService/ListNetworks" => ListNetworksResponse [networks: Network];
        ListSubnetsRequest "SubnetService/ListSubnets" => ListSubnetsResponse [subnets: Subnet];
        ListPortsRequest "PortService/ListPorts" => ListPortsResponse [ports: Port];
        ListSecurityGroupsRequest "SecurityGroupService/ListSecurityGroups"
            => ListSecurityGroupsResponse [security_groups: SecurityGroup];
        ListFlavorsRequest "FlavorService/ListFlavors" => ListFlavorsResponse [flavors: Flavor];
        ListImagesRequest "ImageService/ListImages" => ListImagesResponse [images: Image];
        ListKeyPairsRequest "KeyPairService/ListKeyPairs" => ListKeyPairsResponse [key_pairs: KeyPair];
        ListProjectsRequest "ProjectService/ListProjects" => ListProjectsResponse [projects: Project];
        ListHostsRequest "HostService/ListHosts" => ListHostsResponse [hosts: Host];
        ListJoinTokensRequest "HostService/ListJoinTokens" => ListJoinTokensResponse [join_tokens: JoinToken];
        ListFaultsRequest "FaultService/ListFaults" => ListFaultsResponse [faults: PlannedFault];
        ListPrincipalsRequest "AccessService/ListPrincipals" => ListPrincipalsResponse [principals: Principal];
        ListApiTokensRequest "AccessService/ListApiTokens" => ListApiTokensResponse [api_tokens: ApiToken];
        ListOperationsRequest "OperationService/ListOperations" => ListOperationsResponse [operations: Operation];
        ListQuarantineRequest "OperationService/ListQuarantine"
            => ListQuarantineResponse [resources: QuarantinedResource];
        ListEventsRequest "HistoryService/ListEvents" => ListEventsResponse [events: Event];
    }
    changes {
        CreateServerRequest "ServerService/CreateServer";
        DeleteServerRequest "ServerService/DeleteServer";
        StartServerRequest "ServerService/StartServer";
        StopServerRequest "ServerService/StopServer";
        RebootServerRequest "ServerService/RebootServer";
        CreateVolumeRequest "VolumeService/CreateVolume";
        DeleteVolumeRequest "VolumeService/DeleteVolume";
        AttachVolumeRequest "VolumeService/AttachVolume";
        DetachVolumeRequest "VolumeService/DetachVolume";
        CreateNetworkRequest "NetworkService/CreateNetwork";
        DeleteNetworkRequest "NetworkService/DeleteNetwork";
        CreateSubnetRequest "SubnetService/CreateSubnet";
        DeleteSubnetRequest "SubnetService/DeleteSubnet";
        CreatePortRequest "PortService/CreatePort";
        DeletePortRequest "PortService/DeletePort";
        CreateSecurityGroupRequest "SecurityGroupService/CreateSecurityGroup";
        DeleteSecurityGroupRequest "SecurityGroupService/DeleteSecurityGroup";
        SetSecurityGroupRulesRequest "SecurityGroupService/SetSecurityGroupRules";
        CreateFlavorRequest "FlavorService/CreateFlavor";
        DeleteFlavorRequest "FlavorService/DeleteFlavor";
        CreateImageRequest "ImageService/CreateImage";
        DeleteImageRequest "ImageService/DeleteImage";
        SetImageBootRequest "ImageService/SetImageBoot";
        CreateKeyPairRequest "KeyPairService/CreateKeyPair";
        DeleteKeyPairRequest "KeyPairService/DeleteKeyPair";
        CreateProjectRequest "ProjectService/CreateProject";
        DeleteProjectRequest "ProjectService/DeleteProject";
        SetQuotaRequest "ProjectService/SetQuota";
        DrainHostRequest "HostService/DrainHost";
        UndrainHostRequest "HostService/UndrainHost";
        DeclareHostGoneRequest "HostService/DeclareHostGone";
        AffirmHostPoweredOffRequest "HostService/AffirmHostPoweredOff";
        RejoinHostRequest "HostService/RejoinHost";
        CreateJoinTokenRequest "HostService/CreateJoinToken";
        RevokeJoinTokenRequest "HostService/RevokeJoinToken";
        ArmFaultRequest "FaultService/ArmFault";
        DisarmFaultRequest "FaultService/DisarmFault";
        CreatePrincipalRequest "AccessService/CreatePrincipal";
        DeletePrincipalRequest "AccessService/DeletePrincipal";
        CreateApiTokenRequest "AccessService/CreateApiToken";
        RevokeApiTokenRequest "AccessService/RevokeApiToken";
        GrantRoleRequest "AccessService/GrantRole";
        RevokeRoleRequest "AccessService/RevokeRole";
        CancelOperationRequest "OperationService/CancelOperation";
        RetryOperationRequest "OperationService/RetryOperation";
        SkipStepRequest "OperationService/SkipStep";
        AbandonOperationRequest "OperationService/AbandonOperation";
        AdoptResourceRequest "OperationService/AdoptResource";
        DiscardResourceRequest "OperationService/DiscardResource";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_descriptor() {
        let mut table = unary_paths();
        table.sort();
        let mut described = Vec::new();
        for service in
            windlass_proto::pool().services().filter(|service| service.package_name() == "windlass.v1")
        {
            for method in
                service.methods().filter(|it| !it.is_server_streaming() && !it.is_client_streaming())
            {
                let path = format!("/{}/{}", service.full_name(), method.name());
                described.push((path, method.input().full_name().into(), method.output().full_name().into()));
            }
        }
        described.sort();
        let table: Vec<(String, String, String)> =
            table.into_iter().map(|(path, request, answer)| (path.to_owned(), request, answer)).collect();
        assert_eq!(table, described);
    }
}
