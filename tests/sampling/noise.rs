//! Noise has the bits of `torch.randn`, whatever the seed and the size.

use kinora_engine::local::noise::Generator;
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Case {
    draw: Vec<Draw>,
}

#[derive(Deserialize)]
struct Draw {
    seed: String,
    sizes: Vec<usize>,
    sha256: String,
    first: Vec<u32>,
    last: Vec<u32>,
}

#[test]
fn noise_has_the_bits_of_torch() {
    let case: Case = toml::from_str(&crate::golden_text("sampling-noise", "case.toml"))
        .expect("the golden is TOML");
    assert!(case.draw.len() >= 50, "the golden has lost draws");
    for draw in case.draw {
        let mut generator = Generator::new(draw.seed.parse().expect("a seed is a u64"));
        let values: Vec<f32> =
            draw.sizes.iter().flat_map(|size| generator.randn(&[*size])).collect();
        let bits: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
        let named = format!("seed {} sizes {:?}", draw.seed, draw.sizes);
        assert_eq!(bits[..draw.first.len()], draw.first, "{named}: first values");
        assert_eq!(bits[bits.len() - draw.last.len()..], draw.last, "{named}: last values");
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(crate::hex(&Sha256::digest(&bytes)), draw.sha256, "{named}: hash");
    }
}

#[test]
fn a_shape_is_drawn_in_row_major_order() {
    assert_eq!(Generator::new(3).randn(&[2, 3, 5]), Generator::new(3).randn(&[30]));
}
