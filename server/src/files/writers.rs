//! Bars as text and as Parquet.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use clap::ValueEnum;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::db::files::Kept;

/// The columns of an export, whatever its format.
const COLUMNS: [&str; 10] = ["time", "open", "high", "low", "close", "volume", "vwap", "trades", "layer", "provider"];
/// How many rows a Parquet writer holds before it writes them.
const ROW_GROUP: usize = 65_536;

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text, separated by commas. Times are RFC 3339 in UTC.
    Csv,
    /// Parquet, with zstd. Times are milliseconds in UTC.
    Parquet,
}

/// A writer of bars.
pub enum Writer<W: Write + Send> {
    /// As text.
    Csv(Box<csv::Writer<W>>),
    /// As Parquet.
    Parquet(Box<ArrowWriter<BufWriter<W>>>),
}

impl<W: Write + Send> Writer<W> {
    /// Writes the header.
    pub fn new(format: Format, to: W) -> std::io::Result<Self> {
        match format {
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(to);
                writer.write_record(COLUMNS)?;
                Ok(Self::Csv(Box::new(writer)))
            }
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(ROW_GROUP))
                    .build();
                let writer = ArrowWriter::try_new(BufWriter::new(to), Arc::new(schema()), Some(properties));
                Ok(Self::Parquet(Box::new(writer.map_err(as_io)?)))
            }
        }
    }

    /// Writes rows.
    pub fn write(&mut self, rows: &[Kept]) -> std::io::Result<()> {
        match self {
            Self::Csv(writer) => rows.iter().try_for_each(|row| writer.write_record(record(row)).map_err(Into::into)),
            Self::Parquet(writer) => writer.write(&batch(rows)?).map_err(as_io),
        }
    }

    /// Writes what a file ends with, and gives the target back.
    pub fn finish(self) -> std::io::Result<W> {
        match self {
            Self::Csv(writer) => writer.into_inner().map_err(|error| error.into_error()),
            Self::Parquet(writer) => {
                Ok(writer.into_inner().map_err(as_io)?.into_inner().map_err(|error| error.into_error())?)
            }
        }
    }
}

/// The shortest text that is read back as the same number.
fn record(Kept { bar, layer, provider }: &Kept) -> [String; 10] {
    let optional = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
    [
        bar.ts.to_string(),
        bar.open.to_string(),
        bar.high.to_string(),
        bar.low.to_string(),
        bar.close.to_string(),
        bar.volume.to_string(),
        optional(bar.vwap),
        bar.trades.map_or_else(String::new, |trades| trades.to_string()),
        layer.to_string(),
        provider.clone(),
    ]
}

fn schema() -> Schema {
    let [time, open, high, low, close, volume, vwap, trades, layer, provider] = COLUMNS;
    let number = |name| Field::new(name, DataType::Float64, false);
    Schema::new(vec![
        Field::new(time, DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), false),
        number(open),
        number(high),
        number(low),
        number(close),
        number(volume),
        Field::new(vwap, DataType::Float64, true),
        Field::new(trades, DataType::Int64, true),
        Field::new(layer, DataType::Utf8, false),
        Field::new(provider, DataType::Utf8, false),
    ])
}

fn batch(rows: &[Kept]) -> std::io::Result<RecordBatch> {
    let number = |of: fn(&Kept) -> f64| Arc::new(Float64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let text = |of: fn(&Kept) -> &str| Arc::new(StringArray::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.bar.ts.0)).with_timezone("UTC");
    let vwap: Float64Array = rows.iter().map(|row| row.bar.vwap).collect();
    let trades: Int64Array = rows.iter().map(|row| row.bar.trades.map(i64::from)).collect();
    let columns = vec![
        Arc::new(times) as ArrayRef,
        number(|row| row.bar.open),
        number(|row| row.bar.high),
        number(|row| row.bar.low),
        number(|row| row.bar.close),
        number(|row| row.bar.volume),
        Arc::new(vwap),
        Arc::new(trades),
        text(|row| row.layer.as_str()),
        text(|row| &row.provider),
    ];
    RecordBatch::try_new(Arc::new(schema()), columns).map_err(std::io::Error::other)
}

fn as_io(error: ParquetError) -> std::io::Error {
    std::io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use tidemark_market::time::MINUTE;
    use tidemark_market::{Bar, Layer, Timestamp};

    use super::*;
    use crate::files::rows::Rows;

    fn written(format: Format, rows: &[Kept], name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("tidemark-writers-{}-{name}", std::process::id()));
        let mut writer = Writer::new(format, std::fs::File::create(&path).unwrap()).unwrap();
        for chunk in rows.chunks(7) {
            writer.write(chunk).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    fn read(path: &Path) -> Vec<(Bar, Option<Layer>)> {
        let mut rows = Rows::open(path).unwrap();
        let mut read = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let row = row.unwrap();
            read.push((row.bar(row.moment.roughly()), row.layer));
        }
        read
    }

    prop_compose! {
        fn any_row()(
            minute in 10_519_200_i64..34_712_640, prices in proptest::array::uniform4(1e-9_f64..1e9), volume in 0.0_f64..1e12,
            vwap in proptest::option::of(1e-9_f64..1e9), trades in proptest::option::of(0_u32..2_147_483_647), is_recent in any::<bool>(),
        ) -> Kept {
            let [open, high, low, close] = prices;
            let bar = Bar { ts: Timestamp(minute * MINUTE), open, high, low, close, volume, vwap, trades };
            let layer = if is_recent { Layer::Intraday } else { Layer::Historical };
            Kept { bar, layer, provider: "polygon, or \"file\"".to_owned() }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read_back_equal(rows in proptest::collection::vec(any_row(), 1..40)) {
            let want: Vec<_> = rows.iter().map(|row| (row.bar, Some(row.layer))).collect();
            for (format, name) in [(Format::Csv, "round.csv"), (Format::Parquet, "round.parquet")] {
                let path = written(format, &rows, name);
                prop_assert_eq!(read(&path), want.clone());
                std::fs::remove_file(path).unwrap();
            }
        }
    }
}
