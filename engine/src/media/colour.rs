//! Between RGB and the luma and chroma planes that video codecs take, in whole numbers.
//!
//! RGB here is full-range R'G'B' as the VAE gives it. Planes are 4:2:0 with chroma sited left, as MPEG-2 and H.264 have
//! it when they say nothing: a chroma sample lies on an even column, half-way between two rows. Each result is rounded
//! once, from the exact sum.
//!
//! # Source
//! ITU-R BT.709-6 items 3.2 to 3.4 and 4.6; ITU-R BT.601-7 items 2.5.1 to 2.5.3.

/// The luma weights of red and blue; green has the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Matrix {
    red: f64,
    blue: f64,
}

/// What we write, and what is assumed of a file that does not say.
pub(super) const BT709: Matrix = Matrix { red: 0.2126, blue: 0.0722 };
/// Standard definition, as older files have it.
pub(super) const BT601: Matrix = Matrix { red: 0.299, blue: 0.114 };

/// A picture as three planes, chroma at half the width and half the height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Yuv420 {
    /// Luma, (height, width), even sides.
    pub(super) luma: Plane,
    /// Blue minus luma, (height / 2, width / 2).
    pub(super) blue: Plane,
    /// Red minus luma, (height / 2, width / 2).
    pub(super) red: Plane,
}

/// One channel, rows without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) data: Vec<u8>,
}

impl Plane {
    fn new(width: usize, height: usize) -> Self {
        Self { width, data: vec![0; width * height] }
    }

    /// Takes the rows out of a padded buffer. `None` where the buffer is too short.
    pub(super) fn from_strided(
        width: usize,
        height: usize,
        stride: usize,
        data: &[u8],
    ) -> Option<Self> {
        let mut plane = Self::new(width, height);
        for (row, out) in plane.data.chunks_exact_mut(width).enumerate() {
            out.copy_from_slice(data.get(row * stride..row * stride + width)?);
        }
        Some(plane)
    }

    /// The chroma at luma row `y` in quarters, around 0: three parts of the nearer row, one of the farther. The last
    /// column is there twice, for a luma column beyond it.
    fn between(&self, y: usize) -> Vec<i32> {
        let last = self.data.len() / self.width - 1;
        let row = |row: usize| &self.data[row.min(last) * self.width..][..self.width];
        let near = y / 2;
        let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { near + 1 };
        let mix = |(near, far): (&u8, &u8)| 3 * i32::from(*near) + i32::from(*far) - 4 * 128;
        let mut quarters: Vec<i32> = row(near).iter().zip(row(far)).map(mix).collect();
        quarters.extend(quarters.last().copied());
        quarters
    }
}

/// Bits after the point in the coefficients.
const BITS: u32 = 16;

/// Converts one RGB picture to BT.709 limited range. Odd sides are made even by repeating the last column and row.
///
/// # Shapes
/// `rgb` is (height, width, 3).
pub(super) fn rgb_to_yuv420(rgb: &[u8], width: usize, height: usize) -> Yuv420 {
    let (even_width, even_height) = (width.next_multiple_of(2), height.next_multiple_of(2));
    let [luma_row, blue_row, red_row] = rgb_to_yuv(BT709);
    let mut luma = Plane::new(even_width, even_height);
    for (y, out) in luma.data.chunks_exact_mut(even_width).enumerate() {
        let row = &rgb[y.min(height - 1) * width * 3..][..width * 3];
        for (x, out) in out.iter_mut().enumerate() {
            let pixel = &row[x.min(width - 1) * 3..][..3];
            *out =
                round(dot(luma_row, [0, 1, 2].map(|c| i32::from(pixel[c]))) + (16 << BITS), BITS);
        }
    }
    let mut blue = Plane::new(even_width / 2, even_height / 2);
    let mut red = blue.clone();
    for y in 0..even_height / 2 {
        let rows = [2 * y, 2 * y + 1].map(|y| &rgb[y.min(height - 1) * width * 3..][..width * 3]);
        for x in 0..even_width / 2 {
            // 1 2 1 across, centred on the even column; 1 1 down: eight eighths.
            let columns =
                [(2 * x).saturating_sub(1), 2 * x, 2 * x + 1].map(|x| x.min(width - 1) * 3);
            let sums = [0, 1, 2].map(|c| {
                rows.iter()
                    .map(|row| {
                        i32::from(row[columns[0] + c])
                            + 2 * i32::from(row[columns[1] + c])
                            + i32::from(row[columns[2] + c])
                    })
                    .sum()
            });
            let at = y * (even_width / 2) + x;
            blue.data[at] = round(dot(blue_row, sums) + (128 << (BITS + 3)), BITS + 3);
            red.data[at] = round(dot(red_row, sums) + (128 << (BITS + 3)), BITS + 3);
        }
    }
    Yuv420 { luma, blue, red }
}

