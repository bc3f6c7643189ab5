//! Request fields to domain types: each is parsed here or refused with its path. It knows no rule of the cloud.

use std::net::IpAddr;

use prost_types::Timestamp;
use windlass_proto::v1::{self, ErrorReason};
use windlass_sagas::ids::{Hash, RequestId, Time, from_hex};
use windlass_sagas::limits::{NAME_BYTES_MAX, TEXT_BYTES_MAX};
use windlass_sagas::record::{Amounts, Cidr, Mac, Role};

use super::errors::Problem;

/// A SHA-256 value.
pub(super) fn hash(text: &str, field: &str) -> Result<Hash, Problem> {
    from_hex(text).map(Hash).ok_or_else(|| Problem::field(field, format!("{field} is 64 hexadecimal digits")))
}

/// A change's id, which every change has.
pub(super) fn request_id(text: &str) -> Result<RequestId, Problem> {
    let refuse = |reason, message: &str| {
        Problem::new(reason, message).of_field("request_id").hint("make a new UUIDv7 for each new change")
    };
    if text.is_empty() {
        return Err(refuse(ErrorReason::RequestIdRequired, "every change carries a request_id"));
    }
    let id = text.parse::<RequestId>().ok().filter(|id| id.made_at_ms().is_some());
    id.ok_or_else(|| refuse(ErrorReason::RequestIdInvalid, "request_id is not a UUIDv7"))
}

/// A message that must be there.
pub(super) fn required<T>(message: Option<T>, field: &str) -> Result<T, Problem> {
    message.ok_or_else(|| Problem::field(field, format!("{field} is required")))
}

/// A name that somebody chooses for something new; `decide` knows what else it may not be.
pub(super) fn display_name(name: &str, field: &str) -> Result<String, Problem> {
    let field = format!("{field}.display_name");
    if name.is_empty() {
        return Err(Problem::field(&*field, format!("{field} is required")));
    }
    if name.contains('/') {
        return Err(Problem::field(&*field, format!("{field} has no slash")));
    }
    text(name, &field, NAME_BYTES_MAX)
}

/// A text of at most so many bytes.
pub(super) fn text(value: &str, field: &str, bytes_max: usize) -> Result<String, Problem> {
    if value.len() > bytes_max {
        let message = format!("{field} has at most {bytes_max} bytes, this one {}", value.len());
        return Err(Problem::field(field, message));
    }
    Ok(value.to_owned())
}

/// A text that may be left out (empty).
pub(super) fn text_or_none(value: &str, field: &str) -> Result<Option<String>, Problem> {
    if value.is_empty() { Ok(None) } else { text(value, field, NAME_BYTES_MAX).map(Some) }
}

/// An operator's reason.
pub(super) fn reason(value: &str) -> Result<String, Problem> {
    if value.trim().is_empty() {
        return Err(Problem::field("reason", "a reason is required, and is recorded"));
    }
    text(value, "reason", TEXT_BYTES_MAX)
}

/// A list of at most so many.
pub(super) fn at_most(count: usize, max: usize, field: &str) -> Result<(), Problem> {
    if count > max {
        return Err(Problem::field(field, format!("at most {max} of {field}, got {count}")));
    }
    Ok(())
}

/// Words of at most `NAME_BYTES_MAX` bytes each, none empty.
pub(super) fn words(values: &[String], max: usize, field: &str) -> Result<Vec<String>, Problem> {
    at_most(values.len(), max, field)?;
    let word = |value: &String| {
        if value.is_empty() {
            return Err(Problem::field(field, format!("{field} has an empty entry")));
        }
        text(value, field, NAME_BYTES_MAX)
    };
    values.iter().map(word).collect()
}

/// An IP address.
pub(super) fn ip(text: &str, field: &str) -> Result<IpAddr, Problem> {
    text.parse().map_err(|_| Problem::field(field, format!("{field} is not an IP address")))
}

/// An IP address that may be left out (empty).
pub(super) fn ip_or_none(text: &str, field: &str) -> Result<Option<IpAddr>, Problem> {
    if text.is_empty() { Ok(None) } else { ip(text, field).map(Some) }
}

/// An address range, as `10.0.0.0/24`; whether it is a network is `decide`'s to say.
pub(super) fn cidr(text: &str, field: &str) -> Result<Cidr, Problem> {
    let bad = || Problem::field(field, format!("{field} is not an address range, as 10.0.0.0/24"));
    let (address, prefix) = text.split_once('/').ok_or_else(bad)?;
    let address: IpAddr = address.parse().map_err(|_| bad())?;
    let prefix_bits: u8 = prefix.parse().map_err(|_| bad())?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    if prefix_bits > bits_max { Err(bad()) } else { Ok(Cidr { address, prefix_bits }) }
}

/// Whether an address lies in a range.
pub(super) fn contains(cidr: Cidr, ip: IpAddr) -> bool {
    let (network, address, host_bits) = match (cidr.address, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let bits = 32_u32.saturating_sub(u32::from(cidr.prefix_bits));
            (u128::from(u32::from(network)), u128::from(u32::from(ip)), bits)
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            (u128::from(network), u128::from(ip), 128_u32.saturating_sub(u32::from(cidr.prefix_bits)))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    network.checked_shr(host_bits).unwrap_or(0) == address.checked_shr(host_bits).unwrap_or(0)
}

/// A MAC, as `fa:16:3e:00:00:01`.
pub(super) fn mac(text: &str, field: &str) -> Result<Mac, Problem> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let [one] = parts.next().and_then(from_hex::<1>).ok_or_else(|| bad_mac(field))?;
        *byte = one;
    }
    if parts.next().is_some() { Err(bad_mac(field)) } else { Ok(Mac(bytes)) }
}

