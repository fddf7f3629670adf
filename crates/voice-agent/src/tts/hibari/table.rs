//! Read-only string tables in one block of memory each, parsed straight from the model's compressed JSON.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};

use crate::model::runtime::ModelError;

/// Reads a JSON file of the model, decompressing it when its name ends in `.gz`.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let broken = |reason: String| ModelError::Broken { path: path.to_owned(), reason };
    let mut file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => ModelError::Missing(path.to_owned()),
        _ => ModelError::Broken { path: PathBuf::from(path), reason: error.to_string() },
    })?;
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(file).read_to_end(&mut bytes).map_err(|error| broken(error.to_string()))?;
    } else {
        file.read_to_end(&mut bytes).map_err(|error| broken(error.to_string()))?;
    }
    serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))
}

/// Sorted strings in one block, found by binary search: a quarter of the memory of a hash map of `String`s.
#[derive(Debug, Default)]
pub(super) struct Keys {
    block: String,
    spans: Vec<(u32, u16)>,
}

impl Keys {
    /// Builds the set. Answers it with, for each key in its new order, its index in `items`.
    pub(super) fn build<S: AsRef<str>>(items: &[S]) -> (Self, Vec<usize>) {
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by(|a, b| items[*a].as_ref().cmp(items[*b].as_ref()));
        let mut keys = Self { block: String::new(), spans: Vec::with_capacity(items.len()) };
        keys.block.reserve_exact(items.iter().map(|item| item.as_ref().len()).sum());
        for index in &order {
            let item = items[*index].as_ref();
            let start = u32::try_from(keys.block.len()).unwrap_or(u32::MAX);
            keys.spans.push((start, u16::try_from(item.len()).unwrap_or(u16::MAX)));
            keys.block.push_str(item);
        }
        (keys, order)
    }

    fn key(&self, span: (u32, u16)) -> &str {
        let start = usize::try_from(span.0).unwrap_or(usize::MAX);
        self.block.get(start..start.saturating_add(usize::from(span.1))).unwrap_or("")
    }

    /// The index of a key in sorted order.
    pub(super) fn find(&self, key: &str) -> Option<usize> {
        self.spans.binary_search_by(|span| self.key(*span).cmp(key)).ok()
    }
}

/// A read-only map from string to string.
#[derive(Debug, Default)]
pub(super) struct Table {
    keys: Keys,
    values: String,
    spans: Vec<(u32, u16)>,
}

impl Table {
    /// Builds the map from pairs; of equal keys one wins.
    pub(super) fn build(pairs: &[(String, String)]) -> Self {
        let names: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        let (keys, order) = Keys::build(&names);
        let mut values = String::with_capacity(pairs.iter().map(|(_, value)| value.len()).sum());
        let mut spans = Vec::with_capacity(pairs.len());
        for index in order {
            let value = &pairs[index].1;
            let start = u32::try_from(values.len()).unwrap_or(u32::MAX);
            spans.push((start, u16::try_from(value.len()).unwrap_or(u16::MAX)));
            values.push_str(value);
        }
        Self { keys, values, spans }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let (start, length) = *self.spans.get(self.keys.find(key)?)?;
        let start = usize::try_from(start).ok()?;
        self.values.get(start..start + usize::from(length))
    }
}

/// A JSON object as pairs in the order of the file.
#[derive(Debug)]
pub(super) struct Pairs<V>(pub(super) Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Collect<V> {
            type Value = Pairs<V>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_finds_what_was_put_in() {
        let pairs: Vec<(String, String)> =
            [("b", "2"), ("a", "1"), ("é", "3"), ("", "0")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let table = Table::build(&pairs);
        assert_eq!(table.get("a"), Some("1"));
        assert_eq!(table.get("b"), Some("2"));
        assert_eq!(table.get("é"), Some("3"));
        assert_eq!(table.get(""), Some("0"));
        assert_eq!(table.get("c"), None);
    }

    #[test]
    fn a_missing_or_broken_file_is_named() {
        let missing = read_json::<Vec<u8>>(Path::new("/nowhere/x.json")).expect_err("there is no such file");
        assert!(matches!(missing, ModelError::Missing(_)), "{missing}");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.json.gz");
        std::fs::write(&path, b"not gzip").expect("a file");
        let broken = read_json::<Vec<u8>>(&path).expect_err("it is no gzip");
        assert!(matches!(broken, ModelError::Broken { .. }), "{broken}");
    }
}
