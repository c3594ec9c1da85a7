//! `kinora doctor`: what this machine has.

use std::process::ExitCode;

use kinora_engine::{local, media};

use crate::errors::Failure;
use crate::settings;
use crate::ui;

/// Prints what was found, one line each.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let line = |name: &str, value: &str| ui::print(&format!("{name:<18} {value}"));
    line("kinora", env!("CARGO_PKG_VERSION"));
    let machine = local::survey();
    line("processors", &machine.processors.to_string());
    line("kernels", &machine.kernels);
    line(
        "memory",
        &match machine.available_bytes {
            Some(bytes) => format!("{:.1} GiB free", bytes as f64 / (1u64 << 30) as f64),
            None => "not known on this system".to_owned(),
        },
    );
    for (device, state) in &machine.devices {
        line(device, state);
    }
    line("libav", &media::libav_version().unwrap_or_else(|| "not part of this build".to_owned()));
    if let Some(licence) = media::libav_licence() {
        line("libav licence", &licence);
    }
    for (encoder, is_there) in media::encoders() {
        line(&format!("encoder {encoder}"), if is_there { "yes" } else { "no" });
    }
    let store = settings::store()?;
    let config = store.config();
    for (name, folder) in [("models", &config.kinora_dir), ("Hugging Face cache", &config.hf_cache)]
    {
        if let Some(folder) = folder {
            line(name, &folder.display().to_string());
        }
    }
    let keyring = settings::keyring().map(|keyring| keyring.program().display().to_string());
    line("keyring", &keyring.unwrap_or_else(|| "none: keys are kept in files".to_owned()));
    line(
        "network",
        if config.is_offline { "off (HF_HUB_OFFLINE)" } else { "for `models pull` only" },
    );
    Ok(ExitCode::SUCCESS)
}