fn bad_mac(field: &str) -> Problem {
    Problem::field(field, format!("{field} is not a MAC, as fa:16:3e:00:00:01"))
}

/// A moment, to the microsecond.
pub(super) fn time(stamp: &Timestamp, field: &str) -> Result<Time, Problem> {
    let micros = stamp
        .seconds
        .checked_mul(1_000_000)
        .and_then(|micros| micros.checked_add(i64::from(stamp.nanos) / 1_000))
        .filter(|_| (0..1_000_000_000).contains(&stamp.nanos));
    micros.map(Time).ok_or_else(|| Problem::field(field, format!("{field} is not a time")))
}

/// A time for answers.
pub(super) fn stamp(time: Time) -> Option<Timestamp> {
    let nanos = i32::try_from(time.0.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    Some(Timestamp { seconds: time.0.div_euclid(1_000_000), nanos })
}

/// A time as text, as the API's JSON writes it.
pub(super) fn rfc3339(time: Time) -> String {
    stamp(time).map(|stamp| stamp.to_string()).unwrap_or_default()
}

/// What a host does.
pub(super) fn role(role: i32, field: &str) -> Result<Role, Problem> {
    match v1::host::Role::try_from(role) {
        Ok(v1::host::Role::Hypervisor) => Ok(Role::Hypervisor),
        Ok(v1::host::Role::Storage) => Ok(Role::Storage),
        Ok(v1::host::Role::Network) => Ok(Role::Network),
        Ok(v1::host::Role::Unspecified) | Err(_) => Err(unknown(field)),
    }
}

/// An enum's number that is none of its values, or the one that chooses nothing.
pub(super) fn unknown(field: &str) -> Problem {
    Problem::field(field, format!("{field} is none of its values"))
}

/// A whole quota: every field set.
pub(super) fn amounts(amounts: &v1::Amounts, field: &str) -> Result<Amounts, Problem> {
    let need = |value: Option<u64>, name: &str| {
        value.ok_or_else(|| {
            let path = format!("{field}.{name}");
            Problem::field(&*path, format!("{path} must be set: a quota is set as a whole"))
        })
    };
    Ok(Amounts {
        servers: need(amounts.servers, "servers")?,
        vcpus: need(amounts.vcpus, "vcpus")?,
        ram_mib: need(amounts.ram_mib, "ram_mib")?,
        volumes: need(amounts.volumes, "volumes")?,
        gib: need(amounts.gib, "gib")?,
        networks: need(amounts.networks, "networks")?,
        ports: need(amounts.ports, "ports")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_before_and_after_1970() {
        for micros in [0, 1, -1, 1_790_000_000_123_456, i64::MAX / 2_000_000 * 1_000_000] {
            let stamp = stamp(Time(micros)).expect("a time");
            assert_eq!(time(&stamp, "t"), Ok(Time(micros)));
        }
        assert!(time(&Timestamp { seconds: i64::MAX, nanos: 0 }, "t").is_err());
        assert!(time(&Timestamp { seconds: 0, nanos: -1 }, "t").is_err());
    }

    #[test]
    fn addresses_are_parsed_or_refused_with_their_field() {
        assert_eq!(mac("fa:16:3e:00:00:01", "m").map(|mac| mac.to_string()), Ok("fa:16:3e:00:00:01".into()));
        for bad in ["", "fa:16", "fa:16:3e:00:00:01:02", "fa-16-3e-00-00-01", "zz:16:3e:00:00:01"] {
            assert!(mac(bad, "m").is_err(), "{bad}");
        }
        assert!(cidr("10.0.0.0/24", "c").is_ok() && cidr("fd00::/64", "c").is_ok());
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "x/8", "fd00::/129"] {
            assert!(cidr(bad, "c").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_range_holds_its_own_addresses_only() {
        let holds = |range: &str, ip: &str| contains(cidr(range, "c").expect(range), ip.parse().expect(ip));
        assert!(holds("10.0.0.0/24", "10.0.0.255") && !holds("10.0.0.0/24", "10.0.1.0"));
        assert!(holds("0.0.0.0/0", "192.0.2.1") && holds("fd00::/64", "fd00::1"));
        assert!(holds("::/0", "fd00::1") && !holds("fd00::/64", "fd00:0:0:1::1"));
        assert!(!holds("::/0", "10.0.0.1"));
    }

    #[test]
    fn a_request_id_is_a_uuid_of_version_seven() {
        let reason = |text| request_id(text).expect_err("refused").reason();
        assert_eq!(reason(""), ErrorReason::RequestIdRequired);
        assert_eq!(reason("blue"), ErrorReason::RequestIdInvalid);
        assert_eq!(reason("01234567-89ab-4def-8123-456789abcdef"), ErrorReason::RequestIdInvalid);
        assert!(request_id("01890000-0000-7000-8000-000000000001").is_ok());
    }
}
