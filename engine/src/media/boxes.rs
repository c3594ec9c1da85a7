//! Whether an mp4 or mov file is all there, told without decoding it: its parts say how long they are.
//!
//! # Source
//! ISO/IEC 14496-12, 4.2: a box begins with its length in 4 bytes and its kind in 4; length 1 is followed by the true one in 8
//! bytes, and length 0 means up to the end of the file.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::read::open;
use super::{MediaError, Result};

/// Parts that are looked at; a clip in pieces has two for each piece.
const MOST_BOXES: u32 = 1 << 20;

/// Refuses an mp4 or mov file that ends before its last part does. Says nothing of other files.
pub(super) fn check_whole(path: &Path) -> Result<()> {
    let failed = |source| MediaError::Read { path: path.to_owned(), source };
    let mut file = open(path)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut at = 0;
    for _ in 0..MOST_BOXES {
        if at == length {
            return Ok(());
        }
        file.seek(SeekFrom::Start(at)).map_err(failed)?;
        let mut head = Vec::with_capacity(16);
        file.by_ref().take(16).read_to_end(&mut head).map_err(failed)?;
        let word = |at: usize| head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        if at == 0 && word(4) != Some(*b"ftyp") {
            return Ok(());
        }
        let size = match word(0).map(u32::from_be_bytes) {
            Some(0) => return Ok(()),
            Some(1) => {
                let long = head.get(8..16).and_then(|bytes| bytes.try_into().ok());
                long.map(u64::from_be_bytes).filter(|size| *size >= 16)
            }
            Some(size) => Some(u64::from(size)).filter(|size| *size >= 8),
            None => None,
        };
        at = match size.and_then(|size| at.checked_add(size)).filter(|end| *end <= length) {
            Some(end) => end,
            None => {
                return Err(MediaError::Unsupported {
                    path: path.to_owned(),
                    found: "a file that ends in the middle".to_owned(),
                    expected: "a whole clip",
                });
            }
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_ends_in_the_middle_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.mp4");
        let check = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("room");
            check_whole(&path).is_ok()
        };
        let part = |kind: &[u8; 4], size: u32| {
            let mut part = [&size.to_be_bytes()[..], kind].concat();
            part.resize(size.max(8) as usize, 7);
            part
        };
        let long = [&1u32.to_be_bytes()[..], b"mdat", &24u64.to_be_bytes(), &[7; 8]].concat();
        let whole = [part(b"ftyp", 20), part(b"moov", 40), long].concat();
        assert!(check(&whole));
        let ends = [20, 60, whole.len()];
        for cut in 8..whole.len() {
            assert_eq!(check(&whole[..cut]), ends.contains(&cut), "{cut} bytes");
        }
        assert!(check(&[part(b"ftyp", 20), part(b"mdat", 0), vec![7; 9]].concat()), "to the end");
        for size in [2, 7] {
            assert!(!check(&[part(b"ftyp", 20), part(b"free", size)].concat()), "{size}");
        }
        let huge = [&1u32.to_be_bytes()[..], b"mdat", &u64::MAX.to_be_bytes()].concat();
        assert!(!check(&[part(b"ftyp", 20), huge].concat()));
        for other in [&b""[..], b"short", b"\x1a\x45\xdf\xa3 and so on", b"<html></html> anything"]
        {
            assert!(check(other), "it says nothing of other files");
        }
    }
}
