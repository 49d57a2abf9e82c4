//! The columns of a record of CSV.

use std::io;

use csv_core::ReadRecordResult;

use super::line_reader::LineReader;

/// The columns of one record, without their quotes, as `csv-core` reads them.
pub(in crate::transfer) struct Columns {
    parser: csv_core::Reader,
    bytes: Vec<u8>,
    byte_count: usize,
    /// Where each column ends in `bytes`.
    ends: Vec<usize>,
    end_count: usize,
}

impl Columns {
    pub(in crate::transfer) fn new(delimiter: u8) -> Self {
        // Records end as lines do: with `\n`, `\r\n`, or `\r` alone.
        let terminator = csv_core::Terminator::CRLF;
        let mut parser = csv_core::ReaderBuilder::new().delimiter(delimiter).terminator(terminator).build();
        // The parser would drop a byte order mark from its first input; the file's own has been taken already.
        parser.read_record(b"\n", &mut [], &mut []);
        Self { parser, bytes: Vec::new(), byte_count: 0, ends: vec![0; 16], end_count: 0 }
    }

    fn clear(&mut self) {
        (self.byte_count, self.end_count) = (0, 0);
    }

    /// Reads the columns of a record whose first line is in `raw`, and its further lines onto that; false where the file ends within a
    /// quoted column.
    pub(in crate::transfer) fn read(&mut self, lines: &mut LineReader, raw: &mut Vec<u8>) -> io::Result<bool> {
        self.clear();
        let mut start = 0;
        while !self.take(&raw[start..]) {
            start = raw.len();
            if !lines.read_onto(raw)? {
                // The file's last line may lack its end. Where an end does not end the record, a quote is open.
                return Ok(!raw.ends_with(b"\n") && !raw.ends_with(b"\r") && self.take(b"\n"));
            }
        }
        Ok(true)
    }

    /// How many there are.
    pub(in crate::transfer) fn len(&self) -> usize {
        self.end_count
    }

    /// The column at a place, from 0.
    pub(in crate::transfer) fn get(&self, place: usize) -> Option<&[u8]> {
        let ends = &self.ends[..self.end_count];
        let start = place.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied())?;
        Some(&self.bytes[start..*ends.get(place)?])
    }

    /// Reads a line of the record; whether the record ends with it.
    fn take(&mut self, mut line: &[u8]) -> bool {
        loop {
            // Quotes only take bytes away, so that there is always room for a line's.
            self.bytes.resize(self.bytes.len().max(self.byte_count + line.len()), 0);
            let (bytes, ends) = (&mut self.bytes[self.byte_count..], &mut self.ends[self.end_count..]);
            let (result, read, written, ended) = self.parser.read_record(line, bytes, ends);
            line = &line[read..];
            self.byte_count += written;
            self.end_count += ended;
            match result {
                ReadRecordResult::Record => return true,
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::OutputFull => {}
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return false,
            }
        }
    }

    pub(in crate::transfer) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let ends = &self.ends[..self.end_count];
        let starts = std::iter::once(&0).chain(ends);
        starts.zip(ends).map(|(&start, &end)| &self.bytes[start..end])
    }
}
