//! Reads the named weight tensors out of an ONNX file.
//!
//! An ONNX file is one protobuf message. Only four fields of it matter here (`onnx.proto`, IR version 8):
//! `ModelProto.graph` (7), `GraphProto.initializer` (5), and of a `TensorProto` its `dims` (1), `data_type` (2), `name` (8)
//! and `raw_data` (9); every other field is skipped by its wire type.

use std::collections::BTreeMap;

/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

/// A weight tensor of 32-bit floats, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    /// The length of each axis, outermost first.
    pub(super) dims: Vec<usize>,
    /// The values, row-major.
    pub(super) values: Vec<f32>,
}

/// The float initializers of a model, by name.
///
/// # Errors
/// What is wrong with the bytes, in a few words.
pub(super) fn float_tensors(model: &[u8]) -> Result<BTreeMap<String, Tensor>, &'static str> {
    let mut tensors = BTreeMap::new();
    for_each_field(model, |number, value| match (number, value) {
        (7, Field::Bytes(graph)) => for_each_field(graph, |number, value| match (number, value) {
            (5, Field::Bytes(tensor)) => {
                if let Some((name, tensor)) = float_tensor(tensor)? {
                    tensors.insert(name, tensor);
                }
                Ok(())
            }
            _ => Ok(()),
        }),
        _ => Ok(()),
    })?;
    Ok(tensors)
}

/// One `TensorProto`; `None` when it does not hold floats.
fn float_tensor(bytes: &[u8]) -> Result<Option<(String, Tensor)>, &'static str> {
    let (mut dims, mut data_type, mut name, mut raw) = (Vec::new(), 0, String::new(), &[][..]);
    for_each_field(bytes, |number, value| {
        match (number, value) {
            (1, Field::Varint(dim)) => dims.push(to_length(dim)?),
            (1, Field::Bytes(packed)) => {
                let mut rest = packed;
                while !rest.is_empty() {
                    dims.push(to_length(varint(&mut rest)?)?);
                }
            }
            (2, Field::Varint(kind)) => data_type = kind,
            (8, Field::Bytes(text)) => name = String::from_utf8_lossy(text).into_owned(),
            (9, Field::Bytes(data)) => raw = data,
            _ => {}
        }
        Ok(())
    })?;
    if data_type != FLOAT {
        return Ok(None);
    }
    let expected = dims.iter().try_fold(4usize, |bytes, dim| bytes.checked_mul(*dim));
    if expected != Some(raw.len()) {
        return Err("a tensor's data does not fit its dimensions");
    }
    let values = raw.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok(Some((name, Tensor { dims, values })))
}

/// A protobuf field's value, as far as its wire type tells it.
enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// A fixed 32 or 64 bit value, which nothing here needs.
    Fixed,
}

/// Calls `visit` with the number and value of each field of a message.
fn for_each_field<'a>(
    mut message: &'a [u8],
    mut visit: impl FnMut(u64, Field<'a>) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let value = match key & 7 {
            0 => Field::Varint(varint(&mut message)?),
            1 => take(&mut message, 8).map(|_| Field::Fixed)?,
            2 => {
                let length = to_length(varint(&mut message)?)?;
                Field::Bytes(take(&mut message, length)?)
            }
            5 => take(&mut message, 4).map(|_| Field::Fixed)?,
            _ => return Err("an unknown protobuf wire type"),
        };
        visit(key >> 3, value)?;
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or("it ends inside a number")?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number of more than 64 bits")
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], &'static str> {
    let (head, rest) = bytes.split_at_checked(length).ok_or("it is cut short")?;
    *bytes = rest;
    Ok(head)
}

fn to_length(value: u64) -> Result<usize, &'static str> {
    usize::try_from(value).map_err(|_| "an impossible length")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length-delimited field.
    fn bytes_field(number: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("short test payloads");
        assert!(length < 0x80);
        [&[number << 3 | 2, length], payload].concat()
    }

    fn model(tensor: &[u8]) -> Vec<u8> {
        // A varint field (ir_version) before the graph must be skipped.
        [&[0x08, 0x08][..], &bytes_field(7, &bytes_field(5, tensor))].concat()
    }

    fn tensor(dims: &[u8], data_type: u8, values: &[f32]) -> Vec<u8> {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        [&bytes_field(1, dims)[..], &[0x10, data_type], &bytes_field(8, b"weight"), &bytes_field(9, &raw)].concat()
    }

    #[test]
    fn reads_a_float_tensor() {
        let tensors = float_tensors(&model(&tensor(&[2, 1], 1, &[0.5, -3.0]))).expect("a model");
        assert_eq!(tensors["weight"], Tensor { dims: vec![2, 1], values: vec![0.5, -3.0] });
    }

    #[test]
    fn passes_over_tensors_of_other_types() {
        assert!(float_tensors(&model(&tensor(&[2], 7, &[0.0, 0.0]))).expect("a model").is_empty());
    }

    #[test]
    fn refuses_data_that_does_not_fit_its_dimensions() {
        assert!(float_tensors(&model(&tensor(&[3], 1, &[0.5, -3.0]))).is_err());
    }

    #[test]
    fn refuses_every_cut_of_a_model_without_panicking() {
        let whole = model(&tensor(&[2, 1], 1, &[0.5, -3.0]));
        for end in 3..whole.len() {
            assert!(float_tensors(&whole[..end]).is_err(), "cut at {end}");
        }
    }
}
