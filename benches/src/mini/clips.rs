//! Clips made elsewhere: a safetensors file with `frames`, u8 of (clips, frames, height, width, 3), and what was asked for
//! as JSON in its metadata, `captions_json`.

use std::error::Error;
use std::path::Path;

use kinora_engine::media::Frames;
use kinora_tests::world::Character;
use safetensors::{Dtype, SafeTensors};

use super::asked::Asked;
use super::{Source, Take};

/// Reads the clips of a file. Momo may come up where it was asked for.
pub(super) fn source(file: &Path) -> Result<Source, Box<dyn Error>> {
    let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes)?;
    let json = metadata.metadata().as_ref().and_then(|metadata| metadata.get("captions_json"));
    let asked = Asked::list(json.ok_or("the file has no captions_json")?)?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let frames = tensors.tensor("frames")?;
    let (shape, dtype) = (frames.shape(), frames.dtype());
    let [count, length, height, width, 3] = *shape else {
        return Err(format!("frames of (clips, frames, height, width, 3), not {shape:?}").into());
    };
    if dtype != Dtype::U8 || count != asked.len() {
        let said = asked.len();
        return Err(format!("{count} clips of {dtype:?} for {said} captions, expected U8").into());
    }
    let clip_bytes = (length * height * width * 3).max(1);
    let clips: Vec<Frames> = frames
        .data()
        .chunks_exact(clip_bytes)
        .map(|clip| Frames::new(width, height, clip.to_vec()))
        .collect::<Result<_, _>>()?;
    let momo = asked.iter().map(|asked| asked.character).find(|one| *one == Character::Momo);
    let characters = Character::ALL.into_iter().chain(momo).collect();
    let mut all = asked.into_iter().zip(clips);
    let next = move || Ok(all.next().map(|(asked, frames)| Take { asked, frames, first: None }));
    Ok(Source { what: "clips of the file", count, characters, next: Box::new(next) })
}
