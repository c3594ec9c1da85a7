//! The members of a zip archive that stores them uncompressed, found in place.
//!
//! `.pth` files are such archives. The central directory at the end of the file is read, and each member's local
//! header is held against it. Checksums are not verified: that would read every weight.

use std::collections::BTreeMap;
use std::ops::Range;

/// What is wrong with a zip archive, or not read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveFault {
    /// There is no directory at the end.
    #[error("no zip directory at the end: the file is truncated")]
    NoDirectory,
    /// A part is shorter than it should be, or does not begin with its signature.
    #[error("the zip {part} is damaged")]
    Damaged {
        /// The part.
        part: &'static str,
    },
    /// The archive continues in other files.
    #[error("the zip archive is split over several files")]
    Split,
    /// The directory lists another number of members than it says.
    #[error("the zip directory should list {expected} members, found {found}")]
    Count {
        /// The number that the directory states.
        expected: u64,
        /// The number of members that it has.
        found: u64,
    },
    /// A name is not UTF-8.
    #[error("a zip member has a name that is not UTF-8")]
    Name,
    /// Two members share a name.
    #[error("zip member {member} is listed twice")]
    Duplicate {
        /// The name.
        member: String,
    },
    /// A member is compressed, so it cannot be read in place.
    #[error("zip member {member} is compressed (method {method}), expected stored")]
    Compressed {
        /// The name.
        member: String,
        /// The compression method.
        method: u16,
    },
    /// A member is encrypted.
    #[error("zip member {member} is encrypted")]
    Encrypted {
        /// The name.
        member: String,
    },
    /// Directory and local header of a member disagree.
    #[error("zip member {member}: its header and the directory disagree")]
    Disagree {
        /// The name.
        member: String,
    },
    /// A member lies outside the file.
    #[error(
        "zip member {member}: {size_bytes} bytes at {begin} are not within the file: it is truncated"
    )]
    OutOfRange {
        /// The name.
        member: String,
        /// Where it should begin.
        begin: u64,
        /// Its length.
        size_bytes: u64,
    },
}

const END: u32 = 0x0605_4b50;
const END_BYTES: usize = 22;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const LOCATOR_64_BYTES: usize = 20;
const ENTRY: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
const EXTRA_64: u16 = 1;
const IS_ENCRYPTED: u16 = 1;

/// The byte range of each member, by name.
pub(super) fn members(file: &[u8]) -> Result<BTreeMap<String, Range<usize>>, ArchiveFault> {
    let directory = Directory::find(file)?;
    let start = usize::try_from(directory.offset).ok();
    let size = usize::try_from(directory.size_bytes).ok();
    let range = start.zip(size).and_then(|(start, size)| Some(start..start.checked_add(size)?));
    let listed = range.and_then(|range| file.get(range));
    let mut fields = Fields::new(listed.ok_or(ArchiveFault::NoDirectory)?, "directory");
    let mut members = BTreeMap::new();
    let mut found = 0;
    while !fields.bytes.is_empty() {
        let (name, range) = member(file, &mut fields)?;
        found += 1;
        if members.contains_key(&name) {
            return Err(ArchiveFault::Duplicate { member: name });
        }
        members.insert(name, range);
    }
    if found != directory.members {
        return Err(ArchiveFault::Count { expected: directory.members, found });
    }
    Ok(members)
}

/// Where the central directory is.
struct Directory {
    members: u64,
    size_bytes: u64,
    offset: u64,
}

impl Directory {
    fn find(file: &[u8]) -> Result<Self, ArchiveFault> {
        // The end record closes the file but for a comment, whose length it states.
        let last = file.len().checked_sub(END_BYTES).ok_or(ArchiveFault::NoDirectory)?;
        let first = last.saturating_sub(u16::MAX.into());
        let is_end = |&at: &usize| {
            let (record, comment) = file[at..].split_at(END_BYTES);
            record.starts_with(&END.to_le_bytes())
                && usize::from(u16::from_le_bytes([record[20], record[21]])) == comment.len()
        };
        let at = (first..=last).rev().find(is_end).ok_or(ArchiveFault::NoDirectory)?;
        let mut fields = Fields::new(&file[at + 4..], "end record");
        let (disk, directory_disk) = (fields.u16()?, fields.u16()?);
        let (members_here, members) = (fields.u16()?, fields.u16()?);
        let (size, offset) = (fields.u32()?, fields.u32()?);
        let locator = at.checked_sub(LOCATOR_64_BYTES).map(|at| &file[at..]);
        if let Some(locator) = locator.filter(|bytes| bytes.starts_with(&LOCATOR_64.to_le_bytes()))
        {
            return Self::find_64(file, locator);
        }
        if disk != 0 || directory_disk != 0 || members_here != members {
            return Err(ArchiveFault::Split);
        }
        Ok(Self { members: members.into(), size_bytes: size.into(), offset: offset.into() })
    }

