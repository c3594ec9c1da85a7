//! Prompts cut into tokens, as a Hugging Face fast tokenizer does: its file decides, its configuration adds.
//!
//! # Source
//! huggingface/transformers 5.23: `PreTrainedTokenizerFast` called with `padding="max_length"`, `truncation=True` and
//! `add_special_tokens=True`; the file is read by the same library, huggingface/tokenizers.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::{AddedToken, TruncationParams};

/// The padding token of a folder that names none.
const PAD_TOKEN: &str = "<pad>";

/// The keys of a `tokenizer_config.json` under which special tokens stand.
const SPECIAL_TOKENS: [&str; 9] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
    "additional_special_tokens",
    "extra_special_tokens",
];

/// A prompt as ids, padded on the right to the tokenizer's length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTokens {
    /// The ids: those of the text, the end token, padding.
    pub ids: Vec<u32>,
    /// 1 for a true token, 0 for padding.
    pub mask: Vec<u32>,
    /// How many tokens are true.
    pub tokens: usize,
}

/// What is wrong with a tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The file is not a tokenizer.
    #[error("read tokenizer {}: {reason}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What its reader says.
        reason: String,
    },
    /// The configuration beside it is not a JSON object.
    #[error("read the configuration of tokenizer {}", file.display())]
    Config {
        /// The tokenizer's file.
        file: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The configuration asks for what is not done here.
    #[error("{setting} of tokenizer {}: expected {expected}, found {found}", file.display())]
    Setting {
        /// The tokenizer's file.
        file: PathBuf,
        /// The key in its configuration.
        setting: &'static str,
        /// What would be followed.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The padding token is in no vocabulary.
    #[error("tokenizer {} has no padding token {token}", file.display())]
    NoPadding {
        /// The file.
        file: PathBuf,
        /// The token looked for.
        token: String,
    },
    /// The encoder has no embedding for some ids.
    #[error("vocabulary of tokenizer {}: expected at most {rows} ids, the encoder's rows, found {ids}", file.display())]
    DoesNotFit {
        /// The file.
        file: PathBuf,
        /// Rows of the encoder's embedding.
        rows: usize,
        /// Ids of the tokenizer.
        ids: usize,
    },
    /// A text could not be cut into tokens.
    #[error("cut text into tokens with {}: {reason}", file.display())]
    Encode {
        /// The tokenizer's file.
        file: PathBuf,
        /// What the tokenizer says.
        reason: String,
    },
}

/// A tokenizer with the length its prompts are cut or padded to.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    file: PathBuf,
    length: usize,
    pad_id: u32,
    vocab_size: usize,
}

