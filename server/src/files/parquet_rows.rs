//! Rows of a Parquet file.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow::array::{Array, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::{can_cast_types, cast};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, Schema, TimeUnit};
use arrow::error::ArrowError;
use chrono::{Days, NaiveDate};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use tidemark_market::Layer;

use super::FileError;
use super::columns::{Columns, TimeColumns};
use super::error::ColumnsError;
use super::rows::{Row, Unread, count, optional};
use super::times::{Moment, Unit, wall_of_millis};

/// How many rows are decoded at once.
const BATCH: usize = 8_192;

/// A reader of bars from Parquet, of which only the columns of bars are read.
pub struct ParquetRows {
    reader: ParquetRecordBatchReader,
    path: String,
    length: u64,
    rows: u64,
    schema: Schema,
    columns: Columns,
    decoded: Decoded,
    /// The next row of `decoded`.
    next: usize,
    read: u64,
}

impl ParquetRows {
    /// Reads what the file's end says of it.
    pub fn open(path: &Path, file: File) -> Result<Self, FileError> {
        let damaged = |why| FileError::Damaged { path: path.display().to_string(), source: ParquetError::General(why) };
        caught(|| Self::open_whole(path, file)).unwrap_or_else(|why| Err(damaged(why)))
    }

    fn open_whole(path: &Path, file: File) -> Result<Self, FileError> {
        let name = path.display().to_string();
        let length = file.metadata().map_err(FileError::unreadable(path))?.len();
        let damaged = |source| FileError::Damaged { path: name.clone(), source };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(damaged)?;
        let schema = builder.schema().as_ref().clone();
        let columns = find_columns(&schema).map_err(|source| FileError::Columns { path: name.clone(), source })?;
        let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        if rows == 0 {
            return Err(FileError::HeaderOnly(name));
        }
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.positions());
        let reader = builder.with_projection(mask).with_batch_size(BATCH).build().map_err(damaged)?;
        let decoded = Decoded::default();
        Ok(Self { reader, path: name, length, rows, schema, columns, decoded, next: 0, read: 0 })
    }

    /// The next row; `None` after the last.
    pub fn next(&mut self) -> Result<Option<Result<Row, Unread>>, FileError> {
        while self.next == self.decoded.moments.len() {
            let failed = |source| FileError::DamagedAfter { path: self.path.clone(), row: self.read, source };
            let (reader, schema, columns) = (&mut self.reader, &self.schema, &self.columns);
            let read = caught(|| reader.next().map(|batch| Decoded::new(&batch?, schema, columns)));
            let read = read.unwrap_or_else(|why| Some(Err(ArrowError::ParquetError(why))));
            let Some(decoded) = read else { return Ok(None) };
            self.decoded = decoded.map_err(failed)?;
            self.next = 0;
        }
        let at = self.next;
        self.next += 1;
        self.read += 1;
        let number = self.read;
        let unread =
            |detail| Unread { number, moment: self.decoded.moments[at], detail, text: self.decoded.text(at).into() };
        Ok(Some(self.decoded.row(number, at).map_err(unread)))
    }

    /// The part of the file that the rows read are of, in bytes.
    pub fn position(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a guess for a progress bar"
        )]
        let position = (self.length as f64 * (self.read as f64 / self.rows as f64)) as u64;
        position
    }

    /// Whether there is a column for volume.
    pub const fn has_volume(&self) -> bool {
        self.columns.volume.is_some()
    }

    /// In words.
    pub fn describe(&self) -> String {
        let volume = if self.has_volume() { "" } else { "; no column for volume, so it is 0 where none is held" };
        let ignored = match self.columns.ignored.as_slice() {
            [] => String::new(),
            ignored => format!("; not read: {}", ignored.join(", ")),
        };
        format!("Parquet{volume}{ignored}")
    }
}

/// The reader panics on some damaged files; what it panicked with is the error.
fn caught<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

