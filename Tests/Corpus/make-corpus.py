"""Writes the corpus's files that are not text. Its text files are written by hand. Run it where the formats change."""

import gzip
import io
import json
import pathlib
import struct
import zipfile

import numpy

here = pathlib.Path(__file__).parent


def write(name, content):
    path = here / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


# Messages: Sources/Protocol/Messages/Header.swift has the layout. A file holds one or more, as one worker sends or gets them.
KINDS = ["hello", "welcome", "ready", "refuse", "parameters", "assign", "push", "metrics", "ping", "pong", "goodbye", "lost",
         "pass", "routes", "linked", "missing", "unassigned", "ways"]
RUN, TRAIN, TEST, VALIDATE = 7, 1, 2, 3


def message(kind, payload=b"", session=1, step=0, leaves=(0, 0), chunk=0, task=0, place=0, weight=0, element=0, vector=0):
    if not isinstance(payload, bytes):
        payload = json.dumps(payload, separators=(",", ":")).encode()
    return struct.pack(
        "<4sHHQQQIIIBBBBQQd", b"LKST", 12, 1 + KINDS.index(kind), RUN, session, step, *leaves, chunk, task, vector, element, 0,
        len(payload), place, weight
    ) + payload


def metrics(examples, loss, leaf=-1, tensor=-1):
    return struct.pack("<qddiiIId", examples, examples, 0.25, leaf, tensor, 1, 0, loss)


vectors = {"process": 1, "descriptor": 3, "token": 5, "vectors": 16, "count": 3}
host = {"vectors": vectors, "inbox": {"process": 1, "descriptor": 4, "inode": 9}}
tensors = [
    {"name": "0.weight", "shape": [1, 2], "savedAxes": [1, 0], "range": [0, 2], "isStatistic": False},
    {"name": "0.bias", "shape": [1], "savedAxes": [], "range": [2, 3], "isStatistic": False},
]
job = {
    "data": "digits", "scale": "standard", "model": "mlp:256,128", "activation": "relu", "loss": "cross-entropy",
    "dropout": 0, "optimizer": "adam", "learning-rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8,
    "batch-size": 128, "micro-batches": 8, "steps": 1, "seed": 0, "on-nonfinite": "stop",
}
welcome = {"job": job, "onNonFinite": "stop", "scaling": {"offset": [0.5, -1], "factor": [2, 1]}, "chunkSize": 2, "host": host}
blend = {**job, "optimizer": "blend", "blend": "to-rmsprop", "schedule": "exponential", "clip-norm": 1, "dropout": 0.5, "test-fraction": 0.25}
other = {"job": blend, "onNonFinite": "skip", "scaling": {"offset": [], "factor": []}, "chunkSize": 1}
goodbye = {"reason": "tired"}
numerics = {"digest": "d", "processor": "p", "instructionSet": "AVX2", "library": "oneDNN 2", "build": "release"}
ready = {"data": "d", "layout": {"tensors": []}, "numerics": numerics}
floats = struct.pack("<2f", 1, -2)
# bf16: the upper halves of those floats.
halves, BF16, AVERAGE = floats[2:4] + floats[6:8], 1, 2
# Local steps: the optimizer's moments, and what a round begins with.
MOMENTS, round_start = 2, {"updates": 3, "rateFactor": 0.5}
relay = {"address": "tcp://10.0.0.2:5556", "key": "k", "ticket": 11}
offer = {"id": 8, "address": "tcp://h:1", "key": "k"}
summed = {"examples": 8, "batchSize": 8, "microBatches": 4, "totalSteps": 9, "parameterCount": 3, "statisticCount": 0,
          "precision": "bf16", "isAveraged": True, "moments": 1, "localSteps": 2, "replicas": 2}
ways = {"alternatives": [{"address": "tcp://h:1", "key": "k"}, {"address": "tcp://h:2"}], "moves": False}
routes = {"number": 1, "relays": [relay, None], "isCurrent": False, "own": 0, "isBeside": False}

