//! The text tower of Wan: prompts made clean, 512 tokens, UMT5.

use crate::Result;
use crate::parts::{Placement, PromptEmbeds, TextEncoder};
use crate::text::clean::prompt_clean;
use crate::text::tokenizer::Tokenizer;
use crate::text::umt5::{Config, Umt5};
use crate::weights::{Location, Weights};

/// Rows of a padded prompt: fixed in every Wan model.
pub(super) const TEXT_LENGTH: usize = 512;

/// The largest tokenizer file that is read.
const TOKENIZER_LIMIT_BYTES: u64 = 256 << 20;

/// The text encoder of a Wan checkpoint.
pub(super) struct WanText {
    tokenizer: Tokenizer,
    encoder: Umt5,
}

impl WanText {
    /// Loads tokenizer and encoder.
    ///
    /// # Errors
    /// A tokenizer that is none, or that gives ids beyond the encoder's table; a tensor that is not finite.
    pub(super) fn load(
        tokenizer: &Location,
        settings: Option<&Location>,
        config: &Config,
        weights: &Weights,
        placement: &Placement,
    ) -> Result<Self> {
        let json = tokenizer.read_text(TOKENIZER_LIMIT_BYTES)?;
        let settings =
            settings.map(|location| location.read_text(TOKENIZER_LIMIT_BYTES)).transpose()?;
        let tokenizer =
            Tokenizer::new(json.as_bytes(), settings.as_deref(), tokenizer.path(), TEXT_LENGTH)?;
        tokenizer.fits(config.vocab_size)?;
        Ok(Self { tokenizer, encoder: Umt5::load(config, weights, placement)? })
    }
}

impl TextEncoder for WanText {
    fn encode(&self, prompt: &str) -> Result<PromptEmbeds> {
        let tokens = self.tokenizer.encode(&prompt_clean(prompt))?;
        let embeds = self.encoder.encode(&tokens.ids[..tokens.tokens], &mut ())?;
        Ok(PromptEmbeds { input_ids: tokens.ids, tokens: tokens.tokens, embeds })
    }
}
