//! Records as Parquet: a column for each key of the table of fields, what the store says of each record, and the record as it came.

use std::io::Write;
use std::sync::Arc;

use ::parquet::basic::{Compression, GzipLevel};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;
use serde_json::Value;

use super::database::StoreError;
use super::filter::Found;
use super::record::{FIELDS, Kind};

/// The most records of a row group, and the bytes of records from which on it is written out.
const MAX_ROWS: usize = 10_000;
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The values of a column; a level of 0 is a null, which has no value.
#[derive(Default)]
struct Column<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

/// A column of some type.
enum Cells {
    Int(Column<i64>),
    Text(Column<ByteArray>),
    Flag(Column<bool>),
}

/// A file in the making.
pub(crate) struct Parquet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Cells>,
    rows: usize,
    bytes: usize,
}

impl<T> Column<T> {
    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn write<D: DataType<T = T>>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    ) -> Result<(), ParquetError> {
        let mut column = group
            .next_column()?
            .ok_or_else(|| ParquetError::General("there are more columns than the schema has".to_owned()))?;
        column.typed::<D>().write_batch(&self.values, Some(&self.levels), None)?;
        column.close()
    }
}

impl<W: Write + Send> Parquet<W> {
    /// Begins a file.
    pub(crate) fn new(out: W) -> Result<Self, StoreError> {
        let schema = Arc::new(parse_message_type(&schema()).map_err(told)?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::GZIP(GzipLevel::default()))
            .set_created_by(format!("sallyport {}", env!("CARGO_PKG_VERSION")))
            .build();
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(told)?;
        Ok(Self { writer, columns: columns(), rows: 0, bytes: 0 })
    }

    /// Adds a record.
    pub(crate) fn add(&mut self, found: &Found) -> Result<(), StoreError> {
        let Found { proxy, entry, .. } = found;
        let raw: Value = serde_json::from_str(&entry.raw).unwrap_or_default();
        let text = |text: &str| Value::from(text);
        let stored = [
            entry.place.received.into(),
            text(proxy),
            proxy.starts_with("spiffe://").into(),
            text(&entry.epoch.to_string()),
            entry.place.place.into(),
        ];
        let own = FIELDS.iter().map(|field| match (field.kind, raw.get(field.name)) {
            (Kind::Findings, Some(findings)) if !findings.is_null() => text(&findings.to_string()),
            (_, value) => value.cloned().unwrap_or_default(),
        });
        let values = stored.into_iter().chain(own).chain([text(&entry.raw)]);
        for (cells, value) in self.columns.iter_mut().zip(values) {
            match cells {
                Cells::Int(column) => column.push(value.as_i64()),
                Cells::Text(column) => column.push(value.as_str().map(ByteArray::from)),
                Cells::Flag(column) => column.push(value.as_bool()),
            }
        }
        self.rows += 1;
        self.bytes += entry.raw.len();
        if self.rows >= MAX_ROWS || self.bytes >= MAX_BYTES {
            self.write_group().map_err(told)?;
        }
        Ok(())
    }

    /// Ends the file.
    pub(crate) fn end(mut self) -> Result<(), StoreError> {
        if self.rows > 0 {
            self.write_group().map_err(told)?;
        }
        let mut out = self.writer.into_inner().map_err(told)?;
        out.flush().map_err(|why| StoreError::new(why.to_string()))
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for cells in std::mem::replace(&mut self.columns, columns()) {
            match cells {
                Cells::Int(column) => column.write::<Int64Type>(&mut group)?,
                Cells::Text(column) => column.write::<ByteArrayType>(&mut group)?,
                Cells::Flag(column) => column.write::<BoolType>(&mut group)?,
            }
        }
        (self.rows, self.bytes) = (0, 0);
        group.close().map(drop)
    }
}

/// The names of columns with their types, in Parquet's words.
fn described() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let stored = [
        ("received", "int64", " (TIMESTAMP(MILLIS,true))"),
        ("proxy", "binary", " (STRING)"),
        ("verified", "boolean", ""),
        ("epoch", "binary", " (STRING)"),
        ("place", "int64", ""),
    ];
    let own = FIELDS.iter().map(|field| match (field.name, field.kind) {
        ("time", _) => (field.name, "int64", " (TIMESTAMP(MILLIS,true))"),
        (_, Kind::Number) => (field.name, "int64", ""),
        (_, Kind::Text | Kind::Word(_)) => (field.name, "binary", " (STRING)"),
        (_, Kind::Findings) => (field.name, "binary", " (JSON)"),
    });
    stored.into_iter().chain(own).chain([("record", "binary", " (JSON)")])
}

fn schema() -> String {
    let lines = described().map(|(name, kind, logical)| format!("  optional {kind} {name}{logical};\n"));
    format!("message records {{\n{}}}", lines.collect::<String>())
}

fn columns() -> Vec<Cells> {
    let empty = |(_, kind, _): (&str, &str, &str)| match kind {
        "int64" => Cells::Int(Column::default()),
        "boolean" => Cells::Flag(Column::default()),
        _ => Cells::Text(Column::default()),
    };
    described().map(empty).collect()
}

fn told(why: ParquetError) -> StoreError {
    StoreError::new(format!("no Parquet can be written: {why}"))
}
