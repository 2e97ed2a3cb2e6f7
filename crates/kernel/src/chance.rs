//! Seeded random numbers: the same seed gives the same numbers everywhere.
//!
//! splitmix64, <https://prng.di.unimi.it/splitmix64.c>.

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes `value`: every bit of it changes half of the bits of the result.
#[must_use]
pub const fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(STEP);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Draws the next number of the sequence and advances `seed`.
pub const fn draw(seed: &mut u64) -> u64 {
    let drawn = mix(*seed);
    *seed = seed.wrapping_add(STEP);
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_the_published_sequence() {
        let mut seed = 1_234_567;
        let drawn = [draw(&mut seed), draw(&mut seed), draw(&mut seed)];
        let published =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(drawn, published);
    }
}
