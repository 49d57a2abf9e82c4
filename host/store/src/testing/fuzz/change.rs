//! Random changes of inputs.

use crate::format::{HEADER_BYTES, Reader, put_number};
use crate::{Random, SeededRandom};

/// Random decisions, the same for the same seed.
#[derive(Debug)]
pub struct Chance(SeededRandom);

impl Chance {
    /// Decisions from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }

    /// A number below `bound`; 0 when that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.0.next_u64() % bound).unwrap_or(0)
    }

    /// Whether an event happens that has this chance in a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// The bytes before a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) bytes: usize,
    /// The offset of the block's length in them.
    pub(super) length_at: usize,
}

/// Changes bytes in one place; `from` are bytes that may be copied.
pub(super) fn change(bytes: &mut Vec<u8>, from: Option<&[u8]>, chance: &mut Chance) {
    const NUMBERS: [u64; 9] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0xffff_ffff, 1 << 63, u64::MAX];
    let place = chance.below(bytes.len() + 1);
    let bound = 1 << chance.below(8);
    let length = chance.below(bound).min(bytes.len() - place);
    match (chance.below(9), from) {
        (0..2, _) if place < bytes.len() => bytes[place] ^= 1 << chance.below(8),
        (2, _) if place < bytes.len() => bytes[place] = NUMBERS[chance.below(9)].to_le_bytes()[0],
        (3, _) => {
            let number = NUMBERS[chance.below(9)].to_le_bytes();
            let width = [4, 8][chance.below(2)].min(bytes.len() - place);
            bytes[place..place + width].copy_from_slice(&number[..width]);
        }
        (4, _) => drop(bytes.drain(place..place + length)),
        (5, _) => {
            let copied = bytes[place..place + length].to_vec();
            let to = chance.below(bytes.len() + 1);
            bytes.splice(to..to, copied);
        }
        (6, _) => bytes.truncate(place),
        (7, _) if chance.percent(50) => {
            let mut number = Vec::new();
            put_number(&mut number, NUMBERS[chance.below(9)]);
            let end = (place + number.len()).min(bytes.len());
            bytes.splice(place..end, number);
        }
        (7, _) => {
            let random = (0..length).map(|_| NUMBERS[chance.below(9)].to_le_bytes()[0]).collect::<Vec<_>>();
            bytes.splice(place..place, random);
        }
        (8, Some(from)) if !from.is_empty() => {
            let start = chance.below(from.len());
            let end = start + chance.below(from.len() - start + 1);
            bytes.splice(place..place + length, from[start..end].iter().copied());
        }
        _ => bytes.push(0),
    }
}

/// Lets `change` change one block, and fixes its length, so that the blocks after it are still found. Does nothing without a block.
pub(super) fn change_block(
    bytes: &mut Vec<u8>,
    frame: Frame,
    chance: &mut Chance,
    change: impl FnOnce(&mut Vec<u8>, &mut Chance),
) -> bool {
    let mut blocks = Vec::new();
    let mut offset = HEADER_BYTES;
    while let Some(before) = bytes.get(offset..offset.saturating_add(frame.bytes)) {
        let length = Reader(&before[frame.length_at..]).u32().map_or(0, |length| length as usize);
        let start = offset + frame.bytes;
        offset = start.saturating_add(length);
        if offset <= bytes.len() {
            blocks.push(start..offset);
        }
    }
    if blocks.is_empty() {
        return false;
    }
    let block = blocks.swap_remove(chance.below(blocks.len()));
    let mut changed = bytes[block.clone()].to_vec();
    change(&mut changed, chance);
    let length = u32::try_from(changed.len()).unwrap_or(u32::MAX).to_le_bytes();
    let place = block.start - frame.bytes + frame.length_at;
    bytes.splice(block, changed);
    bytes[place..place + 4].copy_from_slice(&length);
    true
}
