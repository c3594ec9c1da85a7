//! The steps by which something gets into the ledger or out of it, for the tests that end a process between two of them.

crate::steps::steps! {
    /// The clip is on the disk, where it was made.
    MediaSynced,
    /// The clip has its name in the store; nobody knows whether the name is on the disk.
    MediaNamed,
    /// The clip is in the store.
    MediaKept,
    /// An object is written, under a partial name.
    ObjectWritten,
    /// An object has its name; nobody knows whether that is on the disk.
    ObjectNamed,
    /// The manifest is in the store.
    ManifestKept,
    /// The event may happen, and is not in the log yet.
    Decided,
    /// The event is on the disk.
    Told,
    /// The index knows of it.
    Indexed,
    /// People find it in the production's folder.
    Shown,
    /// People do not find a clip any more that was given up.
    Hidden,
    /// A file that nobody needs is gone.
    Removed,
    /// The index is gone, to be made again.
    Forgotten,
}
