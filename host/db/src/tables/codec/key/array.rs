//! Arrays: elements, then dimensions.

use smallvec::SmallVec;

use super::buffer::KeyBuffer;
use super::reader::Reader;
use super::{integer, scalar};
use crate::tables::TableResult;
use crate::tables::codec::damage::damaged;
use crate::tables::types::{Array, Scalar};

/// Comes before each element.
const ELEMENT: u8 = 0x01;
/// Ends the elements.
const END: u8 = 0x00;
/// As PostgreSQL has it.
const DIMENSIONS_MAX: u8 = 6;

pub(super) fn push<B: KeyBuffer>(out: &mut B, array: &Array, element: Scalar) {
    for value in &array.elements {
        out.put(ELEMENT);
        scalar::push(out, value, element);
    }
    out.put(END);
    let dimensions = &array.dimensions;
    debug_assert!(dimensions.len() <= DIMENSIONS_MAX.into(), "arrays have at most 6 dimensions");
    out.put(u8::try_from(dimensions.len()).unwrap_or(DIMENSIONS_MAX));
    // The length of a single dimension is the number of elements.
    for &(length, _) in dimensions.iter().filter(|_| dimensions.len() > 1) {
        integer::push(out, i64::try_from(length).unwrap_or(i64::MAX));
    }
    for &(_, lower_bound) in dimensions {
        integer::push(out, lower_bound.into());
    }
}

pub(super) fn decode(reader: &mut Reader<'_, '_>, element: Scalar) -> TableResult<Array> {
    let mut elements = Vec::new();
    while next_element(reader)? {
        elements.push(scalar::decode(reader, element)?.into_owned());
    }
    let dimensions = decode_dimensions(reader, elements.len())?;
    Ok(Array { dimensions, elements })
}

fn next_element(reader: &mut Reader<'_, '_>) -> TableResult<bool> {
    match reader.byte()? {
        ELEMENT => Ok(true),
        END => Ok(false),
        _ => Err(damaged("array")),
    }
}

fn decode_dimensions(reader: &mut Reader<'_, '_>, elements: usize) -> TableResult<Vec<(usize, i32)>> {
    let count = usize::from(reader.byte()?);
    if count > DIMENSIONS_MAX.into() {
        return Err(damaged("array"));
    }
    let mut lengths = SmallVec::<[usize; DIMENSIONS_MAX as usize]>::new();
    for _ in 0..count {
        lengths.push(if count == 1 { elements } else { integer::decode_narrow(reader)? });
    }
    let product = lengths.iter().try_fold(usize::from(count > 0), |product, &length| product.checked_mul(length));
    if product != Some(elements) || (count > 0 && elements == 0) {
        return Err(damaged("array"));
    }
    lengths.into_iter().map(|length| Ok((length, integer::decode_narrow(reader)?))).collect()
}

pub(super) fn skip(reader: &mut Reader<'_, '_>, element: Scalar) -> TableResult<()> {
    let mut elements = 0;
    while next_element(reader)? {
        scalar::skip(reader, element)?;
        elements += 1;
    }
    decode_dimensions(reader, elements).map(drop)
}
