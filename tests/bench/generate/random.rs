//! Where does chance come from? A generator that gives the same numbers for the same seed everywhere.

/// `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
/// Whole numbers only, so that no platform rounds another way.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The numbers that belong to these three for ever: what a client of a given number looks like,
    /// which token it has at a given server.
    pub(crate) fn of(a: u64, b: u64, c: u64) -> Self {
        let mut random = Self::new(a);
        for word in [b, c] {
            random.0 = random.next() ^ word;
        }
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `limit`; 0 when that is 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A size of which small ones are common and large ones rare: `low` to `2 * low`, doubled up to
    /// `doublings` times.
    pub(crate) fn skewed(&mut self, low: u64, doublings: u64) -> usize {
        (self.between(low, 2 * low) << self.below(doublings + 1)) as usize
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T], default: &'a T) -> &'a T {
        of.get(self.below(of.len() as u64) as usize).copied().unwrap_or(default)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 7);
        while out.len() < len {
            out.extend(self.next().to_le_bytes());
        }
        out.truncate(len);
        out
    }

    /// `words` times 16 hexadecimal digits.
    pub(crate) fn hex(&mut self, words: usize) -> String {
        (0..words).map(|_| format!("{:016x}", self.next())).collect()
    }
}

/// Bytes for bodies: any piece of it is as good as another, and cutting one is cheap.
pub(crate) struct Filler(Vec<u8>);

impl Filler {
    const LEN: usize = 1 << 20;

    /// Looks like markup.
    pub(crate) fn text(random: &mut Random) -> Self {
        const WORDS: [&str; 12] = [
            "<div class=\"card\">",
            "</div>\n",
            "<p>",
            "</p>\n",
            "<a href=\"/article/",
            "\">",
            "the ",
            "of a ",
            "harbour ",
            "return ",
            "price: ",
            "0.5em;",
        ];
        let mut out = Vec::with_capacity(Self::LEN + 64);
        while out.len() < Self::LEN {
            out.extend(random.pick(&WORDS, "").as_bytes());
            if random.once_in(10) {
                out.extend(random.hex(1).into_bytes());
            }
        }
        Self(out)
    }

    /// Looks like an image or like ciphertext.
    pub(crate) fn noise(random: &mut Random) -> Self {
        Self(random.bytes(Self::LEN))
    }

    /// `len` bytes from anywhere in it; at most half of a mebibyte.
    pub(crate) fn piece(&self, random: &mut Random, len: usize) -> &[u8] {
        let len = len.min(Self::LEN / 2);
        let start = random.below((self.0.len() - len) as u64) as usize;
        self.0.get(start..start + len).unwrap_or_default()
    }
}
