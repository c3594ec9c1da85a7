//! Where the store looks, as the environment says.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Result;
use crate::egress::{Address, Token};

/// Where a store looks and whom it asks.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The folder of what belongs to the user.
    pub data_folder: Option<PathBuf>,
    /// Kinora's own folder in it: a checkpoint in a folder of its own, named by card, by repository or at will.
    pub kinora_dir: Option<PathBuf>,
    /// The Hugging Face cache, shared with the Python tools.
    pub hf_cache: Option<PathBuf>,
    /// The hub.
    pub endpoint: Address,
    /// Who asks, where a repository is not for everybody.
    pub token: Option<Token>,
    /// Whether the network is out of bounds.
    pub is_offline: bool,
}

impl StoreConfig {
    /// Reads the variables that the Python tools read too, and `KINORA_HOME`.
    ///
    /// - `KINORA_HOME`, else `XDG_DATA_HOME/kinora`, else `HOME/.local/share/kinora`: holds `models`, and the log of what
    ///   leaves this machine for no production.
    /// - `HF_HUB_CACHE`, else `HF_HOME/hub`, else `XDG_CACHE_HOME/huggingface/hub`, else
    ///   `HOME/.cache/huggingface/hub`: the cache.
    /// - `HF_ENDPOINT`: the hub. `HF_TOKEN`: who asks. `HF_HUB_OFFLINE`: anything but `0`, `off`, `no` or `false`
    ///   closes the network.
    ///
    /// An empty variable counts as absent.
    ///
    /// # Errors
    /// [`Error::Egress`](super::Error::Egress) where `HF_ENDPOINT` is no address, or plain http to another machine.
    pub fn from_env(var: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let text = |name: &str| var(name).map(|value| value.to_string_lossy().trim().to_owned());
        let path = |name: &str| var(name).map(PathBuf::from);
        let home = |below: &str| path("HOME").map(|home| home.join(below));
        let data = || path("XDG_DATA_HOME").or_else(|| home(".local/share"));
        let kinora = path("KINORA_HOME").or_else(|| data().map(|data| data.join("kinora")));
        let cache = || path("XDG_CACHE_HOME").or_else(|| home(".cache"));
        let hf_home = || path("HF_HOME").or_else(|| cache().map(|dir| dir.join("huggingface")));
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        Ok(Self {
            kinora_dir: kinora.as_ref().map(|dir| dir.join("models")),
            data_folder: kinora,
            hf_cache: path("HF_HUB_CACHE").or_else(|| hf_home().map(|dir| dir.join("hub"))),
            endpoint: Address::parse(&endpoint)?,
            token: text("HF_TOKEN").and_then(|text| Token::new(&text)),
            is_offline: text("HF_HUB_OFFLINE").is_some_and(|text| {
                !["0", "off", "no", "false"].contains(&text.to_ascii_lowercase().as_str())
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vars: &[(&str, &str)]) -> StoreConfig {
        StoreConfig::from_env(|name| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into())
        })
        .expect("because the variables are right")
    }

    #[test]
    fn folders_by_precedence() {
        let folders = |vars: &[(&str, &str)]| {
            let config = config(vars);
            (config.kinora_dir, config.hf_cache)
        };
        let some = |path: &str| Some(PathBuf::from(path));
        assert_eq!(folders(&[]), (None, None));
        let home = ("HOME", "/h");
        assert_eq!(
            folders(&[home, ("HF_HOME", "")]),
            (some("/h/.local/share/kinora/models"), some("/h/.cache/huggingface/hub"))
        );
        assert_eq!(
            folders(&[home, ("XDG_DATA_HOME", "/d"), ("XDG_CACHE_HOME", "/c")]),
            (some("/d/kinora/models"), some("/c/huggingface/hub"))
        );
        let all = [home, ("KINORA_HOME", "/k"), ("XDG_DATA_HOME", "/d"), ("HF_HOME", "/f")];
        assert_eq!(folders(&all), (some("/k/models"), some("/f/hub")));
        assert_eq!(folders(&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/x")]).1, some("/x"));
    }

    #[test]
    fn offline_unless_clearly_not() {
        for (value, offline) in [
            ("1", true),
            ("TRUE", true),
            ("maybe", true),
            ("0", false),
            ("False", false),
            ("", false),
        ] {
            assert_eq!(config(&[("HF_HUB_OFFLINE", value)]).is_offline, offline, "{value:?}");
        }
    }

    #[test]
    fn the_endpoint_is_secure_or_here() {
        assert_eq!(config(&[]).endpoint.host(), "huggingface.co");
        assert_eq!(
            config(&[("HF_ENDPOINT", "http://localhost:8080/")]).endpoint.host(),
            "localhost:8080"
        );
        let var = |name: &str| (name == "HF_ENDPOINT").then(|| "http://mirror.test".into());
        assert!(StoreConfig::from_env(var).is_err());
    }

    #[test]
    fn the_token_is_not_printed() {
        let config = config(&[("HF_TOKEN", "hf_secret\n")]);
        assert!(config.token.is_some());
        assert!(!format!("{config:?}").contains("secret"));
    }
}
