//! The one place for shape arithmetic: frames and pixels, latents and tokens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A number of frames of a clip, before the VAE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Frames(pub u32);

/// A number of frames of a clip, after the VAE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct LatentFrames(pub u32);

/// The size of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

/// The size of a picture in latents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LatentSize {
    /// Latents from left to right.
    pub width: u32,
    /// Latents from top to bottom.
    pub height: u32,
}

impl fmt::Display for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LatentFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl fmt::Display for LatentSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl Size {
    /// Checks that both sides are positive multiples of `multiple_of`.
    ///
    /// # Errors
    /// [`Error::Size`] names the nearest size that is.
    pub fn check(self, multiple_of: u32) -> Result<()> {
        let fits = |side: u32| side > 0 && side.is_multiple_of(multiple_of);
        if fits(self.width) && fits(self.height) {
            return Ok(());
        }
        let nearest = Size {
            width: nearest_multiple(self.width, multiple_of),
            height: nearest_multiple(self.height, multiple_of),
        };
        Err(Error::Size { found: self, multiple_of, nearest })
    }
}

/// Returns the positive multiple of `of` that is nearest to `side`, the larger of two equally near.
fn nearest_multiple(side: u32, of: u32) -> u32 {
    let of = of.max(1);
    let below = side - side % of;
    let rest = side - below;
    match below.checked_add(of) {
        Some(above) if below == 0 || rest >= of - rest => above,
        _ => below,
    }
}

/// Which numbers of frames a model makes: `step * n + offset` for any `n` from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct FrameRule {
    /// The distance of neighbouring valid counts; not zero.
    step: u32,
    /// The smallest valid count; from 1 to `step`.
    offset: u32,
}

impl FrameRule {
    /// Checks a number of frames.
    ///
    /// # Errors
    /// [`Error::Frames`] names the nearest valid counts.
    pub fn check(self, frames: Frames) -> Result<()> {
        let Some(above_offset) = frames.0.checked_sub(self.offset) else {
            let nearest = vec![Frames(self.offset)];
            return Err(Error::Frames { found: frames, rule: self, nearest });
        };
        let rest = above_offset % self.step;
        if rest == 0 {
            return Ok(());
        }
        let below = frames.0 - rest;
        let nearest =
            std::iter::once(below).chain(below.checked_add(self.step)).map(Frames).collect();
        Err(Error::Frames { found: frames, rule: self, nearest })
    }

    /// Returns the valid number of frames that is nearest to a duration in frames, the longer of two equally near.
    pub fn nearest(self, wanted: f64) -> Frames {
        // The cast saturates: what is not a number is nothing.
        let steps = ((wanted - f64::from(self.offset)) / f64::from(self.step) + 0.5).floor() as u32;
        Frames(steps.saturating_mul(self.step).saturating_add(self.offset))
    }
}

impl fmt::Display for FrameRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}n+{}", self.step, self.offset)
    }
}

impl FromStr for FrameRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::FrameRule { found: text.to_owned() };
        let (step, offset) = text.split_once("n+").ok_or_else(wrong)?;
        let step: u32 = step.parse().map_err(|_| wrong())?;
        let offset: u32 = offset.parse().map_err(|_| wrong())?;
        if offset == 0 || offset > step {
            return Err(wrong());
        }
        Ok(Self { step, offset })
    }
}

impl TryFrom<String> for FrameRule {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<FrameRule> for String {
    fn from(rule: FrameRule) -> Self {
        rule.to_string()
    }
}

/// How a VAE and a denoiser divide a clip: what the VAE shrinks and what one token covers.
///
/// The numbers come from a checkpoint's own configuration; [`Grid::WAN21`] is the published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grid {
    /// Frames in one latent frame; the first frame has a latent frame of its own.
    pub temporal: u32,
    /// Pixels along one side of a latent.
    pub spatial: u32,
    /// Latent frames in one token.
    pub patch_frames: u32,
    /// Latents along the height of one token.
    pub patch_height: u32,
    /// Latents along the width of one token.
    pub patch_width: u32,
}