/// Converts three planes to one RGB picture, appended to `rgb`. Chroma is interpolated linearly between its sites.
///
/// # Shapes
/// Appends (height, width, 3) of the luma plane.
pub(super) fn yuv420_to_rgb(picture: &Yuv420, matrix: Matrix, full_range: bool, rgb: &mut Vec<u8>) {
    // Coefficients of 14 bits and chroma in eighths keep every sum within 32 bits.
    const BITS: u32 = 14;
    let (offset, luma_scale, chroma_scale) =
        if full_range { (0, 1.0, 1.0) } else { (16, 255.0 / 219.0, 255.0 / 224.0) };
    let fixed = |value: f64| (value * f64::from(1 << BITS)).round() as i32;
    let green = 1.0 - matrix.red - matrix.blue;
    let scale = fixed(luma_scale);
    let red_red = fixed(2.0 * (1.0 - matrix.red) * chroma_scale);
    let blue_blue = fixed(2.0 * (1.0 - matrix.blue) * chroma_scale);
    let green_red = fixed(-2.0 * (1.0 - matrix.red) * matrix.red / green * chroma_scale);
    let green_blue = fixed(-2.0 * (1.0 - matrix.blue) * matrix.blue / green * chroma_scale);

    let start = rgb.len();
    rgb.resize(start + picture.luma.data.len() * 3, 0);
    let lumas = picture.luma.data.chunks_exact(picture.luma.width);
    let outs = rgb[start..].chunks_exact_mut(picture.luma.width * 3);
    for (y, (luma, out)) in lumas.zip(outs).enumerate() {
        let (blue, red) = (picture.blue.between(y), picture.red.between(y));
        for (x, (&luma, out)) in luma.iter().zip(out.chunks_exact_mut(3)).enumerate() {
            let luma = 8 * scale * (i32::from(luma) - offset);
            let (left, right) = (x / 2, x.div_ceil(2));
            let (blue, red) = (blue[left] + blue[right], red[left] + red[right]);
            out[0] = round(luma + red_red * red, BITS + 3);
            out[1] = round(luma + green_red * red + green_blue * blue, BITS + 3);
            out[2] = round(luma + blue_blue * blue, BITS + 3);
        }
    }
}

/// Coefficients of limited-range luma and chroma. The rows sum to exactly 219/255 and 0, so that greys stay grey.
fn rgb_to_yuv(matrix: Matrix) -> [[i32; 3]; 3] {
    let fixed = |value: f64| (value * f64::from(1 << BITS)).round() as i32;
    let luma = |weight: f64| fixed(weight * 219.0 / 255.0);
    let chroma = |weight: f64, own: f64| fixed(weight / (2.0 * (1.0 - own)) * 224.0 / 255.0);
    let Matrix { red, blue } = matrix;
    [
        [luma(red), luma(1.0) - luma(red) - luma(blue), luma(blue)],
        [
            chroma(-red, blue),
            -chroma(-red, blue) - chroma(1.0 - blue, blue),
            chroma(1.0 - blue, blue),
        ],
        [chroma(1.0 - red, red), -chroma(1.0 - red, red) - chroma(-blue, red), chroma(-blue, red)],
    ]
}

fn dot(row: [i32; 3], pixel: [i32; 3]) -> i32 {
    row[0] * pixel[0] + row[1] * pixel[1] + row[2] * pixel[2]
}

