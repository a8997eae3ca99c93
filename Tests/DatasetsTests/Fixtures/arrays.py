"""Writes arrays.json: files of NumPy arrays of each element type, order of bytes, order of elements and version of the
format, with the bits of the float32 values that NumPy converts them to."""

import base64
import io
import json
import pathlib
import warnings

import numpy as np

VALUES = {
    "b1": [0, 1, 1, 0, 1, 0],
    "i1": [0, 1, -1, 127, -128, 5],
    "i2": [0, 1, -1, 32767, -32768, 258],
    "i4": [0, -1, 2**24 + 1, 2**31 - 1, -2**31, 66051],
    "i8": [0, -1, 2**24 + 3, 2**63 - 1, -2**63, 0x0102030405060708],
    "u1": [0, 1, 127, 128, 255, 5],
    "u2": [0, 1, 32768, 65535, 258, 5],
    "u4": [0, 1, 2**24 + 1, 2**32 - 1, 2**31, 66051],
    "u8": [0, 1, 2**63 + 2**39, 2**64 - 1, 2**63, 0x0102030405060708],
    "f2": [0.1, -0.0, 65504, 2**-24, -(2**-14), 1.5],
    "f4": [0.1, -0.0, 3.4028235e38, 1e-45, -42.625, 1.5],
    "f8": [0.1, -0.0, 3e38, 1e-45, 1 + 2**-24, -1e-300],
}


def file(array, version):
    text = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.lib.format.write_array(text, array, version=version)
    return text.getvalue()


def entry(name, array, version):
    values = np.ascontiguousarray(array).astype(np.float32)
    return {
        "name": name, "file": base64.b64encode(file(array, version)).decode(), "shape": list(array.shape),
        "bits": values.view(np.uint32).ravel().tolist(),
    }


entries = []
for kind, values in VALUES.items():
    for order in ["<", ">"] if kind[1] != "1" else ["|"]:
        table = np.array(values, dtype=order + kind).reshape(2, 3)
        for layout in ["C", "F"]:
            array = np.array(table, order=layout)
            name = f"{order}{kind} {'row' if layout == 'C' else 'column'}-major"
            assert array.dtype.str == order + kind
            entries.append(entry(name, array, (1, 0)))
for version in [(2, 0), (3, 0)]:
    entries.append(entry(f"version {version[0]}", np.array([[1.5, -2], [3, 4]], dtype="<f4"), version))
for shape in [(5,), (3, 1, 1), (2, 3, 4), (3, 2, 2, 3), (70, 3, 2)]:
    for layout in ["C", "F"]:
        array = np.array(np.arange(np.prod(shape)).reshape(shape), dtype="<i2", order=layout)
        entries.append(entry(f"{shape} {layout}", array, (1, 0)))

lines = ",\n".join(json.dumps(each) for each in entries)
(pathlib.Path(__file__).parent / "arrays.json").write_text(f"[\n{lines}\n]\n")