impl Grid {
    /// Wan 2.1: a VAE of stride (4, 8, 8) and patches of (1, 2, 2).
    ///
    /// # Source
    /// Wan-Video/Wan2.1, `wan/configs/wan_t2v_1_3B.py` and `wan_t2v_14B.py`.
    pub const WAN21: Self =
        Self { temporal: 4, spatial: 8, patch_frames: 1, patch_height: 2, patch_width: 2 };

    /// Returns which numbers of frames the VAE takes.
    pub fn frame_rule(&self) -> FrameRule {
        FrameRule { step: self.temporal.max(1), offset: 1 }
    }

    /// Returns the number of latent frames of a clip: `(frames - 1) / temporal + 1`.
    ///
    /// # Errors
    /// [`Error::Frames`] where the count does not divide.
    pub fn latent_frames(&self, frames: Frames) -> Result<LatentFrames> {
        self.frame_rule().check(frames)?;
        Ok(LatentFrames((frames.0 - 1) / self.temporal.max(1) + 1))
    }

    /// Returns the number of frames that so many latent frames decode to, where there is such a number.
    pub fn frames(&self, latent_frames: LatentFrames) -> Option<Frames> {
        let rest = latent_frames.0.checked_sub(1)?;
        rest.checked_mul(self.temporal)?.checked_add(1).map(Frames)
    }

    /// Returns the size of a picture in latents.
    ///
    /// # Errors
    /// [`Error::Size`] where a side is not a multiple of the VAE's stride. Sizes that only the denoiser refuses are
    /// found by [`Grid::tokens`].
    pub fn latent_size(&self, size: Size) -> Result<LatentSize> {
        size.check(self.spatial)?;
        Ok(LatentSize { width: size.width / self.spatial, height: size.height / self.spatial })
    }

    /// Returns the size in pixels that latents of a size decode to, where there is such a size.
    pub fn size(&self, latent_size: LatentSize) -> Option<Size> {
        Some(Size {
            width: latent_size.width.checked_mul(self.spatial)?,
            height: latent_size.height.checked_mul(self.spatial)?,
        })
    }

