"""The encoding of pandas' frames, series, indexes and times: every dtype is kept, the index too."""

from __future__ import annotations

import contextlib
from json.encoder import encode_basestring
from typing import Any

from vessl_nb.values.family import Decode, Decoder, Encoder, NoEncoding, Walk, library
from vessl_nb.values.plain import decode_zone, encode_zone

_MASKED = {
    "boolean": "BooleanArray",
    **dict.fromkeys(("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"), "IntegerArray"),
    **dict.fromkeys(("Float32", "Float64"), "FloatingArray"),
}


def encoder_of(pd: Any, value: Any) -> Encoder | None:
    """Find the encoder for a value of pandas'."""
    kind = type(value)
    if value is pd.NaT or value is pd.NA:
        return _encode_missing
    encoder = {
        pd.DataFrame: _encode_frame,
        pd.Series: _encode_series,
        pd.RangeIndex: _encode_range_index,
        pd.MultiIndex: _encode_multi_index,
        pd.Timestamp: _encode_timestamp,
        pd.Timedelta: _encode_timedelta,
    }.get(kind)
    if encoder is not None:
        return encoder
    if issubclass(kind, pd.DataFrame | pd.Series):
        return _refuse_subclass
    if issubclass(kind, pd.Index):
        return _encode_index
    return _encode_array if issubclass(kind, pd.api.extensions.ExtensionArray) else None


def _refuse_subclass(value: Any, _walk: Walk) -> Any:
    raise NoEncoding(
        f"is a {type(value).__name__}, and what that class adds to pandas has no encoding",
        "Give a plain frame or series: pandas.DataFrame(value), pandas.Series(value).",
    )


# Scalars ----------------------------------------------------------------------------------------------------------


def _encode_missing(value: Any, _walk: Walk) -> Any:
    return {"$type": "pandas.NaT" if value is library("pandas").NaT else "pandas.NA"}


def _decode_nat(_data: dict[str, Any], _decode: Decode) -> Any:
    return library("pandas").NaT


def _decode_na(_data: dict[str, Any], _decode: Decode) -> Any:
    return library("pandas").NA


def _encode_timestamp(value: Any, _walk: Walk) -> Any:
    data = {"$type": "pandas.Timestamp", "value": int(value.asm8.view("i8")), "unit": value.unit}
    return data if value.tzinfo is None else data | {"zone": encode_zone(value.tzinfo)}


def _decode_timestamp(data: dict[str, Any], _decode: Decode) -> Any:
    time = library("pandas").Timestamp(library("numpy").datetime64(data["value"], data["unit"]))
    return time.tz_localize("UTC").tz_convert(_zone(data["zone"])) if "zone" in data else time


def _zone(name: str) -> Any:
    # By its name, so that pandas takes a zone of the library that it takes all zones of: once pytz, now zoneinfo.
    return decode_zone(name) if name.startswith(("+", "-")) else name


def _encode_timedelta(value: Any, _walk: Walk) -> Any:
    return {"$type": "pandas.Timedelta", "value": int(value.asm8.view("i8")), "unit": value.unit}


def _decode_timedelta(data: dict[str, Any], _decode: Decode) -> Any:
    return library("pandas").Timedelta(library("numpy").timedelta64(data["value"], data["unit"]))


# Arrays of pandas' own dtypes -------------------------------------------------------------------------------------


def _encode_array(value: Any, walk: Walk) -> Any:
    pd = library("pandas")
    dtype = value.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes, categories = walk.part(value.codes, ".codes"), walk.part(value.categories, ".categories")
        return {"$type": "pandas.Categorical", "codes": codes, "categories": categories, "ordered": bool(value.ordered)}
    if isinstance(dtype, pd.DatetimeTZDtype):
        instants = value.tz_convert("UTC").tz_localize(None).to_numpy()
        return {"$type": "pandas.DatetimeArray", "zone": encode_zone(dtype.tz), "utc": walk.part(instants, "")}
    if isinstance(dtype, pd.StringDtype):
        missing = "NA" if getattr(dtype, "na_value", pd.NA) is pd.NA else "nan"
        return _encode_strings(value, missing, walk)
    if str(dtype) in _MASKED:
        mask = value.isna()
        filled = value.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.type(0))
        return {
            "$type": "pandas.MaskedArray",
            "dtype": str(dtype),
            "values": walk.part(filled, ""),
            "mask": walk.part(mask, ""),
        }
    raise NoEncoding(
        f"has the pandas dtype {dtype}, which has no encoding",
        'Convert it: .astype("float64"), .astype("Int64"), .astype(str) or another dtype of numpy\'s or pandas\' own.',
    )


def _encode_strings(value: Any, missing: str, walk: Walk) -> Any:
    texts = value.to_numpy(dtype=object, na_value=None)
    items = [walk(text, f"[{number}]") for number, text in enumerate(texts)]
    return {"$type": "pandas.StringArray", "storage": value.dtype.storage, "missing": missing, "values": items}


def _decode_categorical(data: dict[str, Any], decode: Decode) -> Any:
    codes, categories = decode(data["codes"]), decode(data["categories"])
    return library("pandas").Categorical.from_codes(codes, categories, ordered=data["ordered"])


def _decode_datetimes(data: dict[str, Any], decode: Decode) -> Any:
    instants = library("pandas").Series(decode(data["utc"]))
    return instants.dt.tz_localize("UTC").dt.tz_convert(_zone(data["zone"])).array


