//! Checkpoint files written byte by byte.

use std::path::PathBuf;

use tempfile::TempDir;

/// A safetensors file of a header and so many zero bytes of data.
pub(crate) fn safetensors(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + data_bytes, 0);
    file
}

/// A safetensors file of f32 tensors: name, shape, values.
pub(crate) fn floats(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut data: Vec<u8> = Vec::new();
    for (name, shape, values) in tensors {
        let begin = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let end = data.len();
        entries.push(format!(
            r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#
        ));
    }
    let mut file = safetensors(&format!("{{{}}}", entries.join(",")), 0);
    file.extend(data);
    file
}

/// A zip archive of stored members.
pub(crate) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let offset = file.len() as u32;
        let size = content.len() as u32;
        // Version, flags, method, time, date and checksum, the last three left out.
        let common: Vec<u8> =
            [20u16, 0, 0, 0, 0, 0, 0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let sizes = [size.to_le_bytes(), size.to_le_bytes()].concat();
        let name_length = (name.len() as u16).to_le_bytes();
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(&sizes);
        file.extend(name_length);
        file.extend([0; 2]);
        file.extend(name.as_bytes());
        file.extend(*content);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend(&sizes);
        directory.extend(name_length);
        directory.extend([0; 12]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, count) = (file.len() as u32, members.len() as u16);
    let size = directory.len() as u32;
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    file.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
    file.extend([0; 2]);
    file
}

/// The pickle instruction for text.
pub(crate) fn text(text: &str) -> Vec<u8> {
    [b"X", (text.len() as u32).to_le_bytes().as_slice(), text.as_bytes()].concat()
}

/// A state dict of one f32 tensor `w`. `storage` and `arguments` are the pickle of what goes into the two tuples.
pub(crate) fn state_dict(storage: &[u8], arguments: &[u8]) -> Vec<u8> {
    [
        b"\x80\x02}".as_slice(),
        &text("w"),
        b"ctorch._utils\n_rebuild_tensor_v2\n((",
        storage,
        b"tQ",
        arguments,
        b"tRs.",
    ]
    .concat()
}

/// The pickle of a storage: `elements` f32 numbers in the archive's member `data/0`.
pub(crate) fn storage(elements: u8) -> Vec<u8> {
    let (kind, key, device) = (text("storage"), text("0"), text("cpu"));
    [&kind, b"ctorch\nFloatStorage\n".as_slice(), &key, &device, b"K", &[elements]].concat()
}

/// A `.pth` file of a pickle and the bytes of its storage `0`.
pub(crate) fn pth(pickle: &[u8], data: &[u8]) -> Vec<u8> {
    archive(&[("state/data.pkl", pickle), ("state/byteorder", b"little"), ("state/data/0", data)])
}

/// Writes a file into a new folder, which lasts as long as the returned handle.
pub(crate) fn written(name: &str, content: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("because tests can write temporary files");
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("because tests can write temporary files");
    (folder, path)
}
