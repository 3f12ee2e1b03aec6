//! Makes inputs out of inputs; the same seed makes the same ones.

/// Pieces that matter to one decoder or another.
const PIECES: &[&[u8]] = &[
    b"0",
    b"-1",
    b"18446744073709551615",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"1e308",
    b"NaN",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"\"",
    b"[[",
    b"]]",
    b"{\"",
    b"\":",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xc3",
    "é".as_bytes(),
    b"\n",
    b"\r\n",
    b"\n  - ",
    b": ",
    b"{{",
    b"}}",
    b"{{#each ",
    b"{{/each}}",
    b"(",
    b")",
    b"<",
    b">",
    b"&",
    b"*",
    b"%",
    b"'",
    b"\\",
    b"#",
    b"| ",
    b"!!",
    b"? ",
    b"<<: ",
    b"0001-01-01T00:00:00Z",
    b"9999-12-31T23:59:59Z",
    b"99999999999999999999d",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
];
/// No input grows beyond this.
const LONGEST: usize = 64 << 10;

/// A sequence of numbers that belongs to a seed.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The sequence of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let end = end as u64;
        mixed.checked_rem(end).unwrap_or(0) as usize
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = 1 << self.below(8);
        let end = (start + self.below(most)).min(length);
        start..end
    }
}

/// An input that no corpus has, made of one or two that it has.
pub fn mutated(corpus: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let pick = |chance: &mut Chance| corpus.get(chance.below(corpus.len())).cloned();
    let mut input = pick(chance).unwrap_or_default();
    for _ in 0..=chance.below(6) {
        let place = chance.range(input.len());
        let other = pick(chance).unwrap_or_default();
        let new: Vec<u8> = match chance.below(8) {
            0 => Vec::new(),
            1 | 2 => PIECES[chance.below(PIECES.len())].to_vec(),
            3 => other[chance.range(other.len())].to_vec(),
            4 => input[place.clone()].repeat(chance.below(20)),
            5 => number_in_place(&mut input, chance),
            6 => vec![chance.below(256) as u8; 1 + chance.below(4)],
            _ => other
                .get(chance.below(other.len() + 1)..)
                .unwrap_or_default()
                .to_vec(),
        };
        input.splice(
            place.start.min(input.len())..place.end.min(input.len()),
            new,
        );
        input.truncate(LONGEST);
    }
    input
}

/// Takes out a number, so that what comes in its place stands where a number stood.
fn number_in_place(input: &mut Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    let from = chance.below(input.len() + 1);
    let digit = |byte: &u8| byte.is_ascii_digit();
    if let Some(start) = input[from..].iter().position(digit) {
        let start = from + start;
        let end = input[start..]
            .iter()
            .position(|byte| !digit(byte))
            .map_or(input.len(), |length| start + length);
        let piece = PIECES[chance.below(7)].to_vec();
        input.splice(start..end, piece);
    }
    Vec::new()
}
