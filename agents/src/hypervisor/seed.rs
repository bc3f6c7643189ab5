//! What a guest is told at its start: a small FAT file system labelled CIDATA with `meta-data` and `user-data`, which
//! cloud-init's NoCloud source reads (cloud-init, "NoCloud").

use std::io::{Cursor, Write as _};

use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions, format_volume};
use serde_json::{Map, Value, json};
use windlass_sagas::record::GuestSetup;

/// The room beside the user data, bytes.
const ROOM: usize = 1024 * 1024;

/// The file system's bytes.
pub(super) fn seed(setup: &GuestSetup, user_data: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = (ROOM + user_data.len()).next_multiple_of(512);
    let mut bytes = Cursor::new(vec![0; length]);
    let options = FormatVolumeOptions::new().volume_label(*b"CIDATA     ").fat_type(FatType::Fat12);
    // Large user data needs more clusters than FAT12 has.
    let options = if length > 2 * ROOM { options.fat_type(FatType::Fat16) } else { options };
    format_volume(&mut bytes, options)?;
    {
        let system = FileSystem::new(&mut bytes, FsOptions::new())?;
        let root = system.root_dir();
        root.create_file("meta-data")?.write_all(meta_data(setup).to_string().as_bytes())?;
        root.create_file("user-data")?.write_all(user_data)?;
    }
    Ok(bytes.into_inner())
}

/// JSON, which is YAML too.
fn meta_data(setup: &GuestSetup) -> Value {
    let pairs = setup.metadata.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
    json!({
        "instance-id": setup.server.to_string(),
        "local-hostname": setup.name,
        "public-keys": setup.public_key.iter().collect::<Vec<_>>(),
        "metadata": pairs.collect::<Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use windlass_sagas::ids::ServerId;

    use super::*;

    fn read(bytes: Vec<u8>, name: &str) -> Vec<u8> {
        let mut cursor = Cursor::new(bytes);
        let system = FileSystem::new(&mut cursor, FsOptions::new()).unwrap();
        assert_eq!(system.volume_label(), "CIDATA");
        let mut text = Vec::new();
        system.root_dir().open_file(name).unwrap().read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn what_is_written_is_read_whatever_its_size() {
        let setup = GuestSetup {
            server: ServerId([3; 16]),
            name: "web".into(),
            vcpus: 1,
            ram_mib: 128,
            volumes: Vec::new(),
            ports: Vec::new(),
            public_key: Some("ssh-ed25519 AAAA".into()),
            user_data: None,
            metadata: vec![("role".into(), "front".into())],
        };
        for size in [0, 11, 65_536, 5 * ROOM] {
            let user_data = vec![b'u'; size];
            let bytes = seed(&setup, &user_data).unwrap();
            assert_eq!(read(bytes.clone(), "user-data"), user_data);
            let meta: Value = serde_json::from_slice(&read(bytes, "meta-data")).unwrap();
            assert_eq!(meta["local-hostname"], "web");
            assert_eq!(meta["metadata"]["role"], "front");
            assert_eq!(meta["public-keys"][0], "ssh-ed25519 AAAA");
        }
    }
}
