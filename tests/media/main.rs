//! Files of pictures: what is written is read back, and what goes wrong leaves nothing behind.

mod clip;
mod lossless;
mod mp4;
mod output;
mod pictures;