whole = dict(leaves=(0, 4), task=TRAIN)
step = [
    message("push", floats, weight=8, **whole), message("push", floats[:4], chunk=1, weight=8, **whole),
    message("metrics", metrics(8, 2.5), **whole),
]
for name, content in {
    "hello": message("hello", {"name": "host/1", "threads": 4}, session=0),
    "ready": message("ready", ready),
    "ready-with-layout": message("ready", {**ready, "layout": {"tensors": tensors}, "host": host}),
    "push": message("push", floats, leaves=(0, 2), task=TRAIN, weight=4),
    "push-of-memory": message("push", leaves=(0, 4), task=TRAIN, place=2, weight=8),
    "push-of-bf16": message("push", halves, leaves=(0, 4), task=TRAIN, weight=8, element=BF16),
    "push-of-bf16-in-memory": message("push", leaves=(0, 4), task=TRAIN, place=2, weight=8, element=BF16),
    "step-of-bf16": message("push", halves, weight=8, element=BF16, **whole)
    + message("push", halves[:2], chunk=1, weight=8, element=BF16, **whole) + message("metrics", metrics(8, 2.5), **whole),
    "round-of-memory": message("push", leaves=(0, 2), task=TRAIN, place=2, weight=8)
    + message("push", leaves=(0, 2), task=TRAIN, chunk=2, vector=MOMENTS, place=2, weight=8),
    "round": b"".join(message("push", values, chunk=chunk, vector=vector, weight=16, leaves=(0, 2), task=TRAIN)
                      for chunk, (values, vector) in enumerate([(floats, 0), (floats[:4], 0), (floats, MOMENTS), (floats[:4], MOMENTS)]))
    + b"".join(message("metrics", metrics(8, 2.5), chunk=chunk, leaves=(0, 2), task=TRAIN) for chunk in range(2)),
    "metrics": message("metrics", metrics(4, 1), leaves=(2, 4), task=TEST),
    "metrics-with-flaw": message("metrics", metrics(8, float("nan"), leaf=1, tensor=0), **whole),
    "ping": message("ping"), "ping-of-one-beside": message("ping", chunk=1), "pong": message("pong"),
    "hello-of-relay": message("hello", {"name": "h/2", "threads": 1, "relay": offer}, session=0),
    "hello-of-relay-alone": message("hello", {"name": "h/3", "threads": 0, "relay": offer}, session=0),
    "hello-behind-relays": message("hello", {"name": "h/4", "threads": 2, "via": [9, 8]}, session=0),
    "linked": message("linked", chunk=1), "missing": message("missing", {"chunks": [0, 1]}),
    "goodbye": message("goodbye", goodbye),
    "step": b"".join(step),
    "step-and-evaluation": b"".join(step) + message("metrics", metrics(8, 1), step=1, leaves=(0, 1), task=VALIDATE),
    "life": message("goodbye", goodbye) + message("hello", {"name": "w", "threads": 1}, session=0)
    + message("ready", ready, session=2) + message("ping", session=2),
}.items():
    write(f"from-worker/{name}", content)

parameters = [message("parameters", floats), message("parameters", floats[:4], chunk=1)]
for name, content in {
    "welcome": message("welcome", welcome), "welcome-to-blend": message("welcome", other),
    "refuse": message("refuse", {"reason": "no"}),
    "parameters": parameters[0], "last-parameters": parameters[1],
    "parameters-in-memory": message("parameters", place=1),
    "parameters-of-bf16": message("parameters", halves, element=BF16),
    "step-of-bf16": message("parameters", halves, element=BF16) + message("parameters", halves[:2], chunk=1, element=BF16)
    + message("assign", leaves=(1, 4), task=TRAIN),
    "evaluation-of-bf16": message("parameters", halves, element=BF16) + b"".join(parameters)
    + message("parameters", halves[:2], chunk=1, element=BF16, place=0) + message("assign", leaves=(0, 1), task=TEST),
    "evaluation-of-averages": b"".join(parameters) + message("parameters", floats, element=AVERAGE)
    + message("parameters", floats[:4], chunk=1, element=AVERAGE) + message("assign", leaves=(0, 1), task=TEST),
    "round": b"".join(parameters) + message("parameters", floats, chunk=2, vector=MOMENTS)
    + message("parameters", floats[:4], chunk=3, vector=MOMENTS) + message("assign", round_start, leaves=(0, 1), task=TRAIN),
    "assign-round": message("assign", round_start, **whole),
    "assign": message("assign", **whole),
    "assign-evaluation": message("assign", leaves=(0, 1), task=TEST),
    "assign-validation": message("assign", leaves=(0, 1), task=VALIDATE),
    "ping": message("ping"), "pong": message("pong"), "lost": message("lost"),
    "goodbye": message("goodbye", {}),
    "pass": message("pass", floats), "routes": message("routes", routes),
    "welcome-of-relay": message("welcome", {**other, "summed": summed}),
    "unassigned": message("unassigned", {"session": 1}), "ways": message("ways", ways),
    "group": message("assign", **whole) + message("unassigned", {"session": 1}) + message("lost")
    + message("welcome", welcome, session=2) + message("assign", session=2, leaves=(2, 4), task=TRAIN),
    "step-with-relays": message("routes", routes) + b"".join(parameters) + message("assign", chunk=1, **whole)
    + message("routes", {"number": 2, "relays": [None, None], "isCurrent": True, "isBeside": True}),
    "step": b"".join(parameters) + message("assign", leaves=(1, 4), task=TRAIN),
    "life": message("lost") + message("welcome", welcome, session=2)
    + message("parameters", session=2, place=2) + message("parameters", session=2, chunk=1, place=2)
    + message("assign", session=2, leaves=(0, 1), task=VALIDATE, place=1) + message("goodbye", {}, session=2),
}.items():
    write(f"from-coordinator/{name}", content)


