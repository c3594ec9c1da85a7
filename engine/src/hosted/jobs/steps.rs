//! The steps of a hosted job, for the tests that end a process between two of them.

crate::steps::steps! {
    /// The order can be asked for; nobody was told of it.
    Checked,
    /// The intent is on the disk, its money is reserved; nothing was sent.
    Intended,
    /// Something came of asking; it is not on the disk.
    Answered,
    /// The provider's name of the job is on the disk.
    Submitted,
    /// It is on the disk that nobody knows whether there is a job.
    Doubted,
    /// Something came of looking for the job; it is not on the disk.
    Looked,
    /// The provider says that the clip is ready.
    Ready,
    /// The clip begins to arrive.
    Arriving,
    /// All of the clip is in its partial file.
    Arrived,
    /// The clip decodes.
    Decoded,
    /// The clip has its name in the folder for work.
    Named,
    /// The caller has recorded the take.
    Recorded,
    /// Something came of calling the job off; it is not on the disk.
    CalledOff,
    /// The job is over.
    Settled,
}