    /// Returns the shape of a batch of one clip's latents.
    ///
    /// # Shapes
    /// `(1, channels, latent_frames, latent_height, latent_width)`.
    ///
    /// # Errors
    /// [`Error::Frames`] or [`Error::Size`] where the clip does not divide, [`Error::Overflow`] where the number of
    /// elements is too big to count.
    pub fn latent_shape(&self, channels: usize, size: Size, frames: Frames) -> Result<[usize; 5]> {
        let latent_frames = self.latent_frames(frames)?;
        let latent_size = self.latent_size(size)?;
        let too_big = || Error::Overflow { frames, size };
        let count = |n: u32| usize::try_from(n).map_err(|_| too_big());
        let shape = [
            1,
            channels,
            count(latent_frames.0)?,
            count(latent_size.height)?,
            count(latent_size.width)?,
        ];
        shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n)).ok_or_else(too_big)?;
        Ok(shape)
    }

    /// Returns the number of tokens the denoiser sees for a clip.
    ///
    /// # Errors
    /// [`Error::Frames`] or [`Error::Size`] where the clip does not divide into whole tokens, [`Error::Overflow`]
    /// where their number is too big to count.
    pub fn tokens(&self, size: Size, frames: Frames) -> Result<usize> {
        let latent_frames = self.latent_frames(frames)?;
        let too_big = || Error::Overflow { frames, size };
        let whole = |latents: u32, patch: u32| latents.is_multiple_of(patch.max(1));
        let fits = |latents: &LatentSize| {
            whole(latents.width, self.patch_width) && whole(latents.height, self.patch_height)
        };
        if !self.latent_size(size).is_ok_and(|latents| fits(&latents)) {
            let side = self.patch_width.max(self.patch_height);
            size.check(self.spatial.checked_mul(side).ok_or_else(too_big)?)?;
        }
        let latent_size = self.latent_size(size)?;
        if !whole(latent_frames.0, self.patch_frames) {
            let step = self.temporal.checked_mul(self.patch_frames).ok_or_else(too_big)?;
            FrameRule { step, offset: step - self.temporal + 1 }.check(frames)?;
        }
        let counts = [
            latent_frames.0 / self.patch_frames.max(1),
            latent_size.height / self.patch_height.max(1),
            latent_size.width / self.patch_width.max(1),
        ];
        counts
            .iter()
            .try_fold(1usize, |all, n| all.checked_mul(usize::try_from(*n).ok()?))
            .ok_or_else(too_big)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_latent_frames_invert() {
        for n in 1..200 {
            let frames = Grid::WAN21.frames(LatentFrames(n)).expect("because it is small");
            assert_eq!(Grid::WAN21.latent_frames(frames).ok(), Some(LatentFrames(n)));
        }
        assert_eq!(Grid::WAN21.frames(LatentFrames(0)), None);
        assert_eq!(Grid::WAN21.frames(LatentFrames(u32::MAX)), None);
    }

    #[test]
    fn errors_name_the_nearest() {
        let text = |frames| Grid::WAN21.latent_frames(Frames(frames)).map_err(|e| e.to_string());
        assert_eq!(text(16), Err("16 frames: expected 4n+1, the nearest are 13 and 17".to_owned()));
        assert_eq!(text(0), Err("0 frames: expected 4n+1, the nearest are 1".to_owned()));
        assert_eq!(
            text(u32::MAX),
            Err("4294967295 frames: expected 4n+1, the nearest are 4294967293".to_owned())
        );
        let text = |width, height| Size { width, height }.check(16).map_err(|e| e.to_string());
        assert_eq!(text(832, 480), Ok(()));
        for (width, height, nearest) in
            [(833, 480, "832x480"), (0, 488, "16x496"), (u32::MAX, 7, "4294967280x16")]
        {
            let message = text(width, height).expect_err("because it is off the grid");
            assert!(message.ends_with(&format!("the nearest is {nearest}")), "{message}");
        }
    }

    #[test]
    fn shapes_and_tokens_of_published_sizes() {
        let size = Size { width: 1280, height: 720 };
        let shape = Grid::WAN21.latent_shape(16, size, Frames(81)).expect("because it fits");
        assert_eq!(shape, [1, 16, 21, 90, 160]);
        assert_eq!(Grid::WAN21.tokens(size, Frames(81)).ok(), Some(75_600));
    }

    #[test]
    fn half_a_token_is_refused() {
        let size = Size { width: 72, height: 64 };
        assert!(Grid::WAN21.latent_size(size).is_ok());
        assert!(matches!(
            Grid::WAN21.tokens(size, Frames(5)),
            Err(Error::Size { multiple_of: 16, .. })
        ));
        // Not the nearest that the VAE alone takes: the denoiser would refuse it.
        let size = Size { width: 42, height: 64 };
        assert!(matches!(
            Grid::WAN21.tokens(size, Frames(5)),
            Err(Error::Size { nearest: Size { width: 48, height: 64 }, .. })
        ));
        let pairs = Grid { patch_frames: 2, ..Grid::WAN21 };
        assert_eq!(pairs.tokens(Size { width: 16, height: 16 }, Frames(5)).ok(), Some(1));
        assert!(matches!(
            pairs.tokens(Size { width: 16, height: 16 }, Frames(9)),
            Err(Error::Frames { .. })
        ));
    }

    #[test]
    fn absurd_clips_do_not_overflow() {
        let size = Size { width: u32::MAX - 15, height: u32::MAX - 15 };
        let frames = Frames(u32::MAX - 2);
        assert!(matches!(Grid::WAN21.tokens(size, frames), Err(Error::Overflow { .. })));
        assert!(matches!(
            Grid::WAN21.latent_shape(usize::MAX, size, frames),
            Err(Error::Overflow { .. })
        ));
    }

    #[test]
    fn frame_rules_read_and_write() {
        assert_eq!("4n+1".parse::<FrameRule>().map(|r| r.to_string()).ok(), Some("4n+1".into()));
        for wrong in ["", "4n", "n+1", "0n+1", "4n+0", "4n+5", "4n+1n", "-4n+1"] {
            assert!(wrong.parse::<FrameRule>().is_err(), "{wrong}");
        }
    }
}
