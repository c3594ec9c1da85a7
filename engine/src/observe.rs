//! What the engine tells while it works, and how it is stopped.

use std::ops::ControlFlow;

/// The stages of a generation, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Opening the checkpoint, accounting for its tensors and its memory.
    Plan,
    /// Loading and running the text encoder.
    Text,
    /// Encoding a given picture.
    Image,
    /// Loading the denoiser.
    Load,
    /// Denoising.
    Denoise,
    /// Decoding latents to frames.
    Decode,
    /// Writing the file.
    Media,
}

impl Stage {
    /// A stable lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Text => "text",
            Self::Image => "image",
            Self::Load => "load",
            Self::Denoise => "denoise",
            Self::Decode => "decode",
            Self::Media => "media",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A stage begins.
    Stage(Stage),
    /// Weights of a part are being read, so many bytes in all.
    Weights {
        /// Bytes of the part's files.
        bytes: u64,
    },
    /// A recipe value comes from the card although the folder says otherwise.
    CardOverFolder {
        /// Name of the value.
        value: &'static str,
        /// What the card says.
        card: f64,
        /// What the folder says.
        folder: f64,
    },
    /// A pass within a step is done: one prompt of two.
    Pass {
        /// Passes done.
        index: usize,
        /// Passes in all.
        total: usize,
    },
    /// A denoising step is done.
    Step {
        /// Steps done.
        index: usize,
        /// Steps in all.
        total: usize,
        /// Noise level that was stepped from.
        sigma: f64,
    },
    /// A part of the decode is done.
    Decode {
        /// Parts done.
        index: usize,
        /// Parts in all.
        total: usize,
    },
    /// A provider makes the clip. Told again and again while it does, so that waiting can be stopped.
    Remote {
        /// How much of it is done, from 0 to 1, where the provider says so.
        progress: Option<f64>,
    },
    /// A part of the clip has come from the provider.
    Download {
        /// Bytes that are here.
        bytes: u64,
        /// Bytes in all, where the provider says so.
        total: Option<u64>,
    },
    /// A frame is in the file.
    Media {
        /// Frames done.
        index: usize,
        /// Frames in all.
        total: usize,
    },
    /// Everything is done.
    Done {
        /// Wall time in seconds.
        seconds: f64,
    },
}

/// Hears of every event and may stop the work; `()` hears nothing.
pub trait Observer: Send + Sync {
    /// Takes an event; [`ControlFlow::Break`] stops the work before its next step.
    fn on(&self, event: &Event) -> ControlFlow<()>;
}

impl Observer for () {
    fn on(&self, _: &Event) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Tells an observer and turns its wish to stop into an error.
pub(crate) fn tell(observer: &dyn Observer, event: &Event) -> crate::Result<()> {
    match observer.on(event) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(crate::Error::Cancelled),
    }
}