    fn find_64(file: &[u8], locator: &[u8]) -> Result<Self, ArchiveFault> {
        let mut fields = Fields::new(&locator[4..], "locator");
        let (_disk, at) = (fields.u32()?, fields.u64()?);
        let record = usize::try_from(at).ok().and_then(|at| file.get(at..));
        let mut fields = Fields::new(record.unwrap_or_default(), "end record");
        fields.signature(END_64)?;
        fields.skip(8 + 2 + 2)?;
        let (disk, directory_disk) = (fields.u32()?, fields.u32()?);
        let (members_here, members) = (fields.u64()?, fields.u64()?);
        if disk != 0 || directory_disk != 0 || members_here != members {
            return Err(ArchiveFault::Split);
        }
        Ok(Self { members, size_bytes: fields.u64()?, offset: fields.u64()? })
    }
}

/// Reads one entry of the directory and finds its bytes.
fn member(file: &[u8], fields: &mut Fields<'_>) -> Result<(String, Range<usize>), ArchiveFault> {
    fields.signature(ENTRY)?;
    fields.skip(2 + 2)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.skip(2 + 2 + 4)?;
    let (stored, size) = (fields.u32()?, fields.u32()?);
    let (name, extra, comment) = (fields.u16()?, fields.u16()?, fields.u16()?);
    fields.skip(2 + 2 + 4)?;
    let offset = fields.u32()?;
    let name = fields.take(name.into())?;
    let extra = fields.take(extra.into())?;
    fields.skip(comment.into())?;
    let text = std::str::from_utf8(name).map_err(|_| ArchiveFault::Name)?;
    let member = text.to_owned();
    let [size, stored, offset] = wide(extra, [size, stored, offset])?;
    if flags & IS_ENCRYPTED != 0 {
        return Err(ArchiveFault::Encrypted { member });
    }
    if method != 0 || stored != size {
        return Err(ArchiveFault::Compressed { member, method });
    }
    let header = usize::try_from(offset).ok().and_then(|offset| file.get(offset..));
    let Some(header) = header else {
        return Err(ArchiveFault::OutOfRange { member, begin: offset, size_bytes: size });
    };
    let mut local = Fields::new(header, "member header");
    local.signature(LOCAL)?;
    local.skip(2 + 2)?;
    let local_method = local.u16()?;
    local.skip(2 + 2 + 4 + 4 + 4)?;
    let (local_name, local_extra) = (local.u16()?, local.u16()?);
    let local_name = local.take(local_name.into())?;
    local.skip(local_extra.into())?;
    if local_name != name || local_method != method {
        return Err(ArchiveFault::Disagree { member });
    }
    let begin = file.len() - local.bytes.len();
    let end = usize::try_from(size).ok().and_then(|size| begin.checked_add(size));
    match end {
        Some(end) if end <= file.len() => Ok((member, begin..end)),
        _ => Err(ArchiveFault::OutOfRange { member, begin: begin as u64, size_bytes: size }),
    }
}

/// Sizes and offset of a member, from the 64-bit extra field where they do not fit 32 bits. The field holds only
/// those, in this order.
fn wide(extra: &[u8], narrow: [u32; 3]) -> Result<[u64; 3], ArchiveFault> {
    let mut wide = narrow.map(u64::from);
    if !narrow.contains(&u32::MAX) {
        return Ok(wide);
    }
    let mut fields = Fields::new(extra, "64-bit field");
    loop {
        let (kind, size) = (fields.u16()?, fields.u16()?);
        let content = fields.take(size.into())?;
        if kind != EXTRA_64 {
            continue;
        }
        let mut content = Fields::new(content, "64-bit field");
        for (wide, narrow) in wide.iter_mut().zip(narrow) {
            if narrow == u32::MAX {
                *wide = content.u64()?;
            }
        }
        return Ok(wide);
    }
}

/// Little-endian fields, read one after the other.
struct Fields<'a> {
    bytes: &'a [u8],
    part: &'static str,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8], part: &'static str) -> Self {
        Self { bytes, part }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ArchiveFault> {
        let damaged = ArchiveFault::Damaged { part: self.part };
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(damaged)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArchiveFault> {
        let damaged = ArchiveFault::Damaged { part: self.part };
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(damaged)?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn skip(&mut self, count: usize) -> Result<(), ArchiveFault> {
        self.take(count).map(|_| ())
    }

    fn u16(&mut self) -> Result<u16, ArchiveFault> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, ArchiveFault> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, ArchiveFault> {
        self.array().map(u64::from_le_bytes)
    }

    fn signature(&mut self, expected: u32) -> Result<(), ArchiveFault> {
        if self.u32()? == expected {
            Ok(())
        } else {
            Err(ArchiveFault::Damaged { part: self.part })
        }
    }
}
