//! Damage.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Inputs beyond this are cut: what is longer is refused by its length alone.
const MAX_BYTES: usize = 40_000;
const MAX_STEPS: usize = 6;

pub struct Mutator<'d> {
    dice: SmallRng,
    /// What the decoder looks for, so that damage also makes sense now and then.
    dictionary: &'d [&'d [u8]],
}

impl<'d> Mutator<'d> {
    pub fn new(number: u64, dictionary: &'d [&'d [u8]]) -> Self {
        Self { dice: SmallRng::seed_from_u64(number), dictionary }
    }

    pub fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.dice.random_range(0..seeds.len())].clone();
        for _ in 0..self.dice.random_range(0..=MAX_STEPS) {
            self.damage(&mut input, seeds);
        }
        input.truncate(MAX_BYTES);
        input
    }

    fn damage(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let (from, to) = self.range(input.len());
        match self.dice.random_range(0..9u8) {
            0 => flip(input, from, 1 << self.dice.random_range(0..8)),
            1 => input.truncate(from),
            2 => drop(input.drain(from..to)),
            3 => {
                let copied = input[from..to].to_vec();
                let at = self.dice.random_range(0..=input.len());
                input.splice(at..at, copied);
            }
            4 => {
                let other = &seeds[self.dice.random_range(0..seeds.len())];
                let (other_from, other_to) = self.range(other.len());
                input.splice(from..to, other[other_from..other_to].iter().copied());
            }
            5 => {
                let byte = self.dice.random();
                input.insert(from, byte);
            }
            6 => {
                drop(input.splice(from..from, std::iter::repeat_n(self.dice.random(), self.dice.random_range(1..200))));
            }
            _ if self.dictionary.is_empty() => flip(input, from, 0xFF),
            _ => {
                let word = self.dictionary[self.dice.random_range(0..self.dictionary.len())];
                let end = if self.dice.random() { from } else { to };
                input.splice(from..end, word.iter().copied());
            }
        }
    }

    /// A part of something that is `length` long; mostly a short one.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.dice.random_range(0..=length);
        let longest = if self.dice.random_ratio(3, 4) { 8 } else { length };
        (from, (from + self.dice.random_range(0..=longest)).min(length))
    }
}

fn flip(input: &mut [u8], at: usize, bits: u8) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= bits;
    }
}