def idx(element, sizes, data):
    return struct.pack(f">HBB{len(sizes)}I", 0, element, len(sizes), *sizes) + data


for name, content in {
    "bytes": idx(0x08, [3, 2], bytes(range(6))), "signed-bytes": idx(0x09, [4], bytes([0, 1, 0x80, 0xFF])),
    "int16": idx(0x0B, [2, 2, 2], bytes(range(16))), "int32": idx(0x0C, [2], bytes(range(8))),
    "float": idx(0x0D, [4], b"\x40" * 16), "double": idx(0x0E, [1, 2], b"\x40" * 16),
    "empty": idx(0x08, [0, 28, 28], b""), "packed": gzip.compress(idx(0x08, [300], b"\x09" * 300), mtime=0),
    "two-members": gzip.compress(idx(0x08, [4], b"ab"), mtime=0) + gzip.compress(b"cd", mtime=0),
    "overflow": idx(0x08, [0x7FFFFFFF, 0x7FFFFFFF, 4], b"abc"), "lie": idx(0x0E, [0xFFFFFFFF], b"abc"),
    "packed-lie": gzip.compress(idx(0x08, [100_000], b"abc"), mtime=0),
}.items():
    write(f"idx/{name}", content)

write("csv/packed", gzip.compress(b"a,b\n1,2\n3,4\n", mtime=0))