fn find_columns(schema: &Schema) -> Result<Columns, ColumnsError> {
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let is_time_of_day = |at: usize| {
        matches!(schema.field(at).data_type(), DataType::Time32(_) | DataType::Time64(_))
            || is_text(schema.field(at).data_type())
    };
    let mut columns = Columns::by_name(&names, is_time_of_day)?;
    let check = |at: usize, role, is_fit: bool| {
        let field = schema.field(at);
        let refused = || ColumnsError::Type { name: field.name().clone(), kind: field.data_type().to_string(), role };
        if is_fit { Ok(()) } else { Err(refused()) }
    };
    let kind = |at: usize| schema.field(at).data_type();
    if let TimeColumns::One(at) = columns.time {
        check(at, "a time", is_time(kind(at)))?;
    }
    let numbers = [columns.open, columns.high, columns.low, columns.close].map(Some);
    for at in numbers.into_iter().chain([columns.volume, columns.vwap, columns.trades]).flatten() {
        check(at, "a number", is_number(kind(at)))?;
    }
    if let Some(at) = columns.layer {
        check(at, "a layer", is_text(kind(at)))?;
    }
    if let Some(at) = columns.symbol.take_if(|at| !is_text(kind(*at))) {
        columns.ignored.push(names[at].clone());
    }
    Ok(columns)
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, value) => is_text(value),
        other => matches!(other, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

fn is_time(kind: &DataType) -> bool {
    matches!(kind, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
        || kind.is_integer()
        || kind.is_floating()
        || is_text(kind)
}

fn is_number(kind: &DataType) -> bool {
    (kind.is_numeric() || is_text(kind)) && can_cast_types(kind, &DataType::Float64)
}

/// The columns of a batch, each in one type. A value that does not fit it is null.
#[derive(Default)]
struct Decoded {
    moments: Vec<Option<Moment>>,
    /// Open, high, low, close, and volume where there is one.
    numbers: Vec<(&'static str, Float64Array)>,
    has_volume: bool,
    vwap: Option<Float64Array>,
    trades: Option<Float64Array>,
    layer: Option<StringArray>,
    symbol: Option<StringArray>,
}

impl Decoded {
    fn new(batch: &RecordBatch, schema: &Schema, columns: &Columns) -> Result<Self, ArrowError> {
        let column = |at: usize| {
            let name = schema.field(at).name();
            batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("the column {name} is gone")))
        };
        let number = |at: usize| {
            Ok::<_, ArrowError>(cast(column(at)?, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
        };
        let text = |at: usize| Ok::<_, ArrowError>(cast(column(at)?, &DataType::Utf8)?.as_string::<i32>().clone());
        let moments = match columns.time {
            TimeColumns::One(at) => moments(column(at)?)?,
            TimeColumns::Two(date, time) => joined(&text(date)?, &text(time)?),
        };
        let mut numbers = vec![
            ("open", number(columns.open)?),
            ("high", number(columns.high)?),
            ("low", number(columns.low)?),
            ("close", number(columns.close)?),
        ];
        if let Some(at) = columns.volume {
            numbers.push(("volume", number(at)?));
        }
        Ok(Self {
            moments,
            numbers,
            has_volume: columns.volume.is_some(),
            vwap: columns.vwap.map(number).transpose()?,
            trades: columns.trades.map(number).transpose()?,
            layer: columns.layer.map(text).transpose()?,
            symbol: columns.symbol.map(text).transpose()?,
        })
    }

    fn row(&self, number: u64, at: usize) -> Result<Row, String> {
        let moment = self.moments[at].ok_or("time is null, or no time that is read")?;
        let mut values = [0.0; 5];
        for (value, (role, column)) in values.iter_mut().zip(&self.numbers) {
            *value = nullable(column, at).ok_or_else(|| format!("{role} is null, or no number"))?;
        }
        let [open, high, low, close, volume] = values;
        let maybe = |column: &Option<Float64Array>| optional(column.as_ref().and_then(|column| nullable(column, at)));
        let trades = match maybe(&self.trades) {
            Some(number) => Some(count(number).ok_or_else(|| format!("trades is {number}, which is no count"))?),
            None => None,
        };
        let layer = match texted(self.layer.as_ref(), at) {
            None | Some("") => None,
            Some(text) => match text.parse() {
                Ok(layer @ (Layer::Historical | Layer::Intraday)) => Some(layer),
                _ => return Err(format!("layer is {text:?}, which is neither historical nor intraday")),
            },
        };
        let (vwap, symbol) = (maybe(&self.vwap), texted(self.symbol.as_ref(), at).map(Into::into));
        Ok(Row { number, moment, prices: [open, high, low, close], volume, vwap, trades, layer, symbol, text: None })
    }

    /// What of the row can be shown where it can't be read.
    fn text(&self, at: usize) -> String {
        let time = self.moments[at].map(super::times::written).unwrap_or_default();
        let numbers = self.numbers.iter().map(|(_, column)| nullable(column, at).map(|number| number.to_string()));
        let volume = (!self.has_volume).then(|| Some("0".to_owned()));
        let cells = std::iter::once(Some(time)).chain(numbers).chain(volume).map(Option::unwrap_or_default);
        cells.collect::<Vec<_>>().join(",")
    }
}

fn nullable(column: &Float64Array, at: usize) -> Option<f64> {
    column.is_valid(at).then(|| column.value(at))
}

fn texted(column: Option<&StringArray>, at: usize) -> Option<&str> {
    column.filter(|column| column.is_valid(at)).map(|column| column.value(at))
}

fn joined(dates: &StringArray, times: &StringArray) -> Vec<Option<Moment>> {
    dates.iter().zip(times).map(|(date, time)| Moment::parse(&format!("{} {}", date?, time?))).collect()
}

/// Arrow times with a zone are instants, those without are what a clock showed; numbers and texts are read as in text
/// files.
fn moments(column: &dyn Array) -> Result<Vec<Option<Moment>>, ArrowError> {
    let read: Vec<Option<Moment>> = match column.data_type() {
        DataType::Timestamp(unit, zone) => {
            let unit = match unit {
                TimeUnit::Second => Unit::Seconds,
                TimeUnit::Millisecond => Unit::Milliseconds,
                TimeUnit::Microsecond => Unit::Microseconds,
                TimeUnit::Nanosecond => Unit::Nanoseconds,
            };
            let of = |number| {
                let at = unit.timestamp(number)?;
                if zone.is_some() {
                    Some(Moment::Zoned { at, offset: 0 })
                } else {
                    wall_of_millis(at.0).map(Moment::Wall)
                }
            };
            cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().iter().map(|number| of(number?)).collect()
        }
        DataType::Date32 | DataType::Date64 => {
            let days = cast(column, &DataType::Date32)?;
            days.as_primitive::<Date32Type>().iter().map(|days| day(days?).map(Moment::Date)).collect()
        }
        kind if kind.is_integer() => {
            let of = |number: i64| {
                // Eight digits are a date, as in text.
                let is_date = (10_000_000..100_000_000).contains(&number);
                if is_date { Moment::parse(&number.to_string()) } else { Moment::of_epoch(number) }
            };
            cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().iter().map(|number| of(number?)).collect()
        }
        kind if kind.is_floating() => {
            let numbers = cast(column, &DataType::Float64)?;
            numbers.as_primitive::<Float64Type>().iter().map(|number| Moment::parse(&number?.to_string())).collect()
        }
        _ => cast(column, &DataType::Utf8)?.as_string::<i32>().iter().map(|text| Moment::parse(text?)).collect(),
    };
    Ok(read)
}

fn day(days: i32) -> Option<NaiveDate> {
    let distance = Days::new(u64::from(days.unsigned_abs()));
    let epoch = NaiveDate::default();
    if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) }
}