impl Tokenizer {
    /// Reads a `tokenizer.json` and, where the folder has one, the `tokenizer_config.json` beside it. `file` is only named in
    /// errors.
    ///
    /// Prompts longer than `length` are cut so that the end token is kept.
    ///
    /// # Errors
    /// A file that is no tokenizer, a configuration that asks for padding or cutting on the left, a padding token in no vocabulary.
    pub fn new(
        json: &[u8],
        config: Option<&str>,
        file: &Path,
        length: usize,
    ) -> Result<Self, TokenizerError> {
        let unreadable = |reason: String| TokenizerError::Read { file: file.to_owned(), reason };
        let read = |reason: tokenizers::Error| unreadable(reason.to_string());
        let mut value: Value =
            serde_json::from_slice(json).map_err(|error| unreadable(error.to_string()))?;
        check(&mut value).map_err(unreadable)?;
        let mut inner: tokenizers::Tokenizer =
            serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))?;
        let config: Map<String, Value> = config
            .map_or_else(|| Ok(Map::new()), serde_json::from_str)
            .map_err(|source| TokenizerError::Config { file: file.to_owned(), source })?;
        for setting in ["padding_side", "truncation_side"] {
            match config.get(setting) {
                None | Some(Value::Null) => {}
                Some(side) if side == "right" => {}
                Some(side) => {
                    return Err(TokenizerError::Setting {
                        file: file.to_owned(),
                        setting,
                        expected: "\"right\"".to_owned(),
                        found: side.to_string(),
                    });
                }
            }
        }
        add_special_tokens(&mut inner, &config).map_err(read)?;

        let pad_token = config.get("pad_token").and_then(content).unwrap_or(PAD_TOKEN);
        let pad_id = inner.token_to_id(pad_token).ok_or_else(|| TokenizerError::NoPadding {
            file: file.to_owned(),
            token: pad_token.to_owned(),
        })?;
        inner.with_padding(None);
        let truncation = TruncationParams { max_length: length, ..TruncationParams::default() };
        inner.with_truncation(Some(truncation)).map_err(read)?;
        let vocab_size = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        Ok(Self { inner, file: file.to_owned(), length, pad_id, vocab_size })
    }

    /// How many embeddings an encoder needs for every id of this tokenizer.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Checks that an encoder with that many rows in its embedding has one for every id.
    ///
    /// # Errors
    /// It has not.
    pub fn fits(&self, rows: usize) -> Result<(), TokenizerError> {
        if self.vocab_size <= rows {
            return Ok(());
        }
        Err(TokenizerError::DoesNotFit { file: self.file.clone(), rows, ids: self.vocab_size })
    }

    /// Cuts a cleaned prompt into tokens.
    ///
    /// # Errors
    /// The tokenizer knows neither a piece of the text nor a token for the unknown.
    pub fn encode(&self, text: &str) -> Result<TextTokens, TokenizerError> {
        let encoding = self.inner.encode_fast(text, true).map_err(|reason| {
            TokenizerError::Encode { file: self.file.clone(), reason: reason.to_string() }
        })?;
        let mut ids = encoding.get_ids().to_vec();
        let tokens = ids.len();
        ids.resize(self.length.max(tokens), self.pad_id);
        let mask = (0..ids.len()).map(|at| u32::from(at < tokens)).collect();
        Ok(TextTokens { ids, mask, tokens })
    }
}

/// Refuses what the library would panic on, and takes out the decoder, which has no use here.
fn check(tokenizer: &mut Value) -> Result<(), String> {
    let parts = tokenizer.as_object_mut().ok_or("it is not a JSON object")?;
    parts.shift_remove("decoder");
    parts.get("post_processor").map_or(Ok(()), check_template)
}

/// A template for one text may hold that text and special tokens it lists.
fn check_template(processor: &Value) -> Result<(), String> {
    if let Some(processors) = processor.get("processors").and_then(Value::as_array) {
        return processors.iter().try_for_each(check_template);
    }
    let listed = processor.get("special_tokens");
    for piece in processor.get("single").and_then(Value::as_array).into_iter().flatten() {
        let id = |kind: &str| piece.get(kind)?.get("id");
        if id("Sequence").is_some_and(|id| id != "A") {
            return Err("the template for one text has two".to_owned());
        }
        if let Some(id) = id("SpecialToken").and_then(Value::as_str)
            && listed.is_none_or(|listed| listed.get(id).is_none())
        {
            return Err(format!("the template does not list its special token {id}"));
        }
    }
    Ok(())
}

/// Gives the tokenizer the special tokens of its configuration that its file does not have.
fn add_special_tokens(
    inner: &mut tokenizers::Tokenizer,
    config: &Map<String, Value>,
) -> tokenizers::Result<()> {
    let known: Vec<String> =
        inner.get_added_tokens_decoder().into_values().map(|token| token.content).collect();
    let added = SPECIAL_TOKENS
        .iter()
        .filter_map(|key| config.get(*key))
        .flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice))
        .filter_map(content)
        .filter(|token| !known.iter().any(|known| known == token))
        .map(|token| AddedToken::from(token, true));
    inner.add_special_tokens(added.collect::<Vec<_>>()).map(drop)
}

/// A token of the configuration: its text, or an object that holds it.
fn content(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}
