//! The ledger where processes end, disks are full, bytes change and others write at the same time: nothing that was
//! acknowledged is lost, nothing is there twice, and what was altered is found.

mod caps;
mod crash;
mod damage;
mod deeds;
mod full;
mod other;
mod place;
mod read_only;
