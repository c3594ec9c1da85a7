//! Prompts are cleaned as diffusers cleans them, and cut into the ids that Hugging Face's tokenizer gives.

use std::path::Path;

use kinora_models::text::clean::prompt_clean;
use kinora_models::text::tokenizer::{Tokenizer, TokenizerError};
use sha2::{Digest, Sha256};

/// What Wan's text encoder reads.
const LENGTH: usize = 512;

/// The golden's prompts, and those of text that was decoded in a wrong mapping, with their numbers of rows.
const FILES: [(&str, usize); 2] = [("prompts.json", 900), ("damaged.json", 280)];

struct Row {
    prompt: String,
    cleaned: String,
    mini: String,
    umt5: String,
}

#[test]
fn prompts_are_cleaned_as_diffusers_does() {
    for row in rows() {
        assert_eq!(prompt_clean(&row.prompt), row.cleaned, "of {:?}", row.prompt);
    }
}

/// Looking ahead from every place to the end of such a text, or decoding it a layer at a time without end, would take minutes.
#[test]
fn the_time_to_clean_grows_with_the_length() {
    let prompt = "¿Ã".repeat(100_000);
    assert_eq!(prompt_clean(&prompt), prompt);
    assert_eq!(prompt_clean(&"Ã©".repeat(100_000)), "é".repeat(100_000));

    assert_eq!(prompt_clean(&("&".to_owned() + &"amp;".repeat(100_000))), "&");

    let text = "a cat walks ".repeat(20_000);
    let read_wrongly = |text: String| -> String { text.bytes().map(char::from).collect() };
    let layers = (0..12).fold("猫".to_owned(), |text, _| read_wrongly(text));
    assert_eq!(prompt_clean(&(text.clone() + &layers)), text + "猫");

    // Here each layer shows only when the one before it is gone.
    assert!(prompt_clean(&("Ã".to_owned() + &"ƒ".repeat(100_000))).starts_with('Ã'));
}

#[test]
fn ids_are_those_of_the_reference() -> Result<(), TokenizerError> {
    let tokenizer = mini("")?;
    for row in rows() {
        assert_eq!(hash(&tokenizer, &row.cleaned)?, row.mini, "of {:?}", row.cleaned);
    }
    Ok(())
}

/// `KINORA_UMT5_TOKENIZER` is the path of the published `tokenizer.json`.
#[test]
#[ignore = "tokenizer: umt5"]
fn ids_are_those_of_umt5() -> Result<(), TokenizerError> {
    let path = std::env::var("KINORA_UMT5_TOKENIZER").expect("KINORA_UMT5_TOKENIZER names a file");
    let json = std::fs::read(&path).expect("the tokenizer is readable");
    let tokenizer = Tokenizer::new(&json, None, Path::new(&path), LENGTH)?;
    assert_eq!(tokenizer.vocab_size(), 256_300);
    for row in rows() {
        assert_eq!(hash(&tokenizer, &row.cleaned)?, row.umt5, "of {:?}", row.cleaned);
    }
    Ok(())
}

#[test]
fn a_long_prompt_keeps_the_end_token() -> Result<(), TokenizerError> {
    let tokenizer = mini("")?;
    let long = tokenizer.encode(&"cat ".repeat(600))?;
    assert_eq!((long.ids.len(), long.tokens), (LENGTH, LENGTH));
    assert_eq!(long.ids[LENGTH - 1], 1);
    assert_eq!(long.mask, [1; LENGTH]);

    let empty = tokenizer.encode("")?;
    assert_eq!(empty.ids, [&[1][..], &[0; LENGTH - 1]].concat());
    assert_eq!((empty.tokens, empty.mask[0], empty.mask[1]), (1, 1, 0));
    Ok(())
}

#[test]
fn special_tokens_of_the_configuration_are_added() -> Result<(), TokenizerError> {
    assert_eq!(mini("")?.vocab_size(), 340);
    let tokenizer = mini(r#"{"pad_token": {"content": "<fill>"}, "unk_token": "<unk>"}"#)?;
    assert_eq!(tokenizer.vocab_size(), 341);
    assert_eq!(tokenizer.encode("<fill>")?.ids[..3], [340, 1, 340]);
    Ok(())
}

#[test]
fn a_tokenizer_that_does_not_work_is_refused_by_name() {
    let json = crate::golden_text("sampling-prompts", "tokenizer.json");
    let refusal = |from: &str, to: &str, config| {
        assert!(json.contains(from), "{from} is in the golden");
        let broken = json.replace(from, to);
        let error =
            Tokenizer::new(broken.as_bytes(), config, Path::new("t.json"), LENGTH).map(drop);
        error.expect_err("it is broken").to_string()
    };
    for (from, to) in [
        ("{", ""),
        ("\"Unigram\"", "\"Trigram\""),
        ("\"unk_id\":3", "\"unk_id\":4000"),
        ("\"special_tokens\":{\"</s>\"", "\"special_tokens\":{\"<s>\""),
        ("{\"Sequence\":{\"id\":\"A\"", "{\"Sequence\":{\"id\":\"B\""),
    ] {
        let message = refusal(from, to, None);
        assert!(message.starts_with("read tokenizer t.json: "), "{message}");
    }
    assert_eq!(
        refusal("{", "{", Some(r#"{"padding_side": "left"}"#)),
        "padding_side of tokenizer t.json: expected \"right\", found \"left\"",
    );
    assert_eq!(refusal("{", "{", Some("[")), "read the configuration of tokenizer t.json");
    assert_eq!(refusal("<pad>", "<no>", None), "tokenizer t.json has no padding token <pad>");
}

#[test]
fn a_tokenizer_that_does_not_fit_is_refused() -> Result<(), TokenizerError> {
    let tokenizer = mini("")?;
    tokenizer.fits(340)?;
    let message = tokenizer.fits(339).expect_err("there is a row too few").to_string();
    assert!(
        message.ends_with("expected at most 339 ids, the encoder's rows, found 340"),
        "{message}"
    );
    Ok(())
}

fn mini(config: &str) -> Result<Tokenizer, TokenizerError> {
    let json = crate::golden_text("sampling-prompts", "tokenizer.json");
    let published = crate::golden_text("sampling-prompts", "tokenizer_config.json");
    let config = if config.is_empty() { &published } else { config };
    Tokenizer::new(json.as_bytes(), Some(config), Path::new("tokenizer.json"), LENGTH)
}

fn rows() -> impl Iterator<Item = Row> {
    FILES.into_iter().flat_map(|(file, number)| {
        let json = crate::golden_text("sampling-prompts", file);
        let rows: Vec<(String, Option<String>, String, String)> =
            serde_json::from_str(&json).expect("the golden is an array of rows");
        assert_eq!(rows.len(), number, "{file} has lost rows");
        rows.into_iter().map(|(prompt, cleaned, mini, umt5)| Row {
            cleaned: cleaned.unwrap_or_else(|| prompt.clone()),
            prompt,
            mini,
            umt5,
        })
    })
}

fn hash(tokenizer: &Tokenizer, text: &str) -> Result<String, TokenizerError> {
    let tokens = tokenizer.encode(text)?;
    let true_tokens = u32::try_from(tokens.tokens).expect("512 fit");
    let bytes: Vec<u8> =
        tokens.ids.iter().chain([&true_tokens]).flat_map(|id| id.to_le_bytes()).collect();
    Ok(crate::hex(&Sha256::digest(bytes))[..10].to_owned())
}
