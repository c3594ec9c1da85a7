//! The manifest of a take, inside its file and beside it.

use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::de::IgnoredAny;

use super::image::{is_png, png_text};
use super::read::{first_frame, local, open};
use super::{MediaError, Result, ffmpeg};
use crate::durable::json_beside;

/// What every file says of itself: a picture that a trained model made.
///
/// # Source
/// IPTC NewsCodes, Digital Source Type.
pub const DIGITAL_SOURCE_TYPE: &str =
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

/// The key of the manifest. Matroska stores it in capitals.
pub(super) const KEY: &str = "kinora";
/// The manifest within a folder of frames.
pub(super) const IN_FOLDER: &str = "manifest.json";

/// The longest manifest that is read.
const MAX_BYTES: u64 = 64 << 20;

/// Reads the manifest of a file or of a folder of frames: from within, else from the JSON beside it. A JSON file is
/// read as it is.
///
/// # Errors
/// Where `path` is not there or not local, or has no manifest.
pub fn read_manifest(path: &Path) -> Result<String> {
    let path = &local(path)?;
    let source = |source| MediaError::Read { path: path.clone(), source };
    if path.metadata().map_err(source)?.is_dir() {
        return match read_json(&path.join(IN_FOLDER))? {
            Some(manifest) => Ok(manifest),
            None => embedded(&first_frame(path)?)?
                .ok_or_else(|| MediaError::NoManifest { path: path.clone() }),
        };
    }
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        return read_json(path)?.ok_or_else(|| MediaError::NoManifest { path: path.clone() });
    }
    let within = embedded(path);
    if let Ok(Some(manifest)) = within {
        return Ok(manifest);
    }
    match read_json(&json_beside(path))? {
        Some(manifest) => Ok(manifest),
        None => within?.ok_or_else(|| MediaError::NoManifest { path: path.clone() }),
    }
}

/// Refuses what is not JSON. JSON holds no NUL, so that what passes can travel through C.
pub(super) fn check(manifest: &str) -> Result<()> {
    serde_json::from_str::<IgnoredAny>(manifest)
        .map(|_| ())
        .map_err(|source| MediaError::BadManifest { source })
}

/// XMP that says [`DIGITAL_SOURCE_TYPE`], for PNG.
pub(super) fn xmp() -> String {
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
         <rdf:Description rdf:about=\"\" xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\" \
         Iptc4xmpExt:DigitalSourceType=\"{DIGITAL_SOURCE_TYPE}\"/>\
         </rdf:RDF></x:xmpmeta><?xpacket end=\"r\"?>"
    )
}

fn embedded(path: &Path) -> Result<Option<String>> {
    let tags = if is_png(path)? { png_text(path)? } else { ffmpeg::metadata(path)? };
    Ok(tags.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(KEY)).map(|(_, value)| value))
}

/// `None` where there is no such file.
fn read_json(path: &Path) -> Result<Option<String>> {
    let file = match open(path) {
        Ok(file) => file,
        Err(MediaError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|source| MediaError::Read { path: path.to_owned(), source })?;
    check(&text).map_err(|error| MediaError::Decode {
        path: path.to_owned(),
        step: "parse the manifest",
        source: error.into(),
    })?;
    Ok(Some(text))
}