fn round(sum: i32, bits: u32) -> u8 {
    ((sum + (1 << (bits - 1))) >> bits).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(rgb: [u8; 3]) -> [u8; 3] {
        let picture = rgb_to_yuv420(&rgb.repeat(16), 4, 4);
        assert!(picture.luma.data.iter().all(|&value| value == picture.luma.data[0]));
        [picture.luma.data[0], picture.blue.data[0], picture.red.data[0]]
    }

    /// The 75 % and 100 % bars as BT.709 tables print them.
    #[test]
    fn known_colours() {
        let cases = [
            ([0, 0, 0], [16, 128, 128]),
            ([255, 255, 255], [235, 128, 128]),
            ([128, 128, 128], [126, 128, 128]),
            ([255, 0, 0], [63, 102, 240]),
            ([0, 255, 0], [173, 42, 26]),
            ([0, 0, 255], [32, 240, 118]),
            ([255, 255, 0], [219, 16, 138]),
            ([0, 255, 255], [188, 154, 16]),
            ([255, 0, 255], [78, 214, 230]),
        ];
        for (rgb, yuv) in cases {
            assert_eq!(flat(rgb), yuv, "{rgb:?}");
        }
    }

    #[test]
    fn every_grey_is_exactly_grey() {
        for value in 0..=255 {
            let [luma, blue, red] = flat([value; 3]);
            let expected = (16.0 + 219.0 * f64::from(value) / 255.0).round() as u8;
            assert_eq!([luma, blue, red], [expected, 128, 128]);
        }
    }

    #[test]
    fn flat_colours_come_back_within_two_levels() {
        for step in 0..4096u32 {
            let rgb = [step >> 8, step >> 4 & 15, step & 15].map(|nibble| (nibble * 17) as u8);
            let mut back = Vec::new();
            yuv420_to_rgb(&rgb_to_yuv420(&rgb.repeat(16), 4, 4), BT709, false, &mut back);
            for (found, expected) in back.iter().zip(rgb.repeat(16)) {
                assert!(found.abs_diff(expected) <= 2, "{rgb:?} came back as {:?}", &back[..3]);
            }
        }
    }

    /// A ramp in red: the chroma of column 2 is that of red at column 2, not at 2.5 as it would be sited centre.
    #[test]
    fn chroma_is_sited_left() {
        let rgb: Vec<u8> = (0..2).flat_map(|_| (0..32).flat_map(|x| [x * 8, 0, 0])).collect();
        let picture = rgb_to_yuv420(&rgb, 32, 2);
        for x in 1..15 {
            let expected = 128.0 + 224.0 / 255.0 * 0.5 * (x * 16) as f64;
            assert_eq!(picture.red.data[x], expected.round() as u8, "chroma column {x}");
        }
        let mut back = Vec::new();
        yuv420_to_rgb(&picture, BT709, false, &mut back);
        for x in 2..30 {
            assert!(back[x * 3].abs_diff((x * 8) as u8) <= 2, "column {x}: {}", back[x * 3]);
        }
    }

    #[test]
    fn odd_sides_repeat_the_edge() {
        let rgb: Vec<u8> = (0..15).flat_map(|i| [i * 17, 0, 255 - i * 17]).collect();
        let picture = rgb_to_yuv420(&rgb, 5, 3);
        assert_eq!((picture.luma.width, picture.luma.data.len()), (6, 24));
        assert_eq!((picture.blue.width, picture.blue.data.len()), (3, 6));
        for row in picture.luma.data.chunks(6) {
            assert_eq!(row[4], row[5]);
        }
        assert_eq!(picture.luma.data[12..18], picture.luma.data[18..24]);
    }

    #[test]
    fn standard_definition_and_full_range_are_told_apart() {
        let grey = |luma| Yuv420 {
            luma: Plane { width: 2, data: vec![luma; 4] },
            blue: Plane { width: 1, data: vec![90] },
            red: Plane { width: 1, data: vec![240] },
        };
        let convert = |matrix, full_range| {
            let mut rgb = Vec::new();
            yuv420_to_rgb(&grey(81), matrix, full_range, &mut rgb);
            [rgb[0], rgb[1], rgb[2]]
        };
        assert_eq!(convert(BT601, false), [254, 0, 0]);
        assert_eq!(convert(BT709, false)[0], 255);
        assert_ne!(convert(BT709, false), convert(BT601, false));
        assert_ne!(convert(BT601, true), convert(BT601, false));
    }
}
