//! Sets of places in a text.

/// Bits in a word.
const BITS: u32 = u64::BITS;

/// A set of places in the text, a bit for each byte.
#[derive(Debug)]
pub struct PlaceSet(Vec<u64>);

impl PlaceSet {
    /// No place of a text of so many bytes.
    pub fn new(text_len: usize) -> Self {
        Self(vec![0; text_len.div_ceil(BITS as usize)])
    }

    /// Adds a place of the text.
    pub fn insert(&mut self, at: u32) {
        if let Some(word) = self.0.get_mut((at / BITS) as usize) {
            *word |= 1 << (at % BITS);
        }
    }

    /// Takes a place away.
    pub fn remove(&mut self, at: u32) {
        if let Some(word) = self.0.get_mut((at / BITS) as usize) {
            *word &= !(1 << (at % BITS));
        }
    }

    /// Whether a place is in the set; none outside of the text is.
    pub fn has(&self, at: u32) -> bool {
        self.0.get((at / BITS) as usize).is_some_and(|word| word >> (at % BITS) & 1 == 1)
    }
}

/// A set of places that are numbered in their order.
pub struct Numbered {
    places: PlaceSet,
    /// How many places lie before those of each word, and at last how many there are.
    before: Vec<u32>,
}

impl Numbered {
    /// Numbers the places of a set.
    pub fn new(places: PlaceSet) -> Self {
        let mut count = 0;
        let mut before = vec![0];
        before.extend(places.0.iter().map(|word| {
            count += word.count_ones();
            count
        }));
        Self { places, before }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.before.last().copied().unwrap_or(0)
    }

    /// The number of a place that is in the set.
    pub fn number(&self, at: u32) -> u32 {
        let word = (at / BITS) as usize;
        let below = self.places.0.get(word).map_or(0, |word| word & ((1 << (at % BITS)) - 1));
        self.before.get(word).map_or(self.count(), |before| before + below.count_ones())
    }

    /// All places in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.places.0).flat_map(|(word, &bits)| {
            let mut left = bits;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.wrapping_sub(1);
                (bit < BITS).then_some(word * BITS + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_with_their_numbers() {
        let places = [0, 1, 63, 64, 65, 127, 128, 1000];
        let mut set = PlaceSet::new(1001);
        [4, u32::MAX].into_iter().for_each(|at| set.insert(at));
        places.into_iter().for_each(|at| set.insert(at));
        set.remove(4);
        set.remove(u32::MAX);
        assert!(places.iter().all(|&at| set.has(at)) && [2, 4, 62, 999, 1024, u32::MAX].iter().all(|&at| !set.has(at)));
        let numbered = Numbered::new(set);
        assert_eq!(numbered.iter().collect::<Vec<_>>(), places);
        assert_eq!(places.map(|at| numbered.number(at)), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((numbered.count(), numbered.number(u32::MAX)), (8, 8));
    }
}
