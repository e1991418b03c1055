"""Writes files of torch.save without PyTorch, valid or malformed."""

import collections
import io
import pickle
import sys
import zipfile

from mindone_tae.weights.formats.torch import open_torch

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
SYSTEM = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class Storage:
    def __init__(self, array, key, kind="Float"):
        self.array, self.key, self.kind = array, key, kind


class View:
    """Pickled as torch pickles a tensor."""

    def __init__(self, storage, offset, shape, strides):
        self.parts = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.parts


def whole(array, key, kind="Float"):
    strides = tuple(step // array.itemsize for step in array.strides)
    return View(Storage(array, key, kind), 0, array.shape, strides)


def pickled(torch, value, tail=(), protocol=2):
    """The pickle of a value, and its storages in order of appearance."""
    storages = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            if not isinstance(item, Storage):
                return None
            storages[item.key] = item.array
            return ("storage", getattr(torch, f"{item.kind}Storage"), item.key, "cpu", item.array.size, *tail)

    buffer = io.BytesIO()
    Pickler(buffer, protocol).dump(value)
    return buffer.getvalue(), storages


def write_zip(path, program, storages=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", "little")
        for key, array in dict(storages).items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", "3\n")
    return path


def write_legacy(path, program, storages):
    with open(path, "wb") as file:
        for value in (MAGIC, VERSION, SYSTEM):
            pickle.dump(value, file, 2)
        file.write(program)
        pickle.dump(list(storages), file, 2)
        for array in storages.values():
            file.write(array.size.to_bytes(8, "little") + array.tobytes())
    return path


def read(path):
    return {name: tensor.read() for name, tensor in open_torch(path).tensors.items()}