def tensor(shape, offsets, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def safetensors(header, size=0, length=None):
    if not isinstance(header, str):
        header = json.dumps(header, separators=(",", ":"))
    data = header.encode()
    return struct.pack("<Q", len(data) if length is None else length) + data + bytes(range(size))


two = {"0.weight": tensor([2, 3], [0, 24]), "0.bias": tensor([2], [24, 32])}
for name, content in {
    "empty": safetensors({}), "two": safetensors({**two, "__metadata__": {"format": "pt"}}, 32),
    "out-of-order": safetensors('{ "b":' + json.dumps(tensor([1], [8, 12])) + ' , "a":' + json.dumps(tensor([2], [0, 8])) + " }  ", 12),
    "no-elements": safetensors({"a": tensor([0, 3], [0, 0]), "b": tensor([], [0, 4])}, 4),
    "overlapping": safetensors({"a": tensor([2], [0, 8]), "b": tensor([2], [4, 12])}, 12),
    "out-of-range": safetensors({"a": tensor([2], [8, 16])}, 8),
    "overflow": safetensors({"a": tensor([1 << 32, 1 << 32], [0, 8])}, 8),
    "negative": safetensors({"a": tensor([-1, -2], [-8, 0])}, 8),
    "one-name": safetensors('{"a":' + json.dumps(tensor([1], [0, 4])) + ',"a":' + json.dumps(tensor([1], [4, 8])) + "}", 8),
    "long-header": safetensors(two, 32, length=(1 << 63) - 1), "deep": safetensors('{"a":' * 40),
    "half": safetensors({"a": tensor([2], [0, 4], "F16")}, 4),
}.items():
    write(f"safetensors/{name}", content)


def npy(array, version=None):
    file = io.BytesIO()
    numpy.lib.format.write_array(file, array, version=version)
    return file.getvalue()


def npy_of(header, data=b""):
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + data


table = numpy.arange(6).reshape(3, 2)
for name, content in {
    "float": npy(table.astype("<f4")), "double": npy(table.astype(">f8")), "bytes": npy(table.astype("u1")),
    "half": npy(table.astype("<f2")), "int64": npy(table), "flags": npy(table > 2),
    "column-major": npy(numpy.asfortranarray(table.astype("<i2"))),
    "images": npy(numpy.asfortranarray(numpy.arange(24, dtype="u1").reshape(2, 3, 4))),
    "version-2": npy(table.astype("<f4"), (2, 0)), "version-3": npy(table.astype("<f4"), (3, 0)),
    "number": npy(numpy.float32(1)), "empty": npy(numpy.zeros((0, 3), "<f4")),
    "records": npy(numpy.zeros(2, [("a", "<f4"), ("b", "<i4", (2,))])), "text": npy(numpy.array(["a", "bc"])),
    "lie": npy_of("{'descr': '<f8', 'fortran_order': True, 'shape': (4294967295, 4294967295), }\n", b"abc"),
    "overflow": npy_of("{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775807, 3, 0), }\n"),
    "nested": npy_of("{'descr': " + "[(" * 50 + ")]" * 50 + ", 'fortran_order': False, 'shape': (1,), }\n", b"a"),
}.items():
    write(f"npy/{name}", content)


def npz(save, **arrays):
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def with_bytes(content, place, new):
    return content[:place] + new + content[place + len(new):]


keras = dict(
    x_train=numpy.arange(48, dtype="u1").reshape(3, 4, 4), y_train=numpy.array([0, 1, 2], "u1"),
    x_test=numpy.arange(32, dtype="u1").reshape(2, 4, 4), y_test=numpy.array([2, 0], "u1"))
pair = npz(numpy.savez, x=table.astype("<f4"), y=numpy.array([0.5, 1.5, 2.5]))
packed = npz(numpy.savez_compressed, x=numpy.zeros((100, 30), ">f4"), y=numpy.arange(100) % 2)
small = io.BytesIO()
with zipfile.ZipFile(small, "w") as archive:
    archive.writestr(zipfile.ZipInfo("a.npy"), npy(table.astype("<f4")))
    archive.comment = b"a comment"
small = small.getvalue()
bzip2 = io.BytesIO()
with zipfile.ZipFile(bzip2, "w") as archive:
    archive.writestr(zipfile.ZipInfo("a.npy"), npy(table), zipfile.ZIP_BZIP2)
directory, packed_directory = small.index(b"PK\1\2"), packed.index(b"PK\1\2")
end = small.index(b"PK\5\6")
# What is written where a number does not fit 32 bits, by a record of the numbers' full widths.
zip64 = (
    with_bytes(small[:end], directory + 20, b"\xff" * 8).replace(b"a.npy", b"A.npy")
)
extra = struct.pack("<HHQQ", 1, 16, *struct.unpack_from("<II", small, directory + 20)[::-1])
zip64 = with_bytes(zip64, directory + 30, struct.pack("<H", len(extra))) + extra
zip64_end = len(zip64)
zip64 += struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 1, 1, zip64_end - directory, directory)
zip64 += struct.pack("<IIQI", 0x07064B50, 0, zip64_end, 1)
zip64 += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
for name, content in {
    "keras": npz(numpy.savez, **keras), "pair": pair, "packed": packed, "small": small, "zip64": zip64,
    "bzip2": bzip2.getvalue(), "encrypted": with_bytes(small, directory + 8, b"\1"),
    "disks": with_bytes(small, end + 4, b"\1"), "checksum": with_bytes(small, directory + 16, b"\0\0\0\0"),
    "lie": with_bytes(packed, packed_directory + 24, struct.pack("<I", 1 << 30)),
    "small-lie": with_bytes(packed, packed_directory + 24, struct.pack("<I", 12_127)),
    "cut": pair[:-10], "no-members": small[end:end + 8] + b"\0" * 14,
}.items():
    write(f"npz/{name}", content)