def _decode_strings(data: dict[str, Any], decode: Decode) -> Any:
    np, pd = library("numpy"), library("pandas")
    texts = [decode(text) for text in data["values"]]
    # Which library holds the text is a matter of speed: where Arrow is missing, Python holds it.
    storage = data["storage"] if data["storage"] == "python" or _has_arrow() else "python"
    if data["missing"] == "NA":
        return pd.array(texts, dtype=pd.StringDtype(storage))
    try:
        return pd.array(texts, dtype=pd.StringDtype(storage, na_value=np.nan))
    except TypeError:  # before pandas 2.3, where such text was a column of objects
        return np.array([np.nan if text is None else text for text in texts], dtype=object)


def _has_arrow() -> bool:
    try:
        library("pandas").StringDtype("pyarrow")
    except ImportError:
        return False
    return True


def _decode_masked(data: dict[str, Any], decode: Decode) -> Any:
    array_type = getattr(library("pandas").arrays, _MASKED[data["dtype"]])
    return array_type(decode(data["values"]), decode(data["mask"]))


# Indexes ----------------------------------------------------------------------------------------------------------


def _values(holder: Any) -> Any:
    """Take what a series or an index holds: numpy's array where its dtype is numpy's, else pandas'."""
    return holder.to_numpy() if isinstance(holder.dtype, library("numpy").dtype) else holder.array


def _encode_index(value: Any, walk: Walk) -> Any:
    if value.dtype == object:
        walk.keys(dict.fromkeys(value), "[{}]")  # labels that are equal or no labels once decoded are refused
    data = {"$type": "pandas.Index", "name": _encode_name(value, walk), "values": walk.part(_values(value), "")}
    frequency = getattr(value, "freqstr", None)
    return data if frequency is None else data | {"freq": frequency}


def _decode_index(data: dict[str, Any], decode: Decode) -> Any:
    values = decode(data["values"])
    # Without the dtype pandas would guess one; and it would make a MultiIndex of tuples.
    index = library("pandas").Index(values, dtype=values.dtype, tupleize_cols=False, name=decode(data["name"]))
    if "freq" in data:
        # The frequency is a note on the values, and its names change between versions of pandas.
        with contextlib.suppress(ValueError):
            index.freq = data["freq"]
    return index


def _encode_range_index(value: Any, walk: Walk) -> Any:
    data = {"$type": "pandas.RangeIndex", "start": value.start, "stop": value.stop, "step": value.step}
    return data | {"name": _encode_name(value, walk)}


def _decode_range_index(data: dict[str, Any], decode: Decode) -> Any:
    return library("pandas").RangeIndex(data["start"], data["stop"], data["step"], name=decode(data["name"]))


def _encode_multi_index(value: Any, walk: Walk) -> Any:
    levels = [walk.part(level.rename(None), f".levels[{number}]") for number, level in enumerate(value.levels)]
    codes = [walk.part(library("numpy").asarray(codes), ".codes") for codes in value.codes]
    names = [name for label in value.names for name in walk.keys([label], ".names")]  # one may be there twice
    return {"$type": "pandas.MultiIndex", "levels": levels, "codes": codes, "names": names}


def _decode_multi_index(data: dict[str, Any], decode: Decode) -> Any:
    levels, codes, names = decode(data["levels"]), decode(data["codes"]), decode(data["names"])
    return library("pandas").MultiIndex(levels=levels, codes=codes, names=names, verify_integrity=True)


def _encode_name(value: Any, walk: Walk) -> Any:
    (name,) = walk.keys([value.name], ".name")
    return name


# Series and frames ------------------------------------------------------------------------------------------------


def _encode_series(value: Any, walk: Walk) -> Any:
    return {
        "$type": "pandas.Series",
        "name": _encode_name(value, walk),
        "index": walk.part(value.index, ".index"),
        "values": walk.part(_values(value), ""),
    }


def _decode_series(data: dict[str, Any], decode: Decode) -> Any:
    values = decode(data["values"])
    return library("pandas").Series(values, decode(data["index"]), dtype=values.dtype, name=decode(data["name"]))


def _encode_frame(value: Any, walk: Walk) -> Any:
    columns = []
    for number, label in enumerate(value.columns):  # by number: two columns may have one label
        step = f"[{encode_basestring(label)}]" if isinstance(label, str) else f".iloc[:, {number}]"
        columns.append(walk.part(_values(value.iloc[:, number]), step))
    return {
        "$type": "pandas.DataFrame",
        "columns": walk.part(value.columns, ".columns"),
        "index": walk.part(value.index, ".index"),
        "values": columns,
    }


def _decode_frame(data: dict[str, Any], decode: Decode) -> Any:
    pd = library("pandas")
    index = decode(data["index"])
    arrays = [decode(array) for array in data["values"]]
    series = {number: pd.Series(array, index, dtype=array.dtype) for number, array in enumerate(arrays)}
    frame = pd.DataFrame(series, index=index)
    frame.columns = decode(data["columns"])
    return frame


DECODERS: dict[str, Decoder] = {
    "pandas.NaT": _decode_nat,
    "pandas.NA": _decode_na,
    "pandas.Timestamp": _decode_timestamp,
    "pandas.Timedelta": _decode_timedelta,
    "pandas.Categorical": _decode_categorical,
    "pandas.DatetimeArray": _decode_datetimes,
    "pandas.StringArray": _decode_strings,
    "pandas.MaskedArray": _decode_masked,
    "pandas.Index": _decode_index,
    "pandas.RangeIndex": _decode_range_index,
    "pandas.MultiIndex": _decode_multi_index,
    "pandas.Series": _decode_series,
    "pandas.DataFrame": _decode_frame,
}
