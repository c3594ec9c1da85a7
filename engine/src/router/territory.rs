//! Countries by two letters, and the regions that terms leave out in words.

/// Whether a country lies in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// The region is not known here.
    Unknown,
}

const UNION: &[&str] = &[
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT",
    "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// Regions as terms name them, with their countries.
const REGIONS: [(&[&str], &[&str]); 6] = [
    (&["european union", "eu", "the european union"], UNION),
    (&["united kingdom", "uk", "great britain", "the united kingdom"], &["GB"]),
    (&["south korea", "republic of korea", "korea"], &["KR"]),
    (&["china", "mainland china", "people's republic of china"], &["CN"]),
    (&["united states", "usa", "united states of america"], &["US"]),
    (&["russia", "russian federation"], &["RU"]),
];

/// Whether a country lies in a region.
pub(super) fn inside(country: &str, region: &str) -> Inside {
    let (country, region) = (country.trim().to_uppercase(), region.trim().to_lowercase());
    let country = if country == "UK" { "GB".to_owned() } else { country };
    let known = REGIONS.iter().find(|(names, _)| names.contains(&region.as_str()));
    let is_code = region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_lowercase());
    let holds = match known {
        Some((_, countries)) => countries.contains(&country.as_str()),
        None if is_code => region.to_uppercase() == country,
        None => return Inside::Unknown,
    };
    if holds { Inside::Yes } else { Inside::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_in_regions() {
        for (country, region, expected) in [
            ("DE", "European Union", Inside::Yes),
            ("de", "EU", Inside::Yes),
            ("CH", "European Union", Inside::No),
            ("GB", "United Kingdom", Inside::Yes),
            ("UK", "UK", Inside::Yes),
            ("GB", "European Union", Inside::No),
            ("KR", "South Korea", Inside::Yes),
            ("JP", "jp", Inside::Yes),
            ("JP", "cn", Inside::No),
            ("JP", "Asia", Inside::Unknown),
        ] {
            assert_eq!(inside(country, region), expected, "{country} {region}");
        }
        assert_eq!(UNION.len(), 27);
    }
}
