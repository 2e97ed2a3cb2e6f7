//! The colours of the picture: each for light and for dark surroundings.
//!
//! Shapes carry the light colour as an attribute, which every viewer shows. A style sheet replaces
//! it where the viewer prefers dark.

use plotters::style::RGBColor;
use std::fmt::Write as _;

/// A colour on white paper, and the one that replaces it on dark paper.
type Pair = ([u8; 3], [u8; 3]);

const PAPER: Pair = ([0xff, 0xff, 0xff], [0x0d, 0x11, 0x17]);
const INK: Pair = ([0x1f, 0x23, 0x28], [0xe6, 0xed, 0xf3]);
const DIM: Pair = ([0x57, 0x60, 0x6a], [0x91, 0x98, 0xa1]);
const GRID: Pair = ([0xe4, 0xe8, 0xec], [0x21, 0x27, 0x2f]);
const UP: Pair = ([0x1a, 0x7f, 0x37], [0x3f, 0xb9, 0x50]);
const DOWN: Pair = ([0xcf, 0x22, 0x2e], [0xf8, 0x51, 0x49]);
const STRUCTURES: [Pair; 6] = [
    ([0x42, 0x4a, 0x53], [0xc9, 0xd1, 0xd9]),
    ([0x82, 0x50, 0xdf], [0xbc, 0x8c, 0xff]),
    ([0x05, 0x50, 0xae], [0x79, 0xc0, 0xff]),
    ([0xbf, 0x39, 0x89], [0xf7, 0x78, 0xba]),
    ([0xbc, 0x4c, 0x00], [0xf0, 0x88, 0x3e]),
    ([0x1b, 0x7c, 0x83], [0x39, 0xc5, 0xcf]),
];
const LINES: [Pair; 7] = [
    ([0x09, 0x69, 0xda], [0x44, 0x93, 0xf8]),
    ([0x9a, 0x67, 0x00], [0xd2, 0x99, 0x22]),
    ([0xa4, 0x0e, 0x6b], [0xff, 0x80, 0xc8]),
    ([0x4d, 0x7c, 0x0f], [0xa3, 0xd6, 0x5c]),
    ([0x66, 0x39, 0xba], [0xd2, 0xa8, 0xff]),
    ([0x0e, 0x74, 0x90], [0x67, 0xd3, 0xee]),
    ([0x8a, 0x4b, 0x2a], [0xe0, 0xa8, 0x82]),
];
/// Of bands. They stand on the paper, with the ink above them.
const BANDS: [Pair; 6] = [
    ([0xd0, 0xd7, 0xde], [0x3d, 0x44, 0x4d]),
    ([0x9b, 0xd4, 0xa7], [0x1f, 0x6f, 0x35]),
    ([0x9c, 0xc8, 0xf5], [0x1c, 0x56, 0xa5]),
    ([0xf5, 0xc9, 0x7a], [0x7d, 0x51, 0x0a]),
    ([0xd3, 0xb8, 0xf7], [0x5b, 0x3a, 0x9c]),
    ([0xf6, 0xb4, 0xae], [0x97, 0x2f, 0x2b]),
];

const fn light(pair: Pair) -> RGBColor {
    RGBColor(pair.0[0], pair.0[1], pair.0[2])
}

/// The paper.
pub(super) const fn paper() -> RGBColor {
    light(PAPER)
}

/// Text.
pub(super) const fn ink() -> RGBColor {
    light(INK)
}

/// Axes and their labels.
pub(super) const fn dim() -> RGBColor {
    light(DIM)
}

/// Lines of the grid.
pub(super) const fn grid() -> RGBColor {
    light(GRID)
}

/// Bars that close above (true) or below their open.
pub(super) const fn candle(rises: bool) -> RGBColor {
    light(if rises { UP } else { DOWN })
}

/// The structures of a number.
pub(super) const fn structure(number: usize) -> RGBColor {
    light(STRUCTURES[number % STRUCTURES.len()])
}

/// The line of a number.
pub(super) const fn line(number: usize) -> RGBColor {
    light(LINES[number % LINES.len()])
}

/// The band of a state. States of one indicator differ; an unknown one is grey.
pub(super) fn band(word: &str) -> RGBColor {
    light(
        BANDS[match word {
            "tight_smc" | "up" => 1,
            "wide_structure" | "extended" => 2,
            "consolidation" | "turning" => 3,
            "basing" => 4,
            "failing" => 5,
            _ => 0,
        }],
    )
}

/// The style sheet for viewers that prefer dark.
pub(super) fn dark() -> String {
    let mut sheet = ":root{color-scheme:light dark}@media(prefers-color-scheme:dark){".to_owned();
    for (light, dark) in all() {
        let (light, dark) = (hex(light), hex(dark));
        for paint in ["fill", "stroke"] {
            write!(sheet, "[{paint}=\"{light}\"]{{{paint}:{dark}}}").expect("a text");
        }
    }
    sheet.push('}');
    sheet
}

fn all() -> impl Iterator<Item = Pair> {
    let single = [PAPER, INK, DIM, GRID, UP, DOWN];
    single.into_iter().chain(STRUCTURES).chain(LINES).chain(BANDS)
}

/// A colour in CSS.
pub(super) fn hex([red, green, blue]: [u8; 3]) -> String {
    let mut text = String::with_capacity(7);
    write!(text, "#{red:02x}{green:02x}{blue:02x}").expect("a text takes everything");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast of two colours by WCAG 2: 1 to 21.
    fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = |[red, green, blue]: [u8; 3]| {
            0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn texts_and_shapes_are_readable_on_light_and_dark_paper() {
        let least = |pairs: &[Pair], on: Pair| {
            let both = |pair: &Pair| contrast(pair.0, on.0).min(contrast(pair.1, on.1));
            pairs.iter().map(both).fold(f64::INFINITY, f64::min)
        };
        assert!(least(&[INK, DIM], PAPER) > 4.5, "texts");
        assert!(least(&[UP, DOWN], PAPER) > 3.0, "candles");
        assert!(least(&STRUCTURES, PAPER) > 3.0, "structures");
        assert!(least(&LINES, PAPER) > 3.0, "lines");
        assert!(least(&BANDS, INK) > 4.5, "texts on bands");
    }

    #[test]
    fn each_light_colour_has_one_dark_colour() {
        let mut light: Vec<_> = all().map(|pair| pair.0).collect();
        let number = light.len();
        light.sort_unstable();
        light.dedup();
        assert_eq!(light.len(), number);
    }
}
